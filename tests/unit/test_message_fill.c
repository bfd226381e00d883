/* The second walk: a message is filled in as protobuf-c fills it, its bytes lead into the body, and its memory is what the scan
 * announced. */
#include <stdlib.h>
#include <string.h>

#include "daemon/wire/message.h"
#include "proto/cairn.pb-c.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { ROUNDS = 10000, PARTS_MAX = 5, BODY_BYTES = 8192 };

static ProtobufCBinaryData some_bytes(struct random_source *random)
{
    static uint8_t bytes[100];
    return (ProtobufCBinaryData){random_below(random, sizeof bytes), bytes};
}

/* Packs a commit: nested messages, a packed field, and numbers of every length. */
static size_t some_commit(struct random_source *random, uint8_t *ret_bytes)
{
    Cairn__Commit commit = CAIRN__COMMIT__INIT;
    Cairn__Block blocks[PARTS_MAX], *block_pointers[PARTS_MAX];
    Cairn__State states[PARTS_MAX], *state_pointers[PARTS_MAX];
    uint64_t deleted[PARTS_MAX];
    commit.has_chain = random_chance(random, 50);
    commit.chain = some_bytes(random);
    commit.has_carry = random_chance(random, 50);
    commit.carry = random_chance(random, 50);
    commit.has_rise_to = random_chance(random, 50);
    commit.rise_to = random_next(random) >> random_below(random, 64);
    commit.n_blocks = random_below(random, PARTS_MAX + 1);
    commit.blocks = block_pointers;
    for (size_t i = 0; i < commit.n_blocks; i++) {
        cairn__block__init(&blocks[i]);
        block_pointers[i] = &blocks[i];
        blocks[i].has_height = random_chance(random, 90);
        blocks[i].height = random_next(random) >> random_below(random, 64);
        blocks[i].has_header = blocks[i].has_data = true;
        blocks[i].header = some_bytes(random);
        blocks[i].data = some_bytes(random);
    }
    commit.n_states = random_below(random, PARTS_MAX + 1);
    commit.states = state_pointers;
    for (size_t i = 0; i < commit.n_states; i++) {
        cairn__state__init(&states[i]);
        state_pointers[i] = &states[i];
        states[i].has_value = random_chance(random, 50);
        states[i].value = some_bytes(random);
    }
    commit.n_delete_states = random_below(random, PARTS_MAX + 1);
    commit.delete_states = deleted;
    for (size_t i = 0; i < commit.n_delete_states; i++) {
        deleted[i] = random_next(random) >> random_below(random, 64);
    }
    ck_assert_uint_le(protobuf_c_message_get_packed_size(&commit.base), BODY_BYTES);
    return protobuf_c_message_pack(&commit.base, ret_bytes);
}

static void assert_packs_to_the_same(const ProtobufCMessage *left, const ProtobufCMessage *right)
{
    static uint8_t left_bytes[2 * BODY_BYTES], right_bytes[2 * BODY_BYTES];
    size_t n = protobuf_c_message_get_packed_size(left);
    ck_assert_uint_eq(n, protobuf_c_message_get_packed_size(right));
    protobuf_c_message_pack(left, left_bytes);
    protobuf_c_message_pack(right, right_bytes);
    ck_assert_int_eq(memcmp(left_bytes, right_bytes, n), 0);
}

static bool lies_in(const ProtobufCBinaryData *part, const uint8_t *bytes, size_t n)
{
    return part->len == 0 ? part->data == NULL : part->data >= bytes && part->data + part->len <= bytes + n;
}

START_TEST(two_bodies_behind_one_another_are_filled_in_as_protobuf_c_does)
{
    static uint8_t bytes[2 * BODY_BYTES];
    struct random_source random = random_from(random_seed("commits"));
    for (int i = 0; i < ROUNDS; i++) {
        /* Fields come again, repeated ones interleaved with others: of single ones the last counts. */
        size_t n = some_commit(&random, bytes);
        n += random_chance(&random, 50) ? some_commit(&random, bytes + n) : 0;
        struct arena arena;
        ProtobufCMessage *message;
        const char *text;
        size_t need;
        arena_init(&arena, message_budget(n));
        ck_assert_int_eq(message_check(&cairn__commit__descriptor, bytes, n, &need, &text), STATUS_OK);
        ck_assert_int_eq(message_unpack(&cairn__commit__descriptor, bytes, n, &arena, &message, &text),
                         STATUS_OK);
        ck_assert_uint_le(arena.used, need);
        Cairn__Commit *expected = cairn__commit__unpack(NULL, n, bytes);
        ck_assert_ptr_nonnull(expected);
        assert_packs_to_the_same(message, &expected->base);
        const Cairn__Commit *commit = (const Cairn__Commit *)message;
        for (size_t at = 0; at < commit->n_blocks; at++) {
            ck_assert(lies_in(&commit->blocks[at]->data, bytes, n));
            ck_assert(lies_in(&commit->blocks[at]->header, bytes, n));
        }
        cairn__commit__free_unpacked(expected, NULL);
        arena_close(&arena);
    }
}
END_TEST

START_TEST(packed_and_single_elements_keep_their_order)
{
    /* delete_states: packed 1, 300; single 5; packed none; packed 7 */
    static const uint8_t bytes[] = {0x42, 3, 1, 0xac, 2, 0x40, 5, 0x42, 0, 0x42, 1, 7};
    static const uint64_t expected[] = {1, 300, 5, 7};
    struct arena arena;
    ProtobufCMessage *message;
    const char *text;
    arena_init(&arena, 4096);
    ck_assert_int_eq(message_unpack(&cairn__commit__descriptor, bytes, sizeof bytes, &arena, &message, &text),
                     STATUS_OK);
    const Cairn__Commit *commit = (const Cairn__Commit *)message;
    ck_assert_uint_eq(commit->n_delete_states, 4);
    ck_assert_mem_eq(commit->delete_states, expected, sizeof expected);
    arena_close(&arena);
}
END_TEST

START_TEST(packed_field_without_elements_is_an_empty_array)
{
    static const uint8_t bytes[] = {0x42, 0};
    struct arena arena;
    ProtobufCMessage *message;
    const char *text;
    arena_init(&arena, 4096);
    ck_assert_int_eq(message_unpack(&cairn__commit__descriptor, bytes, sizeof bytes, &arena, &message, &text),
                     STATUS_OK);
    ck_assert_uint_eq(((const Cairn__Commit *)message)->n_delete_states, 0);
    arena_close(&arena);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("message_fill", 60, &tests);
    tcase_add_test(tests, two_bodies_behind_one_another_are_filled_in_as_protobuf_c_does);
    tcase_add_test(tests, packed_and_single_elements_keep_their_order);
    tcase_add_test(tests, packed_field_without_elements_is_an_empty_array);
    return suite_run(suite, true);
}
