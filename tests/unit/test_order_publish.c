/* What the order publishes: a completion in one step, and nothing behind a write in doubt. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/observe/metrics.h"
#include "daemon/writer/schedule.h"
#include "tests/lib/order_fixture.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

static struct failure failure;

/* What a read of the name says now: the queue, and behind it the view. */
static char read_value(char name)
{
    struct metadata_change change =
        pending_change(order_pending(order_fixture.order), order_fixture.chain->id, slice_of(&name, 1));
    if (change.kind == METADATA_SET) {
        return (char)change.value.data[0];
    }
    struct key key = key_of_name(order_fixture.chain->id, KEY_METADATA, slice_of(&name, 1));
    struct engine_point *view = order_view(order_fixture.order);
    struct engine_value value = {0};
    enum engine_result result =
        engine_get(order_fixture.engine, view, ENGINE_MAY_BLOCK, key_slice(&key), &value, &failure);
    char first = result == ENGINE_OK ? (char)value.bytes.data[RECORD_METADATA_HEAD_BYTES] : '\0';
    engine_value_release(&value);
    engine_point_release(view);
    return first;
}

/* What the record cache knows agrees with the view. */
static void check_cache(char name)
{
    struct key key = key_of_name(order_fixture.chain->id, KEY_METADATA, slice_of(&name, 1));
    struct engine_point *view = order_view(order_fixture.order);
    struct engine_value value = {0};
    struct slice cached;
    enum engine_result result =
        engine_get(order_fixture.engine, view, ENGINE_MAY_BLOCK, key_slice(&key), &value, &failure);
    ck_assert_int_ne(result, ENGINE_FAILED);
    if (record_cache_find(order_record_cache(order_fixture.order), &key, &cached)) {
        ck_assert(slice_equal(cached, value.bytes));
    } else {
        record_cache_put(order_record_cache(order_fixture.order), &key, value.bytes);
    }
    engine_value_release(&value);
    engine_point_release(view);
}

/* ---- what the engine gives up by itself ---- */

START_TEST(what_fails_in_the_background_is_noted_once_and_ends_nothing)
{
    struct order_commit commit;
    const struct damage *damage = order_damage(order_fixture.order);
    fake_disk_fail_background(order_fixture.disk, STATUS_DAMAGED);
    for (uint64_t height = 1; height <= 2; height++) {
        order_commit_init(&commit, LEVEL_DURABLE, height);
        order_commit_submit(&commit, false);
        order_fixture_settle();
        ck_assert_int_eq(commit.job.status, STATUS_OK);
        ck_assert_uint_eq(damage_count(damage, DAMAGE_BACKGROUND), 1);
    }
    ck_assert_ptr_nonnull(strstr(damage_text(damage), "merging"));
}
END_TEST

START_TEST(want_of_space_in_the_background_is_no_damage)
{
    struct order_commit commit;
    const struct damage *damage = order_damage(order_fixture.order);
    for (uint64_t height = 1; height <= 2; height++) {
        fake_disk_fail_background(order_fixture.disk, STATUS_NO_SPACE);
        order_commit_init(&commit, LEVEL_DURABLE, height);
        order_commit_submit(&commit, false);
        order_fixture_settle();
        ck_assert_int_eq(commit.job.status, STATUS_OK);
        ck_assert_uint_eq(metrics_get(METRIC_SPACE_LACKING), height);
    }
    ck_assert_uint_eq(damage_count(damage, DAMAGE_BACKGROUND), 0);
    ck_assert_ptr_null(damage_text(damage));
}
END_TEST

/* ---- behind a write in doubt ---- */

static void check_latched(void)
{
    uint64_t sequence = 0;
    ck_assert_ptr_nonnull(order_failure(order_fixture.order));
    ck_assert_int_eq(order_failure(order_fixture.order)->status, STATUS_IO_ERROR);
    ck_assert_int_eq(order_fixture_try_set('l', "late", 0, &sequence, &failure), ORDER_REFUSED);
    ck_assert_int_eq(failure.status, STATUS_IO_ERROR);
}

START_TEST(behind_a_write_in_doubt_nothing_is_acknowledged_or_published)
{
    struct order_commit before, doubtful, behind;
    struct order_wait written, lost;
    order_commit_init(&before, LEVEL_WRITTEN, 1);
    order_commit_submit(&before, false);
    order_fixture_step_until_idle();
    (void)order_fixture_iterate();
    ck_assert_int_eq(before.job.status, STATUS_OK);
    (void)order_fixture_set('q', "queued");
    order_commit_init(&doubtful, LEVEL_WRITTEN, 2);
    order_commit_submit(&doubtful, true);
    order_wait_begin(&written, before.job.sequence, LEVEL_WRITTEN);
    order_wait_begin(&lost, doubtful.job.sequence, LEVEL_WRITTEN);
    fake_disk_fault(order_fixture.disk, FAKE_WRITE, FAKE_IN_DOUBT, 1);
    (void)order_fixture_step();
    order_commit_init(&behind, LEVEL_DURABLE, 3);
    order_commit_submit(&behind, false);
    uint64_t writes = fake_disk_calls(order_fixture.disk, FAKE_WRITE);
    order_fixture_settle();
    ck_assert_uint_eq(fake_disk_calls(order_fixture.disk, FAKE_WRITE),
                      writes); /* nothing is written either */
    ck_assert(doubtful.is_done && behind.is_done);
    ck_assert_int_eq(doubtful.job.status, STATUS_IO_ERROR);
    ck_assert_int_eq(behind.job.status, STATUS_IO_ERROR);
    ck_assert(written.is_told && lost.is_told);
    ck_assert_int_eq(written.waiter.status, STATUS_OK);
    ck_assert_int_eq(lost.waiter.status, STATUS_IO_ERROR);
    ck_assert_uint_eq(order_fixture.chain->marks.height, 1);
    ck_assert_int_eq(read_value('q'), 'q'); /* still in the queue */
    ck_assert_uint_eq(order_written_through(order_fixture.order), before.job.sequence);
    ck_assert_uint_lt(order_durable_through(order_fixture.order), before.job.sequence);
    check_latched();
}
END_TEST

START_TEST(a_sync_in_doubt_latches_though_the_write_before_it_was_done)
{
    struct order_commit commits[2];
    order_commit_init(&commits[0], LEVEL_WRITTEN, 1);
    order_commit_submit(&commits[0], false);
    order_fixture_step_until_idle();
    (void)order_fixture_iterate();
    struct order_wait durable;
    order_wait_begin(&durable, commits[0].job.sequence, LEVEL_DURABLE);
    fake_disk_fault(order_fixture.disk, FAKE_SYNC, FAKE_IN_DOUBT, 1);
    (void)order_fixture_iterate();
    order_commit_init(&commits[1], LEVEL_WRITTEN, 2);
    order_commit_submit(&commits[1], false);
    order_fixture_settle();
    ck_assert(durable.is_told);
    ck_assert_int_eq(durable.waiter.status, STATUS_IO_ERROR);
    ck_assert(commits[1].is_done);
    ck_assert_int_eq(commits[1].job.status, STATUS_IO_ERROR);
    ck_assert_uint_eq(order_fixture.chain->marks.height, 1);
    check_latched();
}
END_TEST

START_TEST(a_waiter_that_comes_behind_the_failure_is_told_of_it)
{
    struct order_commit commit;
    struct order_wait late;
    order_commit_init(&commit, LEVEL_DURABLE, 1);
    fake_disk_fault(order_fixture.disk, FAKE_WRITE, FAKE_IN_DOUBT, 1);
    order_commit_submit(&commit, false);
    order_fixture_settle();
    order_wait_begin(&late, commit.job.sequence, LEVEL_WRITTEN);
    (void)order_fixture_iterate();
    ck_assert(late.is_told);
    ck_assert_int_eq(late.waiter.status, STATUS_IO_ERROR);
}
END_TEST

/* ---- a write that was not applied ---- */

START_TEST(a_commit_that_was_not_applied_is_refused_and_publishes_nothing)
{
    struct order_commit refused, next;
    fake_disk_fault(order_fixture.disk, FAKE_WRITE, FAKE_FAILS, 1);
    order_commit_init(&refused, LEVEL_DURABLE, 1);
    order_commit_submit(&refused, false);
    order_fixture_settle();
    ck_assert(refused.is_done);
    ck_assert_int_eq(refused.job.status, STATUS_NO_SPACE);
    ck_assert_uint_eq(order_fixture.chain->marks.height, 0);
    ck_assert_ptr_null(order_failure(order_fixture.order));
    ck_assert_uint_eq(order_written_through(order_fixture.order),
                      refused.job.sequence); /* written or refused */
    order_commit_init(&next, LEVEL_DURABLE, 1);
    next.job.commit.has_expected_height = true; /* still 0 */
    order_commit_submit(&next, false);
    order_fixture_settle();
    ck_assert_int_eq(next.job.status, STATUS_OK);
    ck_assert_uint_eq(order_counters(order_fixture.order)->refused, 1);
    ck_assert_uint_eq(order_counters(order_fixture.order)->commits, 1);
}
END_TEST

START_TEST(metadata_that_was_not_applied_stays_queued_and_readable_until_there_is_space)
{
    fake_disk_fault(order_fixture.disk, FAKE_WRITE, FAKE_FAILS, 1);
    fake_disk_fault(order_fixture.disk, FAKE_WRITE, FAKE_FAILS, 2);
    uint64_t sequence = order_fixture_set('n', "value");
    for (int i = 0; i < 4; i++) {
        order_fixture.now_us += ORDER_FIXTURE_FLUSH_DELAY_US;
        (void)order_fixture_iterate();
        order_fixture_step_until_idle();
        ck_assert_int_eq(read_value('n'), 'v');
        ck_assert_uint_lt(order_written_through(order_fixture.order), sequence);
    }
    order_fixture.now_us += 2 * SCHEDULE_REFUSED_GROUP_PAUSE_US;
    order_fixture_settle();
    ck_assert_uint_eq(order_unwritten(order_fixture.order), 0);
    ck_assert_int_eq(order_fixture_disk_value('n'), 'v');
    ck_assert_uint_ge(order_written_through(order_fixture.order), sequence);
}
END_TEST

/* ---- a completion in one step ---- */

enum { ROUNDS = 3000, NAMES = 6 };

START_TEST(a_read_says_what_was_accepted_last_and_the_cache_agrees_with_the_view)
{
    struct random_source random = random_from(random_seed("order_publish"));
    char last[NAMES] = {0};
    struct order_commit commit = {.is_done = true};
    char committed = '\0', value = '\0';
    for (int i = 0; i < ROUNDS; i++) {
        order_fixture.now_us += random_below(&random, 5000);
        char digit[2] = {(char)('0' + (char)random_below(&random, 10)), '\0'};
        size_t number = random_below(&random, NAMES);
        uint64_t choice = random_below(&random, 10);
        if (choice < 3 &&
            pending_operations(order_pending(order_fixture.order)) < ORDER_FIXTURE_QUEUE_MAX - 1) {
            (void)order_fixture_set((char)('a' + (char)number), digit);
            last[number] = digit[0];
        } else if (choice < 4 && commit.is_done) {
            value = digit[0];
            order_commit_init(&commit, random_chance(&random, 50) ? LEVEL_DURABLE : LEVEL_WRITTEN, 1);
            commit.operation = (struct metadata_operation){
                .kind = METADATA_SET, .name = slice_of("C", 1), .value = slice_of(&value, 1)};
            commit.job.metadata_count = 1;
            order_commit_submit(&commit, random_chance(&random, 30));
        } else if (choice < 7) {
            (void)order_fixture_iterate();
            committed = commit.is_done ? value : committed;
        } else {
            (void)order_fixture_step();
        }
        for (size_t name = 0; name < NAMES; name++) {
            ck_assert_int_eq(read_value((char)('a' + (char)name)), last[name]);
            check_cache((char)('a' + (char)name));
        }
        ck_assert_int_eq(read_value('C'), committed); /* a commit is seen when it is told */
        check_cache('C');
    }
    order_fixture_settle();
}
END_TEST

START_TEST(a_prune_is_swept_to_its_end_and_counted_once)
{
    struct order_commit commits[3], prune;
    for (uint64_t i = 0; i < 3; i++) {
        order_commit_init(&commits[i], LEVEL_WRITTEN, i + 1);
        order_commit_submit(&commits[i], false);
    }
    order_commit_init(&prune, LEVEL_DURABLE, 1);
    prune.job.kind = JOB_PRUNE;
    prune.job.prune = (struct job_prune){.has_blocks = true, .blocks_through = 2};
    order_commit_submit(&prune, false);
    for (int i = 0; i < 20; i++) {
        order_fixture.now_us += SCHEDULE_SWEEP_PAUSE_US;
        (void)order_fixture_iterate();
        order_fixture_step_until_idle();
    }
    (void)order_fixture_iterate();
    ck_assert_int_eq(prune.job.status, STATUS_OK);
    ck_assert_uint_eq(order_fixture.chain->marks.blocks_swept, 2);
    ck_assert_uint_eq(order_counters(order_fixture.order)->sweeps, 1);
    ck_assert(!order_fixture.chain->sweeping);
    ck_assert(!order_fixture_has_block(2) && order_fixture_has_block(3));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("order_publish", 60, &tests);
    tcase_add_checked_fixture(tests, order_fixture_open, order_fixture_close);
    tcase_add_test(tests, what_fails_in_the_background_is_noted_once_and_ends_nothing);
    tcase_add_test(tests, want_of_space_in_the_background_is_no_damage);
    tcase_add_test(tests, behind_a_write_in_doubt_nothing_is_acknowledged_or_published);
    tcase_add_test(tests, a_sync_in_doubt_latches_though_the_write_before_it_was_done);
    tcase_add_test(tests, a_waiter_that_comes_behind_the_failure_is_told_of_it);
    tcase_add_test(tests, a_commit_that_was_not_applied_is_refused_and_publishes_nothing);
    tcase_add_test(tests, metadata_that_was_not_applied_stays_queued_and_readable_until_there_is_space);
    tcase_add_test(tests, a_read_says_what_was_accepted_last_and_the_cache_agrees_with_the_view);
    tcase_add_test(tests, a_prune_is_swept_to_its_end_and_counted_once);
    return suite_run(suite, true);
}
