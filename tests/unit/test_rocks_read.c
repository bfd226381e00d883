/* Reading from RocksDB: when memory alone answers, and what is damaged on the device. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/engine_edits.h"
#include "tests/lib/kept.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

enum { BLOB_BYTES = 100 << 10, LARGE_BYTES = 2 << 20, MANY_FILES = 60, DAMAGED_AT = 20 };

static void setup(void)
{
    subject_begin(SUBJECT_ROCKSDB);
}

static enum engine_result get_result(enum engine_reach reach, const char *key)
{
    struct engine_value value = {0};
    enum engine_result result = engine_get(subject.engine, NULL, reach, text(key), &value, &subject.failure);
    engine_value_release(&value);
    return result;
}

START_TEST(memory_answers_for_what_was_just_written)
{
    subject_put(text("a"), text("1"));
    ck_assert_int_eq(get_result(ENGINE_NO_IO, "a"), ENGINE_OK);
    ck_assert_int_eq(get_result(ENGINE_NO_IO, "absent"), ENGINE_NOT_FOUND);
}
END_TEST

/* What is kept of the last point that was released, the next one is made of: it has an instant of its own all the same. */
START_TEST(a_point_made_of_a_released_one_sees_its_own_instant)
{
    subject_put(text("a"), text("1"));
    struct engine_point *first = engine_point_take(subject.engine);
    struct engine_point *second = engine_point_take(subject.engine);
    engine_point_release(first);
    subject_put(text("a"), text("2"));
    struct engine_point *third = engine_point_take(subject.engine);
    ck_assert_ptr_eq(third, first);
    subject_put(text("a"), text("3"));
    subject_expect(second, "a", "1");
    subject_expect(third, "a", "2");
    engine_point_release(second);
    engine_point_release(third); /* one is kept, one freed */
    struct engine_point *fourth = engine_point_take(subject.engine);
    subject_expect(fourth, "a", "3");
    engine_point_release(fourth);
    subject_reopen(); /* it asserts that the engine has no snapshot left */
    subject_expect(NULL, "a", "3");
}
END_TEST

/* A start leaves in memory what it replays of the log: what is to be on the device has to be brought into tables. */
static void reopen_from_tables(const char *from, const char *to)
{
    (void)subject_reclaim(text(from), text(to));
    subject_reopen();
}

/* The engine says "Result incomplete" then, for keys and for values kept apart in blob files. */
START_TEST(memory_alone_does_not_answer_for_what_is_on_the_device)
{
    uint8_t *blob = calloc(1, BLOB_BYTES);
    subject_put(text("a"), text("1"));
    subject_put(text("blob"), slice_of(blob, BLOB_BYTES));
    reopen_from_tables("a", "z");
    ck_assert_int_eq(get_result(ENGINE_NO_IO, "a"), ENGINE_WOULD_BLOCK);
    ck_assert_int_eq(get_result(ENGINE_NO_IO, "blob"), ENGINE_WOULD_BLOCK);
    subject_expect(NULL, "a", "1");
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
        subject_put(text(key), text("value"));
        reopen_from_tables(key, key); /* each leaves a table of its own */
    }
    int answered = 0;
    for (int i = 0; i < MANY_FILES; i++) {
        struct engine_value value = {0};
        snprintf(key, sizeof key, "key %03d", i);
        enum engine_result result =
            engine_get(subject.engine, NULL, ENGINE_NO_IO, text(key), &value, &subject.failure);
        ck_assert_msg(result == ENGINE_OK || result == ENGINE_WOULD_BLOCK, "%s: %d", key, (int)result);
        ck_assert_msg(result != ENGINE_OK || slice_equal(value.bytes, text("value")),
                      "%s: answered with %zu bytes that were never written", key, value.bytes.bytes);
        answered += result == ENGINE_OK;
        engine_value_release(&value);
        subject_expect(NULL, key, "value");
    }
    printf("%d of %d answered from memory\n", answered, MANY_FILES);
}
END_TEST

START_TEST(a_cursor_parks_on_a_key_of_any_length)
{
    uint8_t *bytes = calloc(1, LARGE_BYTES);
    bytes[0] = 'k';
    struct engine_edits edits = {0};
    engine_edits_put(&edits, slice_of(bytes, LARGE_BYTES), text("v"));
    engine_edits_put(&edits, slice_of(bytes, LARGE_BYTES - 1), text("v"));
    engine_edits_write(&edits, subject.engine);
    for (int is_reverse = 0; is_reverse < 2; is_reverse++) {
        struct engine_cursor *cursor = subject_cursor(NULL, "a", "z", is_reverse);
        for (int i = 0; i < 2; i++) {
            struct slice key, value;
            ck_assert_int_eq(engine_cursor_next(cursor, &key, &value, &subject.failure), ENGINE_OK);
            ck_assert_uint_eq(key.bytes, i == is_reverse ? LARGE_BYTES - 1 : LARGE_BYTES);
            engine_cursor_park(cursor, false);
        }
        subject_expect_walk(cursor, "", "");
        engine_cursor_close(cursor);
    }
    free(bytes);
}
END_TEST

/* Changes a byte in the data of each table. */
static unsigned damage_tables(void)
{
    unsigned count = 0;
    DIR *stream = opendir(subject.path);
    const struct dirent *entry;
    ck_assert_ptr_nonnull(stream);
    while ((entry = readdir(stream)) != NULL) {
        const char *end = strrchr(entry->d_name, '.');
        if (end != NULL && strcmp(end, ".sst") == 0) {
            int fd = open(kept_format("%s/%s", subject.path, entry->d_name), O_RDWR);
            char byte;
            ck_assert_int_eq(pread(fd, &byte, 1, DAMAGED_AT), 1);
            byte ^= 0x55;
            ck_assert_int_eq(pwrite(fd, &byte, 1, DAMAGED_AT), 1);
            close(fd);
            count++;
        }
    }
    closedir(stream);
    return count;
}

START_TEST(what_is_damaged_is_a_failure_and_never_absent)
{
    subject_put(text("a"), text("some value that a table holds"));
    subject_reclaim(text("a"), text("z"));
    engine_close(subject.engine, ENGINE_CLOSE_CLEAN);
    ck_assert_uint_gt(damage_tables(), 0);
    subject_open(false);
    ck_assert_int_eq(get_result(ENGINE_MAY_BLOCK, "a"), ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(subject.failure.text, "reading a key: Corruption: "));
    struct engine_cursor *cursor = subject_cursor(NULL, "a", "z", false);
    for (int i = 0; i < 3; i++) {
        struct slice key, value;
        ck_assert_int_eq(engine_cursor_next(cursor, &key, &value, &subject.failure), ENGINE_FAILED);
        ck_assert_ptr_nonnull(strstr(subject.failure.text, i == 0 ? "Corruption: " : "it failed before"));
        engine_cursor_park(cursor, i == 1);
    }
    engine_cursor_close(cursor);
    uint64_t bytes = 0;
    ck_assert_int_eq(engine_range_bytes(subject.engine, text("a"), text("z"), &bytes, &subject.failure),
                     ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(subject.failure.text, "reading a range of keys: Corruption: "));
    subject_put(text("b"), text("1")); /* the store goes on */
    subject_expect(NULL, "b", "1");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rocks_read", 180, &tests);
    tcase_add_checked_fixture(tests, setup, subject_end);
    tcase_add_test(tests, memory_answers_for_what_was_just_written);
    tcase_add_test(tests, a_point_made_of_a_released_one_sees_its_own_instant);
    tcase_add_test(tests, memory_alone_does_not_answer_for_what_is_on_the_device);
    tcase_add_test(tests, memory_alone_never_makes_up_a_value_of_a_table_that_is_not_open);
    tcase_add_test(tests, a_cursor_parks_on_a_key_of_any_length);
    tcase_add_test(tests, what_is_damaged_is_a_failure_and_never_absent);
    return suite_run(suite, true);
}
