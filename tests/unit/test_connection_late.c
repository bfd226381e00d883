/* Peers that take too long, by the test's own clock, and peers that are gone: what is dropped of them and what is carried out. */
#include <check.h>
#include <unistd.h>

#include "daemon/observe/metrics.h"
#include "tests/lib/connection_fixture.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/suite.h"

enum { MARGIN_US = 100000000 };

static void setup(void)
{
    served.queue_operations_max = 2;
    connections_open(8);
}

/* ---- too late ---- */

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
    ck_assert(!connection_set_is_flushed(connections()));
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

/* As where a peer is found to be gone in the middle of serving its connection. */
START_TEST(a_connection_that_closes_with_a_write_under_way_is_watched_no_more)
{
    int peer = peer_greeted();
    struct connection *connection = leave_unread(peer);
    ck_assert(connection->unread_timeout.is_running);
    connection_close(connection);
    connection_watch_unread(connection);
    ck_assert(!connection->unread_timeout.is_running);
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    connections_pass(STREAM_TIMEOUT_US);
    peer_close(peer);
}
END_TEST

START_TEST(a_peer_that_takes_replies_slowly_keeps_its_connection)
{
    enum { UNREAD_BYTES = 1 << 20 }; /* more than it takes in one round */
    int peer = peer_greeted();
    struct connection *connection = leave_unread(peer);
    for (uint64_t id = 10000; connection->session.client.replies_bytes <= UNREAD_BYTES; id++) {
        peer_send(peer, FRAME_STATUS, id, NULL);
        connections_iterate();
    }
    for (int i = 0; i < 5; i++) {
        ck_assert(!connection_set_is_flushed(connections()));
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

/* ---- gone ---- */

/* Bytes of frames, one behind the other. */
static uint8_t sent[200 << 10];
static size_t sent_bytes;

static void append(uint8_t type, uint64_t id, const void *message)
{
    size_t body_bytes = message == NULL ? 0 : protobuf_c_message_get_packed_size(message);
    const struct frame_request header = {.type = type, .id = id, .body_bytes = (uint32_t)body_bytes};
    ck_assert_uint_le(sent_bytes + FRAME_REQUEST_BYTES + body_bytes, sizeof sent);
    frame_request_encode(&header, sent + sent_bytes);
    if (message != NULL) {
        protobuf_c_message_pack(message, sent + sent_bytes + FRAME_REQUEST_BYTES);
    }
    sent_bytes += FRAME_REQUEST_BYTES + body_bytes;
}

/* All of it is in the socket before the daemon looks. */
static void send_and_close(int peer)
{
    ck_assert_int_eq(write(peer, sent, sent_bytes), (ssize_t)sent_bytes);
    sent_bytes = 0;
    peer_close(peer);
}

START_TEST(reads_of_a_peer_that_is_gone_are_dropped_and_its_writes_are_carried_out)
{
    enum { READS = 4500, COMMITS = 3 };
    int peer = peer_greeted();
    uint64_t before = connections()->requests;
    for (uint64_t id = 2; id < 2 + READS; id++) {
        append(FRAME_STATUS, id, NULL);
    }
    for (uint64_t height = 1; height <= COMMITS; height++) {
        append(FRAME_COMMIT, 2 + READS + height, commit_of_block(height, "header"));
    }
    append(FRAME_COMMIT, 9999, commit_of_block(9, "cut"));
    sent_bytes -= 3; /* its last bytes do not come */
    send_and_close(peer);
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    ck_assert_uint_eq(connections()->requests, before + COMMITS);
    ck_assert_uint_eq(order_counters(served.service.order)->commits, COMMITS);
}
END_TEST

static Cairn__WriteMetadata *write_of(uint64_t number)
{
    return metadata_new(operation_set(kept_format("%lu", number), "value"));
}

START_TEST(writes_of_a_peer_that_is_gone_do_not_wait_for_room)
{
    int peer = peer_greeted();
    struct connection *connection = connection_last();
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_LACKS_MEMORY,
                     100); /* no group leaves the queue, which has 2 */
    for (uint64_t id = 2; id < 6; id++) {
        peer_send(peer, FRAME_WRITE_METADATA, id, write_of(id));
    }
    CONNECTIONS_AWAIT(connection->waiting != NULL && !connection->is_reading);
    peer_close(peer);
    CONNECTIONS_AWAIT(connection_count(connections()) == 0); /* after HANG_UP_CHECK_US */
    ck_assert_uint_eq(order_counters(served.service.order)->metadata_accepted, 2);
    ck_assert_uint_eq(turns_count(served.service.turns, TURNS_ROOM), 0);
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_LACKS_MEMORY, 0);
}
END_TEST

/* All replies are at their bound, by what others leave, and so nothing was read from it while it was there. */
START_TEST(what_a_peer_that_is_gone_had_sent_does_not_wait_for_replies_of_others)
{
    struct budget *budget = served.service.budget;
    struct budget_client others = {0};
    int peer = peer_greeted();
    struct connection *connection = leave_unread(peer);
    for (uint64_t id = 10000; connection->session.client.replies_bytes <= CLIENT_UNREAD_BYTES_MAX; id++) {
        peer_send(peer, FRAME_STATUS, id, NULL);
        connections_iterate();
    }
    while (!budget_replies_are_full(budget)) {
        budget_reply_queued(budget, &others, 1 << 20);
    }
    peer_send(peer, FRAME_STATUS, 2, NULL);
    CONNECTIONS_AWAIT(turns_count(served.service.turns, TURNS_REPLIES) == 1);
    peer_send(peer, FRAME_COMMIT, 3, commit_of_block(1, "header"));
    peer_close(peer);
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    ck_assert_uint_eq(order_counters(served.service.order)->commits, 1);
    budget_reply_gone(budget, &others, others.replies_bytes);
}
END_TEST

START_TEST(a_peer_that_takes_no_replies_but_lives_has_its_writes_carried_out)
{
    enum { WRITES = 40 };
    int peer = peer_greeted();
    ck_assert_int_eq(shutdown(peer, SHUT_RD), 0);
    for (uint64_t id = 2; id < 2 + WRITES; id++) {
        peer_send(peer, FRAME_STATUS, id, NULL);
        peer_send(peer, FRAME_WRITE_METADATA, id, write_of(id));
        connections_iterate();
    }
    CONNECTIONS_AWAIT(order_counters(served.service.order)->metadata_accepted == WRITES);
    ck_assert_uint_eq(connection_count(connections()), 1);
    peer_close(peer);
}
END_TEST

START_TEST(hello_of_a_process_waits_until_what_it_sent_before_is_carried_out)
{
    enum { COMMITS = 300 };
    int left = peer_greeted(), next = peer_new();
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    for (uint64_t height = 1; height <= COMMITS; height++) {
        append(FRAME_COMMIT, 1 + height, commit_of_block(height, "header"));
    }
    send_and_close(left);
    append(FRAME_HELLO, 1, &hello);
    append(FRAME_HEIGHT, 2, NULL);
    ck_assert_int_eq(write(next, sent, sent_bytes), (ssize_t)sent_bytes);
    ck_assert_int_eq(peer_receive(next).status, STATUS_OK);
    ck_assert_uint_eq(order_counters(served.service.order)->commits, COMMITS);
    struct service_reply reply = peer_receive(next);
    const Cairn__HeightReply *height =
        cairn__height_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert_uint_eq(height->height, COMMITS);
    ck_assert_uint_eq(connections()->held, 0);
    peer_close(next);
}
END_TEST

START_TEST(peers_that_went_before_their_hello_was_read_wait_for_nobody_for_ever)
{
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    for (int i = 0; i < 5; i++) {
        append(FRAME_HELLO, 1, &hello);
        append(FRAME_COMMIT, 2, commit_of_block((uint64_t)i + 1, "header"));
        send_and_close(peer_new());
    }
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    ck_assert_uint_eq(order_counters(served.service.order)->commits, 5);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("connection_late", 20, &tests);
    tcase_add_checked_fixture(tests, setup, connections_close);
    tcase_add_test(tests, a_connection_that_says_no_hello_ends_after_hello_timeout);
    tcase_add_test(tests, a_frame_that_is_not_finished_ends_its_connection_and_gives_its_room_back);
    tcase_add_test(tests, a_frame_waits_for_room_as_long_as_it_has_to);
    tcase_add_test(tests, a_peer_that_takes_no_reply_loses_its_connection_after_stream_timeout);
    tcase_add_test(tests, a_connection_that_closes_with_a_write_under_way_is_watched_no_more);
    tcase_add_test(tests, a_peer_that_takes_replies_slowly_keeps_its_connection);
    tcase_add_test(tests, reads_of_a_peer_that_is_gone_are_dropped_and_its_writes_are_carried_out);
    tcase_add_test(tests, writes_of_a_peer_that_is_gone_do_not_wait_for_room);
    tcase_add_test(tests, what_a_peer_that_is_gone_had_sent_does_not_wait_for_replies_of_others);
    tcase_add_test(tests, a_peer_that_takes_no_replies_but_lives_has_its_writes_carried_out);
    tcase_add_test(tests, hello_of_a_process_waits_until_what_it_sent_before_is_carried_out);
    tcase_add_test(tests, peers_that_went_before_their_hello_was_read_wait_for_nobody_for_ever);
    return suite_run(suite, true);
}
