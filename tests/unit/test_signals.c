/* Signals: what means nothing to cairnd does not end it, and a hangup waits for the loop. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/runtime/signals.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/suite.h"

static int ended_by(void (*run)(void))
{
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGTERM, SIG_DFL); /* the test's own has another meaning */
        signals_prepare();
        run();
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
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

static volatile sig_atomic_t hangups;

static void on_hangup(int number)
{
    (void)number;
    hangups++;
}

static void *send_to_process(void *unused)
{
    (void)kill(getpid(), SIGHUP);
    return unused;
}

static void take_hangup(void)
{
    pthread_t thread;
    (void)signal(SIGHUP, on_hangup);
    if (pthread_create(&thread, NULL, send_to_process, NULL) != 0 || pthread_join(thread, NULL) != 0 ||
        hangups != 0) {
        _exit(1);
    }
    thread_set_role(THREAD_LOOP);
    signals_take_hangups();
    for (int i = 0; i < 10000 && hangups == 0; i++) {
        usleep(1000); /* a sanitizer may hand it on later */
    }
    _exit(hangups == 1 ? 0 : 2);
}

static void send_term(void)
{
    (void)raise(SIGTERM);
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

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("signals", 30, &tests);
    tcase_add_test(tests, signals_without_a_meaning_end_nothing);
    tcase_add_test(tests, hangup_ends_nothing_and_waits_for_the_loop);
    tcase_add_test(tests, term_ends_a_start);
    return suite_run(suite, true);
}
