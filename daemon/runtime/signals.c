/* A handler runs on whichever thread the system takes, and only notes its signal and writes to the pipe; a pipe that is full is readable
 * all the same. */
#include "daemon/runtime/signals.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "daemon/runtime/thread.h"

/* SIGPIPE and SIGXFSZ come with an error of the call that caused them. */
static const int ignored[] = {
    SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT,
};

/* A parent may have had these ignored. SIGTERM, SIGINT and SIGQUIT then would not end a start, and with SIGCHLD ignored no wait learns how
 * a child ended. */
static const int by_default[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD};

enum { NOTED = 3 };
static const int noted_numbers[NOTED] = {SIGTERM, SIGINT, SIGHUP}; /* in the order in which they are given */

/* Written by the handlers, on any thread, and read by the loop. */
static atomic_bool noted[NOTED];
static int pipe_fds[2] = {-1, -1}; /* fixed before there is a handler */

static void mask_hangups(int how)
{
    sigset_t hangup;
    int failed = sigemptyset(&hangup);
    failed |= sigaddset(&hangup, SIGHUP);
    failed |= pthread_sigmask(how, &hangup, NULL);
    assert(!failed);
}

void signals_prepare(void)
{
    assert(thread_is(THREAD_OTHER));
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        (void)signal(ignored[i], SIG_IGN);
    }
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
        (void)signal(number, SIG_IGN);
    }
    mask_hangups(SIG_BLOCK);
    for (size_t i = 0; i < sizeof by_default / sizeof by_default[0]; i++) {
        (void)signal(by_default[i], SIG_DFL);
    }
    mask_hangups(SIG_SETMASK); /* what a parent blocked comes now */
}

static void note(int number)
{
    int error = errno;
    for (size_t i = 0; i < NOTED; i++) {
        if (noted_numbers[i] == number) {
            atomic_store(&noted[i], true);
        }
    }
    (void)!write(pipe_fds[1], "", 1);
    errno = error;
}

int signals_note(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    assert(thread_is(THREAD_LOOP));
    if (pipe_fds[0] < 0 && pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        return -1;
    }
    int failed = sigfillset(&action.sa_mask);
    for (size_t i = 0; i < NOTED; i++) {
        failed |= sigaction(noted_numbers[i], &action, NULL);
    }
    assert(!failed);
    return pipe_fds[0];
}

bool signals_next(int *ret_number)
{
    char bytes[64];
    assert(thread_is(THREAD_LOOP) && pipe_fds[0] >= 0);
    while (read(pipe_fds[0], bytes, sizeof bytes) > 0) {
    }
    for (size_t i = 0; i < NOTED; i++) { /* behind the read: what is noted later makes it readable again */
        if (atomic_exchange(&noted[i], false)) {
            *ret_number = noted_numbers[i];
            return true;
        }
    }
    return false;
}

void signals_take_hangups(void)
{
    assert(thread_is(THREAD_LOOP));
    mask_hangups(SIG_UNBLOCK);
}

bool signals_give_back(void)
{
    mask_hangups(SIG_BLOCK);
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    static_assert(NOTED == 3, "all but the last end the process");
    return !atomic_load(&noted[0]) &&
           !atomic_load(&noted[1]); /* behind that: a later one ends it by itself */
}
