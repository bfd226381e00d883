/* WriteMetadata unpacked by hand, for it comes far more often than any other message. Pure. */
#ifndef DAEMON_MESSAGE_METADATA_H
#define DAEMON_MESSAGE_METADATA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "daemon/runtime/arena.h"

/* Unpacks a body that holds only fields of WriteMetadata, each with a key of one byte.
 *
 * true   *ret_message is what message_unpack would give; the arena and `bytes` are to stay as there
 * false  *ret_message is untouched: the body may be well-formed or not, message_unpack has to judge. The arena has given nothing
 *        out */
bool message_unpack_metadata(const uint8_t *bytes, size_t length, struct arena *arena,
                             ProtobufCMessage **ret_message) MUST_CHECK;

#endif
