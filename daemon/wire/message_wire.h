/* What message.c and message_fill.c both know of protobuf-c's descriptions. No other file includes this. */
#ifndef DAEMON_MESSAGE_WIRE_H
#define DAEMON_MESSAGE_WIRE_H

#include <assert.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/runtime/arena.h"
#include "proto/wire.h"

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
    assert(!is_prefixed(type) && type != PROTOBUF_C_TYPE_BOOL); /* these take another size than 4 or 8 */
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

/* Finds the place of the field with this id in the description. *index, the place of the field before, is where the search
 * begins, for fields mostly come in their order. False, with *index as it was, if there is no such field. */
static inline bool field_find(const ProtobufCMessageDescriptor *descriptor, uint32_t id, unsigned *index)
{
    unsigned at = *index;
    assert(at < descriptor->n_fields || descriptor->n_fields == 0);
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
