/* What the encoders of reads and of writes share. Pure. */
#ifndef CLIENT_ENCODE_PACK_H
#define CLIENT_ENCODE_PACK_H

#include "client/message/encode.h"
#include "proto/cairn.pb-c.h"

/* Makes a bytes field, which borrows the slice. An empty slice counts as absent. */
void encode_bytes(struct cairn_slice slice, protobuf_c_boolean *ret_has, ProtobufCBinaryData *ret_data);

/* Makes a level field. CAIRN_LEVEL_DEFAULT counts as absent. */
void encode_level(enum cairn_level level, protobuf_c_boolean *ret_has, Cairn__Level *ret_level);

/* Makes a frame with the fields of `body` and then those of `tail`, a message of the same type; `tail` may be NULL.
 * CAIRN_OK, CAIRN_TOO_LARGE, CAIRN_NO_MEMORY. */
enum cairn_status encode_pack(uint8_t type, const ProtobufCMessage *body, const ProtobufCMessage *tail,
                              struct encoded *ret_encoded) MUST_CHECK;

#endif
