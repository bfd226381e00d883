/* The message that comes by the million, WriteMetadata, unpacked by hand. Pure. */
#ifndef DAEMON_MESSAGE_METADATA_H
#define DAEMON_MESSAGE_METADATA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "daemon/runtime/arena.h"

/* What message_unpack gives of a Cairn__WriteMetadata, if the body is nothing but fields of its description in their
 * shortest form. False: it may be good all the same, or not; message_unpack tells. */
bool message_unpack_metadata(const uint8_t *bytes, size_t length, struct arena *arena,
                             ProtobufCMessage **ret_message) MUST_CHECK;

#endif
