/* Opening a data directory while a call of the system fails: an error that says which, nothing held, and the next start goes on. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/directory.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/shell.h"
#include "tests/lib/suite.h"

static char root[64];  /* a temporary directory of the test's own */
static char store[80]; /* a place in it */
static struct directory directory;
static struct directory_error error;

static void setup(void)
{
    snprintf(root, sizeof root, "%s/cairn-directory.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(store, sizeof store, "%s/store", root);
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
    char path[128];
    snprintf(path, sizeof path, "%s/db/CURRENT", store);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
}

/* A whole store, closed. */
static void make_store(void)
{
    ck_assert_msg(open_store(true) == DIRECTORY_OK, "%s", error.text);
    make_database();
    ck_assert_int_eq(directory_mark_ready(&directory, &error), DIRECTORY_OK);
    directory_close(&directory);
}

static size_t open_files(void)
{
    DIR *listing = opendir("/proc/self/fd");
    size_t count = 0;
    ck_assert_ptr_nonnull(listing);
    while (readdir(listing) != NULL) {
        count++;
    }
    closedir(listing);
    return count;
}

/* Opens with a call that fails. Returns whether it was met. */
static bool open_failing(enum failing_call call, unsigned nth, bool create)
{
    size_t before = open_files();
    failing_plan(call, nth, EIO);
    enum directory_result result = open_store(create);
    bool is_met = failing_end();
    if (result == DIRECTORY_OK) {
        directory_close(&directory);
    } else {
        ck_assert_int_eq(result, DIRECTORY_IO_ERROR);
        ck_assert_msg(strstr(error.text, store) != NULL, "%s", error.text);
        ck_assert_msg(strstr(error.text, "Input/output error") != NULL, "%s", error.text);
    }
    ck_assert_uint_eq(open_files(), before);
    return is_met;
}

/* A new store, and one that is there. Some may fail, such as a lock on db/. */
START_TEST(each_call_that_fails_is_an_error_that_leaves_nothing_open)
{
    bool is_new = _i == 0, is_met = true;
    for (enum failing_call call = FAILING_OPEN; call <= FAILING_READDIR; call++, is_met = true) {
        for (unsigned nth = 1; is_met; nth++) {
            shell("rm -rf %s", store);
            if (!is_new) {
                make_store();
            }
            is_met = open_failing(call, nth, is_new);
            ck_assert_msg(open_store(is_new) == DIRECTORY_OK, "%s", error.text);
            directory_close(&directory);
        }
    }
}
END_TEST

START_TEST(each_call_that_fails_in_a_look_is_an_error_that_leaves_nothing_open)
{
    bool is_new = _i == 0, is_met = true;
    if (!is_new) {
        make_store();
    }
    for (enum failing_call call = FAILING_OPEN; call <= FAILING_READDIR; call++, is_met = true) {
        for (unsigned nth = 1; is_met; nth++) {
            size_t before = open_files();
            failing_plan(call, nth, EIO);
            enum directory_result result = directory_look(store, is_new, look, &error);
            is_met = failing_end();
            ck_assert(result == DIRECTORY_OK || (is_met && result == DIRECTORY_IO_ERROR));
            ck_assert(result == DIRECTORY_OK || strstr(error.text, "Input/output error") != NULL);
            ck_assert_uint_eq(open_files(), before);
        }
    }
    ck_assert_int_eq(access(store, F_OK) == 0, !is_new);
}
END_TEST

START_TEST(store_that_cannot_be_marked_ready_stays_new)
{
    ck_assert_int_eq(open_store(true), DIRECTORY_OK);
    make_database();
    failing_plan(FAILING_FSYNC, 1, EIO);
    ck_assert_int_eq(directory_mark_ready(&directory, &error), DIRECTORY_IO_ERROR);
    ck_assert(failing_end() && directory.is_new);
    ck_assert_ptr_nonnull(strstr(error.text, "Input/output error"));
    ck_assert_int_eq(directory_mark_ready(&directory, &error), DIRECTORY_OK);
    ck_assert(!directory.is_new);
}
END_TEST

START_TEST(interrupted_syncs_of_a_new_store_go_on)
{
    failing_plan(FAILING_FSYNC, (unsigned)_i + 1,
                 EINTR); /* of the parent, the stamp, the directory, and it again */
    ck_assert_msg(open_store(true) == DIRECTORY_OK, "%s", error.text);
    ck_assert(failing_end());
}
END_TEST

START_TEST(what_does_not_let_the_daemon_in_says_what_to_do)
{
    static const int errors[] = {EROFS, EACCES};
    static const char *const cures[] = {"; mount it for writing", "; it has to belong to the user"};
    make_store();
    for (int i = 0; i < 2; i++) {
        failing_plan(FAILING_OPEN, _i == 0 ? 1 : 3, errors[i]); /* the directory, or its lock */
        enum directory_result result = open_store(false);
        ck_assert(failing_end());
        ck_assert_int_eq(result, DIRECTORY_REFUSED);
        ck_assert_msg(strstr(error.text, cures[i]) != NULL, "%s", error.text);
    }
}
END_TEST

/* At first it is not there, and when it is to be made it is. */
START_TEST(directory_that_another_makes_meanwhile_is_opened)
{
    ck_assert_int_eq(mkdir(store, 0700), 0);
    failing_plan(FAILING_OPEN, 1, ENOENT);
    ck_assert_int_eq(open_store(true), DIRECTORY_OK);
    ck_assert(failing_end());
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("directory_failing", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, each_call_that_fails_is_an_error_that_leaves_nothing_open, 0, 2);
    tcase_add_loop_test(tests, interrupted_syncs_of_a_new_store_go_on, 0, 4);
    tcase_add_test(tests, store_that_cannot_be_marked_ready_stays_new);
    tcase_add_loop_test(tests, each_call_that_fails_in_a_look_is_an_error_that_leaves_nothing_open, 0, 2);
    tcase_add_loop_test(tests, what_does_not_let_the_daemon_in_says_what_to_do, 0, 2);
    tcase_add_test(tests, directory_that_another_makes_meanwhile_is_opened);
    return suite_run(suite, false);
}
