/* The write set: what it changes reads so before it is written, taken back to any mark, listed once a key. */
#include <check.h>
#include <stdlib.h>

#include "daemon/runtime/thread.h"
#include "daemon/writer/write_set.h"
#include "tests/lib/directory.h"
#include "tests/lib/engine_edits.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { NAMES = 12, STEPS = 4000, MARKS = 6 };

static struct directory directory;
static struct engine *engine;
static struct write_set *set;
static struct failure failure;

static void setup(void)
{
    thread_set_role(THREAD_WRITER);
    directory = directory_new();
    engine = engine_opened(directory.path, true);
    set = write_set_new(engine);
}

static void teardown(void)
{
    write_set_free(set);
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    directory_remove(&directory);
}

static struct key key_of_number(unsigned number)
{
    uint8_t name = (uint8_t)('a' + number);
    return key_of_name(1, KEY_METADATA, slice_of(&name, 1));
}

/* What a key reads as: 0 for absent, else the number that was put. */
static uint64_t read_number(unsigned number)
{
    struct key key = key_of_number(number);
    struct engine_value value = {0};
    enum status status = write_set_get(set, &key, &value, &failure);
    uint64_t read = 0;
    if (status == STATUS_OK) {
        ck_assert_uint_eq(value.bytes.bytes, sizeof read);
        memcpy(&read, value.bytes.data, sizeof read);
    } else {
        ck_assert_int_eq(status, STATUS_NOT_FOUND);
    }
    engine_value_release(&value);
    return read;
}

struct state {
    uint64_t numbers[NAMES];
    struct write_set_mark mark;
};

static void check(const struct state *state)
{
    for (unsigned i = 0; i < NAMES; i++) {
        ck_assert_uint_eq(read_number(i), state->numbers[i]);
    }
}

static void change_some(struct random_source *random, struct state *state, uint64_t step)
{
    unsigned number = (unsigned)random_below(random, NAMES);
    struct key key = key_of_number(number);
    if (random_chance(random, 10)) {
        unsigned to = number + (unsigned)random_below(random, NAMES - number + 1);
        struct key behind = key_of_number(to);
        write_set_delete_range(set, &key, &behind);
        for (unsigned i = number; i < to; i++) {
            state->numbers[i] = 0;
        }
    } else if (random_chance(random, 30)) {
        write_set_delete(set, &key);
        state->numbers[number] = 0;
    } else {
        memcpy(write_set_put_new(set, &key, sizeof step), &step, sizeof step);
        state->numbers[number] = step;
    }
}

START_TEST(changes_are_taken_back_to_any_mark_and_written_as_they_read)
{
    struct random_source random = random_from(random_seed("write_set"));
    struct state states[MARKS] = {0}; /* the last is the present one, the others wait to be gone back to */
    size_t depth = 0;
    for (uint64_t step = 1; step <= STEPS; step++) {
        uint64_t what = random_below(&random, 10);
        if (what < 6) {
            change_some(&random, &states[depth], step);
        } else if (what < 8 && depth + 1 < MARKS) {
            states[depth].mark = write_set_mark(set);
            states[depth + 1] = states[depth];
            depth++;
        } else if (what == 8 && depth > 0) {
            depth--;
            write_set_take_back(set, states[depth].mark);
        } else if (what == 9 && depth == 0) {
            size_t count;
            struct engine_edit *list = write_set_list(set, &count);
            ck_assert_uint_le(count, NAMES + (size_t)STEPS);
            ck_assert_int_eq(engine_write(engine, list, count, ENGINE_LOGGED, &failure), ENGINE_DONE);
            write_set_clear(set);
            ck_assert_uint_eq(write_set_bytes(set), 0);
        }
        check(&states[depth]);
    }
}
END_TEST

static void count_each(void *context, const struct key *key, bool present, struct slice value)
{
    (void)value;
    ck_assert(present);
    write_set_delete(set, key); /* it may change the key again */
    (*(unsigned *)context)++;
}

/* Enough for several runs of packed keys, some of which are taken back. */
START_TEST(dropped_keys_go_with_the_rest_and_are_taken_back_to_a_mark)
{
    enum { KEYS = 30000, STAY_FROM = 20000 };
    struct engine_edits edits = {0};
    for (uint64_t i = 0; i < KEYS; i++) {
        struct key key = key_of_height(1, KEY_STATE, i);
        engine_edits_put(&edits, key_slice(&key), slice_of("x", 1));
    }
    engine_edits_write(&edits, engine);
    struct write_set_mark mark = write_set_mark(set);
    for (uint64_t i = 0; i < KEYS; i++) {
        if (i == STAY_FROM) {
            mark = write_set_mark(set);
        }
        struct key key = key_of_height(1, KEY_STATE, i);
        write_set_drop(set, &key);
    }
    struct key other = key_of_number(1);
    write_set_put(set, &other, slice_of("y", 1));
    ck_assert_uint_lt(write_set_memory(set), 3 * write_set_bytes(set));
    write_set_take_back(set, mark);
    write_set_put(set, &other, slice_of("y", 1));
    size_t count;
    struct engine_edit *list = write_set_list(set, &count);
    ck_assert_int_eq(engine_write(engine, list, count, ENGINE_LOGGED, &failure), ENGINE_DONE);
    for (uint64_t i = 0; i < KEYS; i += 1000) {
        struct key key = key_of_height(1, KEY_STATE, i);
        struct engine_value value = {0};
        enum engine_result result =
            engine_get(engine, NULL, ENGINE_MAY_BLOCK, key_slice(&key), &value, &failure);
        ck_assert_int_eq(result, i < STAY_FROM ? ENGINE_NOT_FOUND : ENGINE_OK);
        engine_value_release(&value);
    }
    write_set_clear(set);
    ck_assert_uint_eq(write_set_memory(set), 0);
}
END_TEST

START_TEST(each_key_is_told_once_however_often_it_was_changed)
{
    unsigned told = 0;
    for (unsigned i = 0; i < 3 * NAMES; i++) {
        struct key key = key_of_number(i % NAMES);
        write_set_put(set, &key, slice_of("x", 1));
    }
    write_set_each(set, count_each, &told);
    ck_assert_uint_eq(told, NAMES);
    for (unsigned i = 0; i < NAMES; i++) {
        ck_assert_uint_eq(read_number(i), 0);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("write_set", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, changes_are_taken_back_to_any_mark_and_written_as_they_read);
    tcase_add_test(tests, dropped_keys_go_with_the_rest_and_are_taken_back_to_a_mark);
    tcase_add_test(tests, each_key_is_told_once_however_often_it_was_changed);
    return suite_run(suite, true);
}
