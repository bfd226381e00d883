/* What a range takes, about: small values, large ones, few very large ones, together and beside others, in write buffers and in tables. */
#include <check.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "tests/lib/random.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

enum { KEY_BYTES = 12, MIB = 1 << 20 };

static struct random_source randomness;

static struct slice key_of_number(char range, uint64_t number)
{
    static uint8_t key[KEY_BYTES];
    memset(key, 0, sizeof key);
    key[0] = (uint8_t)range;
    for (int i = 0; i < 8; i++) {
        key[KEY_BYTES - 1 - i] = (uint8_t)(number >> (8 * i));
    }
    return slice_of(key, sizeof key);
}

/* So many values of that length; the keys are spread over all numbers, in no order of their lengths. */
static uint64_t fill(char range, uint64_t count, size_t value_bytes)
{
    uint8_t *value = memory_new(value_bytes);
    for (uint64_t i = 0; i < count; i++) {
        random_fill(&randomness, value, value_bytes);
        subject_put(key_of_number(range, random_next(&randomness)), slice_of(value, value_bytes));
    }
    free(value);
    return count * (KEY_BYTES + value_bytes);
}

static uint64_t bytes_of_range(char range)
{
    char from = range, to = (char)(range + 1);
    uint64_t bytes = 0;
    ck_assert_int_eq(
        engine_range_bytes(subject.engine, slice_of(&from, 1), slice_of(&to, 1), &bytes, &subject.failure),
        ENGINE_OK);
    return bytes;
}

static void check(char range, uint64_t expected)
{
    uint64_t bytes = bytes_of_range(range);
    ck_assert_msg(bytes >= expected / 2 && bytes <= 2 * expected, "range %c: %lu, not about %lu", range,
                  bytes, expected);
}

/* Of every engine. */
START_TEST(what_is_few_is_told_exactly)
{
    subject_begin(_i);
    ck_assert_uint_eq(bytes_of_range('a'), 0);
    subject_put(text("a"), text("value"));
    subject_put(text("ab"), text(""));
    subject_put(text("b"), text("beside"));
    ck_assert_uint_eq(bytes_of_range('a'), 1 + 5 + 2);
    subject_put(text("a"), text("longer value"));
    subject_delete(text("ab"));
    ck_assert_uint_eq(bytes_of_range('a'), 1 + 12);
}
END_TEST

/* All but the few are more than what is walked of them. */
START_TEST(an_estimate_is_right_to_a_factor_of_two)
{
    subject_begin(SUBJECT_ROCKSDB);
    randomness = random_from(random_seed("usage"));
    uint64_t small = fill('a', 60000, 300), large = fill('b', 6000, 12000), few = fill('c', 10, 7 * MIB);
    uint64_t mixed = fill('d', 40000, 100) + fill('d', 2000, 20000);
    for (int i = 0; i < 3; i++) {
        check('a', small);
        check('b', large);
        check('c', few);
        check('d', mixed);
        ck_assert_uint_eq(bytes_of_range('e'), 0);
        if (i == 0) {
            subject_reopen();
        } else if (i == 1) {
            subject_reclaim(text("a"), text("e"));
        }
    }
}
END_TEST

START_TEST(what_was_deleted_is_not_counted_once_it_is_reclaimed)
{
    subject_begin(SUBJECT_ROCKSDB);
    randomness = random_from(random_seed("usage deleted"));
    uint64_t all = fill('b', 3000, 12000);
    struct slice middle = key_of_number('b', UINT64_MAX / 4 * 3);
    check('b', all);
    subject_delete_range(text("b"), middle);
    subject_reclaim(text("b"), text("c"));
    check('b', all / 4);
}
END_TEST

/* Between two keys that are alike for longer than a search looks no place is found: such a range is not cut, and walked whole. */
START_TEST(keys_that_are_alike_for_long_are_told_too)
{
    enum { LONG_BYTES = 300, VALUE_BYTES = 2000, COUNT = 1000 };
    static uint8_t from[LONG_BYTES], to[LONG_BYTES], key[LONG_BYTES], value[VALUE_BYTES];
    /* the search looks at 256, and at eight bytes at once */
    const size_t length = _i == 0 ? LONG_BYTES : 254;
    subject_begin(SUBJECT_ROCKSDB);
    randomness = random_from(random_seed("usage alike"));
    memset(from, 'k', length);
    memcpy(to, from, length);
    memcpy(key, from, length);
    to[length - 2] += 2;
    for (int i = 0; i < COUNT; i++) {
        key[length - 2] = (uint8_t)('k' + i / 250);
        key[length - 1] = (uint8_t)(i % 250);
        random_fill(&randomness, value, sizeof value);
        subject_put(slice_of(key, length), slice_of(value, sizeof value));
    }
    subject_reclaim(text("k"), text("l"));
    from[length - 1] = to[length - 1] = 0;
    uint64_t bytes = 0;
    ck_assert_int_eq(engine_range_bytes(subject.engine, slice_of(from, length), slice_of(to, length), &bytes,
                                        &subject.failure),
                     ENGINE_OK);
    ck_assert_uint_eq(bytes, 2 * 250 * (length + VALUE_BYTES));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rocks_usage", 300, &tests);
    tcase_add_checked_fixture(tests, NULL, subject_end);
    tcase_add_loop_test(tests, what_is_few_is_told_exactly, 0, SUBJECTS);
    tcase_add_test(tests, an_estimate_is_right_to_a_factor_of_two);
    tcase_add_loop_test(tests, keys_that_are_alike_for_long_are_told_too, 0, 2);
    tcase_add_test(tests, what_was_deleted_is_not_counted_once_it_is_reclaimed);
    return suite_run(suite, true);
}
