/* Threads: a role is the thread's own, the mutex excludes and knows its holder, and a wait ends by signal or in time. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "daemon/runtime/thread.h"
#include "tests/lib/suite.h"

enum { THREADS = 4, TURNS = 20000 };

static struct mutex mutex;
static long counter;

static void setup(void)
{
    mutex_init(&mutex);
}

static void *ask_role(void *context)
{
    bool *is_other = context;
    *is_other = thread_is(THREAD_OTHER);
    thread_set_role(THREAD_WRITER);
    *is_other &= thread_is(THREAD_WRITER);
    return NULL;
}

START_TEST(role_belongs_to_one_thread)
{
    pthread_t thread;
    bool is_other = false;
    thread_set_role(THREAD_LOOP);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_role, &is_other), 0);
    pthread_join(thread, NULL);
    ck_assert(is_other);
    ck_assert(thread_is(THREAD_LOOP) && !thread_is(THREAD_WRITER));
}
END_TEST

START_TEST(clock_never_goes_back_and_both_units_agree)
{
    uint64_t before_ns = thread_now_ns();
    for (int i = 0; i < TURNS; i++) {
        uint64_t now_us = thread_now_us(), now_ns = thread_now_ns();
        ck_assert_uint_ge(now_us, before_ns / 1000);
        ck_assert_uint_ge(now_ns / 1000, now_us);
        before_ns = now_ns;
    }
}
END_TEST

static void *count(void *context)
{
    (void)context;
    for (int i = 0; i < TURNS; i++) {
        mutex_lock(&mutex);
        mutex_assert_held(&mutex);
        counter++;
        mutex_unlock_and_signal(&mutex);
    }
    return NULL;
}

START_TEST(one_thread_at_a_time_holds_the_mutex)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(counter, (long)THREADS * TURNS);
    mutex_close(&mutex);
}
END_TEST

static void *hand_over(void *context)
{
    (void)context;
    mutex_lock(&mutex);
    counter = 1;
    mutex_unlock_and_signal(&mutex);
    return NULL;
}

static void *try_elsewhere(void *argument)
{
    struct mutex *tried = argument;
    bool is_taken = mutex_try_lock(tried);
    if (is_taken) {
        mutex_unlock(tried);
    }
    return is_taken ? argument : NULL;
}

START_TEST(a_try_takes_the_lock_only_if_nobody_has_it)
{
    struct mutex tried;
    pthread_t thread;
    void *taken = NULL;
    mutex_init(&tried);
    ck_assert(mutex_try_lock(&tried));
    mutex_assert_held(&tried);
    ck_assert_int_eq(pthread_create(&thread, NULL, try_elsewhere, &tried), 0);
    ck_assert_int_eq(pthread_join(thread, &taken), 0);
    ck_assert_ptr_null(taken);
    mutex_unlock(&tried);
    ck_assert_int_eq(pthread_create(&thread, NULL, try_elsewhere, &tried), 0);
    ck_assert_int_eq(pthread_join(thread, &taken), 0);
    ck_assert_ptr_eq(taken, &tried);
    mutex_close(&tried);
}
END_TEST

START_TEST(signal_ends_a_wait_and_the_lock_is_held_again)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, hand_over, NULL), 0);
    mutex_lock(&mutex);
    while (counter == 0) {
        mutex_wait(&mutex, 0);
        mutex_assert_held(&mutex);
    }
    mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    mutex_close(&mutex);
}
END_TEST

START_TEST(wait_without_a_signal_ends_at_its_time)
{
    uint64_t until_us = thread_now_us() + 20000;
    mutex_lock(&mutex);
    while (thread_now_us() < until_us) {
        mutex_wait(&mutex, until_us);
    }
    uint64_t late_us = thread_now_us() - until_us;
    mutex_wait(&mutex, 1); /* long past: at once */
    mutex_unlock(&mutex);
    ck_assert_uint_lt(late_us, 1000 * (uint64_t)patience_ms(5000));
    mutex_close(&mutex);
}
END_TEST

/* ---- mistakes of ours end the process ---- */

static void *lock_and_end(void *context)
{
    (void)context;
    mutex_lock(&mutex);
    return NULL;
}

static void let_another_thread_lock(void)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, lock_and_end, NULL), 0);
    pthread_join(thread, NULL);
}

START_TEST(held_by_another_thread_is_not_held)
{
    let_another_thread_lock();
    mutex_assert_held(&mutex);
}
END_TEST

START_TEST(only_the_holder_unlocks)
{
    let_another_thread_lock();
    mutex_unlock(&mutex);
}
END_TEST

START_TEST(mutex_that_is_not_locked_is_not_unlocked)
{
    mutex_unlock(&mutex);
}
END_TEST

START_TEST(mutex_that_is_locked_is_not_closed)
{
    mutex_lock(&mutex);
    mutex_close(&mutex);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("thread", 60, &tests);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, role_belongs_to_one_thread);
    tcase_add_test(tests, clock_never_goes_back_and_both_units_agree);
    tcase_add_test(tests, one_thread_at_a_time_holds_the_mutex);
    tcase_add_test(tests, a_try_takes_the_lock_only_if_nobody_has_it);
    tcase_add_test(tests, signal_ends_a_wait_and_the_lock_is_held_again);
    tcase_add_test(tests, wait_without_a_signal_ends_at_its_time);
    tcase_add_test_raise_signal(tests, held_by_another_thread_is_not_held, SIGABRT);
    tcase_add_test_raise_signal(tests, only_the_holder_unlocks, SIGABRT);
    tcase_add_test_raise_signal(tests, mutex_that_is_not_locked_is_not_unlocked, SIGABRT);
    tcase_add_test_raise_signal(tests, mutex_that_is_locked_is_not_closed, SIGABRT);
    return suite_run(suite, true);
}
