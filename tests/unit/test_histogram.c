/* The histogram: every percentile is right to one part in 64, and never above the greatest value. */
#include <check.h>
#include <stdlib.h>

#include "proto/histogram.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { VALUES = 20000 };

static int compare_values(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return (first > second) - (first < second);
}

static void check_against(const struct histogram *histogram, const uint64_t *sorted)
{
    static const uint32_t parts[] = {0, 1, 500000, 900000, 990000, 999000, 999999, 1000000};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        uint64_t rank = ((uint64_t)VALUES * parts[i] + 999999) / 1000000;
        uint64_t exact = sorted[rank > 0 ? rank - 1 : 0];
        uint64_t got = histogram_percentile_ns(histogram, parts[i]);
        ck_assert_uint_ge(got, exact);
        ck_assert_uint_le(got, exact + exact / 64);
        ck_assert_uint_le(got, sorted[VALUES - 1]);
    }
}

START_TEST(percentiles_are_right_to_one_part_in_64)
{
    static uint64_t values[VALUES];
    struct random_source random = random_from(random_seed("histogram"));
    for (unsigned bits = 1; bits < HISTOGRAM_VALUE_BITS; bits += 4) {
        struct histogram whole = {0}, first = {0}, second = {0};
        for (size_t i = 0; i < VALUES; i++) {
            values[i] = random_next(&random) >> (64 - 1 - random_below(&random, bits));
            histogram_add(&whole, values[i]);
            histogram_add(i % 3 == 0 ? &first : &second, values[i]);
        }
        qsort(values, VALUES, sizeof values[0], compare_values);
        check_against(&whole, values);
        histogram_merge(&first, &second);
        ck_assert_uint_eq(first.count, VALUES);
        check_against(&first, values);
    }
}
END_TEST

START_TEST(nothing_and_everything_can_be_asked)
{
    struct histogram histogram = {0};
    ck_assert_uint_eq(histogram_percentile_ns(&histogram, 500000), 0);
    histogram_add(&histogram, UINT64_MAX);
    ck_assert_uint_eq(histogram.max_ns, UINT64_MAX);
    ck_assert_uint_eq(histogram_percentile_ns(&histogram, 1000000),
                      ((uint64_t)1 << HISTOGRAM_VALUE_BITS) - 1);
    histogram_add(&histogram, 0);
    ck_assert_uint_eq(histogram_percentile_ns(&histogram, 500000), 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("histogram", 60, &tests);
    tcase_add_test(tests, percentiles_are_right_to_one_part_in_64);
    tcase_add_test(tests, nothing_and_everything_can_be_asked);
    return suite_run(suite, false);
}
