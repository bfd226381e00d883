/* All connections together: how many there may be, who starts again first, and how all of them end. */
#include <check.h>

#include "daemon/observe/metrics.h"
#include "tests/lib/connection_fixture.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/suite.h"

enum { CONNECTIONS_MAX = 3, MARGIN_US = 100000000 };

static void setup(void)
{
    served.queue_operations_max = 2;
    connections_open(CONNECTIONS_MAX);
}

START_TEST(a_connection_too_many_is_told_busy_and_the_others_go_on)
{
    int peers[CONNECTIONS_MAX];
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        peers[i] = peer_greeted();
    }
    int beyond = peer_new();
    struct service_reply reply = peer_receive(beyond);
    ck_assert_int_eq(reply.status, STATUS_BUSY);
    ck_assert_ptr_nonnull(strstr(reply.text, "connections_max"));
    ck_assert_uint_eq(served.service.connections_refused, 1);
    CONNECTIONS_AWAIT(peer_is_closed(beyond));
    peer_close(beyond);
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        peer_send(peers[i], FRAME_PING, 2, NULL);
        ck_assert_int_eq(peer_receive(peers[i]).status, STATUS_OK);
        peer_close(peers[i]);
    }
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    int next = peer_greeted(); /* there is a place again */
    peer_close(next);
}
END_TEST

static void write_two(int peer, uint64_t first_id, uint64_t deadline_us)
{
    for (uint64_t id = first_id; id < first_id + 2; id++) {
        Cairn__WriteMetadata *write = metadata_new(operation_set(kept_format("%d %lu", peer, id), "value"));
        write->has_deadline_us = deadline_us > 0;
        write->deadline_us = deadline_us;
        peer_send(peer, FRAME_WRITE_METADATA, id, write);
    }
}

START_TEST(writes_that_wait_for_room_start_again_and_none_is_lost)
{
    int peers[CONNECTIONS_MAX];
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        peers[i] = peer_greeted();
    }
    for (uint64_t id = 2; id < 20; id += 2) {
        for (int i = 0; i < CONNECTIONS_MAX; i++) {
            write_two(peers[i], id, 0);
        }
    }
    for (uint64_t id = 2; id < 20; id++) {
        for (int i = 0; i < CONNECTIONS_MAX; i++) {
            struct service_reply reply = peer_receive(peers[i]);
            ck_assert(reply.status == STATUS_OK && reply.header.id == id);
        }
    }
    ck_assert(!connection_set_has_waiting(connections()) && !served.service.is_contended);
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        peer_close(peers[i]);
    }
}
END_TEST

START_TEST(a_write_whose_deadline_is_over_is_answered_while_others_wait)
{
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_FAILS, 100); /* no group leaves the queue */
    int peer = peer_greeted(), other = peer_greeted();
    write_two(peer, 2, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(peer_receive(peer).status, STATUS_OK);
    }
    write_two(peer, 4, 0);
    CONNECTIONS_AWAIT(connection_set_has_waiting(connections()));
    write_two(other, 2, 1000);
    struct service_reply reply = peer_receive(other);
    ck_assert_int_eq(reply.status, STATUS_BUSY);
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_FAILS, 0);
    peer_close(peer);
    peer_close(other);
}
END_TEST

START_TEST(streams_end_with_shutting_down_and_replies_go_out)
{
    int peer = peer_greeted();
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT;
    list.has_window_bytes = true; /* of 0: it stays open */
    peer_send(peer, FRAME_LIST_METADATA, 2, &list);
    CONNECTIONS_AWAIT(stream_count(served.service.streams) == 1);
    served.service.draining = true;
    connection_end_streams(connections());
    ck_assert_int_eq(peer_receive(peer).status, STATUS_SHUTTING_DOWN);
    ck_assert(connection_set_is_flushed(connections()) && connection_set_is_idle(connections()));
    peer_close(peer);
}
END_TEST

START_TEST(a_paused_connection_whose_peer_is_gone_is_found)
{
    int peer = peer_greeted();
    struct connection *connection = connection_last();
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_FAILS, 100); /* no group leaves the queue */
    write_two(peer, 2, 0);
    write_two(peer, 4, 0);
    CONNECTIONS_AWAIT(connection->waiting != NULL && !connection->is_reading);
    peer_close(peer);
    CONNECTIONS_AWAIT(connection->session.is_closed); /* after HANG_UP_CHECK_US */
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_FAILS, 0);
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    ck_assert_uint_ge(order_counters(served.service.order)->metadata_accepted,
                      3); /* that which waited, too */
}
END_TEST

START_TEST(a_connection_that_says_no_hello_ends_after_hello_timeout)
{
    int peer = peer_new();
    peer_write(peer, "\xca\x01", 2); /* the beginning of one does not count */
    connections_iterate();
    connections_pass(HELLO_TIMEOUT_US - MARGIN_US);
    ck_assert(!peer_is_closed(peer));
    connections_pass(MARGIN_US);
    struct service_reply reply = peer_receive(peer);
    ck_assert_int_eq(reply.status, STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(reply.text, "hello_timeout"));
    CONNECTIONS_AWAIT(peer_is_closed(peer));
    ck_assert_uint_eq(metrics_get(METRIC_CONNECTIONS_TIMED_OUT), 1);
    peer_close(peer);
    peer = peer_greeted(); /* one that did stays */
    connections_pass(10ull * HELLO_TIMEOUT_US);
    peer_send(peer, FRAME_PING, 2, NULL);
    ck_assert_int_eq(peer_receive(peer).status, STATUS_OK);
    peer_close(peer);
}
END_TEST

/* The beginning of a commit whose room is set aside. */
static struct connection *start_frame(int peer)
{
    uint8_t start[FRAME_REQUEST_BYTES + 100] = {0};
    const struct frame_request header = {.type = FRAME_COMMIT, .id = 7, .body_bytes = 1 << 20};
    frame_request_encode(&header, start);
    struct connection *connection = connection_last();
    peer_write(peer, start, sizeof start);
    CONNECTIONS_AWAIT(connection->incoming.state == INCOMING_BODY);
    return connection;
}

START_TEST(a_frame_that_is_not_finished_ends_its_connection_and_gives_its_room_back)
{
    int peer = peer_greeted();
    struct connection *connection = start_frame(peer);
    connections_iterate();
    for (int i = 0; i < 3; i++) { /* more bytes of it change nothing */
        peer_write(peer, "more", 4);
        connections_pass(i == 0 ? FRAME_TIMEOUT_US - MARGIN_US : 0);
    }
    ck_assert_int_eq(connection->state, CONNECTION_OPEN);
    ck_assert_uint_ge(budget_requests_bytes(served.service.budget), 2 << 20);
    connections_pass(MARGIN_US);
    ck_assert_uint_lt(budget_requests_bytes(served.service.budget), 1 << 20);
    struct service_reply reply = peer_receive(peer);
    ck_assert(reply.status == STATUS_BUSY && reply.header.id == 7);
    ck_assert_int_eq(reply.header.type, FRAME_COMMIT);
    CONNECTIONS_AWAIT(peer_is_closed(peer));
    peer_close(peer);
}
END_TEST

START_TEST(a_frame_waits_for_room_as_long_as_it_has_to)
{
    int first = peer_greeted();
    (void)start_frame(first);
    int second = peer_greeted();
    uint8_t start[FRAME_REQUEST_BYTES + 100] = {0};
    const struct frame_request header = {.type = FRAME_COMMIT, .id = 8, .body_bytes = 1 << 20};
    frame_request_encode(&header, start);
    peer_write(second, start, sizeof start);
    CONNECTIONS_AWAIT(turns_count(served.service.turns, TURNS_WRITE_MEMORY) > 0);
    connections_pass(FRAME_TIMEOUT_US); /* the first ends, the second gets its room */
    CONNECTIONS_AWAIT(turns_count(served.service.turns, TURNS_WRITE_MEMORY) == 0);
    ck_assert_int_eq(connection_last()->incoming.state, INCOMING_BODY);
    ck_assert_int_eq(peer_receive(first).status, STATUS_BUSY);
    peer_close(first);
    peer_close(second);
}
END_TEST

/* More replies than the kernel takes wait for it. */
static struct connection *leave_unread(int peer)
{
    struct connection *connection = connection_last();
    for (uint64_t id = 2; !connection->unread_timeout.is_running; id++) {
        peer_send(peer, FRAME_STATUS, id, NULL);
        connections_iterate();
        ck_assert_uint_lt(id, 10000);
    }
    connections_iterate();
    return connection;
}

START_TEST(a_peer_that_takes_no_reply_loses_its_connection_after_stream_timeout)
{
    int peer = peer_greeted();
    struct connection *connection = leave_unread(peer);
    connections_pass(STREAM_TIMEOUT_US - MARGIN_US);
    ck_assert_int_eq(connection->state, CONNECTION_OPEN);
    peer_send(peer, FRAME_STATUS, 1, NULL); /* to send more is not to take any */
    connections_pass(MARGIN_US);
    ck_assert_int_ne(connection->state, CONNECTION_OPEN);
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    ck_assert_uint_eq(metrics_get(METRIC_CONNECTIONS_TIMED_OUT), 1);
    peer_close(peer);
}
END_TEST

START_TEST(a_peer_that_takes_replies_slowly_keeps_its_connection)
{
    int peer = peer_greeted();
    struct connection *connection = leave_unread(peer);
    for (int i = 0; i < 5; i++) {
        size_t taken = 0;
        while (taken < 256 << 10) { /* the kernel tells of more than one of its pieces, not of each byte */
            taken += peer_receive(peer).body.len;
            peer_send(peer, FRAME_STATUS, 1, NULL);
        }
        connections_pass(STREAM_TIMEOUT_US);
        ck_assert_int_eq(connection->state, CONNECTION_OPEN);
    }
    peer_close(peer);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("connection_set", 20, &tests);
    tcase_add_checked_fixture(tests, setup, connections_close);
    tcase_add_test(tests, a_connection_too_many_is_told_busy_and_the_others_go_on);
    tcase_add_test(tests, writes_that_wait_for_room_start_again_and_none_is_lost);
    tcase_add_test(tests, a_write_whose_deadline_is_over_is_answered_while_others_wait);
    tcase_add_test(tests, streams_end_with_shutting_down_and_replies_go_out);
    tcase_add_test(tests, a_paused_connection_whose_peer_is_gone_is_found);
    tcase_add_test(tests, a_connection_that_says_no_hello_ends_after_hello_timeout);
    tcase_add_test(tests, a_frame_that_is_not_finished_ends_its_connection_and_gives_its_room_back);
    tcase_add_test(tests, a_frame_waits_for_room_as_long_as_it_has_to);
    tcase_add_test(tests, a_peer_that_takes_no_reply_loses_its_connection_after_stream_timeout);
    tcase_add_test(tests, a_peer_that_takes_replies_slowly_keeps_its_connection);
    return suite_run(suite, true);
}
