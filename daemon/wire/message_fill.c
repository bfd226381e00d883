/* The second walk over a body: bytes that the scan in message.c has found good become a message.
 *
 * Ways to fail: none. The scan has refused what is malformed and reserved the memory; what it should have refused is an
 * assert here. */
#include <assert.h>
#include <string.h>

#include "daemon/wire/message.h"
#include "daemon/wire/message_wire.h"

/* A field as it stands in the message: its key, and its number or the bytes of its part. */
struct met {
    uint32_t id;
    unsigned wire_type;
    uint64_t number;
    struct span part;
};

static struct met field_take(struct span *span)
{
    struct met met = {.id = 0};
    uint64_t key = 0;
    bool good = varint_take(span, FIELD_KEY_BYTES_MAX, &key);
    met.id = (uint32_t)(key >> FIELD_TYPE_BITS);
    met.wire_type = (unsigned)key & ((1U << FIELD_TYPE_BITS) - 1);
    if (met.wire_type == PROTOBUF_C_WIRE_TYPE_VARINT) {
        good &= varint_take(span, VARINT_BYTES_MAX, &met.number);
    } else if (met.wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        good &= length_take(span, &met.part);
    } else {
        size_t size = met.wire_type == PROTOBUF_C_WIRE_TYPE_32BIT ? sizeof(uint32_t) : sizeof(uint64_t);
        good &= size <= span_bytes(span);
        met.part = (struct span){span->next, span->next + size};
        span->next += size;
    }
    assert(good && span->next <= span->end);
    assert(met.id != 0); /* the scan refused it, so both walks see the same fields */
    return met;
}

static uint64_t fixed_take(struct span *span, size_t size)
{
    uint64_t number = 0;
    assert(size <= span_bytes(span));
    assert(size <= sizeof number); /* a shift by more has no meaning */
    for (size_t i = 0; i < size; i++) {
        number |= (uint64_t)span->next[i] << (8 * i);
    }
    span->next += size;
    return number;
}

static void *arena_piece(struct arena *arena, size_t bytes)
{
    void *piece = arena_alloc(arena, bytes);
    assert(piece != NULL); /* it was reserved */
    return piece;
}

static void store_number(const ProtobufCFieldDescriptor *field, uint64_t number, void *place)
{
    bool is_zigzag = field->type == PROTOBUF_C_TYPE_SINT32 || field->type == PROTOBUF_C_TYPE_SINT64;
    if (is_zigzag) {
        number = number >> 1 ^ (~(number & 1) + 1);
    }
    if (field->type == PROTOBUF_C_TYPE_BOOL) {
        *(protobuf_c_boolean *)place = number != 0;
    } else if (number_bytes(field->type) == sizeof(uint32_t)) {
        /* the upper half holds nothing but the sign */
        assert(number <= UINT32_MAX || number >= (uint64_t)(int64_t)INT32_MIN);
        *(uint32_t *)place = (uint32_t)number;
    } else {
        *(uint64_t *)place = number;
    }
}

static void store_part(struct arena *arena, const ProtobufCFieldDescriptor *field, struct span part,
                       void *place)
{
    size_t bytes = span_bytes(&part);
    assert(is_prefixed(field->type)); /* what is neither message nor bytes becomes a text */
    union {
        const uint8_t *in;
        uint8_t *out;
    } pointer = {.in = bytes > 0 ? part.next : NULL}; /* protobuf-c has no const for what is borrowed */
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        *(ProtobufCMessage **)place = message_fill(arena, field->descriptor, part);
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        *(ProtobufCBinaryData *)place = (ProtobufCBinaryData){bytes, pointer.out};
    } else {
        char *text = arena_piece(arena, bytes + 1);
        memcpy(text, part.next, bytes);
        text[bytes] = '\0';
        *(char **)place = text;
    }
}

/* Stores one element of the field: of a packed one the first element of its part, which is then behind. */
static void store_element(struct arena *arena, const ProtobufCFieldDescriptor *field, struct met *met,
                          bool packed, void *place)
{
    if (is_prefixed(field->type)) {
        store_part(arena, field, met->part, place);
        return;
    }
    if (is_fixed32(field->type) || is_fixed64(field->type)) {
        met->number = fixed_take(&met->part, is_fixed32(field->type) ? sizeof(uint32_t) : sizeof(uint64_t));
    } else if (packed) {
        bool good = varint_take(&met->part, VARINT_BYTES_MAX, &met->number);
        assert(good);
    }
    store_number(field, met->number, place);
}

static bool is_packed(const ProtobufCFieldDescriptor *field, unsigned wire_type)
{
    return !is_prefixed(field->type) && wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
}

static size_t elements_of(const ProtobufCFieldDescriptor *field, struct met met)
{
    if (!is_packed(field, met.wire_type)) {
        return 1;
    }
    size_t count = 0;
    uint64_t number;
    while (met.part.next < met.part.end) {
        if (is_fixed32(field->type) || is_fixed64(field->type)) {
            (void)fixed_take(&met.part, is_fixed32(field->type) ? sizeof(uint32_t) : sizeof(uint64_t));
        } else {
            bool good = varint_take(&met.part, VARINT_BYTES_MAX, &number);
            assert(good);
        }
        count++;
    }
    return count;
}

static void *member(ProtobufCMessage *message, unsigned offset)
{
    assert(offset < message->descriptor->sizeof_message); /* in the piece that was taken for the message */
    return (uint8_t *)message + offset;
}

/* Counts the elements of the repeated fields, and gives each its array. */
static void make_arrays(struct arena *arena, ProtobufCMessage *message, struct span span)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    unsigned index = 0;
    while (span.next < span.end) {
        struct met met = field_take(&span);
        if (field_find(descriptor, met.id, &index) &&
            descriptor->fields[index].label == PROTOBUF_C_LABEL_REPEATED) {
            const ProtobufCFieldDescriptor *field = &descriptor->fields[index];
            *(size_t *)member(message, field->quantifier_offset) += elements_of(field, met);
        }
    }
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t *count = member(message, field->quantifier_offset);
            assert(*count <= MESSAGE_ELEMENTS_MAX); /* the product below does not overflow */
            if (*count > 0) {
                *(void **)member(message, field->offset) =
                    arena_piece(arena, *count * element_bytes(field->type));
                *count = 0; /* counted again as they are stored */
            }
        }
    }
}

static void fill_field(struct arena *arena, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                       struct met *met)
{
    void *quantifier = member(message, field->quantifier_offset);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        bool packed = is_packed(field, met->wire_type);
        uint8_t *array = *(void **)member(message, field->offset);
        size_t *count = quantifier;
        assert(array != NULL || (packed && met->part.next == met->part.end)); /* make_arrays met it too */
        while (!packed || met->part.next < met->part.end) {
            store_element(arena, field, met, packed, array + *count * element_bytes(field->type));
            (*count)++;
            if (!packed) {
                break;
            }
        }
        return;
    }
    store_element(arena, field, met, false, member(message, field->offset));
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        *(uint32_t *)quantifier = field->id;
    } else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset != 0) {
        *(protobuf_c_boolean *)quantifier = 1;
    }
}

static bool has_repeated(const ProtobufCMessageDescriptor *descriptor)
{
    bool has = false;
    for (unsigned i = 0; i < descriptor->n_fields && !has; i++) {
        has = descriptor->fields[i].label == PROTOBUF_C_LABEL_REPEATED;
    }
    return has;
}

ProtobufCMessage *message_fill(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                               struct span span)
{
    assert(descriptor->sizeof_message >= sizeof(ProtobufCMessage));
    ProtobufCMessage *message = arena_piece(arena, descriptor->sizeof_message);
    if (descriptor->message_init != NULL) {
        descriptor->message_init(message);
    } else {
        memset(message, 0, descriptor->sizeof_message);
        message->descriptor = descriptor;
    }
    assert(message->descriptor == descriptor); /* offsets of another message would be written to */
    if (has_repeated(descriptor)) {
        make_arrays(arena, message, span);
    }
    unsigned index = 0;
    while (span.next < span.end) {
        struct met met = field_take(&span);
        if (field_find(descriptor, met.id, &index)) {
            fill_field(arena, message, &descriptor->fields[index], &met);
        }
    }
    return message;
}
