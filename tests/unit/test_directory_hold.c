/* What a data directory is held by: where it is moved it stays, and where something is taken away that is noticed. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/host/directory.h"
#include "daemon/host/numbers.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/shell.h"

static char root[64];  /* a temporary directory of the test's own */
static char store[80]; /* a place in it */
static struct directory directory;
static struct directory_error error;

static void setup(void)
{
    snprintf(root, sizeof root, "%s", "/tmp/cairn-directory.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(store, sizeof store, "%s/store", root);
    memset(&error, 0, sizeof error);
    directory.directory_fd = directory.database_fd = directory.lock_fd = -1;
}

static void teardown(void)
{
    directory_close(&directory);
    shell("rm -rf %s", root);
}

static enum directory_result look(const char *database, struct directory_error *ret_error)
{
    char path[256];
    snprintf(path, sizeof path, "%s/CURRENT", database);
    snprintf(ret_error->text, sizeof ret_error->text, "there is no %s", path);
    return access(path, F_OK) == 0 ? DIRECTORY_OK : DIRECTORY_LOST;
}

static enum directory_result open_store(bool create)
{
    return directory_open(store, create, look, &directory, &error);
}

/* What look takes for a database. */
static void make_database(void)
{
    shell("mkdir -p %s/db && echo MANIFEST-000001 > %s/db/CURRENT", store, store);
}

static void make_store(void)
{
    ck_assert_msg(open_store(true) == DIRECTORY_OK, "%s", error.text);
    make_database();
    ck_assert_int_eq(directory_mark_ready(&directory, &error), DIRECTORY_OK);
    directory_close(&directory);
}

/* Whether the path leads to the store's database. */
static bool is_database(const char *path)
{
    char expected[128];
    struct stat there, here;
    snprintf(expected, sizeof expected, "%s/db", store);
    return stat(path, &there) == 0 && stat(expected, &here) == 0 && there.st_ino == here.st_ino &&
           there.st_dev == here.st_dev;
}

/* The database is locked too: whoever removes the lock file has not made room for a second owner. */
START_TEST(second_owner_is_refused_where_the_lock_file_was_removed)
{
    make_store();
    struct directory other = {.directory_fd = -1, .database_fd = -1, .lock_fd = -1};
    ck_assert_int_eq(open_store(false), DIRECTORY_OK);
    ck_assert_int_eq(directory_check(&directory, &error), DIRECTORY_OK);
    char path[128];
    snprintf(path, sizeof path, "%s/cairn.lock", store);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(directory_open(store, false, look, &other, &error), DIRECTORY_LOCKED);
    ck_assert_int_eq(directory_check(&directory, &error), DIRECTORY_LOST);
    ck_assert_msg(strstr(error.text, path) != NULL, "%s", error.text);
    directory_close(&directory);
    ck_assert_int_eq(directory_open(store, false, look, &other, &error), DIRECTORY_OK);
    directory_close(&other);
}
END_TEST

START_TEST(moved_store_keeps_its_paths_and_is_not_gone)
{
    make_store();
    char path[128];
    snprintf(path, sizeof path, "%s/moved", root);
    ck_assert_int_eq(open_store(false), DIRECTORY_OK);
    ck_assert_int_eq(rename(store, path), 0);
    ck_assert_int_eq(mkdir(store, 0700), 0); /* what takes the place is another directory */
    make_database();
    ck_assert(!is_database(directory.database));
    ck_assert_int_eq(directory_check(&directory, &error), DIRECTORY_OK);
    shell("rm -rf %s", store);
    ck_assert_int_eq(rename(path, store), 0);
    ck_assert(is_database(directory.database) && is_database(directory.beside));
    shell("rm -rf %s", store);
    ck_assert_int_eq(directory_check(&directory, &error), DIRECTORY_LOST);
}
END_TEST

static const char *const takes[] = {
    "rm -rf db",
    "rm db/CURRENT",
    "mv db away",
    "mv db away && mkdir db",
    "mv db away && cp -a away db",
    "mv db away && ln -s /proc db", /* of another file system */
    "mv db away && ln -s db db",
    "rm cairn.lock",
    "rm cairn.lock && touch cairn.lock",
    "rm cairn.store",
    "rm -rf \"$PWD\"",
};

START_TEST(what_is_removed_or_replaced_is_gone)
{
    make_store();
    ck_assert_int_eq(open_store(false), DIRECTORY_OK);
    ck_assert_int_eq(directory_check(&directory, &error), DIRECTORY_OK);
    shell("cd %s && %s", store, takes[_i]);
    ck_assert_int_eq(directory_check(&directory, &error), DIRECTORY_LOST);
    ck_assert_msg(strstr(error.text, store) != NULL, "%s", error.text);
}
END_TEST

/* The file of numbers is looked at once its owner has it open. */
START_TEST(numbers_that_are_removed_or_replaced_are_gone)
{
    char path[128];
    make_store();
    ck_assert_int_eq(open_store(false), DIRECTORY_OK);
    snprintf(path, sizeof path, "%s/" NUMBERS_NAME, store);
    directory.numbers_fd = open(path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_eq(directory_check(&directory, &error), DIRECTORY_OK);
    shell("cd %s && %s", store, _i == 0 ? "rm " NUMBERS_NAME : "touch new && mv new " NUMBERS_NAME);
    ck_assert_int_eq(directory_check(&directory, &error), DIRECTORY_LOST);
    ck_assert_msg(strstr(error.text, path) != NULL, "%s", error.text);
    close(directory.numbers_fd);
}
END_TEST

/* What the system does not say is no loss. */
START_TEST(what_cannot_be_looked_at_is_not_gone)
{
    static const int gone[] = {ENOENT, ENOTDIR, ELOOP, ESTALE};
    make_store();
    ck_assert_int_eq(open_store(false), DIRECTORY_OK);
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        failing_plan(FAILING_STAT, 1, gone[i]);
        ck_assert_int_eq(directory_check(&directory, &error), DIRECTORY_LOST);
        ck_assert(failing_end());
    }
    static const enum failing_call calls[] = {FAILING_STAT, FAILING_FSTAT, FAILING_ACCESS};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        failing_plan(calls[i], 1, EIO);
        ck_assert_int_eq(directory_check(&directory, &error), DIRECTORY_OK);
        ck_assert(failing_end());
    }
}
END_TEST

START_TEST(lock_file_that_is_replaced_while_it_is_locked_is_no_lock)
{
    make_store();
    failing_plan(FAILING_STAT, 2, ENOENT); /* behind the look at /proc */
    ck_assert_int_eq(open_store(false), DIRECTORY_IO_ERROR);
    ck_assert(failing_end());
    ck_assert_msg(strstr(error.text, "was removed or replaced while it was locked") != NULL, "%s",
                  error.text);
    ck_assert_int_eq(open_store(false), DIRECTORY_OK);
}
END_TEST

/* The lock holds without the pid, which only names its owner. */
START_TEST(pid_that_a_full_disk_does_not_take_is_done_without)
{
    static const int errors[] = {0, ENOSPC, EDQUOT, EIO};
    make_store();
    failing_plan(FAILING_PWRITE, 1, errors[_i]);
    ck_assert_int_eq(open_store(false), errors[_i] == EIO ? DIRECTORY_IO_ERROR : DIRECTORY_OK);
    ck_assert(failing_end());
}
END_TEST

/* Has another process open a store that is locked: it is told the pid that the lock file holds, 0 for none. */
static void expect_owner(const char *text, long pid)
{
    char says[32];
    shell("printf '%%s' '%s' > %s/cairn.lock", text, store);
    snprintf(says, sizeof says, "with pid %ld;", pid);
    ck_assert_int_eq(open_store(false), DIRECTORY_LOCKED);
    ck_assert_msg(strstr(error.text, says) != NULL, "%s", error.text);
}

START_TEST(owner_is_named_by_the_pid_in_the_lock_file_if_it_has_one)
{
    char path[128], gone[16];
    make_store();
    snprintf(path, sizeof path, "%s/cairn.lock", store);
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    snprintf(gone, sizeof gone, "%ld", (long)child);
    expect_owner("", 0);
    expect_owner("-5", 0);
    expect_owner("99999999999", 99999999999);
    expect_owner(gone, child); /* the last that is known */
    expect_owner("1", 1);
    failing_plan(FAILING_KILL, 1, EPERM); /* of another user, so it is there */
    expect_owner(gone, child);
    ck_assert(failing_end());
    failing_plan(FAILING_PREAD, 1, EIO);
    ck_assert_int_eq(open_store(false), DIRECTORY_LOCKED);
    ck_assert(failing_end());
    close(fd);
}
END_TEST

/* A death before leaves what the next start converts again. */
START_TEST(store_of_format_1_stays_one_until_it_is_ready)
{
    static const char id[] = "00112233445566778899aabbccddeeff";
    const char *new_line = _i == 1 ? "new\n" : "";
    shell("mkdir %s", store);
    make_database();
    shell("printf 'cairn store\nformat 1\nid %s\n%s' > %s/cairn.store", id, new_line, store);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(open_store(false) == DIRECTORY_OK, "%s", error.text);
        ck_assert(directory.is_old);
        ck_assert_int_eq(directory.is_new, _i == 1);
        ck_assert_uint_eq(directory.store_id[1], 0x11);
        directory_close(&directory);
        shell("printf 'cairn store\nformat 1\nid %s\n%s' | cmp - %s/cairn.store", id, new_line, store);
    }
    ck_assert_int_eq(open_store(false), DIRECTORY_OK);
    ck_assert_int_eq(directory_mark_ready(&directory, &error), DIRECTORY_OK);
    ck_assert(!directory.is_old && !directory.is_new);
    directory_close(&directory);
    shell("grep -q '^format 2$' %s/cairn.store && grep -q '^id %s$' %s/cairn.store", store, id, store);
    ck_assert_int_eq(open_store(false), DIRECTORY_OK);
    ck_assert(!directory.is_old && !directory.is_new);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("directory_hold");
    TCase *hold = tcase_create("directory_hold");
    suite_add_tcase(suite, hold);
    tcase_set_timeout(hold, 240);
    tcase_add_checked_fixture(hold, setup, teardown);
    tcase_add_test(hold, second_owner_is_refused_where_the_lock_file_was_removed);
    tcase_add_test(hold, moved_store_keeps_its_paths_and_is_not_gone);
    tcase_add_test(hold, what_cannot_be_looked_at_is_not_gone);
    tcase_add_test(hold, lock_file_that_is_replaced_while_it_is_locked_is_no_lock);
    tcase_add_loop_test(hold, pid_that_a_full_disk_does_not_take_is_done_without, 0, 4);
    tcase_add_loop_test(hold, numbers_that_are_removed_or_replaced_are_gone, 0, 2);
    tcase_add_test(hold, owner_is_named_by_the_pid_in_the_lock_file_if_it_has_one);
    tcase_add_loop_test(hold, store_of_format_1_stays_one_until_it_is_ready, 0, 2);
    tcase_add_loop_test(hold, what_is_removed_or_replaced_is_gone, 0, sizeof takes / sizeof *takes);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
