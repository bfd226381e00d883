/* The writer over an engine that does not apply some writes: such a write refuses its jobs, leaves no trace, and loses nothing
 * of the queue. */
#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/engine/engine_type.h"
#include "daemon/runtime/thread.h"
#include "daemon/writer/writer.h"
#include "tests/lib/directory.h"
#include "tests/lib/engine_edits.h"
#include "tests/lib/suite.h"

static struct directory directory;
static struct engine *engine;
static struct apply *apply;
static struct writer *writer;
static struct pending *pending;
static struct failure failure;

/* ---- the engine ---- */

static struct engine_type type;
static atomic_int refusals; /* how many of the next writes are not applied */
static atomic_int attempts;

static enum engine_outcome write_or_refuse(struct engine *written, struct engine_edit *edits, size_t count,
                                           enum engine_durability durability, struct failure *ret_failure)
{
    atomic_fetch_add(&attempts, 1);
    if (atomic_load(&refusals) > 0) {
        atomic_fetch_sub(&refusals, 1);
        failure_set(ret_failure, STATUS_IO_ERROR, "not applied, says the test");
        return ENGINE_NOT_APPLIED;
    }
    return engine_rocksdb.write(written, edits, count, durability, ret_failure);
}

static void nobody_sleeps(void *context)
{
    (void)context;
}

static void setup(void)
{
    directory = directory_new();
    engine = engine_opened(directory.path, true);
    type = engine_rocksdb;
    type.write = write_or_refuse;
    engine->type = &type;
    refusals = attempts = 0;
    apply = apply_new(engine, 1);
    pending = pending_new(1000, 1 << 20);
    writer = writer_start(&(struct writer_config){.engine = engine,
                                                  .apply = apply,
                                                  .flush_delay_us = 20000,
                                                  .sync_interval_us = 1000000,
                                                  .wake = nobody_sleeps});
}

/* Its groups leave the queue. */
static void free_completion(struct completion *completion)
{
    while (completion->groups != NULL) {
        struct metadata_group *next = completion->groups->next;
        pending_remove_group(pending, completion->groups);
        completion->groups = next;
    }
    ck_assert(!completion->failed);
    engine_point_release(completion->point);
    free(completion);
}

static void teardown(void)
{
    writer_stop(writer);
    for (struct completion *completion = writer_drain_completions(writer); completion != NULL;) {
        struct completion *next = completion->next;
        free_completion(completion);
        completion = next;
    }
    writer_free(writer);
    apply_free(apply);
    pending_free(pending);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    directory_remove(&directory);
}

/* Takes completions until the job is done, or (NULL) until the queue is empty. */
static void wait_for(const struct job *job)
{
    bool is_done = false;
    while (!is_done) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        for (struct completion *completion = writer_drain_completions(writer); completion != NULL;) {
            struct completion *next = completion->next;
            is_done |= job != NULL && completion->jobs != NULL;
            free_completion(completion);
            completion = next;
        }
        is_done |= job == NULL && pending_operations(pending) == 0;
    }
}

static enum status status_of(struct job *job)
{
    writer_submit(writer, job);
    wait_for(job);
    ck_assert(job->status == STATUS_OK || job->failure.status == job->status);
    return job->status;
}

static void queue(const char *name, uint64_t sequence)
{
    struct metadata_operation operation = {
        .kind = METADATA_SET, .name = slice_of(name, strlen(name)), .value = slice_of("v", 1)};
    pending_add(pending, 1, &operation, 1, sequence, thread_now_us());
    pending_close_group(pending);
    writer_submit_groups(writer, pending_take_closed(pending));
}

static bool has_name(const char *name)
{
    struct key key = key_of_name(1, KEY_METADATA, slice_of(name, strlen(name)));
    struct engine_value value = {0};
    enum engine_result result = engine_get(engine, NULL, ENGINE_MAY_BLOCK, key_slice(&key), &value, &failure);
    engine_value_release(&value);
    return result == ENGINE_OK;
}

START_TEST(a_commit_that_is_not_applied_is_refused_and_leaves_no_trace)
{
    struct job_block block = {.height = 5, .header = slice_of("h", 1), .hash = slice_of("five", 4)};
    struct job job = {.kind = JOB_COMMIT,
                      .level = LEVEL_DURABLE,
                      .chain = 1,
                      .sequence = 1,
                      .commit = {.blocks = &block, .block_count = 1, .rise_to = 5}};
    refusals = 1;
    ck_assert_int_eq(status_of(&job), STATUS_NO_SPACE);
    ck_assert_str_eq(job.failure.text, "not applied, says the test");
    struct key key = key_of_height(1, KEY_HEADER, 5);
    struct engine_value value = {0};
    ck_assert_int_eq(engine_get(engine, NULL, ENGINE_MAY_BLOCK, key_slice(&key), &value, &failure),
                     ENGINE_NOT_FOUND);
    job.commit.has_expected_height = true; /* still 0, which only apply's memory says */
    job.sequence = 2;
    ck_assert_int_eq(status_of(&job), STATUS_OK);
    ck_assert_uint_eq(job.marks.height, 5);
    job.sequence = 3;
    ck_assert_int_eq(status_of(&job), STATUS_CONFLICT);
}
END_TEST

START_TEST(a_group_that_is_not_applied_stays_queued_and_is_tried_again_after_a_pause)
{
    uint64_t from_us = thread_now_us();
    refusals = 2;
    queue("a", 1);
    queue("b", 2);
    wait_for(NULL);
    ck_assert_int_eq(attempts, 4);
    ck_assert_uint_ge(thread_now_us() - from_us, 200000);
    ck_assert(has_name("a") && has_name("b"));
}
END_TEST

START_TEST(what_a_refused_job_would_have_carried_stays_queued)
{
    struct job rise = {.kind = JOB_COMMIT, .chain = 1, .sequence = 1, .commit = {.rise_to = 9}};
    struct job prune = {.kind = JOB_PRUNE,
                        .level = LEVEL_DURABLE,
                        .chain = 1,
                        .sequence = 3,
                        .carry_through = 2,
                        .prune = {.has_blocks = true, .blocks_through = 4}};
    ck_assert_int_eq(status_of(&rise), STATUS_OK);
    refusals = 2; /* the group, which then waits, and the job */
    queue("carried", 2);
    while (refusals == 2) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    ck_assert_int_eq(status_of(&prune), STATUS_NO_SPACE);
    ck_assert_uint_eq(pending_operations(pending), 1);
    ck_assert(!has_name("carried"));
    wait_for(NULL);
    ck_assert(has_name("carried"));
    prune.sequence = 4;
    ck_assert_int_eq(status_of(&prune), STATUS_OK);
    ck_assert_uint_eq(prune.marks.blocks_pruned, 4);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("writer", 30, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_commit_that_is_not_applied_is_refused_and_leaves_no_trace);
    tcase_add_test(tests, a_group_that_is_not_applied_stays_queued_and_is_tried_again_after_a_pause);
    tcase_add_test(tests, what_a_refused_job_would_have_carried_stays_queued);
    return suite_run(suite, true);
}
