/* What frames of all kinds are made with: fields out of the values of cairn.h, and a frame out of a message. */
#include "client/message/encode_pack.h"

#include "proto/limits.h"

bool encode_bytes(struct cairn_slice slice, protobuf_c_boolean *ret_has, ProtobufCBinaryData *ret_data)
{
    if (slice.data == NULL && slice.bytes > 0) {
        return false;
    }
    *ret_has = slice.bytes > 0;
    *ret_data = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)slice.data, .len = slice.bytes};
    return true;
}

bool encode_level(enum cairn_level level, protobuf_c_boolean *ret_has, Cairn__Level *ret_level)
{
    if ((unsigned)level > CAIRN_DURABLE) {
        return false;
    }
    *ret_has = level != CAIRN_LEVEL_DEFAULT;
    *ret_level = level != CAIRN_LEVEL_DEFAULT ? (Cairn__Level)level : CAIRN__LEVEL__LEVEL_ACCEPTED;
    return true;
}

enum cairn_status encode_pack(uint8_t type, const ProtobufCMessage *body, const ProtobufCMessage *tail,
                              struct encoded *ret_encoded)
{
    size_t body_bytes = protobuf_c_message_get_packed_size(body);
    size_t tail_bytes = tail != NULL ? protobuf_c_message_get_packed_size(tail) : 0;
    if (body_bytes > FRAME_BYTES_MAX || body_bytes + tail_bytes > FRAME_BYTES_MAX) {
        return CAIRN_TOO_LARGE;
    }
    struct frame_out *frame = frame_out_new(type, 0, body_bytes + tail_bytes);
    if (frame == NULL) {
        return CAIRN_NO_MEMORY;
    }
    protobuf_c_message_pack(body, frame->data + FRAME_REQUEST_BYTES);
    if (tail != NULL) {
        protobuf_c_message_pack(tail, frame->data + FRAME_REQUEST_BYTES + body_bytes);
    }
    *ret_encoded = (struct encoded){.frame = frame, .body_bytes = body_bytes};
    return CAIRN_OK;
}
