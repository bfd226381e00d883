/* Framing: the fixed header before every message on the socket. Pure: bytes in, values out; no allocation.
 *
 * Integers are little-endian. A request header has 16 bytes, a reply header 32; the body follows at once.
 *
 *   offset  size  request            reply
 *   0       1     magic 0xCA         magic 0xCA
 *   1       1     type               type of the request, with bit 7 set
 *   2       1     0                  flags
 *   3       1     0                  status
 *   4       4     body length        body length
 *   8       8     request id         request id
 *   16      8                        written through
 *   24      8                        durable through
 */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

enum {
    FRAME_MAGIC = 0xCA,
    FRAME_REQUEST_BYTES = 16,
    FRAME_REPLY_BYTES = 32,
    FRAME_REPLY_BIT = 0x80,
};

/* Values are wire codes: never reuse one. */
enum frame_type {
    FRAME_HELLO = 1,
    FRAME_PING = 2,
    FRAME_STATUS = 3,
    FRAME_CHAINS = 4,
    FRAME_CREATE_CHAIN = 5,
    FRAME_DROP_CHAIN = 6,
    FRAME_DRAIN = 7,
    FRAME_CLAIM = 8,
    FRAME_PRESENT = 9,
    FRAME_RELEASE = 10,
    FRAME_HEIGHT = 16,
    FRAME_READ_BLOCK = 17,
    FRAME_READ_BLOCKS = 18,
    FRAME_READ_STATE = 19,
    FRAME_GET_METADATA = 20,
    FRAME_GET_METADATA_MANY = 21,
    FRAME_LIST_METADATA = 22,
    FRAME_CREDIT = 23,
    FRAME_CANCEL = 24,
    FRAME_USAGE = 25,
    FRAME_WRITE_METADATA = 32,
    FRAME_COMMIT = 33,
    FRAME_PRUNE = 34,
    FRAME_ROLLBACK = 35,
    FRAME_BARRIER = 36,
};

enum frame_flag {
    FRAME_CONTINUED = 1, /* the message goes on in the next frame with this request id */
    FRAME_MORE = 2,      /* more messages follow for this request */
};

struct frame_request {
    uint8_t type; /* enum frame_type, or a value this version does not know */
    uint32_t body_bytes;
    uint64_t id;
};

struct frame_reply {
    uint8_t type; /* without FRAME_REPLY_BIT */
    uint8_t flags;
    uint8_t status; /* enum status, or a value this version does not know */
    uint32_t body_bytes;
    uint64_t id;
    uint64_t written_through;
    uint64_t durable_through;
};

/* Reads a request header from exactly FRAME_REQUEST_BYTES bytes.
 *
 * STATUS_OK       *ret_request is set; the body length is not judged
 * STATUS_INVALID  not a request header: wrong magic, a type with the reply bit, a reserved byte that is not 0 */
enum status frame_request_decode(const uint8_t *bytes, struct frame_request *ret_request) MUST_CHECK;

/* Reads a reply header from exactly FRAME_REPLY_BYTES bytes.
 *
 * STATUS_OK       *ret_reply is set
 * STATUS_INVALID  wrong magic, a type without the reply bit, or unknown flags */
enum status frame_reply_decode(const uint8_t *bytes, struct frame_reply *ret_reply) MUST_CHECK;

/* Write a header to FRAME_REQUEST_BYTES or FRAME_REPLY_BYTES bytes. */
void frame_request_encode(const struct frame_request *request, uint8_t *ret_bytes);
void frame_reply_encode(const struct frame_reply *reply, uint8_t *ret_bytes);

/* Replaces the id in a request header that frame_request_encode wrote. */
void frame_request_set_id(uint64_t id, uint8_t *ret_bytes);

/* The request's name for logs and tables, static; "unknown" for a type that this version does not know. */
const char *frame_type_text(uint8_t type);

#endif
