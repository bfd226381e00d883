/* What is submitted, or not: the bounds of what is in flight, of what is kept and of a frame, and what was not given. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cairn.h"
#include "tests/lib/client_fixture.h"
#include "tests/lib/suite.h"

enum { IN_FLIGHT_MAX = 2, IN_FLIGHT_BYTES = 1000 };

static void setup(void)
{
    fixture_start((struct cairn_client_options){
        .in_flight_max = IN_FLIGHT_MAX, .in_flight_bytes_max = IN_FLIGHT_BYTES, .kept_bytes_max = 1});
}

static enum cairn_status submit_height(struct seen *seen)
{
    const struct cairn_read_height_request request = {.timeout_us = 0};
    return cairn_submit_read_height(fixture.connection, &request, fixture_completed, seen);
}

static enum cairn_status submit_set(size_t value_bytes, struct seen *seen)
{
    char *value = calloc(1, value_bytes + 1);
    const struct cairn_operation set = {
        .kind = CAIRN_SET, .name = cairn_text("n"), .value = {.data = value, .bytes = value_bytes}};
    const struct cairn_write_metadata_request request = {.operations = &set, .operation_count = 1};
    enum cairn_status status =
        cairn_submit_write_metadata(fixture.connection, &request, fixture_completed, seen);
    free(value);
    return status;
}

START_TEST(so_many_are_in_flight_and_answers_make_room)
{
    struct seen seen[IN_FLIGHT_MAX + 2] = {{.count = 0}};
    struct fake_frame frame;
    for (int i = 0; i < IN_FLIGHT_MAX; i++) {
        ck_assert_int_eq(submit_height(&seen[i]), CAIRN_OK);
    }
    ck_assert_int_eq(submit_height(&seen[IN_FLIGHT_MAX]), CAIRN_FULL);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    fake_receive(fixture.fd, &frame);
    Cairn__HeightReply reply = CAIRN__HEIGHT_REPLY__INIT;
    fake_send_message(fixture.fd, &frame, 0, &reply.base);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(seen[0].count, 1);
    ck_assert_int_eq(submit_height(&seen[IN_FLIGHT_MAX + 1]), CAIRN_OK);
    ck_assert_int_eq(seen[IN_FLIGHT_MAX].count, 0); /* what was not taken never completes */
}
END_TEST

START_TEST(so_many_bytes_are_in_flight_or_one_request)
{
    struct seen seen[3] = {{.count = 0}};
    ck_assert_int_eq(submit_set(2 * IN_FLIGHT_BYTES, &seen[0]), CAIRN_OK); /* alone it may be longer */
    ck_assert_int_eq(submit_set(1, &seen[1]), CAIRN_FULL);
    ck_assert_uint_eq(cairn_connection_in_flight(fixture.connection), 1);
}
END_TEST

START_TEST(a_write_waits_while_too_much_is_kept)
{
    struct seen seen[2] = {{.count = 0}};
    struct fake_frame frame;
    ck_assert_int_eq(submit_set(1, &seen[0]), CAIRN_OK);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    fake_receive(fixture.fd, &frame);
    fake_send_written(fixture.fd, &frame, 5, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(submit_set(1, &seen[1]), CAIRN_FULL);
    ck_assert_ptr_nonnull(strstr(cairn_connection_error(fixture.connection), "barrier"));
    ck_assert_int_eq(submit_height(&seen[1]), CAIRN_OK); /* a read is not kept */
}
END_TEST

START_TEST(what_a_frame_of_the_daemon_cannot_carry_is_too_large)
{
    struct seen seen = {.count = 0};
    ck_assert_int_eq(submit_set(fixture.daemon.frame_bytes_max, &seen), CAIRN_TOO_LARGE);
    ck_assert_uint_eq(cairn_connection_in_flight(fixture.connection), 0);
}
END_TEST

START_TEST(what_was_not_given_is_usage_and_a_lost_connection_takes_nothing)
{
    struct seen seen = {.count = 0};
    ck_assert_int_eq(cairn_submit_read_height(fixture.connection, NULL, fixture_completed, &seen),
                     CAIRN_USAGE);
    close(fixture.fd);
    fixture.fd = -1;
    (void)fixture_run();
    ck_assert_int_eq(cairn_connection_get_state(fixture.connection), CAIRN_LOST);
    ck_assert_int_eq(submit_height(&seen), CAIRN_NOT_SENT);
    ck_assert_int_eq(seen.count, 0);
}
END_TEST

static enum cairn_status submit_prune(struct cairn_connection *connection, bool dry_run, struct seen *seen)
{
    const struct cairn_prune_request request = {.blocks = true, .blocks_through = 1, .dry_run = dry_run};
    return cairn_submit_prune(connection, &request, fixture_completed, seen);
}

/* To an earlier one the field would be unknown, and the request a prune. */
START_TEST(a_dry_run_of_a_prune_is_never_sent_to_a_daemon_that_has_none)
{
    struct seen seen[3] = {{.count = 0}};
    ck_assert_int_eq(submit_prune(fixture.connection, true, &seen[0]), CAIRN_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(cairn_connection_error(fixture.connection), "dry run"));
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert(fake_quiet(fixture.fd));
    ck_assert_int_eq(submit_prune(fixture.connection, false, &seen[1]), CAIRN_OK);
    struct cairn_connection *early;
    ck_assert_int_eq(cairn_connection_open(fixture.client, &early), CAIRN_OK);
    ck_assert_int_eq(submit_prune(early, true, &seen[2]), CAIRN_OK); /* who answers is not known yet */
    ck_assert_int_eq(cairn_connection_process(early, POLLOUT), CAIRN_OK);
    int fd = fake_daemon_meet(&fixture.daemon);
    ck_assert_int_eq(cairn_connection_process(early, POLLIN | POLLOUT), CAIRN_OK);
    ck_assert(seen[2].count == 1 && seen[2].status == CAIRN_UNSUPPORTED);
    ck_assert_int_eq(cairn_status_applied(seen[2].status), CAIRN_NOT_APPLIED);
    ck_assert(fake_quiet(fd));
    cairn_connection_free(early);
    close(fd);
}
END_TEST

/* An earlier daemon would skip the fields, and answer or delete something else. */
START_TEST(what_an_earlier_daemon_would_leave_out_is_never_sent_to_it)
{
    const struct cairn_slice name = cairn_text("n");
    const struct cairn_get_request get = {.name = name, .parts = CAIRN_SIZE};
    const struct cairn_get_many_request many = {.names = &name, .name_count = 1, .parts = CAIRN_PRESENCE};
    const struct cairn_list_request lists[] = {{.end = name}, {.reverse = true}, {.parts = CAIRN_SIZE}};
    const uint64_t height = 1;
    const struct cairn_operation range = {.kind = CAIRN_DELETE_RANGE};
    const struct cairn_commit_request commits[] = {{.delete_blocks = &height, .delete_block_count = 1},
                                                   {.metadata = &range, .metadata_count = 1}};
    const struct cairn_claim_request claim = {.writer_name = name};
    const struct cairn_release_request release = {.timeout_us = 0};
    struct cairn_connection *to = fixture.connection;
    ck_assert_int_eq(cairn_submit_get(to, &get, NULL, NULL), CAIRN_UNSUPPORTED);
    ck_assert_int_eq(cairn_submit_get_many(to, &many, NULL, NULL, NULL), CAIRN_UNSUPPORTED);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(cairn_submit_list(to, &lists[i], NULL, NULL, NULL), CAIRN_UNSUPPORTED);
    }
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(cairn_submit_commit(to, &commits[i], NULL, NULL), CAIRN_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(cairn_connection_error(to), "deletes"));
    }
    ck_assert_int_eq(cairn_submit_claim(to, &claim, NULL, NULL), CAIRN_UNSUPPORTED);
    ck_assert_int_eq(cairn_submit_release(to, &release, NULL, NULL), CAIRN_UNSUPPORTED);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert(fake_quiet(fixture.fd));
}
END_TEST

START_TEST(a_dry_run_of_a_prune_is_sent_to_a_daemon_that_has_it_and_covers_nothing)
{
    struct seen seen = {.count = 0};
    struct fake_frame frame;
    fixture.daemon.features = FEATURE_PRUNE_DRY_RUN;
    cairn_connection_free(fixture.connection);
    close(fixture.fd);
    ck_assert_int_eq(cairn_connection_open(fixture.client, &fixture.connection), CAIRN_OK);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    fixture.fd = fake_daemon_meet(&fixture.daemon);
    ck_assert_int_eq(submit_prune(fixture.connection, true, &seen), CAIRN_OK);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    fake_receive(fixture.fd, &frame);
    Cairn__Prune *prune = cairn__prune__unpack(NULL, frame.bytes, frame.body);
    ck_assert(prune != NULL && prune->dry_run);
    cairn__prune__free_unpacked(prune, NULL);
    Cairn__WriteReply reply = CAIRN__WRITE_REPLY__INIT; /* without a number */
    reply.has_blocks = true;
    reply.blocks = 1;
    fake_send_message(fixture.fd, &frame, 0, &reply.base);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert(seen.count == 1 && seen.status == CAIRN_OK);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("submit", 20, &tests);
    tcase_add_checked_fixture(tests, setup, fixture_stop);
    tcase_add_test(tests, so_many_are_in_flight_and_answers_make_room);
    tcase_add_test(tests, so_many_bytes_are_in_flight_or_one_request);
    tcase_add_test(tests, a_write_waits_while_too_much_is_kept);
    tcase_add_test(tests, what_a_frame_of_the_daemon_cannot_carry_is_too_large);
    tcase_add_test(tests, what_was_not_given_is_usage_and_a_lost_connection_takes_nothing);
    tcase_add_test(tests, a_dry_run_of_a_prune_is_never_sent_to_a_daemon_that_has_none);
    tcase_add_test(tests, what_an_earlier_daemon_would_leave_out_is_never_sent_to_it);
    tcase_add_test(tests, a_dry_run_of_a_prune_is_sent_to_a_daemon_that_has_it_and_covers_nothing);
    return suite_run(suite, true);
}
