/* The schedule: what it promises over any history of times and counts, and at the edges of time. */
#include <check.h>
#include <stdlib.h>

#include "daemon/writer/schedule.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { FLUSH_DELAY_US = 20000, ROUNDS = 20000 };

static struct schedule_queue queue_of(uint64_t oldest_us)
{
    return (struct schedule_queue){
        .oldest_us = oldest_us,
        .operations = 1,
        .operations_max = 8192,
        .bytes = 1,
        .bytes_max = 32 << 20,
        .flush_delay_us = FLUSH_DELAY_US,
    };
}

/* ---- queued metadata ---- */

START_TEST(an_empty_queue_is_never_due)
{
    struct schedule_queue queue = queue_of(SCHEDULE_NEVER_US);
    queue.is_stopping = true;
    ck_assert_uint_eq(schedule_flush_in_us(&queue, 0), SCHEDULE_NEVER_US);
    ck_assert_uint_eq(schedule_flush_in_us(&queue, UINT64_MAX), SCHEDULE_NEVER_US);
}
END_TEST

START_TEST(a_queue_is_due_by_age_exactly_when_it_said)
{
    struct random_source random = random_from(random_seed("schedule"));
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t oldest_us = random_chance(&random, 10) ? 0 : random_below(&random, UINT64_C(1) << 40);
        struct schedule_queue queue = queue_of(oldest_us);
        uint64_t now_us = oldest_us + random_below(&random, FLUSH_DELAY_US);
        uint64_t in_us = schedule_flush_in_us(&queue, now_us);
        ck_assert_uint_eq(now_us + in_us, oldest_us + FLUSH_DELAY_US);
        ck_assert_uint_gt(in_us, 0);
        ck_assert_uint_eq(schedule_flush_in_us(&queue, now_us + in_us), 0);
        ck_assert_uint_gt(schedule_flush_in_us(&queue, now_us + in_us - 1), 0);
    }
}
END_TEST

START_TEST(a_queue_is_due_at_once_when_waited_for_or_a_quarter_full_or_stopping)
{
    struct schedule_queue queue = queue_of(1000);
    ck_assert_uint_gt(schedule_flush_in_us(&queue, 1000), 0);
    queue.operations = queue.operations_max / 4 - 1;
    queue.bytes = queue.bytes_max / 4 - 1;
    ck_assert_uint_gt(schedule_flush_in_us(&queue, 1000), 0);
    struct schedule_queue many = queue, large = queue, waited_for = queue, stopping = queue;
    many.operations++;
    large.bytes++;
    waited_for.is_waited_for = true;
    stopping.is_stopping = true;
    ck_assert_uint_eq(schedule_flush_in_us(&many, 1000), 0);
    ck_assert_uint_eq(schedule_flush_in_us(&large, 1000), 0);
    ck_assert_uint_eq(schedule_flush_in_us(&waited_for, 1000), 0);
    ck_assert_uint_eq(schedule_flush_in_us(&stopping, 1000), 0);
}
END_TEST

START_TEST(without_a_delay_everything_is_due)
{
    struct schedule_queue queue = queue_of(5);
    queue.flush_delay_us = 0;
    ck_assert_uint_eq(schedule_flush_in_us(&queue, 5), 0);
    ck_assert_uint_eq(schedule_flush_in_us(&queue, 0), 0);
}
END_TEST

START_TEST(a_clock_that_was_read_before_counts_as_no_time_passed)
{
    struct schedule_queue queue = queue_of(UINT64_MAX - 1);
    ck_assert_uint_eq(schedule_flush_in_us(&queue, 0), FLUSH_DELAY_US);
    ck_assert(!schedule_group_is_starved(1000, 0, FLUSH_DELAY_US, 0));
    ck_assert(schedule_expects_commit(1000, 0));
    ck_assert_uint_eq(schedule_elapsed(1000, 0), 0);
    struct schedule_sweep sweep = {.ended_us = 1000};
    ck_assert(!schedule_sweep_is_starved(&sweep, FLUSH_DELAY_US, 0));
}
END_TEST

START_TEST(the_open_group_goes_only_to_a_writer_without_groups)
{
    ck_assert(schedule_closes_open_group(0));
    ck_assert(!schedule_closes_open_group(1));
    ck_assert(!schedule_closes_open_group(UINT64_MAX));
}
END_TEST

/* ---- the writer's turns ---- */

START_TEST(starved_groups_take_at_most_a_tenth_of_the_time)
{
    struct random_source random = random_from(random_seed("schedule"));
    uint64_t now_us = 1000000, next_us = 0, spent_us = 0;
    uint64_t began_us = now_us;
    for (int i = 0; i < ROUNDS; i++) {
        if (schedule_group_is_starved(0, next_us, FLUSH_DELAY_US, now_us)) {
            uint64_t took_us = random_below(&random, 5000);
            spent_us += took_us;
            next_us = schedule_next_starved_turn_us(now_us, now_us + took_us);
            now_us += took_us;
            if (next_us > now_us) { /* measured where a turn and its pause are over */
                ck_assert_uint_le(spent_us * 10, next_us - began_us);
            }
        }
        now_us += 1 + random_below(&random, 500);
    }
    ck_assert_uint_gt(spent_us, 0);
}
END_TEST

START_TEST(a_group_is_starved_from_20_flush_delays_on)
{
    uint64_t opened_us = 77, old_us = opened_us + UINT64_C(20) * FLUSH_DELAY_US;
    ck_assert(!schedule_group_is_starved(opened_us, 0, FLUSH_DELAY_US, old_us - 1));
    ck_assert(schedule_group_is_starved(opened_us, 0, FLUSH_DELAY_US, old_us));
    ck_assert(!schedule_group_is_starved(opened_us, old_us + 1, FLUSH_DELAY_US, old_us));
    ck_assert(schedule_group_is_starved(opened_us, old_us, FLUSH_DELAY_US, old_us));
}
END_TEST

START_TEST(time_at_its_end_does_not_wrap)
{
    ck_assert_uint_eq(schedule_next_starved_turn_us(UINT64_MAX - 10, UINT64_MAX - 1), UINT64_MAX);
    ck_assert_uint_eq(schedule_sync_at_us(UINT64_MAX - 1, 1000000), UINT64_MAX);
    struct schedule_sweep sweep = {.ended_us = UINT64_MAX - 1, .committed_us = UINT64_MAX - 1};
    ck_assert_uint_eq(schedule_sweep_from_us(&sweep, UINT64_MAX - 1), UINT64_MAX);
    ck_assert(schedule_expects_commit(UINT64_MAX - 1, UINT64_MAX));
}
END_TEST

START_TEST(another_commit_is_expected_for_a_while_after_one)
{
    ck_assert(!schedule_expects_commit(0, 0));
    ck_assert(!schedule_expects_commit(0, 1));
    ck_assert(schedule_expects_commit(5, 5));
    ck_assert(schedule_expects_commit(5, 5 + SCHEDULE_COMMITTING_US - 1));
    ck_assert(!schedule_expects_commit(5, 5 + SCHEDULE_COMMITTING_US));
}
END_TEST

START_TEST(groups_are_shared_once_their_mean_is_above_two)
{
    uint64_t mean_8 = 0;
    for (int i = 0; i < 200; i++) {
        mean_8 = schedule_learn_group_jobs(mean_8, 1 + (i & 1)); /* two clients that alternate */
        ck_assert(!schedule_shares_groups(mean_8));
    }
    for (int i = 0; i < 20; i++) {
        mean_8 = schedule_learn_group_jobs(mean_8, 8);
    }
    ck_assert(schedule_shares_groups(mean_8));
    for (int i = 0; i < 20; i++) {
        mean_8 = schedule_learn_group_jobs(mean_8, 1);
    }
    ck_assert(!schedule_shares_groups(mean_8));
}
END_TEST

START_TEST(the_sweep_goes_on_at_once_where_no_commits_come)
{
    struct schedule_sweep sweep = {.ended_us = 1000};
    ck_assert_uint_eq(schedule_sweep_from_us(&sweep, 1000), 0);
    sweep.committed_us = 1000;
    ck_assert_uint_eq(schedule_sweep_from_us(&sweep, 1000), 1000 + SCHEDULE_SWEEP_PAUSE_US);
    ck_assert_uint_eq(schedule_sweep_from_us(&sweep, 1000 + SCHEDULE_COMMITTING_US), 0);
}
END_TEST

START_TEST(beside_commits_one_group_in_256_or_one_slice_in_50_ms_meets_the_sweep)
{
    struct random_source random = random_from(random_seed("schedule"));
    struct schedule_sweep sweep = {0};
    uint64_t now_us = 1000000;
    sweep.ended_us = now_us;
    for (int i = 0; i < ROUNDS; i++) {
        now_us += 1 + random_below(&random, SCHEDULE_COMMITTING_US / 2);
        sweep.committed_us = now_us;
        sweep.commit_groups++;
        if (schedule_sweep_from_us(&sweep, now_us) == 0) {
            ck_assert(sweep.commit_groups >= 256 || now_us - sweep.ended_us >= 50000);
            sweep.ended_us = now_us;
            sweep.commit_groups = 0;
        } else {
            ck_assert(sweep.commit_groups < 256 && now_us - sweep.ended_us < 50000);
        }
    }
    sweep = (struct schedule_sweep){.ended_us = now_us, .committed_us = now_us, .commit_groups = 255};
    ck_assert_uint_gt(schedule_sweep_from_us(&sweep, now_us), now_us);
    sweep.commit_groups++; /* commits that come faster than any above */
    ck_assert_uint_eq(schedule_sweep_from_us(&sweep, now_us), 0);
}
END_TEST

START_TEST(a_sync_is_due_an_interval_after_the_first_unsynced_write)
{
    ck_assert_uint_eq(schedule_sync_at_us(0, 1000), SCHEDULE_NEVER_US);
    ck_assert_uint_eq(schedule_sync_at_us(5, 1000), 1005);
    ck_assert_uint_eq(schedule_sync_at_us(5, 0), 5);
}
END_TEST

START_TEST(a_sync_is_asked_for_once_and_only_when_all_waited_for_is_written)
{
    struct schedule_sync sync = {
        .waited_for = 10, .written_through = 9, .durable_through = 5, .last_sequence = 20};
    ck_assert(!schedule_asks_sync(&sync));
    sync.written_through = 10;
    ck_assert(schedule_asks_sync(&sync));
    sync.is_asked = true;
    ck_assert(!schedule_asks_sync(&sync));
    sync.is_asked = false;
    sync.durable_through = 10;
    ck_assert(!schedule_asks_sync(&sync));
    sync = (struct schedule_sync){.written_through = 10, .durable_through = 5, .last_sequence = 10};
    ck_assert(!schedule_asks_sync(&sync)); /* nobody waits: the interval will do */
    sync.is_stopping = true;
    ck_assert(schedule_asks_sync(&sync));
    sync.last_sequence = 11;
    ck_assert(!schedule_asks_sync(&sync));
}
END_TEST

/* ---- what connections share ---- */

START_TEST(shares_shrink_with_the_pressure_of_commits)
{
    ck_assert_int_eq(schedule_pressure(false, 0), SCHEDULE_PRESSURE_NONE);
    ck_assert_int_eq(schedule_pressure(false, UINT64_MAX), SCHEDULE_PRESSURE_NONE);
    ck_assert_int_eq(schedule_pressure(true, 0), SCHEDULE_PRESSURE_COMMITTING);
    ck_assert_int_eq(schedule_pressure(true, SCHEDULE_SYNCING_NS - 1), SCHEDULE_PRESSURE_COMMITTING);
    ck_assert_int_eq(schedule_pressure(true, SCHEDULE_SYNCING_NS), SCHEDULE_PRESSURE_SYNCING);
    ck_assert_uint_gt(schedule_share_bytes(SCHEDULE_PRESSURE_NONE),
                      schedule_share_bytes(SCHEDULE_PRESSURE_SYNCING));
    ck_assert_uint_gt(schedule_share_bytes(SCHEDULE_PRESSURE_SYNCING),
                      schedule_share_bytes(SCHEDULE_PRESSURE_COMMITTING));
    ck_assert_uint_gt(schedule_share_bytes(SCHEDULE_PRESSURE_COMMITTING), 0);
}
END_TEST

enum { CONTENDERS = 17 };

/* Contenders that always have something to read, looked at in a fresh order in each iteration. */
START_TEST(of_n_contenders_each_reads_once_in_n_iterations)
{
    struct random_source random = random_from(random_seed("schedule"));
    uint64_t served_at[CONTENDERS] = {0};
    bool had_served = false;
    for (uint64_t iteration = CONTENDERS; iteration < 2000; iteration++) {
        unsigned first = (unsigned)random_below(&random, CONTENDERS);
        unsigned step = 1 + (unsigned)random_below(&random, CONTENDERS - 1); /* CONTENDERS is prime */
        bool has_served = false;
        for (unsigned i = 0; i < CONTENDERS; i++) {
            unsigned who = (first + i * step) % CONTENDERS;
            struct schedule_contender contender = {
                .contenders = CONTENDERS,
                .iterations = iteration - served_at[who],
                .has_served = has_served,
                .had_served = had_served,
            };
            if (schedule_contender_reads(&contender)) {
                ck_assert(!has_served);
                has_served = true;
                served_at[who] = iteration;
            }
        }
        ck_assert(has_served);
        had_served = has_served;
        for (unsigned who = 0; who < CONTENDERS && iteration >= 3 * CONTENDERS; who++) {
            ck_assert_uint_lt(iteration - served_at[who], CONTENDERS);
        }
    }
}
END_TEST

START_TEST(a_contender_alone_reads_in_each_iteration)
{
    struct schedule_contender alone = {.contenders = 1, .iterations = 1, .had_served = true};
    ck_assert(schedule_contender_reads(&alone));
    struct schedule_contender first = {.contenders = 0, .iterations = 1};
    ck_assert(schedule_contender_reads(&first));
}
END_TEST

START_TEST(replies_are_held_for_250_us_at_most_and_only_many_of_a_bulk_sender_beside_commits)
{
    struct schedule_replies held = {
        .count = SCHEDULE_REPLIES_MANY, .oldest_us = 1000, .is_committing = true, .is_bulk = true};
    for (uint64_t us = 0; us < 500; us++) {
        ck_assert_int_eq(schedule_holds_replies(&held, 1000 + us), us < 250);
    }
    struct schedule_replies few = held, idle = held, express = held, small = held;
    few.count--;
    idle.is_committing = false;
    express.is_express = true;
    small.is_bulk = false;
    ck_assert(!schedule_holds_replies(&few, 1000));
    ck_assert(!schedule_holds_replies(&idle, 1000));
    ck_assert(!schedule_holds_replies(&express, 1000));
    ck_assert(!schedule_holds_replies(&small, 1000));
}
END_TEST

START_TEST(what_only_says_accepted_is_held_while_a_commit_is_about_to_end)
{
    struct schedule_replies held = {
        .count = 1, .accepted = 1, .oldest_us = 1000, .is_commit_about_to_end = true};
    for (uint64_t us = 0; us < 500; us++) {
        ck_assert_int_eq(schedule_holds_replies(&held, 1000 + us), us < 250);
    }
    struct schedule_replies none = held, more = held, idle = held, express = held;
    none.count = none.accepted = 0;
    more.count++; /* a read's, say */
    idle.is_commit_about_to_end = false;
    idle.is_committing = true; /* one is expected: who sets names one after another has the time between */
    express.is_express = true;
    ck_assert(!schedule_holds_replies(&none, 1000));
    ck_assert(!schedule_holds_replies(&more, 1000));
    ck_assert(!schedule_holds_replies(&idle, 1000));
    ck_assert(!schedule_holds_replies(&express, 1000));
}
END_TEST

START_TEST(replies_go_early_only_to_the_one_connection_at_work)
{
    ck_assert(schedule_sends_replies_early(SCHEDULE_REPLIES_MANY, 1, false));
    ck_assert(!schedule_sends_replies_early(SCHEDULE_REPLIES_MANY - 1, 1, false));
    ck_assert(!schedule_sends_replies_early(SCHEDULE_REPLIES_MANY, 2, false));
    ck_assert(!schedule_sends_replies_early(SCHEDULE_REPLIES_MANY, 1, true));
}
END_TEST

/* ---- whether the loop sleeps ---- */

START_TEST(the_loop_sleeps_only_when_nothing_is_there_or_about_to_come)
{
    struct spin requests = {.spin_ns_max = SCHEDULE_REQUEST_SPIN_NS_MAX};
    struct spin rare = {.spin_ns_max = SCHEDULE_REQUEST_SPIN_NS_MAX, .mean_ns = 1000000};
    spin_learn(&requests, 10000);
    uint64_t sleep_ns = 1;
    struct schedule_loop idle = {.requests = &rare, .request_waited_ns = 1};
    ck_assert(!schedule_loop_spins(&idle, &sleep_ns));
    ck_assert_uint_eq(sleep_ns, 0);
    idle.jobs_sleep_ns = 50;
    ck_assert(!schedule_loop_spins(&idle, &sleep_ns));
    ck_assert_uint_eq(sleep_ns, 50);
    struct schedule_loop completions = idle, replies = idle, jobs = idle, busy = idle;
    completions.has_completions = true;
    replies.holds_replies = true;
    jobs.spins_for_jobs = true;
    busy.requests = &requests;
    ck_assert(schedule_loop_spins(&completions, &sleep_ns));
    ck_assert_uint_eq(sleep_ns, 0);
    ck_assert(schedule_loop_spins(&replies, &sleep_ns));
    ck_assert(schedule_loop_spins(&jobs, &sleep_ns));
    ck_assert(schedule_loop_spins(&busy, &sleep_ns));
    busy.has_jobs = true; /* their end wakes the loop, or it spins for that */
    ck_assert(!schedule_loop_spins(&busy, &sleep_ns));
    busy.has_jobs = false;
    busy.shares_groups = true;
    ck_assert(!schedule_loop_spins(&busy, &sleep_ns));
}
END_TEST

START_TEST(a_stop_waits_for_stuck_peers_no_longer_than_half_of_what_is_left)
{
    ck_assert_uint_eq(schedule_stop_wait_us(1000, 5000, 1000), 1000);
    ck_assert_uint_eq(schedule_stop_wait_us(1000, 2000, 1000), 500);
    ck_assert_uint_eq(schedule_stop_wait_us(1000, 1000, 1000), 0);
    ck_assert_uint_eq(schedule_stop_wait_us(1000, 999, 1000), 0);
}
END_TEST

static void add_writer_tests(TCase *tests)
{
    tcase_add_test(tests, an_empty_queue_is_never_due);
    tcase_add_test(tests, a_queue_is_due_by_age_exactly_when_it_said);
    tcase_add_test(tests, a_queue_is_due_at_once_when_waited_for_or_a_quarter_full_or_stopping);
    tcase_add_test(tests, without_a_delay_everything_is_due);
    tcase_add_test(tests, a_clock_that_was_read_before_counts_as_no_time_passed);
    tcase_add_test(tests, the_open_group_goes_only_to_a_writer_without_groups);
    tcase_add_test(tests, starved_groups_take_at_most_a_tenth_of_the_time);
    tcase_add_test(tests, a_group_is_starved_from_20_flush_delays_on);
    tcase_add_test(tests, time_at_its_end_does_not_wrap);
    tcase_add_test(tests, another_commit_is_expected_for_a_while_after_one);
    tcase_add_test(tests, groups_are_shared_once_their_mean_is_above_two);
    tcase_add_test(tests, the_sweep_goes_on_at_once_where_no_commits_come);
    tcase_add_test(tests, beside_commits_one_group_in_256_or_one_slice_in_50_ms_meets_the_sweep);
    tcase_add_test(tests, a_sync_is_due_an_interval_after_the_first_unsynced_write);
    tcase_add_test(tests, a_sync_is_asked_for_once_and_only_when_all_waited_for_is_written);
}

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("schedule", 20, &tests);
    add_writer_tests(tests);
    tcase_add_test(tests, shares_shrink_with_the_pressure_of_commits);
    tcase_add_test(tests, of_n_contenders_each_reads_once_in_n_iterations);
    tcase_add_test(tests, a_contender_alone_reads_in_each_iteration);
    tcase_add_test(tests, replies_are_held_for_250_us_at_most_and_only_many_of_a_bulk_sender_beside_commits);
    tcase_add_test(tests, what_only_says_accepted_is_held_while_a_commit_is_about_to_end);
    tcase_add_test(tests, replies_go_early_only_to_the_one_connection_at_work);
    tcase_add_test(tests, a_stop_waits_for_stuck_peers_no_longer_than_half_of_what_is_left);
    tcase_add_test(tests, the_loop_sleeps_only_when_nothing_is_there_or_about_to_come);
    return suite_run(suite, false);
}
