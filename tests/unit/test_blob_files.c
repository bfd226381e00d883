/* The list of files with large values: which names are of it, in which order, and how many of the oldest fit. */
#include <check.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/blob_files.h"
#include "tests/lib/directory.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

static struct directory home;

static void setup(void)
{
    home = directory_new();
}

static void teardown(void)
{
    directory_remove(&home);
    kept_clear();
}

static void make(const char *name, off_t bytes)
{
    int fd = open(directory_path(&home, name), O_WRONLY | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, bytes), 0);
    close(fd);
}

START_TEST(they_are_listed_from_the_oldest_with_their_sizes)
{
    make("1000000.blob", 30);
    make("000012.blob", 10);
    make("000009.blob", 20);
    make("000010.sst", 5);
    make("000011.log", 5);
    make("000013.blob.old", 5);
    make("x.blob", 5);
    ck_assert_int_eq(mkdir(directory_path(&home, "000014.blob"), 0700), 0);
    struct blob_files files = blob_files_list(home.path);
    ck_assert_uint_eq(files.count, 3);
    ck_assert(files.each[0].number == 9 && files.each[0].bytes == 20);
    ck_assert(files.each[1].number == 12 && files.each[1].bytes == 10);
    ck_assert(files.each[2].number == 1000000 && files.each[2].bytes == 30);
    ck_assert_uint_eq(blob_files_bytes(&files), 60);
    ck_assert_uint_eq(blob_files_oldest(&files, 19), 0);
    ck_assert_uint_eq(blob_files_oldest(&files, 20), 1);
    ck_assert_uint_eq(blob_files_oldest(&files, 59), 2);
    ck_assert_uint_eq(blob_files_oldest(&files, UINT64_MAX), 3);
    blob_files_free(&files);
    ck_assert_uint_eq(files.count, 0);
}
END_TEST

START_TEST(many_are_listed_too_and_none_of_a_directory_that_is_not_there)
{
    enum { MANY = 200 };
    for (int i = MANY; i > 0; i--) {
        make(kept_format("%06d.blob", i), i);
    }
    struct blob_files files = blob_files_list(home.path);
    ck_assert_uint_eq(files.count, MANY);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_uint_eq(files.each[i].number, i + 1);
    }
    blob_files_free(&files);
    files = blob_files_list(directory_path(&home, "absent"));
    ck_assert_uint_eq(files.count, 0);
    ck_assert_uint_eq(blob_files_oldest(&files, UINT64_MAX), 0);
    ck_assert_uint_eq(blob_files_bytes(&files), 0);
    blob_files_free(&files);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("blob_files", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, they_are_listed_from_the_oldest_with_their_sizes);
    tcase_add_test(tests, many_are_listed_too_and_none_of_a_directory_that_is_not_there);
    return suite_run(suite, true);
}
