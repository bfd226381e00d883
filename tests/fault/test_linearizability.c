/* Sixty-four clients of one daemon that is killed, stopped and stalled under them (contract 2, 3, 4): what they were told, what they
 * read and what is there after each start fits one order of writes, two lanes and the levels. history_judge decides; here it is shown
 * that it tells a history that is right from one that is not. Beside them a chain is written under claims (contract 12): claimed_judge.
 *
 * CAIRN_ACTIONS says how many requests. It prints its seed. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/history_example.h"
#include "tests/fault/history_load.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

enum {
    ACTIONS = 200000,
    RUN_ACTIONS = 8000, /* of one run of the daemon, about */
    SECONDS_FOR_ALL = 120,
};

static struct fleet fleet;

static uint64_t actions_wanted(void)
{
    const char *text = getenv("CAIRN_ACTIONS");
    return text == NULL || *text == '\0' ? ACTIONS : strtoull(text, NULL, 10);
}

START_TEST(what_was_told_and_seen_fits_one_order)
{
    struct objection objection;
    uint64_t seed = random_seed("linearizability"), wanted = actions_wanted(), runs = 0;
    uint64_t until = clock_ms() + (uint64_t)SECONDS_FOR_ALL * 1000; /* a slow machine does fewer */
    fleet_begin(&fleet, seed);
    while (fleet.answered < wanted && clock_ms() < until) {
        fleet_run(&fleet, RUN_ACTIONS / 2 + random_below(&fleet.random, RUN_ACTIONS));
        fleet_end_run(&fleet);
        runs++;
        ck_assert_msg(history_judge(&fleet.history, &objection), "run %" PRIu64 ": %s", runs, objection.text);
        struct claimed_history *claimed = &fleet.claimed.history;
        ck_assert_msg(claimed_judge(claimed), "run %" PRIu64 ": %s", runs, claimed->objection);
        fleet_next(&fleet);
        kept_clear();
    }
    printf("linearizability: %" PRIu64 " requests answered, %" PRIu64 " kills, %" PRIu64 " stops, %" PRIu64
           " stalls, %" PRIu64 " unknown results, %" PRIu64 " writes sent again, %" PRIu64
           " of them dropped\n",
           fleet.answered, fleet.kills, fleet.stops, fleet.stalls, fleet.lost, fleet.resent, fleet.dropped);
    const struct claimed_load *claimed = &fleet.claimed;
    printf("linearizability: under a claim %" PRIu64 " writes, %" PRIu64
           " of them answered by a later run, %" PRIu64 " refused, %" PRIu64 " take-overs, %" PRIu64
           " reads\n",
           claimed->written, claimed->repeated, claimed->refused, claimed->taken_over, claimed->read);
    tell_points(fleet.answered);
    fleet_close(&fleet);
}
END_TEST

START_TEST(history_that_is_right_is_accepted)
{
    struct objection objection;
    struct history history = history_example();
    ck_assert_msg(history_judge(&history, &objection), "%s", objection.text);
    history_free(&history);
}
END_TEST

START_TEST(fault_of_a_claimed_chain_is_found)
{
    static struct claimed_history history;
    claimed_example(&history);
    ck_assert_msg(claimed_judge(&history), "%s", history.objection);
    for (size_t i = 0; i < claimed_fault_count; i++) {
        claimed_example(&history);
        claimed_faults[i].plant(&history);
        ck_assert_msg(!claimed_judge(&history), "%s is not found", claimed_faults[i].what);
    }
    printf("linearizability: found %zu planted faults of claimed chains\n", claimed_fault_count);
}
END_TEST

START_TEST(planted_fault_is_found)
{
    for (size_t i = 0; i < planted_fault_count; i++) {
        const struct planted_fault *fault = &planted_faults[i];
        struct objection objection;
        struct history history = history_example();
        fault->plant(&history);
        ck_assert_msg(!history_judge(&history, &objection), "%s is not found", fault->what);
        ck_assert_msg(strstr(objection.text, fault->objection) != NULL, "%s: \"%s\"", fault->what,
                      objection.text);
        history_free(&history);
    }
    printf("linearizability: found %zu planted faults\n", planted_fault_count);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("linearizability", 10.0 * SECONDS_FOR_ALL, &tests);
    tcase_add_test(tests, history_that_is_right_is_accepted);
    tcase_add_test(tests, planted_fault_is_found);
    tcase_add_test(tests, fault_of_a_claimed_chain_is_found);
    tcase_add_test(tests, what_was_told_and_seen_fits_one_order);
    return suite_run(suite, true);
}
