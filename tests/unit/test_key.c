/* Keys: what goes in comes back, heights sort as numbers, and no range holds a key of another kind or chain. */
#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "daemon/schema/key.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

static const enum key_kind height_kinds[] = {KEY_HEADER, KEY_DATA, KEY_STATE, KEY_RUN, KEY_BOUND};
static const enum key_kind name_kinds[] = {KEY_METADATA, KEY_HASH, KEY_CHAIN_NAME};
static const enum key_kind all_kinds[] = {KEY_CHAIN_NAME, KEY_DROPPED, KEY_SEQUENCE, KEY_METADATA_ON_DISK,
                                          KEY_RUN,        KEY_MARKS,   KEY_HEADER,   KEY_DATA,
                                          KEY_HASH,       KEY_STATE,   KEY_METADATA, KEY_BOUND,
                                          KEY_MADE,       KEY_CLAIM,   KEY_EPOCH};
static const uint64_t heights[] = {0,
                                   1,
                                   0x7f,
                                   0x80,
                                   0xff,
                                   0x100,
                                   0xffff,
                                   0x10000,
                                   UINT32_MAX,
                                   UINT64_C(0x100000000),
                                   INT64_MAX,
                                   UINT64_C(1) << 63,
                                   UINT64_MAX - 1,
                                   UINT64_MAX};
static const uint32_t chains[] = {0, 1, 2, 0xff, 0x100, UINT32_MAX - 1, UINT32_MAX};

enum { KINDS = sizeof all_kinds / sizeof all_kinds[0], HEIGHTS = sizeof heights / sizeof heights[0] };
enum { CHAINS = sizeof chains / sizeof chains[0], ROUNDS = 20000, RANGE_ROUNDS = 3000 };

static int compare(const struct key *left, const struct key *right)
{
    return slice_compare(key_slice(left), key_slice(right));
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static bool lies_in(const struct key *key, const struct key *from, const struct key *to)
{
    return compare(key, from) >= 0 && compare(key, to) < 0;
}

/* Edges as often as anything else. */
static uint64_t some_height(struct random_source *random)
{
    uint64_t height = heights[random_below(random, HEIGHTS)];
    return random_chance(random, 50) ? height : random_next(random) >> random_below(random, 64);
}

/* Bytes that make trouble in names: separators, the kinds' own letters, both ends of the byte's range. */
static struct slice some_name(struct random_source *random, uint8_t *bytes)
{
    static const uint8_t telling[] = {0, 0xff, 'm', 'n', 'x', 'y', '/', 1};
    size_t length = random_chance(random, 10) ? METADATA_NAME_BYTES_MAX : 1 + random_below(random, 12);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = random_chance(random, 70) ? telling[random_below(random, sizeof telling)]
                                             : (uint8_t)random_next(random);
    }
    return slice_of(bytes, length);
}

/* Any key that the daemon makes. */
static struct key some_key(struct random_source *random, uint32_t *ret_chain, enum key_kind *ret_kind)
{
    uint8_t bytes[METADATA_NAME_BYTES_MAX];
    uint32_t chain = chains[random_below(random, CHAINS)];
    enum key_kind kind = all_kinds[random_below(random, KINDS)];
    struct slice name = some_name(random, bytes);
    *ret_chain = chain;
    *ret_kind = kind;
    switch (kind) {
    case KEY_METADATA:
    case KEY_HASH:
    case KEY_CHAIN_NAME:
        return key_of_name(chain, kind, name);
    case KEY_HEADER:
    case KEY_DATA:
    case KEY_STATE:
    case KEY_EPOCH:
    case KEY_RUN:
        return key_of_height(chain, kind, some_height(random));
    case KEY_BOUND:
        return key_of_bound(chain, some_height(random), name);
    case KEY_DROPPED:
        *ret_chain = 0;
        return key_of_dropped(1 + (uint32_t)random_below(random, UINT32_MAX));
    case KEY_SEQUENCE:
    case KEY_METADATA_ON_DISK:
    case KEY_MARKS:
    case KEY_MADE:
    case KEY_CLAIM:
        break;
    }
    return key_of_kind(chain, kind);
}

START_TEST(keys_have_the_documented_bytes)
{
    const uint8_t expected[] = {1, 2, 3, 4, 'x', 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 'a', 0, 'b'};
    struct key key = key_of_bound(0x01020304, 0x1112131415161718, slice_of("a\0b", 3));
    ck_assert_uint_eq(key.bytes, sizeof expected);
    ck_assert_mem_eq(key.data, expected, sizeof expected);
    key = key_of_height(0x01020304, KEY_BOUND, 0x1112131415161718);
    ck_assert_uint_eq(key.bytes, 13);
    ck_assert_mem_eq(key.data, expected, 13);
    key = key_of_kind(0x01020304, KEY_BOUND);
    ck_assert_uint_eq(key.bytes, 5);
    ck_assert_mem_eq(key.data, expected, 5);
}
END_TEST

START_TEST(the_number_of_a_dropped_chain_comes_back)
{
    const uint8_t expected[] = {0, 0, 0, 0, 'g', 1, 2, 3, 4};
    struct key key = key_of_dropped(0x01020304);
    uint32_t chain = 77;
    ck_assert_uint_eq(key.bytes, sizeof expected);
    ck_assert_mem_eq(key.data, expected, sizeof expected);
    ck_assert(key_read_dropped(key_slice(&key), &chain));
    ck_assert_uint_eq(chain, 0x01020304);
    ck_assert(!key_read_dropped(slice_of(key.data, key.bytes - 1), &chain));
    ck_assert(!key_read_dropped(slice_of("\0\0\0\0g12345", 10), &chain));
    ck_assert_uint_eq(chain, 0x01020304);
}
END_TEST

START_TEST(the_range_of_a_chain_has_all_its_keys_and_no_other)
{
    struct random_source random = random_from(random_seed("keys of chains"));
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t of = chains[random_below(&random, CHAINS - 1)], chain;
        enum key_kind kind;
        struct key key = some_key(&random, &chain, &kind), from = key_of_chain(of), to = key_behind_chain(of);
        ck_assert_int_eq(lies_in(&key, &from, &to), chain == of);
    }
}
END_TEST

START_TEST(heights_come_back)
{
    for (size_t kind = 0; kind < sizeof height_kinds / sizeof height_kinds[0]; kind++) {
        for (size_t i = 0; i < HEIGHTS; i++) {
            struct key key = key_of_height(chains[i % CHAINS], height_kinds[kind], heights[i]);
            uint64_t height = heights[i] + 1;
            ck_assert(key_read_height(key_slice(&key), &height));
            ck_assert_uint_eq(height, heights[i]);
        }
    }
}
END_TEST

START_TEST(names_come_back)
{
    uint8_t bytes[METADATA_NAME_BYTES_MAX];
    struct random_source random = random_from(random_seed("names in keys"));
    for (int i = 0; i < ROUNDS; i++) {
        struct slice name = some_name(&random, bytes);
        enum key_kind kind = name_kinds[random_below(&random, 3)];
        struct key key = key_of_name(chains[random_below(&random, CHAINS)], kind, name);
        struct slice back;
        ck_assert(key_read_name(key_slice(&key), &back));
        ck_assert(slice_equal(back, name));
        ck_assert_ptr_eq(back.data + back.bytes, key.data + key.bytes);

        uint64_t height = some_height(&random), height_back;
        key = key_of_bound(1, height, name);
        ck_assert(key_read_bound(key_slice(&key), &height_back, &back));
        ck_assert_uint_eq(height_back, height);
        ck_assert(slice_equal(back, name));
    }
}
END_TEST

START_TEST(the_longest_name_fills_a_key)
{
    uint8_t bytes[METADATA_NAME_BYTES_MAX];
    memset(bytes, 0xff, sizeof bytes);
    struct slice name = slice_of(bytes, sizeof bytes), back;
    struct key key = key_of_bound(UINT32_MAX, UINT64_MAX, name);
    struct key end = key_behind_kind(UINT32_MAX, KEY_BOUND);
    uint64_t height;
    ck_assert_uint_eq(key.bytes, KEY_BYTES_MAX);
    ck_assert(key_read_bound(key_slice(&key), &height, &back));
    ck_assert(height == UINT64_MAX && slice_equal(back, name));
    ck_assert_int_lt(compare(&key, &end), 0);
    key = key_of_name(UINT32_MAX, KEY_METADATA, name);
    end = key_behind_kind(UINT32_MAX, KEY_METADATA);
    ck_assert_int_lt(compare(&key, &end), 0);
}
END_TEST

START_TEST(keys_sort_as_heights_and_names_do)
{
    uint8_t left_bytes[METADATA_NAME_BYTES_MAX], right_bytes[METADATA_NAME_BYTES_MAX];
    struct random_source random = random_from(random_seed("order of keys"));
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t left = some_height(&random), right = some_height(&random);
        int order = (left > right) - (left < right);
        struct key left_key = key_of_height(7, KEY_DATA, left), right_key = key_of_height(7, KEY_DATA, right);
        ck_assert_int_eq(sign(compare(&left_key, &right_key)), order);

        struct slice left_name = some_name(&random, left_bytes);
        struct slice right_name = some_name(&random, right_bytes);
        int name_order = sign(slice_compare(left_name, right_name));
        left_key = key_of_name(7, KEY_METADATA, left_name);
        right_key = key_of_name(7, KEY_METADATA, right_name);
        ck_assert_int_eq(sign(compare(&left_key, &right_key)), name_order);
        left_key = key_of_bound(7, left, left_name);
        right_key = key_of_bound(7, right, right_name);
        ck_assert_int_eq(sign(compare(&left_key, &right_key)), order != 0 ? order : name_order);
    }
}
END_TEST

/* A range's beginning and end, made for one chain and kind, against any key. */
START_TEST(a_kinds_range_holds_its_own_keys_and_no_others)
{
    struct random_source random = random_from(random_seed("ranges of kinds"));
    for (int i = 0; i < RANGE_ROUNDS; i++) {
        uint32_t chain;
        enum key_kind kind;
        struct key key = some_key(&random, &chain, &kind);
        for (size_t at = 0; at < KINDS * CHAINS; at++) {
            uint32_t of_chain = chains[at / KINDS];
            enum key_kind of_kind = all_kinds[at % KINDS];
            struct key from = key_of_kind(of_chain, of_kind), to = key_behind_kind(of_chain, of_kind);
            ck_assert_int_eq(lies_in(&key, &from, &to), of_chain == chain && of_kind == kind);
        }
    }
}
END_TEST

START_TEST(a_range_of_heights_holds_exactly_those)
{
    uint8_t bytes[METADATA_NAME_BYTES_MAX];
    struct random_source random = random_from(random_seed("ranges of heights"));
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t chain = chains[random_below(&random, CHAINS)];
        uint64_t low = some_height(&random), high = some_height(&random), height = some_height(&random);
        bool inside = height > low && height <= high;
        struct key from = key_behind_height(chain, KEY_HEADER, low);
        struct key to = key_behind_height(chain, KEY_HEADER, high);
        struct key key = key_of_height(chain, KEY_HEADER, height);
        ck_assert_int_eq(lies_in(&key, &from, &to), inside);

        from = key_behind_height(chain, KEY_BOUND, low);
        to = key_behind_height(chain, KEY_BOUND, high);
        key = key_of_bound(chain, height, some_name(&random, bytes));
        ck_assert_int_eq(lies_in(&key, &from, &to), inside);

        /* from a height up to the end of the kind, as a rollback drops */
        struct key end = key_behind_kind(chain, KEY_BOUND);
        ck_assert_int_eq(lies_in(&key, &from, &end), height > low);
    }
}
END_TEST

START_TEST(behind_the_last_height_is_behind_the_kind)
{
    for (size_t i = 0; i < sizeof height_kinds / sizeof height_kinds[0]; i++) {
        struct key behind = key_behind_height(3, height_kinds[i], UINT64_MAX);
        struct key end = key_behind_kind(3, height_kinds[i]);
        struct key last = key_of_height(3, height_kinds[i], UINT64_MAX);
        ck_assert_int_eq(compare(&behind, &end), 0);
        ck_assert_int_lt(compare(&last, &behind), 0);
        behind = key_behind_height(3, height_kinds[i], UINT64_MAX - 1);
        ck_assert_int_eq(compare(&behind, &last), 0);
    }
}
END_TEST

START_TEST(name_where_the_kind_has_a_height_ends_the_process)
{
    (void)key_of_name(1, KEY_HEADER, slice_of("name", 4));
}
END_TEST

START_TEST(name_longer_than_a_key_has_room_for_ends_the_process)
{
    static uint8_t bytes[METADATA_NAME_BYTES_MAX + 1];
    (void)key_of_name(1, KEY_METADATA, slice_of(bytes, sizeof bytes));
}
END_TEST

START_TEST(a_key_of_a_wrong_length_is_refused_and_leaves_the_output)
{
    enum { LONGEST = KEY_BYTES_MAX + 2 };
    uint8_t bytes[METADATA_NAME_BYTES_MAX] = {0};
    struct key key = key_of_bound(1, 77, slice_of(bytes, sizeof bytes));
    for (size_t length = 0; length <= LONGEST; length++) {
        uint8_t *exact = calloc(1, length + (length == 0)); /* so that a byte read behind it is found */
        memcpy(exact, key.data, length < key.bytes ? length : key.bytes);
        bool has_height = length >= 13 && length <= KEY_BYTES_MAX;
        bool has_name = length >= 5 && length <= 5 + METADATA_NAME_BYTES_MAX;
        struct slice slice = slice_of(exact, length), name = slice_of("?", 1);
        uint64_t height = 99;
        ck_assert_int_eq(key_read_height(slice, &height), has_height);
        ck_assert_uint_eq(height, has_height ? 77 : 99);
        ck_assert_int_eq(key_read_name(slice, &name), has_name);
        ck_assert_uint_eq(name.bytes, has_name ? length - 5 : 1);
        name = slice_of("?", 1);
        height = 99;
        ck_assert_int_eq(key_read_bound(slice, &height, &name), has_height);
        ck_assert_uint_eq(height, has_height ? 77 : 99);
        ck_assert_uint_eq(name.bytes, has_height ? length - 13 : 1);
        free(exact);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("key", 60, &tests);
    tcase_add_test(tests, keys_have_the_documented_bytes);
    tcase_add_test(tests, the_number_of_a_dropped_chain_comes_back);
    tcase_add_test(tests, the_range_of_a_chain_has_all_its_keys_and_no_other);
    tcase_add_test(tests, heights_come_back);
    tcase_add_test(tests, names_come_back);
    tcase_add_test(tests, the_longest_name_fills_a_key);
    tcase_add_test(tests, keys_sort_as_heights_and_names_do);
    tcase_add_test(tests, a_kinds_range_holds_its_own_keys_and_no_others);
    tcase_add_test(tests, a_range_of_heights_holds_exactly_those);
    tcase_add_test(tests, behind_the_last_height_is_behind_the_kind);
    tcase_add_test_raise_signal(tests, name_where_the_kind_has_a_height_ends_the_process, SIGABRT);
    tcase_add_test_raise_signal(tests, name_longer_than_a_key_has_room_for_ends_the_process, SIGABRT);
    tcase_add_test(tests, a_key_of_a_wrong_length_is_refused_and_leaves_the_output);
    return suite_run(suite, false);
}
