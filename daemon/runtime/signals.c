/* Nothing here can fail but by a wrong call. */
#include "daemon/runtime/signals.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#include "daemon/runtime/thread.h"

/* SIGPIPE and SIGXFSZ come with an error of the call that caused them. */
static const int ignored[] = {
    SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT,
};

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
    signals_hold_hangups();
}

void signals_hold_hangups(void)
{
    mask_hangups(SIG_BLOCK);
}

void signals_take_hangups(void)
{
    assert(thread_is(THREAD_LOOP));
    mask_hangups(SIG_UNBLOCK);
}
