/* A reload of the server on the fake engine: what was read is taken over on the loop and counts there at once; one that comes during
 * another is not lost. */
#include <check.h>
#include <signal.h>

#include "tests/lib/messages.h"
#include "tests/lib/server_fixture.h"
#include "tests/lib/suite.h"

/* What the child's take_options does to the settings. */
static void change_settings(void)
{
    server_fixture.take = true;
}

static void await_bound(struct wire *wire, uint64_t bound)
{
    for (int i = 0; i < patience_ms(10000) && status_number(wire, "queue.operations_max") != bound; i++) {
        sleep_ms(1);
    }
    ck_assert_uint_eq(status_number(wire, "queue.operations_max"), bound);
}

START_TEST(settings_that_were_taken_over_count_at_once)
{
    server_fixture_run(change_settings);
    server_fixture_await();
    struct wire wire = wire_open(server_fixture.socket), silent = wire_connect(server_fixture.socket);
    uint64_t bound = status_number(&wire, "queue.operations_max");
    server_fixture_signal(SIGHUP);
    await_bound(&wire, bound - 1);
    ck_assert(wire_ends(&silent, 10000)); /* hello_timeout, which it waits for already */
    (void)set(&wire, "name", "value");
    wire_close(&silent);
    wire_close(&wire);
    server_fixture_signal(SIGTERM);
    ck_assert_int_eq(server_fixture_wait(10000), SERVER_FIXTURE_STOPPED);
}
END_TEST

START_TEST(hangups_that_come_close_together_end_in_a_reload_behind_the_last)
{
    server_fixture_run(change_settings);
    server_fixture_await();
    struct wire wire = wire_open(server_fixture.socket);
    uint64_t bound = status_number(&wire, "queue.operations_max");
    for (uint64_t i = 1; i <= 5; i++) {
        server_fixture_signal(SIGHUP);
        await_bound(&wire, bound - i);
    }
    server_fixture_signal(SIGHUP);
    server_fixture_signal(SIGTERM); /* which waits for it */
    ck_assert_int_eq(server_fixture_wait(10000), SERVER_FIXTURE_STOPPED);
    wire_close(&wire);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("server_reload", 60, &tests);
    tcase_add_checked_fixture(tests, server_fixture_open, server_fixture_close);
    tcase_add_test(tests, settings_that_were_taken_over_count_at_once);
    tcase_add_test(tests, hangups_that_come_close_together_end_in_a_reload_behind_the_last);
    return suite_run(suite, true);
}
