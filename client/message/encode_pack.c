/* What all encoders use: values of cairn.h become fields of a protobuf message, and a message becomes a frame. Nothing is copied
 * before encode_pack(), which writes the frame in one pass; the message borrows the caller's bytes until then. */
#include "client/message/encode_pack.h"

#include <assert.h>

#include "proto/limits.h"

void encode_bytes(struct cairn_slice slice, protobuf_c_boolean *ret_has, ProtobufCBinaryData *ret_data)
{
    assert((slice.data != NULL || slice.bytes == 0) && slice.bytes <= FRAME_BYTES_MAX); /* it was checked */
    *ret_has = slice.bytes > 0;
    *ret_data = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)slice.data, .len = slice.bytes};
}

void encode_level(enum cairn_level level, protobuf_c_boolean *ret_has, Cairn__Level *ret_level)
{
    assert((unsigned)level <= CAIRN_DURABLE); /* it was checked */
    *ret_has = level != CAIRN_LEVEL_DEFAULT;
    *ret_level = level != CAIRN_LEVEL_DEFAULT ? (Cairn__Level)level : CAIRN__LEVEL__LEVEL_ACCEPTED;
}

enum cairn_status encode_pack(uint8_t type, const ProtobufCMessage *body, const ProtobufCMessage *tail,
                              struct encoded *ret_encoded)
{
    assert(tail == NULL || tail->descriptor == body->descriptor); /* both are parts of one message */
    size_t body_bytes = protobuf_c_message_get_packed_size(body);
    size_t tail_bytes = tail != NULL ? protobuf_c_message_get_packed_size(tail) : 0;
    if (body_bytes > FRAME_BYTES_MAX || body_bytes + tail_bytes > FRAME_BYTES_MAX) {
        return CAIRN_TOO_LARGE;
    }
    struct frame_out *frame = frame_out_new(type, 0, body_bytes + tail_bytes);
    if (frame == NULL) {
        return CAIRN_NO_MEMORY;
    }
    uint8_t *at = frame->data + FRAME_REQUEST_BYTES;
    at += protobuf_c_message_pack(body, at);
    at += tail != NULL ? protobuf_c_message_pack(tail, at) : 0;
    assert(at == frame->data + frame->bytes); /* all room was written, and no more */
    *ret_encoded = (struct encoded){.frame = frame, .body_bytes = body_bytes};
    return CAIRN_OK;
}
