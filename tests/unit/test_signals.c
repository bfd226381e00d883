/* Signals: what means nothing to cairnd does not end it, a hangup waits for the loop, and what is noted changes nothing by itself. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/runtime/signals.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/suite.h"

static void inherit_nothing(void)
{
}

static int ended_by_child_of(void (*inherit)(void), void (*run)(void))
{
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        inherit();
        signals_prepare();
        run();
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static int ended_by(void (*run)(void))
{
    return ended_by_child_of(inherit_nothing, run);
}

/* As under nohup, in the background of a script, or of a parent that takes its own signals by sigwait(3) or signalfd(2). */
static void inherit_ignored(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)signal(numbers[i], SIG_IGN);
    }
}

static void inherit_blocked(void)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    (void)raise(SIGUSR1); /* waits, and comes when it is ignored */
}

static void send_all(void)
{
    static const int numbers[] = {SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE, SIGVTALRM,
                                  SIGPROF, SIGIO,   SIGPWR,  SIGXFSZ, SIGWINCH};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)raise(numbers[i]);
    }
    (void)raise(SIGRTMIN);
    (void)raise(SIGRTMAX);
}

static void send_hangup(void)
{
    (void)raise(SIGHUP);
}

static bool is_readable(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};
    int ready;
    do { /* a sanitizer may hand a signal on no earlier than here */
        ready = poll(&look, 1, 10000);
    } while (ready < 0 && errno == EINTR);
    return ready == 1;
}

static void *send_to_process(void *unused)
{
    (void)kill(getpid(), SIGHUP);
    return unused;
}

static void take_hangup(void)
{
    pthread_t thread;
    int number, fd;
    thread_set_role(THREAD_LOOP);
    if ((fd = signals_note()) < 0 || pthread_create(&thread, NULL, send_to_process, NULL) != 0 ||
        pthread_join(thread, NULL) != 0 || signals_next(&number)) {
        _exit(1);
    }
    signals_take_hangups();
    _exit(is_readable(fd) && signals_next(&number) && number == SIGHUP && !signals_next(&number) ? 0 : 2);
}

static void note_ends(void)
{
    int number, fd;
    thread_set_role(THREAD_LOOP);
    fd = signals_note();
    for (int i = 0; i < 3; i++) {
        (void)kill(getpid(), SIGINT);
        (void)kill(getpid(), SIGTERM);
    }
    bool are_noted = is_readable(fd) && signals_next(&number) && number == SIGTERM;
    are_noted = are_noted && signals_next(&number) && number == SIGINT && !signals_next(&number);
    _exit(are_noted && signals_note() == fd ? 0 : 1);
}

static void end_noted_is_kept(void)
{
    thread_set_role(THREAD_LOOP);
    int fd = signals_note();
    (void)kill(getpid(), SIGINT);
    _exit(is_readable(fd) && !signals_give_back() ? 0 : 1);
}

static void end_behind_giving_back(void)
{
    thread_set_role(THREAD_LOOP);
    if (signals_note() < 0 || !signals_give_back()) {
        _exit(1);
    }
    (void)raise(SIGHUP); /* waits for what is executed next */
    (void)raise(SIGTERM);
}

static void send_term(void)
{
    (void)raise(SIGTERM);
}

static void send_quit(void)
{
    (void)raise(SIGQUIT);
}

/* A hangup of before the loop is there is noted, and the end of a child is told. */
static void take_hangup_and_wait(void)
{
    int number, status;
    (void)raise(SIGHUP);
    pid_t child = fork();
    if (child == 0) {
        _exit(7);
    }
    thread_set_role(THREAD_LOOP);
    int fd = signals_note();
    signals_take_hangups();
    bool is_told = waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7;
    _exit(is_told && is_readable(fd) && signals_next(&number) && number == SIGHUP ? 0 : 1);
}

START_TEST(signals_without_a_meaning_end_nothing)
{
    ck_assert_int_eq(ended_by(send_all), 0);
}
END_TEST

START_TEST(hangup_ends_nothing_and_waits_for_the_loop)
{
    ck_assert_int_eq(ended_by(send_hangup), 0);
    ck_assert_int_eq(ended_by(take_hangup), 0);
}
END_TEST

START_TEST(term_ends_a_start)
{
    ck_assert_int_eq(ended_by(send_term), SIGTERM);
}
END_TEST

START_TEST(once_noted_they_end_nothing_and_each_is_given_once)
{
    ck_assert_int_eq(ended_by(note_ends), 0);
}
END_TEST

START_TEST(what_is_executed_next_ends_by_them_again)
{
    ck_assert_int_eq(ended_by(end_noted_is_kept), 0);
    ck_assert_int_eq(ended_by(end_behind_giving_back), SIGTERM);
}
END_TEST

START_TEST(what_a_parent_ignored_or_blocked_makes_no_difference)
{
    static void (*const parents[])(void) = {inherit_ignored, inherit_blocked};
    for (size_t i = 0; i < sizeof parents / sizeof parents[0]; i++) {
        ck_assert_int_eq(ended_by_child_of(parents[i], send_term), SIGTERM);
        ck_assert_int_eq(ended_by_child_of(parents[i], send_quit), SIGQUIT);
        ck_assert_int_eq(ended_by_child_of(parents[i], send_all), 0);
        ck_assert_int_eq(ended_by_child_of(parents[i], note_ends), 0);
        ck_assert_int_eq(ended_by_child_of(parents[i], take_hangup_and_wait), 0);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("signals", 30, &tests);
    tcase_add_test(tests, signals_without_a_meaning_end_nothing);
    tcase_add_test(tests, hangup_ends_nothing_and_waits_for_the_loop);
    tcase_add_test(tests, term_ends_a_start);
    tcase_add_test(tests, once_noted_they_end_nothing_and_each_is_given_once);
    tcase_add_test(tests, what_is_executed_next_ends_by_them_again);
    tcase_add_test(tests, what_a_parent_ignored_or_blocked_makes_no_difference);
    return suite_run(suite, true);
}
