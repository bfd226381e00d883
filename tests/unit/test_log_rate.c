/* How much is logged: never more than a burst and a line above the rate, and all of the rate is given out. */
#include <stdlib.h>

#include "daemon/runtime/log_rate.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { RATE = 64 << 10, LINE = 200, SECOND_US = 1000000 };

static struct log_rate rate;

/* How many bytes of lines are admitted at that moment. */
static uint64_t admitted(uint64_t line_bytes, uint64_t now_us)
{
    uint64_t bytes = 0;
    while (log_rate_admits(&rate, now_us)) {
        log_rate_charge(&rate, line_bytes);
        bytes += line_bytes;
    }
    return bytes;
}

START_TEST(burst_is_what_a_second_brings_in_and_no_more)
{
    log_rate_init(RATE, 77, &rate);
    uint64_t burst = admitted(LINE, 77);
    ck_assert_uint_ge(burst, RATE);
    ck_assert_uint_lt(burst, RATE + LINE);
    ck_assert(!log_rate_admits(&rate, 78));
}
END_TEST

START_TEST(flood_gets_the_rate_however_it_is_cut)
{
    for (uint64_t step_us = 1; step_us <= SECOND_US; step_us *= 10) {
        log_rate_init(RATE, 0, &rate);
        admitted(LINE, 0);
        uint64_t bytes = 0;
        for (uint64_t now_us = step_us; now_us <= 2 * SECOND_US; now_us += step_us) {
            bytes += admitted(LINE, now_us);
        }
        ck_assert_uint_ge(bytes, 2 * RATE - LINE);
        ck_assert_uint_le(bytes, 2 * RATE + LINE);
    }
}
END_TEST

START_TEST(line_longer_than_what_is_left_is_paid_for_afterwards)
{
    log_rate_init(LOG_RATE_BYTES_MIN, 0, &rate);
    ck_assert(log_rate_admits(&rate, 0));
    log_rate_charge(&rate, 8 * LOG_RATE_BYTES_MIN);
    ck_assert(!log_rate_admits(&rate, 7 * SECOND_US));
    ck_assert(log_rate_admits(&rate, 7 * SECOND_US + 1));
}
END_TEST

START_TEST(silence_however_long_fills_it_no_further)
{
    log_rate_init(LOG_RATE_BYTES_MAX, 0, &rate);
    ck_assert_uint_lt(admitted(1 << 20, UINT64_MAX), (uint64_t)LOG_RATE_BYTES_MAX + (1 << 20));
    log_rate_init(RATE, 0, &rate);
    admitted(LINE, 0);
    ck_assert_uint_lt(admitted(LINE, UINT64_MAX), RATE + LINE);
}
END_TEST

START_TEST(clock_that_goes_back_brings_nothing_in)
{
    log_rate_init(RATE, 10 * SECOND_US, &rate);
    admitted(LINE, 10 * SECOND_US);
    ck_assert(!log_rate_admits(&rate, 5 * SECOND_US));
    ck_assert_uint_lt(admitted(LINE, 10 * SECOND_US + SECOND_US / 2), RATE / 2 + LINE);
}
END_TEST

START_TEST(another_rate_holds_at_once)
{
    log_rate_init(RATE, 0, &rate);
    log_rate_change(&rate, LOG_RATE_BYTES_MIN, 0);
    ck_assert_uint_lt(admitted(LINE, 0), LOG_RATE_BYTES_MIN + LINE);
    log_rate_change(&rate, RATE, 0);
    ck_assert(!log_rate_admits(&rate, 0)); /* nothing is given for the change */
    uint64_t bytes = admitted(LINE, 10 * SECOND_US);
    ck_assert(bytes >= RATE && bytes < RATE + LINE);
}
END_TEST

START_TEST(over_any_time_at_most_the_rate_a_burst_and_a_line)
{
    struct random_source random = random_from(random_seed("log_rate"));
    for (int round = 0; round < 200; round++) {
        uint64_t bytes_per_second = LOG_RATE_BYTES_MIN + random_below(&random, 1 << 20);
        uint64_t now_us = 0, bytes = 0;
        log_rate_init(bytes_per_second, 0, &rate);
        for (int i = 0; i < 500; i++) {
            now_us += random_below(&random, 20000);
            uint64_t line = 1 + random_below(&random, 8192);
            bytes += admitted(line, now_us);
            ck_assert_uint_le(bytes, bytes_per_second + bytes_per_second * now_us / SECOND_US + 8192 + 1);
        }
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("log_rate", 30, &tests);
    tcase_add_test(tests, burst_is_what_a_second_brings_in_and_no_more);
    tcase_add_test(tests, flood_gets_the_rate_however_it_is_cut);
    tcase_add_test(tests, line_longer_than_what_is_left_is_paid_for_afterwards);
    tcase_add_test(tests, silence_however_long_fills_it_no_further);
    tcase_add_test(tests, clock_that_goes_back_brings_nothing_in);
    tcase_add_test(tests, another_rate_holds_at_once);
    tcase_add_test(tests, over_any_time_at_most_the_rate_a_burst_and_a_line);
    return suite_run(suite, true);
}
