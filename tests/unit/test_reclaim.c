/* Reclaim, on the fake engine: which ranges it asks the engine for and when, that a failure is tried again and holds up no other
 * chain, and that the engine's maintenance runs when it is due. */
#include <check.h>
#include <uv.h>

#include "daemon/engine/engine_type.h"
#include "daemon/maintain/reclaim.h"
#include "daemon/order/order_internal.h"
#include "daemon/runtime/budget.h"
#include "daemon/runtime/thread.h"
#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/numbers_fixture.h"
#include "tests/lib/suite.h"

enum {
    RETRY_US = 30000000,
    INTERVAL_US = 15000000,
    HELD_US = 1000000,
    LOW_US = 1000000,
    QUIET_US = 3000000,
    WAIT_US_MIN = 30000000,
    WAIT_US_MAX = 600000000,
    MANY = 4096,
    MAINTAIN_INTERVAL_US = 5000000,
    RANGES_OF_BLOCKS = 3, /* data, headers, and what is bound to blocks */
    RANGES_OF_FIRST = 5,  /* of a chain after a start: those above its height, states, names */
    RANGES_MAX = 100,
    ITERATIONS = 10,
};

struct range {
    struct key from, to;
};

static uv_loop_t loop;
static struct fake_disk *disk;
static struct engine *engine;
static struct numbers_fixture numbers;
static struct stages stages;
static struct order *order;
static struct budget *budget;
static struct turns *turns;
static struct pool *pool;
static struct reclaim *reclaim;
static struct chain *chains[2];
static struct engine_type recorded; /* the fake, but that ranges are recorded */
static struct range ranges[RANGES_MAX];
static size_t range_count;
static unsigned rests;         /* asked for without a range */
static uint32_t failing_chain; /* 0: none */
static uint64_t freed_bytes;   /* by each range */
static uint64_t skipped_us;    /* how far the loop's clock is ahead */

/* ---- fixture ---- */

static void on_wake(void *context)
{
    (void)context;
}

static void open_order(void)
{
    struct failure failure;
    struct engine_config engine_config = {.path = "disk", .create = true};
    disk = fake_disk_new("disk", 1);
    numbers_fixture_open(&numbers, NULL);
    ck_assert_int_eq(engine_open(&engine_fake, &engine_config, &engine, &failure), ENGINE_OK);
    struct order_config config = {
        .engine = engine,
        .numbers = &numbers.numbers,
        .queue_operations_max = 100,
        .queue_bytes_max = 1 << 20,
        .flush_delay_us = 1000,
        .sync_interval_us = 1000,
        .chains_max = 4,
        .cache_bytes = 1 << 20,
        .stages = &stages,
        .wake = on_wake,
    };
    ck_assert_int_eq(order_open(&config, &order, &failure), STATUS_OK);
}

/* Each range that the engine is asked for, and the chain for which it fails. */
static enum engine_result recorded_reclaim(struct engine *asked, struct slice from, struct slice to,
                                           bool is_quiet, uint64_t *ret_freed_bytes, struct failure *failure)
{
    ck_assert(thread_is(THREAD_POOL));
    ck_assert_uint_lt(range_count, RANGES_MAX);
    if (slice_equal(from, to)) {
        ck_assert(is_quiet);
        rests++;
        *ret_freed_bytes = 0;
        return ENGINE_OK;
    }
    struct range *range = &ranges[range_count++];
    ck_assert(from.bytes <= sizeof range->from.data && to.bytes <= sizeof range->to.data);
    memcpy(range->from.data, from.data, range->from.bytes = from.bytes);
    memcpy(range->to.data, to.data, range->to.bytes = to.bytes);
    if (failing_chain != 0 && key_of_kind(failing_chain, KEY_DATA).data[3] == from.data[3]) {
        failure_set(failure, STATUS_IO_ERROR, "fault injected");
        return ENGINE_FAILED;
    }
    enum engine_result result = engine_fake.reclaim(asked, from, to, is_quiet, ret_freed_bytes, failure);
    *ret_freed_bytes = freed_bytes;
    return result;
}

static void setup(void)
{
    const struct budget_limits limits = {
        .frame_bytes_max = 1 << 20, .requests_bytes_max = 2 << 20, .replies_bytes_max = 1 << 20};
    thread_set_role(THREAD_LOOP);
    open_order();
    recorded = engine_fake;
    recorded.reclaim = recorded_reclaim;
    engine->type = &recorded;
    budget = budget_new(&limits);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    turns = turns_new();
    pool = pool_new(&loop, budget, turns, NULL);
    reclaim = reclaim_new(engine, order, pool);
    chains[0] = chain_find(order_chains(order), slice_of("default", 7));
    chains[1] = chain_add(order_chains(order), slice_of("other", 5), 0);
    chains[1]->visible = true;
    chains[0]->is_looked_through = chains[1]->is_looked_through = true;
    order->counters.commits++; /* written a moment ago: not quiet */
}

/* What reclaim had written is written, and is told. */
static void step_writer(void)
{
    uint64_t now_us = thread_now_us();
    thread_set_role(THREAD_WRITER);
    while (writer_step(order->writer, now_us) == WRITER_STEPPED) {
    }
    thread_set_role(THREAD_LOOP);
    order_drain_completions(order, now_us * 1000);
}

static void teardown(void)
{
    reclaim_stop(reclaim);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(reclaim_is_idle(reclaim));
    reclaim_free(reclaim);
    reclaim_free(NULL);
    pool_free(pool);
    turns_free(turns);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    budget_free(budget);
    step_writer();
    order_close(order);
    numbers_fixture_close(&numbers);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    fake_disk_free(disk);
}

/* What a few iterations of the loop do; returns what the last turn said. */
static uint64_t iterate(void)
{
    uint64_t wait_us = 0;
    for (int i = 0; i < ITERATIONS; i++) {
        wait_us = reclaim_iterate(reclaim, thread_now_us() + skipped_us);
        uv_run(&loop, UV_RUN_DEFAULT);
    }
    return wait_us;
}

static void prune(struct chain *chain, uint64_t blocks_swept, uint64_t states_from)
{
    chain->marks.blocks_swept = blocks_swept;
    chain->marks.states_from = states_from;
    order->counters.prunes++;
}

/* Heights from..through of that kind. */
static void assert_range(size_t number, const struct chain *chain, enum key_kind kind, uint64_t from,
                         uint64_t through)
{
    struct key first = key_of_height(chain->id, kind, from);
    struct key behind = key_behind_height(chain->id, kind, through);
    ck_assert_uint_lt(number, range_count);
    ck_assert(slice_equal(key_slice(&ranges[number].from), key_slice(&first)));
    ck_assert(slice_equal(key_slice(&ranges[number].to), key_slice(&behind)));
}

/* ---- tests ---- */

START_TEST(after_a_start_each_pruned_chain_is_reclaimed_once)
{
    prune(chains[0], 10, 5);
    prune(chains[1], 3, 0);
    (void)iterate();
    ck_assert_uint_eq(range_count, 2 * RANGES_OF_BLOCKS + 1);
    assert_range(0, chains[0], KEY_DATA, 1, 10);
    assert_range(1, chains[0], KEY_HEADER, 1, 10);
    assert_range(2, chains[0], KEY_BOUND, 1, 10);
    assert_range(3, chains[0], KEY_STATE, 0, 4);
    assert_range(4, chains[1], KEY_DATA, 1, 3);
    skipped_us += 100 * INTERVAL_US;
    (void)iterate();
    ck_assert_uint_eq(range_count, 2 * RANGES_OF_BLOCKS + 1);
}
END_TEST

START_TEST(a_later_prune_is_reclaimed_after_the_interval_and_only_what_is_new)
{
    prune(chains[0], 10, 5);
    (void)iterate();
    size_t before = range_count;
    prune(chains[0], 20, 5);
    uint64_t wait_us = iterate();
    ck_assert_uint_eq(range_count, before);
    ck_assert(wait_us > 0 && wait_us <= INTERVAL_US);
    skipped_us += INTERVAL_US;
    (void)iterate();
    ck_assert_uint_eq(range_count, before + RANGES_OF_BLOCKS);
    assert_range(before, chains[0], KEY_DATA, 11, 20);
}
END_TEST

START_TEST(a_chain_that_is_not_visible_is_left_alone)
{
    chains[1]->visible = false;
    prune(chains[1], 10, 5);
    (void)iterate();
    ck_assert_uint_eq(range_count, 0);
}
END_TEST

START_TEST(a_range_that_failed_is_tried_again_later)
{
    prune(chains[0], 10, 0);
    fake_disk_fault(disk, FAKE_RECLAIM, FAKE_FAILS, 2);
    uint64_t wait_us = iterate();
    ck_assert_uint_eq(range_count, RANGES_OF_BLOCKS); /* those behind it may give the room that it lacked */
    ck_assert_uint_eq(chains[0]->blocks_reclaimed, 0);
    ck_assert(wait_us > 0 && wait_us <= RETRY_US);
    skipped_us += RETRY_US;
    (void)iterate();
    ck_assert_uint_eq(range_count, 2 * RANGES_OF_BLOCKS);
    ck_assert_uint_eq(chains[0]->blocks_reclaimed, 10);
}
END_TEST

START_TEST(a_chain_that_always_fails_holds_up_no_other)
{
    failing_chain = chains[0]->id;
    prune(chains[0], 10, 0);
    prune(chains[1], 10, 0);
    for (int i = 0; i < 4; i++) {
        (void)iterate();
        skipped_us += RETRY_US;
    }
    ck_assert_uint_eq(chains[0]->blocks_reclaimed, 0);
    ck_assert_uint_eq(chains[1]->blocks_reclaimed, 10);
    ck_assert_uint_ge(range_count, RANGES_OF_BLOCKS + 3); /* and is tried each time */
}
END_TEST

/* What the stop cuts short is not taken for done: the next run asks again. */
START_TEST(after_a_stop_nothing_starts_and_what_runs_ends)
{
    _i == 0 ? prune(chains[0], 10, 5) : gone_add(chain_gone(order_chains(order)), 3, 4);
    fake_disk_close_gate(disk, FAKE_RECLAIM, FAKE_BEFORE);
    (void)reclaim_iterate(reclaim, thread_now_us());
    fake_disk_await(disk, FAKE_RECLAIM, FAKE_BEFORE);
    reclaim_stop(reclaim);
    reclaim_end(reclaim);
    uv_run(&loop, UV_RUN_DEFAULT);
    uint64_t before = fake_disk_calls(disk, FAKE_MAINTAIN) + fake_disk_calls(disk, FAKE_RECLAIM) +
                      fake_disk_calls(disk, FAKE_WRITE);
    step_writer();
    prune(chains[0], 20, 5);
    skipped_us += 100 * INTERVAL_US;
    ck_assert_uint_eq(iterate(), UINT64_MAX);
    ck_assert_uint_eq(before, fake_disk_calls(disk, FAKE_MAINTAIN) + fake_disk_calls(disk, FAKE_RECLAIM) +
                                  fake_disk_calls(disk, FAKE_WRITE));
    ck_assert(reclaim_is_idle(reclaim) && chains[0]->blocks_reclaimed == 0);
}
END_TEST

START_TEST(maintenance_runs_when_keys_were_deleted_and_when_it_is_due)
{
    (void)iterate(); /* the first turn after a start counts as one with deletes */
    ck_assert_uint_gt(fake_disk_calls(disk, FAKE_MAINTAIN), 0);
    uint64_t wait_us = iterate(), before = fake_disk_calls(disk, FAKE_MAINTAIN);
    (void)iterate();
    ck_assert_uint_eq(fake_disk_calls(disk, FAKE_MAINTAIN), before);
    order->counters.rollbacks++;
    (void)iterate();
    ck_assert_uint_eq(fake_disk_calls(disk, FAKE_MAINTAIN), before + 1);
    /* the fake has nothing to do before something is reclaimed */
    ck_assert(wait_us > 0 && wait_us <= INTERVAL_US);
}
END_TEST

START_TEST(maintenance_goes_on_while_a_range_is_reclaimed)
{
    prune(chains[0], 10, 5);
    fake_disk_close_gate(disk, FAKE_RECLAIM, FAKE_BEFORE);
    (void)reclaim_iterate(reclaim, thread_now_us());
    fake_disk_await(disk, FAKE_RECLAIM, FAKE_BEFORE);
    for (uint64_t before = 0; before < 5; before = fake_disk_calls(disk, FAKE_MAINTAIN)) {
        skipped_us += MAINTAIN_INTERVAL_US;
        (void)reclaim_iterate(reclaim, thread_now_us() + skipped_us);
        uv_run(&loop, UV_RUN_NOWAIT);
        sleep_ms(1);
    }
    ck_assert_uint_eq(fake_disk_calls(disk, FAKE_RECLAIM), 1);
    fake_disk_open_gate(disk, FAKE_RECLAIM, FAKE_BEFORE);
    (void)iterate();
    ck_assert_uint_eq(chains[0]->blocks_reclaimed, 10);
}
END_TEST

static void assert_kind(size_t number, const struct chain *chain, enum key_kind kind)
{
    struct key first = key_of_kind(chain->id, kind), behind = key_behind_kind(chain->id, kind);
    ck_assert_uint_lt(number, range_count);
    ck_assert(slice_equal(key_slice(&ranges[number].from), key_slice(&first)));
    ck_assert(slice_equal(key_slice(&ranges[number].to), key_slice(&behind)));
}

/* Lets so much time pass without a write. */
static void pass(uint64_t us)
{
    (void)iterate();
    skipped_us += us;
    (void)iterate();
}

START_TEST(after_a_start_each_chain_is_looked_through_once_it_is_quiet)
{
    chains[1]->is_looked_through = false;
    chains[1]->marks.height = 7;
    (void)iterate();
    ck_assert_uint_eq(range_count, 0);
    pass(INTERVAL_US);
    ck_assert_uint_eq(range_count, RANGES_OF_FIRST);
    assert_range(0, chains[1], KEY_DATA, 8, UINT64_MAX);
    assert_range(1, chains[1], KEY_HEADER, 8, UINT64_MAX);
    assert_range(2, chains[1], KEY_BOUND, 8, UINT64_MAX);
    assert_kind(3, chains[1], KEY_STATE);
    assert_kind(4, chains[1], KEY_METADATA);
    pass(100 * (uint64_t)INTERVAL_US);
    ck_assert_uint_eq(range_count, RANGES_OF_FIRST);
}
END_TEST

START_TEST(what_a_rollback_dropped_is_due_at_once)
{
    struct job job = {.kind = JOB_ROLLBACK, .rollback = {.to = 5}, .counts = {.blocks = 2, .states = 1}};
    dropped_by_job(&chains[0]->dropped, &chains[0]->tops, &job);
    (void)iterate();
    assert_range(0, chains[0], KEY_DATA, 6, UINT64_MAX);
    assert_range(3, chains[0], KEY_STATE, 6, UINT64_MAX);
    ck_assert_uint_eq(range_count, RANGES_OF_BLOCKS + 1); /* two hashes are too few */
    ck_assert_uint_eq(dropped_count(&chains[0]->dropped), 0);
}
END_TEST

START_TEST(much_is_due_at_once_and_little_when_it_is_quiet)
{
    chains[0]->dropped.deleted = MANY;
    chains[1]->dropped.deleted = MANY - 1;
    chains[1]->dropped.names = MANY; /* a set name after the other is what a node does all day */
    (void)iterate();
    assert_kind(0, chains[0], KEY_METADATA);
    for (int i = 0; i < 5; i++) {
        skipped_us += INTERVAL_US;
        order->counters.metadata_accepted++;
        (void)iterate();
    }
    ck_assert_uint_eq(range_count, 1);
    ck_assert_uint_eq(rests, 0);
    pass(INTERVAL_US);
    ck_assert_uint_eq(range_count, 2);
    assert_kind(1, chains[1], KEY_METADATA);
    ck_assert_uint_eq(rests, 1); /* of the first, once */
    pass(INTERVAL_US);
    ck_assert_uint_eq(rests, 1);
}
END_TEST

static void note_space(uint64_t free_bytes)
{
    const struct space_look look = {
        .free_bytes = free_bytes, .log_bytes = 1 << 20, .compaction_bytes = 9 << 20};
    order_note_space(order, &look, 0);
}

/* Sixteen times as soon as otherwise, and once space is back as ever. */
START_TEST(while_space_is_low_many_replaced_values_are_due_without_quiet)
{
    freed_bytes = 1 << 20;
    ck_assert_uint_gt(iterate(), LOW_US);
    note_space(2 << 20);
    for (size_t i = 1; i <= 3; i++) {
        chains[0]->dropped.names = MANY;
        order->counters.commits++;
        ck_assert_uint_le(iterate(), LOW_US);
        skipped_us += i > 1 ? WAIT_US_MIN / 8 : 0; /* the first is due at once */
        (void)iterate();
        ck_assert_uint_eq(range_count, i);
        assert_kind(i - 1, chains[0], KEY_METADATA);
    }
    chains[0]->dropped.names = MANY - 1;
    for (int i = 0; i < 5; i++) {
        if (i == 1) {
            note_space(UINT64_C(1) << 40);
            chains[0]->dropped.names = MANY;
        }
        skipped_us += INTERVAL_US;
        order->counters.commits++;
        (void)iterate();
        ck_assert_uint_eq(range_count, 3);
    }
}
END_TEST

START_TEST(a_range_of_names_is_due_at_once_and_then_after_a_wait)
{
    pass(INTERVAL_US);
    size_t before = range_count;
    chains[0]->dropped.ranges = 1;
    order->counters.metadata_accepted++; /* it is not quiet */
    skipped_us += INTERVAL_US;
    (void)iterate();
    (void)iterate();
    ck_assert_uint_eq(range_count, before + 1);
    assert_kind(before, chains[0], KEY_METADATA);
    chains[0]->dropped.ranges = 1;
    for (uint64_t us = 0; us < WAIT_US_MIN - INTERVAL_US; us += INTERVAL_US) {
        order->counters.metadata_accepted++;
        skipped_us += INTERVAL_US;
        (void)iterate();
    }
    ck_assert_uint_eq(dropped_count(&chains[0]->dropped), 1);
    for (int i = 0; i < 3; i++) {
        order->counters.metadata_accepted++;
        skipped_us += WAIT_US_MIN;
        (void)iterate();
    }
    ck_assert_uint_eq(dropped_count(&chains[0]->dropped), 0);
}
END_TEST

START_TEST(what_gives_little_back_waits_longer_each_time)
{
    pass(INTERVAL_US);
    freed_bytes = 1 << 20;
    for (uint64_t wait_us = WAIT_US_MIN; wait_us < WAIT_US_MAX; wait_us *= 2) {
        size_t before = range_count;
        chains[0]->dropped.names = 1;
        pass(WAIT_US_MAX + INTERVAL_US);
        ck_assert_uint_eq(range_count, before + 1);
        ck_assert_uint_eq(chains[0]->dropped_wait_us, wait_us);
    }
    chains[0]->dropped.names = 1;
    pass(2 * WAIT_US_MIN);
    ck_assert_uint_eq(dropped_count(&chains[0]->dropped), 1);
    freed_bytes = 100 << 20;
    pass(WAIT_US_MAX + INTERVAL_US);
    ck_assert_uint_eq(chains[0]->dropped_wait_us, WAIT_US_MIN);
}
END_TEST

START_TEST(what_a_read_still_sees_is_not_asked_back_before_the_read_has_ended)
{
    struct key key = key_of_kind(0, KEY_SEQUENCE);
    struct engine_edit edit = {ENGINE_PUT, key_slice(&key), slice_of("12345678", 8)};
    struct failure failure;
    struct engine_point *read = order_view(order);
    ck_assert_int_eq(engine_write(engine, &edit, 1, ENGINE_LOGGED, &failure), ENGINE_DONE);
    engine_point_release(order->point); /* as when a write is published */
    order->point = engine_point_take(engine);
    prune(chains[0], 10, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_le(iterate(), HELD_US);
        skipped_us += HELD_US;
    }
    ck_assert_uint_eq(range_count, 0);
    prune(chains[0], 20, 0); /* later: of that the next time */
    engine_point_release(read);
    (void)iterate();
    ck_assert_uint_eq(range_count, 2 * RANGES_OF_BLOCKS);
    assert_range(0, chains[0], KEY_DATA, 1, 10);
    assert_range(RANGES_OF_BLOCKS, chains[0], KEY_DATA, 11, 20);
}
END_TEST

/* All keys of those numbers. */
static void assert_gone(size_t number, uint32_t first, uint32_t last)
{
    struct key from = key_of_chain(first), behind = key_behind_chain(last);
    ck_assert(number < range_count && slice_equal(key_slice(&ranges[number].from), key_slice(&from)));
    ck_assert(slice_equal(key_slice(&ranges[number].to), key_slice(&behind)));
}

START_TEST(the_space_of_dropped_chains_is_asked_back_at_once_in_turn_with_the_others)
{
    prune(chains[0], 10, 0);
    gone_add(chain_gone(order_chains(order)), 3, 4);
    gone_add(chain_gone(order_chains(order)), 9, 9);
    (void)iterate();
    ck_assert_uint_eq(range_count, RANGES_OF_BLOCKS + 2);
    assert_range(0, chains[0], KEY_DATA, 1, 10);
    assert_gone(RANGES_OF_BLOCKS, 3, 4);
    assert_gone(RANGES_OF_BLOCKS + 1, 9, 9);
    (void)iterate();
    ck_assert_uint_eq(range_count, RANGES_OF_BLOCKS + 2);
}
END_TEST

START_TEST(the_space_of_dropped_chains_is_asked_for_again_where_that_failed)
{
    gone_add(chain_gone(order_chains(order)), 3, 4);
    fake_disk_fault(disk, FAKE_RECLAIM, FAKE_FAILS, 1);
    (void)iterate();
    ck_assert_uint_eq(range_count, 1);
    skipped_us += RETRY_US;
    (void)iterate();
    ck_assert_uint_eq(range_count, 2);
    assert_gone(1, 3, 4);
}
END_TEST

START_TEST(what_comes_of_a_chain_that_was_dropped_meanwhile_is_nothing_to_the_next)
{
    prune(chains[1], 10, 0);
    fake_disk_close_gate(disk, FAKE_RECLAIM, FAKE_BEFORE);
    (void)reclaim_iterate(reclaim, thread_now_us());
    fake_disk_await(disk, FAKE_RECLAIM, FAKE_BEFORE);
    uint32_t id = chains[1]->id;
    chain_remove(order_chains(order), chains[1]);
    chains[1] = chain_add(order_chains(order), slice_of("next", 4), id);
    fake_disk_open_gate(disk, FAKE_RECLAIM, FAKE_BEFORE);
    (void)iterate();
    ck_assert_uint_eq(chains[1]->blocks_reclaimed, 0);
}
END_TEST

START_TEST(what_failed_is_dropped_again)
{
    chains[0]->dropped = (struct dropped){.deleted = MANY, .blocks = {1, 3, 3}};
    fake_disk_fault(disk, FAKE_RECLAIM, FAKE_FAILS, 1);
    (void)iterate();
    ck_assert_uint_eq(range_count, RANGES_OF_BLOCKS + 1);
    ck_assert_uint_eq(chains[0]->dropped.deleted, MANY);
    ck_assert_uint_eq(chains[0]->dropped.blocks.first, 3);
    skipped_us += RETRY_US;
    (void)iterate();
    ck_assert_uint_eq(dropped_count(&chains[0]->dropped), 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("reclaim", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, after_a_start_each_pruned_chain_is_reclaimed_once);
    tcase_add_test(tests, a_later_prune_is_reclaimed_after_the_interval_and_only_what_is_new);
    tcase_add_test(tests, a_chain_that_is_not_visible_is_left_alone);
    tcase_add_test(tests, after_a_start_each_chain_is_looked_through_once_it_is_quiet);
    tcase_add_test(tests, what_a_rollback_dropped_is_due_at_once);
    tcase_add_test(tests, much_is_due_at_once_and_little_when_it_is_quiet);
    tcase_add_test(tests, while_space_is_low_many_replaced_values_are_due_without_quiet);
    tcase_add_test(tests, a_range_of_names_is_due_at_once_and_then_after_a_wait);
    tcase_add_test(tests, what_gives_little_back_waits_longer_each_time);
    tcase_add_test(tests, what_a_read_still_sees_is_not_asked_back_before_the_read_has_ended);
    tcase_add_test(tests, the_space_of_dropped_chains_is_asked_back_at_once_in_turn_with_the_others);
    tcase_add_test(tests, the_space_of_dropped_chains_is_asked_for_again_where_that_failed);
    tcase_add_test(tests, what_comes_of_a_chain_that_was_dropped_meanwhile_is_nothing_to_the_next);
    tcase_add_test(tests, what_failed_is_dropped_again);
    tcase_add_test(tests, a_range_that_failed_is_tried_again_later);
    tcase_add_test(tests, a_chain_that_always_fails_holds_up_no_other);
    tcase_add_loop_test(tests, after_a_stop_nothing_starts_and_what_runs_ends, 0, 2);
    tcase_add_test(tests, maintenance_runs_when_keys_were_deleted_and_when_it_is_due);
    tcase_add_test(tests, maintenance_goes_on_while_a_range_is_reclaimed);
    return suite_run(suite, true);
}
