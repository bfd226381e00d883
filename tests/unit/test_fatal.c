/* The end of a run that cannot go on: a line on stderr and exit code 1, and no exit handler. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/tool/fatal.h"
#include "tests/lib/suite.h"

static void never(void)
{
    (void)!write(STDERR_FILENO, "an exit handler ran", 19);
}

START_TEST(it_says_why_and_exits_with_1)
{
    int ends[2], status;
    char text[200] = "";
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        atexit(never);
        fatal("not enough memory");
    }
    close(ends[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    ck_assert_int_ge(read(ends[0], text, sizeof text - 1), 0);
    ck_assert_str_eq(text, "cairn: not enough memory\n");
    close(ends[0]);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("fatal", 20, &tests);
    tcase_add_test(tests, it_says_why_and_exits_with_1);
    return suite_run(suite, true);
}
