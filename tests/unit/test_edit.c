/* Edits: read as edited before they are written, taken back to any mark, listed once a key. */
#include <check.h>
#include <stdlib.h>

#include "daemon/writer/edit.h"
#include "tests/lib/directory.h"
#include "tests/lib/engine_edits.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { NAMES = 12, STEPS = 4000, MARKS = 6 };

static struct directory directory;
static struct engine *engine;
static struct edit_set *edits;
static struct failure failure;

static void setup(void)
{
    directory = directory_new();
    engine = engine_opened(directory.path, true);
    edits = edit_new(engine);
}

static void teardown(void)
{
    edit_free(edits);
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
    enum status status = edit_get(edits, &key, &value, &failure);
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
    struct edit_mark mark;
};

static void check(const struct state *state)
{
    for (unsigned i = 0; i < NAMES; i++) {
        ck_assert_uint_eq(read_number(i), state->numbers[i]);
    }
}

static void edit_some(struct random_source *random, struct state *state, uint64_t step)
{
    unsigned number = (unsigned)random_below(random, NAMES);
    struct key key = key_of_number(number);
    if (random_chance(random, 30)) {
        edit_delete(edits, &key);
        state->numbers[number] = 0;
    } else {
        memcpy(edit_put_new(edits, &key, sizeof step), &step, sizeof step);
        state->numbers[number] = step;
    }
}

START_TEST(edits_are_taken_back_to_any_mark_and_written_as_they_read)
{
    struct random_source random = random_from(random_seed("edit"));
    struct state states[MARKS] = {0}; /* the last is the present one, the others wait to be gone back to */
    size_t depth = 0;
    for (uint64_t step = 1; step <= STEPS; step++) {
        uint64_t what = random_below(&random, 10);
        if (what < 6) {
            edit_some(&random, &states[depth], step);
        } else if (what < 8 && depth + 1 < MARKS) {
            states[depth].mark = edit_mark(edits);
            states[depth + 1] = states[depth];
            depth++;
        } else if (what == 8 && depth > 0) {
            depth--;
            edit_take_back(edits, states[depth].mark);
        } else if (what == 9 && depth == 0) {
            size_t count;
            struct engine_edit *list = edit_list(edits, &count);
            ck_assert_uint_le(count, NAMES);
            ck_assert_int_eq(engine_write(engine, list, count, ENGINE_LOGGED, &failure), ENGINE_DONE);
            edit_clear(edits);
            ck_assert_uint_eq(edit_bytes(edits), 0);
        }
        check(&states[depth]);
    }
}
END_TEST

static void count_each(void *context, const struct key *key, bool present, struct slice value)
{
    (void)value;
    ck_assert(present);
    edit_delete(edits, key); /* it may edit the key again */
    (*(unsigned *)context)++;
}

START_TEST(each_key_is_told_once_however_often_it_was_edited)
{
    unsigned told = 0;
    for (unsigned i = 0; i < 3 * NAMES; i++) {
        struct key key = key_of_number(i % NAMES);
        edit_put(edits, &key, slice_of("x", 1));
    }
    edit_each(edits, count_each, &told);
    ck_assert_uint_eq(told, NAMES);
    for (unsigned i = 0; i < NAMES; i++) {
        ck_assert_uint_eq(read_number(i), 0);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("edit", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, edits_are_taken_back_to_any_mark_and_written_as_they_read);
    tcase_add_test(tests, each_key_is_told_once_however_often_it_was_edited);
    return suite_run(suite, true);
}
