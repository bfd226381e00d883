/* Space in RocksDB: what is reclaimed comes back, and the metrics tell. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine/rocksdb/rocks.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

enum { BLOB_BYTES = 100 << 10, BLOBS = 50 };

static void setup(void)
{
    subject_begin(SUBJECT_ROCKSDB);
}

struct wanted {
    const char *name;
    uint64_t value;
    int count; /* of all */
};

static void look_at_metric(void *context, const struct metric *metric, uint64_t value)
{
    struct wanted *wanted = context;
    ck_assert_int_eq(strncmp(metric->name, "engine.", 7), 0);
    wanted->count++;
    if (strcmp(metric->name, wanted->name) == 0) {
        wanted->value = value;
    }
}

static uint64_t metric_of(const char *name)
{
    struct wanted wanted = {.name = name, .value = UINT64_MAX};
    engine_metrics(subject.engine, look_at_metric, &wanted);
    ck_assert_int_gt(wanted.count, 5);
    ck_assert_msg(wanted.value != UINT64_MAX, "there is no metric %s", name);
    return wanted.value;
}

START_TEST(space_of_deleted_values_comes_back)
{
    uint8_t *blob = calloc(1, BLOB_BYTES);
    for (uint8_t i = 0; i < BLOBS; i++) {
        subject_put(slice_of(&i, 1), slice_of(blob, BLOB_BYTES));
    }
    uint8_t first = 0, behind = BLOBS;
    subject_reclaim(slice_of(&first, 1), slice_of(&behind, 1));
    ck_assert_uint_ge(metric_of("engine.values.bytes"), BLOBS * BLOB_BYTES);
    subject_delete_range(slice_of(&first, 1), slice_of(&behind, 1));
    subject_reclaim(slice_of(&first, 1), slice_of(&behind, 1));
    ck_assert_uint_lt(metric_of("engine.values.bytes"), BLOB_BYTES);
    free(blob);
}
END_TEST

/* Each file has some that stay. */
START_TEST(space_of_values_deleted_here_and_there_comes_back_once_it_is_much)
{
    enum { KEYS = 1500 };
    uint8_t *blob = calloc(1, BLOB_BYTES);
    uint8_t key[2] = {0}, behind[2] = {0xFF, 0xFF};
    for (unsigned i = 0; i < KEYS; i++) {
        key[0] = (uint8_t)(i >> 8), key[1] = (uint8_t)i;
        subject_put(slice_of(key, 2), slice_of(blob, BLOB_BYTES));
    }
    key[0] = key[1] = 0;
    subject_reclaim(slice_of(key, 2), slice_of(behind, 2)); /* all is in files */
    for (unsigned i = 0; i < KEYS; i++) {
        key[0] = (uint8_t)(i >> 8), key[1] = (uint8_t)i;
        if (i % 3 != 0) {
            subject_delete(slice_of(key, 2));
        }
    }
    key[0] = key[1] = 0;
    subject_reclaim(slice_of(key, 2), slice_of(behind, 2));
    ck_assert_uint_lt(metric_of("engine.values.bytes"), KEYS / 3 * BLOB_BYTES + (16 << 20));
    free(blob);
}
END_TEST

/* What is too little to write all the rest anew for while others write, comes back when nobody does. */
START_TEST(a_rest_comes_back_when_it_is_quiet)
{
    enum { KEYS = 1500, DELETED = 300 };
    uint8_t *blob = calloc(1, BLOB_BYTES);
    uint8_t key[2] = {0}, behind[2] = {0xFF, 0xFF};
    for (unsigned i = 0; i < KEYS; i++) {
        key[0] = (uint8_t)(i >> 8), key[1] = (uint8_t)i;
        subject_put(slice_of(key, 2), slice_of(blob, BLOB_BYTES));
    }
    key[0] = key[1] = 0;
    subject_reclaim(slice_of(key, 2), slice_of(behind, 2));
    for (unsigned i = 0; i < KEYS; i += KEYS / DELETED) {
        key[0] = (uint8_t)(i >> 8), key[1] = (uint8_t)i;
        subject_delete(slice_of(key, 2));
    }
    key[0] = key[1] = 0;
    subject_reclaim(slice_of(key, 2), slice_of(behind, 2));
    uint64_t freed_bytes = 0, before_bytes = metric_of("engine.values.bytes");
    ck_assert_uint_gt(before_bytes, KEYS * BLOB_BYTES / 20 * 19);
    uint64_t live = metric_of("engine.values.live_bytes");
    ck_assert_uint_ge(live, (uint64_t)(KEYS - DELETED) * BLOB_BYTES);
    ck_assert_uint_lt(live, (KEYS - DELETED) * BLOB_BYTES + (1 << 20));
    struct slice none = slice_of(key, 2);
    enum engine_result result =
        engine_reclaim(subject.engine, none, none, true, &freed_bytes, &subject.failure);
    ck_assert_int_eq(result, ENGINE_OK);
    ck_assert_uint_lt(metric_of("engine.values.bytes"), (KEYS - DELETED) * BLOB_BYTES + (1 << 20));
    ck_assert_uint_ge(freed_bytes, before_bytes - (KEYS - DELETED) * BLOB_BYTES - (1 << 20));
    free(blob);
}
END_TEST

START_TEST(a_read_point_is_counted_until_its_release)
{
    ck_assert_uint_eq(metric_of("engine.points"), 0);
    struct engine_point *point = engine_point_take(subject.engine);
    ck_assert_uint_eq(metric_of("engine.points"), 1);
    engine_point_release(point);
    ck_assert_uint_eq(metric_of("engine.points"), 0);
}
END_TEST

START_TEST(after_a_stop_maintenance_wants_no_further_call)
{
    uint64_t next_us = 0;
    subject_put(text("a"), text("1"));
    subject_delete_range(text("a"), text("b"));
    engine_maintain(subject.engine, thread_now_us(), &next_us);
    ck_assert_uint_ne(next_us, UINT64_MAX); /* a range was deleted: files may go */
    engine_stop_maintenance(subject.engine);
    engine_maintain(subject.engine, thread_now_us(), &next_us);
    ck_assert_uint_eq(next_us, UINT64_MAX);
    (void)subject_reclaim(text("a"), text("b"));
}
END_TEST

static uint64_t deletions_in_tables(void)
{
    const rocksdb_livefiles_t *tables = rocksdb_livefiles(rocks_of(subject.engine)->db);
    uint64_t deletions = 0;
    for (int i = 0; i < rocksdb_livefiles_count(tables); i++) {
        deletions += rocksdb_livefiles_deletions(tables, i);
    }
    rocksdb_livefiles_destroy(tables);
    return deletions;
}

/* A compaction only moves a table below which nothing lies, with all the deletions in it. */
START_TEST(deletions_of_what_is_gone_do_not_stay_in_tables)
{
    enum { KEYS = 3000 };
    uint8_t key[2] = {0}, behind[2] = {0xFF, 0xFF};
    for (unsigned i = 0; i < KEYS; i++) {
        key[0] = (uint8_t)(i >> 8), key[1] = (uint8_t)i;
        subject_delete(slice_of(key, 2));
    }
    key[0] = key[1] = 0;
    subject_reclaim(slice_of(key, 2), slice_of(behind, 2));
    ck_assert_uint_eq(deletions_in_tables(), 0);
}
END_TEST

static void expect_no_reclaim(const char *text_of_failure)
{
    struct failure failure;
    uint64_t freed_bytes = 77;
    ck_assert_int_eq(engine_reclaim(subject.engine, text("a"), text("b"), false, &freed_bytes, &failure),
                     ENGINE_FAILED);
    ck_assert_uint_eq(freed_bytes, 77);
    ck_assert_int_eq(failure.status, STATUS_IO_ERROR);
    ck_assert_msg(strstr(failure.text, text_of_failure) != NULL, "%s", failure.text);
}

START_TEST(nothing_is_reclaimed_behind_a_failed_write_or_flush)
{
    struct rocks *rocks = rocks_of(subject.engine);
    subject_put(text("a"), text("1"));
    atomic_store(&rocks->flushes_fail, true);
    expect_no_reclaim("flushes fail");
    atomic_store(&rocks->flushes_fail, false);
    atomic_store(&rocks->cannot_flush, true);
    expect_no_reclaim("it failed before");
    atomic_store(&rocks->cannot_flush, false);
    atomic_store(&subject.engine->has_ended, true);
    expect_no_reclaim("a write failed before");
    atomic_store(&subject.engine->has_ended, false);
    (void)subject_reclaim(text("a"), text("b"));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rocks_space", 60, &tests);
    tcase_add_checked_fixture(tests, setup, subject_end);
    tcase_add_test(tests, space_of_deleted_values_comes_back);
    tcase_add_test(tests, space_of_values_deleted_here_and_there_comes_back_once_it_is_much);
    tcase_add_test(tests, a_rest_comes_back_when_it_is_quiet);
    tcase_add_test(tests, a_read_point_is_counted_until_its_release);
    tcase_add_test(tests, after_a_stop_maintenance_wants_no_further_call);
    tcase_add_test(tests, deletions_of_what_is_gone_do_not_stay_in_tables);
    tcase_add_test(tests, nothing_is_reclaimed_behind_a_failed_write_or_flush);
    return suite_run(suite, true);
}
