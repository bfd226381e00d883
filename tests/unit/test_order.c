/* The order and its writer, stepped from one thread: what is numbered, seen, written and told, and when. */
#include <check.h>
#include <stdlib.h>

#include "daemon/order/order_internal.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/writer/schedule.h"
#include "tests/lib/directory.h"
#include "tests/lib/engine_edits.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { FLUSH_DELAY_US = 20000, SYNC_INTERVAL_US = 1000000, QUEUE_MAX = 64 };

static const uint64_t START_US = 1000000000;

static struct directory directory;
static struct engine *engine;
static struct stages stages;
static struct order *order;
static struct chain *chain;
static uint64_t now_us;

/* ---- fixture ---- */

static void on_wake(void *context)
{
    (void)context;
}

static void open_all(void)
{
    struct failure failure;
    thread_set_role(THREAD_LOOP);
    directory = directory_new();
    now_us = START_US;
    engine = engine_opened(directory.path, true);
    struct order_config config = {
        .engine = engine,
        .queue_operations_max = QUEUE_MAX,
        .queue_bytes_max = 1 << 20,
        .flush_delay_us = FLUSH_DELAY_US,
        .sync_interval_us = SYNC_INTERVAL_US,
        .chains_max = 4,
        .cache_bytes = 1 << 20,
        .stages = &stages,
        .wake = on_wake,
    };
    ck_assert_int_eq(order_open(&config, &order, &failure), STATUS_OK);
    chain = chain_find(order_chains(order), slice_of("default", 7));
    ck_assert_ptr_nonnull(chain);
}

/* One step of the writer. */
static enum writer_progress step(void)
{
    thread_set_role(THREAD_WRITER);
    enum writer_progress progress = writer_step(order->writer, now_us);
    thread_set_role(THREAD_LOOP);
    return progress;
}

static void step_until_idle(void)
{
    while (step() == WRITER_STEPPED) {
    }
}

/* What an iteration of the loop does. */
static uint64_t iterate(void)
{
    order_drain_completions(order, now_us * 1000);
    return order_hand_over(order, now_us);
}

static void close_all(void)
{
    order_begin_stop(order);
    while (!order_is_idle(order)) {
        (void)iterate();
        step_until_idle();
    }
    order_close(order);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    directory_remove(&directory);
}

static void on_done(struct job *job)
{
    bool *done = job->owner;
    ck_assert(!*done); /* once */
    *done = true;
}

static void on_told(struct order_waiter *waiter)
{
    bool *told = waiter->owner;
    ck_assert(!*told);
    *told = true;
}

static struct job commit_of(enum level level, const struct job_block *block, bool *done)
{
    *done = false;
    struct job job = {.kind = JOB_COMMIT, .level = level, .chain = chain->id, .done = on_done, .owner = done};
    job.commit = (struct job_commit){.blocks = block, .block_count = 1, .rise_to = block->height};
    return job;
}

static uint64_t set_name(const char *name)
{
    struct failure failure;
    uint64_t sequence = 0;
    struct metadata_operation operation = {
        .kind = METADATA_SET, .name = slice_of(name, strlen(name)), .value = slice_of("value", 5)};
    ck_assert_int_eq(order_metadata(order, chain, &operation, 1, 0, now_us, &sequence, &failure),
                     ORDER_ACCEPTED);
    return sequence;
}

/* ---- tests ---- */

START_TEST(a_commit_is_seen_and_told_only_when_its_completion_is_drained)
{
    bool done;
    struct job_block block = {.height = 1, .data = slice_of("data", 4)};
    struct job job = commit_of(LEVEL_DURABLE, &block, &done);
    order_submit(order, &job, false, now_us * 1000);
    ck_assert_uint_eq(order_written_through(order), job.sequence - 1);
    (void)iterate();
    ck_assert(!done && chain->marks.height == 0);
    step_until_idle();
    ck_assert(order_has_completions(order));
    ck_assert(!done && chain->marks.height == 0);
    ck_assert_uint_eq(order_written_through(order), job.sequence - 1);
    (void)iterate();
    ck_assert(done && !order_has_completions(order));
    ck_assert_uint_eq(chain->marks.height, 1);
    ck_assert_uint_eq(order_written_through(order), job.sequence);
    ck_assert_uint_eq(order_durable_through(order), job.sequence);
}
END_TEST

START_TEST(metadata_goes_to_the_writer_when_it_is_as_old_as_the_flush_delay)
{
    uint64_t sequence = set_name("name");
    ck_assert_uint_eq(iterate(), FLUSH_DELAY_US);
    step_until_idle();
    now_us += FLUSH_DELAY_US - 1;
    ck_assert_uint_eq(iterate(), 1);
    ck_assert_int_eq(step(), WRITER_IDLE);
    now_us++;
    (void)iterate();
    step_until_idle();
    ck_assert_uint_eq(pending_operations(order_pending(order)), 1);
    (void)iterate();
    ck_assert_uint_eq(pending_operations(order_pending(order)), 0);
    ck_assert_uint_eq(order_written_through(order), sequence);
}
END_TEST

START_TEST(who_waits_for_metadata_to_be_durable_is_told_without_the_delay_and_the_interval)
{
    bool told = false;
    struct order_waiter waiter = {
        .sequence = set_name("name"), .level = LEVEL_DURABLE, .done = on_told, .owner = &told};
    order_wait(order, &waiter);
    for (int i = 0; i < 3 && !told; i++) {
        (void)iterate();
        step_until_idle();
    }
    (void)iterate();
    ck_assert(told);
    ck_assert_int_eq(waiter.status, STATUS_OK);
    ck_assert_uint_ge(order_durable_through(order), waiter.sequence);
}
END_TEST

START_TEST(the_open_group_stays_while_the_writer_has_one)
{
    for (int i = 0; i < QUEUE_MAX / SCHEDULE_QUEUE_DUE_PART; i++) {
        char name[] = {(char)('a' + i), '\0'};
        (void)set_name(name);
    }
    (void)iterate();
    ck_assert_uint_eq(order->groups_posted, 1);
    (void)set_name("behind");
    now_us += FLUSH_DELAY_US;
    (void)iterate();
    ck_assert_uint_eq(order->groups_posted, 1);
    step_until_idle();
    (void)iterate();
    ck_assert_uint_eq(order->groups_posted, 1); /* the second */
    ck_assert_uint_eq(pending_operations(order_pending(order)), 1);
}
END_TEST

START_TEST(commits_are_expected_for_a_while_after_one)
{
    bool done;
    struct job_block block = {.height = 1, .data = slice_of("data", 4)};
    struct job job = commit_of(LEVEL_DURABLE, &block, &done);
    ck_assert(!order_is_committing(order, now_us));
    order_submit(order, &job, false, now_us * 1000);
    ck_assert(order_is_committing(order, now_us + 10 * SCHEDULE_COMMITTING_US)); /* in flight */
    step_until_idle();
    (void)iterate();
    ck_assert(order_is_committing(order, now_us + SCHEDULE_COMMITTING_US - 1));
    ck_assert(!order_is_committing(order, now_us + SCHEDULE_COMMITTING_US));
}
END_TEST

enum { ROUNDS = 2000, NAMES = 20 };

struct random_commit {
    struct job job;
    struct job_block block;
    bool done;
};

/* Loop and writer take turns by chance, over commits and metadata by chance. */
START_TEST(numbers_never_go_back_and_a_commit_is_seen_exactly_when_it_is_told)
{
    struct random_source random = random_from(random_seed("order"));
    struct random_commit *last = NULL;
    uint64_t height = 0, written_before = 0, durable_before = 0;
    for (int i = 0; i < ROUNDS; i++) {
        now_us += random_below(&random, 2000);
        uint64_t choice = random_below(&random, 10);
        if (choice < 3 && pending_operations(order_pending(order)) < QUEUE_MAX - 1) {
            char name[] = {(char)('a' + (char)random_below(&random, NAMES)), '\0'};
            (void)set_name(name);
        } else if (choice < 5 && (last == NULL || last->done)) {
            free(last);
            last = memory_new(sizeof *last);
            last->block = (struct job_block){.height = ++height, .data = slice_of("data", 4)};
            last->job = commit_of(random_chance(&random, 50) ? LEVEL_DURABLE : LEVEL_WRITTEN, &last->block,
                                  &last->done);
            order_submit(order, &last->job, random_chance(&random, 20), now_us * 1000);
        } else if (choice < 8) {
            (void)iterate();
        } else {
            (void)step();
        }
        uint64_t written = order_written_through(order), durable = order_durable_through(order);
        ck_assert_uint_ge(written, written_before);
        ck_assert_uint_ge(durable, durable_before);
        ck_assert_uint_le(durable, written);
        ck_assert_uint_le(written, order_sequence(order));
        ck_assert_uint_eq(chain->marks.height, last == NULL ? 0 : height - !last->done);
        written_before = written;
        durable_before = durable;
    }
    while (last != NULL && !last->done) {
        step_until_idle();
        (void)iterate();
    }
    free(last);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("order", 20, &tests);
    tcase_add_checked_fixture(tests, open_all, close_all);
    tcase_add_test(tests, a_commit_is_seen_and_told_only_when_its_completion_is_drained);
    tcase_add_test(tests, metadata_goes_to_the_writer_when_it_is_as_old_as_the_flush_delay);
    tcase_add_test(tests, who_waits_for_metadata_to_be_durable_is_told_without_the_delay_and_the_interval);
    tcase_add_test(tests, the_open_group_stays_while_the_writer_has_one);
    tcase_add_test(tests, commits_are_expected_for_a_while_after_one);
    tcase_add_test(tests, numbers_never_go_back_and_a_commit_is_seen_exactly_when_it_is_told);
    return suite_run(suite, true);
}
