/* What stands for the threads and the loop library:
 *
 * - The writer is a task that steps for ever; each piece of the pool's work is one that runs once, and the loop hears of its end in a later
 *   iteration.
 * - An iteration calls what server_iterate calls, in its order, behind what libuv would have called.
 * - A daemon that is taken down, crashed or not, ends as one that stops does, so that each leak and each request that does not end
 *   shows; behind a crash the disk takes nothing any more. */
#include <assert.h>
#include <check.h>
#include <stdlib.h>

#include "daemon/order/order_internal.h"
#include "daemon/runtime/memory.h"
#include "daemon/serve/read.h"
#include "daemon/serve/stream.h"
#include "tests/fault/simulation_claim_model.h"
#include "tests/fault/simulation_daemon_internal.h"
#include "tests/fault/simulation_engine.h"

enum {
    STREAM_TIMEOUT_US = 30000000, /* the setting's default */
    STREAMS_MAX = 4,              /* few, so that some wait */
    FRAME_BYTES = 1 << 20,
    TAKE_DOWN_STEPS_MAX = 1000000,
};

struct simulated simulated;

#define SPACE_LOG_BYTES  (UINT64_C(64) << 20)
#define SPACE_SOFT_BYTES (UINT64_C(1) << 30) /* above the hard mark, and below the soft one */

static const char *const paths[] = {"simulation", "copy"}; /* of the two disks */
static struct numbers first_numbers; /* for PLANT_NUMBERS_REPEAT: what the second start found */
static bool has_first_numbers;

/* ---- the writer ---- */

static void writer_main(void *argument)
{
    (void)argument;
    while (!simulated.writer_leaves) {
        enum writer_progress progress = writer_step(simulated.service.order->writer, thread_now_us());
        assert(progress != WRITER_ENDED); /* nobody has asked it to */
        simulated.progress += progress != WRITER_IDLE;
        task_pause_us(0);
    }
}

uint64_t simulated_progress(void)
{
    return simulated.progress;
}

void simulated_step_writer(void)
{
    if (simulated.writer != NULL && task_is_due(simulated.writer) && task_step(simulated.writer)) {
        simulated.writer = NULL;
    }
}

static void on_wake(void *context)
{
    (void)context;
    simulated.progress++;
}

/* ---- the pool ---- */

void simulated_queue_work(void *work, void (*run)(void *work), void (*done)(void *work))
{
    struct simulated_work **last = &simulated.works;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = memory_new(sizeof **last);
    **last = (struct simulated_work){.work = work, .run = run, .done = done};
    simulated.progress++;
}

static void run_work(void *argument)
{
    struct simulated_work *work = argument;
    work->run(work->work);
}

static bool can_step(const struct simulated_work *work)
{
    return !work->has_run && (work->task == NULL || task_is_due(work->task));
}

void simulated_step_pool(void)
{
    uint64_t count = 0;
    for (const struct simulated_work *work = simulated.works; work != NULL; work = work->next) {
        count += can_step(work);
    }
    if (count == 0) {
        return;
    }
    uint64_t chosen = scheduler_below(count);
    struct simulated_work *work = simulated.works;
    while (!can_step(work) || chosen-- > 0) {
        work = work->next;
    }
    if (work->task == NULL) {
        work->task = task_new(THREAD_POOL, run_work, work);
    }
    if (task_step(work->task)) {
        work->task = NULL;
        work->has_run = true;
    }
    simulated.progress++;
}

/* The loop hears of some of what has run. */
static void finish_works(void)
{
    for (struct simulated_work **link = &simulated.works; *link != NULL;) {
        struct simulated_work *work = *link;
        if (!work->has_run || scheduler_chance(20)) {
            link = &work->next;
            continue;
        }
        *link = work->next;
        simulated.progress++;
        work->done(work->work); /* may queue more, behind all others */
        free(work);
        link = &simulated.works; /* what stood before may be another list by now */
    }
}

/* ---- opening ---- */

void simulated_begin(uint64_t seed)
{
    memset(&simulated, 0, sizeof simulated);
    simulated.store.path = paths[0];
    simulated.store.disk = fake_disk_new(paths[0], seed);
    has_first_numbers = false;
}

static void store_end(struct simulated_store *store)
{
    if (store->has_numbers) {
        numbers_fixture_close(&store->numbers);
    }
    fake_disk_free(store->disk);
    *store = (struct simulated_store){0};
}

void simulated_copy_store(uint64_t seed)
{
    const struct simulated_store *store = &simulated.store;
    struct simulated_store *other = &simulated.other;
    assert(!simulated_is_open() && store->has_numbers);
    store_end(other);
    other->path = store->path == paths[0] ? paths[1] : paths[0];
    other->disk = fake_disk_copy(store->disk, other->path, seed);
    other->has_numbers = true;
    numbers_fixture_open(&other->numbers, &store->numbers.numbers);
    scheduler_note("copy", seed, 0);
}

void simulated_swap_stores(void)
{
    static struct simulated_store aside; /* too large for a function's stack */
    assert(!simulated_is_open() && simulated.other.disk != NULL);
    aside = simulated.store;
    simulated.store = simulated.other;
    simulated.other = aside;
    scheduler_note("swap", 0, 0);
}

static void open_numbers(void)
{
    struct numbers_fixture *fixture = &simulated.store.numbers;
    if (!simulated.store.has_numbers) {
        simulated.store.has_numbers = true;
        numbers_fixture_open(fixture, NULL);
        return;
    }
    if (simulated_plan.plant == PLANT_NUMBERS_REPEAT && has_first_numbers) {
        struct failure failure;
        struct numbers *numbers = &fixture->numbers;
        numbers_close(numbers);
        *numbers = first_numbers;
        ck_assert(numbers_make(fixture->directory_fd, numbers, &failure) == NUMBERS_OK);
    } else {
        numbers_fixture_reopen(fixture);
    }
    if (!has_first_numbers) {
        has_first_numbers = true;
        first_numbers = fixture->numbers;
        first_numbers.file.fd = -1;
    }
}

static void make_service(const struct simulated_limits *limits)
{
    static const struct roles roles; /* no list */
    const struct budget_limits budget = {
        .frame_bytes_max = FRAME_BYTES, .requests_bytes_max = 2 * FRAME_BYTES, .replies_bytes_max = 32 << 20};
    struct service *service = &simulated.service;
    service->roles = &roles;
    service->stages = &simulated.stages;
    service->frame_bytes_max = FRAME_BYTES;
    service->value_bytes_max = QUEUED_VALUE_BYTES_MAX;
    service->queue_operations_max = limits->queue_operations_max;
    service->queue_bytes_max = limits->queue_bytes_max;
    service->claim_grace_us = CLAIM_GRACE_US;
    service->started_us = thread_now_us();
    service->budget = budget_new(&budget);
    service->turns = turns_new();
    service->pool = pool_new(&simulated, service->budget, service->turns, NULL);
    service->streams = stream_set_new(service, STREAMS_MAX, STREAM_TIMEOUT_US);
    simulated.reclaim = reclaim_new(service->engine, service->order, service->pool);
}

bool simulated_open(const struct simulated_limits *limits, struct failure *failure)
{
    struct service *service = &simulated.service;
    *service = (struct service){0};
    simulated.stages = (struct stages){0};
    open_numbers();
    if (simulated_engine_open(simulated.store.disk, simulated.store.path, &service->engine, failure) !=
        ENGINE_OK) {
        return false;
    }
    struct order_config config = {
        .engine = service->engine,
        .numbers = &simulated.store.numbers.numbers,
        .queue_operations_max = limits->queue_operations_max,
        .queue_bytes_max = limits->queue_bytes_max,
        .flush_delay_us = limits->flush_delay_us,
        .sync_interval_us = limits->sync_interval_us,
        .chains_max = SIMULATED_CHAINS,
        .cache_bytes = 64 << 10,
        .stages = &simulated.stages,
        .now_us = thread_now_us(),
        .wake = on_wake,
    };
    if (order_open(&config, &service->order, failure) != STATUS_OK) {
        engine_close(service->engine, ENGINE_CLOSE_CLEAN);
        return false;
    }
    make_service(limits);
    simulated.writer_leaves = false;
    simulated.writer = task_new(THREAD_WRITER, writer_main, NULL);
    scheduler_note("open", order_run(service->order), order_sequence(service->order));
    return true;
}

/* ---- an iteration ---- */

static uint64_t earlier(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

/* What the daemon's watch over free space would have found. */
static void note_space(void)
{
    struct order *order = simulated.service.order;
    struct space_look look = {.free_bytes = UINT64_MAX};
    if (simulated_plan.space > 0) {
        look.log_bytes = SPACE_LOG_BYTES;
        look.compaction_bytes = 2 * SPACE_SOFT_BYTES;
        look.free_bytes = simulated_plan.space == 1 ? SPACE_SOFT_BYTES : 0;
    }
    if (simulated_plan.space > 0 || order_space_state(order) != SPACE_ENOUGH) {
        order_note_space(order, &look, order_space_counted(order));
    }
}

/* As server_iterate does, behind what the loop library calls between two iterations. */
void simulated_iterate(void)
{
    struct service *service = &simulated.service;
    note_space();
    finish_works();
    simulated_start_frames();
    uint64_t now_ns = thread_now_ns(), now_us = now_ns / 1000;
    order_drain_completions(service->order, now_ns);
    simulated_start_waiting(now_us);
    for (unsigned i = 0; i < SIMULATED_CLIENTS; i++) {
        if (simulated.clients[i].is_open) {
            (void)stream_go_on(&simulated.clients[i].session, UINT64_MAX);
            read_go_on(&simulated.clients[i].session);
        }
    }
    uint64_t next_us = order_hand_over(service->order, now_us);
    next_us = earlier(next_us, reclaim_iterate(simulated.reclaim, now_us));
    next_us = earlier(next_us, stream_set_iterate(service->streams, now_us));
    next_us = earlier(next_us, pool_iterate(service->pool, now_us));
    simulated.due_us = next_us == UINT64_MAX ? UINT64_MAX : now_us + next_us;
}

uint64_t simulated_due_us(void)
{
    uint64_t now_us = scheduler_now_us();
    uint64_t due_us = simulated.due_us > now_us ? simulated.due_us : UINT64_MAX;
    if (simulated.writer != NULL && !task_is_due(simulated.writer)) {
        due_us = earlier(due_us, task_due_us(simulated.writer));
    }
    for (const struct simulated_work *work = simulated.works; work != NULL; work = work->next) {
        if (work->task != NULL && !task_is_due(work->task)) {
            due_us = earlier(due_us, task_due_us(work->task));
        }
    }
    return due_us;
}

/* ---- ends ---- */

void simulated_kill(void)
{
    fake_disk_kill(simulated.store.disk);
    scheduler_note("kill", 0, 0);
}

void simulated_cut(void)
{
    fake_disk_cut(simulated.store.disk);
    scheduler_note("cut", 0, 0);
}

void simulated_begin_stop(void)
{
    simulated.service.draining = true;
    order_begin_stop(simulated.service.order);
    reclaim_stop(simulated.reclaim);
    scheduler_note("stop", 0, 0);
}

bool simulated_has_stopped(void)
{
    return order_is_idle(simulated.service.order) && turns_count(simulated.service.turns, TURNS_ROOM) == 0;
}

uint64_t simulated_left_out(void)
{
    return order_left_out(simulated.service.order)->raises;
}

bool simulated_queue_lacks_room(void)
{
    return order_queue_lacks_room(simulated.service.order);
}

const struct failure *simulated_failure(void)
{
    return order_failure(simulated.service.order);
}

bool simulated_is_idle(void)
{
    uint64_t in_flight = 0;
    for (unsigned i = 0; i < SIMULATED_CLIENTS; i++) {
        in_flight += simulated.clients[i].in_flight;
    }
    return in_flight == 0 && simulated.works == NULL;
}

/* What is under way ends: tasks, requests, the writer. */
static void run_out(void)
{
    struct service *service = &simulated.service;
    if (!service->draining) {
        simulated_begin_stop();
    }
    for (unsigned steps = 0;; steps++) {
        ck_assert_msg(steps < TAKE_DOWN_STEPS_MAX, "the daemon does not end");
        bool is_written = order_failure(service->order) != NULL || order_is_idle(service->order);
        if (simulated_is_idle() && reclaim_is_idle(simulated.reclaim) && is_written) {
            break;
        }
        simulated_iterate();
        simulated_step_writer();
        simulated_step_pool();
        scheduler_pass_us(scheduler_below(10000));
    }
    simulated.writer_leaves = true;
    while (simulated.writer != NULL) {
        scheduler_pass_us(1000);
        simulated_step_writer();
    }
}

void simulated_close(void)
{
    struct service *service = &simulated.service;
    for (unsigned i = 0; i < SIMULATED_CLIENTS; i++) {
        simulated_hang_up(i);
    }
    run_out();
    assert(budget_requests_bytes(service->budget) == 0 && budget_answers_bytes(service->budget) == 0);
    for (unsigned i = 0; i < SIMULATED_CLIENTS; i++) {
        turns_leave(service->turns, &simulated.clients[i].session.member);
        simulated.clients[i] = (struct simulated_client){0};
    }
    reclaim_free(simulated.reclaim);
    stream_set_free(service->streams);
    pool_free(service->pool);
    turns_free(service->turns);
    budget_free(service->budget);
    order_close(service->order);
    engine_close(service->engine, ENGINE_CLOSE_CLEAN);
    *service = (struct service){0};
    scheduler_note("close", 0, 0);
}

bool simulated_is_open(void)
{
    return simulated.service.order != NULL;
}

void simulated_end(void)
{
    store_end(&simulated.store);
    store_end(&simulated.other);
    memset(&simulated, 0, sizeof simulated);
}
