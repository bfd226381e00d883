/* The client library's clock: it never goes back, and no deadline wraps. */
#include "client/connection/clock.h"
#include "tests/lib/suite.h"

START_TEST(it_never_goes_back)
{
    uint64_t before = clock_now_us();
    for (int i = 0; i < 10000; i++) {
        uint64_t now = clock_now_us();
        ck_assert_uint_ge(now, before);
        before = now;
    }
}
END_TEST

START_TEST(a_deadline_beyond_the_clocks_end_never_comes)
{
    ck_assert_uint_eq(clock_deadline_us(5, 7), 12);
    ck_assert_uint_eq(clock_deadline_us(5, 0), 5);
    ck_assert_uint_eq(clock_deadline_us(5, NEVER_US), NEVER_US);
    ck_assert_uint_eq(clock_deadline_us(5, NEVER_US - 5), NEVER_US);
    ck_assert_uint_eq(clock_deadline_us(5, NEVER_US - 6), NEVER_US - 1);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("clock", 20, &tests);
    tcase_add_test(tests, it_never_goes_back);
    tcase_add_test(tests, a_deadline_beyond_the_clocks_end_never_comes);
    return suite_run(suite, true);
}
