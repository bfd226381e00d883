/* A look at the data directory finds what its opening would, and what this process may not read and write; it leaves nothing and locks
 * nothing. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/host/directory.h"
#include "tests/lib/shell.h"
#include "tests/lib/suite.h"

enum { NOBODY = 65534 };

static struct directory_error error;
static char home[64], store[80];

static void setup(void)
{
    snprintf(home, sizeof home, "/tmp/cairn-look.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(home));
    snprintf(store, sizeof store, "%s/store", home);
    ck_assert_int_eq(chmod(home, 0711), 0);
}

static void teardown(void)
{
    shell("rm -rf %s", home);
}

static enum directory_result look(const char *database, struct directory_error *ret_error)
{
    char path[256];
    snprintf(path, sizeof path, "%s/CURRENT", database);
    snprintf(ret_error->text, sizeof ret_error->text, "there is no %s", path);
    return access(path, F_OK) == 0 ? DIRECTORY_OK : DIRECTORY_LOST;
}

static void write_file(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", store, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

/* A whole store, closed. */
static void make_store(void)
{
    struct directory directory;
    char path[128];
    ck_assert_int_eq(directory_open(store, true, look, &directory, &error), DIRECTORY_OK);
    snprintf(path, sizeof path, "%s/db/CURRENT", store);
    write_file("db/CURRENT");
    ck_assert_int_eq(directory_mark_ready(&directory, &error), DIRECTORY_OK);
    directory_close(&directory);
}

static void expect(bool create, enum directory_result result, const char *text)
{
    error.text[0] = '\0';
    ck_assert_int_eq(directory_look(store, create, look, &error), result);
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
}

/* In a child that is nobody: root may open everything. Not root: as this user. */
static void expect_as_nobody(bool create, enum directory_result result, const char *text)
{
    if (geteuid() != 0) {
        expect(create, result, text);
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0) {
            _exit(2);
        }
        bool is_expected =
            directory_look(store, create, look, &error) == result && strstr(error.text, text) != NULL;
        fprintf(stderr, "%s\n", is_expected ? "" : error.text);
        _exit(is_expected ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

START_TEST(absent_directory_is_missing_and_could_be_made_in_its_parent)
{
    expect(false, DIRECTORY_MISSING, "--create");
    expect(true, DIRECTORY_OK, "");
    ck_assert_int_ne(access(store, F_OK), 0);
    snprintf(store, sizeof store, "%s/a/b", home);
    expect(true, DIRECTORY_REFUSED, "/a; make that one first");
}
END_TEST

START_TEST(directory_that_this_user_may_not_make_is_refused_with_what_to_do)
{
    expect_as_nobody(true, DIRECTORY_REFUSED, "make it as root");
}
END_TEST

START_TEST(what_the_opening_refuses_the_look_refuses)
{
    ck_assert_int_eq(mkdir(store, 0700), 0);
    expect(false, DIRECTORY_MISSING, "no store in it");
    expect(true, DIRECTORY_OK, "");
    write_file("somebody-s");
    expect(true, DIRECTORY_FOREIGN, "somebody-s");
    write_file("cairn.store");
    expect(false, DIRECTORY_FOREIGN, "cairn.store");
}
END_TEST

START_TEST(store_is_found_good_also_while_another_has_it)
{
    struct directory directory;
    make_store();
    expect(false, DIRECTORY_OK, "");
    ck_assert_int_eq(directory_open(store, false, look, &directory, &error), DIRECTORY_OK);
    expect(false, DIRECTORY_OK, "");
    directory_close(&directory);
    ck_assert_int_eq(directory_open(store, false, look, &directory, &error),
                     DIRECTORY_OK); /* nothing holds it */
    directory_close(&directory);
}
END_TEST

static const struct {
    const char *name;
    mode_t kind;
    const char *text; /* "": it is left alone */
} kinds[] = {
    {"cairn.reserve", S_IFIFO, "/cairn.reserve: is a pipe and no file; move it away"},
    {"db.state", S_IFDIR, "/db.state: is a directory and no file"},
    {"cairn.numbers", S_IFLNK, "/cairn.numbers: is a link and no file"},
    {"cairn.numbers", S_IFSOCK, "/cairn.numbers: is a socket or device and no file"},
    {"db/000001.log", S_IFIFO, "/db/000001.log: is a pipe and no file"},
    {"db/000001.log", S_IFLNK, ""}, /* it leads to a file */
    {"db/archive", S_IFDIR, ""},
    {"somebody-s", S_IFIFO, ""},
};

START_TEST(what_is_no_file_is_named)
{
    char path[128];
    make_store();
    snprintf(path, sizeof path, "%s/%s", store, kinds[_i].name);
    int failed = kinds[_i].kind == S_IFDIR   ? mkdir(path, 0700)
                 : kinds[_i].kind == S_IFLNK ? symlink("CURRENT", path)
                                             : mknod(path, kinds[_i].kind | 0600, 0);
    ck_assert_int_eq(failed, 0);
    expect(false, *kinds[_i].text == '\0' ? DIRECTORY_OK : DIRECTORY_REFUSED, kinds[_i].text);
}
END_TEST

START_TEST(lost_stamp_is_named)
{
    make_store();
    write_file("cairn.numbers");
    char path[128];
    snprintf(path, sizeof path, "%s/cairn.store", store);
    ck_assert_int_eq(unlink(path), 0);
    expect(true, DIRECTORY_FOREIGN, "its cairn.store is gone; restore that file");
}
END_TEST

START_TEST(what_is_another_user_s_is_named)
{
    make_store();
    if (geteuid() != 0) {
        return; /* no file of another user can be made */
    }
    expect_as_nobody(false, DIRECTORY_REFUSED, "Permission denied");
    ck_assert_int_eq(chmod(store, 0777), 0);
    expect_as_nobody(false, DIRECTORY_REFUSED, "cairn.");
    shell("chown -R %d:%d %s && chown 0:0 %s/db/CURRENT", NOBODY, NOBODY, store, store);
    expect_as_nobody(false, DIRECTORY_REFUSED, "/db/CURRENT: cannot be read and written");
    shell("chown -R %d:%d %s && chmod 500 %s", NOBODY, NOBODY, store, store);
    expect_as_nobody(false, DIRECTORY_REFUSED, "cannot be written");
}
END_TEST

START_TEST(path_that_is_too_long_is_refused)
{
    char path[DIRECTORY_PATH_BYTES + 8];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    ck_assert_int_eq(directory_look(path, true, look, &error), DIRECTORY_REFUSED);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("directory_look", 30, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, absent_directory_is_missing_and_could_be_made_in_its_parent);
    tcase_add_test(tests, directory_that_this_user_may_not_make_is_refused_with_what_to_do);
    tcase_add_test(tests, what_the_opening_refuses_the_look_refuses);
    tcase_add_test(tests, store_is_found_good_also_while_another_has_it);
    tcase_add_loop_test(tests, what_is_no_file_is_named, 0, sizeof kinds / sizeof kinds[0]);
    tcase_add_test(tests, lost_stamp_is_named);
    tcase_add_test(tests, what_is_another_user_s_is_named);
    tcase_add_test(tests, path_that_is_too_long_is_refused);
    return suite_run(suite, false);
}
