/* WriteMetadata unpacked by hand: what it gives is what the general unpacking gives, also for bytes that were changed. */
#include <stdlib.h>
#include <string.h>

#include "daemon/wire/message.h"
#include "daemon/wire/message_metadata.h"
#include "proto/cairn.pb-c.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { ROUNDS = 20000, OPERATIONS_MAX = 6, BODY_BYTES = 4096 };

static const ProtobufCMessageDescriptor *const description = &cairn__write_metadata__descriptor;

static ProtobufCBinaryData some_bytes(struct random_source *random)
{
    static uint8_t bytes[64];
    return (ProtobufCBinaryData){random_below(random, sizeof bytes), bytes};
}

/* Packs a message in which every field may be there or not. */
static size_t some_body(struct random_source *random, uint8_t *ret_bytes)
{
    Cairn__WriteMetadata message = CAIRN__WRITE_METADATA__INIT;
    Cairn__MetadataOperation operations[OPERATIONS_MAX], *pointers[OPERATIONS_MAX];
    message.has_chain = random_chance(random, 50);
    message.chain = some_bytes(random);
    message.has_level = random_chance(random, 50);
    message.level = (Cairn__Level)(1 + random_below(random, 3));
    message.has_deadline_us = random_chance(random, 50);
    message.deadline_us = random_next(random) >> random_below(random, 64);
    message.has_resend_of = random_chance(random, 20);
    message.resend_of = random_next(random) >> random_below(random, 64);
    message.n_operations = random_below(random, OPERATIONS_MAX + 1);
    message.operations = pointers;
    for (size_t i = 0; i < message.n_operations; i++) {
        cairn__metadata_operation__init(&operations[i]);
        pointers[i] = &operations[i];
        operations[i].has_name = random_chance(random, 90);
        operations[i].name = some_bytes(random);
        operations[i].has_of_height = random_chance(random, 20);
        operations[i].of_height = random_next(random);
        operations[i].operation_case = (Cairn__MetadataOperation__OperationCase)(2 + random_below(random, 3));
        if (operations[i].operation_case == CAIRN__METADATA_OPERATION__OPERATION_VALUE) {
            operations[i].value = some_bytes(random);
        } else if (operations[i].operation_case == CAIRN__METADATA_OPERATION__OPERATION_RAISE) {
            operations[i].raise = random_next(random);
        } else {
            operations[i].delete_ = 1;
        }
    }
    ck_assert_uint_le(protobuf_c_message_get_packed_size(&message.base), BODY_BYTES);
    return protobuf_c_message_pack(&message.base, ret_bytes);
}

/* Unpacks in both ways. True: by hand it was done, and then both give the same. */
static bool check_same(const uint8_t *bytes, size_t n)
{
    struct arena by_hand, in_general;
    ProtobufCMessage *message = NULL, *expected = NULL;
    const char *text;
    uint8_t *exact = malloc(n + (n == 0));
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, n);
    arena_init(&by_hand, message_budget(n));
    arena_init(&in_general, message_budget(n));
    bool is_done = message_unpack_metadata(exact, n, &by_hand, &message);
    ck_assert(is_done || message == NULL);
    if (is_done) {
        ck_assert_int_eq(message_unpack(description, exact, n, &in_general, &expected, &text), STATUS_OK);
        size_t packed = protobuf_c_message_get_packed_size(message);
        ck_assert_uint_eq(packed, protobuf_c_message_get_packed_size(expected));
        uint8_t *left = malloc(packed + 1), *right = malloc(packed + 1);
        protobuf_c_message_pack(message, left);
        protobuf_c_message_pack(expected, right);
        ck_assert_int_eq(memcmp(left, right, packed), 0);
        free(left);
        free(right);
    }
    arena_close(&by_hand);
    arena_close(&in_general);
    free(exact);
    return is_done;
}

START_TEST(what_protobuf_packs_is_done_by_hand_and_the_same)
{
    static uint8_t bytes[BODY_BYTES];
    struct random_source random = random_from(random_seed("metadata messages"));
    for (int i = 0; i < ROUNDS; i++) {
        size_t n = some_body(&random, bytes);
        ck_assert(check_same(bytes, n) || n == 0);
    }
}
END_TEST

START_TEST(changed_bytes_are_left_to_the_general_way_or_give_the_same)
{
    static uint8_t bytes[BODY_BYTES];
    struct random_source random = random_from(random_seed("changed metadata messages"));
    size_t left = 0;
    for (int i = 0; i < ROUNDS; i++) {
        size_t n = some_body(&random, bytes);
        for (uint64_t change = random_below(&random, 4); n > 0 && change > 0; change--) {
            bytes[random_below(&random, n)] = (uint8_t)random_next(&random);
        }
        left += !check_same(bytes, random_chance(&random, 20) ? random_below(&random, n + 1) : n);
    }
    ck_assert_uint_gt(left, 0);
}
END_TEST

START_TEST(body_without_a_byte_is_left_to_the_general_way)
{
    ck_assert(!check_same((const uint8_t *)"", 0));
}
END_TEST

START_TEST(arena_without_room_leaves_the_output)
{
    static uint8_t bytes[BODY_BYTES];
    struct random_source random = random_from(random_seed("small arenas"));
    for (int i = 0; i < 1000; i++) {
        size_t n = some_body(&random, bytes);
        struct arena arena;
        ProtobufCMessage *message = NULL;
        arena_init(&arena, random_below(&random, 2048));
        bool is_done = message_unpack_metadata(bytes, n, &arena, &message);
        ck_assert_int_eq(is_done, message != NULL);
        arena_close(&arena);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("message_metadata", 60, &tests);
    tcase_add_test(tests, what_protobuf_packs_is_done_by_hand_and_the_same);
    tcase_add_test(tests, changed_bytes_are_left_to_the_general_way_or_give_the_same);
    tcase_add_test(tests, body_without_a_byte_is_left_to_the_general_way);
    tcase_add_test(tests, arena_without_room_leaves_the_output);
    return suite_run(suite, true);
}
