#include "tests/lib/order_fixture.h"

#include <check.h>
#include <string.h>

#include "daemon/runtime/thread.h"

static const char path[] = "order-fixture";

struct order_fixture order_fixture;

static void on_wake(void *context)
{
    (void)context;
}

void order_fixture_open_seeded(uint64_t seed)
{
    thread_set_role(THREAD_LOOP);
    order_fixture = (struct order_fixture){.now_us = 1000000000};
    order_fixture.disk = fake_disk_new(path, seed);
    numbers_fixture_open(&order_fixture.numbers, NULL);
    order_fixture_start_run();
}

void order_fixture_open(void)
{
    order_fixture_open_seeded(1);
}

void order_fixture_close(void)
{
    order_fixture_end_run();
    numbers_fixture_close(&order_fixture.numbers);
    fake_disk_free(order_fixture.disk);
}

enum status order_fixture_try_run(struct failure *failure)
{
    struct engine_config engine_config = {.path = path, .create = true, .cache_bytes_max = 1 << 20};
    ck_assert_int_eq(engine_open(&engine_fake, &engine_config, &order_fixture.engine, failure), ENGINE_OK);
    numbers_fixture_reopen(&order_fixture.numbers);
    struct order_config config = {
        .engine = order_fixture.engine,
        .numbers = &order_fixture.numbers.numbers,
        .queue_operations_max = ORDER_FIXTURE_QUEUE_MAX,
        .queue_bytes_max = ORDER_FIXTURE_QUEUE_BYTES_MAX,
        .flush_delay_us = ORDER_FIXTURE_FLUSH_DELAY_US,
        .sync_interval_us = ORDER_FIXTURE_SYNC_INTERVAL_US,
        .chains_max = ORDER_FIXTURE_CHAINS_MAX,
        .cache_bytes = 1 << 20,
        .stages = &order_fixture.stages,
        .wake = on_wake,
    };
    order_fixture.order = NULL;
    return order_open(&config, &order_fixture.order, failure);
}

void order_fixture_start_run(void)
{
    struct failure failure;
    ck_assert_msg(order_fixture_try_run(&failure) == STATUS_OK, "%s", failure.text);
    order_fixture.chain = chain_find(order_chains(order_fixture.order), slice_of("default", 7));
    ck_assert_ptr_nonnull(order_fixture.chain);
}

void order_fixture_end_run(void)
{
    order_close(order_fixture.order);
    engine_close(order_fixture.engine, ENGINE_CLOSE_CLEAN);
    order_fixture.order = NULL;
    order_fixture.engine = NULL;
}

uint64_t order_fixture_iterate(void)
{
    order_drain_completions(order_fixture.order, order_fixture.now_us * 1000);
    return order_hand_over(order_fixture.order, order_fixture.now_us);
}

enum writer_progress order_fixture_step(void)
{
    thread_set_role(THREAD_WRITER);
    enum writer_progress progress = writer_step(order_fixture.order->writer, order_fixture.now_us);
    thread_set_role(THREAD_LOOP);
    return progress;
}

void order_fixture_step_until_idle(void)
{
    while (order_fixture_step() == WRITER_STEPPED) {
    }
}

void order_fixture_settle(void)
{
    const struct order *order = order_fixture.order;
    do {
        order_fixture.now_us += ORDER_FIXTURE_FLUSH_DELAY_US;
        (void)order_fixture_iterate();
        order_fixture_step_until_idle();
        (void)order_fixture_iterate();
    } while (order_failure(order) == NULL &&
             (order_has_jobs(order) || pending_operations(order_pending(order)) > 0 ||
              order_has_completions(order)));
}

/* ---- what is submitted ---- */

static void on_done(struct job *job)
{
    struct order_commit *commit = job->owner;
    ck_assert(!commit->is_done); /* once */
    commit->is_done = true;
}

void order_commit_init(struct order_commit *commit, enum level level, uint64_t height)
{
    *commit = (struct order_commit){.block = {.height = height, .data = slice_of("data", 4)}};
    commit->job = (struct job){
        .kind = JOB_COMMIT,
        .level = level,
        .chain = order_fixture.chain->id,
        .commit = {.blocks = &commit->block, .block_count = 1, .rise_to = height},
        .metadata = &commit->operation,
        .done = on_done,
        .owner = commit,
    };
}

void order_commit_submit(struct order_commit *commit, bool carry)
{
    order_submit(order_fixture.order, &commit->job, carry, order_fixture.now_us * 1000);
}

enum order_acceptance order_fixture_try_set(char name, const char *value, uint64_t resend_of,
                                            uint64_t *ret_sequence, struct failure *failure)
{
    struct metadata_operation operation = {
        .kind = METADATA_SET, .name = slice_of(&name, 1), .value = slice_of(value, strlen(value))};
    return order_metadata(order_fixture.order, order_fixture.chain, &operation, 1, resend_of,
                          order_fixture.now_us, ret_sequence, failure);
}

uint64_t order_fixture_set(char name, const char *value)
{
    struct failure failure;
    uint64_t sequence = 0;
    ck_assert_int_eq(order_fixture_try_set(name, value, 0, &sequence, &failure), ORDER_ACCEPTED);
    return sequence;
}

static void on_told(struct order_waiter *waiter)
{
    struct order_wait *wait = waiter->owner;
    ck_assert(!wait->is_told); /* once */
    wait->is_told = true;
}

void order_wait_begin(struct order_wait *wait, uint64_t sequence, enum level level)
{
    *wait =
        (struct order_wait){.waiter = {.sequence = sequence, .level = level, .done = on_told, .owner = wait}};
    order_wait(order_fixture.order, &wait->waiter);
}

/* ---- what the disk holds ---- */

bool order_fixture_has_block(uint64_t height)
{
    struct failure failure;
    struct key key = key_of_height(order_fixture.chain->id, KEY_HEADER, height);
    struct engine_value value = {0};
    enum engine_result result =
        engine_get(order_fixture.engine, NULL, ENGINE_MAY_BLOCK, key_slice(&key), &value, &failure);
    ck_assert_int_ne(result, ENGINE_FAILED);
    engine_value_release(&value);
    return result == ENGINE_OK;
}

char order_fixture_disk_value(char name)
{
    struct failure failure;
    struct key key = key_of_name(order_fixture.chain->id, KEY_METADATA, slice_of(&name, 1));
    struct engine_value value = {0};
    enum engine_result result =
        engine_get(order_fixture.engine, NULL, ENGINE_MAY_BLOCK, key_slice(&key), &value, &failure);
    ck_assert_int_ne(result, ENGINE_FAILED);
    char first = '\0';
    if (result == ENGINE_OK && value.bytes.bytes > RECORD_METADATA_HEAD_BYTES) {
        first = (char)value.bytes.data[RECORD_METADATA_HEAD_BYTES];
    }
    engine_value_release(&value);
    return first;
}
