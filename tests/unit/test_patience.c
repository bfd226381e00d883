/* Patience: awake for what comes within moments, asleep for what takes longer, and awake again shortly before it is due. */
#include <check.h>
#include <stdlib.h>

#include "daemon/runtime/patience.h"

enum {
    MOST_NS = 100000,
    LEARNT = 200, /* times enough for the mean to be what was learnt */
};

static struct patience patience_of(uint64_t took_ns)
{
    struct patience patience = {.most_ns = MOST_NS};
    for (int i = 0; i < LEARNT; i++) {
        patience_learn(&patience, took_ns);
    }
    return patience;
}

START_TEST(what_is_short_is_waited_for_awake)
{
    struct patience patience = patience_of(20000);
    uint64_t nap_ns = 1;
    ck_assert(patience_holds(&patience, 0));
    ck_assert(patience_holds(&patience, 40000));
    ck_assert(!patience_holds(&patience, 41000));
    ck_assert(patience_holds_from_nap(&patience, 0, &nap_ns));
    ck_assert_uint_eq(nap_ns, 0);
    ck_assert(!patience_holds_from_nap(&patience, 41000, &nap_ns));
    ck_assert_uint_eq(nap_ns, 0); /* it should have come: who sends it wakes us */
}
END_TEST

START_TEST(what_is_longer_is_slept_for_until_shortly_before_it_is_due)
{
    struct patience patience = patience_of(300000);
    uint64_t nap_ns = 0;
    ck_assert(!patience_holds(&patience, 0));
    ck_assert(!patience_holds_from_nap(&patience, 0, &nap_ns));
    ck_assert_uint_eq(nap_ns, 250000);
    ck_assert(!patience_holds_from_nap(&patience, 200000, &nap_ns));
    ck_assert_uint_eq(nap_ns, 50000);
    ck_assert(patience_holds_from_nap(&patience, 250000, &nap_ns));
    ck_assert_uint_eq(nap_ns, 0);
    ck_assert(patience_holds_from_nap(&patience, 400000, &nap_ns));
    ck_assert(!patience_holds_from_nap(&patience, 401000, &nap_ns));
    ck_assert_uint_eq(nap_ns, 0);
}
END_TEST

START_TEST(what_takes_very_long_is_slept_for_until_woken)
{
    struct patience patience = patience_of(50000000);
    uint64_t nap_ns = 1;
    for (uint64_t waited_ns = 0; waited_ns < 60000000; waited_ns += 30000) {
        ck_assert(!patience_holds_from_nap(&patience, waited_ns, &nap_ns));
        ck_assert_uint_eq(nap_ns, 0);
    }
}
END_TEST

START_TEST(one_that_is_late_does_not_end_patience)
{
    struct patience patience = patience_of(20000);
    patience_learn(&patience, 14000000);
    uint64_t nap_ns = 0;
    for (int i = 0; i < 20; i++) {
        patience_learn(&patience, 20000);
    }
    ck_assert(patience_holds_from_nap(&patience, 0, &nap_ns));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("patience");
    TCase *tests = tcase_create("patience");
    tcase_add_test(tests, what_is_short_is_waited_for_awake);
    tcase_add_test(tests, what_is_longer_is_slept_for_until_shortly_before_it_is_due);
    tcase_add_test(tests, what_takes_very_long_is_slept_for_until_woken);
    tcase_add_test(tests, one_that_is_late_does_not_end_patience);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
