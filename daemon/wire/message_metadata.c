/* A body's way: one walk unpacks all of it, but keeps of the operations only the last and their count; then the memory is taken.
 * Where there is one operation, as in most writes, that is all; of more, a second walk fills them in. So nothing is allocated for
 * a body that is left to message_unpack.
 *
 * Ways to fail: the body is not plain, or the arena has no room. Both are left to message_unpack, which judges; the arena has
 * given nothing out. */
#include "daemon/wire/message_metadata.h"

#include <assert.h>
#include <stdalign.h>

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

/* Unpacks all but the operations, which are counted; of those it leaves the last. */
static bool head_take(struct span span, Cairn__WriteMetadata *ret_message, Cairn__MetadataOperation *ret_last)
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
            good = length_take(&span, &part) && operation_take(part, ret_last);
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

/* Fills in the operations of a body that head_take has unpacked. */
static void operations_take(struct span span, Cairn__MetadataOperation *operations, size_t operation_count)
{
    size_t count = 0;
    while (span.next < span.end) {
        uint8_t key = *span.next++;
        struct span part = {NULL, NULL};
        uint64_t number = 0;
        bool is_prefixed = (key & ((1U << FIELD_TYPE_BITS) - 1)) == PREFIXED;
        bool good = is_prefixed ? length_take(&span, &part) : varint_take(&span, VARINT_BYTES_MAX, &number);
        if (good && key == KEY(4, PREFIXED)) {
            assert(count < operation_count); /* the array has that many */
            good = operation_take(part, &operations[count++]);
        }
        assert(good); /* head_take looked at the same bytes */
    }
    assert(count == operation_count);
}

/* Memory for the message, its operations and the pointers to them, in one piece; the operations are not filled in. */
static Cairn__WriteMetadata *new_message(const Cairn__WriteMetadata *head, struct arena *arena,
                                         Cairn__MetadataOperation **ret_operations)
{
    struct one {
        Cairn__WriteMetadata message;
        Cairn__MetadataOperation operations[];
    };
    size_t count = head->n_operations;
    assert(count <= MESSAGE_ELEMENTS_MAX); /* the sum below is far below SIZE_MAX */
    static_assert(alignof(Cairn__MetadataOperation) >= alignof(Cairn__MetadataOperation *),
                  "the pointers behind the operations are aligned");
    size_t operations_bytes = count * sizeof(Cairn__MetadataOperation);
    struct one *one =
        arena_alloc(arena, sizeof *one + operations_bytes + count * sizeof(Cairn__MetadataOperation *));
    if (one == NULL) {
        return NULL;
    }
    one->message = *head;
    one->message.operations = count > 0 ? (Cairn__MetadataOperation **)(one->operations + count) : NULL;
    for (size_t i = 0; i < count; i++) {
        one->message.operations[i] = &one->operations[i];
    }
    *ret_operations = one->operations;
    return &one->message;
}

bool message_unpack_metadata(const uint8_t *bytes, size_t length, struct arena *arena,
                             ProtobufCMessage **ret_message)
{
    static const Cairn__WriteMetadata empty = CAIRN__WRITE_METADATA__INIT;
    struct span span = {bytes, bytes + length};
    Cairn__WriteMetadata head = empty;
    Cairn__MetadataOperation last;
    Cairn__MetadataOperation *operations;
    if (length == 0 || !head_take(span, &head, &last)) {
        return false;
    }
    Cairn__WriteMetadata *message = new_message(&head, arena, &operations);
    if (message == NULL) {
        return false;
    }
    if (head.n_operations == 1) {
        operations[0] = last;
    } else {
        operations_take(span, operations, head.n_operations);
    }
    *ret_message = &message->base;
    return true;
}
