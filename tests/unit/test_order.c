/* The order and its writer, stepped from one thread: what is numbered, seen, written and told, and when. */
#include <check.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/writer/schedule.h"
#include "tests/lib/order_fixture.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

/* ---- tests ---- */

START_TEST(a_commit_is_seen_and_told_only_when_its_completion_is_drained)
{
    struct order_commit commit;
    order_commit_init(&commit, LEVEL_DURABLE, 1);
    order_commit_submit(&commit, false);
    ck_assert_uint_eq(order_written_through(order_fixture.order), commit.job.sequence - 1);
    (void)order_fixture_iterate();
    ck_assert(!commit.is_done && order_fixture.chain->marks.height == 0);
    order_fixture_step_until_idle();
    ck_assert(order_has_completions(order_fixture.order));
    ck_assert(!commit.is_done && order_fixture.chain->marks.height == 0);
    ck_assert_uint_eq(order_written_through(order_fixture.order), commit.job.sequence - 1);
    (void)order_fixture_iterate();
    ck_assert(commit.is_done && !order_has_completions(order_fixture.order));
    ck_assert_uint_eq(order_fixture.chain->marks.height, 1);
    ck_assert_uint_eq(order_written_through(order_fixture.order), commit.job.sequence);
    ck_assert_uint_eq(order_durable_through(order_fixture.order), commit.job.sequence);
}
END_TEST

START_TEST(metadata_goes_to_the_writer_when_it_is_as_old_as_the_flush_delay)
{
    uint64_t sequence = order_fixture_set('n', "value");
    ck_assert_uint_eq(order_fixture_iterate(), ORDER_FIXTURE_FLUSH_DELAY_US);
    order_fixture_step_until_idle();
    order_fixture.now_us += ORDER_FIXTURE_FLUSH_DELAY_US - 1;
    ck_assert_uint_eq(order_fixture_iterate(), 1);
    ck_assert_int_eq(order_fixture_step(), WRITER_IDLE);
    order_fixture.now_us++;
    (void)order_fixture_iterate();
    order_fixture_step_until_idle();
    ck_assert_uint_eq(pending_operations(order_pending(order_fixture.order)), 1);
    (void)order_fixture_iterate();
    ck_assert_uint_eq(pending_operations(order_pending(order_fixture.order)), 0);
    ck_assert_uint_eq(order_written_through(order_fixture.order), sequence);
}
END_TEST

START_TEST(who_waits_for_metadata_to_be_durable_is_told_without_the_delay_and_the_interval)
{
    struct order_wait wait;
    order_wait_begin(&wait, order_fixture_set('n', "value"), LEVEL_DURABLE);
    for (int i = 0; i < 3 && !wait.is_told; i++) {
        (void)order_fixture_iterate();
        order_fixture_step_until_idle();
    }
    (void)order_fixture_iterate();
    ck_assert(wait.is_told);
    ck_assert_int_eq(wait.waiter.status, STATUS_OK);
    ck_assert_uint_ge(order_durable_through(order_fixture.order), wait.waiter.sequence);
}
END_TEST

START_TEST(the_open_group_stays_while_the_writer_has_one)
{
    for (int i = 0; i < ORDER_FIXTURE_QUEUE_MAX / SCHEDULE_QUEUE_DUE_PART; i++) {
        (void)order_fixture_set((char)('a' + i), "value");
    }
    (void)order_fixture_iterate();
    ck_assert_uint_eq(order_fixture.order->groups_posted, 1);
    (void)order_fixture_set('~', "value");
    order_fixture.now_us += ORDER_FIXTURE_FLUSH_DELAY_US;
    (void)order_fixture_iterate();
    ck_assert_uint_eq(order_fixture.order->groups_posted, 1);
    order_fixture_step_until_idle();
    (void)order_fixture_iterate();
    ck_assert_uint_eq(order_fixture.order->groups_posted, 1); /* the second */
    ck_assert_uint_eq(pending_operations(order_pending(order_fixture.order)), 1);
}
END_TEST

START_TEST(commits_are_expected_for_a_while_after_one)
{
    struct order_commit commit;
    order_commit_init(&commit, LEVEL_DURABLE, 1);
    ck_assert(!order_is_committing(order_fixture.order, order_fixture.now_us));
    order_commit_submit(&commit, false);
    ck_assert(order_is_committing(order_fixture.order,
                                  order_fixture.now_us + 10 * SCHEDULE_COMMITTING_US)); /* in flight */
    order_fixture_step_until_idle();
    (void)order_fixture_iterate();
    ck_assert(order_is_committing(order_fixture.order, order_fixture.now_us + SCHEDULE_COMMITTING_US - 1));
    ck_assert(!order_is_committing(order_fixture.order, order_fixture.now_us + SCHEDULE_COMMITTING_US));
}
END_TEST

enum { ROUNDS = 2000, NAMES = 20 };

/* Loop and writer take turns by chance, over commits and metadata by chance. */
START_TEST(numbers_never_go_back_and_a_commit_is_seen_exactly_when_it_is_told)
{
    struct random_source random = random_from(random_seed("order"));
    struct order_commit *last = NULL;
    uint64_t height = 0, written_before = 0, durable_before = 0;
    for (int i = 0; i < ROUNDS; i++) {
        order_fixture.now_us += random_below(&random, 2000);
        uint64_t choice = random_below(&random, 10);
        if (choice < 3 &&
            pending_operations(order_pending(order_fixture.order)) < ORDER_FIXTURE_QUEUE_MAX - 1) {
            (void)order_fixture_set((char)('a' + (char)random_below(&random, NAMES)), "value");
        } else if (choice < 5 && (last == NULL || last->is_done)) {
            free(last);
            last = memory_new(sizeof *last);
            order_commit_init(last, random_chance(&random, 50) ? LEVEL_DURABLE : LEVEL_WRITTEN, ++height);
            order_commit_submit(last, random_chance(&random, 20));
        } else if (choice < 8) {
            (void)order_fixture_iterate();
        } else {
            (void)order_fixture_step();
        }
        uint64_t written = order_written_through(order_fixture.order),
                 durable = order_durable_through(order_fixture.order);
        ck_assert_uint_ge(written, written_before);
        ck_assert_uint_ge(durable, durable_before);
        ck_assert_uint_le(durable, written);
        ck_assert_uint_le(written, order_sequence(order_fixture.order));
        ck_assert_uint_eq(order_fixture.chain->marks.height, last == NULL ? 0 : height - !last->is_done);
        written_before = written;
        durable_before = durable;
    }
    while (last != NULL && !last->is_done) {
        order_fixture_step_until_idle();
        (void)order_fixture_iterate();
    }
    free(last);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("order", 20, &tests);
    tcase_add_checked_fixture(tests, order_fixture_open, order_fixture_close);
    tcase_add_test(tests, a_commit_is_seen_and_told_only_when_its_completion_is_drained);
    tcase_add_test(tests, metadata_goes_to_the_writer_when_it_is_as_old_as_the_flush_delay);
    tcase_add_test(tests, who_waits_for_metadata_to_be_durable_is_told_without_the_delay_and_the_interval);
    tcase_add_test(tests, the_open_group_stays_while_the_writer_has_one);
    tcase_add_test(tests, commits_are_expected_for_a_while_after_one);
    tcase_add_test(tests, numbers_never_go_back_and_a_commit_is_seen_exactly_when_it_is_told);
    return suite_run(suite, true);
}
