/* The client library against a daemon that the test plays itself: requests and answers, deadlines, lies. */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/cairn.h"
#include "tests/lib/client_fixture.h"

static void setup(void)
{
    fixture_start((struct cairn_client_options){.timeout_us = 0});
}

static void submit_set(const char *name, uint64_t timeout_us, struct seen *seen)
{
    const struct cairn_operation set = {
        .kind = CAIRN_SET, .name = cairn_text(name), .value = cairn_text("v")};
    const struct cairn_write_metadata_request request = {
        .operations = &set, .operation_count = 1, .timeout_us = timeout_us};
    seen->submitting = true;
    ck_assert_int_eq(cairn_submit_write_metadata(fixture.connection, &request, fixture_completed, seen),
                     CAIRN_OK);
    seen->submitting = false;
}

static void submit_height(uint64_t timeout_us, struct seen *seen)
{
    const struct cairn_read_height_request request = {.timeout_us = timeout_us};
    seen->submitting = true;
    ck_assert_int_eq(cairn_submit_read_height(fixture.connection, &request, fixture_completed, seen),
                     CAIRN_OK);
    seen->submitting = false;
}

START_TEST(answers_may_come_in_any_order)
{
    struct seen seen[3] = {{.count = 0}};
    struct fake_frame frame[3];
    for (int i = 0; i < 3; i++) {
        submit_set("name", 0, &seen[i]);
    }
    ck_assert_uint_eq(cairn_connection_in_flight(fixture.connection), 3);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    for (int i = 0; i < 3; i++) {
        fake_receive(fixture.fd, &frame[i]);
        ck_assert_int_eq(frame[i].type, FRAME_WRITE_METADATA);
    }
    for (int i = 2; i >= 0; i--) {
        fake_send_written(fixture.fd, &frame[i], (uint64_t)i + 10, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    }
    ck_assert_int_eq(fixture.completed, 0);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(seen[i].count, 1);
        ck_assert_int_eq(seen[i].status, CAIRN_OK);
        ck_assert_uint_eq(seen[i].sequence, (uint64_t)i + 10);
        ck_assert_int_eq(seen[i].order, 3 - i);
    }
    ck_assert_uint_eq(cairn_connection_in_flight(fixture.connection), 0);
}
END_TEST

START_TEST(a_write_carries_what_was_asked)
{
    struct seen seen = {.count = 0};
    struct fake_frame frame;
    submit_set("name", 8000000, &seen);
    fixture_run();
    fake_receive(fixture.fd, &frame);
    Cairn__WriteMetadata *message = cairn__write_metadata__unpack(NULL, frame.bytes, frame.body);
    ck_assert_ptr_nonnull(message);
    ck_assert_uint_eq(message->n_operations, 1);
    ck_assert_uint_eq(message->operations[0]->name.len, 4);
    ck_assert_uint_eq(message->deadline_us, 7000000);
    ck_assert(!message->has_resend_of);
    cairn__write_metadata__free_unpacked(message, NULL);
}
END_TEST

START_TEST(a_refusal_brings_its_text)
{
    struct seen seen = {.count = 0};
    struct fake_frame frame;
    submit_height(0, &seen);
    fixture_run();
    fake_receive(fixture.fd, &frame);
    fake_send_error(fixture.fd, &frame, STATUS_INVALID, "no such\nchain");
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(seen.status, CAIRN_INVALID);
    ck_assert_str_eq(seen.text, "no such?chain");
}
END_TEST

START_TEST(a_deadline_gives_timeout_and_the_late_answer_is_swallowed)
{
    enum { DEADLINE_US = 300000 };
    struct seen seen = {.count = 0};
    struct fake_frame frame;
    submit_set("name", DEADLINE_US, &seen);
    fixture_run();
    if (seen.count == 1) {
        return; /* the machine was too slow to send it in time */
    }
    fake_receive(fixture.fd, &frame);
    ck_assert_int_le(cairn_connection_timeout_us(fixture.connection), DEADLINE_US);
    usleep(DEADLINE_US + 1000);
    ck_assert_int_eq(cairn_connection_timeout_us(fixture.connection), 0);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(seen.status, CAIRN_TIMEOUT);
    ck_assert_int_eq(cairn_status_applied(seen.status), CAIRN_UNKNOWN);
    fake_send_written(fixture.fd, &frame, 5, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(seen.count, 1);
}
END_TEST

/* Reads a request too long for the socket's buffer, while the client sends on. */
static void drain(struct fake_frame *ret_frame)
{
    static uint8_t bytes[64 << 10];
    struct frame_request request;
    ck_assert_int_eq(recv(fixture.fd, bytes, FRAME_REQUEST_BYTES, MSG_WAITALL), FRAME_REQUEST_BYTES);
    ck_assert_int_eq(frame_request_decode(bytes, &request), STATUS_OK);
    *ret_frame = (struct fake_frame){.type = request.type, .id = request.id};
    for (size_t left = request.body_bytes; left > 0;) {
        ssize_t got = recv(fixture.fd, bytes, left < sizeof bytes ? left : sizeof bytes, 0);
        ck_assert_int_gt(got, 0);
        left -= (size_t)got;
        ck_assert_int_eq(fixture_run(), CAIRN_OK);
    }
}

/* Submits a commit too long for the socket's buffer, so that the daemon has a part of it. Its id is the first one. */
static void submit_in_part(uint64_t timeout_us, struct seen *seen, struct fake_frame *ret_to)
{
    static char large[8 << 20];
    const struct cairn_state state = {.value = {large, sizeof large}};
    const struct cairn_commit_request commit = {.states = &state, .state_count = 1, .timeout_us = timeout_us};
    ck_assert_int_eq(cairn_submit_commit(fixture.connection, &commit, fixture_completed, seen), CAIRN_OK);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    *ret_to = (struct fake_frame){.type = FRAME_COMMIT, .id = UINT64_C(1) << 32 | 0};
}

START_TEST(a_deadline_within_a_request_lets_it_go_on_and_swallows_the_answer)
{
    struct seen seen = {.count = 0};
    struct fake_frame guessed, frame;
    submit_in_part(200000, &seen, &guessed);
    if (seen.count == 1) {
        return; /* the machine was too slow to send a part in time */
    }
    usleep(201000);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(seen.status, CAIRN_TIMEOUT);
    drain(&frame);
    ck_assert_uint_eq(frame.id, guessed.id);
    fake_send_written(fixture.fd, &frame, 5, CAIRN__LEVEL__LEVEL_DURABLE, 5);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_uint_eq(cairn_connection_in_flight(fixture.connection), 0);
}
END_TEST

START_TEST(a_request_may_be_refused_by_a_part_of_it)
{
    struct seen seen = {.count = 0}, next = {.count = 0};
    struct fake_frame refused, frame;
    submit_in_part(0, &seen, &refused);
    fake_send_error(fixture.fd, &refused, STATUS_TOO_LARGE, "too large");
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(seen.status, CAIRN_TOO_LARGE);
    submit_height(0, &next);
    drain(&frame);
    ck_assert_uint_eq(frame.id, refused.id);
    fake_receive(fixture.fd, &frame);
    ck_assert_int_eq(frame.type, FRAME_HEIGHT); /* the rest went before it, so that frames stay whole */
}
END_TEST

START_TEST(a_deadline_before_the_hello_is_not_sent)
{
    struct seen seen = {.count = 0};
    close(fixture.fd);
    ck_assert_int_eq(fixture_run(), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(cairn_connection_reconnect(fixture.connection), CAIRN_OK);
    submit_set("name", 5000, &seen);
    fixture_run();
    usleep(8000);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(seen.status, CAIRN_NOT_SENT);
    fixture.fd = fake_daemon_meet(&fixture.daemon);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert(fake_quiet(fixture.fd));
}
END_TEST

START_TEST(a_lost_connection_completes_everything_once)
{
    struct seen sent = {.count = 0}, unsent = {.count = 0};
    struct fake_frame frame;
    submit_set("name", 0, &sent);
    fixture_run();
    fake_receive(fixture.fd, &frame);
    close(fixture.fd);
    submit_height(0, &unsent);
    ck_assert_int_eq(fixture_run(), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(sent.count, 1);
    ck_assert_int_eq(sent.status, CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(unsent.count, 1);
    ck_assert_int_eq(unsent.status, CAIRN_NOT_SENT);
    ck_assert_int_eq(cairn_connection_fd(fixture.connection), -1);
    ck_assert_int_eq(cairn_submit_read_height(fixture.connection,
                                              &(struct cairn_read_height_request){.timeout_us = 0}, NULL,
                                              NULL),
                     CAIRN_NOT_SENT);
    fixture.fd = -1;
}
END_TEST

START_TEST(what_was_answered_before_the_end_is_read)
{
    struct seen seen = {.count = 0}, late = {.count = 0};
    struct fake_frame frame;
    submit_set("name", 0, &seen);
    fixture_run();
    fake_receive(fixture.fd, &frame);
    fake_send_written(fixture.fd, &frame, 7, CAIRN__LEVEL__LEVEL_ACCEPTED, 0);
    close(fixture.fd);
    fixture.fd = -1;
    submit_height(0, &late);
    ck_assert_int_eq(cairn_connection_process(fixture.connection, 0), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(seen.status, CAIRN_OK);
    ck_assert_int_eq(late.status, CAIRN_NOT_SENT);
}
END_TEST

START_TEST(too_much_in_flight_is_refused_with_full)
{
    struct seen seen[4] = {{.count = 0}};
    fixture_stop();
    fixture_start((struct cairn_client_options){.in_flight_max = 3});
    for (int i = 0; i < 3; i++) {
        submit_height(0, &seen[i]);
    }
    ck_assert_int_eq(cairn_submit_read_height(fixture.connection,
                                              &(struct cairn_read_height_request){.timeout_us = 0},
                                              fixture_completed, &seen[3]),
                     CAIRN_FULL);
    ck_assert_str_ne(cairn_connection_error(fixture.connection), "");
    cairn_connection_free(fixture.connection);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(seen[i].count, 1);
    }
    ck_assert_int_eq(seen[3].count, 0);
}
END_TEST

START_TEST(values_that_cannot_be_sent_are_usage)
{
    const struct cairn_operation bad = {.name = cairn_text("name")};
    const struct cairn_write_metadata_request write = {.operations = &bad, .operation_count = 1};
    ck_assert_int_eq(cairn_submit_write_metadata(fixture.connection, &write, NULL, NULL), CAIRN_USAGE);
    const struct cairn_commit_request commit = {.block_count = 1};
    ck_assert_int_eq(cairn_submit_commit(fixture.connection, &commit, NULL, NULL), CAIRN_USAGE);
    const struct cairn_barrier_request barrier = {.level = (enum cairn_level)9};
    ck_assert_int_eq(cairn_submit_barrier(fixture.connection, &barrier, NULL, NULL), CAIRN_USAGE);
    ck_assert_int_eq(cairn_submit_read_height(fixture.connection, NULL, NULL, NULL), CAIRN_USAGE);
    ck_assert_uint_eq(cairn_connection_in_flight(fixture.connection), 0);
}
END_TEST

START_TEST(a_request_over_the_frame_bound_is_too_large)
{
    struct seen seen = {.count = 0};
    static char large[FRAME_BYTES_MIN];
    const struct cairn_state state = {.value = {large, sizeof large}};
    const struct cairn_commit_request commit = {.states = &state, .state_count = 1};
    close(fixture.fd);
    fixture_run();
    fixture.daemon.frame_bytes_max = FRAME_BYTES_MIN;
    ck_assert_int_eq(cairn_connection_reconnect(fixture.connection), CAIRN_OK);
    ck_assert_int_eq(cairn_submit_commit(fixture.connection, &commit, fixture_completed, &seen), CAIRN_OK);
    fixture_run();
    fixture.fd = fake_daemon_meet(&fixture.daemon);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(seen.status, CAIRN_TOO_LARGE);
    ck_assert_int_eq(cairn_submit_commit(fixture.connection, &commit, fixture_completed, &seen),
                     CAIRN_TOO_LARGE);
    ck_assert(fake_quiet(fixture.fd));
}
END_TEST

static void submit_again_and_free(void *context, const struct cairn_reply *reply)
{
    struct seen *seen = context;
    ck_assert_int_eq(reply->status, CAIRN_OK);
    submit_height(0, seen);
    ck_assert_int_eq(cairn_connection_process(fixture.connection, 0), CAIRN_USAGE);
    ck_assert_int_eq(cairn_ping(fixture.connection, &(struct cairn_ping_request){.timeout_us = 0}, NULL),
                     CAIRN_USAGE);
    cairn_connection_free(fixture.connection);
    ck_assert_int_eq(seen->count, 0);
}

START_TEST(a_completion_may_submit_and_free)
{
    struct seen seen = {.count = 0};
    struct fake_frame frame;
    ck_assert_int_eq(cairn_submit_ping(fixture.connection, &(struct cairn_ping_request){.timeout_us = 0},
                                       submit_again_and_free, &seen),
                     CAIRN_OK);
    cairn_connection_process(fixture.connection, 0);
    fake_receive(fixture.fd, &frame);
    fake_send(fixture.fd, &(struct frame_reply){.type = frame.type, .id = frame.id}, "");
    cairn_connection_process(fixture.connection, POLLIN);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(cairn_status_applied(CAIRN_NOT_SENT), CAIRN_NOT_APPLIED);
}
END_TEST

/* ---- lies ---- */

enum lie {
    LIE_MAGIC,
    LIE_FLAGS,
    LIE_TYPE,
    LIE_ID,
    LIE_STATUS,
    LIE_OVERSIZE,
    LIE_PROTOBUF,
    LIE_ERROR_BODY,
    LIE_MORE,
    LIE_NOT_FOUND,
    LIE_CONTINUED_FAILURE,
    LIE_HELLO_AGAIN,
    LIE_COUNT,
};

static void tell(enum lie lie, const struct fake_frame *to)
{
    static const uint8_t garbage[64] = {0xFF, 0xFF, 0xFF};
    struct frame_reply reply = {.type = to->type, .id = to->id, .body_bytes = 0};
    uint8_t header[FRAME_REPLY_BYTES];
    reply.type = lie == LIE_TYPE ? FRAME_GET_METADATA : reply.type;
    reply.id += lie == LIE_ID ? UINT64_C(1) << 40 : 0;
    reply.status = lie == LIE_STATUS ? CAIRN_TIMEOUT : reply.status;
    reply.status = lie == LIE_ERROR_BODY || lie == LIE_CONTINUED_FAILURE ? STATUS_INVALID : reply.status;
    reply.status = lie == LIE_NOT_FOUND ? STATUS_NOT_FOUND : reply.status;
    reply.flags = lie == LIE_MORE ? FRAME_MORE : lie == LIE_CONTINUED_FAILURE ? FRAME_CONTINUED : 0;
    reply.body_bytes = lie == LIE_PROTOBUF || lie == LIE_ERROR_BODY ? sizeof garbage : 0;
    if (lie == LIE_OVERSIZE) {
        reply.body_bytes = FRAME_BYTES_DEFAULT + 1;
    }
    if (lie == LIE_HELLO_AGAIN) {
        reply = (struct frame_reply){.type = FRAME_HELLO, .status = STATUS_INVALID};
    }
    frame_reply_encode(&reply, header);
    header[0] ^= lie == LIE_MAGIC ? 1 : 0;
    header[2] |= lie == LIE_FLAGS ? 0x80 : 0;
    fake_send_bytes(fixture.fd, header, sizeof header);
    if (lie == LIE_PROTOBUF || lie == LIE_ERROR_BODY) {
        fake_send_bytes(fixture.fd, garbage, sizeof garbage);
    }
}

START_TEST(a_lie_ends_the_connection_and_says_why)
{
    struct seen seen = {.count = 0};
    struct fake_frame frame;
    submit_height(0, &seen);
    fixture_run();
    fake_receive(fixture.fd, &frame);
    tell((enum lie)_i, &frame);
    ck_assert_int_eq(fixture_run(), CAIRN_CONNECTION_LOST);
    ck_assert_str_ne(cairn_connection_error(fixture.connection), "");
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(seen.status, CAIRN_CONNECTION_LOST);
    ck_assert_str_eq(seen.text, cairn_connection_error(fixture.connection));
}
END_TEST

START_TEST(an_answer_before_the_request_is_a_lie)
{
    struct seen seen = {.count = 0};
    const struct fake_frame guessed = {.type = FRAME_HEIGHT, .id = UINT64_C(1) << 32 | 0};
    submit_height(0, &seen);
    tell(LIE_COUNT, &guessed);
    ck_assert_int_eq(cairn_connection_process(fixture.connection, POLLIN), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(seen.status, CAIRN_NOT_SENT);
}
END_TEST

START_TEST(success_of_a_part_of_a_request_is_a_lie)
{
    struct seen seen = {.count = 0};
    struct fake_frame to;
    submit_in_part(0, &seen, &to);
    fake_send_written(fixture.fd, &to, 5, CAIRN__LEVEL__LEVEL_DURABLE, 5);
    ck_assert_int_eq(fixture_run(), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(seen.status, CAIRN_NOT_SENT);
}
END_TEST

START_TEST(garbage_for_a_hello_cannot_connect)
{
    static const char garbage[64] = "HTTP/1.1 400 Bad Request";
    struct seen seen = {.count = 0};
    close(fixture.fd);
    fixture_run();
    ck_assert_int_eq(cairn_connection_reconnect(fixture.connection), CAIRN_OK);
    submit_height(0, &seen);
    fixture_run();
    fixture.fd = fake_daemon_accept(&fixture.daemon);
    fake_send_bytes(fixture.fd, garbage, sizeof garbage);
    ck_assert_int_eq(fixture_run(), CAIRN_CANNOT_CONNECT);
    ck_assert_int_eq(seen.status, CAIRN_CANNOT_CONNECT);
}
END_TEST

START_TEST(a_connection_lost_from_the_start_has_that_to_tell_and_nobody_waits_for_ever)
{
    struct cairn_connection *late;
    const struct cairn_ping_request ping = {.timeout_us = 0};
    fake_daemon_stop(&fixture.daemon); /* nobody listens */
    ck_assert_int_eq(cairn_connection_open(fixture.client, &late), CAIRN_OK);
    ck_assert_int_eq(cairn_connection_get_state(late), CAIRN_LOST);
    ck_assert_int_eq(cairn_submit_ping(late, &ping, fixture_completed, NULL), CAIRN_NOT_SENT);
    ck_assert_uint_eq(cairn_connection_in_flight(late), 0);
    ck_assert_int_eq(cairn_connection_timeout_us(late), 0);
    ck_assert_int_eq(cairn_connection_process(late, 0), CAIRN_CANNOT_CONNECT);
    ck_assert_ptr_nonnull(strstr(cairn_connection_error(late), "cannot connect to"));
    ck_assert_int_eq(cairn_connection_timeout_us(late), -1); /* told: no reason to turn round and round */
    ck_assert_int_eq(cairn_connection_reconnect(late), CAIRN_CANNOT_CONNECT);
    cairn_connection_free(late);
    fake_daemon_start(&fixture.daemon);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client");
    TCase *requests = tcase_create("requests");
    tcase_add_checked_fixture(requests, setup, fixture_stop);
    tcase_add_test(requests, answers_may_come_in_any_order);
    tcase_add_test(requests, a_write_carries_what_was_asked);
    tcase_add_test(requests, a_refusal_brings_its_text);
    tcase_add_test(requests, a_deadline_gives_timeout_and_the_late_answer_is_swallowed);
    tcase_add_test(requests, a_deadline_within_a_request_lets_it_go_on_and_swallows_the_answer);
    tcase_add_test(requests, a_request_may_be_refused_by_a_part_of_it);
    tcase_add_test(requests, a_deadline_before_the_hello_is_not_sent);
    tcase_add_test(requests, a_lost_connection_completes_everything_once);
    tcase_add_test(requests, what_was_answered_before_the_end_is_read);
    tcase_add_test(requests, too_much_in_flight_is_refused_with_full);
    tcase_add_test(requests, values_that_cannot_be_sent_are_usage);
    tcase_add_test(requests, a_request_over_the_frame_bound_is_too_large);
    tcase_add_test(requests, a_completion_may_submit_and_free);
    tcase_add_test(requests, a_connection_lost_from_the_start_has_that_to_tell_and_nobody_waits_for_ever);
    suite_add_tcase(suite, requests);
    TCase *lies = tcase_create("lies");
    tcase_add_checked_fixture(lies, setup, fixture_stop);
    tcase_add_loop_test(lies, a_lie_ends_the_connection_and_says_why, 0, LIE_COUNT);
    tcase_add_test(lies, an_answer_before_the_request_is_a_lie);
    tcase_add_test(lies, success_of_a_part_of_a_request_is_a_lie);
    tcase_add_test(lies, garbage_for_a_hello_cannot_connect);
    suite_add_tcase(suite, lies);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
