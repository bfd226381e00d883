/* Protobuf's wire format, as far as message.c and message_fill.c both read it. Nobody else includes this. */
#ifndef DAEMON_MESSAGE_WIRE_H
#define DAEMON_MESSAGE_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/arena.h"

enum {
    VARINT_BYTES_MAX = 10,
    KEY_BYTES_MAX = 5, /* of a key, and of a length */
    KEY_TYPE_BITS = 3,
};

/* The bytes of a message, or of a part, that are not read yet. */
struct span {
    const uint8_t *next;
    const uint8_t *end;
};

static inline size_t span_bytes(const struct span *span)
{
    return (size_t)(span->end - span->next);
}

static inline bool varint_take(struct span *span, unsigned bytes_max, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes_max && span->next < span->end; i++) {
        uint8_t byte = *span->next++;
        if (i == VARINT_BYTES_MAX - 1 && byte > 1) {
            return false;
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static inline bool length_take(struct span *span, struct span *ret_part)
{
    uint64_t length;
    if (!varint_take(span, KEY_BYTES_MAX, &length) || length > span_bytes(span)) {
        return false;
    }
    *ret_part = (struct span){span->next, span->next + length};
    span->next += length;
    return true;
}

static inline bool is_fixed32(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_FIXED32 || type == PROTOBUF_C_TYPE_SFIXED32 ||
           type == PROTOBUF_C_TYPE_FLOAT;
}

static inline bool is_fixed64(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_FIXED64 || type == PROTOBUF_C_TYPE_SFIXED64 ||
           type == PROTOBUF_C_TYPE_DOUBLE;
}

static inline bool is_prefixed(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_BYTES || type == PROTOBUF_C_TYPE_STRING || type == PROTOBUF_C_TYPE_MESSAGE;
}

/* Size of a number where it is stored, a bool apart. */
static inline size_t number_bytes(ProtobufCType type)
{
    bool is32 = is_fixed32(type) || type == PROTOBUF_C_TYPE_INT32 || type == PROTOBUF_C_TYPE_UINT32 ||
                type == PROTOBUF_C_TYPE_SINT32 || type == PROTOBUF_C_TYPE_ENUM;
    return is32 ? sizeof(uint32_t) : sizeof(uint64_t);
}

/* Size of one element in the array of a repeated field. */
static inline size_t element_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return number_bytes(type);
    }
}

/* Where in the description the field with this id stands. Fields mostly come in their order: looks at *index first, the
 * one met last, then goes round. */
static inline bool field_find(const ProtobufCMessageDescriptor *descriptor, uint32_t id, unsigned *index)
{
    unsigned at = *index;
    for (unsigned tries = 0; tries < descriptor->n_fields; tries++) {
        if (descriptor->fields[at].id == id) {
            *index = at;
            return true;
        }
        at = at + 1 < descriptor->n_fields ? at + 1 : 0;
    }
    return false;
}

/* In message_fill.c: the message that the bytes hold, which the scan has found good, out of memory that is reserved in the
 * arena. Cannot fail. */
ProtobufCMessage *message_fill(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                               struct span span);

#endif
