/* One pass over a body: each field is looked up in the descriptor, which says where in the message its value goes.
 *
 * A body is malformed if a key or number is cut off or too long, a length passes the end, a field has another wire type than the
 * descriptor says, or a number does not fit its field. */
#include "client/message/unpack.h"

#include <assert.h>
#include <string.h>

#include "proto/wire.h"

/* Takes the value of a field: a number, or a part of the body. False: it is cut off, or a group. */
static bool value_take(struct span *span, unsigned wire_type, uint64_t *ret_number, struct span *ret_part)
{
    size_t fixed = sizeof(uint64_t);
    switch (wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return varint_take(span, VARINT_BYTES_MAX, ret_number);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        return length_take(span, ret_part);
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        fixed = sizeof(uint32_t);
        break;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        break;
    default:
        return false;
    }
    bool whole = fixed <= span_bytes(span);
    span->next += whole ? fixed : 0;
    return whole; /* only unknown fields have a fixed size, and are skipped */
}

static bool store_number(ProtobufCType type, uint64_t number, void *place)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)place = number != 0;
        return true;
    case PROTOBUF_C_TYPE_UINT64:
        *(uint64_t *)place = number;
        return true;
    case PROTOBUF_C_TYPE_UINT32:
        *(uint32_t *)place = (uint32_t)number;
        return number <= UINT32_MAX;
    case PROTOBUF_C_TYPE_ENUM:
        *(int32_t *)place = (int32_t)number;
        return number <= INT32_MAX;
    default:
        assert(!"a field that is not flat");
        return false;
    }
}

static bool store(const ProtobufCFieldDescriptor *field, unsigned wire_type, uint64_t number,
                  struct span part, ProtobufCMessage *message)
{
    assert(field->label == PROTOBUF_C_LABEL_OPTIONAL && !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF));
    assert(field->offset < message->descriptor->sizeof_message &&
           field->quantifier_offset < message->descriptor->sizeof_message);
    uint8_t *base = (uint8_t *)message;
    void *place = base + field->offset;
    *(protobuf_c_boolean *)(void *)(base + field->quantifier_offset) = true;
    if (field->type != PROTOBUF_C_TYPE_BYTES) {
        return wire_type == PROTOBUF_C_WIRE_TYPE_VARINT && store_number(field->type, number, place);
    }
    if (wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        return false;
    }
    size_t bytes = span_bytes(&part);
    *(ProtobufCBinaryData *)place = (ProtobufCBinaryData){
        .len = bytes,
        .data = bytes > 0 ? (uint8_t *)(uintptr_t)part.next : NULL,
    };
    return true;
}

bool unpack_flat(const ProtobufCMessageDescriptor *descriptor, const uint8_t *body, size_t bytes,
                 ProtobufCMessage *ret_message)
{
    struct span span = {body, bytes > 0 ? body + bytes : body};
    uint32_t previous = 0;
    unsigned index = 0;
    memset(ret_message, 0, descriptor->sizeof_message);
    ret_message->descriptor = descriptor;
    while (span.next < span.end) {
        uint64_t key, number = 0;
        struct span part = {NULL, NULL};
        if (!varint_take(&span, FIELD_KEY_BYTES_MAX, &key) || key > UINT32_MAX ||
            key >> FIELD_TYPE_BITS == 0) {
            return false;
        }
        unsigned wire_type = (unsigned)key & ((1U << FIELD_TYPE_BITS) - 1);
        if (!value_take(&span, wire_type, &number, &part)) {
            return false;
        }
        assert(span.next <= span.end);
        uint32_t id = (uint32_t)(key >> FIELD_TYPE_BITS);
        index = id < previous ? 0 : index; /* descriptors are sorted by id, and fields usually come so */
        previous = id;
        while (index < descriptor->n_fields && descriptor->fields[index].id < id) {
            index++;
        }
        if (index < descriptor->n_fields && descriptor->fields[index].id == id &&
            !store(&descriptor->fields[index], wire_type, number, part, ret_message)) {
            return false;
        }
    }
    return true;
}
