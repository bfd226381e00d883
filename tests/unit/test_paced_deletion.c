/* Paced deletion: which files are held, that those RocksDB has deleted are released one at a time, that nothing is ever changed, and
 * when. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/paced_deletion.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/directory.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

enum { BYTES = 100, FILES_MAX = 8, SECOND_US = 1000000 };

static struct directory home;
static char *database, *links;
static struct paced_deletion *deletion;
static uint64_t now_us;

static void setup(void)
{
    home = directory_new();
    database = directory_path(&home, "db");
    links = directory_path(&home, "db.deleted");
    ck_assert_int_eq(mkdir(database, 0700), 0);
    deletion = paced_deletion_new(database, database, FILES_MAX);
    now_us = thread_now_us();
    (void)paced_deletion_step(deletion, now_us); /* nothing is there to be held, */
    now_us += 6 * (uint64_t)SECOND_US;
    (void)paced_deletion_step(deletion, now_us); /* and no earlier version left anything */
}

static void teardown(void)
{
    paced_deletion_free(deletion);
    paced_deletion_free(NULL);
    directory_remove(&home);
}

static char *path(const char *directory, const char *name)
{
    return kept_format("%s/%s", directory, name);
}

static void make(const char *directory, const char *name)
{
    int fd = open(path(directory, name), O_WRONLY | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, BYTES), 0);
    close(fd);
}

static void make_number(int number)
{
    make(database, kept_format("%06d.blob", number));
}

static void delete_number(int number)
{
    ck_assert_int_eq(unlink(path(database, kept_format("%06d.blob", number))), 0);
}

static bool is_whole(const char *name)
{
    struct stat found;
    return stat(path(database, name), &found) == 0 && found.st_size == BYTES && found.st_nlink == 1;
}

/* Whether this process has a file of that name open, deleted or not. */
static bool holds(const char *name)
{
    bool does = false;
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char target[4096];
        ssize_t length = readlink(path("/proc/self/fd", entry->d_name), target, sizeof target - 1);
        if (length > 0) {
            target[length] = '\0';
            does |= strstr(target, path(database, name)) != NULL;
        }
    }
    closedir(directory);
    return does;
}

/* Holds what is there. */
static void hold(void)
{
    paced_deletion_begin(deletion);
    paced_deletion_end(deletion);
}

/* Takes so many steps, each when the one before has asked for it; steps that do not come to an end are cut off. */
static void steps(int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t next_us = paced_deletion_step(deletion, now_us);
        now_us += next_us == UINT64_MAX ? 0 : next_us + SECOND_US; /* what the step took is not in next_us */
    }
}

START_TEST(files_with_large_values_are_held_and_no_other)
{
    make_number(7);
    make(database, "000008.sst");
    make(database, "CURRENT");
    make(database, "notes.blob");
    make(database, "000010.blob.tmp");
    hold();
    make_number(1234567);
    hold();
    hold();
    ck_assert_uint_eq(paced_deletion_held(deletion), 2);
    ck_assert(holds("000007.blob") && holds("1234567.blob"));
}
END_TEST

START_TEST(what_rocksdb_has_is_left_as_it_is_and_released_a_minute_later)
{
    make_number(7);
    hold();
    now_us = thread_now_us();
    steps(3);
    ck_assert(is_whole("000007.blob") && paced_deletion_held(deletion) == 1);
    now_us += 61 * (uint64_t)SECOND_US;
    ck_assert_uint_eq(paced_deletion_step(deletion, now_us), UINT64_MAX);
    ck_assert_uint_eq(paced_deletion_held(deletion), 0);
    ck_assert(is_whole("000007.blob"));
}
END_TEST

START_TEST(what_rocksdb_deleted_keeps_its_space_until_it_is_released_one_at_a_time)
{
    for (int number = 1; number <= 5; number++) {
        make_number(number);
    }
    hold();
    (void)paced_deletion_step(deletion, now_us); /* holds anew */
    delete_number(1);
    delete_number(3);
    delete_number(5);
    for (size_t left = 4; left >= 2; left--) {
        now_us += 2 * (uint64_t)SECOND_US;
        uint64_t from_us = thread_now_us();
        uint64_t next_us = paced_deletion_step(deletion, now_us);
        uint64_t took_us = thread_now_us() - from_us;
        ck_assert_uint_eq(paced_deletion_held(deletion), left);
        ck_assert_uint_ge(next_us, 10000);
        ck_assert_uint_le(next_us, 10000 + 9 * (took_us + 1));
        ck_assert_uint_eq(holds("000005.blob"), left > 2); /* by rising number */
    }
    now_us += 2 * (uint64_t)SECOND_US;
    ck_assert_uint_eq(paced_deletion_step(deletion, now_us), SECOND_US);
    ck_assert(is_whole("000002.blob") && is_whole("000004.blob"));
}
END_TEST

START_TEST(no_more_are_held_than_there_are_places_and_a_place_is_used_again)
{
    for (int number = 1; number <= FILES_MAX + 3; number++) {
        make_number(number);
    }
    hold();
    ck_assert_uint_eq(paced_deletion_held(deletion), FILES_MAX);
    for (int number = 1; number <= FILES_MAX + 3; number++) {
        delete_number(number);
    }
    steps(FILES_MAX + 2);
    ck_assert_uint_eq(paced_deletion_held(deletion), 0);
    make_number(99);
    hold();
    ck_assert(holds("000099.blob"));
}
END_TEST

/* More than there are places, so that what is named takes none. */
START_TEST(before_an_open_all_that_it_will_delete_is_held_and_nothing_else)
{
    uint64_t named[2 * FILES_MAX];
    for (int i = 0; i < 2 * FILES_MAX; i++) {
        named[i] = 100 + (uint64_t)i;
        make_number(100 + i);
    }
    make_number(7);
    make(database, "000008.sst");
    make(database, "000008.log"); /* of an interrupted run, which had the number too */
    make(database, "000200.log");
    make(database, "000201.dbtmp");
    make(database, "MANIFEST-000202");
    paced_deletion_hold_unnamed(deletion, named, 2 * FILES_MAX);
    ck_assert_uint_eq(paced_deletion_held(deletion), 4);
    ck_assert(holds("000007.blob") && holds("000008.sst") && holds("000008.log") && holds("000200.log"));
    paced_deletion_expect(deletion); /* as behind an open */
    delete_number(7);
    ck_assert_int_eq(unlink(path(database, "000008.sst")), 0);
    steps(4);
    ck_assert(!holds("000007.blob") && !holds("000008.sst"));
    ck_assert(holds("000008.log") && is_whole("000008.log"));
}
END_TEST

START_TEST(what_has_the_name_of_a_file_that_was_deleted_is_another)
{
    make_number(7);
    paced_deletion_hold_unnamed(deletion, NULL, 0);
    paced_deletion_expect(deletion);
    delete_number(7);
    make_number(7);
    steps(1); /* holds what is there */
    steps(1);
    ck_assert_uint_eq(paced_deletion_held(deletion), 0);
    ck_assert(is_whole("000007.blob"));
}
END_TEST

START_TEST(nothing_is_to_do_until_deletions_are_expected)
{
    make_number(7);
    steps(1); /* a start counts as one */
    now_us += 61 * (uint64_t)SECOND_US;
    steps(2);
    ck_assert_uint_eq(paced_deletion_step(deletion, now_us), UINT64_MAX);
    ck_assert_uint_eq(paced_deletion_held(deletion), 0);
    paced_deletion_expect(deletion);
    ck_assert_uint_eq(paced_deletion_step(deletion, now_us), SECOND_US);
    ck_assert_uint_eq(paced_deletion_held(deletion), 1);
}
END_TEST

START_TEST(files_are_held_anew_while_deletions_go_on)
{
    paced_deletion_begin(deletion);
    (void)paced_deletion_step(deletion, now_us);
    make_number(8);
    (void)paced_deletion_step(deletion, now_us);
    ck_assert_uint_eq(paced_deletion_held(deletion), 0); /* not so soon again */
    (void)paced_deletion_step(deletion, now_us + 5 * SECOND_US);
    ck_assert_uint_eq(paced_deletion_held(deletion), 1);
    paced_deletion_end(deletion);
}
END_TEST

START_TEST(a_database_that_is_missing_is_no_harm)
{
    make_number(7);
    hold();
    delete_number(7);
    ck_assert_int_eq(rmdir(database), 0);
    steps(3);
    hold();
    ck_assert_uint_eq(paced_deletion_held(deletion), 1); /* whether it was deleted cannot be told */
}
END_TEST

/* An earlier version's hard links; one of them may be to a live file, whatever a file system's counts say. */
START_TEST(names_that_an_earlier_version_left_are_removed_and_nothing_is_cut)
{
    paced_deletion_free(deletion);
    make_number(7);
    ck_assert_int_eq(link(path(database, "000007.blob"), path(links, "000007.blob")), 0);
    make(links, "000008.blob");
    deletion = paced_deletion_new(database, database, FILES_MAX);
    steps(6);
    ck_assert(!file_exists(path(links, "000007.blob")) && !file_exists(path(links, "000008.blob")));
    ck_assert(is_whole("000007.blob"));
}
END_TEST

START_TEST(what_is_not_ours_stays)
{
    paced_deletion_free(deletion);
    make(links, "notes.txt");
    make(links, "000008.blob");
    deletion = paced_deletion_new(database, database, FILES_MAX);
    steps(6);
    ck_assert(file_exists(path(links, "notes.txt")) && !file_exists(path(links, "000008.blob")));
}
END_TEST

START_TEST(stopped_it_does_nothing)
{
    make_number(7);
    paced_deletion_expect(deletion);
    paced_deletion_stop(deletion);
    ck_assert_uint_eq(paced_deletion_step(deletion, now_us), UINT64_MAX);
    ck_assert_uint_eq(paced_deletion_held(deletion), 0);
}
END_TEST

START_TEST(all_that_was_deleted_is_released_at_once_if_asked)
{
    make_number(7);
    make_number(8);
    make_number(9);
    hold();
    delete_number(7);
    delete_number(9);
    paced_deletion_release(deletion);
    ck_assert_uint_eq(paced_deletion_held(deletion), 1);
    ck_assert(holds("000008.blob") && !holds("000007.blob") && !holds("000009.blob"));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("paced_deletion", 30, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, files_with_large_values_are_held_and_no_other);
    tcase_add_test(tests, what_rocksdb_has_is_left_as_it_is_and_released_a_minute_later);
    tcase_add_test(tests, what_rocksdb_deleted_keeps_its_space_until_it_is_released_one_at_a_time);
    tcase_add_test(tests, no_more_are_held_than_there_are_places_and_a_place_is_used_again);
    tcase_add_test(tests, before_an_open_all_that_it_will_delete_is_held_and_nothing_else);
    tcase_add_test(tests, what_has_the_name_of_a_file_that_was_deleted_is_another);
    tcase_add_test(tests, nothing_is_to_do_until_deletions_are_expected);
    tcase_add_test(tests, files_are_held_anew_while_deletions_go_on);
    tcase_add_test(tests, a_database_that_is_missing_is_no_harm);
    tcase_add_test(tests, names_that_an_earlier_version_left_are_removed_and_nothing_is_cut);
    tcase_add_test(tests, what_is_not_ours_stays);
    tcase_add_test(tests, stopped_it_does_nothing);
    tcase_add_test(tests, all_that_was_deleted_is_released_at_once_if_asked);
    return suite_run(suite, false);
}
