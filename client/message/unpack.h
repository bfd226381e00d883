/* Messages of numbers and bytes only, which most replies are, unpacked without memory of their own. Pure. */
#ifndef CLIENT_UNPACK_H
#define CLIENT_UNPACK_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fills the message that `descriptor` describes, whose fields are all optional, and numbers, bools, enums or bytes. Bytes
 * lead into `body`; an empty one has length 0 and data NULL. What is absent is 0. Unknown fields are skipped. Of a field
 * given twice the last counts. False: malformed; the message may be filled in part. */
bool unpack_flat(const ProtobufCMessageDescriptor *descriptor, const uint8_t *body, size_t bytes,
                 ProtobufCMessage *ret_message) __attribute__((warn_unused_result));

#endif
