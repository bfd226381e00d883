/* Trash: which files have a second name, that those the engine has deleted go piece by piece, and nothing else does. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/trash.h"
#include "tests/lib/directory.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

enum { MIB = 1 << 20 };

static struct directory home;
static char *database, *trash;

static void setup(void)
{
    home = directory_new();
    database = directory_path(&home, "db");
    trash = directory_path(&home, "db.deleted");
    ck_assert_int_eq(mkdir(database, 0700), 0);
}

static void teardown(void)
{
    directory_remove(&home);
}

static char *path(const char *directory, const char *name)
{
    return kept_format("%s/%s", directory, name);
}

static void make(const char *directory, const char *name, off_t bytes)
{
    int fd = open(path(directory, name), O_WRONLY | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, bytes), 0);
    close(fd);
}

/* -1: it is not there. */
static off_t bytes_of(const char *directory, const char *name)
{
    struct stat found;
    return stat(path(directory, name), &found) == 0 ? found.st_size : -1;
}

START_TEST(only_files_with_data_have_a_second_name)
{
    make(database, "000007.blob", 100);
    make(database, "000008.sst", 100);
    make(database, "CURRENT", 100);
    trash_keep(database, trash);
    make(database, "000009.blob", 100);
    trash_keep(database, trash);
    ck_assert_int_eq(bytes_of(trash, "000007.blob"), 100);
    ck_assert_int_eq(bytes_of(trash, "000009.blob"), 100);
    ck_assert_int_eq(bytes_of(trash, "000008.sst"), -1);
    ck_assert_int_eq(bytes_of(trash, "CURRENT"), -1);
}
END_TEST

START_TEST(what_the_engine_has_is_left_alone)
{
    make(database, "000007.blob", 100 * MIB);
    trash_keep(database, trash);
    struct trash_step step = trash_step(trash, false);
    ck_assert(step.has_names && !step.has_rest && step.took_us == 0);
    step = trash_step(trash, true);
    ck_assert(!step.has_names && !step.has_rest && step.took_us == 0);
    ck_assert_int_eq(bytes_of(trash, "000007.blob"), -1);
    ck_assert_int_eq(bytes_of(database, "000007.blob"), 100 * MIB);
}
END_TEST

START_TEST(what_the_engine_deleted_goes_piece_by_piece)
{
    make(database, "000007.blob", 70 * MIB);
    make(database, "000008.blob", 100);
    trash_keep(database, trash);
    ck_assert_int_eq(unlink(path(database, "000007.blob")), 0);
    static const off_t left[] = {38 * MIB, 6 * MIB, -1};
    for (int i = 0; i < 3; i++) {
        struct trash_step step = trash_step(trash, false);
        ck_assert(step.took_us > 0 && step.has_names);
        ck_assert_int_eq(step.has_rest, i < 2);
        ck_assert_int_eq(bytes_of(trash, "000007.blob"), left[i]);
    }
    ck_assert_int_eq(bytes_of(database, "000008.blob"), 100);
}
END_TEST

START_TEST(of_several_one_goes_at_a_time)
{
    make(database, "000007.blob", 100);
    make(database, "000008.blob", 100);
    trash_keep(database, trash);
    ck_assert_int_eq(unlink(path(database, "000007.blob")), 0);
    ck_assert_int_eq(unlink(path(database, "000008.blob")), 0);
    ck_assert(trash_step(trash, true).has_rest);
    ck_assert_int_ne(bytes_of(trash, "000007.blob"), bytes_of(trash, "000008.blob"));
    struct trash_step step = trash_step(trash, true);
    ck_assert(step.took_us > 0 && !step.has_rest);
    ck_assert_uint_eq(trash_step(trash, true).took_us, 0);
}
END_TEST

START_TEST(what_is_not_ours_stays)
{
    make(database, "000007.blob", 100);
    trash_keep(database, trash);
    make(trash, "notes.txt", 100);
    ck_assert(!trash_step(trash, true).has_names);
    ck_assert_int_eq(bytes_of(trash, "notes.txt"), 100);
}
END_TEST

START_TEST(directories_that_are_missing_are_no_harm)
{
    struct trash_step step = trash_step(trash, true);
    ck_assert(!step.has_names && !step.has_rest && step.took_us == 0);
    ck_assert_int_eq(rmdir(database), 0);
    trash_keep(database, trash);
    ck_assert(!trash_step(trash, false).has_names);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("trash", 30, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, only_files_with_data_have_a_second_name);
    tcase_add_test(tests, what_the_engine_has_is_left_alone);
    tcase_add_test(tests, what_the_engine_deleted_goes_piece_by_piece);
    tcase_add_test(tests, of_several_one_goes_at_a_time);
    tcase_add_test(tests, what_is_not_ours_stays);
    tcase_add_test(tests, directories_that_are_missing_are_no_harm);
    return suite_run(suite, false);
}
