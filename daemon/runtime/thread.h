/* Threads and the one mutex: which thread am I, and who holds the lock. */
#ifndef DAEMON_THREAD_H
#define DAEMON_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum thread_role {
    THREAD_OTHER, /* start-up, tests */
    THREAD_LOOP,
    THREAD_WRITER,
    THREAD_POOL, /* while it runs a piece of work */
};

/* What the calling thread is, for asserts. */
void thread_set_role(enum thread_role role);
bool thread_is(enum thread_role role);

/* The monotonic clock, in microseconds and in nanoseconds. Any thread. */
uint64_t thread_now_us(void);
uint64_t thread_now_ns(void);

/* A mutex with one condition that knows its holder. */
struct mutex {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held;          /* under lock */
    bool is_waited_for; /* under lock: somebody is in mutex_wait */
};

void mutex_init(struct mutex *mutex);
void mutex_close(struct mutex *mutex);
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
void mutex_assert_held(const struct mutex *mutex);

/* Unlocks and then wakes whoever waits: woken before, it would only run into the lock. */
void mutex_unlock_and_signal(struct mutex *mutex);

/* With the lock held: waits for a signal, until thread_now_us() is until_us at the latest (0: for ever). One thread only. */
void mutex_wait(struct mutex *mutex, uint64_t until_us);

#endif
