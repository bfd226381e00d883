/* A body's way to a message, in two walks over its fields with the description at hand:
 *
 * - the scan goes into nested messages too, reads no byte outside the message it is in, allocates nothing and stops at the
 *   first thing that is wrong. On the way it adds up what the message will take: its structs, its arrays, its strings;
 * - room for the sum is reserved in one piece, and the second walk, which nothing can fail any more, fills it in. Bytes
 *   fields are not copied: they lead into the body.
 *
 * Two things that protobuf-c would accept are refused, since their meaning is not what was sent: a nested message given
 * twice for a field that is not repeated (protobuf-c merges them), and a number that its field cannot hold (protobuf-c
 * cuts it).
 *
 * Ways to fail: the body is refused, and nothing but reserved memory is left in the arena. */
#include "daemon/wire/message.h"

#include <assert.h>

#include "daemon/wire/message_wire.h"

static_assert(sizeof(size_t) >= 8,
              "sums of sizes below cannot overflow: each byte of a body adds less than 2^10");

struct scan {
    size_t bytes; /* what unpacking asks for so far */
    uint32_t elements;
    uint32_t unknown_fields;
    const char *text; /* NULL until something is wrong; static */
};

/* One message's fields as the scan meets them. */
struct walk {
    const ProtobufCMessageDescriptor *descriptor;
    unsigned depth;
    unsigned index; /* of the field met last: the next one is often the same or the one behind */
    uint64_t seen;  /* fields met, by index */
};

static enum status scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
                                struct span span, unsigned depth);

static enum status refuse(struct scan *scan, enum status status, const char *text)
{
    assert(status != STATUS_OK && scan->text == NULL); /* the first thing wrong ends the scan */
    scan->text = text;
    return status;
}

static size_t rounded(size_t bytes)
{
    assert(bytes <= SIZE_MAX - ARENA_ALIGNMENT); /* wrapped, far too little would be reserved */
    return (bytes + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
}

static unsigned wire_type_of(ProtobufCType type)
{
    if (is_prefixed(type)) {
        return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    }
    if (is_fixed32(type)) {
        return PROTOBUF_C_WIRE_TYPE_32BIT;
    }
    return is_fixed64(type) ? PROTOBUF_C_WIRE_TYPE_64BIT : PROTOBUF_C_WIRE_TYPE_VARINT;
}

static bool number_fits(const ProtobufCFieldDescriptor *field, uint64_t value)
{
    bool is_int32 = value <= INT32_MAX || value >= (uint64_t)(int64_t)INT32_MIN;
    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_SINT32:
        return value <= UINT32_MAX;
    case PROTOBUF_C_TYPE_INT32:
        return is_int32;
    case PROTOBUF_C_TYPE_ENUM:
        return is_int32 &&
               protobuf_c_enum_descriptor_get_value(field->descriptor, (int)(int64_t)value) != NULL;
    default:
        return true;
    }
}

static enum status scan_number(struct scan *scan, const ProtobufCFieldDescriptor *field, struct span *span)
{
    uint64_t value;
    assert(wire_type_of(field->type) == PROTOBUF_C_WIRE_TYPE_VARINT); /* number_fits judges no other */
    if (!varint_take(span, VARINT_BYTES_MAX, &value)) {
        return refuse(scan, STATUS_INVALID, "a number is cut off or longer than 64 bits");
    }
    if (!number_fits(field, value)) {
        return refuse(scan, STATUS_INVALID, "a number is outside the range or the enumeration of its field");
    }
    return STATUS_OK;
}

static enum status count_elements(struct scan *scan, const ProtobufCFieldDescriptor *field, size_t count)
{
    assert(scan->elements <= MESSAGE_ELEMENTS_MAX);    /* the difference is not negative */
    assert(field->label == PROTOBUF_C_LABEL_REPEATED); /* only these get an array of that many */
    if (count > MESSAGE_ELEMENTS_MAX - scan->elements) {
        return refuse(scan, STATUS_TOO_LARGE, "more than 1048576 repeated elements; split the request");
    }
    scan->elements += (uint32_t)count;
    scan->bytes += count * element_bytes(field->type);
    return STATUS_OK;
}

static enum status scan_packed(struct scan *scan, const ProtobufCFieldDescriptor *field, struct span part)
{
    size_t length = span_bytes(&part);
    bool is32 = is_fixed32(field->type);
    assert(!is_prefixed(field->type)); /* what has a length of its own is never packed */
    if (is32 || is_fixed64(field->type)) {
        size_t size = is32 ? sizeof(uint32_t) : sizeof(uint64_t);
        if (length % size != 0) {
            return refuse(scan, STATUS_INVALID, "a packed field ends inside an element");
        }
        return count_elements(scan, field, length / size);
    }
    size_t count = 0;
    while (part.next < part.end) {
        enum status status = scan_number(scan, field, &part);
        if (status != STATUS_OK) {
            return status;
        }
        count++;
    }
    assert(part.next == part.end); /* the second walk stops where this one did */
    return count_elements(scan, field, count);
}

static enum status scan_prefixed(struct scan *scan, const ProtobufCFieldDescriptor *field, struct span part,
                                 unsigned depth)
{
    assert(is_prefixed(field->type)); /* a number would take no memory here, and be unchecked */
    assert(depth >= 1 && depth <= MESSAGE_DEPTH_MAX); /* so the recursion ends one level below */
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return scan_message(scan, field->descriptor, part, depth + 1);
    }
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        scan->bytes += rounded(span_bytes(&part) + 1);
    }
    return STATUS_OK;
}

static bool fixed_take(unsigned wire_type, struct span *span)
{
    assert(wire_type == PROTOBUF_C_WIRE_TYPE_32BIT || wire_type == PROTOBUF_C_WIRE_TYPE_64BIT);
    size_t size = wire_type == PROTOBUF_C_WIRE_TYPE_32BIT ? sizeof(uint32_t) : sizeof(uint64_t);
    bool whole = size <= span_bytes(span);
    span->next += whole ? size : 0;
    return whole;
}

static enum status scan_known(struct scan *scan, struct walk *walk, unsigned wire_type, struct span *span)
{
    assert(walk->index < walk->descriptor->n_fields);
    const ProtobufCFieldDescriptor *field = &walk->descriptor->fields[walk->index];
    uint64_t bit = (uint64_t)1 << walk->index;
    bool first = !(walk->seen & bit);
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    walk->seen |= bit;
    if (repeated && first) {
        scan->bytes += ARENA_ALIGNMENT - 1; /* the array's size is rounded up */
    }
    bool packed = repeated && !is_prefixed(field->type) && wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    if (!packed && wire_type != wire_type_of(field->type)) {
        return refuse(scan, STATUS_INVALID, "a field does not have its type");
    }
    if (repeated && !packed) {
        enum status status = count_elements(scan, field, 1);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (wire_type == PROTOBUF_C_WIRE_TYPE_VARINT) {
        return scan_number(scan, field, span);
    }
    if (wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        return fixed_take(wire_type, span) ? STATUS_OK : refuse(scan, STATUS_INVALID, "a number is cut off");
    }
    struct span part;
    if (!length_take(span, &part)) {
        return refuse(scan, STATUS_INVALID, "a field's length passes the end of its message");
    }
    if (packed) {
        return scan_packed(scan, field, part);
    }
    if (!repeated && !first && field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return refuse(scan, STATUS_INVALID, "a nested message is given twice");
    }
    return scan_prefixed(scan, field, part, walk->depth);
}

static enum status scan_unknown(struct scan *scan, unsigned wire_type, struct span *span)
{
    if (++scan->unknown_fields > MESSAGE_UNKNOWN_FIELDS_MAX) {
        return refuse(scan, STATUS_TOO_LARGE, "more than 16 unknown fields");
    }
    struct span part;
    uint64_t value;
    bool whole = false;
    if (wire_type == PROTOBUF_C_WIRE_TYPE_VARINT) {
        whole = varint_take(span, VARINT_BYTES_MAX, &value);
    } else if (wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        whole = length_take(span, &part);
    } else {
        whole = fixed_take(wire_type, span);
    }
    return whole ? STATUS_OK : refuse(scan, STATUS_INVALID, "an unknown field is cut off");
}

static enum status scan_field(struct scan *scan, struct walk *walk, struct span *span)
{
    uint64_t key;
    if (!varint_take(span, FIELD_KEY_BYTES_MAX, &key) || key > UINT32_MAX || key >> FIELD_TYPE_BITS == 0) {
        return refuse(scan, STATUS_INVALID, "a field's key is malformed");
    }
    unsigned wire_type = (unsigned)key & ((1U << FIELD_TYPE_BITS) - 1);
    if (wire_type != PROTOBUF_C_WIRE_TYPE_VARINT && wire_type != PROTOBUF_C_WIRE_TYPE_64BIT &&
        wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED && wire_type != PROTOBUF_C_WIRE_TYPE_32BIT) {
        return refuse(scan, STATUS_INVALID, "a field is a group or of no type");
    }
    if (field_find(walk->descriptor, (uint32_t)(key >> FIELD_TYPE_BITS), &walk->index)) {
        return scan_known(scan, walk, wire_type, span);
    }
    return scan_unknown(scan, wire_type, span);
}

static bool has_required(const struct walk *walk)
{
    assert(walk->descriptor->n_fields <= sizeof walk->seen * 8); /* a shift by more has no meaning */
    for (unsigned i = 0; i < walk->descriptor->n_fields; i++) {
        bool is_required = walk->descriptor->fields[i].label == PROTOBUF_C_LABEL_REQUIRED;
        if (is_required && !(walk->seen & (uint64_t)1 << i)) {
            return false;
        }
    }
    return true;
}

static enum status scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
                                struct span span, unsigned depth)
{
    assert(descriptor->n_fields <= MESSAGE_FIELDS_MAX); /* walk.seen has a bit for each */
    if (depth > MESSAGE_DEPTH_MAX) {
        return refuse(scan, STATUS_TOO_LARGE, "messages nested more than 3 deep");
    }
    struct walk walk = {.descriptor = descriptor, .depth = depth};
    while (span.next < span.end) {
        enum status status = scan_field(scan, &walk, &span);
        if (status != STATUS_OK) {
            return status;
        }
    }
    assert(span.next == span.end); /* no byte outside the message was read */
    scan->bytes += rounded(descriptor->sizeof_message);
    return has_required(&walk) ? STATUS_OK : refuse(scan, STATUS_INVALID, "a required field is missing");
}

enum status message_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t length,
                          size_t *ret_bytes, const char **ret_text)
{
    static const uint8_t nothing[1]; /* so that no pointer below is NULL */
    assert(bytes != NULL || length == 0);
    if (length == 0) {
        bytes = nothing;
    }
    if (length > UINT32_MAX) { /* longer than any frame */
        *ret_text = "longer than a frame can be";
        return STATUS_TOO_LARGE;
    }
    struct scan scan = {0};
    enum status status = scan_message(&scan, descriptor, (struct span){bytes, bytes + length}, 1);
    if (status != STATUS_OK) {
        *ret_text = scan.text;
        return status;
    }
    *ret_bytes = scan.bytes;
    return STATUS_OK;
}

size_t message_budget(size_t length)
{
    assert(length <= UINT32_MAX); /* a frame's length; the sum does not overflow */
    size_t overhead = MESSAGE_OVERHEAD_BYTES_MAX;
    if (length < MESSAGE_OVERHEAD_BYTES_MAX / MESSAGE_OVERHEAD_PER_BYTE) {
        overhead = length * MESSAGE_OVERHEAD_PER_BYTE;
    }
    return length + overhead + MESSAGE_OVERHEAD_BYTES_MIN;
}

enum status message_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t length,
                           struct arena *arena, ProtobufCMessage **ret_message, const char **ret_text)
{
    size_t need;
    enum status status = message_check(descriptor, bytes, length, &need, ret_text);
    if (status != STATUS_OK) {
        return status;
    }
    if (need > arena_room(arena)) {
        *ret_text = "unpacking it takes too much memory: too many small parts; split the request";
        return STATUS_TOO_LARGE;
    }
    if (!arena_reserve(arena, need)) {
        *ret_text = "out of memory; try again later";
        return STATUS_BUSY;
    }
    size_t used_before = arena->used;
    *ret_message = message_fill(arena, descriptor, (struct span){bytes, bytes + length});
    assert(arena->used - used_before <= need); /* the scan counted all that was stored */
    return STATUS_OK;
}
