/* RocksDB's own text log: it lies in memory while the store is opened, and nothing of it is left. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/rocks.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/subject.h"
#include "tests/lib/suite.h"

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

START_TEST(its_place_goes_with_what_lies_in_it)
{
    rocksdb_options_t *options = rocksdb_options_create();
    struct rocks_info_log log;
    rocks_info_log_place(options, &log);
    if (log.fd >= 0) { /* else this machine has no memory to put it into */
        char file[64];
        ck_assert(exists(log.path));
        snprintf(file, sizeof file, "%s/some_LOG", log.path);
        FILE *opened = fopen(file, "w");
        ck_assert_ptr_nonnull(opened);
        ck_assert_int_eq(fclose(opened), 0);
        rocks_info_log_remove(&log);
        ck_assert(!exists(log.path));
    }
    rocks_info_log_close(&log);
    ck_assert_int_eq(log.fd, -1);
    rocks_info_log_close(&log);
    rocksdb_options_destroy(options);
}
END_TEST

/* Then it lies in the store's directory. */
START_TEST(where_it_has_no_place_nothing_is_left_behind)
{
    static const enum failing_call calls[] = {FAILING_MKDTEMP, FAILING_OPEN, FAILING_STAT, FAILING_FSTAT};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        rocksdb_options_t *options = rocksdb_options_create();
        struct rocks_info_log log;
        failing_plan(calls[i], 1, EMFILE);
        rocks_info_log_place(options, &log);
        ck_assert(failing_end());
        ck_assert(!exists(log.path));
        rocks_info_log_remove(&log);
        rocks_info_log_close(&log);
        rocksdb_options_destroy(options);
    }
}
END_TEST

START_TEST(what_cannot_be_removed_is_no_failure)
{
    static const enum failing_call calls[] = {FAILING_OPEN, FAILING_FDOPENDIR};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        rocksdb_options_t *options = rocksdb_options_create();
        struct rocks_info_log log;
        rocks_info_log_place(options, &log);
        failing_plan(calls[i], 1, EMFILE);
        rocks_info_log_remove(&log);
        ck_assert(failing_end() || log.fd < 0);
        ck_assert_int_lt(log.text_fd, 0);
        (void)rmdir(log.path);
        rocks_info_log_close(&log);
        rocksdb_options_destroy(options);
    }
}
END_TEST

START_TEST(a_store_that_is_open_has_none_beside_its_files)
{
    subject_begin(SUBJECT_ROCKSDB);
    const struct rocks *rocks = rocks_of(subject.engine);
    DIR *directory = opendir(subject.path);
    const struct dirent *entry;
    unsigned names = 0;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        ck_assert_msg(rocks->info_log.fd < 0 || strncmp(entry->d_name, "LOG", 3) != 0, "%s", entry->d_name);
        names++;
    }
    ck_assert_uint_gt(names, 2);
    ck_assert_int_eq(closedir(directory), 0);
    ck_assert(rocks->info_log.fd < 0 || !exists(rocks->info_log.path));
    subject_end();
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rocks_info_log", 60, &tests);
    tcase_add_test(tests, its_place_goes_with_what_lies_in_it);
    tcase_add_test(tests, where_it_has_no_place_nothing_is_left_behind);
    tcase_add_test(tests, what_cannot_be_removed_is_no_failure);
    tcase_add_test(tests, a_store_that_is_open_has_none_beside_its_files);
    return suite_run(suite, true);
}
