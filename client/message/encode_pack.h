/* What the encoders of reads and of writes share. */
#ifndef CLIENT_ENCODE_PACK_H
#define CLIENT_ENCODE_PACK_H

#include "client/message/encode.h"
#include "proto/cairn.pb-c.h"

/* Borrows the slice. An empty one counts as absent. False: no data, but a length. */
bool encode_bytes(struct cairn_slice slice, protobuf_c_boolean *ret_has,
                  ProtobufCBinaryData *ret_data) MUST_CHECK;

/* CAIRN_LEVEL_DEFAULT counts as absent. False: no level. */
bool encode_level(enum cairn_level level, protobuf_c_boolean *ret_has, Cairn__Level *ret_level) MUST_CHECK;

/* A frame with the fields of `body` and, if it is not NULL, those of `tail`, a message of the same type, behind them. */
enum cairn_status encode_pack(uint8_t type, const ProtobufCMessage *body, const ProtobufCMessage *tail,
                              struct encoded *ret_encoded) MUST_CHECK;

#endif
