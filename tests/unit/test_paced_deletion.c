/* Paced deletion: which files get a hard link, that those RocksDB has deleted go a piece at a time, that nothing else does, and
 * when. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/paced_deletion.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/directory.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

enum { MIB = 1 << 20 };

static struct directory home;
static char *database, *links;

static void setup(void)
{
    home = directory_new();
    database = directory_path(&home, "db");
    links = directory_path(&home, "db.deleted");
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

START_TEST(only_files_with_large_values_get_a_link)
{
    make(database, "000007.blob", 100);
    make(database, "000008.sst", 100);
    make(database, "CURRENT", 100);
    paced_deletion_link(database, links);
    make(database, "000009.blob", 100);
    paced_deletion_link(database, links);
    ck_assert_int_eq(bytes_of(links, "000007.blob"), 100);
    ck_assert_int_eq(bytes_of(links, "000009.blob"), 100);
    ck_assert_int_eq(bytes_of(links, "000008.sst"), -1);
    ck_assert_int_eq(bytes_of(links, "CURRENT"), -1);
}
END_TEST

START_TEST(what_rocksdb_has_is_left_alone)
{
    make(database, "000007.blob", 100 * MIB);
    paced_deletion_link(database, links);
    struct paced_deletion_piece piece = paced_deletion_truncate(database, links, false);
    ck_assert(piece.has_links && !piece.has_deleted && piece.took_us == 0);
    piece = paced_deletion_truncate(database, links, true);
    ck_assert(!piece.has_links && !piece.has_deleted && piece.took_us == 0);
    ck_assert_int_eq(bytes_of(links, "000007.blob"), -1);
    ck_assert_int_eq(bytes_of(database, "000007.blob"), 100 * MIB);
}
END_TEST

START_TEST(what_rocksdb_deleted_goes_a_piece_at_a_time)
{
    make(database, "000007.blob", 70 * MIB);
    make(database, "000008.blob", 100);
    paced_deletion_link(database, links);
    ck_assert_int_eq(unlink(path(database, "000007.blob")), 0);
    static const off_t left[] = {38 * MIB, 6 * MIB, -1};
    for (int i = 0; i < 3; i++) {
        struct paced_deletion_piece piece = paced_deletion_truncate(database, links, false);
        ck_assert(piece.took_us > 0 && piece.has_links);
        ck_assert_int_eq(piece.has_deleted, i < 2);
        ck_assert_int_eq(bytes_of(links, "000007.blob"), left[i]);
    }
    ck_assert_int_eq(bytes_of(database, "000008.blob"), 100);
}
END_TEST

/* As where a file system does not count names. */
START_TEST(what_has_its_name_in_the_database_is_left_alone_whatever_the_count_says)
{
    make(database, "000007.blob", 100);
    ck_assert_int_eq(mkdir(links, 0700), 0);
    make(links, "000007.blob", 100);
    struct paced_deletion_piece piece = paced_deletion_truncate(database, links, false);
    ck_assert(piece.has_links && !piece.has_deleted && piece.took_us == 0);
    ck_assert_int_eq(bytes_of(links, "000007.blob"), 100);
    ck_assert(!paced_deletion_truncate(database, links, true).has_links);
    ck_assert_int_eq(bytes_of(database, "000007.blob"), 100);
}
END_TEST

START_TEST(of_several_one_goes_at_a_time)
{
    make(database, "000007.blob", 100);
    make(database, "000008.blob", 100);
    paced_deletion_link(database, links);
    ck_assert_int_eq(unlink(path(database, "000007.blob")), 0);
    ck_assert_int_eq(unlink(path(database, "000008.blob")), 0);
    ck_assert(paced_deletion_truncate(database, links, true).has_deleted);
    ck_assert_int_ne(bytes_of(links, "000007.blob"), bytes_of(links, "000008.blob"));
    struct paced_deletion_piece piece = paced_deletion_truncate(database, links, true);
    ck_assert(piece.took_us > 0 && !piece.has_deleted);
    ck_assert_uint_eq(paced_deletion_truncate(database, links, true).took_us, 0);
}
END_TEST

START_TEST(what_is_not_ours_stays)
{
    make(database, "000007.blob", 100);
    paced_deletion_link(database, links);
    make(links, "notes.txt", 100);
    ck_assert(!paced_deletion_truncate(database, links, true).has_links);
    ck_assert_int_eq(bytes_of(links, "notes.txt"), 100);
}
END_TEST

START_TEST(directories_that_are_missing_are_no_harm)
{
    struct paced_deletion_piece piece = paced_deletion_truncate(database, links, true);
    ck_assert(!piece.has_links && !piece.has_deleted && piece.took_us == 0);
    ck_assert_int_eq(rmdir(database), 0);
    paced_deletion_link(database, links);
    ck_assert(!paced_deletion_truncate(database, links, false).has_links);
}
END_TEST

/* ---- when ---- */

enum { SECOND_US = 1000000 };

START_TEST(nothing_is_to_do_until_deletions_are_expected_and_again_when_nothing_is_left)
{
    struct paced_deletion *deletion = paced_deletion_new(database, database);
    uint64_t now_us = thread_now_us();
    make(database, "000007.blob", 100);
    paced_deletion_expect(deletion);
    ck_assert_uint_eq(paced_deletion_step(deletion, now_us), SECOND_US);
    ck_assert_int_eq(bytes_of(links, "000007.blob"), 100);
    ck_assert_int_eq(unlink(path(database, "000007.blob")), 0);
    now_us += SECOND_US / 2;
    uint64_t next_us = paced_deletion_step(deletion, now_us);
    ck_assert(next_us > 0 && next_us < SECOND_US); /* too early: nothing was done */
    ck_assert_int_eq(bytes_of(links, "000007.blob"), 100);
    now_us += SECOND_US; /* what the first step took is not in now_us */
    ck_assert_uint_eq(paced_deletion_step(deletion, now_us), UINT64_MAX);
    ck_assert_int_eq(bytes_of(links, "000007.blob"), -1);
    paced_deletion_free(deletion);
}
END_TEST

START_TEST(behind_a_piece_is_a_pause_and_a_step_takes_one_piece_at_most)
{
    struct paced_deletion *deletion = paced_deletion_new(database, database);
    uint64_t now_us = thread_now_us();
    make(database, "000007.blob", 100 * MIB);
    paced_deletion_begin(deletion);
    ck_assert_int_eq(bytes_of(links, "000007.blob"), 100 * MIB); /* before anything is deleted */
    paced_deletion_end(deletion);
    (void)paced_deletion_step(deletion, now_us);
    ck_assert_int_eq(unlink(path(database, "000007.blob")), 0);
    now_us += 2 * SECOND_US;
    for (int left = 68; left > 0; left -= 32) {
        uint64_t from_us = thread_now_us();
        uint64_t next_us = paced_deletion_step(deletion, now_us);
        uint64_t took_us = thread_now_us() - from_us;
        ck_assert_int_eq(bytes_of(links, "000007.blob"), left * MIB);
        ck_assert_uint_ge(next_us, 10000);
        ck_assert_uint_le(next_us, 10000 + 9 * (took_us + 1));
        now_us += next_us + SECOND_US; /* what the step took is not in next_us */
    }
    paced_deletion_free(deletion);
}
END_TEST

START_TEST(links_are_made_anew_while_deletions_go_on_and_go_a_minute_after_them)
{
    struct paced_deletion *deletion = paced_deletion_new(database, database);
    uint64_t now_us = thread_now_us();
    make(database, "000007.blob", 100);
    paced_deletion_begin(deletion);
    (void)paced_deletion_step(deletion, now_us);
    make(database, "000008.blob", 100);
    uint64_t next_us = paced_deletion_step(deletion, now_us);
    ck_assert_uint_lt(next_us, 2 * SECOND_US);
    ck_assert_int_eq(bytes_of(links, "000008.blob"), -1); /* not so soon again */
    (void)paced_deletion_step(deletion, now_us + 5 * SECOND_US);
    ck_assert_int_eq(bytes_of(links, "000008.blob"), 100);
    paced_deletion_end(deletion);
    (void)paced_deletion_step(deletion, now_us + 30 * SECOND_US);
    (void)paced_deletion_step(deletion, now_us + 59 * SECOND_US);
    ck_assert_int_eq(bytes_of(links, "000007.blob"), 100);
    ck_assert_uint_eq(paced_deletion_step(deletion, now_us + 70 * SECOND_US), UINT64_MAX);
    ck_assert_int_eq(bytes_of(links, "000007.blob"), -1);
    ck_assert_int_eq(bytes_of(database, "000007.blob"), 100);
    paced_deletion_free(deletion);
}
END_TEST

START_TEST(stopped_it_does_nothing)
{
    struct paced_deletion *deletion = paced_deletion_new(database, database);
    make(database, "000007.blob", 100);
    paced_deletion_expect(deletion);
    paced_deletion_stop(deletion);
    ck_assert_uint_eq(paced_deletion_step(deletion, thread_now_us()), UINT64_MAX);
    ck_assert_int_eq(bytes_of(links, "000007.blob"), -1);
    paced_deletion_free(deletion);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("paced_deletion", 30, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, only_files_with_large_values_get_a_link);
    tcase_add_test(tests, what_rocksdb_has_is_left_alone);
    tcase_add_test(tests, what_rocksdb_deleted_goes_a_piece_at_a_time);
    tcase_add_test(tests, what_has_its_name_in_the_database_is_left_alone_whatever_the_count_says);
    tcase_add_test(tests, of_several_one_goes_at_a_time);
    tcase_add_test(tests, what_is_not_ours_stays);
    tcase_add_test(tests, directories_that_are_missing_are_no_harm);
    tcase_add_test(tests, nothing_is_to_do_until_deletions_are_expected_and_again_when_nothing_is_left);
    tcase_add_test(tests, behind_a_piece_is_a_pause_and_a_step_takes_one_piece_at_most);
    tcase_add_test(tests, links_are_made_anew_while_deletions_go_on_and_go_a_minute_after_them);
    tcase_add_test(tests, stopped_it_does_nothing);
    return suite_run(suite, false);
}
