/* Threads and mutexes: which role the calling thread has, what time it is, and whether it holds the lock. */
#ifndef DAEMON_THREAD_H
#define DAEMON_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"

enum thread_role {
    THREAD_OTHER, /* start-up, tests */
    THREAD_LOOP,
    THREAD_WRITER,
    THREAD_POOL, /* while it runs a piece of work */
    THREAD_LOG,  /* writes the lines of all others */
    THREAD_WATCHDOG,
};

/* What the calling thread is, for asserts. A thread of the pool sets it around each piece of work, another one once. */
void thread_set_role(enum thread_role role);
bool thread_is(enum thread_role role);

/* The monotonic clock, in microseconds and in nanoseconds. Any thread. */
uint64_t thread_now_us(void);
uint64_t thread_now_ns(void);

/* A mutex with one condition, which knows its holder. */
struct mutex {
    pthread_mutex_t lock;
    pthread_cond_t changed;

    /* Under lock. */
    bool is_held;
    bool is_waited_for; /* a thread is in mutex_wait */
    pthread_t holder;   /* while is_held */
};

/* Any thread. No thread may be in the mutex or come to it during mutex_init or after mutex_close. */
void mutex_init(struct mutex *mutex);
void mutex_close(struct mutex *mutex);

/* mutex_lock waits for the holder, which must be another thread. mutex_unlock is the holder's to call. */
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

/* Takes the lock if nobody has it, and does not wait. */
bool mutex_try_lock(struct mutex *mutex) MUST_CHECK;

/* For what the mutex guards: the calling thread holds it. */
void mutex_assert_held(const struct mutex *mutex);

/* Unlocks, then wakes the thread in mutex_wait, if there is one: woken before, it would wait for the lock at once. */
void mutex_unlock_and_signal(struct mutex *mutex);

/* Releases the lock, waits for a signal, until thread_now_us() is until_us at the latest (0: without end), and takes the lock
 * again. May return early, so the caller looks again at what it waits for. One thread at a time. */
void mutex_wait(struct mutex *mutex, uint64_t until_us);

#endif
