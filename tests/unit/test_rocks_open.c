/* Opening RocksDB: what is refused, and with which text, since the texts are RocksDB's own and another version may change them
 * unnoticed. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/runtime/thread.h"
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

/* How many files this process has open whose names end so. */
static int count_open(const char *end)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char target[PATH_MAX];
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target);
        size_t bytes = strlen(end);
        count += length >= (ssize_t)bytes && memcmp(target + length - bytes, end, bytes) == 0;
    }
    closedir(directory);
    return count;
}

static void make_file(const char *name)
{
    int fd = open(kept_format("%s/%s", subject.path, name), O_WRONLY | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

/* Else a start waits until the file system has taken back the space of all of it. */
START_TEST(of_what_an_open_deletes_only_the_names_go_before_it_has_ended)
{
    engine_close(subject.engine, ENGINE_CLOSE_CLEAN);
    subject.engine = NULL;
    make_file("000001.blob"); /* as of a compaction that was cut short */
    make_file("000002.sst");
    make_file("000003.blob");
    subject_open(false);
    ck_assert_int_ne(access(kept_format("%s/000001.blob", subject.path), F_OK), 0);
    ck_assert_int_eq(count_open("/000001.blob (deleted)"), 1);
    ck_assert_int_eq(count_open("/000002.sst (deleted)"), 1);
    ck_assert_int_eq(count_open("/000003.blob (deleted)"), 1);
    for (int i = 0; i < 100 && count_open(" (deleted)") > 0; i++) {
        uint64_t next_us;
        engine_maintain(subject.engine, thread_now_us() + (uint64_t)i * 10000000, &next_us);
    }
    ck_assert_int_eq(count_open(".blob (deleted)") + count_open(".sst (deleted)"), 0);
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
    tcase_add_test(tests, of_what_an_open_deletes_only_the_names_go_before_it_has_ended);
    tcase_add_test(tests, it_says_what_it_is);
    return suite_run(suite, true);
}
