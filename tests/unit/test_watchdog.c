/* The watchdog: what does not move shows and is not fed to systemd; at the limit the process ends. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/maintain/watchdog.h"
#include "daemon/observe/metrics.h"
#include "daemon/runtime/exit_code.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/manager.h"
#include "tests/lib/suite.h"

static struct heartbeats heartbeats;
static struct manager manager;
static atomic_uint pings;

static void ping(void *context)
{
    (void)context;
    atomic_fetch_add(&pings, 1);
}

static struct watchdog *start(uint64_t limit_us)
{
    struct watchdog_config config = {.heartbeats = &heartbeats, .limit_us = limit_us, .ping = ping};
    struct failure failure;
    thread_set_role(THREAD_LOOP);
    struct watchdog *watchdog = watchdog_new(&config, &failure);
    ck_assert_ptr_nonnull(watchdog);
    return watchdog;
}

static void wait_for_looks(unsigned looks)
{
    unsigned until = atomic_load(&pings) + looks;
    for (int i = 0; i < patience_ms(20000) && atomic_load(&pings) < until; i++) {
        sleep_ms(1);
    }
    ck_assert_uint_ge(atomic_load(&pings), until);
}

static void wait_until_stalled(unsigned stages)
{
    for (int i = 0; i < patience_ms(20000) && heartbeats_stalled(&heartbeats) != stages; i++) {
        sleep_ms(1);
    }
    ck_assert_uint_eq(heartbeats_stalled(&heartbeats), stages);
}

START_TEST(systemd_is_fed_while_all_moves)
{
    struct watchdog *watchdog = start(3600000000ULL);
    ck_assert(manager_hears(&manager, "WATCHDOG=1", 20000));
    ck_assert(manager_hears(&manager, "WATCHDOG=1", 20000));
    watchdog_free(watchdog);
}
END_TEST

/* By stage; a wait for memory is no reason for a restart. */
START_TEST(what_does_not_move_shows_until_it_moves_and_systemd_is_not_fed_meanwhile)
{
    const enum heartbeat_stage stage = (enum heartbeat_stage)_i;
    struct heartbeat *const each[HEARTBEAT_STAGES] = {
        [HEARTBEAT_LOOP] = &heartbeats.loop,
        [HEARTBEAT_WRITER] = &heartbeats.writer,
        [HEARTBEAT_POOL] = &heartbeats.pool[HEARTBEAT_POOL_MAX - 1],
        [HEARTBEAT_MEMORY] = &heartbeats.memory,
    };
    struct watchdog *watchdog = start(3600000000ULL);
    heartbeat_show(each[stage], true, 1);
    wait_until_stalled(1U << stage);
    wait_for_looks(1); /* that look has ended: it is counted, and what was sent is sent */
    ck_assert_uint_eq(metrics_get(METRIC_STALLS), 1);
    manager_forget(&manager);
    wait_for_looks(3);
    ck_assert_int_eq(manager_has_heard(&manager, "WATCHDOG=1"), stage == HEARTBEAT_MEMORY);
    heartbeat_show(each[stage], false, 2);
    wait_until_stalled(0);
    ck_assert(manager_hears(&manager, "WATCHDOG=1", 20000));
    watchdog_free(watchdog);
}
END_TEST

static int exit_code_with(const struct heartbeat *hung, unsigned looks)
{
    pid_t child = fork();
    if (child == 0) {
        struct watchdog *watchdog = start(2000000);
        heartbeat_show((struct heartbeat *)(uintptr_t)hung, true, 1);
        wait_for_looks(looks);
        watchdog_free(watchdog);
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

START_TEST(at_the_limit_the_process_ends_with_a_code_of_its_own)
{
    ck_assert_int_eq(exit_code_with(&heartbeats.writer, 1000), EXIT_CODE_STALLED);
    ck_assert_int_eq(exit_code_with(&heartbeats.pool[1], 1000), EXIT_CODE_STALLED);
    ck_assert_int_eq(exit_code_with(&heartbeats.loop, 1000), EXIT_CODE_STALLED);
}
END_TEST

START_TEST(frames_that_wait_for_memory_do_not_end_the_process)
{
    ck_assert_int_eq(exit_code_with(&heartbeats.memory, 16), 0);
}
END_TEST

START_TEST(the_limit_may_change_while_something_hangs)
{
    pid_t child = fork();
    if (child == 0) {
        struct watchdog *watchdog = start(3600000000ULL);
        heartbeat_show(&heartbeats.writer, true, 1);
        wait_for_looks(12);
        watchdog_set_limit(watchdog, 2000000);
        wait_for_looks(1000);
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CODE_STALLED);
}
END_TEST

START_TEST(without_a_thread_there_is_none_and_it_says_so)
{
    struct watchdog_config config = {.heartbeats = &heartbeats, .limit_us = 1, .ping = ping};
    struct failure failure;
    thread_set_role(THREAD_LOOP);
    failing_plan(FAILING_THREAD, 1, EAGAIN);
    ck_assert_ptr_null(watchdog_new(&config, &failure));
    ck_assert(failing_end());
    ck_assert_ptr_nonnull(strstr(failure.text, "the watchdog's thread cannot be created: "));
    watchdog_free(NULL);
}
END_TEST

START_TEST(without_systemd_it_looks_as_often_as_ever)
{
    unsetenv("WATCHDOG_USEC");
    struct watchdog *watchdog = start(3600000000ULL);
    wait_for_looks(1);
    ck_assert(!manager_has_heard(&manager, "WATCHDOG=1"));
    watchdog_free(watchdog);
}
END_TEST

static void setup(void)
{
    memset(&heartbeats, 0, sizeof heartbeats);
    manager = manager_open();
    setenv("NOTIFY_SOCKET", manager.name, 1);
    setenv("WATCHDOG_USEC", "400000", 1);
    unsetenv("WATCHDOG_PID");
}

static void teardown(void)
{
    manager_close(&manager);
}

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("watchdog", 120, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, systemd_is_fed_while_all_moves);
    tcase_add_loop_test(tests, what_does_not_move_shows_until_it_moves_and_systemd_is_not_fed_meanwhile, 0,
                        HEARTBEAT_STAGES);
    tcase_add_test(tests, at_the_limit_the_process_ends_with_a_code_of_its_own);
    tcase_add_test(tests, frames_that_wait_for_memory_do_not_end_the_process);
    tcase_add_test(tests, the_limit_may_change_while_something_hangs);
    tcase_add_test(tests, without_a_thread_there_is_none_and_it_says_so);
    tcase_add_test(tests, without_systemd_it_looks_as_often_as_ever);
    return suite_run(suite, true);
}
