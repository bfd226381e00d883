/* The protocol by hand: frames out, frames in, nothing of the client library. What it is asked to send it sends, however
 * wrong. Replies come in any order; those of other requests are kept until somebody asks for them.
 *
 * The wire_try_ functions answer what happened; the others fail the test when the daemon does not do its part in time. */
#ifndef TESTS_LIB_WIRE_H
#define TESTS_LIB_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

enum { WIRE_PATIENCE_MS = 20000 };

struct wire_frame {
    struct frame_reply header;
    uint8_t *body; /* kept */
    struct wire_frame *next;
};

struct wire {
    int fd; /* -1: closed */
    uint64_t last_id;
    uint64_t written_through; /* of the last reply */
    uint64_t durable_through;
    uint8_t *bytes; /* received and not yet cut into frames */
    size_t used, room;
    struct wire_frame *waiting; /* received and not asked for yet, oldest first */
    bool ended;                 /* the daemon closed it */
    const char *fault; /* what was wrong with a reply: a bad header, numbers that fell; NULL: nothing */
};

/* Connects and nothing else; fd is -1 if that fails. */
struct wire wire_try_connect(const char *socket_path);
struct wire wire_connect(const char *socket_path);
/* Connects and says hello. */
struct wire wire_open(const char *socket_path);
bool wire_try_hello(struct wire *wire);
void wire_close(struct wire *wire);

/* False when the daemon has closed the connection. All of it is sent, or the test fails. */
bool wire_send_bytes(struct wire *wire, const void *bytes, size_t n);
/* Any frame. */
bool wire_send_frame(struct wire *wire, uint8_t type, uint64_t id, const void *body, size_t n);
/* A message under the next id, which it returns. NULL: an empty body. */
uint64_t wire_send(struct wire *wire, uint8_t type, const void *message);
/* How many of n bytes the daemon takes within that time. */
size_t wire_send_some(struct wire *wire, const void *bytes, size_t n, int milliseconds);

/* Reads from the socket what is there, or comes within that time; cuts it into frames. False when nothing came. */
bool wire_poll(struct wire *wire, int milliseconds);
/* Takes the oldest waiting frame out; NULL: there is none. */
struct wire_frame *wire_take(struct wire *wire);
/* The next frame with this id; NULL when the time is over or the connection ended. */
struct wire_frame *wire_try_frame(struct wire *wire, uint64_t id, int milliseconds);
struct wire_frame *wire_frame(struct wire *wire, uint64_t id);
/* The next frame, whatever its id. */
struct wire_frame *wire_any_frame(struct wire *wire);
/* Whether the daemon closes the connection within that time; what it still sends is kept waiting. */
bool wire_ends(struct wire *wire, int milliseconds);

void wire_give_credit(struct wire *wire, uint64_t id, uint64_t bytes);

/* All frames of a stream, with credit given back as it is used; each message put together. */
struct wire_stream {
    enum status status; /* of the last frame */
    size_t messages;
    ProtobufCBinaryData *bodies;
    const char *text; /* of the error */
};
struct wire_stream wire_stream(struct wire *wire, uint64_t id);

/* Unpacks into kept memory; fails the test if the bytes are no such message. */
void *wire_unpack(const ProtobufCMessageDescriptor *descriptor, const void *bytes, size_t n);

#endif
