/* Opening RocksDB: what is refused, and with which text, since the texts are RocksDB's own and another version may change them
 * unnoticed. */
#include <check.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/directory.h"
#include "tests/lib/kept.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

static void setup(void)
{
    subject_begin(SUBJECT_ROCKSDB);
}

static enum engine_result open_result(const char *path, bool create)
{
    struct engine_config config = {.path = path, .create = create};
    struct engine *none = NULL;
    enum engine_result result = engine_open(&engine_rocksdb, &config, &none, &subject.failure);
    ck_assert_ptr_null(none);
    return result;
}

START_TEST(a_store_is_made_only_when_asked_for)
{
    struct directory empty = directory_new();
    ck_assert_int_eq(open_result(empty.path, false), ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(subject.failure.text, "CURRENT, which names the manifest, is missing"));
    ck_assert_int_eq(subject.failure.status, STATUS_DAMAGED);
    ck_assert_int_eq(open_result("/dev/null/store", true), ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(subject.failure.text, "opening the store: "));
    ck_assert_int_eq(subject.failure.status, STATUS_IO_ERROR);
    engine_close(NULL, ENGINE_CLOSE_CLEAN);
    directory_remove(&empty);
}
END_TEST

START_TEST(a_look_says_whether_a_store_is_there_and_changes_nothing)
{
    struct directory empty = directory_new();
    ck_assert_int_eq(engine_look(&engine_rocksdb, subject.path, &subject.failure), ENGINE_OK);
    ck_assert_int_eq(engine_look(&engine_rocksdb, empty.path, &subject.failure), ENGINE_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(subject.failure.text, "there is no "));
    ck_assert_ptr_nonnull(strstr(subject.failure.text, "/CURRENT"));
    ck_assert_int_eq(engine_look(&engine_rocksdb, "/dev/null/store", &subject.failure), ENGINE_NOT_FOUND);
    char *deep = directory_path(&empty, "store");
    ck_assert_int_eq(symlink("store", deep), 0); /* leads to itself */
    ck_assert_int_eq(engine_look(&engine_rocksdb, deep, &subject.failure), ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(subject.failure.text, "cannot be seen: "));
    ck_assert_int_eq(subject.failure.status, STATUS_INVALID); /* no restart mends it */
    ck_assert_int_eq(unlink(deep), 0);
    ck_assert_int_eq(rmdir(empty.path), 0); /* it is as empty as it was */
    ck_assert_int_eq(mkdir(empty.path, 0700), 0);
    directory_remove(&empty);
}
END_TEST

START_TEST(a_second_open_is_refused)
{
    ck_assert_int_eq(open_result(subject.path, false), ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(subject.failure.text, "opening the store: IO error: lock "));
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused_and_not_cut_short)
{
    char path[PATH_MAX];
    memset(path, '/', sizeof path);
    path[sizeof path - 1] = '\0'; /* the root, if it was cut or followed */
    ck_assert_int_eq(engine_look(&engine_rocksdb, path, &subject.failure), ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(subject.failure.text, "4095 bytes; at most "));
    ck_assert_int_eq(open_result(path, true), ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(subject.failure.text, "4095 bytes; at most "));
}
END_TEST

START_TEST(a_log_that_cannot_be_read_fails_the_open)
{
    engine_close(subject.engine, ENGINE_CLOSE_CLEAN);
    subject.engine = NULL;
    const char *path = kept_format("%s/999999.log", subject.path);
    ck_assert_int_eq(symlink("999999.log", path), 0); /* leads to itself */
    ck_assert_int_eq(open_result(subject.path, false), ENGINE_FAILED);
    ck_assert_ptr_nonnull(strstr(subject.failure.text, "opening the store: 999999.log cannot be read: "));
    ck_assert_int_eq(unlink(path), 0);
    subject_open(false);
}
END_TEST

START_TEST(it_says_what_it_is)
{
    const struct engine_traits *traits = engine_traits(&engine_rocksdb);
    ck_assert_int_eq(strncmp(traits->text, "RocksDB ", 8), 0);
    ck_assert(traits->reads_without_io && traits->memory_bytes_max > 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rocks_open", 60, &tests);
    tcase_add_checked_fixture(tests, setup, subject_end);
    tcase_add_test(tests, a_store_is_made_only_when_asked_for);
    tcase_add_test(tests, a_look_says_whether_a_store_is_there_and_changes_nothing);
    tcase_add_test(tests, a_second_open_is_refused);
    tcase_add_test(tests, a_path_that_is_too_long_is_refused_and_not_cut_short);
    tcase_add_test(tests, a_log_that_cannot_be_read_fails_the_open);
    tcase_add_test(tests, it_says_what_it_is);
    return suite_run(suite, true);
}
