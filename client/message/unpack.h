/* Unpacks messages that have only numbers and bytes, as most replies do, without allocating memory. Pure. */
#ifndef CLIENT_UNPACK_H
#define CLIENT_UNPACK_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fills the message that `descriptor` describes. All its fields must be optional, and numbers, bools, enums or bytes. A bytes
 * field borrows from `body`; an empty one has length 0 and data NULL. Absent fields are 0, unknown fields are skipped, and of a
 * field given twice the last one counts. False: malformed, and the message may be filled in part. */
bool unpack_flat(const ProtobufCMessageDescriptor *descriptor, const uint8_t *body, size_t bytes,
                 ProtobufCMessage *ret_message) __attribute__((warn_unused_result));

#endif
