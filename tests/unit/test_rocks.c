/* The engine on RocksDB: what the modules above rely on, pinned so that another version cannot change it unnoticed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/engine/engine_type.h"
#include "tests/lib/directory.h"
#include "tests/lib/engine_edits.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { BLOB_BYTES = 100 << 10, LARGE_BYTES = 2 << 20, MANY_FILES = 60 };

static struct directory directory;
static struct engine *engine;
static struct failure failure;

static void reopen(void)
{
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    engine = engine_opened(directory.path, false);
}

static void setup(void)
{
    directory = directory_new();
    engine = engine_opened(directory.path, true);
}

static void teardown(void)
{
    engine_close(engine, ENGINE_CLOSE_CLEAN);
    directory_remove(&directory);
}

static struct slice text(const char *string)
{
    return slice_of(string, strlen(string));
}

static void put_bytes(const char *key, struct slice value)
{
    struct engine_edits edits = {0};
    engine_edits_put(&edits, text(key), value);
    engine_edits_write(&edits, engine);
}

static void put(const char *key, const char *value)
{
    put_bytes(key, text(value));
}

static enum engine_result get_result(enum engine_reach reach, const char *key)
{
    struct engine_value value = {0};
    enum engine_result result = engine_get(engine, NULL, reach, text(key), &value, &failure);
    engine_value_release(&value);
    return result;
}

/* NULL expected: not there. */
static void assert_value_in(struct engine_point *point, const char *key, const char *expected)
{
    struct engine_value value = {0};
    enum engine_result result = engine_get(engine, point, ENGINE_MAY_BLOCK, text(key), &value, &failure);
    ck_assert_int_eq(result, expected == NULL ? ENGINE_NOT_FOUND : ENGINE_OK);
    ck_assert(expected == NULL || slice_equal(value.bytes, text(expected)));
    engine_value_release(&value);
}

static void assert_bytes(const char *key, struct slice expected)
{
    struct engine_value value = {0};
    ck_assert_int_eq(engine_get(engine, NULL, ENGINE_MAY_BLOCK, text(key), &value, &failure), ENGINE_OK);
    ck_assert(slice_equal(value.bytes, expected));
    engine_value_release(&value);
    engine_value_release(&value); /* accepts one that is released */
}

static void assert_value(const char *key, const char *expected)
{
    assert_value_in(NULL, key, expected);
}

static enum engine_result open_result(const char *path, bool create)
{
    struct engine_config config = {.path = path, .create = create};
    struct engine *none = NULL;
    enum engine_result result = engine_open(&engine_rocksdb, &config, &none, &failure);
    ck_assert_ptr_null(none);
    return result;
}

START_TEST(a_store_is_made_only_when_asked_for)
{
    struct directory empty = directory_new();
    ck_assert_int_eq(open_result(empty.path, false), ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(failure.text, "opening the store: Invalid argument"));
    ck_assert_ptr_nonnull(strstr(failure.text, "does not exist"));
    ck_assert_int_eq(open_result("/dev/null/store", true), ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(failure.text, "opening the store: IO error"));
    engine_close(NULL, ENGINE_CLOSE_CLEAN);
    directory_remove(&empty);
}
END_TEST

START_TEST(a_look_says_whether_a_store_is_there_and_changes_nothing)
{
    struct directory empty = directory_new();
    ck_assert_int_eq(engine_look(&engine_rocksdb, directory.path, &failure), ENGINE_OK);
    ck_assert_int_eq(engine_look(&engine_rocksdb, empty.path, &failure), ENGINE_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(failure.text, "there is no "));
    ck_assert_ptr_nonnull(strstr(failure.text, "/CURRENT"));
    ck_assert_int_eq(engine_look(&engine_rocksdb, "/dev/null/store", &failure), ENGINE_NOT_FOUND);
    char *deep = directory_path(&empty, "store");
    ck_assert_int_eq(symlink("store", deep), 0); /* leads to itself */
    ck_assert_int_eq(engine_look(&engine_rocksdb, deep, &failure), ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(failure.text, "cannot be seen: "));
    ck_assert_int_eq(unlink(deep), 0);
    ck_assert_int_eq(rmdir(empty.path), 0); /* it is as empty as it was */
    ck_assert_int_eq(mkdir(empty.path, 0700), 0);
    directory_remove(&empty);
}
END_TEST

START_TEST(a_second_open_is_refused)
{
    ck_assert_int_eq(open_result(directory.path, false), ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(failure.text, "opening the store: IO error: lock "));
}
END_TEST

START_TEST(what_is_written_is_read_and_survives_reopening)
{
    put("a", "1");
    put("empty", "");
    put_bytes("nul", slice_of("\0x\0", 3));
    for (int i = 0; i < 2; i++) {
        assert_value("a", "1");
        assert_value("empty", "");
        assert_value("absent", NULL);
        assert_bytes("nul", slice_of("\0x\0", 3));
        reopen();
    }
}
END_TEST

START_TEST(memory_answers_for_what_was_just_written)
{
    put("a", "1");
    ck_assert_int_eq(get_result(ENGINE_NO_IO, "a"), ENGINE_OK);
    ck_assert_int_eq(get_result(ENGINE_NO_IO, "absent"), ENGINE_NOT_FOUND);
}
END_TEST

/* A start leaves in memory what it replays of the log: what is to be on the device has to be brought into tables. */
static void reopen_from_tables(const char *from, const char *to)
{
    ck_assert_int_eq(engine_reclaim(engine, text(from), text(to), &failure), ENGINE_OK);
    reopen();
}

/* The engine says "Result incomplete" then, for keys and for values kept apart in blob files. */
START_TEST(memory_alone_does_not_answer_for_what_is_on_the_device)
{
    uint8_t *blob = calloc(1, BLOB_BYTES);
    put("a", "1");
    put_bytes("blob", slice_of(blob, BLOB_BYTES));
    reopen_from_tables("a", "z");
    ck_assert_int_eq(get_result(ENGINE_NO_IO, "a"), ENGINE_WOULD_BLOCK);
    ck_assert_int_eq(get_result(ENGINE_NO_IO, "blob"), ENGINE_WOULD_BLOCK);
    assert_value("a", "1");
    ck_assert_int_eq(get_result(ENGINE_NO_IO, "a"), ENGINE_OK);
    ck_assert_int_eq(get_result(ENGINE_NO_IO, "blob"), ENGINE_WOULD_BLOCK);
    ck_assert_int_eq(get_result(ENGINE_MAY_BLOCK, "blob"), ENGINE_OK);
    ck_assert_int_eq(get_result(ENGINE_NO_IO, "blob"), ENGINE_OK);
    free(blob);
}
END_TEST

/* A start opens only some of the tables; what lies in others is unknown to memory, and is neither absent nor empty. */
START_TEST(memory_alone_never_makes_up_a_value_of_a_table_that_is_not_open)
{
    char key[16];
    for (int i = 0; i < MANY_FILES; i++) {
        snprintf(key, sizeof key, "key %03d", i);
        put(key, "value");
        reopen_from_tables(key, key); /* each leaves a table of its own */
    }
    int answered = 0;
    for (int i = 0; i < MANY_FILES; i++) {
        struct engine_value value = {0};
        snprintf(key, sizeof key, "key %03d", i);
        enum engine_result result = engine_get(engine, NULL, ENGINE_NO_IO, text(key), &value, &failure);
        ck_assert_msg(result == ENGINE_OK || result == ENGINE_WOULD_BLOCK, "%s: %d", key, (int)result);
        ck_assert_msg(result != ENGINE_OK || slice_equal(value.bytes, text("value")),
                      "%s: answered with %zu bytes that were never written", key, value.bytes.bytes);
        answered += result == ENGINE_OK;
        engine_value_release(&value);
        assert_value(key, "value");
    }
    printf("%d of %d answered from memory\n", answered, MANY_FILES);
}
END_TEST

/* However the list is ordered, and whatever goes last for its size. */
START_TEST(a_list_of_edits_takes_effect_at_once)
{
    uint8_t *large = calloc(1, LARGE_BYTES);
    struct engine_edits edits = {0};
    put("gone", "1");
    put("z", "1");
    engine_edits_put(&edits, text("z"), slice_of(large, LARGE_BYTES));
    engine_edits_put(&edits, text("a"), slice_of(large, LARGE_BYTES));
    engine_edits_put(&edits, text("m"), text("small"));
    engine_edits_delete(&edits, text("gone"));
    engine_edits_delete(&edits, text("absent"));
    engine_edits_delete_range(&edits, text("a"), text("zz"));
    assert_value("a", NULL);
    assert_value("gone", "1");
    engine_edits_write(&edits, engine);
    for (int i = 0; i < 2; i++) {
        assert_bytes("z", slice_of(large, LARGE_BYTES));
        assert_bytes("a", slice_of(large, LARGE_BYTES));
        assert_value("m", "small");
        assert_value("gone", NULL);
        put("m", "small"); /* nothing is left of it in what the next write brings */
        reopen();
    }
    free(large);
}
END_TEST

START_TEST(a_put_into_a_range_that_the_same_list_deletes_stays)
{
    struct engine_edits edits = {0};
    put("a", "old");
    put("b", "old");
    put("c", "old");
    engine_edits_put(&edits, text("b"), text("new"));
    engine_edits_delete_range(&edits, text("a"), text("c"));
    engine_edits_write(&edits, engine);
    for (int i = 0; i < 2; i++) {
        assert_value("a", NULL);
        assert_value("b", "new");
        assert_value("c", "old"); /* the end is not part of the range */
        reopen();
    }
    engine_edits_delete_range(&edits, text("b"), text("b"));
    engine_edits_write(&edits, engine);
    assert_value("b", "new");
}
END_TEST

START_TEST(a_read_point_sees_what_was_deleted_and_compacted_away_later)
{
    struct engine_edits edits = {0};
    put("a", "1");
    put("b", "1");
    struct engine_point *point = engine_point_take(engine);
    engine_edits_delete(&edits, text("a"));
    engine_edits_delete_range(&edits, text("b"), text("c"));
    engine_edits_put(&edits, text("d"), text("later"));
    engine_edits_write(&edits, engine);
    put("a", "2");
    ck_assert_int_eq(engine_reclaim(engine, text("a"), text("z"), &failure), ENGINE_OK);
    assert_value("a", "2");
    assert_value("b", NULL);
    assert_value_in(point, "a", "1");
    assert_value_in(point, "b", "1");
    assert_value_in(point, "d", NULL);
    engine_point_release(point);
}
END_TEST

/* ---- cursors ---- */

static struct engine_cursor *cursor_open(const char *from, const char *to, bool is_reverse)
{
    struct engine_range range = {.from = text(from), .to = text(to), .is_reverse = is_reverse};
    return engine_cursor_open(engine, NULL, &range);
}

/* Moves on; NULL expected: to the end. */
static void assert_next(struct engine_cursor *cursor, const char *expected)
{
    struct slice key, value;
    enum engine_result result = engine_cursor_next(cursor, &key, &value, &failure);
    ck_assert_int_eq(result, expected == NULL ? ENGINE_NOT_FOUND : ENGINE_OK);
    ck_assert(expected == NULL || slice_equal(key, text(expected)));
    ck_assert(expected == NULL || slice_equal(value, text("v")));
}

/* The keys from..to, one letter each; parked by and by it is the same walk. */
static void assert_walk(const char *from, const char *to, const char *expected)
{
    size_t count = strlen(expected);
    for (int how = 0; how < 8; how++) {
        bool is_reverse = how & 1, parks = how & 2, repeats = how & 4;
        struct engine_cursor *cursor = cursor_open(from, to, is_reverse);
        for (size_t i = 0; i < count; i++) {
            const char letter[] = {expected[is_reverse ? count - 1 - i : i], '\0'};
            if (parks) {
                engine_cursor_park(cursor, false);
            }
            assert_next(cursor, letter);
            if (repeats) {
                engine_cursor_park(cursor, true);
                engine_cursor_park(cursor, true);
                assert_next(cursor, letter);
            }
        }
        assert_next(cursor, NULL);
        engine_cursor_park(cursor, repeats);
        assert_next(cursor, NULL);
        engine_cursor_close(cursor);
    }
}

START_TEST(a_cursor_keeps_to_its_bounds_either_way)
{
    assert_walk("a", "z", "");
    put("f", "v");
    put("b", "v");
    put("d", "v");
    for (int i = 0; i < 2; i++) {
        assert_walk("a", "z", "bdf");
        assert_walk("b", "f", "bd");
        assert_walk("b1", "f1", "df");
        assert_walk("d", "d", "");
        assert_walk("f", "b", "");
        assert_walk("d", "d1", "d");
        assert_walk("g", "z", "");
        assert_walk("a", "b", "");
        reopen();
    }
}
END_TEST

START_TEST(a_parked_cursor_without_a_point_walks_the_state_of_its_opening)
{
    put("b", "v");
    put("d", "v");
    put("f", "v");
    for (int is_reverse = 0; is_reverse < 2; is_reverse++) {
        struct engine_cursor *cursor = cursor_open("a", "z", is_reverse);
        struct engine_cursor *late = cursor_open("a", "z", is_reverse);
        struct engine_edits edits = {0};
        assert_next(cursor, is_reverse ? "f" : "b");
        engine_cursor_park(cursor, is_reverse);
        engine_edits_delete_range(&edits, text("a"), text("z"));
        engine_edits_put(&edits, text("c"), text("v"));
        engine_edits_write(&edits, engine);
        assert_next(cursor, is_reverse ? "f" : "d");
        assert_next(cursor, is_reverse ? "d" : "f");
        assert_next(late, is_reverse ? "f" : "b");
        engine_cursor_close(cursor);
        engine_cursor_close(late);
        put("b", "v");
        put("d", "v");
        put("f", "v");
        engine_edits_delete(&edits, text("c"));
        engine_edits_write(&edits, engine);
    }
}
END_TEST

START_TEST(a_cursor_parks_on_a_key_of_any_length)
{
    uint8_t *bytes = calloc(1, LARGE_BYTES);
    bytes[0] = 'k';
    struct engine_edits edits = {0};
    engine_edits_put(&edits, slice_of(bytes, LARGE_BYTES), text("v"));
    engine_edits_put(&edits, slice_of(bytes, LARGE_BYTES - 1), text("v"));
    engine_edits_write(&edits, engine);
    for (int is_reverse = 0; is_reverse < 2; is_reverse++) {
        struct engine_cursor *cursor = cursor_open("a", "z", is_reverse);
        for (int i = 0; i < 2; i++) {
            struct slice key, value;
            ck_assert_int_eq(engine_cursor_next(cursor, &key, &value, &failure), ENGINE_OK);
            ck_assert_uint_eq(key.bytes, i == is_reverse ? LARGE_BYTES - 1 : LARGE_BYTES);
            engine_cursor_park(cursor, false);
        }
        assert_next(cursor, NULL);
        engine_cursor_close(cursor);
    }
    free(bytes);
}
END_TEST

START_TEST(a_sync_without_anything_to_write_is_fine)
{
    struct engine_edit edit = {ENGINE_PUT, text("b"), text("v")};
    ck_assert_int_eq(engine_sync(engine, &failure), ENGINE_DONE);
    put("a", "v");
    ck_assert_int_eq(engine_sync(engine, &failure), ENGINE_DONE);
    ck_assert_int_eq(engine_write(engine, &edit, 1, ENGINE_SYNCED, &failure), ENGINE_DONE);
    reopen();
    assert_walk("a", "c", "ab");
    assert_walk("sync", "sync1", "");
}
END_TEST

static void count_metric(void *context, const char *name, uint64_t value)
{
    (void)value;
    ck_assert_int_eq(strncmp(name, "engine.", 7), 0);
    (*(int *)context)++;
}

START_TEST(it_says_what_it_is_and_how_it_does)
{
    int metrics = 0;
    const struct engine_traits *traits = engine_traits(&engine_rocksdb);
    ck_assert_int_eq(strncmp(traits->text, "RocksDB ", 8), 0);
    ck_assert(traits->reads_without_io && traits->memory_bytes_max > 0);
    engine_metrics(engine, count_metric, &metrics);
    ck_assert_int_gt(metrics, 5);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rocks", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_store_is_made_only_when_asked_for);
    tcase_add_test(tests, a_second_open_is_refused);
    tcase_add_test(tests, what_is_written_is_read_and_survives_reopening);
    tcase_add_test(tests, memory_answers_for_what_was_just_written);
    tcase_add_test(tests, memory_alone_does_not_answer_for_what_is_on_the_device);
    tcase_add_test(tests, memory_alone_never_makes_up_a_value_of_a_table_that_is_not_open);
    tcase_add_test(tests, a_look_says_whether_a_store_is_there_and_changes_nothing);
    tcase_add_test(tests, a_list_of_edits_takes_effect_at_once);
    tcase_add_test(tests, a_put_into_a_range_that_the_same_list_deletes_stays);
    tcase_add_test(tests, a_read_point_sees_what_was_deleted_and_compacted_away_later);
    tcase_add_test(tests, a_cursor_keeps_to_its_bounds_either_way);
    tcase_add_test(tests, a_parked_cursor_without_a_point_walks_the_state_of_its_opening);
    tcase_add_test(tests, a_cursor_parks_on_a_key_of_any_length);
    tcase_add_test(tests, a_sync_without_anything_to_write_is_fine);
    tcase_add_test(tests, it_says_what_it_is_and_how_it_does);
    return suite_run(suite, true);
}
