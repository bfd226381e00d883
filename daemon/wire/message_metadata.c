/* A body's way: one walk checks all of it and counts the operations, the memory is taken, and a second walk fills the operations
 * in. So nothing is allocated for a body that is left to message_unpack.
 *
 * Ways to fail: the body is not plain, or the arena has no room. Both are left to message_unpack, which judges; the arena may
 * then hold some of the memory. */
#include "daemon/wire/message_metadata.h"

#include <assert.h>

#include "daemon/wire/message.h"
#include "proto/cairn.pb-c.h"
#include "proto/wire.h"

/* A field's key in its one byte: all ids are below 16. */
#define KEY(id, wire_type) ((id) << FIELD_TYPE_BITS | (wire_type))
enum { NUMBER = 0, PREFIXED = 2 };

static bool bytes_take(struct span *span, protobuf_c_boolean *ret_has, ProtobufCBinaryData *ret_data)
{
    struct span part = {NULL, NULL};
    if (!length_take(span, &part)) {
        return false;
    }
    union {
        const uint8_t *in;
        uint8_t *out;
    } pointer = {.in = part.next < part.end ? part.next : NULL}; /* protobuf-c has no const */
    *ret_has = 1;
    *ret_data = (ProtobufCBinaryData){span_bytes(&part), pointer.out};
    return true;
}

static bool number_take(struct span *span, protobuf_c_boolean *ret_has, uint64_t *ret_number)
{
    *ret_has = 1;
    return varint_take(span, VARINT_BYTES_MAX, ret_number);
}

static bool operation_take(struct span span, Cairn__MetadataOperation *ret_operation)
{
    static const Cairn__MetadataOperation empty = CAIRN__METADATA_OPERATION__INIT;
    Cairn__MetadataOperation *operation = ret_operation;
    protobuf_c_boolean has;
    uint64_t number = 0;
    *operation = empty;
    while (span.next < span.end) {
        bool good = false;
        switch (*span.next++) {
        case KEY(1, PREFIXED):
            good = bytes_take(&span, &operation->has_name, &operation->name);
            break;
        case KEY(2, PREFIXED):
            good = bytes_take(&span, &has, &operation->value);
            operation->operation_case = CAIRN__METADATA_OPERATION__OPERATION_VALUE;
            break;
        case KEY(3, NUMBER):
            good = number_take(&span, &has, &number);
            operation->delete_ = number != 0;
            operation->operation_case = CAIRN__METADATA_OPERATION__OPERATION_DELETE;
            break;
        case KEY(4, NUMBER):
            good = number_take(&span, &has, &operation->raise);
            operation->operation_case = CAIRN__METADATA_OPERATION__OPERATION_RAISE;
            break;
        case KEY(5, NUMBER):
            good = number_take(&span, &operation->has_of_height, &operation->of_height);
            break;
        }
        if (!good) {
            return false;
        }
    }
    assert(span.next == span.end);
    return true;
}

/* Whether operation_take can unpack it. */
static bool operation_is_plain(struct span span)
{
    while (span.next < span.end) {
        struct span part = {NULL, NULL};
        uint64_t number = 0;
        uint8_t key = *span.next++;
        bool is_prefixed = key == KEY(1, PREFIXED) || key == KEY(2, PREFIXED);
        bool is_number = key == KEY(3, NUMBER) || key == KEY(4, NUMBER) || key == KEY(5, NUMBER);
        bool good = is_prefixed ? length_take(&span, &part)
                                : is_number && varint_take(&span, VARINT_BYTES_MAX, &number);
        if (!good) {
            return false;
        }
    }
    return true;
}

/* Unpacks all but the operations, which are checked and counted. */
static bool head_take(struct span span, Cairn__WriteMetadata *ret_message)
{
    Cairn__WriteMetadata *message = ret_message;
    struct span part = {NULL, NULL};
    uint64_t level = 0;
    while (span.next < span.end) {
        bool good = false;
        switch (*span.next++) {
        case KEY(1, PREFIXED):
            good = bytes_take(&span, &message->has_chain, &message->chain);
            break;
        case KEY(2, NUMBER):
            good = number_take(&span, &message->has_level, &level) && level >= CAIRN__LEVEL__LEVEL_ACCEPTED &&
                   level <= CAIRN__LEVEL__LEVEL_DURABLE;
            message->level = good ? (Cairn__Level)level : message->level;
            break;
        case KEY(3, NUMBER):
            good = number_take(&span, &message->has_deadline_us, &message->deadline_us);
            break;
        case KEY(4, PREFIXED):
            good = length_take(&span, &part) && operation_is_plain(part);
            message->n_operations++;
            break;
        case KEY(5, NUMBER):
            good = number_take(&span, &message->has_resend_of, &message->resend_of);
            break;
        }
        if (!good) {
            return false;
        }
    }
    assert(span.next == span.end);
    return message->n_operations <= MESSAGE_ELEMENTS_MAX;
}

/* Fills in the operations of a body that head_take has found plain. */
static void operations_take(struct span span, Cairn__MetadataOperation *operations,
                            Cairn__WriteMetadata *message)
{
    size_t count = 0;
    while (span.next < span.end) {
        uint8_t key = *span.next++;
        struct span part = {NULL, NULL};
        uint64_t number = 0;
        bool is_prefixed = (key & ((1U << FIELD_TYPE_BITS) - 1)) == PREFIXED;
        bool good = is_prefixed ? length_take(&span, &part) : varint_take(&span, VARINT_BYTES_MAX, &number);
        if (good && key == KEY(4, PREFIXED)) {
            assert(count < message->n_operations); /* the arrays have that many */
            message->operations[count] = &operations[count];
            good = operation_take(part, &operations[count++]);
        }
        assert(good); /* head_take looked at the same bytes */
    }
    assert(count == message->n_operations);
}

bool message_unpack_metadata(const uint8_t *bytes, size_t length, struct arena *arena,
                             ProtobufCMessage **ret_message)
{
    static const Cairn__WriteMetadata empty = CAIRN__WRITE_METADATA__INIT;
    struct span span = {bytes, bytes + length};
    Cairn__WriteMetadata head = empty;
    if (length == 0 || !head_take(span, &head)) {
        return false;
    }
    Cairn__WriteMetadata *message = arena_alloc(arena, sizeof *message);
    Cairn__MetadataOperation *operations = arena_alloc(arena, head.n_operations * sizeof *operations);
    Cairn__MetadataOperation **pointers = arena_alloc(arena, head.n_operations * sizeof *pointers);
    if (message == NULL || operations == NULL || pointers == NULL) {
        return false;
    }
    *message = head;
    message->operations = head.n_operations > 0 ? pointers : NULL;
    operations_take(span, operations, message);
    *ret_message = &message->base;
    return true;
}
