/* The fake engine's faults: each goes wrong as it says, at the call it was set for, and the same again from the same seed. That
 * it keeps engine.h's promises otherwise is for test_engine and its like. */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { WRITES = 12, SYNCED_WRITES = 4, SEEDS = 200, LIVES = 40 };

static struct fake_disk *disk;
static struct engine *engine;
static struct failure failure;

static void open_engine(void)
{
    struct engine_config config = {.path = "disk", .create = true};
    ck_assert_int_eq(engine_open(&engine_fake, &config, &engine, &failure), ENGINE_OK);
}

static void close_engine(void)
{
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    engine = NULL;
}

static void begin(uint64_t seed)
{
    disk = fake_disk_new("disk", seed);
    open_engine();
}

static void end(void)
{
    close_engine();
    fake_disk_free(disk);
    disk = NULL;
}

static void setup(void)
{
    begin(1);
}

/* A list of two, to see whether it is torn. */
static enum engine_outcome write_pair(uint8_t number, enum engine_durability durability)
{
    uint8_t keys[2][2] = {{number, 0}, {number, 1}};
    struct engine_edit edits[2] = {
        {ENGINE_PUT, slice_of(keys[0], 2), slice_of(&number, 1)},
        {ENGINE_PUT, slice_of(keys[1], 2), slice_of(&number, 1)},
    };
    return engine_write(engine, edits, 2, durability, &failure);
}

static enum engine_result get(uint8_t number, uint8_t half, enum engine_reach reach)
{
    uint8_t key[2] = {number, half};
    struct engine_value value = {0};
    enum engine_result result = engine_get(engine, NULL, reach, slice_of(key, 2), &value, &failure);
    engine_value_release(&value);
    return result;
}

static bool has_pair(uint8_t number)
{
    enum engine_result results[2] = {get(number, 0, ENGINE_MAY_BLOCK), get(number, 1, ENGINE_MAY_BLOCK)};
    ck_assert_msg(results[0] == results[1], "half of a write");
    return results[0] == ENGINE_OK;
}

/* How many of the writes 1, 2, … are there; none behind the first that is not. */
static uint8_t pairs(void)
{
    uint8_t there = 0;
    while (there < WRITES && has_pair((uint8_t)(there + 1))) {
        there++;
    }
    for (uint8_t i = (uint8_t)(there + 1); i <= WRITES; i++) {
        ck_assert_msg(!has_pair(i), "write %u is there without write %u", i, there + 1);
    }
    return there;
}

/* ---- faults ---- */

START_TEST(the_nth_call_fails_and_no_other)
{
    ck_assert_int_eq(write_pair(1, ENGINE_LOGGED), ENGINE_DONE);
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 2);
    fake_disk_fault(disk, FAKE_GET, FAKE_FAILS, 4);
    for (int i = 1; i <= 6; i++) {
        failure = (struct failure){0};
        ck_assert_int_eq(get(1, 0, ENGINE_MAY_BLOCK), i == 2 || i == 4 ? ENGINE_FAILED : ENGINE_OK);
        ck_assert(failure.text[0] != '\0' || (i != 2 && i != 4));
    }
    ck_assert_uint_eq(fake_disk_calls(disk, FAKE_GET), 6);
}
END_TEST

START_TEST(a_chance_of_none_and_of_all_is_certain)
{
    ck_assert_int_eq(write_pair(1, ENGINE_LOGGED), ENGINE_DONE);
    fake_disk_chance(disk, FAKE_GET, FAKE_BLOCKS, 100);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(get(1, 0, ENGINE_NO_IO), ENGINE_WOULD_BLOCK);
        ck_assert_int_eq(get(1, 0, ENGINE_MAY_BLOCK), ENGINE_OK);
    }
    fake_disk_chance(disk, FAKE_GET, FAKE_BLOCKS, 0);
    ck_assert_int_eq(get(1, 0, ENGINE_NO_IO), ENGINE_OK);
}
END_TEST

START_TEST(cold_keys_need_the_device)
{
    ck_assert_int_eq(write_pair(1, ENGINE_LOGGED), ENGINE_DONE);
    fake_disk_set_cold(disk, slice_of("\1\1", 2), slice_of("\2", 1));
    ck_assert_int_eq(get(1, 0, ENGINE_NO_IO), ENGINE_OK);
    ck_assert_int_eq(get(1, 1, ENGINE_NO_IO), ENGINE_WOULD_BLOCK);
    ck_assert_int_eq(get(1, 2, ENGINE_NO_IO), ENGINE_WOULD_BLOCK); /* memory cannot tell that it is absent */
    ck_assert_int_eq(get(2, 0, ENGINE_NO_IO), ENGINE_NOT_FOUND);
    ck_assert_int_eq(get(1, 1, ENGINE_MAY_BLOCK), ENGINE_OK);
    fake_disk_set_cold(disk, slice_of(NULL, 0), slice_of(NULL, 0));
    ck_assert_int_eq(get(1, 1, ENGINE_NO_IO), ENGINE_OK);
}
END_TEST

START_TEST(a_failed_move_ends_the_walk)
{
    ck_assert_int_eq(write_pair(1, ENGINE_LOGGED), ENGINE_DONE);
    struct engine_range range = {slice_of(NULL, 0), slice_of("\xff", 1), false, false};
    struct engine_cursor *cursor = engine_cursor_open(engine, NULL, &range);
    struct slice key, value;
    fake_disk_fault(disk, FAKE_NEXT, FAKE_FAILS, 2);
    ck_assert_int_eq(engine_cursor_next(cursor, &key, &value, &failure), ENGINE_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(engine_cursor_next(cursor, &key, &value, &failure), ENGINE_FAILED);
        engine_cursor_park(cursor, i == 1);
    }
    engine_cursor_close(cursor);
}
END_TEST

START_TEST(a_refused_write_leaves_nothing_and_writing_goes_on)
{
    fake_disk_fault(disk, FAKE_WRITE, FAKE_FAILS, 1);
    ck_assert_int_eq(write_pair(1, ENGINE_SYNCED), ENGINE_NOT_APPLIED);
    ck_assert(!has_pair(1));
    ck_assert_int_eq(write_pair(2, ENGINE_LOGGED), ENGINE_DONE);
    close_engine();
    open_engine();
    ck_assert(!has_pair(1));
    ck_assert(has_pair(2));
}
END_TEST

START_TEST(looking_opening_and_reclaiming_fail_when_asked_to)
{
    fake_disk_fault(disk, FAKE_LOOK, FAKE_FAILS, 1);
    fake_disk_fault(disk, FAKE_RECLAIM, FAKE_FAILS, 1);
    ck_assert_int_eq(engine_look(&engine_fake, "disk", &failure), ENGINE_FAILED);
    ck_assert_int_eq(engine_look(&engine_fake, "disk", &failure), ENGINE_OK);
    struct slice all[2] = {slice_of(NULL, 0), slice_of("\xff", 1)};
    uint64_t freed_bytes;
    ck_assert_int_eq(engine_reclaim(engine, all[0], all[1], false, &freed_bytes, &failure), ENGINE_FAILED);
    ck_assert_int_eq(engine_reclaim(engine, all[0], all[1], false, &freed_bytes, &failure), ENGINE_OK);
    close_engine();
    fake_disk_fault(disk, FAKE_OPEN, FAKE_FAILS, 1);
    struct engine_config config = {.path = "disk"};
    ck_assert_int_eq(engine_open(&engine_fake, &config, &engine, &failure), ENGINE_FAILED);
    open_engine();
}
END_TEST

/* ---- what a run's end leaves ---- */

START_TEST(a_write_in_doubt_is_there_at_the_next_open_or_not)
{
    unsigned found = 0;
    end();
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        begin(seed);
        ck_assert_int_eq(write_pair(1, ENGINE_LOGGED), ENGINE_DONE);
        fake_disk_fault(disk, FAKE_WRITE, FAKE_IN_DOUBT, 1);
        ck_assert_int_eq(write_pair(2, ENGINE_SYNCED), ENGINE_UNKNOWN);
        ck_assert_uint_eq(pairs(), 1); /* not while this run lasts */
        close_engine();
        open_engine();
        uint8_t there = pairs();
        found += there == 2;
        ck_assert_uint_ge(there, 1);
        close_engine();
        open_engine();
        ck_assert_uint_eq(pairs(), there); /* decided for good */
        end();
    }
    begin(1);
    ck_assert_uint_gt(found, SEEDS / 4);
    ck_assert_uint_lt(found, SEEDS / 4 * 3);
}
END_TEST

START_TEST(a_dead_process_loses_nothing_that_was_logged)
{
    for (uint8_t i = 1; i <= WRITES / 2; i++) {
        ck_assert_int_eq(write_pair(i, ENGINE_LOGGED), ENGINE_DONE);
    }
    fake_disk_kill(disk);
    ck_assert_int_eq(write_pair(WRITES, ENGINE_LOGGED), ENGINE_UNKNOWN);
    close_engine();
    open_engine();
    ck_assert_uint_eq(pairs(), WRITES / 2);
    fake_disk_cut(disk); /* the open brought them to the device */
    close_engine();
    open_engine();
    ck_assert_uint_eq(pairs(), WRITES / 2);
}
END_TEST

/* What a schedule of writes, a sync and a cut leaves, for each seed: all that was synced, and any number of the rest. */
START_TEST(a_cut_leaves_what_was_synced_and_a_beginning_of_the_rest)
{
    unsigned times[WRITES + 1] = {0};
    end();
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint8_t left[2];
        for (int again = 0; again < 2; again++) {
            begin(seed);
            for (uint8_t i = 1; i <= WRITES; i++) {
                ck_assert_int_eq(write_pair(i, ENGINE_LOGGED), ENGINE_DONE);
                if (i == SYNCED_WRITES) {
                    ck_assert_int_eq(engine_sync(engine, &failure), ENGINE_DONE);
                }
            }
            ck_assert_uint_eq(fake_disk_unsynced(disk), WRITES - SYNCED_WRITES);
            fake_disk_cut(disk);
            ck_assert_uint_eq(pairs(), WRITES); /* the run that ends still reads what it wrote */
            close_engine();
            open_engine();
            left[again] = pairs();
            ck_assert_uint_eq(fake_disk_unsynced(disk), 0);
            end();
        }
        ck_assert_uint_eq(left[0], left[1]);
        times[left[0]]++;
    }
    begin(1);
    for (size_t i = 0; i <= WRITES; i++) {
        ck_assert_msg((times[i] > 0) == (i >= SYNCED_WRITES), "%zu writes were left %u times", i, times[i]);
    }
}
END_TEST

START_TEST(a_synced_write_takes_those_before_it_along)
{
    for (uint8_t i = 1; i < WRITES; i++) {
        ck_assert_int_eq(write_pair(i, ENGINE_LOGGED), ENGINE_DONE);
    }
    ck_assert_int_eq(write_pair(WRITES, ENGINE_SYNCED), ENGINE_DONE);
    fake_disk_cut(disk);
    close_engine();
    open_engine();
    ck_assert_uint_eq(pairs(), WRITES);
}
END_TEST

START_TEST(a_failed_sync_brings_nothing_to_the_device)
{
    unsigned lost = 0;
    end();
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        begin(seed);
        ck_assert_int_eq(write_pair(1, ENGINE_LOGGED), ENGINE_DONE);
        fake_disk_fault(disk, FAKE_SYNC, FAKE_IN_DOUBT, 1);
        ck_assert_int_eq(engine_sync(engine, &failure), ENGINE_UNKNOWN);
        fake_disk_cut(disk);
        close_engine();
        open_engine();
        lost += pairs() == 0;
        end();
    }
    begin(1);
    ck_assert_uint_gt(lost, SEEDS / 4);
    ck_assert_uint_lt(lost, SEEDS / 4 * 3);
}
END_TEST

/* Many lives on one disk, each ended in its own way, with points held over the collections between. */
START_TEST(what_was_synced_outlives_any_row_of_ends)
{
    struct random_source random = random_from(random_seed("lives"));
    uint32_t synced = 0, last = 0;
    for (int life = 0; life < LIVES; life++) {
        for (uint64_t writes = random_below(&random, 400); writes > 0; writes--) {
            struct engine_edit edit = {ENGINE_PUT, slice_of("k", 1), slice_of(&last, sizeof last)};
            last++;
            bool is_synced = random_chance(&random, 2);
            ck_assert_int_eq(
                engine_write(engine, &edit, 1, is_synced ? ENGINE_SYNCED : ENGINE_LOGGED, &failure),
                ENGINE_DONE);
            synced = is_synced ? last : synced;
        }
        bool is_cut = random_chance(&random, 40), is_killed = random_chance(&random, 40);
        if (is_killed) {
            fake_disk_kill(disk);
        }
        if (is_cut) {
            fake_disk_cut(disk);
        }
        close_engine();
        open_engine();
        uint32_t found = 0;
        struct engine_value value = {0};
        if (engine_get(engine, NULL, ENGINE_MAY_BLOCK, slice_of("k", 1), &value, &failure) == ENGINE_OK) {
            memcpy(&found, value.bytes.data, sizeof found);
        }
        engine_value_release(&value);
        ck_assert_uint_ge(found, synced);
        ck_assert_uint_le(found, last);
        ck_assert(is_cut || found == last);
        synced = is_cut ? found : synced;
        last = found;
    }
}
END_TEST

/* ---- gates and hooks ---- */

static void *write_in_thread(void *number)
{
    return (void *)(uintptr_t)(write_pair(*(uint8_t *)number, ENGINE_LOGGED) == ENGINE_DONE);
}

START_TEST(a_gate_stops_a_call_before_its_effect_or_behind_it)
{
    uint8_t number = 1;
    pthread_t writer;
    void *is_done;
    fake_disk_close_gate(disk, FAKE_WRITE, FAKE_BEFORE);
    fake_disk_close_gate(disk, FAKE_WRITE, FAKE_AFTER);
    ck_assert_int_eq(pthread_create(&writer, NULL, write_in_thread, &number), 0);
    fake_disk_await(disk, FAKE_WRITE, FAKE_BEFORE);
    ck_assert(!has_pair(1));
    fake_disk_let_through(disk, FAKE_WRITE, FAKE_BEFORE);
    fake_disk_await(disk, FAKE_WRITE, FAKE_AFTER);
    ck_assert(has_pair(1));
    fake_disk_open_gate(disk, FAKE_WRITE, FAKE_AFTER);
    ck_assert_int_eq(pthread_join(writer, &is_done), 0);
    ck_assert_ptr_nonnull(is_done);

    number = 2;
    ck_assert_int_eq(pthread_create(&writer, NULL, write_in_thread, &number), 0);
    fake_disk_await(disk, FAKE_WRITE, FAKE_BEFORE); /* that one is still closed */
    fake_disk_cut(disk);
    fake_disk_open_gate(disk, FAKE_WRITE, FAKE_BEFORE);
    ck_assert_int_eq(pthread_join(writer, &is_done), 0);
    ck_assert_ptr_null(is_done);
    ck_assert(!has_pair(2));
}
END_TEST

static void *reclaim_in_thread(void *unused)
{
    (void)unused;
    struct failure own;
    uint64_t freed_bytes;
    struct slice from = slice_of(NULL, 0), to = slice_of("z", 1);
    return (void *)(uintptr_t)(engine_reclaim(engine, from, to, false, &freed_bytes, &own) == ENGINE_OK);
}

START_TEST(stopping_maintenance_ends_a_reclaim_that_stands_at_a_gate)
{
    pthread_t thread;
    void *is_ok;
    fake_disk_close_gate(disk, FAKE_RECLAIM, FAKE_BEFORE);
    ck_assert_int_eq(pthread_create(&thread, NULL, reclaim_in_thread, NULL), 0);
    fake_disk_await(disk, FAKE_RECLAIM, FAKE_BEFORE);
    engine_stop_maintenance(engine);
    ck_assert_int_eq(pthread_join(thread, &is_ok), 0);
    ck_assert_ptr_nonnull(is_ok);
}
END_TEST

static void note_whether_it_is_there(void *is_there)
{
    *(bool *)is_there = has_pair(1);
}

START_TEST(a_hook_sees_before_and_after)
{
    bool before = true, after = false;
    fake_disk_hook(disk, FAKE_WRITE, FAKE_BEFORE, note_whether_it_is_there, &before);
    fake_disk_hook(disk, FAKE_WRITE, FAKE_AFTER, note_whether_it_is_there, &after);
    ck_assert_int_eq(write_pair(1, ENGINE_LOGGED), ENGINE_DONE);
    ck_assert(!before && after);
    fake_disk_hook(disk, FAKE_WRITE, FAKE_BEFORE, NULL, NULL);
    ck_assert_int_eq(write_pair(1, ENGINE_LOGGED), ENGINE_DONE);
    ck_assert(!before);
}
END_TEST

/* ---- what is asserted of callers ---- */

static void close_with_a_point(void)
{
    (void)engine_point_take(engine);
    engine_close(engine, ENGINE_CLOSE_FAST);
}

static void close_with_a_value(void)
{
    struct engine_value value;
    (void)write_pair(1, ENGINE_LOGGED);
    ck_assert_int_eq(engine_get(engine, NULL, ENGINE_MAY_BLOCK, slice_of("\1\0", 2), &value, &failure),
                     ENGINE_OK);
    engine_close(engine, ENGINE_CLOSE_FAST);
}

static void close_with_a_cursor(void)
{
    struct engine_range range = {slice_of(NULL, 0), slice_of("z", 1), false, false};
    (void)engine_cursor_open(engine, NULL, &range);
    engine_close(engine, ENGINE_CLOSE_FAST);
}

static void write_a_key_twice(void)
{
    struct engine_edit edits[] = {
        {ENGINE_PUT, slice_of("a", 1), slice_of("1", 1)},
        {ENGINE_PUT, slice_of("b", 1), slice_of("1", 1)},
        {.kind = ENGINE_DELETE, .key = slice_of("a", 1)},
    };
    ck_assert_int_eq(engine_write(engine, edits, 3, ENGINE_LOGGED, &failure), ENGINE_DONE);
}

static void write_behind_the_end(void)
{
    fake_disk_fault(disk, FAKE_SYNC, FAKE_IN_DOUBT, 1);
    ck_assert_int_eq(engine_sync(engine, &failure), ENGINE_UNKNOWN);
    (void)write_pair(1, ENGINE_LOGGED);
}

static void write_at_the_same_time(void)
{
    uint8_t number = 1;
    pthread_t writer;
    fake_disk_close_gate(disk, FAKE_WRITE, FAKE_BEFORE);
    pthread_create(&writer, NULL, write_in_thread, &number);
    fake_disk_await(disk, FAKE_WRITE, FAKE_BEFORE);
    (void)engine_point_take(engine);
}

static void (*const misuses[])(void) = {
    close_with_a_point, close_with_a_value,   close_with_a_cursor,
    write_a_key_twice,  write_behind_the_end, write_at_the_same_time,
};

START_TEST(a_caller_that_breaks_its_promises_is_stopped)
{
    misuses[_i]();
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("fake_engine", 60, &tests);
    tcase_add_checked_fixture(tests, setup, end);
    tcase_add_test(tests, the_nth_call_fails_and_no_other);
    tcase_add_test(tests, a_chance_of_none_and_of_all_is_certain);
    tcase_add_test(tests, cold_keys_need_the_device);
    tcase_add_test(tests, a_failed_move_ends_the_walk);
    tcase_add_test(tests, a_refused_write_leaves_nothing_and_writing_goes_on);
    tcase_add_test(tests, looking_opening_and_reclaiming_fail_when_asked_to);
    tcase_add_test(tests, a_write_in_doubt_is_there_at_the_next_open_or_not);
    tcase_add_test(tests, a_dead_process_loses_nothing_that_was_logged);
    tcase_add_test(tests, a_cut_leaves_what_was_synced_and_a_beginning_of_the_rest);
    tcase_add_test(tests, a_synced_write_takes_those_before_it_along);
    tcase_add_test(tests, a_failed_sync_brings_nothing_to_the_device);
    tcase_add_test(tests, what_was_synced_outlives_any_row_of_ends);
    tcase_add_test(tests, a_gate_stops_a_call_before_its_effect_or_behind_it);
    tcase_add_test(tests, stopping_maintenance_ends_a_reclaim_that_stands_at_a_gate);
    tcase_add_test(tests, a_hook_sees_before_and_after);
    tcase_add_loop_test_raise_signal(tests, a_caller_that_breaks_its_promises_is_stopped, SIGABRT, 0,
                                     sizeof misuses / sizeof *misuses);
    return suite_run(suite, true);
}
