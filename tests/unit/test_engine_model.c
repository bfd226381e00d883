/* Everything that engine.h offers, drawn at random and compared with a naive model, on every engine alike.
 *
 * The model has a fixed set of keys and, for each state that can still be read, what each key holds: a number that stands
 * for a value, or 0. Read points and cursors live along, a few at a time, each with the state that it has to see. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "tests/lib/random.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

enum {
    KEYS = 200,
    KEY_BYTES_MAX = 5000,
    VALUE_BYTES_MAX = 40000,
    STEPS = 4000,
    POINTS = 4,
    CURSORS = 4,
    EDITS_MAX = 30,
    RANGES_MAX = 3,
    MOVES_MAX = 20,
};

struct state {
    uint32_t values[KEYS]; /* 0: absent */
};

struct walk {
    struct engine_cursor *cursor; /* NULL: free */
    struct state state;
    size_t from, to; /* places among the keys; the next is from, or backwards to - 1 */
    bool is_reverse;
};

struct run {
    struct random_source random;
    struct slice keys[KEYS]; /* in byte order, each once */
    struct state now;
    struct engine_point *points[POINTS];
    struct state states[POINTS];
    struct walk walks[CURSORS];
    uint32_t last_value;
};

static struct run run;
static uint8_t key_bytes[KEYS][KEY_BYTES_MAX], value_bytes[VALUE_BYTES_MAX];

static int by_bytes(const void *left, const void *right)
{
    return slice_compare(*(const struct slice *)left, *(const struct slice *)right);
}

/* Short ones, of few letters; some long ones that differ at their ends; and the empty one. */
static void make_keys(void)
{
    for (size_t i = 0; i < KEYS; i++) {
        uint8_t *key = key_bytes[i];
        size_t length = random_chance(&run.random, 5) ? KEY_BYTES_MAX - 4 : random_below(&run.random, 4);
        memset(key, 'k', length);
        for (size_t byte = length > 4 ? length - 2 : 0; byte < length; byte++) {
            key[byte] = (uint8_t)(random_below(&run.random, 4) * 85);
        }
        if (i > 0) { /* makes it one of its own */
            key[length++] = (uint8_t)(i % 2 == 0 ? 0 : 0xff);
            key[length++] = (uint8_t)i;
        }
        run.keys[i] = slice_of(key, i == 0 ? 0 : length);
    }
    qsort(run.keys, KEYS, sizeof *run.keys, by_bytes);
    for (size_t i = 1; i < KEYS; i++) {
        ck_assert_int_lt(slice_compare(run.keys[i - 1], run.keys[i]), 0);
    }
}

/* The bytes that a number stands for; valid until the next call. */
static struct slice value_of(uint32_t number)
{
    struct random_source random = random_from(number);
    uint64_t size = random_below(&random, 100);
    size_t bytes_max = size < 2 ? VALUE_BYTES_MAX : size < 10 ? 6000 : 60;
    size_t bytes = random_below(&random, bytes_max + 1);
    memset(value_bytes, (int)(number & 0xff), bytes);
    memcpy(value_bytes, &number, bytes < sizeof number ? bytes : sizeof number);
    return slice_of(value_bytes, bytes);
}

static size_t pick(size_t bound)
{
    return random_below(&run.random, bound);
}

/* ---- steps ---- */

static void add_range(struct engine_edit *ret_edit)
{
    size_t from = pick(KEYS), to = from + pick(random_chance(&run.random, 10) ? KEYS : 10);
    to = to < KEYS ? to : KEYS - 1;
    *ret_edit = (struct engine_edit){ENGINE_DELETE_RANGE, run.keys[from], run.keys[to]};
    for (size_t i = from; i < to; i++) {
        run.now.values[i] = 0;
    }
}

/* The value of a put is the caller's to free. */
static void add_change(size_t key, struct engine_edit *ret_edit)
{
    if (random_chance(&run.random, 30)) {
        run.now.values[key] = 0;
        *ret_edit = (struct engine_edit){.kind = ENGINE_DELETE, .key = run.keys[key]};
        return;
    }
    run.now.values[key] = ++run.last_value;
    struct slice value = value_of(run.last_value);
    value.data = memory_copy(value.data, value.bytes);
    *ret_edit = (struct engine_edit){ENGINE_PUT, run.keys[key], value};
}

static void write_list(void)
{
    struct engine_edit edits[EDITS_MAX + RANGES_MAX];
    const uint8_t *values[EDITS_MAX + RANGES_MAX] = {NULL};
    bool is_taken[KEYS] = {false};
    size_t ranges = random_chance(&run.random, 20) ? 1 + pick(RANGES_MAX) : 0, count = 0;
    while (count < ranges) {
        add_range(&edits[count++]);
    }
    for (size_t changes = pick(EDITS_MAX + 1); changes > 0; changes--) {
        size_t key = pick(KEYS);
        if (!is_taken[key]) {
            is_taken[key] = true;
            add_change(key, &edits[count]);
            values[count] = edits[count].kind == ENGINE_PUT ? edits[count].value.data : NULL;
            count++;
        }
    }
    for (size_t i = count; i > 1; i--) { /* their order is the engine's affair */
        size_t with = pick(i);
        struct engine_edit edit = edits[i - 1];
        edits[i - 1] = edits[with];
        edits[with] = edit;
    }
    enum engine_durability durability = random_chance(&run.random, 5) ? ENGINE_SYNCED : ENGINE_LOGGED;
    ck_assert_msg(engine_write(subject.engine, edits, count, durability, &subject.failure) == ENGINE_DONE,
                  "%s", subject.failure.text);
    for (size_t i = 0; i < EDITS_MAX + RANGES_MAX; i++) {
        free((void *)(uintptr_t)values[i]);
    }
}

static void read_one(void)
{
    size_t which = pick(POINTS + 1);
    struct engine_point *point = which < POINTS ? run.points[which] : NULL;
    const struct state *state = point == NULL ? &run.now : &run.states[which];
    size_t key = pick(KEYS);
    uint32_t number = state->values[key];
    struct slice value = number == 0 ? slice_of(NULL, 0) : value_of(number);
    subject_expect_bytes(point, run.keys[key], number == 0 ? NULL : &value);
}

static void take_or_release_point(void)
{
    size_t which = pick(POINTS);
    if (run.points[which] == NULL) {
        run.points[which] = engine_point_take(subject.engine);
        run.states[which] = run.now;
    } else {
        engine_point_release(run.points[which]);
        run.points[which] = NULL;
    }
}

static void open_or_close_walk(void)
{
    struct walk *walk = &run.walks[pick(CURSORS)];
    if (walk->cursor != NULL) {
        engine_cursor_close(walk->cursor);
        walk->cursor = NULL;
        return;
    }
    size_t which = pick(POINTS + 1);
    struct engine_point *point = which < POINTS ? run.points[which] : NULL;
    walk->state = point == NULL ? run.now : run.states[which];
    walk->from = pick(KEYS);
    walk->to = walk->from + pick(KEYS - walk->from);
    walk->is_reverse = random_chance(&run.random, 50);
    walk->cursor = engine_cursor_open(subject.engine, point,
                                      &(struct engine_range){
                                          .from = run.keys[walk->from],
                                          .to = run.keys[walk->to],
                                          .is_reverse = walk->is_reverse,
                                          .is_long = random_chance(&run.random, 50),
                                      });
}

/* The place of the key that comes next; false: the end. */
static bool walk_next(struct walk *walk, size_t *ret_place)
{
    while (walk->from < walk->to) {
        size_t place = walk->is_reverse ? --walk->to : walk->from++;
        if (walk->state.values[place] != 0) {
            *ret_place = place;
            return true;
        }
    }
    return false;
}

static void move_once(struct walk *walk, bool is_there, size_t place)
{
    struct slice key, value;
    enum engine_result result = engine_cursor_next(walk->cursor, &key, &value, &subject.failure);
    ck_assert_msg(result != ENGINE_FAILED, "%s", subject.failure.text);
    ck_assert_int_eq(result, is_there ? ENGINE_OK : ENGINE_NOT_FOUND);
    if (is_there) {
        ck_assert(slice_equal(key, run.keys[place]));
        ck_assert(slice_equal(value, value_of(walk->state.values[place])));
    }
}

static void move_walk(void)
{
    struct walk *walk = &run.walks[pick(CURSORS)];
    for (size_t moves = walk->cursor == NULL ? 0 : pick(MOVES_MAX); moves > 0; moves--) {
        size_t place = 0;
        bool is_there = walk_next(walk, &place);
        move_once(walk, is_there, place);
        if (random_chance(&run.random, 20)) {
            bool repeats = is_there && random_chance(&run.random, 50);
            engine_cursor_park(walk->cursor, repeats);
            if (repeats) {
                move_once(walk, true, place);
            }
        }
    }
    if (walk->cursor != NULL && random_chance(&run.random, 30)) {
        engine_cursor_park(walk->cursor, false);
    }
}

static void let_go_of_all(void)
{
    for (size_t i = 0; i < POINTS; i++) {
        engine_point_release(run.points[i]);
        run.points[i] = NULL;
    }
    for (size_t i = 0; i < CURSORS; i++) {
        engine_cursor_close(run.walks[i].cursor);
        run.walks[i].cursor = NULL;
    }
}

static void care_for_space(void)
{
    uint64_t next_us;
    size_t from = pick(KEYS);
    switch (pick(4)) {
    case 0:
        subject_reclaim(run.keys[from], run.keys[from + pick(KEYS - from)]);
        break;
    case 1:
        engine_maintain(subject.engine, run.last_value, &next_us);
        break;
    case 2:
        ck_assert_int_eq(engine_sync(subject.engine, &subject.failure), ENGINE_DONE);
        break;
    case 3:
        if (random_chance(&run.random, 20)) {
            let_go_of_all();
            subject_reopen();
        }
        break;
    }
}

START_TEST(an_engine_does_what_a_sorted_array_does)
{
    subject_begin(_i);
    run.random = random_from(random_seed(engine_traits(subject.type)->text));
    make_keys();
    for (int step = 0; step < STEPS; step++) {
        uint64_t kind = random_below(&run.random, 100);
        if (kind < 30) {
            write_list();
        } else if (kind < 60) {
            read_one();
        } else if (kind < 70) {
            take_or_release_point();
        } else if (kind < 78) {
            open_or_close_walk();
        } else if (kind < 97) {
            move_walk();
        } else {
            care_for_space();
        }
    }
    let_go_of_all();
    subject_reopen();
    for (size_t i = 0; i < KEYS; i++) {
        uint32_t number = run.now.values[i];
        struct slice value = number == 0 ? slice_of(NULL, 0) : value_of(number);
        subject_expect_bytes(NULL, run.keys[i], number == 0 ? NULL : &value);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("engine_model", 120, &tests);
    tcase_add_checked_fixture(tests, NULL, subject_end);
    tcase_add_loop_test(tests, an_engine_does_what_a_sorted_array_does, 0, SUBJECTS);
    return suite_run(suite, true);
}
