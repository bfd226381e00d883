/* Signals to the daemon: what means nothing changes nothing, a hangup during a start is a reload behind it, and a crash says its last
 * words. And what a process prints that was started without standard descriptors goes into no file of the store, nor to a peer. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

START_TEST(test_signals_without_a_meaning_change_nothing)
{
    static const int numbers[] = {SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE,  SIGVTALRM, SIGPROF,
                                  SIGIO,   SIGPWR,  SIGXFSZ, SIGWINCH, 34,        64};
    struct rig rig = rig_start("");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        daemon_signal(&rig.daemon, numbers[i]);
        set(&rig.wire, kept_format("%d", numbers[i]), "x");
    }
    ck_assert_int_eq(daemon_wait(&rig.daemon, 0), -1);
    rig_end(&rig);
}
END_TEST

/* The start waits for its configuration, which comes by a pipe. */
START_TEST(test_hangup_before_ready_is_a_reload_behind_it)
{
    struct daemon daemon = daemon_new();
    char *config = directory_path(&daemon.home, "cairnd.conf");
    ck_assert_int_eq(mkfifo(config, 0600), 0);
    daemon_launch(&daemon, kept_format("--config %s", config));
    int writer = open(config, O_WRONLY | O_CLOEXEC); /* the daemon reads */
    daemon_signal(&daemon, SIGHUP);
    daemon_signal(&daemon, SIGUSR1);
    daemon_signal(&daemon, SIGALRM);
    ck_assert_int_eq(write(writer, "queue_operations_max = 64\n", 26), 26);
    close(writer);
    char *stamp = kept_format("%s/cairn.store", daemon.data);
    for (uint64_t until = clock_ms() + (uint64_t)patience_ms(20000);
         !file_exists(stamp) && clock_ms() < until;) {
        sleep_ms(5); /* it has read to the end when it makes the store */
    }
    writer = open(config, O_WRONLY | O_CLOEXEC); /* it reads again */
    ck_assert_int_eq(write(writer, "queue_operations_max = 128\n", 27), 27);
    close(writer);
    ck_assert(daemon_wait_ready(&daemon));
    ck_assert(daemon_says(&daemon, "reloaded"));
    struct wire wire = wire_open(daemon.socket);
    ck_assert_uint_eq(status_number(&wire, "queue.operations_max"), 128);
    wire_close(&wire);
    ck_assert_int_eq(daemon_stop(&daemon), 0);
    daemon_close(&daemon);
}
END_TEST

static void crash_by(int number, const char *name)
{
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    daemon_signal(&rig.daemon, number);
    ck_assert_int_eq(daemon_wait(&rig.daemon, 30000), 128 + number);
    wire_close(&rig.wire);
    ck_assert(daemon_says(&rig.daemon, kept_format("crashed by %s in process ", name)));
    ck_assert(daemon_says(&rig.daemon, "(build "));
    ck_assert(daemon_says(&rig.daemon, "cairnd(+0x")); /* a frame */
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert(block_is(&rig.wire, 1, "one"));
    rig_end(&rig);
}

START_TEST(test_crash_leaves_a_line_and_a_backtrace)
{
    crash_by(SIGSEGV, "SIGSEGV");
    crash_by(SIGABRT, "SIGABRT");
    crash_by(SIGBUS, "SIGBUS");
}
END_TEST

START_TEST(test_what_is_printed_without_standard_descriptors_goes_nowhere)
{
    struct daemon daemon = daemon_new();
    struct program program = shell_run(
        40000,
        "%s --data %s --socket %s --create <&- >&- 2>&- & pid=$!\n"
        "until %s -s %s ping --wait 20s >/dev/null; do sleep 0.1; done\n"
        "%s -s %s chains >&- 2>/dev/null; echo tool $?\n"
        "kill $pid; wait $pid; echo daemon $?; grep -lr '\"event\"\\|event=' %s/cairn.* || echo clean",
        getenv("CAIRND"), daemon.data, daemon.socket, getenv("CAIRN"), daemon.socket, getenv("CAIRN"),
        daemon.socket, daemon.data);
    ck_assert_msg(strstr(program.output, "tool 1\n") != NULL, "%s", program.output); /* it cannot print */
    ck_assert_msg(strstr(program.output, "daemon 0\nclean\n") != NULL, "%s", program.output);
    daemon_close(&daemon);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("signals", 60, &tests);
    tcase_add_test(tests, test_signals_without_a_meaning_change_nothing);
    tcase_add_test(tests, test_hangup_before_ready_is_a_reload_behind_it);
    tcase_add_test(tests, test_what_is_printed_without_standard_descriptors_goes_nowhere);
    if (!under_sanitizer()) { /* which has a report of its own */
        tcase_add_test(tests, test_crash_leaves_a_line_and_a_backtrace);
    }
    return suite_run(suite, false);
}
