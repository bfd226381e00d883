/* What systemd is told, and which sockets are taken from it. */
#include <check.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/host/notify.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/manager.h"

enum { FIRST_PASSED = 3 };

#define LOOK "look" /* an argument of this program */

static struct manager manager;

static void setup(void)
{
    manager = manager_open();
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", manager.name, 1), 0);
    thread_set_role(THREAD_LOOP);
}

static void teardown(void)
{
    manager_close(&manager);
    unsetenv("NOTIFY_SOCKET");
}

START_TEST(each_state_is_told_in_systemd_s_words)
{
    notify_ready();
    ck_assert_str_eq(manager_take(&manager), "READY=1");
    notify_stopping();
    ck_assert_str_eq(manager_take(&manager), "STOPPING=1");
    notify_status("height %d\nREADY=0", 7);
    ck_assert_str_eq(manager_take(&manager), "STATUS=height 7");
    unsigned long long since;
    notify_reloading();
    ck_assert_int_eq(sscanf(manager_take(&manager), "RELOADING=1\nMONOTONIC_USEC=%llu", &since), 1);
    ck_assert_uint_gt(since, 0);
    notify_alive();
    ck_assert_str_eq(manager_take(&manager), "WATCHDOG=1");
}
END_TEST

START_TEST(without_a_notify_socket_nothing_happens)
{
    unsetenv("NOTIFY_SOCKET");
    notify_ready();
    notify_status("%s", "fine");
    notify_alive();
    ck_assert_str_eq(manager_take(&manager), "");
    setenv("NOTIFY_SOCKET", "/nobody/listens/here", 1);
    notify_ready();
    setenv("NOTIFY_SOCKET", manager.name, 1);
    notify_go_on();
    ck_assert_str_eq(manager_take(&manager), ""); /* and nothing of it comes later */
}
END_TEST

/* The kernel takes net.unix.max_dgram_qlen for a reader that does not read. */
START_TEST(what_systemd_has_no_room_for_is_told_later_in_order)
{
    enum { LINES = 60 };
    for (int i = 0; i < LINES; i++) {
        notify_status("%d", i);
    }
    notify_stopping();
    int told = 0;
    for (int i = 0; i < LINES + 1; i++) {
        char expected[32];
        const char *text = manager_take(&manager);
        snprintf(expected, sizeof expected, "STATUS=%d", told);
        if (strcmp(text, "STOPPING=1") == 0) {
            break;
        }
        ck_assert_str_eq(text, expected);
        told++;
        notify_go_on();
    }
    ck_assert_int_eq(told, LINES);
}
END_TEST

START_TEST(a_reader_that_never_reads_holds_up_nobody)
{
    for (int i = 0; i < 5000; i++) { /* more than the kernel takes; one that waited would wait for ever */
        notify_status("%d", i);
        notify_alive();
    }
}
END_TEST

START_TEST(the_interval_follows_from_what_the_unit_asks_for)
{
    setenv("WATCHDOG_USEC", "8000000", 1);
    ck_assert_uint_eq(notify_alive_interval_us(), 2000000);
    setenv("WATCHDOG_PID", "1", 1); /* it asks another process */
    ck_assert_uint_eq(notify_alive_interval_us(), 0);
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    ck_assert_uint_eq(notify_alive_interval_us(), 0);
}
END_TEST

/* Runs notify_listen_fd in a child that got `count` sockets, the first of which is `fd`. The child's exit code: 0 if it
 * took it, 1 if it took none, 2 if it refused. */
static int listen_in_child(int fd, int count)
{
    pid_t child = fork();
    if (child == 0) {
        thread_set_role(THREAD_OTHER);
        char pid[32], number[32];
        struct notify_error error;
        int taken = -2;
        if (fd >= 0 && dup2(fd, FIRST_PASSED) < 0) {
            _exit(9);
        }
        for (int i = 1; i < count; i++) {
            dup2(FIRST_PASSED, FIRST_PASSED + i);
        }
        snprintf(pid, sizeof pid, "%ld", (long)getpid());
        snprintf(number, sizeof number, "%d", count);
        if (count > 0) {
            setenv("LISTEN_PID", pid, 1);
            setenv("LISTEN_FDS", number, 1);
        }
        if (!notify_listen_fd(&taken, &error)) {
            _exit(taken == -2 && strlen(error.text) > 20 ? 2 : 9);
        }
        if (getenv("LISTEN_FDS") != NULL) {
            _exit(9);
        }
        _exit(taken == FIRST_PASSED ? 0 : taken == -1 ? 1 : 9);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A bound socket; an empty address lets the kernel choose an abstract one. */
static int bound_socket(int type, bool listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    if (listening) {
        ck_assert_int_eq(listen(fd, 8), 0);
    }
    return fd;
}

START_TEST(only_one_listening_unix_stream_socket_is_taken)
{
    int good = bound_socket(SOCK_STREAM, true), idle = bound_socket(SOCK_STREAM, false);
    int datagram = bound_socket(SOCK_DGRAM, false), inet = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(listen_in_child(good, 1), 0);
    ck_assert_int_eq(listen_in_child(-1, 0), 1);
    ck_assert_int_eq(listen_in_child(good, 2), 2);
    ck_assert_int_eq(listen_in_child(idle, 1), 2);
    ck_assert_int_eq(listen_in_child(datagram, 1), 2);
    ck_assert_int_eq(listen_in_child(inet, 1), 2);
    close(good);
    close(idle);
    close(datagram);
    close(inet);
}
END_TEST

/* The child executes this program, which then only looks what it was passed. */
START_TEST(what_is_executed_anew_finds_the_socket_as_if_systemd_had_passed_it)
{
    int status = -1, good = bound_socket(SOCK_STREAM, true);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        char *arguments[] = {"test_notify", LOOK, NULL};
        notify_execute_anew(arguments, good);
        _exit(9);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    close(good);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], LOOK) == 0) {
        struct notify_error error;
        int taken = -1;
        return notify_listen_fd(&taken, &error) && taken == FIRST_PASSED ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    Suite *suite = suite_create("notify");
    TCase *tests = tcase_create("notify");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, each_state_is_told_in_systemd_s_words);
    tcase_add_test(tests, without_a_notify_socket_nothing_happens);
    tcase_add_test(tests, what_systemd_has_no_room_for_is_told_later_in_order);
    tcase_add_test(tests, a_reader_that_never_reads_holds_up_nobody);
    tcase_add_test(tests, the_interval_follows_from_what_the_unit_asks_for);
    tcase_add_test(tests, only_one_listening_unix_stream_socket_is_taken);
    tcase_add_test(tests, what_is_executed_anew_finds_the_socket_as_if_systemd_had_passed_it);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
