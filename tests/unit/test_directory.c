/* The data directory: what becomes a store, what is refused untouched, who else may have it, and that a death at any
 * point of making a store leaves what a later start goes on with. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/host/directory.h"

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

static void remove_tree(const char *path)
{
    DIR *listing = opendir(path);
    struct dirent *entry;
    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        char below[512];
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && unlink(below) != 0) {
            remove_tree(below);
        }
    }
    if (listing != NULL) {
        closedir(listing);
    }
    rmdir(path);
}

static void teardown(void)
{
    directory_close(&directory);
    chmod(store, 0700);
    remove_tree(root);
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", store, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static const char *read_text(const char *name)
{
    static char text[1024];
    char path[256];
    snprintf(path, sizeof path, "%s/%s", store, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return "(absent)";
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static size_t entries(void)
{
    DIR *listing = opendir(store);
    size_t count = 0;
    ck_assert_ptr_nonnull(listing);
    while (readdir(listing) != NULL) {
        count++;
    }
    closedir(listing);
    return count - 2;
}

static bool can_look; /* else looking for the database fails */

static enum directory_result look(const char *database, struct directory_error *ret_error)
{
    char path[256];
    snprintf(path, sizeof path, "%s/CURRENT", database);
    bool is_there = access(path, F_OK) == 0;
    snprintf(ret_error->text, sizeof ret_error->text, can_look ? "there is no %s" : "%s cannot be seen",
             path);
    return !can_look ? DIRECTORY_IO_ERROR : is_there ? DIRECTORY_OK : DIRECTORY_LOST;
}

static enum directory_result open_store(bool create)
{
    can_look = true;
    return directory_open(store, create, look, &directory, &error);
}

/* What look takes for a database. */
static void make_database(void)
{
    char path[256];
    snprintf(path, sizeof path, "%s/db", store);
    mkdir(path, 0700);
    write_file("db/CURRENT", "MANIFEST-000001\n");
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

/* A whole store, closed. */
static void make_store(void)
{
    ck_assert_msg(open_store(true) == DIRECTORY_OK, "%s", error.text);
    make_database();
    ck_assert_int_eq(directory_mark_ready(&directory, &error), DIRECTORY_OK);
    directory_close(&directory);
}

static void refused(bool create, enum directory_result expected, const char *says)
{
    struct directory before = directory;
    ck_assert_int_eq(open_store(create), expected);
    ck_assert_msg(strstr(error.text, says) != NULL, "%s", error.text);
    ck_assert_msg(strstr(error.text, store) != NULL, "%s", error.text);
    ck_assert_mem_eq(&before, &directory, sizeof before);
}

START_TEST(absent_directory_is_refused_without_create)
{
    refused(false, DIRECTORY_MISSING, "--create");
    ck_assert_int_eq(access(store, F_OK), -1);
}
END_TEST

START_TEST(empty_directory_is_refused_untouched_without_create)
{
    ck_assert_int_eq(mkdir(store, 0700), 0);
    refused(false, DIRECTORY_MISSING, "--create");
    ck_assert_uint_eq(entries(), 0);
}
END_TEST

START_TEST(absent_or_empty_directory_becomes_a_store_with_create)
{
    if (_i == 1) {
        ck_assert_int_eq(mkdir(store, 0700), 0);
    }
    ck_assert_int_eq(open_store(true), DIRECTORY_OK);
    ck_assert(directory.is_new);
    ck_assert_ptr_nonnull(strstr(read_text("cairn.store"), "cairn store\nformat 2\nid "));
    ck_assert_ptr_nonnull(strstr(read_text("cairn.store"), "\nnew\n"));
    ck_assert_int_eq(strtol(read_text("cairn.lock"), NULL, 10), getpid());
    ck_assert(is_database(directory.database));
    ck_assert_int_ne(fcntl(directory.lock_fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(fcntl(directory.directory_fd, F_GETFD) & FD_CLOEXEC, 0);

    uint8_t id[STORE_ID_BYTES];
    memcpy(id, directory.store_id, sizeof id);
    make_database();
    ck_assert_int_eq(directory_mark_ready(&directory, &error), DIRECTORY_OK);
    ck_assert(!directory.is_new);
    ck_assert_int_eq(directory_mark_ready(&directory, &error), DIRECTORY_OK);
    ck_assert_ptr_null(strstr(read_text("cairn.store"), "new"));
    directory_close(&directory);
    directory_close(&directory);

    ck_assert_int_eq(open_store(_i == 1), DIRECTORY_OK); /* create does no harm to what is there */
    ck_assert(!directory.is_new);
    ck_assert_mem_eq(directory.store_id, id, sizeof id);
}
END_TEST

START_TEST(two_stores_have_different_ids)
{
    make_store();
    uint8_t id[STORE_ID_BYTES];
    memcpy(id, directory.store_id, sizeof id);
    remove_tree(store);
    make_store();
    ck_assert_mem_ne(directory.store_id, id, sizeof id);
}
END_TEST

START_TEST(foreign_directory_is_refused_untouched)
{
    ck_assert_int_eq(mkdir(store, 0700), 0);
    write_file("somebody's", "work");
    refused(_i == 1, DIRECTORY_FOREIGN, "somebody's");
    ck_assert_uint_eq(entries(), 1);
    ck_assert_str_eq(read_text("somebody's"), "work");
}
END_TEST

START_TEST(file_in_the_directory_s_place_is_refused)
{
    FILE *file = fopen(store, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    refused(_i == 1, DIRECTORY_FOREIGN, "not a directory");
}
END_TEST

START_TEST(missing_parent_is_an_error_that_names_it)
{
    snprintf(store, sizeof store, "%s/a/b", root);
    refused(true, DIRECTORY_REFUSED, "No such file or directory");
}
END_TEST

START_TEST(new_file_system_with_lost_and_found_counts_as_empty)
{
    char path[128];
    ck_assert_int_eq(mkdir(store, 0700), 0);
    snprintf(path, sizeof path, "%s/lost+found", store);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(open_store(true), DIRECTORY_OK);
}
END_TEST

/* A stamp, and how it is refused. ID stands for a good id. */
#define ID "00112233445566778899aabbccddeeff"
static const struct {
    const char *stamp;
    enum directory_result result;
    const char *says;
} refused_stamps[] = {
    {"cairn store\nformat 3\nwhatever\n", DIRECTORY_NEWER, "format 3 and this cairnd knows 2"},
    {"cairn store\nformat 99\nid " ID "\n", DIRECTORY_NEWER, "format 99"},
    {"not ours", DIRECTORY_FOREIGN, "not cairn's"},
    {"", DIRECTORY_FOREIGN, "not cairn's"},
    {"cairn store\n", DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat \n", DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat -1\n", DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat 0\nid " ID "\n", DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat 99999999999999999999999\nid " ID "\n", DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat 1\n", DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat 2\nid " ID "\n", DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat 2\nid " ID "\nchecksum 0123456789abcdef\n", DIRECTORY_DAMAGED, "damaged"},
    {"cairm store\nformat 2\nid " ID "\n", DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat 1\nid 0011\n", DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat 1\nid 0011223344556677889+aabbccddeeff\n", DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat 1\nid " ID, DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat 1\nid " ID "\nnew", DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat 1\nid " ID "\nold\n", DIRECTORY_DAMAGED, "damaged"},
    {"cairn store\nformat 01\nid " ID "\n", DIRECTORY_DAMAGED, "damaged"},
};

START_TEST(stamp_that_is_newer_foreign_or_damaged_is_refused_untouched)
{
    for (int create = 0; create < 2; create++) {
        remove_tree(store);
        ck_assert_int_eq(mkdir(store, 0700), 0);
        write_file("cairn.store", refused_stamps[_i].stamp);
        make_database();
        refused(create == 1, refused_stamps[_i].result, refused_stamps[_i].says);
        ck_assert_uint_eq(entries(), 2);
        ck_assert_str_eq(read_text("cairn.store"), refused_stamps[_i].stamp);
    }
}
END_TEST

START_TEST(store_that_lost_its_database_is_refused_untouched)
{
    make_store();
    char path[128];
    snprintf(path, sizeof path, "%s/db/CURRENT", store);
    ck_assert_int_eq(unlink(path), 0);
    refused(_i == 1, DIRECTORY_LOST, "used to be here, but its database is gone (there is no ");
    refused(_i == 1, DIRECTORY_LOST, "/db/CURRENT); mount or restore it");
    snprintf(path, sizeof path, "%s/db", store);
    ck_assert_int_eq(rmdir(path), 0);
    refused(_i == 1, DIRECTORY_LOST, "used to be here");
    ck_assert_uint_eq(entries(), 2);
}
END_TEST

START_TEST(store_whose_database_cannot_be_looked_for_is_refused_untouched)
{
    make_store();
    can_look = false;
    ck_assert_int_eq(directory_open(store, _i == 1, look, &directory, &error), DIRECTORY_IO_ERROR);
    ck_assert_ptr_nonnull(strstr(error.text, "/db/CURRENT cannot be seen"));
    ck_assert_uint_eq(entries(), 3);
    ck_assert_int_eq(open_store(false), DIRECTORY_OK);
}
END_TEST

START_TEST(second_daemon_fails_at_once_naming_the_first_one_s_pid)
{
    int ready[2], end[2];
    char byte = 0, says[32];
    make_store();
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(end), 0);
    pid_t child = fork();
    if (child == 0) {
        close(end[1]);
        if (open_store(false) == DIRECTORY_OK && write(ready[1], &byte, 1) == 1 &&
            read(end[0], &byte, 1) == 0) {
            _exit(0);
        }
        _exit(1);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    snprintf(says, sizeof says, "pid %ld;", (long)child);
    refused(false, DIRECTORY_LOCKED, says);
    refused(true, DIRECTORY_LOCKED, says);
    close(end[1]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(open_store(false), DIRECTORY_OK); /* the lock died with its holder */
    ck_assert_int_eq(strtol(read_text("cairn.lock"), NULL, 10), getpid());
    close(ready[0]);
    close(ready[1]);
    close(end[0]);
}
END_TEST

START_TEST(lock_is_held_until_the_close)
{
    make_store();
    struct directory other = {.directory_fd = -1, .database_fd = -1, .lock_fd = -1};
    ck_assert_int_eq(open_store(false), DIRECTORY_OK);
    ck_assert_int_eq(directory_open(store, false, look, &other, &error), DIRECTORY_LOCKED);
    directory_close(&directory);
    ck_assert_int_eq(directory_open(store, false, look, &other, &error), DIRECTORY_OK);
    directory_close(&other);
}
END_TEST

/* Where a killed creation may have stopped. */
static void leave_beginnings(int step)
{
    mkdir(store, 0700);
    if (step >= 1) {
        write_file("cairn.lock", "");
    }
    if (step >= 2) {
        write_file("cairn.store.tmp", "cairn st");
    }
    if (step >= 3) {
        remove_tree(store);
        ck_assert_int_eq(open_store(true), DIRECTORY_OK);
        directory_close(&directory);
    }
    if (step >= 4) {
        make_database();
    }
    if (step >= 5) {
        write_file("cairn.store.tmp", "cairn store\nformat 1\n");
    }
}

START_TEST(creation_that_was_killed_is_gone_on_with)
{
    leave_beginnings(_i);
    if (_i < 3) {
        refused(false, DIRECTORY_MISSING, "--create");
    }
    ck_assert_msg(open_store(true) == DIRECTORY_OK, "%s", error.text);
    ck_assert(directory.is_new);
    make_database();
    ck_assert_int_eq(directory_mark_ready(&directory, &error), DIRECTORY_OK);
    directory_close(&directory);
    ck_assert_int_eq(open_store(false), DIRECTORY_OK);
    ck_assert(!directory.is_new);
}
END_TEST

/* Children that make one store after the other, killed at any moment: each store can be gone on with, and only the last may
 * be unfinished. */
START_TEST(creation_killed_at_any_moment_is_gone_on_with)
{
    for (int round = 0; round < 40; round++) {
        pid_t child = fork();
        if (child == 0) {
            for (int i = 0;; i++) {
                snprintf(store, sizeof store, "%s/%d-%d", root, round, i);
                make_store();
            }
        }
        usleep((useconds_t)(2000 + round * 211));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        bool unfinished = false;
        for (int i = 0; !unfinished; i++) {
            snprintf(store, sizeof store, "%s/%d-%d", root, round, i);
            enum directory_result result = open_store(true); /* at last it makes one that had not begun */
            ck_assert_msg(result == DIRECTORY_OK, "%s", error.text);
            unfinished = directory.is_new;
            directory_close(&directory);
            remove_tree(store);
        }
        snprintf(store, sizeof store, "%s/%d-0", root, round);
        ck_assert_int_eq(access(store, F_OK), -1);
    }
}
END_TEST

START_TEST(unreadable_directory_is_an_error_that_says_why)
{
    if (geteuid() == 0) {
        /* root reads all: a child without root tries */
        ck_assert_int_eq(chmod(root, 0711), 0);
        ck_assert_int_eq(mkdir(store, 0700), 0);
        pid_t child = fork();
        if (child == 0) {
            if (setgid(65534) != 0 || setuid(65534) != 0) {
                _exit(2);
            }
            _exit(open_store(true) == DIRECTORY_REFUSED && strstr(error.text, "Permission denied") != NULL
                      ? 0
                      : 1);
        }
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
        return;
    }
    ck_assert_int_eq(mkdir(store, 0), 0);
    refused(true, DIRECTORY_REFUSED, "Permission denied");
}
END_TEST

START_TEST(path_too_long_is_an_error)
{
    char path[5000];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    ck_assert_int_eq(directory_open(path, true, look, &directory, &error), DIRECTORY_REFUSED);
}
END_TEST

START_TEST(results_have_the_documented_exit_codes)
{
    ck_assert_int_eq(directory_exit_code(DIRECTORY_OK), 0);
    ck_assert_int_eq(directory_exit_code(DIRECTORY_IO_ERROR), 1);
    ck_assert_int_eq(directory_exit_code(DIRECTORY_LOCKED), 73);
    ck_assert_int_eq(directory_exit_code(DIRECTORY_MISSING), 78);
    ck_assert_int_eq(directory_exit_code(DIRECTORY_FOREIGN), 78);
    ck_assert_int_eq(directory_exit_code(DIRECTORY_NEWER), 78);
    ck_assert_int_eq(directory_exit_code(DIRECTORY_DAMAGED), 65);
    ck_assert_int_eq(directory_exit_code(DIRECTORY_LOST), 78);
    ck_assert_int_eq(directory_exit_code(DIRECTORY_REFUSED), 78);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("directory");
    TCase *tests = tcase_create("directory");
    tcase_set_timeout(tests, 240);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, absent_directory_is_refused_without_create);
    tcase_add_test(tests, empty_directory_is_refused_untouched_without_create);
    tcase_add_loop_test(tests, absent_or_empty_directory_becomes_a_store_with_create, 0, 2);
    tcase_add_test(tests, two_stores_have_different_ids);
    tcase_add_loop_test(tests, foreign_directory_is_refused_untouched, 0, 2);
    tcase_add_loop_test(tests, file_in_the_directory_s_place_is_refused, 0, 2);
    tcase_add_test(tests, missing_parent_is_an_error_that_names_it);
    tcase_add_test(tests, new_file_system_with_lost_and_found_counts_as_empty);
    tcase_add_loop_test(tests, stamp_that_is_newer_foreign_or_damaged_is_refused_untouched, 0,
                        sizeof refused_stamps / sizeof refused_stamps[0]);
    tcase_add_loop_test(tests, store_whose_database_cannot_be_looked_for_is_refused_untouched, 0, 2);
    tcase_add_loop_test(tests, store_that_lost_its_database_is_refused_untouched, 0, 2);
    tcase_add_test(tests, second_daemon_fails_at_once_naming_the_first_one_s_pid);
    tcase_add_test(tests, lock_is_held_until_the_close);
    tcase_add_loop_test(tests, creation_that_was_killed_is_gone_on_with, 0, 6);
    tcase_add_test(tests, creation_killed_at_any_moment_is_gone_on_with);
    tcase_add_test(tests, unreadable_directory_is_an_error_that_says_why);
    tcase_add_test(tests, path_too_long_is_an_error);
    tcase_add_test(tests, results_have_the_documented_exit_codes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
