/* The watch over a start: one that takes long is told, with its path. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/maintain/start_watch.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/suite.h"

enum { TEXT_BYTES = 4096 };

START_TEST(a_start_that_takes_long_says_where)
{
    char text[TEXT_BYTES];
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    int before = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
    struct start_watch *watch = start_watch_new("/some/where");
    ck_assert_ptr_nonnull(watch);
    uint64_t end_ms = clock_ms() + (uint64_t)patience_ms(60000);
    do {
        ssize_t bytes = pread(fileno(file), text, sizeof text - 1, 0);
        text[bytes > 0 ? bytes : 0] = '\0';
        sleep_ms(10);
    } while (strstr(text, "path=/some/where") == NULL && clock_ms() < end_ms);
    start_watch_free(watch);
    ck_assert_int_ge(dup2(before, STDERR_FILENO), 0);
    fclose(file);
    ck_assert_msg(strstr(text, "start_waits") != NULL && strstr(text, "path=/some/where") != NULL, "%s",
                  text);
}
END_TEST

START_TEST(without_a_thread_the_start_goes_on_unwatched)
{
    failing_plan(FAILING_THREAD, 1, EAGAIN);
    ck_assert_ptr_null(start_watch_new("/some/where"));
    ck_assert(failing_end());
}
END_TEST

START_TEST(a_start_that_ends_at_once_waits_for_nothing)
{
    start_watch_free(start_watch_new("/some/where"));
    start_watch_free(NULL);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("start_watch", 120, &tests);
    tcase_add_test(tests, a_start_that_takes_long_says_where);
    tcase_add_test(tests, without_a_thread_the_start_goes_on_unwatched);
    tcase_add_test(tests, a_start_that_ends_at_once_waits_for_nothing);
    return suite_run(suite, true);
}
