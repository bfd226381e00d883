/* From the bytes of a body to an unpacked message, for bytes that a peer chose. Knows no particular message. Pure.
 *
 * protobuf-c's own unpacking copies every byte, and allocates what the body asks for: a few bytes can ask for a hundred times
 * as many. This one follows the same descriptions and gives the same messages, but checks the body and adds up the memory
 * beforehand, and its bytes fields point into the body. */
#ifndef DAEMON_MESSAGE_H
#define DAEMON_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/runtime/arena.h"
#include "proto/status.h"

enum {
    MESSAGE_ELEMENTS_MAX = 1 << 20,  /* elements of repeated fields in one message, nested ones included */
    MESSAGE_UNKNOWN_FIELDS_MAX = 16, /* likewise */
    MESSAGE_DEPTH_MAX = 3,           /* the message itself is the first */
    MESSAGE_FIELDS_MAX = 64,         /* fields that a message's description may have */

    /* What an unpacked message and the handler's own pieces may take beyond its bytes. The smallest useful element, a
     * metadata operation of 7 bytes, takes about 170 bytes with all that belongs to it, so 28 for each byte of the body admit
     * any honest request; the ceiling admits half a million such operations, and keeps a body of 64 MiB below 160 MiB
     * once it is unpacked. */
    MESSAGE_OVERHEAD_PER_BYTE = 28,
    MESSAGE_OVERHEAD_BYTES_MIN = 64 << 10,
    MESSAGE_OVERHEAD_BYTES_MAX = 95 << 20,
};

/* The arena budget for a body of this length: the length, and MESSAGE_OVERHEAD_PER_BYTE times the length but never above
 * MESSAGE_OVERHEAD_BYTES_MAX, and MESSAGE_OVERHEAD_BYTES_MIN. The handler's own pieces come out of it too. */
size_t message_budget(size_t length);

/* Checks the bytes against the description without allocating anything.
 *
 * STATUS_OK         *ret_bytes is what unpacking takes from an arena at most
 * STATUS_INVALID    malformed, or a length or type that does not fit its field
 * STATUS_TOO_LARGE  too many elements, unknown fields or levels
 *
 * Unless OK, *ret_text is set instead, to a static text that says what is wrong. */
enum status message_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t length,
                          size_t *ret_bytes, const char **ret_text) MUST_CHECK;

/* Checks, then unpacks. The message lies in the arena and is freed with it, never by itself; its bytes fields lead into
 * `bytes`, which must stay as long as the message is used. Unknown fields are left out. An empty bytes field has length 0 and
 * data NULL. An enum field has one of the enum's values, and a uint32 is as it was sent.
 *
 * STATUS_OK         *ret_message is set
 * STATUS_INVALID    as in message_check, or a required field is missing
 * STATUS_TOO_LARGE  as in message_check, or more memory than the arena has room for
 * STATUS_BUSY       the machine has no memory now
 *
 * Unless OK, *ret_text is set instead, as in message_check; the arena may hold some of the memory. */
enum status message_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t length,
                           struct arena *arena, ProtobufCMessage **ret_message,
                           const char **ret_text) MUST_CHECK;

#endif
