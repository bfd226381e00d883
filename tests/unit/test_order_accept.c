/* What the order accepts: what it numbers, what it keeps waiting and what it refuses, and what a job carries. */
#include <check.h>
#include <stdlib.h>

#include "tests/lib/order_fixture.h"
#include "tests/lib/suite.h"

static struct failure failure;
static uint64_t sequence;

static uint64_t queued(void)
{
    return pending_operations(order_pending(order_fixture.order));
}

/* A rollback to height 0 that is not written yet. */
static void submit_rollback(struct order_commit *commit)
{
    order_commit_init(commit, LEVEL_DURABLE, 1);
    commit->job.kind = JOB_ROLLBACK;
    commit->job.rollback = (struct job_rollback){.to = 0};
    order_commit_submit(commit, false);
}

START_TEST(metadata_that_is_accepted_is_numbered_and_visible_at_once)
{
    uint64_t before = order_sequence(order_fixture.order);
    ck_assert_int_eq(order_fixture_try_set('n', "value", 0, &sequence, &failure), ORDER_ACCEPTED);
    ck_assert_uint_eq(sequence, before + 1);
    struct metadata_change change =
        pending_change(order_pending(order_fixture.order), order_fixture.chain->id, slice_of("n", 1));
    ck_assert(slice_equal(change.value, slice_of("value", 5)));
    ck_assert_uint_eq(order_unwritten(order_fixture.order), 1);
    ck_assert_uint_eq(order_written_through(order_fixture.order), before);
}
END_TEST

START_TEST(a_full_queue_takes_no_number_and_accepts_once_there_is_room)
{
    for (int i = 0; i < ORDER_FIXTURE_QUEUE_MAX; i++) {
        (void)order_fixture_set((char)('!' + i), "value");
    }
    uint64_t before = order_sequence(order_fixture.order);
    ck_assert_int_eq(order_fixture_try_set('~', "value", 0, &sequence, &failure), ORDER_NOT_YET);
    ck_assert_uint_eq(order_sequence(order_fixture.order), before);
    order_fixture_settle();
    ck_assert_int_eq(order_fixture_try_set('~', "value", 0, &sequence, &failure), ORDER_ACCEPTED);
    ck_assert_uint_eq(sequence, before + 1);
}
END_TEST

START_TEST(what_no_empty_queue_could_hold_is_refused_for_good)
{
    static uint8_t value[ORDER_FIXTURE_QUEUE_BYTES_MAX];
    struct metadata_operation operation = {
        .kind = METADATA_SET, .name = slice_of("n", 1), .value = slice_of(value, sizeof value)};
    uint64_t before = order_sequence(order_fixture.order);
    ck_assert_int_eq(order_metadata(order_fixture.order, order_fixture.chain, &operation, 1, 0,
                                    order_fixture.now_us, &sequence, &failure),
                     ORDER_REFUSED);
    ck_assert_int_eq(failure.status, STATUS_TOO_LARGE);
    ck_assert_uint_eq(order_sequence(order_fixture.order), before);
    ck_assert_uint_eq(queued(), 0);
}
END_TEST

START_TEST(what_is_re_sent_waits_for_a_queued_rollback_and_is_refused_behind_it)
{
    struct order_commit rollback;
    uint64_t earlier = order_fixture_set('e', "earlier");
    submit_rollback(&rollback);
    ck_assert_int_eq(order_fixture_try_set('n', "value", earlier, &sequence, &failure), ORDER_NOT_YET);
    ck_assert_int_eq(order_fixture_try_set('f', "fresh", 0, &sequence, &failure), ORDER_ACCEPTED);
    order_fixture_settle();
    ck_assert_int_eq(rollback.job.status, STATUS_OK);
    ck_assert_int_eq(order_fixture_try_set('n', "value", earlier, &sequence, &failure), ORDER_REFUSED);
    ck_assert_int_eq(failure.status, STATUS_CONFLICT);
    ck_assert_int_eq(failure.reason, REASON_ROLLED_BACK);
    ck_assert_int_eq(order_fixture_disk_value('n'), '\0');
    uint64_t later = rollback.job.sequence + 1; /* accepted behind the rollback, by a run that then ended */
    ck_assert_int_eq(order_fixture_try_set('n', "value", later, &sequence, &failure), ORDER_ACCEPTED);
}
END_TEST

START_TEST(what_is_re_sent_is_accepted_behind_a_rollback_that_was_not_applied)
{
    struct order_commit rollback;
    uint64_t earlier = order_fixture_set('e', "earlier");
    fake_disk_fault(order_fixture.disk, FAKE_WRITE, FAKE_FAILS, 1);
    submit_rollback(&rollback);
    order_fixture_settle();
    ck_assert_int_eq(rollback.job.status, STATUS_NO_SPACE);
    ck_assert_int_eq(order_fixture_try_set('n', "value", earlier, &sequence, &failure), ORDER_ACCEPTED);
}
END_TEST

START_TEST(what_was_re_sent_is_refused_by_the_run_behind_the_rollback_too)
{
    struct order_commit rollback;
    uint64_t earlier = order_fixture_set('e', "earlier");
    submit_rollback(&rollback);
    order_fixture_settle();
    fake_disk_cut(order_fixture.disk);
    order_fixture_end_run();
    order_fixture_start_run();
    ck_assert_int_eq(order_fixture_try_set('n', "value", earlier, &sequence, &failure), ORDER_REFUSED);
    ck_assert_int_eq(failure.status, STATUS_CONFLICT);
    ck_assert_int_eq(failure.reason, REASON_ROLLED_BACK);
}
END_TEST

START_TEST(a_commit_carries_what_is_queued_for_a_name_that_it_touches_and_else_only_if_asked)
{
    struct order_commit commits[3];
    uint64_t first = order_fixture_set('a', "queued");
    order_commit_init(&commits[0], LEVEL_DURABLE, 1);
    order_commit_submit(&commits[0], false);
    ck_assert_uint_eq(commits[0].job.carry_through, 0);
    order_commit_init(&commits[1], LEVEL_DURABLE, 2);
    commits[1].operation = (struct metadata_operation){
        .kind = METADATA_SET, .name = slice_of("a", 1), .value = slice_of("commit", 6)};
    commits[1].job.metadata_count = 1;
    order_commit_submit(&commits[1], false);
    ck_assert_uint_ge(commits[1].job.carry_through, first);
    ck_assert_uint_lt(commits[1].job.carry_through, commits[1].job.sequence);
    uint64_t second = order_fixture_set('b', "queued");
    order_commit_init(&commits[2], LEVEL_DURABLE, 3);
    order_commit_submit(&commits[2], true);
    ck_assert_uint_ge(commits[2].job.carry_through, second);
    order_fixture_step_until_idle();
    (void)order_fixture_iterate();
    ck_assert(commits[0].is_done && commits[1].is_done && commits[2].is_done);
    ck_assert_uint_eq(queued(), 0);
    ck_assert_int_eq(order_fixture_disk_value('a'), 'c');
    ck_assert_int_eq(order_fixture_disk_value('b'), 'q');
}
END_TEST

START_TEST(a_prune_and_a_rollback_carry_unasked)
{
    struct order_commit prune, rollback;
    uint64_t last = order_fixture_set('a', "queued");
    order_commit_init(&prune, LEVEL_DURABLE, 1);
    prune.job.kind = JOB_PRUNE;
    prune.job.prune = (struct job_prune){.has_blocks = true};
    order_commit_submit(&prune, false);
    ck_assert_uint_eq(prune.job.carry_through, last);
    last = order_fixture_set('b', "queued");
    submit_rollback(&rollback);
    ck_assert_uint_eq(rollback.job.carry_through, last);
    order_fixture_settle();
    ck_assert_uint_eq(queued(), 0);
}
END_TEST

START_TEST(waiters_are_told_each_at_its_level_and_in_the_order_of_their_numbers)
{
    struct order_wait written, durable, later;
    order_wait_begin(&written, order_fixture_set('a', "value"), LEVEL_WRITTEN);
    order_wait_begin(&durable, written.waiter.sequence, LEVEL_DURABLE);
    (void)order_fixture_iterate(); /* hands the group over */
    (void)order_fixture_step();
    order_wait_begin(&later, order_fixture_set('b', "value"), LEVEL_WRITTEN);
    (void)order_fixture_iterate();
    ck_assert(written.is_told && !durable.is_told && !later.is_told);
    ck_assert_int_eq(written.waiter.status, STATUS_OK);
    order_fixture_step_until_idle();
    (void)order_fixture_iterate();
    order_fixture_step_until_idle();
    (void)order_fixture_iterate();
    ck_assert(durable.is_told && later.is_told);
    ck_assert_int_eq(durable.waiter.status, STATUS_OK);
    ck_assert_int_eq(later.waiter.status, STATUS_OK);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("order_accept", 20, &tests);
    tcase_add_checked_fixture(tests, order_fixture_open, order_fixture_close);
    tcase_add_test(tests, metadata_that_is_accepted_is_numbered_and_visible_at_once);
    tcase_add_test(tests, a_full_queue_takes_no_number_and_accepts_once_there_is_room);
    tcase_add_test(tests, what_no_empty_queue_could_hold_is_refused_for_good);
    tcase_add_test(tests, what_is_re_sent_waits_for_a_queued_rollback_and_is_refused_behind_it);
    tcase_add_test(tests, what_is_re_sent_is_accepted_behind_a_rollback_that_was_not_applied);
    tcase_add_test(tests, what_was_re_sent_is_refused_by_the_run_behind_the_rollback_too);
    tcase_add_test(tests, a_commit_carries_what_is_queued_for_a_name_that_it_touches_and_else_only_if_asked);
    tcase_add_test(tests, a_prune_and_a_rollback_carry_unasked);
    tcase_add_test(tests, waiters_are_told_each_at_its_level_and_in_the_order_of_their_numbers);
    return suite_run(suite, true);
}
