/* The commit group: how many writes a step makes of what waits, what shares a write, and what becomes of each job when one of
 * the writes is not applied or in doubt. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/runtime/thread.h"
#include "daemon/writer/commit_group.h"
#include "daemon/writer/schedule.h"
#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/suite.h"

enum { FLUSH_DELAY_US = 20000, SYNC_INTERVAL_US = 1000000, JOBS_MAX = 8, LARGE_BYTES = 1 << 20 };

static const char path[] = "commit-group";

static struct fake_disk *disk;
static struct engine *engine;
static struct apply *apply;
static struct pending *pending;
static struct commit_group *group;
static struct job jobs[JOBS_MAX];
static struct job_block blocks[JOBS_MAX];
static size_t job_count;
static uint64_t sequence;
static uint64_t now_us;
static uint8_t large[LARGE_BYTES];

/* ---- fixture ---- */

static void open_all(void)
{
    struct failure failure;
    struct chain_marks marks = {0};
    struct engine_config config = {.path = path, .create = true, .cache_bytes_max = 1 << 20};
    job_count = 0;
    sequence = 0;
    now_us = 1000000000;
    disk = fake_disk_new(path, 1);
    ck_assert_int_eq(engine_open(&engine_fake, &config, &engine, &failure), ENGINE_OK);
    apply = apply_new(engine, 4);
    ck_assert_int_eq(apply_load(apply, 1, &marks, &failure), STATUS_OK);
    pending = pending_new(1000, 1 << 20);
    group = commit_group_new(&(struct commit_group_config){.engine = engine,
                                                           .apply = apply,
                                                           .flush_delay_us = FLUSH_DELAY_US,
                                                           .sync_interval_us = SYNC_INTERVAL_US});
    thread_set_role(THREAD_WRITER);
}

static void close_all(void)
{
    commit_group_free(group);
    pending_free(pending);
    apply_free(apply);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    fake_disk_free(disk);
}

/* A commit of one block at the next height, which it rises to. */
static struct job *join(enum level level, struct slice data)
{
    struct job *job = &jobs[job_count];
    struct job_block *block = &blocks[job_count];
    ck_assert_uint_lt(job_count, JOBS_MAX);
    *block = (struct job_block){.height = ++job_count, .data = data};
    *job = (struct job){.kind = JOB_COMMIT, .level = level, .chain = 1, .sequence = ++sequence};
    job->commit = (struct job_commit){.blocks = block, .block_count = 1, .rise_to = block->height};
    job_append(&commit_group_lanes(group)->commits, job);
    return job;
}

static struct job *join_small(enum level level)
{
    return join(level, slice_of("data", 4));
}

static struct job *join_rollback(void)
{
    struct job *job = join_small(LEVEL_DURABLE);
    job->kind = JOB_ROLLBACK;
    job->rollback = (struct job_rollback){.to = 0};
    return job;
}

static void join_group(void)
{
    struct metadata_operation operation = {
        .kind = METADATA_SET, .name = slice_of("name", 4), .value = slice_of("value", 5)};
    pending_add(pending, pending_request_of(1, &operation, 1), ++sequence, now_us);
    pending_close_group(pending);
    group_append_all(&commit_group_lanes(group)->groups, pending_take_closed(pending));
}

/* One step; what its completion holds is released. */
static struct completion step(void)
{
    bool is_last;
    struct commit_group_wants wants = {.sync = false};
    struct completion *stepped = commit_group_step(group, &wants, now_us, &is_last);
    ck_assert_ptr_nonnull(stepped);
    ck_assert(!is_last);
    struct completion completion = *stepped;
    engine_point_release(stepped->point);
    free(stepped);
    return completion;
}

static uint64_t writes(void)
{
    return fake_disk_calls(disk, FAKE_WRITE);
}

/* ---- what shares a write ---- */

START_TEST(small_commits_share_one_write)
{
    for (int i = 0; i < 4; i++) {
        (void)join_small(LEVEL_DURABLE);
    }
    struct completion completion = step();
    ck_assert_uint_eq(writes(), 1);
    ck_assert_uint_eq(completion.syncs, 1);
    ck_assert(completion.synced);
}
END_TEST

START_TEST(a_commit_of_a_megabyte_ends_its_write_and_one_sync_is_for_all)
{
    (void)join(LEVEL_DURABLE, slice_of(large, sizeof large));
    (void)join(LEVEL_DURABLE, slice_of(large, sizeof large));
    (void)join_small(LEVEL_WRITTEN);
    struct completion completion = step();
    ck_assert_uint_eq(writes(), 3);
    ck_assert_uint_eq(fake_disk_calls(disk, FAKE_SYNC), 0); /* the last write syncs */
    ck_assert_uint_eq(completion.syncs, 1);
    ck_assert_uint_eq(fake_disk_unsynced(disk), 0);
}
END_TEST

START_TEST(a_rollback_has_a_write_of_its_own)
{
    (void)join_small(LEVEL_DURABLE);
    struct job *rollback = join_rollback();
    struct job *behind = join_small(LEVEL_DURABLE);
    behind->commit.has_expected_height = true; /* 0, as the rollback left it */
    (void)step();
    ck_assert_uint_eq(writes(), 3);
    ck_assert_int_eq(rollback->status, STATUS_OK);
    ck_assert_uint_eq(rollback->counts.blocks, 1);
    ck_assert_int_eq(behind->status, STATUS_OK);
}
END_TEST

START_TEST(a_refused_job_leaves_the_others_of_its_write_alone)
{
    struct job *first = join_small(LEVEL_DURABLE);
    struct job *refused = join_small(LEVEL_DURABLE);
    refused->commit.has_expected_height = true;
    refused->commit.expected_height = 99;
    struct job *last = join_small(LEVEL_DURABLE);
    struct completion completion = step();
    ck_assert_ptr_eq(completion.jobs, first);
    ck_assert_int_eq(first->status, STATUS_OK);
    ck_assert_int_eq(refused->status, STATUS_CONFLICT);
    ck_assert_int_eq(last->status, STATUS_OK);
    ck_assert_uint_eq(last->marks.height, 3);
    ck_assert_uint_eq(writes(), 1);
}
END_TEST

START_TEST(jobs_that_are_all_refused_write_nothing_and_still_sync_what_was_only_written)
{
    (void)join_small(LEVEL_WRITTEN);
    (void)step();
    struct job *refused = join_small(LEVEL_DURABLE);
    refused->commit.has_expected_height = true;
    refused->commit.expected_height = 99;
    struct completion completion = step();
    ck_assert_uint_eq(writes(), 1);
    ck_assert(completion.synced); /* an answer `durable` behind it says that all before is */
    ck_assert_uint_eq(fake_disk_unsynced(disk), 0);
}
END_TEST

/* ---- when a write goes wrong ---- */

START_TEST(only_the_jobs_of_the_write_that_was_not_applied_are_refused)
{
    struct job *first = join(LEVEL_DURABLE, slice_of(large, sizeof large));
    struct job *second = join(LEVEL_DURABLE, slice_of(large, sizeof large));
    struct job *third = join_small(LEVEL_DURABLE);
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 2);
    struct completion completion = step();
    ck_assert_int_eq(first->status, STATUS_OK);
    ck_assert_int_eq(second->status, STATUS_NO_SPACE);
    ck_assert_int_eq(third->status, STATUS_OK);
    ck_assert(!completion.failed && completion.synced);
    ck_assert_uint_eq(fake_disk_unsynced(disk), 0);
}
END_TEST

START_TEST(a_write_that_was_not_applied_still_syncs_what_was_written_before_it)
{
    struct job *first = join(LEVEL_DURABLE, slice_of(large, sizeof large));
    struct job *last = join_small(LEVEL_DURABLE);
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 2);
    struct completion completion = step();
    ck_assert_int_eq(first->status, STATUS_OK);
    ck_assert_int_eq(last->status, STATUS_NO_SPACE);
    ck_assert(completion.synced);
    ck_assert_uint_eq(fake_disk_calls(disk, FAKE_SYNC), 1);
    ck_assert_uint_eq(fake_disk_unsynced(disk), 0);
}
END_TEST

START_TEST(a_job_that_was_judged_by_a_write_that_was_not_applied_is_refused_with_it)
{
    struct job *before = join_small(LEVEL_DURABLE);
    before->commit.has_expected_height = true;
    before->commit.expected_height = 99;
    struct job *first = join_small(LEVEL_DURABLE);
    struct job *behind = join_small(LEVEL_DURABLE);
    behind->commit.has_expected_height = true; /* 0, which `first` would have changed */
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 1);
    (void)step();
    ck_assert_int_eq(before->status, STATUS_CONFLICT); /* whatever came of the write */
    ck_assert_int_eq(first->status, STATUS_NO_SPACE);
    ck_assert_int_eq(behind->status, STATUS_NO_SPACE);
}
END_TEST

START_TEST(a_job_that_was_not_applied_is_said_so_also_beside_a_write_in_doubt)
{
    struct job *first = join(LEVEL_WRITTEN, slice_of(large, sizeof large));
    struct job *refused = join(LEVEL_WRITTEN, slice_of(large, sizeof large));
    struct job *last = join(LEVEL_WRITTEN, slice_of(large, sizeof large));
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 2);
    fake_disk_fault(disk, FAKE_WRITE, FAKE_IN_DOUBT, 3);
    (void)step();
    ck_assert_int_eq(first->status, STATUS_IO_ERROR);
    ck_assert_int_eq(refused->status, STATUS_NO_SPACE);
    ck_assert_int_eq(last->status, STATUS_IO_ERROR);
}
END_TEST

START_TEST(a_write_in_doubt_ends_every_job_of_its_step_as_an_io_error)
{
    struct job *first = join(LEVEL_DURABLE, slice_of(large, sizeof large));
    struct job *second = join(LEVEL_DURABLE, slice_of(large, sizeof large));
    struct job *refused = join_small(LEVEL_DURABLE);
    refused->commit.has_expected_height = true;
    fake_disk_fault(disk, FAKE_WRITE, FAKE_IN_DOUBT, 2);
    struct completion completion = step();
    ck_assert(completion.failed && !completion.synced);
    ck_assert_int_eq(first->status, STATUS_IO_ERROR); /* nobody synced it */
    ck_assert_int_eq(second->status, STATUS_IO_ERROR);
    ck_assert_int_ne(refused->status, STATUS_OK);
    ck_assert_uint_eq(writes(), 2);
    ck_assert_uint_eq(commit_group_due_us(group, now_us), SCHEDULE_NEVER_US);
}
END_TEST

/* Else it might be missing below one that is there, and nobody could tell that it was refused. */
START_TEST(what_was_not_applied_stays_so_when_a_later_write_of_the_step_is_in_doubt)
{
    struct job *first = join(LEVEL_DURABLE, slice_of(large, sizeof large));
    struct job *last = join_small(LEVEL_DURABLE);
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 1);
    fake_disk_fault(disk, FAKE_WRITE, FAKE_IN_DOUBT, 2);
    struct completion completion = step();
    ck_assert(completion.failed);
    ck_assert_int_eq(first->status, STATUS_NO_SPACE);
    ck_assert_int_eq(last->status, STATUS_IO_ERROR);
}
END_TEST

static struct job *join_number(uint64_t number)
{
    struct job *job = join_small(LEVEL_DURABLE);
    job->number = number;
    return job;
}

START_TEST(a_number_that_was_applied_before_is_not_said_to_be_refused_with_a_write_that_was_not)
{
    apply_load_epoch(apply, 1, (struct epoch){77, 88}, 4);
    struct job *fifth = join_number(5);
    struct job *fourth = join_number(4), *again = join_number(5);
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 1);
    struct completion completion = step();
    ck_assert(!completion.failed && completion.synced);
    ck_assert_int_eq(fifth->status, STATUS_NO_SPACE);
    ck_assert(fourth->status == STATUS_OK && fourth->is_repeated);
    ck_assert_int_eq(again->status, STATUS_NO_SPACE); /* what it repeats is not there */
    fifth = join_number(5);
    (void)step();
    ck_assert(fifth->status == STATUS_OK && !fifth->is_repeated);
}
END_TEST

static void join_raises(void)
{
    struct metadata_operation operations[] = {
        {.kind = METADATA_SET, .name = slice_of("name", 4), .value = slice_of("value", 5)},
        {.kind = METADATA_RAISE, .name = slice_of("mark", 4), .raise = 5},
        {.kind = METADATA_RAISE, .name = slice_of("other", 5), .raise = 5},
    };
    pending_add(pending, pending_request_of(1, operations, 3), ++sequence, now_us);
    pending_close_group(pending);
    group_append_all(&commit_group_lanes(group)->groups, pending_take_closed(pending));
}

static bool has_name(const char *name)
{
    struct failure failure;
    struct engine_value value = {0};
    struct key key = key_of_name(1, KEY_METADATA, slice_of(name, strlen(name)));
    bool has = engine_get(engine, NULL, ENGINE_MAY_BLOCK, key_slice(&key), &value, &failure) == ENGINE_OK;
    engine_value_release(&value);
    return has;
}

/* Of the completion, which lets go of its groups. */
static void assert_left_out(struct completion *completion, const char *name)
{
    ck_assert(!completion->failed && completion->groups != NULL);
    ck_assert_uint_eq(completion->left_out_count, 1);
    ck_assert(slice_equal(pending_entry_name(completion->left_out[0]), slice_of(name, strlen(name))));
    ck_assert_int_eq(completion->left_out_failure.status, STATUS_DAMAGED);
    ck_assert_str_ne(completion->left_out_failure.text, "");
    ck_assert(has_name("name") && !has_name(name) && has_name("other"));
    free(completion->left_out);
    pending_remove_group(pending, completion->groups);
}

START_TEST(a_raise_over_what_cannot_be_read_is_left_out_alone)
{
    join_raises();
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 1); /* a raise reads what is there */
    struct completion completion = step();
    ck_assert_uint_eq(completion.groups_written, 1);
    assert_left_out(&completion, "mark");
    struct job *behind = join_small(LEVEL_DURABLE);
    completion = step();
    ck_assert_int_eq(behind->status, STATUS_OK);
    ck_assert_uint_eq(completion.left_out_count, 0);
}
END_TEST

START_TEST(a_raise_that_is_carried_is_left_out_alone_too)
{
    join_raises();
    struct job *refused = join_small(LEVEL_DURABLE);
    refused->commit.has_expected_height = true;
    refused->commit.expected_height = 7;
    refused->carry_through = sequence - 1;
    struct job *carries = join_small(LEVEL_DURABLE);
    carries->carry_through = sequence - 2;
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 1); /* for the refused one, which carries nothing */
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 3);
    struct completion completion = step();
    ck_assert_int_eq(refused->status, STATUS_CONFLICT);
    ck_assert_int_eq(carries->status, STATUS_OK);
    assert_left_out(&completion, "mark");
}
END_TEST

START_TEST(a_commit_that_cannot_be_validated_ends_alone)
{
    struct metadata_operation raise = {.kind = METADATA_RAISE, .name = slice_of("mark", 4), .raise = 5};
    struct job *unread = join_small(LEVEL_DURABLE);
    unread->metadata = &raise;
    unread->metadata_count = 1;
    struct job *next = join_small(LEVEL_DURABLE);
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 1);
    struct completion completion = step();
    ck_assert_int_eq(unread->status, STATUS_DAMAGED);
    ck_assert_int_eq(next->status, STATUS_OK);
    ck_assert(!completion.failed);
}
END_TEST

START_TEST(a_group_is_due_again_when_its_pause_is_over)
{
    join_group();
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 1);
    (void)step();
    ck_assert_uint_eq(commit_group_due_us(group, now_us), now_us + SCHEDULE_REFUSED_GROUP_PAUSE_US);
    now_us += SCHEDULE_REFUSED_GROUP_PAUSE_US;
    struct completion completion = step();
    ck_assert_uint_eq(completion.groups_written, 1);
    pending_remove_group(pending, completion.groups);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("commit_group", 20, &tests);
    tcase_add_checked_fixture(tests, open_all, close_all);
    tcase_add_test(tests, small_commits_share_one_write);
    tcase_add_test(tests, a_commit_of_a_megabyte_ends_its_write_and_one_sync_is_for_all);
    tcase_add_test(tests, a_rollback_has_a_write_of_its_own);
    tcase_add_test(tests, a_refused_job_leaves_the_others_of_its_write_alone);
    tcase_add_test(tests, jobs_that_are_all_refused_write_nothing_and_still_sync_what_was_only_written);
    tcase_add_test(tests, only_the_jobs_of_the_write_that_was_not_applied_are_refused);
    tcase_add_test(tests, a_write_that_was_not_applied_still_syncs_what_was_written_before_it);
    tcase_add_test(tests, a_job_that_was_judged_by_a_write_that_was_not_applied_is_refused_with_it);
    tcase_add_test(tests, a_job_that_was_not_applied_is_said_so_also_beside_a_write_in_doubt);
    tcase_add_test(tests, a_write_in_doubt_ends_every_job_of_its_step_as_an_io_error);
    tcase_add_test(tests, what_was_not_applied_stays_so_when_a_later_write_of_the_step_is_in_doubt);
    tcase_add_test(tests,
                   a_number_that_was_applied_before_is_not_said_to_be_refused_with_a_write_that_was_not);
    tcase_add_test(tests, a_raise_over_what_cannot_be_read_is_left_out_alone);
    tcase_add_test(tests, a_raise_that_is_carried_is_left_out_alone_too);
    tcase_add_test(tests, a_commit_that_cannot_be_validated_ends_alone);
    tcase_add_test(tests, a_group_is_due_again_when_its_pause_is_over);
    return suite_run(suite, true);
}
