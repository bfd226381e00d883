/* What a manifest's records add up to: which files have to be there, and which logs count. */
#include <check.h>

#include "daemon/engine/rocksdb/audit_manifest.h"
#include "tests/lib/suite.h"

static struct audit_manifest manifest;
static uint8_t record[256];
static size_t record_bytes;

static void setup(void)
{
    manifest = (struct audit_manifest){0};
    record_bytes = 0;
}

static void teardown(void)
{
    audit_manifest_free(&manifest);
}

/* ---- making records ---- */

static void put(uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        record[record_bytes++] = (uint8_t)(value | 0x80);
    }
    record[record_bytes++] = (uint8_t)value;
}

static void put_all(const uint64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(values[i]);
    }
}

#define PUT(...)                                                                                             \
    put_all((const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* Ends the record: it has to be understood. */
static void take(void)
{
    const char *reason = audit_manifest_take(&manifest, slice_of(record, record_bytes));
    ck_assert_msg(reason == NULL, "%s", reason);
    record_bytes = 0;
}

static void put_table(uint64_t number, uint64_t bytes, uint64_t sequence, uint64_t blob)
{
    PUT(103, 1, number, bytes, 2, 'a', 'a', 2, 'z', 'z', 1, sequence, 5, 1, 77);
    if (blob > 0) {
        PUT(4, 1, blob);
    }
    put(1);
}

static void put_table_gone(uint64_t number)
{
    PUT(6, 1, number);
}

static void put_blob(uint64_t number, uint64_t count, uint64_t bytes)
{
    PUT(400, number, count, bytes, 0, 0, 0);
}

static void put_garbage(uint64_t number, uint64_t count)
{
    PUT(401, number, count, 10, 0);
}

static void expect(const struct audit_files *files, size_t count, const uint64_t *numbers)
{
    ck_assert_uint_eq(files->count, count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(files->list[i].number, numbers[i]);
    }
}

#define EXPECT(FILES, ...)                                                                                   \
    expect(&manifest.FILES, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t),                      \
           (const uint64_t[]){__VA_ARGS__})

/* ---- tests ---- */

START_TEST(nothing_is_said_by_nothing)
{
    audit_manifest_end(&manifest);
    ck_assert(!manifest.has_sequence);
    ck_assert_uint_eq(manifest.tables.count + manifest.blobs.count + manifest.logs.count, 0);
}
END_TEST

START_TEST(numbers_only_grow)
{
    PUT(1, 1, 'c', 2, 7, 3, 20, 4, 300, 9, 0, 203, 0);
    take();
    PUT(10, 9, 2, 8, 4, 200);
    take();
    audit_manifest_end(&manifest);
    ck_assert(manifest.has_sequence);
    ck_assert_uint_eq(manifest.sequence, 300);
    ck_assert_uint_eq(manifest.logs_from, 9);
}
END_TEST

START_TEST(tables_come_and_go)
{
    put_table(12, 1000, 50, 0);
    put_table(11, 500, 60, 0);
    take();
    put_table_gone(12);
    put_table(12, 1000, 50, 0); /* it changes its level */
    put_table_gone(11);
    take();
    put_table(13, 7, 40, 0);
    take();
    audit_manifest_end(&manifest);
    EXPECT(tables, 12, 13);
    ck_assert_uint_eq(manifest.tables.list[0].bytes, 1000);
    ck_assert_uint_eq(manifest.tables.list[1].bytes, 7);
    ck_assert_uint_eq(manifest.sequence, 60);
}
END_TEST

START_TEST(any_number_of_tables_is_noted)
{
    enum { TABLES = 1000 };
    for (uint64_t number = TABLES; number > 0; number--) {
        put_table(number, 100, number, 0);
        take();
    }
    audit_manifest_end(&manifest);
    ck_assert_uint_eq(manifest.tables.count, TABLES);
    for (size_t i = 0; i < TABLES; i++) {
        ck_assert_uint_eq(manifest.tables.list[i].number, i + 1);
    }
}
END_TEST

START_TEST(blob_files_go_with_the_last_table_that_refers_to_them)
{
    put_blob(5, 10, 1000);
    put_blob(6, 10, 2000);
    put_blob(7, 10, 3000);
    put_blob(8, 10, 4000);
    put_table(20, 1, 1, 6);
    put_table(21, 1, 1, 8);
    put_garbage(7, 4);
    take();
    put_garbage(7, 6);
    put_garbage(8, 10);
    take();
    audit_manifest_end(&manifest);
    EXPECT(blobs, 6,
           8); /* 5 is older than any that is referred to, 7 is all garbage, 8 too, but it is referred to */
    ck_assert_uint_eq(manifest.blobs.list[0].bytes, 2062);
    ck_assert_uint_eq(manifest.blobs.list[1].bytes, 4062);
}
END_TEST

START_TEST(without_a_table_no_blob_file_has_to_be_there)
{
    put_blob(5, 10, 1000);
    put_table(20, 1, 1, 5);
    take();
    put_table_gone(20);
    put_garbage(5, 9);
    take();
    audit_manifest_end(&manifest);
    ck_assert_uint_eq(manifest.blobs.count, 0);
}
END_TEST

START_TEST(logs_count_from_a_number_on_and_as_far_as_they_are_synced)
{
    PUT(8199, 2, 30, 1);
    take();
    PUT(8199, 4, 30, 2, 99, 1);
    PUT(8199, 4, 31, 2, 50, 1);
    PUT(8199, 2, 32, 1);
    PUT(8199, 4, 29, 2, 9, 1);
    take();
    PUT(8199, 4, 30, 2, 120, 1);
    PUT(8200, 1, 30);
    PUT(2, 30);
    take();
    audit_manifest_end(&manifest);
    EXPECT(logs, 30, 31);
    ck_assert_uint_eq(manifest.logs.list[0].bytes, 120);
    ck_assert_uint_eq(manifest.logs.list[1].bytes, 50);
}
END_TEST

/* As a start leaves them behind that accepted the loss of one: they are read, as far as they go. */
START_TEST(logs_may_count_of_which_nothing_is_told_any_more)
{
    PUT(8199, 4, 30, 2, 99, 1);
    PUT(8199, 4, 31, 2, 50, 1);
    PUT(2, 29);
    take();
    if (_i == 0) {
        PUT(8200, 1, 31);
    } else {
        PUT(8197, 31); /* as older versions have it */
    }
    take();
    PUT(8199, 4, 32, 2, 70, 1);
    take();
    audit_manifest_end(&manifest);
    ck_assert_uint_eq(manifest.logs_from, 29);
    EXPECT(logs, 31, 32);
}
END_TEST

START_TEST(a_table_may_bring_the_number_from_which_on_logs_count)
{
    PUT(103, 0, 9, 100, 1, 'a', 1, 'z', 1, 2, 3, 8, 44, 0, 0, 0, 0, 0, 0, 0, 12, 2, 1, 2, 1);
    take();
    audit_manifest_end(&manifest);
    ck_assert_uint_eq(manifest.logs_from, 44);
    EXPECT(tables, 9);
}
END_TEST

START_TEST(what_is_optional_is_passed_over_and_all_else_is_not)
{
    PUT(8192 + 500, 3, 1, 2, 3, 5, 1, 2, 'k', 'k', 300, 2, 4, 9);
    take();
    ck_assert_uint_eq(manifest.sequence, 9);
    const uint64_t unknown[] = {8, 7, 100, 102, 201, 202, 500, 63};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        record_bytes = 0;
        PUT(unknown[i], 0, 0, 0, 0, 0, 0, 0);
        ck_assert_ptr_nonnull(audit_manifest_take(&manifest, slice_of(record, record_bytes)));
    }
    record_bytes = 0;
    PUT(103, 0, 9, 100, 1, 'a', 1, 'z', 1, 2, 65, 1, 1, 1); /* a table in another path */
    ck_assert_ptr_nonnull(audit_manifest_take(&manifest, slice_of(record, record_bytes)));
}
END_TEST

/* The record's beginnings are not understood, down to the shortest; the record is. */
static void expect_whole_only(void)
{
    for (size_t n = 1; n < record_bytes; n++) {
        ck_assert_ptr_nonnull(audit_manifest_take(&manifest, slice_of(record, n)));
    }
    take();
}

START_TEST(a_record_that_is_cut_off_is_not_understood)
{
    put_table(12, 1000, 50, 3);
    expect_whole_only();
    put_table_gone(300);
    expect_whole_only();
    put_blob(300, 1, 1);
    expect_whole_only();
    put_garbage(300, 1);
    expect_whole_only();
    PUT(8199, 5, 30, 2, 200, 1);
    expect_whole_only();
    PUT(8196, 30, 2, 200, 1); /* a log, as earlier versions note it */
    expect_whole_only();
    PUT(4, 300);
    expect_whole_only();
    PUT(5, 1, 2, 'k', 'k');
    expect_whole_only();
    PUT(8192 + 500, 2, 1, 1);
    expect_whole_only();
    PUT(400, 5, 1, 1, 0, 0, 7, 1, 9, 0); /* with a field of a later version */
    expect_whole_only();
    PUT(401, 5, 1, 1, 7, 1, 9, 0);
    expect_whole_only();
    memset(record, 0x80, 11); /* a number has ten bytes at most */
    ck_assert_ptr_nonnull(audit_manifest_take(&manifest, slice_of(record, 11)));
}
END_TEST

START_TEST(fields_of_a_later_version_are_passed_over_unless_they_are_required)
{
    PUT(400, 5, 1, 1, 0, 0, 7, 1, 9, 0);
    take();
    PUT(401, 5, 1, 1, 7, 1, 9, 0);
    take();
    PUT(400, 5, 1, 1, 0, 0, 64, 1, 9, 0);
    ck_assert_ptr_nonnull(audit_manifest_take(&manifest, slice_of(record, record_bytes)));
    record_bytes = 0;
    PUT(401, 5, 1, 1, 64, 1, 9, 0);
    ck_assert_ptr_nonnull(audit_manifest_take(&manifest, slice_of(record, record_bytes)));
    record_bytes = 0;
    PUT(8199, 4, 30, 3, 9, 1); /* of a log none is known */
    ck_assert_ptr_nonnull(audit_manifest_take(&manifest, slice_of(record, record_bytes)));
    record_bytes = 0;
    PUT(103, 0, 9, 100, 1, 'a', 1, 'z', 1, 2, 3, 4, 1, 2, 3, 4); /* a number that is too short */
    ck_assert_ptr_nonnull(audit_manifest_take(&manifest, slice_of(record, record_bytes)));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("audit_manifest", 20, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, nothing_is_said_by_nothing);
    tcase_add_test(tests, numbers_only_grow);
    tcase_add_test(tests, tables_come_and_go);
    tcase_add_test(tests, any_number_of_tables_is_noted);
    tcase_add_test(tests, blob_files_go_with_the_last_table_that_refers_to_them);
    tcase_add_test(tests, without_a_table_no_blob_file_has_to_be_there);
    tcase_add_test(tests, logs_count_from_a_number_on_and_as_far_as_they_are_synced);
    tcase_add_loop_test(tests, logs_may_count_of_which_nothing_is_told_any_more, 0, 2);
    tcase_add_test(tests, a_table_may_bring_the_number_from_which_on_logs_count);
    tcase_add_test(tests, what_is_optional_is_passed_over_and_all_else_is_not);
    tcase_add_test(tests, a_record_that_is_cut_off_is_not_understood);
    tcase_add_test(tests, fields_of_a_later_version_are_passed_over_unless_they_are_required);
    return suite_run(suite, true);
}
