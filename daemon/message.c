/* A body's way to a message:
 *
 * - the scan walks its fields, into nested messages, with the description at hand. It reads no byte outside the message it
 *   is in, allocates nothing and stops at the first thing that is wrong;
 * - on the way it adds up what protobuf-c 1.4.1 asks its allocator for, each piece rounded up as the arena rounds it:
 *     the struct of each message,
 *     a table of the fields met in a message: the first 16 on the stack, then slabs of 32, 64, 128 ... entries,
 *     one array for each repeated field, an array and a copy for unknown fields, a copy of each bytes and string field;
 * - room for the sum is reserved in one piece, and protobuf-c unpacks into it. Its frees do nothing.
 *
 * Two things that protobuf-c would accept are refused, since their cost has no bound in the length of the body or their
 * meaning is not what was sent: a nested message given twice for a field that is not repeated (protobuf-c merges them,
 * copying each time), and a number that its field cannot hold (protobuf-c cuts it).
 *
 * Ways to fail: the body is refused, and nothing but reserved memory is left in the arena. */
#include "daemon/message.h"

#include <assert.h>
#include <stdbool.h>

enum {
    VARINT_BYTES_MAX = 10,
    KEY_BYTES_MAX = 5, /* protobuf-c reads no more of a key, nor of a length */
    KEY_TYPE_BITS = 3,

    /* protobuf-c's table of fields */
    TABLE_ENTRY_BYTES = 32,
    TABLE_FIRST_ENTRIES = 16,
};

static_assert(sizeof(size_t) >= 8,
              "sums of sizes below cannot overflow: each byte of a body adds less than 2^10");

struct scan {
    size_t bytes; /* what unpacking asks for so far */
    uint32_t elements;
    uint32_t unknown_fields;
    const char *text; /* set with each status but OK */
};

/* The bytes of a message, or of a part, that are not read yet. */
struct span {
    const uint8_t *next;
    const uint8_t *end;
};

/* One message's fields as the scan meets them. */
struct walk {
    const ProtobufCMessageDescriptor *descriptor;
    unsigned depth;
    unsigned index;          /* of the field met last: the next one is often the same or the one behind */
    uint64_t seen;           /* fields met, by index */
    uint32_t fields;         /* all that were met, known or not */
    uint32_t unknown_fields; /* those that the description does not have */
};

static enum status scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
                                struct span span, unsigned depth);

static enum status refuse(struct scan *scan, enum status status, const char *text)
{
    scan->text = text;
    return status;
}

static size_t span_bytes(const struct span *span)
{
    return (size_t)(span->end - span->next);
}

static size_t rounded(size_t bytes)
{
    return (bytes + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
}

static bool varint_take(struct span *span, unsigned bytes_max, uint64_t *ret_value)
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

static bool length_take(struct span *span, struct span *ret_part)
{
    uint64_t length;
    if (!varint_take(span, KEY_BYTES_MAX, &length) || length > span_bytes(span)) {
        return false;
    }
    *ret_part = (struct span){span->next, span->next + length};
    span->next += length;
    return true;
}

static bool is_fixed32(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_FIXED32 || type == PROTOBUF_C_TYPE_SFIXED32 ||
           type == PROTOBUF_C_TYPE_FLOAT;
}

static bool is_fixed64(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_FIXED64 || type == PROTOBUF_C_TYPE_SFIXED64 ||
           type == PROTOBUF_C_TYPE_DOUBLE;
}

static bool is_prefixed(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_BYTES || type == PROTOBUF_C_TYPE_STRING || type == PROTOBUF_C_TYPE_MESSAGE;
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

/* Size of one element in the array of a repeated field. */
static size_t element_bytes(ProtobufCType type)
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
        return sizeof(uint64_t);
    }
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
    if (count > MESSAGE_ELEMENTS_MAX - scan->elements) {
        return refuse(scan, STATUS_TOO_LARGE, "more than 1048576 repeated elements; split the request");
    }
    scan->elements += (uint32_t)count;
    scan->bytes += count * element_bytes(field->type);
    return STATUS_OK;
}

/* A bool may take several bytes, but protobuf-c sets aside an element for each byte. */
static enum status scan_packed(struct scan *scan, const ProtobufCFieldDescriptor *field, struct span part)
{
    size_t length = span_bytes(&part);
    bool is32 = is_fixed32(field->type);
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
    return count_elements(scan, field, field->type == PROTOBUF_C_TYPE_BOOL ? length : count);
}

static enum status scan_prefixed(struct scan *scan, const ProtobufCFieldDescriptor *field, struct span part,
                                 unsigned depth)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return scan_message(scan, field->descriptor, part, depth + 1);
    }
    scan->bytes += rounded(span_bytes(&part) + (field->type == PROTOBUF_C_TYPE_STRING ? 1 : 0));
    return STATUS_OK;
}

static enum status scan_known(struct scan *scan, struct walk *walk, unsigned wire_type, struct span *span)
{
    const ProtobufCFieldDescriptor *field = &walk->descriptor->fields[walk->index];
    uint64_t bit = (uint64_t)1 << walk->index;
    bool first = !(walk->seen & bit);
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    walk->seen |= bit;
    if (repeated && first) {
        scan->bytes += ARENA_ALIGNMENT - 1; /* the array's end */
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
        size_t size = wire_type == PROTOBUF_C_WIRE_TYPE_32BIT ? sizeof(uint32_t) : sizeof(uint64_t);
        if (size > span_bytes(span)) {
            return refuse(scan, STATUS_INVALID, "a number is cut off");
        }
        span->next += size;
        return STATUS_OK;
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

static enum status scan_unknown(struct scan *scan, struct walk *walk, unsigned wire_type, struct span *span)
{
    if (++scan->unknown_fields > MESSAGE_UNKNOWN_FIELDS_MAX) {
        return refuse(scan, STATUS_TOO_LARGE, "more than 16 unknown fields");
    }
    walk->unknown_fields++;
    const uint8_t *start = span->next;
    struct span part;
    uint64_t value;
    bool whole = false;
    if (wire_type == PROTOBUF_C_WIRE_TYPE_VARINT) {
        whole = varint_take(span, VARINT_BYTES_MAX, &value);
    } else if (wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        whole = length_take(span, &part);
    } else {
        size_t size = wire_type == PROTOBUF_C_WIRE_TYPE_32BIT ? sizeof(uint32_t) : sizeof(uint64_t);
        whole = size <= span_bytes(span);
        span->next += whole ? size : 0;
    }
    if (!whole) {
        return refuse(scan, STATUS_INVALID, "an unknown field is cut off");
    }
    scan->bytes += rounded((size_t)(span->next - start));
    return STATUS_OK;
}

/* Fields mostly come in their order: look at the last one first, then go round. */
static bool field_find(struct walk *walk, uint32_t id)
{
    const ProtobufCMessageDescriptor *descriptor = walk->descriptor;
    unsigned index = walk->index;
    for (unsigned tries = 0; tries < descriptor->n_fields; tries++) {
        if (descriptor->fields[index].id == id) {
            walk->index = index;
            return true;
        }
        index = index + 1 < descriptor->n_fields ? index + 1 : 0;
    }
    return false;
}

static enum status scan_field(struct scan *scan, struct walk *walk, struct span *span)
{
    uint64_t key;
    if (!varint_take(span, KEY_BYTES_MAX, &key) || key > UINT32_MAX || key >> KEY_TYPE_BITS == 0) {
        return refuse(scan, STATUS_INVALID, "a field's key is malformed");
    }
    unsigned wire_type = (unsigned)key & ((1U << KEY_TYPE_BITS) - 1);
    if (wire_type != PROTOBUF_C_WIRE_TYPE_VARINT && wire_type != PROTOBUF_C_WIRE_TYPE_64BIT &&
        wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED && wire_type != PROTOBUF_C_WIRE_TYPE_32BIT) {
        return refuse(scan, STATUS_INVALID, "a field is a group or of no type");
    }
    walk->fields++;
    if (field_find(walk, (uint32_t)(key >> KEY_TYPE_BITS))) {
        return scan_known(scan, walk, wire_type, span);
    }
    return scan_unknown(scan, walk, wire_type, span);
}

static size_t table_bytes(uint32_t fields)
{
    size_t entries = TABLE_FIRST_ENTRIES;
    size_t slab = TABLE_FIRST_ENTRIES;
    size_t bytes = 0;
    while (entries < fields) {
        slab *= 2;
        entries += slab;
        bytes += slab * TABLE_ENTRY_BYTES;
    }
    return bytes;
}

static enum status scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
                                struct span span, unsigned depth)
{
    assert(descriptor->n_fields <= MESSAGE_FIELDS_MAX);
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
    scan->bytes += rounded(descriptor->sizeof_message) + table_bytes(walk.fields);
    scan->bytes += rounded(walk.unknown_fields * sizeof(ProtobufCMessageUnknownField));
    return STATUS_OK;
}

enum status message_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t length,
                          size_t *ret_bytes, const char **ret_text)
{
    static const uint8_t nothing[1];
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
    size_t overhead = MESSAGE_OVERHEAD_BYTES_MAX;
    if (length < MESSAGE_OVERHEAD_BYTES_MAX / MESSAGE_OVERHEAD_PER_BYTE) {
        overhead = length * MESSAGE_OVERHEAD_PER_BYTE;
    }
    return length + overhead + MESSAGE_OVERHEAD_BYTES_LEAST;
}

static void *unpack_alloc(void *data, size_t bytes)
{
    return arena_alloc(data, bytes);
}

static void unpack_free(void *data, void *piece)
{
    (void)data;
    (void)piece;
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
    ProtobufCAllocator allocator = {.alloc = unpack_alloc, .free = unpack_free, .allocator_data = arena};
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, length, bytes);
    if (message == NULL) {
        *ret_text = "a required field is missing";
        return STATUS_INVALID;
    }
    *ret_message = message;
    return STATUS_OK;
}
