/* Paths by an open directory: they lead there wherever it is moved, and people see its name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/held.h"
#include "tests/lib/directory.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

static struct directory home;
static int fd;

static void setup(void)
{
    home = directory_new();
    ck_assert_int_eq(mkdir(directory_path(&home, "one"), 0700), 0);
    fd = open(directory_path(&home, "one"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
}

static void teardown(void)
{
    close(fd);
    directory_remove(&home);
}

START_TEST(test_path_leads_to_the_directory_that_was_moved_and_not_to_what_took_its_name)
{
    char path[HELD_PATH_BYTES];
    ck_assert(held_path(fd, "/file", path));
    ck_assert_int_eq(rename(directory_path(&home, "one"), directory_path(&home, "two")), 0);
    ck_assert_int_eq(mkdir(directory_path(&home, "one"), 0700), 0);
    file_write(path, "text");
    ck_assert_str_eq(file_read(directory_path(&home, "two/file")), "text");
    ck_assert(!file_exists(directory_path(&home, "one/file")));
}
END_TEST

START_TEST(test_path_of_no_open_directory_is_refused)
{
    char path[HELD_PATH_BYTES] = "untouched";
    int closed = dup(fd);
    close(closed);
    ck_assert(!held_path(closed, "", path));
    ck_assert_str_eq(path, "untouched");
    static const enum failing_call calls[] = {FAILING_STAT, FAILING_FSTAT};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        failing_plan(calls[i], 1, EIO);
        ck_assert(!held_path(fd, "", path));
        ck_assert(failing_end());
    }
    failing_plan(FAILING_FSTAT, 1, 0); /* what lies at /proc is something else */
    ck_assert(!held_path(fd, "", path));
    ck_assert(failing_end() && errno == ENOENT);
    ck_assert_str_eq(path, "untouched");
}
END_TEST

START_TEST(test_text_names_the_directory_and_is_cut_where_it_is_too_long)
{
    char path[HELD_PATH_BYTES], text[512];
    ck_assert(held_path(fd, "/file", path));
    held_copy_text(kept_format("%s: gone; %s too", path, path), sizeof text, text);
    const char *expected = kept_format("%s/one/file: gone; %s/one/file too", home.path, home.path);
    ck_assert_str_eq(text, expected);
    for (size_t room = 1; room <= strlen(expected); room++) {
        held_copy_text(kept_format("%s: gone; %s too", path, path), room, text);
        ck_assert_uint_eq(strlen(text), room - 1);
        ck_assert_int_eq(strncmp(text, expected, room - 1), 0);
    }
}
END_TEST

START_TEST(test_text_without_such_a_path_or_of_an_unknown_one_stays_as_it_is)
{
    static const char *const texts[] = {"",
                                        "nothing",
                                        "/proc/self/fd/",
                                        "a /proc/self/fd/99999/b",
                                        "/proc/self/fd/x",
                                        "/proc/self/fd/123456789012345678901234567890123456789"
                                        "0123456789012345678901234567890/x"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[512];
        held_copy_text(texts[i], sizeof text, text);
        ck_assert_str_eq(text, texts[i]);
    }
}
END_TEST

int main(void)
{
    TCase *held;
    Suite *suite = suite_new("held", 10, &held);
    tcase_add_checked_fixture(held, setup, teardown);
    tcase_add_test(held, test_path_leads_to_the_directory_that_was_moved_and_not_to_what_took_its_name);
    tcase_add_test(held, test_path_of_no_open_directory_is_refused);
    tcase_add_test(held, test_text_names_the_directory_and_is_cut_where_it_is_too_long);
    tcase_add_test(held, test_text_without_such_a_path_or_of_an_unknown_one_stays_as_it_is);
    return suite_run(suite, false);
}
