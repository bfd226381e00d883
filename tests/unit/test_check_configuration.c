/* `--check-config` in a child: its exit code, what it prints and where, and as whom it judges. tests/integration/test_check_config.c has
 * the daemon's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/check_configuration.h"
#include "tests/lib/shell.h"
#include "tests/lib/suite.h"

static char home[64], output[4096];

static void setup(void)
{
    char path[96];
    snprintf(home, sizeof home, "/tmp/cairn-judge.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(home));
    snprintf(path, sizeof path, "%s/systemctl", home);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs("#!/bin/sh\nexit 1\n", file); /* there is no systemd */
    fclose(file);
    ck_assert_int_eq(chmod(path, 0755), 0);
}

static void teardown(void)
{
    shell("rm -rf %s", home);
}

static enum directory_result look(const char *database, struct directory_error *ret_error)
{
    (void)database;
    snprintf(ret_error->text, sizeof ret_error->text, "there is none");
    return DIRECTORY_LOST;
}

/* Runs it with these words behind --check-config, in a child; `output` has what that printed. */
static int check(const char *word, const char *value)
{
    char data[96], socket[96], name[] = "cairnd", flag[] = "--check-config", data_flag[] = "--data",
                               socket_flag[] = "--socket";
    char first[96], second[96];
    int ends[2];
    snprintf(data, sizeof data, "%s/d", home);
    snprintf(socket, sizeof socket, "%s/s", home);
    snprintf(first, sizeof first, "%s", word);
    snprintf(second, sizeof second, "%s", value);
    char *words[] = {name,   flag, data_flag, data, socket_flag, socket, *word != '\0' ? first : NULL,
                     second, NULL};
    char *environment[] = {NULL};
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        setenv("PATH", home, 1);
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        int code = check_configuration(data, *word != '\0' ? 8 : 6, words, environment, look);
        fflush(stdout);
        _exit(code);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(ends[0], output + n, sizeof output - 1 - n)) > 0;) {
        n += (size_t)got;
    }
    output[n] = '\0';
    close(ends[0]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

START_TEST(good_configuration_is_said_to_be_so)
{
    if (geteuid() == 0) {
        ck_assert_int_eq(chmod(home, 0777), 0); /* where there is a user cairn, it is judged */
    }
    ck_assert_msg(check("", "") == EXIT_CODE_STOPPED, "%s", output);
    ck_assert_ptr_nonnull(strstr(output, "the configuration is good"));
    ck_assert(geteuid() != 0 || strstr(output, "judged as ") != NULL);
}
END_TEST

START_TEST(what_is_wrong_ends_with_the_code_of_a_start)
{
    ck_assert_int_eq(check("--streams-max", "x"), EXIT_CODE_REFUSED);
    ck_assert_ptr_nonnull(strstr(output, "cairnd: --streams-max"));
    ck_assert_int_eq(check("--socket-group", "no-such-group"), EXIT_CODE_REFUSED);
    ck_assert_ptr_nonnull(strstr(output, "no-such-group"));
    ck_assert_ptr_null(strstr(output, "is good"));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("check_configuration", 30, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, good_configuration_is_said_to_be_so);
    tcase_add_test(tests, what_is_wrong_ends_with_the_code_of_a_start);
    return suite_run(suite, true);
}
