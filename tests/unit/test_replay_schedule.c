/* The order of a replay: over random traces and random orders of answers every call goes out exactly once, never before
 * what it waits for, and none is left. */
#include <stdlib.h>
#include <string.h>

#include "client/tool/replay/schedule.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { CALLS = 300, CALLERS = 5, AFTER = 3 };

/* A trace with only what a schedule looks at. */
struct example {
    struct trace trace;
    struct trace_call calls[CALLS];
    size_t after[CALLS][AFTER];
    bool answered[CALLS];
};

static void example_init(struct example *example, struct random_source *random)
{
    memset(example, 0, sizeof *example);
    example->trace = (struct trace){.calls = example->calls, .count = CALLS, .callers = {.count = CALLERS}};
    for (size_t i = 0; i < CALLS; i++) {
        struct trace_call *call = &example->calls[i];
        call->op = random_below(random, 40) == 0 ? TRACE_REOPEN : TRACE_HEIGHT;
        call->caller = random_below(random, CALLERS);
        call->time_us = (int64_t)i;
        call->after = example->after[i];
        call->after_count = i > 0 && call->op != TRACE_REOPEN ? random_below(random, AFTER + 1) : 0;
        for (size_t k = 0; k < call->after_count; k++) {
            example->after[i][k] = random_below(random, i);
        }
    }
}

/* Whether all that must come before the call has been answered. */
static bool may_go(const struct example *example, size_t index)
{
    const struct trace_call *call = &example->calls[index];
    bool reopened = false;
    for (size_t k = 0; k < call->after_count; k++) {
        if (example->calls[call->after[k]].op != TRACE_REOPEN && !example->answered[call->after[k]]) {
            return false;
        }
    }
    for (size_t i = index; i-- > 0;) {
        reopened |= example->calls[i].op == TRACE_REOPEN;
        bool waits = reopened || example->calls[i].caller == call->caller;
        if (example->calls[i].op != TRACE_REOPEN && waits && !example->answered[i]) {
            return false;
        }
    }
    return true;
}

START_TEST(every_call_goes_once_after_all_it_waits_for)
{
    struct random_source random = random_from((uint64_t)_i + 1);
    static struct example example;
    example_init(&example, &random);
    struct schedule schedule;
    size_t sent = 0;
    schedule_init(&schedule, &example.trace);
    while (schedule_open(&schedule)) {
        size_t under_way[CALLERS], count = 0;
        while (!schedule_done(&schedule)) {
            size_t call;
            while (schedule_take(&schedule, INT64_MAX, &call)) {
                ck_assert(!example.answered[call] && may_go(&example, call));
                ck_assert_uint_lt(count, CALLERS);
                under_way[count++] = call;
                sent++;
            }
            ck_assert_msg(count > 0, "it is stuck");
            size_t answered = random_below(&random, count);
            example.answered[under_way[answered]] = true;
            schedule_answered(&schedule, under_way[answered]);
            under_way[answered] = under_way[--count];
        }
    }
    size_t reopens = 0;
    for (size_t i = 0; i < CALLS; i++) {
        reopens += example.calls[i].op == TRACE_REOPEN;
    }
    ck_assert_uint_eq(sent + reopens, CALLS);
    schedule_close(&schedule);
}
END_TEST

START_TEST(a_paced_call_waits_for_its_time)
{
    struct trace_call calls[2] = {{.op = TRACE_HEIGHT, .time_us = 100},
                                  {.op = TRACE_HEIGHT, .caller = 1, .time_us = 50}};
    struct trace trace = {.calls = calls, .count = 2, .callers = {.count = 2}};
    struct schedule schedule;
    size_t call;
    schedule_init(&schedule, &trace);
    ck_assert(schedule_open(&schedule));
    ck_assert_int_eq(schedule_next_time_us(&schedule), 50);
    ck_assert(!schedule_take(&schedule, 49, &call));
    ck_assert(schedule_take(&schedule, 50, &call));
    ck_assert_uint_eq(call, 1);
    ck_assert_int_eq(schedule_next_time_us(&schedule), 100);
    ck_assert(schedule_take(&schedule, 100, &call));
    ck_assert_int_eq(schedule_next_time_us(&schedule), INT64_MAX);
    schedule_answered(&schedule, 0);
    schedule_answered(&schedule, 1);
    ck_assert(schedule_done(&schedule) && !schedule_open(&schedule));
    schedule_close(&schedule);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("replay_schedule", 20, &tests);
    tcase_add_loop_test(tests, every_call_goes_once_after_all_it_waits_for, 0, 50);
    tcase_add_test(tests, a_paced_call_waits_for_its_time);
    return suite_run(suite, true);
}
