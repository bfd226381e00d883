/* An open loop's requests are due at the rate asked for, whatever it is and however late one looks. */
#include <check.h>
#include <stdlib.h>

#include "client/tool/bench/bench_pace.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

#define SECOND_NS UINT64_C(1000000000)
#define START_NS  (12345 * SECOND_NS + 678)

static const double rates[] = {0.5, 1, 3, 50, 999, 1000, 1001, 2500, 300000, 1234567.8};

START_TEST(so_many_are_due_as_the_rate_says)
{
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct bench_pace pace;
        bench_pace_init(&pace, rates[i], START_NS);
        struct random_source random = random_from(random_seed("bench_pace"));
        uint64_t now_ns = START_NS;
        for (int look = 0; look < 2000; look++) {
            bench_pace_advance(&pace, now_ns);
            double exact = (double)(now_ns - START_NS) / (double)SECOND_NS * rates[i];
            double burst = rates[i] / 1000 > 1 ? rates[i] / 1000 : 1;
            ck_assert_msg((double)pace.due >= exact - 1 && (double)pace.due <= exact + burst + 1,
                          "rate %f: %f due, not %f", rates[i], (double)pace.due, exact);
            ck_assert_uint_gt(pace.next_ns, now_ns);
            now_ns += random_below(&random, SECOND_NS / 50);
        }
    }
}
END_TEST

START_TEST(each_is_due_when_it_becomes_due_and_no_burst_is_closer_than_a_millisecond)
{
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct bench_pace pace;
        uint64_t last_ns = START_NS;
        bench_pace_init(&pace, rates[i], START_NS);
        bench_pace_advance(&pace, START_NS);
        ck_assert_uint_ge(pace.due, 1);
        while (pace.taken < 3000) {
            uint64_t time_ns = bench_pace_time_ns(&pace);
            ck_assert_uint_ge(time_ns, last_ns);
            ck_assert(time_ns == last_ns || time_ns - last_ns >= SECOND_NS / 1000 - 1);
            if (time_ns > START_NS) {
                bench_pace_advance(&pace, time_ns - 1);
                ck_assert_uint_le(pace.due, pace.taken);
            }
            bench_pace_advance(&pace, time_ns);
            ck_assert_uint_gt(pace.due, pace.taken);
            last_ns = time_ns;
            for (uint64_t due = pace.due; pace.taken < due;) {
                ck_assert_uint_eq(bench_pace_time_ns(&pace), time_ns);
                bench_pace_take(&pace);
            }
        }
    }
}
END_TEST

START_TEST(a_late_taker_gets_the_times_they_were_due_at)
{
    struct bench_pace pace;
    bench_pace_init(&pace, 100, START_NS);
    bench_pace_advance(&pace, START_NS + SECOND_NS);
    ck_assert_uint_eq(pace.due, 101);
    for (uint64_t i = 0; i < pace.due; i++) {
        ck_assert_uint_eq(bench_pace_time_ns(&pace), START_NS + i * SECOND_NS / 100);
        bench_pace_take(&pace);
    }
    bench_pace_advance(&pace, START_NS + SECOND_NS / 2); /* a look back changes nothing */
    ck_assert_uint_eq(pace.due, 101);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("bench_pace", 60, &tests);
    tcase_add_test(tests, so_many_are_due_as_the_rate_says);
    tcase_add_test(tests, each_is_due_when_it_becomes_due_and_no_burst_is_closer_than_a_millisecond);
    tcase_add_test(tests, a_late_taker_gets_the_times_they_were_due_at);
    return suite_run(suite, false);
}
