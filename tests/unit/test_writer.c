/* The writer on the fake engine: what a step writes, in which order and when it is due, that a write which the engine did not
 * apply refuses its jobs and leaves no trace, and that a write in doubt is the last one. Most tests step it from one thread; a
 * few start the thread, and stop it at the engine's gates. */
#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/runtime/thread.h"
#include "daemon/writer/schedule.h"
#include "daemon/writer/writer.h"
#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/suite.h"

enum { FLUSH_DELAY_US = 20000, SYNC_INTERVAL_US = 1000000, JOBS_MAX = 16 };

static const uint64_t START_US = 1000000000;

static const char path[] = "writer";

static struct fake_disk *disk;
static struct engine *engine;
static struct apply *apply;
static struct pending *pending;
static struct writer *writer;
static struct job jobs[JOBS_MAX];
static struct job_block blocks[JOBS_MAX];
static size_t job_count;
static uint64_t sequence;
static atomic_uint wakes;

/* ---- fixture ---- */

static void on_wake(void *context)
{
    (void)context;
    wakes++;
}

static void open_all(void)
{
    struct failure failure;
    struct chain_marks marks = {0};
    thread_set_role(THREAD_LOOP);
    job_count = 0;
    sequence = 0;
    wakes = 0;
    disk = fake_disk_new(path, 1);
    struct engine_config config = {.path = path, .create = true, .cache_bytes_max = 1 << 20};
    ck_assert_int_eq(engine_open(&engine_fake, &config, &engine, &failure), ENGINE_OK);
    apply = apply_new(engine, 4);
    ck_assert_int_eq(apply_load(apply, 1, &marks, &failure), STATUS_OK);
    pending = pending_new(1000, 1 << 20);
    writer = writer_new(&(struct writer_config){
        .engine = engine,
        .apply = apply,
        .flush_delay_us = FLUSH_DELAY_US,
        .sync_interval_us = SYNC_INTERVAL_US,
        .wake = on_wake,
    });
}

static void close_all(void)
{
    writer_stop(writer);
    writer_free(writer);
    pending_free(pending);
    apply_free(apply);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    fake_disk_free(disk);
}

/* A commit of one block at the next height. */
static struct job *submit_commit(enum level level)
{
    struct job *job = &jobs[job_count];
    struct job_block *block = &blocks[job_count];
    ck_assert_uint_lt(job_count, JOBS_MAX);
    *block = (struct job_block){.height = ++job_count, .data = slice_of("data", 4)};
    *job = (struct job){.kind = JOB_COMMIT, .level = level, .chain = 1, .sequence = ++sequence};
    job->commit = (struct job_commit){.blocks = block, .block_count = 1};
    writer_submit(writer, job);
    return job;
}

/* A metadata group of one operation that was accepted at that time. */
static void submit_group(uint64_t now_us)
{
    struct metadata_operation operation = {
        .kind = METADATA_SET, .name = slice_of("name", 4), .value = slice_of("value", 5)};
    pending_add(pending, pending_request_of(1, &operation, 1), ++sequence, now_us);
    pending_close_group(pending);
    writer_submit_groups(writer, pending_take_closed(pending));
}

static enum writer_progress step(uint64_t now_us)
{
    thread_set_role(THREAD_WRITER);
    enum writer_progress progress = writer_step(writer, now_us);
    thread_set_role(THREAD_LOOP);
    return progress;
}

/* The one completion that is there; what it did becomes part of the past. */
static struct completion take_completion(void)
{
    struct completion *drained = writer_drain_completions(writer);
    ck_assert_ptr_nonnull(drained);
    ck_assert_ptr_null(drained->next);
    ck_assert(!writer_has_completions(writer));
    struct completion completion = *drained;
    engine_point_release(drained->point);
    for (struct metadata_group *group = drained->groups; group != NULL;) {
        struct metadata_group *next = group->next;
        pending_remove_group(pending, group);
        group = next;
    }
    free(drained);
    return completion;
}

static size_t count_jobs(const struct completion *completion)
{
    size_t count = 0;
    for (const struct job *job = completion->jobs; job != NULL; job = job->next) {
        ck_assert_int_eq(job->status, STATUS_OK);
        ck_assert(job->next == NULL || job->next->sequence > job->sequence);
        count++;
    }
    return count;
}

/* One step that has to write so many jobs and so many groups by themselves. */
static struct completion check_step(uint64_t now_us, size_t job_number, uint64_t groups_written)
{
    unsigned wakes_before = wakes;
    ck_assert_int_eq(step(now_us), WRITER_STEPPED);
    ck_assert_uint_eq(wakes, wakes_before + 1);
    struct completion completion = take_completion();
    ck_assert_uint_eq(count_jobs(&completion), job_number);
    ck_assert_uint_eq(completion.groups_written, groups_written);
    ck_assert(!completion.failed);
    return completion;
}

/* ---- tests ---- */

START_TEST(commits_that_wait_share_a_group_and_a_sync)
{
    submit_commit(LEVEL_DURABLE);
    submit_commit(LEVEL_WRITTEN);
    submit_commit(LEVEL_DURABLE);
    struct completion completion = check_step(START_US, 3, 0);
    ck_assert_uint_eq(completion.syncs, 1);
    ck_assert(completion.synced);
    ck_assert_int_eq(step(START_US), WRITER_IDLE);
}
END_TEST

START_TEST(what_is_only_written_is_synced_when_the_interval_is_over)
{
    submit_commit(LEVEL_WRITTEN);
    struct completion completion = check_step(START_US, 1, 0);
    ck_assert(!completion.synced);
    ck_assert_int_eq(step(START_US + SYNC_INTERVAL_US - 1), WRITER_IDLE);
    completion = check_step(START_US + SYNC_INTERVAL_US, 0, 0);
    ck_assert(completion.synced);
    ck_assert_uint_eq(completion.syncs, 1);
    ck_assert_int_eq(step(START_US + 10 * SYNC_INTERVAL_US), WRITER_IDLE);
}
END_TEST

START_TEST(other_delays_count_from_the_next_step_on)
{
    (void)submit_commit(LEVEL_WRITTEN);
    check_step(START_US, 1, 0);
    ck_assert_int_eq(step(START_US + SYNC_INTERVAL_US / 2), WRITER_IDLE);
    thread_set_role(THREAD_LOOP);
    writer_set_delays(writer, FLUSH_DELAY_US, SYNC_INTERVAL_US / 2);
    thread_set_role(THREAD_WRITER);
    ck_assert_int_eq(step(START_US + SYNC_INTERVAL_US / 2), WRITER_STEPPED);
    ck_assert_uint_eq(fake_disk_unsynced(disk), 0);
    (void)take_completion();
}
END_TEST

START_TEST(a_sync_that_is_asked_for_comes_at_once)
{
    submit_commit(LEVEL_WRITTEN);
    (void)check_step(START_US, 1, 0);
    writer_submit_sync(writer);
    struct completion completion = check_step(START_US + 1, 0, 0);
    ck_assert(completion.synced);
    ck_assert_int_eq(step(START_US + 2), WRITER_IDLE);
}
END_TEST

START_TEST(commits_go_before_metadata_that_was_accepted_before_them)
{
    submit_group(START_US);
    submit_commit(LEVEL_DURABLE);
    (void)check_step(START_US, 1, 0);
    (void)check_step(START_US, 0, 1);
}
END_TEST

START_TEST(a_commit_takes_the_metadata_that_it_carries)
{
    submit_group(START_US);
    struct job *job = &jobs[job_count++];
    *job = (struct job){.kind = JOB_COMMIT,
                        .level = LEVEL_DURABLE,
                        .chain = 1,
                        .carry_through = sequence,
                        .sequence = sequence + 1};
    writer_submit(writer, job);
    (void)check_step(START_US, 1, 0);
    ck_assert_uint_eq(pending_operations(pending), 0);
    ck_assert_int_eq(step(START_US), WRITER_IDLE);
}
END_TEST

START_TEST(a_starved_group_goes_between_the_commits_before_it_and_those_behind)
{
    uint64_t starved_us = START_US + SCHEDULE_STARVED_FLUSH_DELAYS * (uint64_t)FLUSH_DELAY_US;
    submit_commit(LEVEL_DURABLE);
    submit_group(START_US);
    submit_commit(LEVEL_DURABLE);
    struct completion before = check_step(starved_us, 1, 0);
    (void)before;
    (void)check_step(starved_us, 0, 1);
    (void)check_step(starved_us, 1, 0);
}
END_TEST

START_TEST(a_starved_group_waits_until_its_share_of_the_time_allows_it)
{
    uint64_t now_us = START_US + SCHEDULE_STARVED_FLUSH_DELAYS * (uint64_t)FLUSH_DELAY_US;
    submit_group(START_US);
    submit_commit(LEVEL_DURABLE);
    (void)check_step(now_us, 0, 1);
    now_us += 1000; /* so long the group took */
    submit_group(START_US);
    (void)check_step(now_us, 1, 0);
    submit_commit(LEVEL_DURABLE);
    (void)check_step(now_us + 8999, 1, 0); /* accepted before, so it would go first anyway */
    submit_group(START_US);
    submit_commit(LEVEL_DURABLE);
    (void)check_step(now_us + 8999, 1, 0);
    submit_commit(LEVEL_DURABLE);
    (void)check_step(now_us + 9000, 0, 1);
}
END_TEST

START_TEST(a_stop_writes_and_syncs_what_is_there_and_says_that_it_ended)
{
    submit_group(START_US);
    submit_commit(LEVEL_WRITTEN);
    writer_stop(writer);
    (void)check_step(START_US, 1, 0);
    (void)check_step(START_US, 0, 1);
    ck_assert_int_eq(step(START_US), WRITER_ENDED);
    struct completion completion = take_completion();
    ck_assert(completion.synced);
}
END_TEST

START_TEST(the_sweep_waits_for_a_pause_between_commits)
{
    struct job sweep = {.kind = JOB_SWEEP, .level = LEVEL_WRITTEN, .chain = 1};
    submit_commit(LEVEL_DURABLE);
    (void)check_step(START_US, 1, 0);
    writer_submit(writer, &sweep);
    (void)check_step(START_US + 10, 1, 0); /* its first slice: none was for long */
    sweep.status = STATUS_OK;
    writer_submit(writer, &sweep);
    ck_assert_int_eq(step(START_US + 20), WRITER_IDLE);
    ck_assert_int_eq(step(START_US + SCHEDULE_COMMITTING_US), WRITER_IDLE);
    (void)check_step(START_US + 20 + SCHEDULE_COMMITTING_US, 1, 0);
}
END_TEST

static bool has_name(void)
{
    struct failure failure;
    struct key key = key_of_name(1, KEY_METADATA, slice_of("name", 4));
    struct engine_value value = {0};
    enum engine_result result = engine_get(engine, NULL, ENGINE_MAY_BLOCK, key_slice(&key), &value, &failure);
    engine_value_release(&value);
    return result == ENGINE_OK;
}

START_TEST(a_commit_that_is_not_applied_is_refused_and_leaves_no_trace)
{
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 1);
    struct job *job = submit_commit(LEVEL_DURABLE);
    job->commit.rise_to = 1;
    ck_assert_int_eq(step(START_US), WRITER_STEPPED);
    ck_assert_ptr_eq(take_completion().jobs, job);
    ck_assert_int_eq(job->status, STATUS_NO_SPACE);
    ck_assert_int_eq(job->failure.status, STATUS_NO_SPACE);
    ck_assert_ptr_nonnull(strstr(job->failure.text, "nothing was written"));
    job->sequence = ++sequence;
    job->commit.has_expected_height = true; /* still 0, which only apply's memory says */
    writer_submit(writer, job);
    (void)check_step(START_US, 1, 0);
    ck_assert_uint_eq(job->marks.height, 1);
}
END_TEST

START_TEST(a_group_that_is_not_applied_stays_queued_and_is_tried_again_after_a_pause)
{
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 1);
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 2);
    submit_group(START_US);
    for (uint64_t now_us = START_US; fake_disk_calls(disk, FAKE_WRITE) < 2;
         now_us += SCHEDULE_REFUSED_GROUP_PAUSE_US) {
        (void)check_step(now_us, 0, 0);
        ck_assert_int_eq(step(now_us + SCHEDULE_REFUSED_GROUP_PAUSE_US - 1), WRITER_IDLE);
    }
    ck_assert_uint_eq(pending_operations(pending), 1);
    ck_assert(!has_name());
    (void)check_step(START_US + 2 * SCHEDULE_REFUSED_GROUP_PAUSE_US, 0, 1);
    ck_assert_uint_eq(pending_operations(pending), 0);
    ck_assert(has_name());
    ck_assert_uint_eq(fake_disk_calls(disk, FAKE_WRITE), 3);
}
END_TEST

START_TEST(what_a_refused_job_would_have_carried_stays_queued)
{
    struct job *job = submit_commit(LEVEL_DURABLE);
    (void)check_step(START_US, 1, 0);
    submit_group(START_US);
    *job = (struct job){.kind = JOB_COMMIT, .level = LEVEL_DURABLE, .chain = 1, .carry_through = sequence};
    job->sequence = ++sequence;
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 1);
    writer_submit(writer, job);
    ck_assert_int_eq(step(START_US), WRITER_STEPPED);
    ck_assert_ptr_eq(take_completion().jobs, job);
    ck_assert_int_eq(job->status, STATUS_NO_SPACE);
    ck_assert_uint_eq(pending_operations(pending), 1);
    ck_assert(!has_name());
    (void)check_step(START_US, 0, 1);
    ck_assert(has_name());
}
END_TEST

/* ---- a write in doubt ---- */

START_TEST(behind_a_write_in_doubt_the_writer_writes_nothing_and_says_so_each_time)
{
    fake_disk_fault(disk, FAKE_WRITE, FAKE_IN_DOUBT, 1);
    struct job *first = submit_commit(LEVEL_DURABLE);
    ck_assert_int_eq(step(START_US), WRITER_STEPPED);
    struct completion completion = take_completion();
    ck_assert(completion.failed && !completion.synced && completion.point == NULL);
    ck_assert_int_eq(completion.failure.status, STATUS_IO_ERROR);
    ck_assert_int_eq(first->status, STATUS_IO_ERROR);
    struct job *second = submit_commit(LEVEL_WRITTEN);
    submit_group(START_US);
    ck_assert_int_eq(step(START_US), WRITER_STEPPED);
    completion = take_completion();
    ck_assert(completion.failed && completion.groups == NULL);
    ck_assert_int_eq(second->status, STATUS_IO_ERROR);
    ck_assert_int_eq(step(START_US + SYNC_INTERVAL_US), WRITER_IDLE); /* the group is written by nobody */
    ck_assert_uint_eq(fake_disk_calls(disk, FAKE_WRITE), 1);
    ck_assert_uint_eq(fake_disk_calls(disk, FAKE_SYNC), 0);
    ck_assert_uint_eq(pending_operations(pending), 1);
}
END_TEST

START_TEST(a_stop_behind_a_failure_ends_without_a_sync)
{
    submit_commit(LEVEL_WRITTEN);
    (void)check_step(START_US, 1, 0);
    fake_disk_fault(disk, FAKE_SYNC, FAKE_IN_DOUBT, 1);
    writer_submit_sync(writer);
    ck_assert_int_eq(step(START_US), WRITER_STEPPED);
    ck_assert(take_completion().failed);
    writer_stop(writer);
    ck_assert_int_eq(step(START_US), WRITER_ENDED);
    struct completion completion = take_completion();
    ck_assert(completion.failed && !completion.synced);
    ck_assert_uint_eq(fake_disk_calls(disk, FAKE_SYNC), 1);
}
END_TEST

/* ---- the thread ---- */

static void start_thread(void)
{
    struct failure failure;
    ck_assert_msg(writer_start(writer, &failure), "%s", failure.text);
}

START_TEST(what_is_submitted_during_a_write_goes_into_the_next_commit_group)
{
    fake_disk_close_gate(disk, FAKE_WRITE, FAKE_AFTER);
    start_thread();
    struct job *first = submit_commit(LEVEL_DURABLE);
    fake_disk_await(disk, FAKE_WRITE, FAKE_AFTER);
    ck_assert(!writer_has_completions(writer)); /* it is on the disk, and nobody was told */
    ck_assert_uint_eq(wakes, 0);
    struct job *second = submit_commit(LEVEL_DURABLE); /* the loop is not held up */
    struct job *third = submit_commit(LEVEL_DURABLE);
    fake_disk_let_through(disk, FAKE_WRITE, FAKE_AFTER);
    fake_disk_await(disk, FAKE_WRITE, FAKE_AFTER);
    struct completion completion = take_completion();
    ck_assert_ptr_eq(completion.jobs, first);
    ck_assert_ptr_null(first->next);
    fake_disk_open_gate(disk, FAKE_WRITE, FAKE_AFTER);
    writer_stop(writer);
    struct completion *drained = writer_drain_completions(writer);
    ck_assert_ptr_eq(drained->jobs, second);
    ck_assert_ptr_eq(second->next, third);
    ck_assert_uint_eq(fake_disk_calls(disk, FAKE_WRITE), 2);
    while (drained != NULL) {
        struct completion *next = drained->next;
        engine_point_release(drained->point);
        free(drained);
        drained = next;
    }
}
END_TEST

START_TEST(a_stop_waits_until_the_thread_has_written_and_synced_what_it_was_given)
{
    start_thread();
    for (int i = 0; i < 4; i++) {
        submit_commit(LEVEL_WRITTEN);
    }
    submit_group(thread_now_us());
    writer_stop(writer);
    ck_assert_uint_eq(fake_disk_unsynced(disk), 0);
    size_t done = 0;
    bool synced = false;
    for (struct completion *drained = writer_drain_completions(writer); drained != NULL;) {
        struct completion *next = drained->next;
        done += count_jobs(drained);
        synced = drained->synced;
        engine_point_release(drained->point);
        if (drained->groups != NULL) {
            pending_remove_group(pending, drained->groups);
        }
        free(drained);
        drained = next;
    }
    ck_assert_uint_eq(done, 4);
    ck_assert(synced);
    ck_assert(has_name());
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("writer", 20, &tests);
    tcase_add_checked_fixture(tests, open_all, close_all);
    tcase_add_test(tests, commits_that_wait_share_a_group_and_a_sync);
    tcase_add_test(tests, what_is_only_written_is_synced_when_the_interval_is_over);
    tcase_add_test(tests, other_delays_count_from_the_next_step_on);
    tcase_add_test(tests, a_sync_that_is_asked_for_comes_at_once);
    tcase_add_test(tests, commits_go_before_metadata_that_was_accepted_before_them);
    tcase_add_test(tests, a_commit_takes_the_metadata_that_it_carries);
    tcase_add_test(tests, a_starved_group_goes_between_the_commits_before_it_and_those_behind);
    tcase_add_test(tests, a_starved_group_waits_until_its_share_of_the_time_allows_it);
    tcase_add_test(tests, a_stop_writes_and_syncs_what_is_there_and_says_that_it_ended);
    tcase_add_test(tests, the_sweep_waits_for_a_pause_between_commits);
    tcase_add_test(tests, a_commit_that_is_not_applied_is_refused_and_leaves_no_trace);
    tcase_add_test(tests, a_group_that_is_not_applied_stays_queued_and_is_tried_again_after_a_pause);
    tcase_add_test(tests, what_a_refused_job_would_have_carried_stays_queued);
    tcase_add_test(tests, behind_a_write_in_doubt_the_writer_writes_nothing_and_says_so_each_time);
    tcase_add_test(tests, a_stop_behind_a_failure_ends_without_a_sync);
    tcase_add_test(tests, what_is_submitted_during_a_write_goes_into_the_next_commit_group);
    tcase_add_test(tests, a_stop_waits_until_the_thread_has_written_and_synced_what_it_was_given);
    return suite_run(suite, true);
}
