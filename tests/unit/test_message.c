/* From bytes to a message: honest messages pass within the announced memory, every lie is refused, by a description made
 * here where the protocol has no field of that kind. */
#include <check.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/wire/message.h"
#include "proto/cairn.pb-c.h"

/* message Node { Node child = 1; repeated Node children = 2; repeated fixed32 small = 3; repeated bool flags = 4;
 *                string text = 5; int32 number = 6; required fixed64 needed = 7; } */
struct node {
    ProtobufCMessage base;
    struct node *child;
    size_t n_children;
    struct node **children;
    size_t n_small;
    uint32_t *small;
    size_t n_flags;
    protobuf_c_boolean *flags;
    char *text;
    protobuf_c_boolean has_number;
    int32_t number;
    uint64_t needed;
};

static const ProtobufCMessageDescriptor node_descriptor;

#define FIELD(id, name, label, type, quantifier, member, descriptor)                                         \
    {name, id, label, type, quantifier, offsetof(struct node, member), descriptor, NULL, 0, 0, NULL, NULL}
static const ProtobufCFieldDescriptor node_fields[] = {
    FIELD(1, "child", PROTOBUF_C_LABEL_OPTIONAL, PROTOBUF_C_TYPE_MESSAGE, 0, child, &node_descriptor),
    FIELD(2, "children", PROTOBUF_C_LABEL_REPEATED, PROTOBUF_C_TYPE_MESSAGE,
          offsetof(struct node, n_children), children, &node_descriptor),
    FIELD(3, "small", PROTOBUF_C_LABEL_REPEATED, PROTOBUF_C_TYPE_FIXED32, offsetof(struct node, n_small),
          small, NULL),
    FIELD(4, "flags", PROTOBUF_C_LABEL_REPEATED, PROTOBUF_C_TYPE_BOOL, offsetof(struct node, n_flags), flags,
          NULL),
    FIELD(5, "text", PROTOBUF_C_LABEL_OPTIONAL, PROTOBUF_C_TYPE_STRING, 0, text, NULL),
    FIELD(6, "number", PROTOBUF_C_LABEL_OPTIONAL, PROTOBUF_C_TYPE_INT32, offsetof(struct node, has_number),
          number, NULL),
    FIELD(7, "needed", PROTOBUF_C_LABEL_REQUIRED, PROTOBUF_C_TYPE_FIXED64, 0, needed, NULL),
};
#undef FIELD
static const ProtobufCIntRange node_ranges[] = {{1, 0}, {0, 7}};
static const ProtobufCMessageDescriptor node_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "Node",
    .sizeof_message = sizeof(struct node),
    .n_fields = 7,
    .fields = node_fields,
    .n_field_ranges = 1,
    .field_ranges = node_ranges,
};

#define NEEDED 0x39, 0, 0, 0, 0, 0, 0, 0, 0

static struct arena arena;
static const char *text;

static void setup(void)
{
    arena_init(&arena, 1 << 20);
    text = NULL;
}

static uint8_t *copy; /* of the bytes unpacked last, which the message leads into */

static void teardown(void)
{
    arena_close(&arena);
    free(copy);
    copy = NULL;
}

/* Unpacks a copy of exact size and checks what must hold for any bytes. */
static enum status unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t length,
                          ProtobufCMessage **ret_message)
{
    free(copy);
    copy = malloc(length + (length == 0));
    ck_assert_ptr_nonnull(copy);
    if (length > 0) {
        memcpy(copy, bytes, length);
    }
    size_t need = 0;
    size_t used = arena.used;
    text = NULL;
    enum status checked = message_check(descriptor, copy, length, &need, &text);
    ck_assert_int_eq(checked == STATUS_OK, text == NULL);
    text = NULL;
    enum status status = message_unpack(descriptor, copy, length, &arena, ret_message, &text);
    ck_assert_int_eq(status == STATUS_OK, text == NULL);
    if (status == STATUS_OK) {
        ck_assert_int_eq(checked, STATUS_OK);
        ck_assert_uint_le(arena.used - used, need);
    }
    return status;
}

#define UNPACK(descriptor, ...)                                                                              \
    unpack(descriptor, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}),               \
           &(ProtobufCMessage *){NULL})

START_TEST(an_empty_body_is_a_message_without_fields)
{
    ProtobufCMessage *message = NULL;
    ck_assert_int_eq(unpack(&cairn__ping__descriptor, NULL, 0, &message), STATUS_OK);
    ck_assert_ptr_nonnull(message);
    ck_assert_int_eq(message_unpack(&cairn__height__descriptor, NULL, 0, &arena, &message, &text), STATUS_OK);
    ck_assert_int_eq(((const Cairn__Height *)message)->has_chain, 0);
}
END_TEST

START_TEST(a_commit_is_unpacked_whole)
{
    Cairn__MetadataOperation set = CAIRN__METADATA_OPERATION__INIT;
    set.has_name = 1;
    set.name = (ProtobufCBinaryData){3, (uint8_t[]){'a', 0, 'b'}};
    set.operation_case = CAIRN__METADATA_OPERATION__OPERATION_VALUE;
    set.value = (ProtobufCBinaryData){0, NULL};
    Cairn__Block block = CAIRN__BLOCK__INIT;
    block.has_height = 1;
    block.height = UINT64_MAX;
    block.has_data = 1;
    block.data = (ProtobufCBinaryData){5, (uint8_t[]){1, 2, 3, 4, 5}};
    Cairn__Commit commit = CAIRN__COMMIT__INIT;
    commit.has_level = 1;
    commit.level = CAIRN__LEVEL__LEVEL_WRITTEN;
    commit.n_blocks = 1;
    commit.blocks = (Cairn__Block *[]){&block};
    commit.n_metadata = 1;
    commit.metadata = (Cairn__MetadataOperation *[]){&set};
    commit.n_delete_states = 3;
    commit.delete_states = (uint64_t[]){0, 300, UINT64_MAX};
    uint8_t bytes[256];
    size_t length = cairn__commit__pack(&commit, bytes);

    ProtobufCMessage *message = NULL;
    ck_assert_int_eq(unpack(&cairn__commit__descriptor, bytes, length, &message), STATUS_OK);
    const Cairn__Commit *back = (const Cairn__Commit *)message;
    ck_assert_uint_eq(back->blocks[0]->height, UINT64_MAX);
    ck_assert_mem_eq(back->blocks[0]->data.data, block.data.data, 5);
    ck_assert_int_eq(back->blocks[0]->has_header, 0);
    ck_assert_uint_eq(back->delete_states[2], UINT64_MAX);
    ck_assert_uint_eq(back->metadata[0]->name.len, 3);
    ck_assert_int_eq(back->metadata[0]->operation_case, CAIRN__METADATA_OPERATION__OPERATION_VALUE);
    ck_assert_uint_eq(back->metadata[0]->value.len, 0);
    ck_assert_int_eq(back->level, CAIRN__LEVEL__LEVEL_WRITTEN);

    /* cut anywhere, it is refused, or is a shorter message; never a fault */
    for (size_t cut = 0; cut < length; cut++) {
        (void)unpack(&cairn__commit__descriptor, bytes, cut, &message);
    }
}
END_TEST

START_TEST(malformed_keys_are_refused)
{
    const ProtobufCMessageDescriptor *height = &cairn__height__descriptor;
    ck_assert_int_eq(UNPACK(height, 0x02, 0), STATUS_INVALID);       /* field 0 */
    ck_assert_int_eq(UNPACK(height, 0x82, 0x00, 0), STATUS_INVALID); /* field 0, longer */
    ck_assert_int_eq(UNPACK(height, 0x80), STATUS_INVALID);          /* cut */
    ck_assert_int_eq(UNPACK(height, 0x8a, 0x80, 0x80, 0x80, 0x80, 0x00), STATUS_INVALID); /* 6 bytes */
    ck_assert_int_eq(UNPACK(height, 0xfa, 0xff, 0xff, 0xff, 0x1f, 0x00), STATUS_INVALID); /* above 32 bits */
    ck_assert_int_eq(UNPACK(height, 0xfa, 0xff, 0xff, 0xff, 0x0f, 0x00), STATUS_OK);      /* highest field */
    for (unsigned wire_type = 3; wire_type < 8; wire_type++) {
        if (wire_type != 5) {
            ck_assert_int_eq(UNPACK(height, (uint8_t)(8 | wire_type), 0, 0, 0, 0), STATUS_INVALID);
        }
    }
}
END_TEST

START_TEST(lengths_beyond_the_message_are_refused)
{
    const ProtobufCMessageDescriptor *height = &cairn__height__descriptor;
    ck_assert_int_eq(UNPACK(height, 0x0a), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(height, 0x0a, 1), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(height, 0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 'x'), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(height, 0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f, 'x'), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(height, 0x0a, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 'x'), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(height, 0x0a, 0x81, 0x80, 0x80, 0x80, 0x00, 'x'), STATUS_OK);
    /* an operation whose name reaches beyond the operation, but not beyond the request */
    ck_assert_int_eq(UNPACK(&cairn__write_metadata__descriptor, 0x22, 3, 0x0a, 2, 'a', 0x22, 0),
                     STATUS_INVALID);
    ck_assert_int_eq(UNPACK(&cairn__write_metadata__descriptor, 0x22, 3, 0x0a, 1, 'a', 0x22, 0), STATUS_OK);
}
END_TEST

START_TEST(numbers_are_at_most_64_bits)
{
    const ProtobufCMessageDescriptor *credit = &cairn__credit__descriptor;
    ck_assert_int_eq(UNPACK(credit, 8), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(credit, 8, 0x80), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(credit, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1), STATUS_OK);
    ck_assert_int_eq(UNPACK(credit, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(credit, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 129, 0), STATUS_INVALID);
}
END_TEST

START_TEST(numbers_must_fit_their_field)
{
    const ProtobufCMessageDescriptor *block = &cairn__read_block__descriptor; /* parts is a uint32 */
    ck_assert_int_eq(UNPACK(block, 0x20, 255, 255, 255, 255, 15), STATUS_OK);
    ck_assert_int_eq(UNPACK(block, 0x20, 255, 255, 255, 255, 31), STATUS_INVALID);
    const ProtobufCMessageDescriptor *barrier = &cairn__barrier__descriptor; /* level is an enum of 1 to 3 */
    ck_assert_int_eq(UNPACK(barrier, 8, 0), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(barrier, 8, 1), STATUS_OK);
    ck_assert_int_eq(UNPACK(barrier, 8, 3), STATUS_OK);
    ck_assert_int_eq(UNPACK(barrier, 8, 4), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(barrier, 8, 0x83, 0x80, 0x80, 0x80, 0x10), STATUS_INVALID); /* 3 above 32 bits */
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x30, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, NEEDED),
                     STATUS_OK);
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x30, 255, 255, 255, 255, 8, NEEDED), STATUS_INVALID);
}
END_TEST

START_TEST(a_field_has_its_own_wire_type)
{
    const ProtobufCMessageDescriptor *height = &cairn__height_reply__descriptor; /* height is a varint */
    ck_assert_int_eq(UNPACK(height, 8, 1), STATUS_OK);
    ck_assert_int_eq(UNPACK(height, 9, 1, 0, 0, 0, 0, 0, 0, 0), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(height, 10, 1, 1), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(height, 13, 1, 0, 0, 0), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(&cairn__height__descriptor, 8, 1), STATUS_INVALID); /* chain is bytes */
    ck_assert_int_eq(UNPACK(&cairn__write_metadata__descriptor, 0x20, 1),
                     STATUS_INVALID); /* an operation as a number */
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x3d, 0, 0, 0, 0), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x39, 0, 0, 0, 0, 0, 0, 0), STATUS_INVALID); /* cut */
}
END_TEST

START_TEST(repeated_numbers_may_be_packed_or_not)
{
    const uint8_t mixed[] = {0x10, 1, 0x12, 3, 2, 0x80, 1, 0x10, 3, 0x12, 0};
    ProtobufCMessage *message = NULL;
    ck_assert_int_eq(unpack(&cairn__read_blocks__descriptor, mixed, sizeof mixed, &message), STATUS_OK);
    const Cairn__ReadBlocks *read = (const Cairn__ReadBlocks *)message;
    ck_assert_uint_eq(read->n_heights, 4);
    ck_assert_uint_eq(read->heights[0], 1);
    ck_assert_uint_eq(read->heights[1], 2);
    ck_assert_uint_eq(read->heights[2], 128);
    ck_assert_uint_eq(read->heights[3], 3);
    ck_assert_int_eq(UNPACK(&cairn__read_blocks__descriptor, 0x12, 2, 1, 0x80), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x1a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x1d, 1, 2, 3, 4, NEEDED),
                     STATUS_OK);
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x1a, 7, 1, 2, 3, 4, 5, 6, 7, NEEDED), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x22, 5, 0x81, 0x80, 0, 0, 1, NEEDED),
                     STATUS_OK); /* flags of several bytes */
}
END_TEST

START_TEST(unknown_fields_are_skipped_up_to_sixteen)
{
    uint8_t bytes[2 * MESSAGE_UNKNOWN_FIELDS_MAX + 4];
    for (size_t i = 0; i < sizeof bytes; i += 2) {
        bytes[i] = 0x78;
        bytes[i + 1] = (uint8_t)i;
    }
    ProtobufCMessage *message = NULL;
    size_t full = 2 * MESSAGE_UNKNOWN_FIELDS_MAX;
    ck_assert_int_eq(unpack(&cairn__ping__descriptor, bytes, full, &message), STATUS_OK);
    ck_assert_uint_eq(message->n_unknown_fields, 0); /* left out */
    ck_assert_int_eq(unpack(&cairn__ping__descriptor, bytes, full + 2, &message), STATUS_TOO_LARGE);
    /* the nested ones count too: nine here and nine there */
    uint8_t nested[40] = {0x22, 18};
    memcpy(nested + 2, bytes, 18);
    memcpy(nested + 20, nested, 20);
    ck_assert_int_eq(unpack(&cairn__write_metadata__descriptor, nested, 20, &message), STATUS_OK);
    ck_assert_int_eq(unpack(&cairn__write_metadata__descriptor, nested, 40, &message), STATUS_TOO_LARGE);
    ck_assert_int_eq(UNPACK(&cairn__ping__descriptor, 0x7a, 2, 1), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(&cairn__ping__descriptor, 0x79, 1, 2, 3), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(&cairn__ping__descriptor, 0x7d, 1, 2, 3), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(&cairn__ping__descriptor, 0x78, 0x80), STATUS_INVALID);
}
END_TEST

START_TEST(nesting_has_a_bound)
{
    const uint8_t two[] = {0x0a, 11,     0x0a,
                           9,    NEEDED, NEEDED}; /* three levels; the middle one lacks its required field */
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x0a, 20, 0x0a, 9, NEEDED, NEEDED, NEEDED), STATUS_OK);
    ProtobufCMessage *message = NULL;
    ck_assert_int_eq(unpack(&node_descriptor, two, sizeof two, &message), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x0a, 4, 0x0a, 2, 0x0a, 0, NEEDED), STATUS_TOO_LARGE);
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x12, 4, 0x12, 2, 0x12, 0, NEEDED), STATUS_TOO_LARGE);
}
END_TEST

START_TEST(a_single_nested_message_is_given_once)
{
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x0a, 9, NEEDED, NEEDED), STATUS_OK);
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x0a, 9, NEEDED, 0x0a, 9, NEEDED, NEEDED), STATUS_INVALID);
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x12, 9, NEEDED, 0x12, 9, NEEDED, NEEDED), STATUS_OK);
}
END_TEST

START_TEST(of_a_field_given_twice_the_last_counts)
{
    const uint8_t bytes[] = {0x0a, 1, 'a', 0x0a, 2, 'b', 'c'};
    ProtobufCMessage *message = NULL;
    ck_assert_int_eq(unpack(&cairn__height__descriptor, bytes, sizeof bytes, &message), STATUS_OK);
    const Cairn__Height *height = (const Cairn__Height *)message;
    ck_assert_uint_eq(height->chain.len, 2);
    ck_assert_mem_eq(height->chain.data, "bc", 2);
}
END_TEST

START_TEST(a_missing_required_field_is_refused)
{
    ck_assert_int_eq(UNPACK(&node_descriptor, 0x30, 1), STATUS_INVALID);
    ck_assert_str_eq(text, "a required field is missing");
    ck_assert_int_eq(UNPACK(&node_descriptor, NEEDED, 0x2a, 2, 'h', 'i'), STATUS_OK);
}
END_TEST

static uint8_t *repeat(const uint8_t *part, size_t part_bytes, size_t count)
{
    uint8_t *bytes = malloc(part_bytes * count);
    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < count; i++) {
        memcpy(bytes + i * part_bytes, part, part_bytes);
    }
    return bytes;
}

enum { HANDLER_BYTES_PER_ELEMENT = 64 };

static enum status unpack_in_its_budget(const ProtobufCMessageDescriptor *descriptor, const uint8_t *part,
                                        size_t part_bytes, size_t count)
{
    uint8_t *bytes = repeat(part, part_bytes, count);
    arena_init(&arena, message_budget(part_bytes * count));
    ProtobufCMessage *message = NULL;
    enum status status = unpack(descriptor, bytes, part_bytes * count, &message);
    if (status == STATUS_OK) { /* what a handler needs for itself */
        ck_assert_ptr_nonnull(arena_alloc(&arena, count * HANDLER_BYTES_PER_ELEMENT));
    }
    ck_assert_uint_le(arena_bytes(&arena), message_budget(part_bytes * count));
    arena_close(&arena);
    free(bytes);
    return status;
}

START_TEST(half_a_million_small_operations_pass)
{
    const uint8_t remove[] = {0x52, 5, 0x0a, 1, 'a', 0x18, 1};
    const uint8_t set[] = {0x52, 6, 0x0a, 1, 'a', 0x12, 1, 'b'};
    ck_assert_int_eq(unpack_in_its_budget(&cairn__commit__descriptor, remove, sizeof remove, 500000),
                     STATUS_OK);
    ck_assert_int_eq(unpack_in_its_budget(&cairn__commit__descriptor, set, sizeof set, 500000), STATUS_OK);
    for (size_t count = 1; count < 20000; count = count * 3 / 2 + 1) {
        ck_assert_int_eq(unpack_in_its_budget(&cairn__commit__descriptor, remove, sizeof remove, count),
                         STATUS_OK);
    }
}
END_TEST

START_TEST(bodies_that_ask_for_too_much_memory_are_refused)
{
    const uint8_t empty[] = {0x52, 0};
    ck_assert_int_eq(unpack_in_its_budget(&cairn__commit__descriptor, empty, sizeof empty, 1000000),
                     STATUS_TOO_LARGE);
    ck_assert_int_eq(unpack_in_its_budget(&cairn__commit__descriptor, empty, sizeof empty, 30000),
                     STATUS_TOO_LARGE);
    const uint8_t same[] = {0x48, 1}; /* one number, given again and again, takes nothing */
    ck_assert_int_eq(unpack_in_its_budget(&cairn__commit__descriptor, same, sizeof same, 1 << 10), STATUS_OK);
    const uint8_t name[] = {0x12, 1, 'n'};
    ck_assert_int_eq(unpack_in_its_budget(&cairn__get_metadata_many__descriptor, name, sizeof name,
                                          MESSAGE_ELEMENTS_MAX + 1),
                     STATUS_TOO_LARGE);
}
END_TEST

START_TEST(repeated_elements_have_a_bound)
{
    const uint8_t element = 0;
    size_t count = MESSAGE_ELEMENTS_MAX + 1;
    uint8_t *bytes = repeat(&element, 1, count + 4);
    bytes[0] = 0x12; /* heights, packed: a length of 2^20 or one more, four bytes of key and length */
    bytes[1] = 0x80;
    bytes[2] = 0x80;
    bytes[3] = 0x40;
    arena_init(&arena, message_budget(count));
    ProtobufCMessage *message = NULL;
    ck_assert_int_eq(unpack(&cairn__read_blocks__descriptor, bytes, count + 3, &message), STATUS_OK);
    ck_assert_uint_eq(((const Cairn__ReadBlocks *)message)->n_heights, MESSAGE_ELEMENTS_MAX);
    bytes[1] = 0x81;
    ck_assert_int_eq(unpack(&cairn__read_blocks__descriptor, bytes, count + 4, &message), STATUS_TOO_LARGE);
    free(bytes);
}
END_TEST

START_TEST(an_arena_without_room_refuses)
{
    arena_init(&arena, 100);
    ck_assert_int_eq(UNPACK(&cairn__commit__descriptor, 0x20, 1), STATUS_TOO_LARGE);
    ck_assert_uint_eq(arena_bytes(&arena), 0);
}
END_TEST

START_TEST(the_budget_grows_with_the_body_up_to_its_ceiling)
{
    ck_assert_uint_eq(message_budget(0), 64 << 10);
    ck_assert_uint_eq(message_budget(1000), 29000 + (64 << 10));
    size_t previous = 0;
    for (size_t length = 0; length < (size_t)512 << 20; length = length * 2 + 1) {
        ck_assert_uint_gt(message_budget(length), previous);
        previous = message_budget(length);
        ck_assert_uint_le(previous, length + MESSAGE_OVERHEAD_BYTES_MAX + MESSAGE_OVERHEAD_BYTES_MIN);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message");
    TCase *tests = tcase_create("message");
    tcase_set_timeout(tests, 480);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, an_empty_body_is_a_message_without_fields);
    tcase_add_test(tests, a_commit_is_unpacked_whole);
    tcase_add_test(tests, malformed_keys_are_refused);
    tcase_add_test(tests, lengths_beyond_the_message_are_refused);
    tcase_add_test(tests, numbers_are_at_most_64_bits);
    tcase_add_test(tests, numbers_must_fit_their_field);
    tcase_add_test(tests, a_field_has_its_own_wire_type);
    tcase_add_test(tests, repeated_numbers_may_be_packed_or_not);
    tcase_add_test(tests, unknown_fields_are_skipped_up_to_sixteen);
    tcase_add_test(tests, nesting_has_a_bound);
    tcase_add_test(tests, a_single_nested_message_is_given_once);
    tcase_add_test(tests, of_a_field_given_twice_the_last_counts);
    tcase_add_test(tests, a_missing_required_field_is_refused);
    tcase_add_test(tests, half_a_million_small_operations_pass);
    tcase_add_test(tests, bodies_that_ask_for_too_much_memory_are_refused);
    tcase_add_test(tests, repeated_elements_have_a_bound);
    tcase_add_test(tests, an_arena_without_room_refuses);
    tcase_add_test(tests, the_budget_grows_with_the_body_up_to_its_ceiling);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
