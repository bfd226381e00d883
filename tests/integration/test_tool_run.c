/* cairn run: a daemon for one command, whose exit code it is; nothing of it is left, however the command ends. $CAIRN is the tool,
 * beside $CAIRND. */
#include <check.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/daemon.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

enum { RUN_MS = 60000 };

static struct directory directory;

static void setup(void)
{
    directory = directory_new();
    ck_assert_int_eq(setenv("TMPDIR", directory.path, 1), 0);
    ck_assert_ptr_nonnull(getenv("CAIRN"));
}

static void teardown(void)
{
    directory_remove(&directory);
}

/* What is left of the run's directories. */
static char *left(void)
{
    return shell_run(RUN_MS, "ls %s | grep cairn-run", directory.path).output;
}

static struct program run(const char *words)
{
    struct program program = shell_run(RUN_MS, "exec %s run %s", getenv("CAIRN"), words);
    ck_assert_str_eq(left(), "");
    return program;
}

START_TEST(the_command_has_a_daemon_and_nothing_is_left)
{
    struct program program = run("-- sh -c '\"$CAIRN\" meta set greeting hello && \"$CAIRN\" meta get "
                                 "greeting && ls -d \"$CAIRN_SOCKET\"'");
    ck_assert_msg(program.exit_code == 0, "exit %d: %s", program.exit_code, program.errors);
    ck_assert_ptr_nonnull(strstr(program.output, "hello"));
    char *socket = strrchr(program.output, '\n') == NULL ? "" : strstr(program.output, directory.path);
    ck_assert_ptr_nonnull(socket);
    ck_assert_str_eq(program.errors, "");
}
END_TEST

START_TEST(the_exit_code_is_the_commands)
{
    ck_assert_int_eq(run("true").exit_code, 0);
    ck_assert_int_eq(run("-- sh -c 'exit 37'").exit_code, 37);
    ck_assert_int_eq(run("sh -c 'kill -KILL $$'").exit_code, 128 + SIGKILL);
    ck_assert_int_eq(run("/nonexistent/command").exit_code, 127);
    ck_assert_int_eq(run("/etc/passwd").exit_code, 126);
}
END_TEST

START_TEST(without_a_daemon_it_says_so)
{
    struct program none = run("--cairnd /nonexistent/cairnd true");
    ck_assert_int_eq(none.exit_code, 2);
    ck_assert_ptr_nonnull(strstr(none.errors, "/nonexistent/cairnd"));
    ck_assert_int_eq(run("--socket /nonexistent/socket true").exit_code, 2);
    struct program ends = run("--cairnd /bin/false -- true");
    ck_assert_int_eq(ends.exit_code, 125);
    ck_assert_ptr_nonnull(strstr(ends.errors, "before it was ready"));
    char *script = directory_path(&directory, "refuses");
    file_write(script, "#!/bin/sh\necho the reason is here >&2\nexit 78\n");
    ck_assert_int_eq(shell_run(RUN_MS, "chmod +x %s", script).exit_code, 0);
    struct program refuses = run(kept_format("--cairnd %s -- true", script));
    ck_assert_int_eq(refuses.exit_code, 125);
    ck_assert_ptr_nonnull(strstr(refuses.errors, "exit code 78"));
    ck_assert_ptr_nonnull(strstr(refuses.errors, "the reason is here"));
}
END_TEST

START_TEST(the_daemon_is_the_one_beside_the_tool_or_else_that_in_path)
{
    char *alone = directory_path(&directory, "cairn");
    ck_assert_int_eq(shell_run(RUN_MS, "cp \"$CAIRN\" %s", alone).exit_code, 0);
    struct program none = shell_run(RUN_MS, "PATH=/bin:/usr/bin exec %s run true", alone);
    struct program path = shell_run(RUN_MS, "PATH=\"${CAIRND%%/*}:$PATH\" exec %s run true", alone);
    ck_assert_msg(path.exit_code == 0, "exit %d: %s", path.exit_code, path.errors);
    if (shell_run(RUN_MS, "PATH=/bin:/usr/bin command -v cairnd").exit_code != 0) {
        ck_assert_int_eq(none.exit_code, 2);
        ck_assert_ptr_nonnull(strstr(none.errors, "--cairnd PATH"));
    }
    ck_assert_str_eq(left(), "");
}
END_TEST

START_TEST(a_daemon_that_dies_is_told_and_the_command_goes_on)
{
    struct program program = run("-- sh -c 'kill -KILL $(cat \"${CAIRN_SOCKET%/*}/data/cairn.lock\"); "
                                 "while \"$CAIRN\" -d 1s ping 2>/dev/null; do :; done; exit 5'");
    ck_assert_msg(program.exit_code == 5, "exit %d: %s", program.exit_code, program.errors);
    ck_assert_ptr_nonnull(strstr(program.errors, "signal 9"));
}
END_TEST

/* Starts a run whose command waits, and sends the tool that signal. */
static int end_by(int number)
{
    char *ready = directory_path(&directory, "ready");
    unlink(ready);
    fflush(NULL);
    pid_t tool = fork();
    if (tool == 0) {
        setpgid(0, 0);
        execl(getenv("CAIRN"), "cairn", "run", "--", "sh", "-c", "echo > \"$0\"; exec sleep 1000", ready,
              (char *)NULL);
        _exit(99);
    }
    uint64_t end_ms = clock_ms() + (uint64_t)patience_ms(RUN_MS);
    while (!file_exists(ready)) {
        ck_assert_uint_lt(clock_ms(), end_ms);
        sleep_ms(10);
    }
    ck_assert_int_eq(kill(tool, number), 0);
    int status;
    ck_assert_int_eq(waitpid(tool, &status, 0), tool);
    ck_assert_str_eq(left(), "");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(ctrl_c_meets_the_command_and_leaves_nothing)
{
    int terminal, status;
    char output[1024] = "";
    size_t bytes = 0;
    bool is_typed = false;
    fflush(NULL);
    pid_t tool = forkpty(&terminal, NULL, NULL, NULL);
    if (tool == 0) {
        execl(getenv("CAIRN"), "cairn", "run", "--", "sh", "-c", "echo ready; exec sleep 1000", (char *)NULL);
        _exit(99);
    }
    ck_assert_int_gt(tool, 0);
    for (ssize_t got; (got = read(terminal, output + bytes, sizeof output - 1 - bytes)) > 0;) {
        bytes += (size_t)got;
        output[bytes] = '\0';
        if (!is_typed && strstr(output, "ready") != NULL) {
            ck_assert_int_eq(write(terminal, "\x03", 1), 1);
            is_typed = true;
        }
    }
    ck_assert_msg(is_typed, "%s", output);
    ck_assert_int_eq(waitpid(tool, &status, 0), tool);
    close(terminal);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGINT, "%d: %s", status, output);
    ck_assert_str_eq(left(), "");
}
END_TEST

START_TEST(a_daemon_does_not_outlive_a_tool_that_is_killed)
{
    char *socket = directory_path(&directory, "socket");
    struct program program =
        shell_run(RUN_MS, "exec %s run -- sh -c 'echo \"$CAIRN_SOCKET\" > %s; kill -KILL $PPID'",
                  getenv("CAIRN"), socket);
    ck_assert_int_eq(program.exit_code, 128 + SIGKILL);
    uint64_t end_ms = clock_ms() + (uint64_t)patience_ms(RUN_MS);
    while (shell_run(RUN_MS, "exec %s -s \"$(cat %s)\" -d 5s ping", getenv("CAIRN"), socket).exit_code == 0) {
        ck_assert_uint_lt(clock_ms(), end_ms);
    }
}
END_TEST

START_TEST(a_place_whose_sockets_would_have_too_long_a_path_is_refused)
{
    struct program program = shell_run(RUN_MS, "TMPDIR=/tmp/%090d exec %s run -- true", 0, getenv("CAIRN"));
    ck_assert_int_eq(program.exit_code, 2);
    ck_assert_ptr_nonnull(strstr(program.errors, "107 bytes"));
    program = shell_run(RUN_MS, "TMPDIR=/nonexistent exec %s run -- true", getenv("CAIRN"));
    ck_assert_int_eq(program.exit_code, 125);
}
END_TEST

START_TEST(signals_are_passed_on_and_leave_nothing)
{
    ck_assert_int_eq(end_by(SIGTERM), 128 + SIGTERM);
    ck_assert_int_eq(end_by(SIGINT), 128 + SIGINT);
    ck_assert_int_eq(end_by(SIGHUP), 128 + SIGHUP);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("tool_run", 300, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, the_command_has_a_daemon_and_nothing_is_left);
    tcase_add_test(tests, the_exit_code_is_the_commands);
    tcase_add_test(tests, without_a_daemon_it_says_so);
    tcase_add_test(tests, the_daemon_is_the_one_beside_the_tool_or_else_that_in_path);
    tcase_add_test(tests, a_daemon_that_dies_is_told_and_the_command_goes_on);
    tcase_add_test(tests, ctrl_c_meets_the_command_and_leaves_nothing);
    tcase_add_test(tests, a_daemon_does_not_outlive_a_tool_that_is_killed);
    tcase_add_test(tests, a_place_whose_sockets_would_have_too_long_a_path_is_refused);
    tcase_add_test(tests, signals_are_passed_on_and_leave_nothing);
    return suite_run(suite, false);
}
