/* The two ways a server ends, a stop and a failed write, and the table of states between them. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "daemon/runtime/exit_code.h"
#include "daemon/runtime/thread.h"
#include "daemon/server_internal.h"
#include "tests/lib/messages.h"
#include "tests/lib/server_fixture.h"
#include "tests/lib/suite.h"

/* The contract's second, and the time that a busy machine takes. */
enum { FAILURE_MS = 5000 };

/* ---- a failed write ---- */

static void doubt_the_next_write(void)
{
    fake_disk_fault(server_fixture.disk, FAKE_WRITE, FAKE_IN_DOUBT, 2); /* behind the start's own */
}

START_TEST(a_write_in_doubt_is_told_and_ends_the_process)
{
    server_fixture_run(doubt_the_next_write);
    server_fixture_await();
    struct wire wire = wire_open(server_fixture.socket);
    struct written written = ask_commit(&wire, commit_of_block(1, "header"));
    ck_assert_int_eq(written.status, STATUS_IO_ERROR);
    ck_assert(wire_ends(&wire, patience_ms(FAILURE_MS)));
    ck_assert_int_eq(server_fixture_wait(FAILURE_MS), EXIT_CODE_WRITE_FAILED);
    wire_close(&wire);
}
END_TEST

static void doubt_the_next_sync(void)
{
    server_fixture.options->sync_interval_us = 3600000000; /* it is the barrier's */
    fake_disk_fault(server_fixture.disk, FAKE_SYNC, FAKE_IN_DOUBT, 1);
}

START_TEST(a_sync_in_doubt_is_told_to_a_barrier_and_ends_the_process)
{
    server_fixture_run(doubt_the_next_sync);
    server_fixture_await();
    struct wire wire = wire_open(server_fixture.socket);
    (void)set(&wire, "name", "value");
    struct written written = ask_barrier(&wire, CAIRN__LEVEL__LEVEL_DURABLE);
    ck_assert_int_eq(written.status, STATUS_IO_ERROR);
    ck_assert_int_eq(server_fixture_wait(FAILURE_MS), EXIT_CODE_WRITE_FAILED);
    wire_close(&wire);
}
END_TEST

START_TEST(a_write_that_fails_during_a_stop_ends_as_a_failure)
{
    server_fixture_run(doubt_the_next_write);
    server_fixture_await();
    struct wire wire = wire_open(server_fixture.socket);
    (void)set(&wire, "name", "value"); /* a stop writes it, if nothing did before */
    server_fixture_signal(SIGTERM);
    ck_assert_int_eq(server_fixture_wait(FAILURE_MS), EXIT_CODE_WRITE_FAILED);
    wire_close(&wire);
}
END_TEST

/* ---- a stop ---- */

static void hang(void *context)
{
    (void)context;
    fake_disk_close_gate(server_fixture.disk, FAKE_WRITE, FAKE_BEFORE);
}

static void hang_behind_the_start(void)
{
    server_fixture.options->stop_timeout_us = 200000;
    fake_disk_hook(server_fixture.disk, FAKE_WRITE, FAKE_AFTER, hang, NULL);
}

START_TEST(a_stop_that_a_hung_write_holds_up_ends_at_stop_timeout)
{
    server_fixture_run(hang_behind_the_start);
    server_fixture_await();
    struct wire wire = wire_open(server_fixture.socket);
    (void)set(&wire, "name", "value");
    server_fixture_signal(SIGTERM);
    ck_assert_int_eq(server_fixture_wait(10000), EXIT_FAILURE);
    wire_close(&wire);
}
END_TEST

START_TEST(a_second_signal_changes_nothing)
{
    server_fixture_run(NULL);
    server_fixture_await();
    struct wire wire = wire_open(server_fixture.socket);
    (void)set(&wire, "name", "value");
    server_fixture_signal(SIGTERM);
    server_fixture_signal(SIGTERM);
    server_fixture_signal(SIGINT);
    ck_assert_int_eq(server_fixture_wait(10000), SERVER_FIXTURE_STOPPED);
    wire_close(&wire);
}
END_TEST

/* ---- states ---- */

START_TEST(a_server_moves_along_its_states)
{
    struct server server = {.state = SERVER_STARTING};
    thread_set_role(THREAD_LOOP);
    server_move(&server, SERVER_SERVING);
    server_move(&server, SERVER_STOPPING);
    server_move(&server, SERVER_LEAVING);
    server_move(&server, SERVER_ENDED);
    ck_assert_int_eq(server.state, SERVER_ENDED);
}
END_TEST

static const enum server_state illegal[][2] = {
    {SERVER_STARTING, SERVER_STOPPING}, {SERVER_SERVING, SERVER_ENDED}, {SERVER_STOPPING, SERVER_SERVING},
    {SERVER_LEAVING, SERVER_STOPPING},  {SERVER_FAILED, SERVER_ENDED},  {SERVER_ENDED, SERVER_FAILED},
};

START_TEST(a_move_that_is_not_legal_aborts)
{
    struct server server = {.state = illegal[_i][0]};
    thread_set_role(THREAD_LOOP);
    server_move(&server, illegal[_i][1]);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("server_stop", 60, &tests);
    tcase_add_checked_fixture(tests, server_fixture_open, server_fixture_close);
    tcase_add_test(tests, a_write_in_doubt_is_told_and_ends_the_process);
    tcase_add_test(tests, a_sync_in_doubt_is_told_to_a_barrier_and_ends_the_process);
    tcase_add_test(tests, a_write_that_fails_during_a_stop_ends_as_a_failure);
    tcase_add_test(tests, a_stop_that_a_hung_write_holds_up_ends_at_stop_timeout);
    tcase_add_test(tests, a_second_signal_changes_nothing);
    tcase_add_test(tests, a_server_moves_along_its_states);
    tcase_add_loop_test_raise_signal(tests, a_move_that_is_not_legal_aborts, SIGABRT, 0,
                                     sizeof illegal / sizeof illegal[0]);
    return suite_run(suite, true);
}
