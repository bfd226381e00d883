/* The last words of a process that crashes, in a child: a line and a backtrace, the signal it dies of, and no wait for a reader. */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/runtime/crash.h"
#include "daemon/runtime/memory.h"
#include "tests/lib/directory.h"
#include "tests/lib/suite.h"

static struct directory home;
static char *errors; /* what the child wrote to stderr */

static void setup(void)
{
    home = directory_new();
}

static void teardown(void)
{
    directory_remove(&home);
}

static void become(int fd)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || dup2(fd, STDERR_FILENO) < 0) {
        _exit(99);
    }
}

/* The signal that ends the child; 0: none did. */
static int wait_for(pid_t child)
{
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int crash_with(void (*crash)(void), bool is_journal)
{
    char *path = directory_path(&home, "stderr"), stream[64];
    pid_t child = fork();
    if (child == 0) {
        struct stat status;
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        become(fd);
        if (is_journal && fstat(STDERR_FILENO, &status) == 0) {
            snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
            setenv("JOURNAL_STREAM", stream, 1);
        }
        crash_prepare();
        crash();
        _exit(0);
    }
    int number = wait_for(child);
    errors = file_read(path);
    return number;
}

static void expect(const char *text)
{
    ck_assert_msg(strstr(errors, text) != NULL, "no %s in: %s", text, errors);
}

static void access_nothing(void)
{
    volatile int *volatile nothing = (volatile int *)16;
    *nothing = 1;
}

static void fail_assert(void)
{
    volatile int one = 1;
    assert(one == 2);
}

static void get_segv(void)
{
    (void)raise(SIGSEGV);
}

static void overflow(void)
{
    volatile char room[1 << 14];
    room[0] = 1;
    void (*volatile again)(void) = overflow;
    again();
    room[1] = room[0];
}

START_TEST(bad_access_leaves_a_line_and_a_backtrace)
{
    ck_assert_int_eq(crash_with(access_nothing, false), SIGSEGV);
    expect("cairnd ");
    expect("crashed by SIGSEGV at address 0x10 in process ");
    expect("(build ");
    ck_assert_ptr_null(strstr(errors, "(build )"));
    expect("test_crash(+0x"); /* a frame */
    ck_assert_ptr_null(strstr(errors, "<3>"));
}
END_TEST

START_TEST(failed_assert_is_in_the_line)
{
    ck_assert_int_eq(crash_with(fail_assert, false), SIGABRT);
    expect("crashed by SIGABRT in process ");
    expect("after it printed: ");
    expect("fail_assert: Assertion `one == 2' failed.");
}
END_TEST

START_TEST(signal_that_is_sent_ends_by_itself)
{
    ck_assert_int_eq(crash_with(get_segv, false), SIGSEGV);
    expect("crashed by SIGSEGV in process ");
}
END_TEST

START_TEST(stack_that_is_used_up_leaves_a_line_too)
{
    ck_assert_int_eq(crash_with(overflow, false), SIGSEGV);
    expect("crashed by SIGSEGV at address 0x");
}
END_TEST

START_TEST(journal_gets_each_line_as_an_error)
{
    ck_assert_int_eq(crash_with(fail_assert, true), SIGABRT);
    for (char *line = strtok(errors, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        ck_assert_msg(strncmp(line, "<3>", 3) == 0, "%s", line);
    }
}
END_TEST

START_TEST(stderr_that_nobody_reads_keeps_no_process_alive)
{
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        static char block[1 << 12];
        become(ends[1]);
        (void)!fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
        while (write(STDERR_FILENO, block, sizeof block) > 0) {
        }
        (void)!fcntl(STDERR_FILENO, F_SETFL, 0);
        crash_prepare();
        fail_assert();
        _exit(0);
    }
    int number = wait_for(child);
    ck_assert(number == SIGABRT || number == SIGALRM); /* on a machine that is too slow for the report */
    close(ends[0]);
    close(ends[1]);
}
END_TEST

static void print(void)
{
    fprintf(stderr, "words\n");
}

START_TEST(what_is_printed_is_printed_as_ever)
{
    ck_assert_int_eq(crash_with(print, false), 0);
    ck_assert_str_eq(errors, "words\n");
    ck_assert_int_eq(crash_with(print, true), 0);
    ck_assert_str_eq(errors, "<3>words\n");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("crash", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_printed_is_printed_as_ever);
    if (!MEMORY_IS_WATCHED) { /* a sanitizer has a report of its own */
        tcase_add_test(tests, bad_access_leaves_a_line_and_a_backtrace);
        tcase_add_test(tests, failed_assert_is_in_the_line);
        tcase_add_test(tests, signal_that_is_sent_ends_by_itself);
        tcase_add_test(tests, stack_that_is_used_up_leaves_a_line_too);
        tcase_add_test(tests, journal_gets_each_line_as_an_error);
        tcase_add_test(tests, stderr_that_nobody_reads_keeps_no_process_alive);
    }
    return suite_run(suite, true);
}
