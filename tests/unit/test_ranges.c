/* Ranges: of each key the latest range counts, whatever they overlap and whichever are taken back. */
#include <check.h>
#include <signal.h>

#include "daemon/writer/ranges.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { KEYS = 24, STEPS = 3000, RANGES_MAX = 40 };

static struct slice key(unsigned number)
{
    static uint8_t keys[KEYS + 1];
    keys[number] = (uint8_t)('a' + number);
    return slice_of(&keys[number], 1);
}

struct added {
    unsigned from, to;
    uint64_t number;
};

static void check(const struct ranges *ranges, const struct added *added, size_t count)
{
    for (unsigned i = 0; i < KEYS; i++) {
        uint64_t expected = 0, number = 0;
        for (size_t k = 0; k < count; k++) {
            expected = i >= added[k].from && i < added[k].to ? added[k].number : expected;
        }
        ck_assert(ranges_have(ranges, key(i), &number) == (expected != 0));
        ck_assert_uint_eq(number, expected);
    }
    for (size_t i = 1; i < ranges->part_count; i++) {
        ck_assert_int_le(slice_compare(ranges->parts[i - 1].to, ranges->parts[i].from), 0);
    }
}

START_TEST(the_latest_range_of_a_key_counts)
{
    struct random_source random = random_from(random_seed("ranges"));
    struct ranges ranges = {0};
    struct added added[RANGES_MAX];
    size_t count = 0;
    for (uint64_t step = 1; step <= STEPS; step++) {
        if (count < RANGES_MAX && random_chance(&random, 80)) {
            unsigned from = (unsigned)random_below(&random, KEYS);
            unsigned to = from + (unsigned)random_below(&random, KEYS - from + 1);
            added[count] = (struct added){from, to, step};
            ranges_add(&ranges, key(from), key(to), step);
            count++;
        } else {
            count = random_below(&random, count + 1);
            ranges_take_back(&ranges, count);
        }
        ck_assert_uint_eq(ranges.added_count, count);
        check(&ranges, added, count);
    }
    ranges_close(&ranges);
    check(&ranges, added, 0);
}
END_TEST

START_TEST(a_range_that_ends_before_it_begins_ends_the_process)
{
    struct ranges ranges = {0};
    ranges_add(&ranges, key(2), key(1), 1);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("ranges", 20, &tests);
    tcase_add_test(tests, the_latest_range_of_a_key_counts);
    tcase_add_test_raise_signal(tests, a_range_that_ends_before_it_begins_ends_the_process, SIGABRT);
    return suite_run(suite, true);
}
