/* Time-outs: each is due after its length and not before, in whatever order they start and stop. */
#include <stdlib.h>

#include "daemon/runtime/timeout.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { LENGTH_US = 1000, WAITERS = 20 };

static struct timeout_list list;
static struct timeout waiters[WAITERS];

static void setup(void)
{
    list = (struct timeout_list){.length_us = LENGTH_US};
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct timeout){.owner = &waiters[i]};
    }
}

START_TEST(one_is_due_after_its_length_and_stays_due)
{
    ck_assert_ptr_null(timeout_turn(&list, 1));
    ck_assert_uint_eq(timeout_in_us(&list, 1), UINT64_MAX);
    timeout_start(&list, &waiters[0]);
    ck_assert_ptr_null(timeout_turn(&list, 500)); /* it counts from here */
    ck_assert_uint_eq(timeout_in_us(&list, 500), LENGTH_US);
    ck_assert_ptr_null(timeout_turn(&list, 499 + LENGTH_US));
    ck_assert_uint_eq(timeout_in_us(&list, 499 + LENGTH_US), 1);
    ck_assert_ptr_eq(timeout_turn(&list, 500 + LENGTH_US), &waiters[0]);
    ck_assert_ptr_eq(timeout_turn(&list, 501 + LENGTH_US), &waiters[0]);
    timeout_stop(&list, &waiters[0]);
    ck_assert_ptr_null(timeout_turn(&list, 502 + LENGTH_US));
}
END_TEST

START_TEST(one_that_starts_anew_has_all_of_its_length_again)
{
    timeout_start(&list, &waiters[0]);
    timeout_start(&list, &waiters[1]);
    ck_assert_ptr_null(timeout_turn(&list, 100));
    timeout_start(&list, &waiters[0]);
    ck_assert_ptr_null(timeout_turn(&list, 600));
    ck_assert_ptr_eq(timeout_turn(&list, 100 + LENGTH_US), &waiters[1]);
    timeout_stop(&list, &waiters[1]);
    ck_assert_ptr_null(timeout_turn(&list, 599 + LENGTH_US));
    ck_assert_ptr_eq(timeout_turn(&list, 600 + LENGTH_US), &waiters[0]);
}
END_TEST

START_TEST(any_history_gives_each_its_length)
{
    struct random_source random = random_from(random_seed("timeout"));
    uint64_t since_us[WAITERS] = {0}, now_us = 1; /* 0: does not run */
    for (int step = 0; step < 2000; step++) {
        size_t i = (size_t)random_below(&random, WAITERS);
        if (random_chance(&random, 40)) {
            timeout_start(&list, &waiters[i]);
            since_us[i] = now_us;
        } else if (random_chance(&random, 30)) {
            timeout_stop(&list, &waiters[i]);
            since_us[i] = 0;
        }
        for (struct timeout *due; (due = timeout_turn(&list, now_us)) != NULL;) {
            size_t at = (size_t)(due - waiters);
            ck_assert(since_us[at] > 0 && now_us >= since_us[at] + LENGTH_US);
            timeout_stop(&list, due);
            since_us[at] = 0;
        }
        uint64_t next_us = UINT64_MAX;
        for (int k = 0; k < WAITERS; k++) {
            ck_assert(waiters[k].is_running == (since_us[k] > 0));
            uint64_t in_us = since_us[k] + LENGTH_US - now_us;
            next_us = since_us[k] > 0 && in_us < next_us ? in_us : next_us;
        }
        ck_assert_uint_eq(timeout_in_us(&list, now_us), next_us);
        now_us += random_below(&random, 200);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("timeout", 20, &tests);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, one_is_due_after_its_length_and_stays_due);
    tcase_add_test(tests, one_that_starts_anew_has_all_of_its_length_again);
    tcase_add_test(tests, any_history_gives_each_its_length);
    return suite_run(suite, true);
}
