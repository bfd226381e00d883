/* A mutex's life: mutex_init, then locked and unlocked by any thread, and closed when no thread will come back to it. While it
 * is locked it knows its holder, so that what it guards can assert that the lock is held, and held by the caller.
 *
 * Ways to fail: none that a caller could handle. pthread's errors here are mistakes of ours: a lock that is not held, a second
 * unlock, a close while another thread waits. */
#include "daemon/runtime/thread.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

static _Thread_local enum thread_role current_role = THREAD_OTHER;

void thread_set_role(enum thread_role role)
{
    assert(role <= THREAD_WATCHDOG);
    current_role = role;
}

bool thread_is(enum thread_role role)
{
    return current_role == role;
}

uint64_t thread_now_ns(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(!failed && now.tv_sec >= 0); /* the product below stays below 2^63 for centuries */
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t thread_now_us(void)
{
    return thread_now_ns() / 1000;
}

void mutex_init(struct mutex *mutex)
{
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);
    failed |= pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    failed |= pthread_mutex_init(&mutex->lock, NULL);
    failed |= pthread_cond_init(&mutex->changed, &attributes);
    failed |= pthread_condattr_destroy(&attributes);
    assert(!failed);
    mutex->is_held = false;
    mutex->is_waited_for = false;
}

void mutex_close(struct mutex *mutex)
{
    assert(!mutex->is_held && !mutex->is_waited_for); /* no thread is left in it */
    int failed = pthread_cond_destroy(&mutex->changed);
    failed |= pthread_mutex_destroy(&mutex->lock);
    assert(!failed);
}

static void take(struct mutex *mutex)
{
    mutex->is_held = true;
    mutex->holder = pthread_self();
}

void mutex_lock(struct mutex *mutex)
{
    int failed = pthread_mutex_lock(&mutex->lock);
    assert(!failed && !mutex->is_held); /* the one before left it by mutex_unlock */
    take(mutex);
}

bool mutex_try_lock(struct mutex *mutex)
{
    int failed = pthread_mutex_trylock(&mutex->lock);
    assert(!failed || failed == EBUSY);
    if (!failed) {
        assert(!mutex->is_held); /* as above */
        take(mutex);
    }
    return !failed;
}

void mutex_unlock(struct mutex *mutex)
{
    mutex_assert_held(mutex);
    mutex->is_held = false;
    int failed = pthread_mutex_unlock(&mutex->lock);
    assert(!failed);
}

void mutex_assert_held(const struct mutex *mutex)
{
    assert(mutex->is_held && pthread_equal(mutex->holder, pthread_self()));
}

void mutex_unlock_and_signal(struct mutex *mutex)
{
    mutex_assert_held(mutex);
    bool is_waited_for = mutex->is_waited_for;
    mutex_unlock(mutex);
    if (is_waited_for) {
        int failed = pthread_cond_signal(&mutex->changed);
        assert(!failed);
    }
}

void mutex_wait(struct mutex *mutex, uint64_t until_us)
{
    mutex_assert_held(mutex);
    assert(!mutex->is_waited_for); /* mutex_unlock_and_signal wakes one thread */
    mutex->is_held = false;
    mutex->is_waited_for = true;
    int error;
    if (until_us == 0) {
        error = pthread_cond_wait(&mutex->changed, &mutex->lock);
    } else {
        struct timespec until = {
            .tv_sec = (time_t)(until_us / 1000000),
            .tv_nsec = (long)(until_us % 1000000) * 1000,
        };
        error = pthread_cond_timedwait(&mutex->changed, &mutex->lock, &until);
    }
    assert((error == 0 || error == ETIMEDOUT) && !mutex->is_held); /* the lock is ours again */
    take(mutex);
    mutex->is_waited_for = false;
}
