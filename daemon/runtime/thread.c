#include "daemon/runtime/thread.h"

#include <assert.h>
#include <time.h>

static _Thread_local enum thread_role current_role = THREAD_OTHER;

void thread_set_role(enum thread_role role)
{
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
    assert(!failed);
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
    mutex->held = false;
    mutex->is_waited_for = false;
}

void mutex_close(struct mutex *mutex)
{
    int failed = pthread_cond_destroy(&mutex->changed);
    failed |= pthread_mutex_destroy(&mutex->lock);
    assert(!failed);
}

void mutex_lock(struct mutex *mutex)
{
    int failed = pthread_mutex_lock(&mutex->lock);
    assert(!failed);
    assert(!mutex->held);
    mutex->held = true;
}

void mutex_unlock(struct mutex *mutex)
{
    assert(mutex->held);
    mutex->held = false;
    int failed = pthread_mutex_unlock(&mutex->lock);
    assert(!failed);
}

void mutex_assert_held(const struct mutex *mutex)
{
    assert(mutex->held);
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
    mutex->held = false;
    mutex->is_waited_for = true;
    if (until_us == 0) {
        pthread_cond_wait(&mutex->changed, &mutex->lock);
    } else {
        struct timespec until = {
            .tv_sec = (time_t)(until_us / 1000000),
            .tv_nsec = (long)(until_us % 1000000) * 1000,
        };
        pthread_cond_timedwait(&mutex->changed, &mutex->lock, &until);
    }
    mutex->held = true;
    mutex->is_waited_for = false;
}
