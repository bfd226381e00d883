/* Any bytes, read as each message of the protocol: never a fault, never more memory than was announced, and what is taken
 * is what protobuf-c itself reads in them. */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/runtime/arena.h"
#include "daemon/wire/message.h"
#include "daemon/wire/message_metadata.h"
#include "proto/cairn.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const descriptors[] = {
    &cairn__hello__descriptor,
    &cairn__hello_reply__descriptor,
    &cairn__ping__descriptor,
    &cairn__ping_reply__descriptor,
    &cairn__status__descriptor,
    &cairn__status_entry__descriptor,
    &cairn__status_reply__descriptor,
    &cairn__error__descriptor,
    &cairn__chains__descriptor,
    &cairn__chain_entry__descriptor,
    &cairn__chains_reply__descriptor,
    &cairn__create_chain__descriptor,
    &cairn__drop_chain__descriptor,
    &cairn__drain__descriptor,
    &cairn__drain_reply__descriptor,
    &cairn__height__descriptor,
    &cairn__height_reply__descriptor,
    &cairn__read_block__descriptor,
    &cairn__block_reply__descriptor,
    &cairn__read_blocks__descriptor,
    &cairn__read_state__descriptor,
    &cairn__state_reply__descriptor,
    &cairn__get_metadata__descriptor,
    &cairn__metadata_reply__descriptor,
    &cairn__get_metadata_many__descriptor,
    &cairn__list_metadata__descriptor,
    &cairn__credit__descriptor,
    &cairn__cancel__descriptor,
    &cairn__usage__descriptor,
    &cairn__usage_reply__descriptor,
    &cairn__epoch__descriptor,
    &cairn__claim__descriptor,
    &cairn__claim_reply__descriptor,
    &cairn__present__descriptor,
    &cairn__present_reply__descriptor,
    &cairn__release__descriptor,
    &cairn__name_range__descriptor,
    &cairn__metadata_operation__descriptor,
    &cairn__write_metadata__descriptor,
    &cairn__block__descriptor,
    &cairn__state__descriptor,
    &cairn__commit__descriptor,
    &cairn__prune__descriptor,
    &cairn__guard__descriptor,
    &cairn__rollback__descriptor,
    &cairn__barrier__descriptor,
    &cairn__write_reply__descriptor,
};

/* What was unpacked is packed and unpacked again: it must pass, and pack to the same. */
static void check_again(const ProtobufCMessageDescriptor *descriptor, const ProtobufCMessage *message)
{
    size_t length = protobuf_c_message_get_packed_size(message);
    uint8_t *first = malloc(length + 1);
    uint8_t *second = malloc(length + 1);
    assert(first != NULL && second != NULL);
    assert(protobuf_c_message_pack(message, first) == length);

    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    ProtobufCMessage *again;
    const char *text;
    assert(message_unpack(descriptor, first, length, &arena, &again, &text) == STATUS_OK);
    assert(protobuf_c_message_get_packed_size(again) == length);
    assert(protobuf_c_message_pack(again, second) == length);
    assert(length == 0 || memcmp(first, second, length) == 0);
    arena_close(&arena);
    free(first);
    free(second);
}

/* Frees the unknown fields, nested ones too: protobuf-c would not free what it no longer counts. */
static void drop_unknown(ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (unsigned i = 0; i < message->n_unknown_fields; i++) {
        free(message->unknown_fields[i].data);
    }
    free(message->unknown_fields);
    message->unknown_fields = NULL;
    message->n_unknown_fields = 0;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        void *place = (uint8_t *)message + field->offset;
        const void *quantifier = (const uint8_t *)message + field->quantifier_offset;
        bool is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
        bool is_of_other = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
                           *(const uint32_t *)quantifier != field->id; /* another member's bytes lie there */
        size_t count = is_repeated ? *(const size_t *)quantifier : 1;
        ProtobufCMessage **parts = is_repeated ? *(ProtobufCMessage ***)place : place;
        for (size_t k = 0; k < count && !is_of_other; k++) {
            if (parts[k] != NULL) {
                drop_unknown(parts[k]);
            }
        }
    }
}

static void check_packed_same(const ProtobufCMessage *message, const ProtobufCMessage *other)
{
    size_t packed = protobuf_c_message_get_packed_size(message);
    assert(protobuf_c_message_get_packed_size(other) == packed);
    uint8_t *first = malloc(packed + 1);
    uint8_t *second = malloc(packed + 1);
    assert(first != NULL && second != NULL);
    protobuf_c_message_pack(message, first);
    protobuf_c_message_pack(other, second);
    assert(packed == 0 || memcmp(first, second, packed) == 0);
    free(first);
    free(second);
}

/* protobuf-c's own unpacking gives the same message. Unknown fields, which ours leaves out, are dropped from its. */
static void check_same(const ProtobufCMessageDescriptor *descriptor, const ProtobufCMessage *message,
                       const uint8_t *bytes, size_t length)
{
    ProtobufCMessage *other = protobuf_c_message_unpack(descriptor, NULL, length, bytes);
    assert(other != NULL);
    drop_unknown(other);
    check_packed_same(message, other);
    protobuf_c_message_free_unpacked(other, NULL);
}

/* What is unpacked by hand is what is unpacked otherwise. */
static void check_by_hand(const ProtobufCMessage *message, const uint8_t *bytes, size_t length)
{
    struct arena arena;
    arena_init(&arena, message_budget(length));
    ProtobufCMessage *other = NULL;
    if (message_unpack_metadata(bytes, length, &arena, &other)) {
        assert(message != NULL);
        check_packed_same(message, other);
    }
    arena_close(&arena);
}

static void try_message(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t length)
{
    size_t need = 0;
    const char *text = NULL;
    enum status checked = message_check(descriptor, bytes, length, &need, &text);
    assert((checked == STATUS_OK) == (text == NULL));

    struct arena arena;
    arena_init(&arena, message_budget(length));
    ProtobufCMessage *message = NULL;
    text = NULL;
    enum status status = message_unpack(descriptor, bytes, length, &arena, &message, &text);
    assert((status == STATUS_OK) == (message != NULL));
    assert((status == STATUS_OK) == (text == NULL));
    assert(arena_bytes(&arena) <= message_budget(length));
    if (checked == STATUS_OK) {
        assert(status == STATUS_OK ||
               (status == STATUS_TOO_LARGE && need > message_budget(length) - ARENA_ALIGNMENT));
        assert(arena.used <= need);
    } else {
        assert(status == checked);
        assert(arena.used == 0);
    }
    if (descriptor == &cairn__write_metadata__descriptor) {
        check_by_hand(message, bytes, length);
    }
    if (status == STATUS_OK) {
        check_again(descriptor, message);
        check_same(descriptor, message, bytes, length);
    }
    arena_close(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* a copy of exact size, so that a byte read beyond the end is found */
    uint8_t *bytes = malloc(size == 0 ? 1 : size);
    assert(bytes != NULL);
    if (size > 0) {
        memcpy(bytes, data, size);
    }
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++) {
        try_message(descriptors[i], bytes, size);
    }
    free(bytes);
    return 0;
}
