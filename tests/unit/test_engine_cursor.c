/* What engine.h promises of cursors, of every engine alike. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/random.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

enum { LARGE_BYTES = 1 << 20, MANY = 3000 };

static void put_all(const char *letters, const char *value)
{
    for (; *letters != '\0'; letters++) {
        subject_put(slice_of(letters, 1), text(value));
    }
}

static void expect_range(const char *from, const char *to, const char *expected)
{
    char reversed[32];
    size_t count = strlen(expected);
    for (size_t i = 0; i < count; i++) {
        reversed[i] = expected[count - 1 - i];
    }
    reversed[count] = '\0';
    for (int i = 0; i < 4; i++) {
        struct engine_cursor *cursor = engine_cursor_open(subject.engine, NULL,
                                                          &(struct engine_range){
                                                              .from = text(from),
                                                              .to = text(to),
                                                              .is_reverse = i % 2 == 1,
                                                              .is_long = i >= 2,
                                                          });
        subject_expect_walk(cursor, i % 2 == 1 ? reversed : expected, "v");
        engine_cursor_close(cursor);
    }
}

START_TEST(a_cursor_keeps_to_its_bounds)
{
    subject_begin(_i);
    engine_cursor_close(NULL);
    expect_range("a", "z", "");
    put_all("fbd", "v");
    for (int i = 0; i < 3; i++) {
        expect_range("a", "z", "bdf");
        expect_range("", "z", "bdf");
        expect_range("b", "f", "bd");
        expect_range("b1", "f1", "df");
        expect_range("d", "d", "");
        expect_range("d", "d1", "d");
        expect_range("c", "d", "");
        expect_range("g", "z", "");
        expect_range("a", "b", "");
        if (i == 0) {
            subject_reclaim(text("a"), text("z"));
        } else {
            subject_reopen();
        }
    }
}
END_TEST

START_TEST(what_was_deleted_is_not_walked_over)
{
    subject_begin(_i);
    put_all("abcdefgh", "v");
    subject_delete(text("a"));
    subject_delete_range(text("c"), text("f"));
    put_all("d", "v");
    subject_delete(text("h"));
    for (int i = 0; i < 2; i++) {
        expect_range("", "z", "bdfg");
        expect_range("c", "f", "d");
        expect_range("a", "b", "");
        subject_reclaim(text("a"), text("z"));
    }
}
END_TEST

START_TEST(keys_come_in_byte_order)
{
    subject_begin(_i);
    struct random_source random = random_from(random_seed("order"));
    uint8_t key[40];
    subject_put(slice_of(key, 0), text("v"));
    for (int i = 0; i < 300; i++) { /* of few letters, so that many are prefixes of others */
        size_t bytes = random_below(&random, 6);
        for (size_t byte = 0; byte < bytes; byte++) {
            key[byte] = (uint8_t[]){0, 1, 0x7f, 0x80, 0xff}[random_below(&random, 5)];
        }
        subject_put(slice_of(key, bytes), text("v"));
    }
    size_t counts[2] = {0, 0};
    for (int way = 0; way < 2; way++) {
        struct engine_range range = {slice_of(NULL, 0), slice_of("\xff\xff\xff\xff\xff\xff", 6), way == 1,
                                     false};
        struct engine_cursor *cursor = engine_cursor_open(subject.engine, NULL, &range);
        uint8_t before[sizeof key];
        size_t before_bytes = 0;
        struct slice found, value;
        while (engine_cursor_next(cursor, &found, &value, &subject.failure) == ENGINE_OK) {
            int order = slice_compare(found, slice_of(before, before_bytes));
            ck_assert(counts[way] == 0 || (way == 1 ? order < 0 : order > 0));
            before_bytes = found.bytes;
            if (found.bytes > 0) {
                memcpy(before, found.data, found.bytes);
            }
            counts[way]++;
        }
        engine_cursor_close(cursor);
    }
    ck_assert_uint_gt(counts[0], 50);
    ck_assert_uint_eq(counts[0], counts[1]);
}
END_TEST

START_TEST(the_bounds_are_copied)
{
    subject_begin(_i);
    put_all("abcdef", "v");
    char from[] = "b", to[] = "e";
    struct engine_range range = {text(from), text(to), false, false};
    struct engine_cursor *cursor = engine_cursor_open(subject.engine, NULL, &range);
    from[0] = 'e';
    to[0] = 'f';
    range = (struct engine_range){0};
    subject_expect_walk(cursor, "bcd", "v");
    engine_cursor_close(cursor);
}
END_TEST

static void *change_everything(void *unused)
{
    (void)unused;
    put_all("ace", "other");
    subject_delete(text("b"));
    put_all("h", "other");
    subject_delete_range(text("d"), text("e"));
    subject_reclaim(text("a"), text("z"));
    return NULL;
}

/* Also one that is parked meanwhile, and one that has not moved yet. */
START_TEST(a_cursor_is_as_of_its_opening)
{
    for (int way = 0; way < 6; way++) {
        subject_begin(_i);
        bool is_reverse = way % 2 == 1;
        put_all("abcde", "v");
        struct engine_cursor *cursor = subject_cursor(NULL, "a", "z", is_reverse);
        struct slice key, value;
        if (way >= 2) {
            ck_assert_int_eq(engine_cursor_next(cursor, &key, &value, &subject.failure), ENGINE_OK);
        }
        if (way >= 4) {
            engine_cursor_park(cursor, false);
        }
        change_everything(NULL);
        const char *rest = is_reverse ? "edcba" : "abcde";
        subject_expect_walk(cursor, way >= 2 ? rest + 1 : rest, "v");
        engine_cursor_close(cursor);
        if (way < 5) {
            subject_end();
        }
    }
}
END_TEST

START_TEST(a_cursor_is_as_of_its_point_and_holds_it)
{
    for (int way = 0; way < 4; way++) {
        subject_begin(_i);
        bool is_reverse = way % 2 == 1;
        put_all("abcde", "v");
        struct engine_point *point = engine_point_take(subject.engine);
        change_everything(NULL);
        struct engine_cursor *cursor = subject_cursor(point, "a", "z", is_reverse);
        engine_point_release(point);
        if (way >= 2) {
            engine_cursor_park(cursor, false);
        }
        change_everything(NULL);
        subject_expect_walk(cursor, is_reverse ? "edcba" : "abcde", "v");
        engine_cursor_close(cursor);
        if (way < 3) {
            subject_end();
        }
    }
}
END_TEST

/* `parks` says at which steps, a bit each: before the first, behind each key, and at the end. */
START_TEST(a_parked_cursor_finds_its_place)
{
    subject_begin(_i);
    put_all("bdfhk", "v");
    struct engine_point *point = engine_point_take(subject.engine);
    subject_delete_range(text("c"), text("g"));
    put_all("cei", "other");
    for (unsigned parks = 0; parks < 1 << 7; parks++) {
        for (int way = 0; way < 2; way++) {
            const char *expected = way == 1 ? "hfd" : "dfh";
            struct engine_cursor *cursor = subject_cursor(point, "c", "k", way == 1);
            for (unsigned step = 0; step < 6; step++) {
                for (unsigned times = 0; parks >> step & 1 && times <= step % 2; times++) {
                    engine_cursor_park(cursor, false);
                }
                struct slice key, value;
                enum engine_result result = engine_cursor_next(cursor, &key, &value, &subject.failure);
                ck_assert_int_eq(result, step < 3 ? ENGINE_OK : ENGINE_NOT_FOUND);
                ck_assert(step >= 3 || slice_equal(key, slice_of(expected + step, 1)));
                ck_assert(step >= 3 || slice_equal(value, text("v")));
            }
            if (parks >> 6 & 1) {
                engine_cursor_park(cursor, false); /* and closed so */
            }
            engine_cursor_close(cursor);
        }
    }
    engine_point_release(point);
}
END_TEST

START_TEST(a_parked_cursor_finds_its_place_where_much_was_given_back)
{
    subject_begin(_i);
    char name[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "%06d", i);
        subject_put(text(name), text(name));
    }
    struct engine_cursor *ways[2] = {subject_cursor(NULL, "0", "9", false),
                                     subject_cursor(NULL, "0", "9", true)};
    for (int i = 0; i < MANY; i++) {
        for (int way = 0; way < 2; way++) {
            struct slice key, value;
            snprintf(name, sizeof name, "%06d", way == 0 ? i : MANY - 1 - i);
            ck_assert_int_eq(engine_cursor_next(ways[way], &key, &value, &subject.failure), ENGINE_OK);
            ck_assert(slice_equal(key, text(name)));
            ck_assert(slice_equal(value, text(name)));
            if (i % 7 == way) {
                bool repeats = i % 2 == 0;
                engine_cursor_park(ways[way], repeats);
                if (repeats) {
                    ck_assert_int_eq(engine_cursor_next(ways[way], &key, &value, &subject.failure),
                                     ENGINE_OK);
                    ck_assert(slice_equal(key, text(name)));
                    ck_assert(slice_equal(value, text(name)));
                }
            }
        }
        if (i == MANY / 4) {
            subject_delete_range(text("0"), text("9"));
        }
        if (i == MANY / 3) {
            subject_reclaim(text("0"), text("9"));
        }
    }
    for (int way = 0; way < 2; way++) {
        subject_expect_walk(ways[way], "", NULL);
        engine_cursor_close(ways[way]);
    }
}
END_TEST

START_TEST(key_and_value_last_until_the_cursor_is_next_used)
{
    subject_begin(_i);
    uint8_t *large = calloc(1, LARGE_BYTES);
    put_all("ab", "v");
    subject_put(text("c"), slice_of(large, LARGE_BYTES));
    struct engine_cursor *cursor = subject_cursor(NULL, "a", "z", true);
    struct engine_cursor *other = subject_cursor(NULL, "a", "c", false);
    struct slice key, value;
    ck_assert_int_eq(engine_cursor_next(cursor, &key, &value, &subject.failure), ENGINE_OK);
    subject_expect_walk(other, "ab", "v");
    engine_cursor_close(other);
    ck_assert(slice_equal(key, text("c")));
    ck_assert(slice_equal(value, slice_of(large, LARGE_BYTES)));
    engine_cursor_close(cursor);
    free(large);
}
END_TEST

START_TEST(a_parked_cursor_gives_its_key_once_more)
{
    subject_begin(_i);
    put_all("bdf", "v");
    for (int way = 0; way < 2; way++) {
        const char *expected = way == 1 ? "fdb" : "bdf";
        struct engine_cursor *cursor = subject_cursor(NULL, "a", "z", way == 1);
        subject_delete_range(text("a"), text("z"));
        engine_cursor_park(cursor, true); /* there is nothing yet to give once more */
        for (int step = 0; step < 3; step++) {
            for (int times = 0; times < 3; times++) {
                struct slice key, value;
                ck_assert_int_eq(engine_cursor_next(cursor, &key, &value, &subject.failure), ENGINE_OK);
                ck_assert(slice_equal(key, slice_of(expected + step, 1)));
                ck_assert(slice_equal(value, text("v")));
                engine_cursor_park(cursor, times < 2);
            }
        }
        subject_expect_walk(cursor, "", NULL);
        engine_cursor_park(cursor, false);
        subject_expect_walk(cursor, "", NULL);
        engine_cursor_close(cursor);
        put_all("bdf", "v");
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("engine_cursor", 120, &tests);
    tcase_add_checked_fixture(tests, NULL, subject_end);
    tcase_add_loop_test(tests, a_cursor_keeps_to_its_bounds, 0, SUBJECTS);
    tcase_add_loop_test(tests, what_was_deleted_is_not_walked_over, 0, SUBJECTS);
    tcase_add_loop_test(tests, keys_come_in_byte_order, 0, SUBJECTS);
    tcase_add_loop_test(tests, the_bounds_are_copied, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_cursor_is_as_of_its_opening, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_cursor_is_as_of_its_point_and_holds_it, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_parked_cursor_finds_its_place, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_parked_cursor_finds_its_place_where_much_was_given_back, 0, SUBJECTS);
    tcase_add_loop_test(tests, key_and_value_last_until_the_cursor_is_next_used, 0, SUBJECTS);
    tcase_add_loop_test(tests, a_parked_cursor_gives_its_key_once_more, 0, SUBJECTS);
    return suite_run(suite, true);
}
