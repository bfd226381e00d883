/* Gone: which numbers are taken together, and that none is lost or taken twice. */
#include <check.h>

#include "daemon/order/gone.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

static struct gone *gone;
static uint32_t first, last;

static void setup(void)
{
    gone = gone_new();
    first = last = 77;
}

static void teardown(void)
{
    gone_free(gone);
    gone_free(NULL);
}

static void assert_taken(uint32_t expected_first, uint32_t expected_last)
{
    ck_assert(gone_take(gone, &first, &last));
    ck_assert_uint_eq(first, expected_first);
    ck_assert_uint_eq(last, expected_last);
}

START_TEST(numbers_in_a_row_are_taken_at_once)
{
    ck_assert(!gone_take(gone, &first, &last));
    ck_assert(first == 77 && last == 77);
    gone_add(gone, 7, 7);
    gone_add(gone, 3, 3);
    gone_add(gone, 4, 4);
    gone_add(gone, CHAIN_IDS_MAX - 1, CHAIN_IDS_MAX);
    gone_add(gone, 4, 4); /* it was made and dropped once more */
    ck_assert(gone_has(gone, 3) && gone_has(gone, 4) && !gone_has(gone, 5));
    assert_taken(3, 4);
    ck_assert(!gone_has(gone, 3));
    gone_add(gone, 1, 1);
    assert_taken(1, 1);
    gone_add(gone, first, last); /* its space was not given back */
    assert_taken(1, 1);
    assert_taken(7, 7);
    assert_taken(CHAIN_IDS_MAX - 1, CHAIN_IDS_MAX);
    ck_assert(!gone_take(gone, &first, &last));
}
END_TEST

START_TEST(each_number_is_taken_once)
{
    enum { NUMBERS = 200 };
    struct random_source random = random_from(random_seed("gone"));
    bool expected[NUMBERS + 2] = {false};
    for (int step = 0; step < 3000; step++) {
        uint32_t id = 1 + (uint32_t)random_below(&random, NUMBERS);
        if (random_chance(&random, 80)) {
            gone_add(gone, id, id);
            expected[id] = true;
        } else if (gone_take(gone, &first, &last)) {
            ck_assert(!expected[first - 1] && !expected[last + 1]);
            for (id = first; id <= last; id++) {
                ck_assert(expected[id]);
                expected[id] = false;
            }
        }
        id = 1 + (uint32_t)random_below(&random, NUMBERS);
        ck_assert_int_eq(gone_has(gone, id), expected[id]);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("gone", 20, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, numbers_in_a_row_are_taken_at_once);
    tcase_add_test(tests, each_number_is_taken_once);
    return suite_run(suite, true);
}
