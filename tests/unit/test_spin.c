/* Adaptive spinning: awake for what comes within moments, asleep for what takes longer, awake again shortly before it is due. */
#include <check.h>
#include <stdlib.h>

#include "daemon/runtime/spin.h"

enum {
    SPIN_NS_MAX = 100000,
    LEARNT = 200, /* times enough for the mean to be what was learnt */
};

static struct spin spin_of(uint64_t took_ns)
{
    struct spin spin = {.spin_ns_max = SPIN_NS_MAX};
    for (int i = 0; i < LEARNT; i++) {
        spin_learn(&spin, took_ns);
    }
    return spin;
}

START_TEST(what_is_short_is_spun_for)
{
    struct spin spin = spin_of(20000);
    uint64_t sleep_ns = 1;
    ck_assert(spin_holds(&spin, 0));
    ck_assert(spin_holds(&spin, 40000));
    ck_assert(!spin_holds(&spin, 41000));
    ck_assert(spin_holds_when_due(&spin, 0, &sleep_ns));
    ck_assert_uint_eq(sleep_ns, 0);
    ck_assert(!spin_holds_when_due(&spin, 41000, &sleep_ns));
    ck_assert_uint_eq(sleep_ns, 0); /* it should have come: its sender wakes the sleeper */
}
END_TEST

START_TEST(what_is_longer_is_slept_for_until_shortly_before_it_is_due)
{
    struct spin spin = spin_of(300000);
    uint64_t sleep_ns = 0;
    ck_assert(!spin_holds(&spin, 0));
    ck_assert(!spin_holds_when_due(&spin, 0, &sleep_ns));
    ck_assert_uint_eq(sleep_ns, 250000);
    ck_assert(!spin_holds_when_due(&spin, 200000, &sleep_ns));
    ck_assert_uint_eq(sleep_ns, 50000);
    ck_assert(spin_holds_when_due(&spin, 250000, &sleep_ns));
    ck_assert_uint_eq(sleep_ns, 0);
    ck_assert(spin_holds_when_due(&spin, 400000, &sleep_ns));
    ck_assert(!spin_holds_when_due(&spin, 401000, &sleep_ns));
    ck_assert_uint_eq(sleep_ns, 0);
}
END_TEST

START_TEST(what_takes_very_long_is_slept_for_until_woken)
{
    struct spin spin = spin_of(50000000);
    uint64_t sleep_ns = 1;
    for (uint64_t waited_ns = 0; waited_ns < 60000000; waited_ns += 30000) {
        ck_assert(!spin_holds_when_due(&spin, waited_ns, &sleep_ns));
        ck_assert_uint_eq(sleep_ns, 0);
    }
}
END_TEST

START_TEST(one_that_is_late_does_not_end_spinning)
{
    struct spin spin = spin_of(20000);
    spin_learn(&spin, 14000000);
    uint64_t sleep_ns = 0;
    for (int i = 0; i < 20; i++) {
        spin_learn(&spin, 20000);
    }
    ck_assert(spin_holds_when_due(&spin, 0, &sleep_ns));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spin");
    TCase *tests = tcase_create("spin");
    tcase_add_test(tests, what_is_short_is_spun_for);
    tcase_add_test(tests, what_is_longer_is_slept_for_until_shortly_before_it_is_due);
    tcase_add_test(tests, what_takes_very_long_is_slept_for_until_woken);
    tcase_add_test(tests, one_that_is_late_does_not_end_spinning);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
