/* Which store a client takes for its own: the id, and runs with their bits, tell it from another one and from its copies; what is not
 * its own gets nothing, and the caller is told. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/client_fixture.h"

enum { FIRST_RANDOM = 1111, SECOND_RANDOM = 2222 };

/* Meets a daemon whose first run has these bits; 0: none, as an older daemon. */
static void start(uint64_t run_random)
{
    fixture_start((struct cairn_client_options){.timeout_us = 5000000});
    close(fixture.fd);
    fixture.daemon.run_random = run_random;
    ck_assert_int_eq(fixture_run(), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(cairn_client_forget(fixture.client),
                     CAIRN_OK); /* the fixture's first hello had no bits */
    ck_assert_int_eq(cairn_connection_reconnect(fixture.connection), CAIRN_OK);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    fixture.fd = fake_daemon_meet(&fixture.daemon);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
}

static void teardown(void)
{
    fixture_stop();
}

/* Has one write accepted, which the client keeps. */
static void keep(void)
{
    const struct cairn_operation set = {
        .kind = CAIRN_SET, .name = cairn_text("name"), .value = cairn_text("v")};
    const struct cairn_write_metadata_request request = {.operations = &set, .operation_count = 1};
    struct fake_frame frame;
    ck_assert_int_eq(cairn_submit_write_metadata(fixture.connection, &request, NULL, NULL), CAIRN_OK);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    fake_receive(fixture.fd, &frame);
    fake_send_written(fixture.fd, &frame, 10, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
}

static struct cairn_client_counters counters(void)
{
    struct cairn_client_counters now;
    cairn_client_get_counters(fixture.client, &now);
    return now;
}

/* The connection is lost, and the daemon answers the next hello as the test has set it. */
static enum cairn_status meet_again(void)
{
    close(fixture.fd);
    if (cairn_connection_get_state(fixture.connection) != CAIRN_LOST) {
        ck_assert_int_eq(fixture_run(), CAIRN_CONNECTION_LOST);
    }
    ck_assert_int_eq(cairn_connection_reconnect(fixture.connection), CAIRN_OK);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    fixture.fd = fake_daemon_meet(&fixture.daemon);
    return fixture_run();
}

static void expect_other(void)
{
    ck_assert_int_eq(meet_again(), CAIRN_STORE_CHANGED);
    ck_assert_ptr_nonnull(strstr(cairn_connection_error(fixture.connection), "put back"));
    ck_assert_uint_eq(counters().kept_operations, 1);
    ck_assert_uint_eq(counters().resent_operations, 0);
    char byte;
    ck_assert_int_eq(read(fixture.fd, &byte, 1), 0); /* closed, and nothing was sent before */
}

START_TEST(the_bits_of_the_run_are_asked_about)
{
    start(FIRST_RANDOM);
    ck_assert_int_eq(meet_again(), CAIRN_OK);
    ck_assert_uint_eq(fixture.daemon.resume_run, 1);
    ck_assert_uint_eq(fixture.daemon.resume_random, FIRST_RANDOM);
    fixture.daemon.run++;
    fixture.daemon.run_random = SECOND_RANDOM;
    ck_assert_int_eq(meet_again(), CAIRN_OK);
    ck_assert_int_eq(meet_again(), CAIRN_OK);
    ck_assert_uint_eq(fixture.daemon.resume_run, 2);
    ck_assert_uint_eq(fixture.daemon.resume_random, SECOND_RANDOM);
}
END_TEST

/* In run 2, a copy's of before it. */
START_TEST(the_same_run_with_other_bits_is_another_store)
{
    start(FIRST_RANDOM);
    keep();
    fixture.daemon.run_random = SECOND_RANDOM;
    expect_other();
}
END_TEST

START_TEST(a_store_that_does_not_know_the_run_is_another_one)
{
    start(FIRST_RANDOM);
    keep();
    fixture.daemon.store_changed = true;
    fixture.daemon.run += (uint64_t)_i; /* the same number, or one of several starts later */
    fixture.daemon.run_random = SECOND_RANDOM;
    expect_other();
    expect_other(); /* and stays so */
    ck_assert_int_eq(cairn_client_forget(fixture.client), CAIRN_OK);
    ck_assert_uint_eq(counters().dropped_operations, 1);
    fixture.daemon.store_changed = false;
    ck_assert_int_eq(meet_again(), CAIRN_OK);
    ck_assert_uint_eq(fixture.daemon.resume_run, 0);
    ck_assert_uint_eq(fixture.daemon.resume_random, 0);
}
END_TEST

START_TEST(a_run_before_the_one_that_was_met_is_another_store)
{
    start(_i == 0 ? FIRST_RANDOM : 0);
    fixture.daemon.run = 5;
    ck_assert_int_eq(meet_again(), CAIRN_OK);
    keep();
    fixture.daemon.run = 4;
    expect_other();
}
END_TEST

START_TEST(a_client_goes_back_to_its_own_store_when_it_is_there_again)
{
    start(FIRST_RANDOM);
    keep();
    fixture.daemon.store_changed = true;
    expect_other();
    fixture.daemon.store_changed = false;
    ck_assert_int_eq(meet_again(), CAIRN_OK);
    ck_assert_uint_eq(counters().kept_operations, 1);
}
END_TEST

START_TEST(runs_without_bits_are_told_apart_by_their_numbers_alone)
{
    start(0);
    keep();
    ck_assert_int_eq(meet_again(), CAIRN_OK);
    ck_assert_uint_eq(fixture.daemon.resume_random, 0);
    /* of the same run: no daemon does it, and nothing follows from it */
    fixture.daemon.run_random = FIRST_RANDOM;
    ck_assert_int_eq(meet_again(), CAIRN_OK);
    fixture.daemon.run++;
    fixture.daemon.metadata_on_disk = 10;
    ck_assert_int_eq(meet_again(), CAIRN_OK);
    ck_assert_uint_eq(counters().kept_operations, 0);
}
END_TEST

/* The store has nothing more to write, but what it had written may be gone. */
START_TEST(a_close_is_not_ok_where_the_store_was_changed)
{
    uint64_t unwritten = 9;
    start(FIRST_RANDOM);
    if (_i == 1) {
        keep();
    }
    fixture.daemon.store_changed = true;
    ck_assert_int_eq(meet_again(), CAIRN_STORE_CHANGED);
    struct cairn_connection *connection = fixture.connection;
    fixture.connection = NULL;
    ck_assert_int_ne(cairn_close(connection, 300000, &unwritten), CAIRN_OK);
    ck_assert_uint_eq(unwritten, (uint64_t)_i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_store");
    TCase *tests = tcase_create("client_store");
    tcase_set_timeout(tests, 240);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, the_bits_of_the_run_are_asked_about);
    tcase_add_test(tests, the_same_run_with_other_bits_is_another_store);
    tcase_add_loop_test(tests, a_store_that_does_not_know_the_run_is_another_one, 0, 3);
    tcase_add_loop_test(tests, a_run_before_the_one_that_was_met_is_another_store, 0, 2);
    tcase_add_test(tests, a_client_goes_back_to_its_own_store_when_it_is_there_again);
    tcase_add_test(tests, runs_without_bits_are_told_apart_by_their_numbers_alone);
    tcase_add_loop_test(tests, a_close_is_not_ok_where_the_store_was_changed, 0, 2);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
