/* A connection's life: how each end comes about, and that what was started is carried out all the same. */
#include <check.h>
#include <sys/socket.h>

#include "tests/lib/connection_fixture.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/suite.h"

static void setup(void)
{
    connections_open(8);
}

START_TEST(requests_are_answered_in_the_order_they_were_sent)
{
    int peer = peer_greeted();
    for (uint64_t id = 2; id < 300; id++) {
        peer_send(peer, FRAME_PING, id, NULL);
    }
    for (uint64_t id = 2; id < 300; id++) {
        struct service_reply reply = peer_receive(peer);
        ck_assert(reply.status == STATUS_OK && reply.header.id == id);
    }
    peer_close(peer);
}
END_TEST

START_TEST(a_reply_says_what_is_written_and_durable)
{
    int peer = peer_greeted();
    peer_send(peer, FRAME_COMMIT, 2, commit_of_block(1, "header"));
    ck_assert_int_eq(peer_receive(peer).status, STATUS_OK);
    peer_send(peer, FRAME_PING, 3, NULL);
    struct service_reply reply = peer_receive(peer);
    ck_assert_uint_eq(reply.header.written_through, order_written_through(served.service.order));
    ck_assert_uint_eq(reply.header.durable_through, order_durable_through(served.service.order));
    peer_close(peer);
}
END_TEST

START_TEST(a_connection_whose_hello_is_refused_is_answered_and_closes)
{
    int peer = peer_new();
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    hello.has_version_min = hello.has_version_max = true;
    hello.version_min = hello.version_max = 99;
    peer_send(peer, FRAME_HELLO, 1, &hello);
    ck_assert_int_eq(peer_receive(peer).status, STATUS_UNSUPPORTED);
    CONNECTIONS_AWAIT(peer_is_closed(peer));
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    peer_close(peer);
}
END_TEST

START_TEST(what_was_sent_before_the_peer_went_is_carried_out)
{
    int peer = peer_greeted();
    for (uint64_t height = 1; height <= 3; height++) {
        peer_send(peer, FRAME_COMMIT, height + 1, commit_of_block(height, "header"));
    }
    peer_close(peer);
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    ck_assert_uint_eq(order_counters(served.service.order)->commits, 3);
}
END_TEST

START_TEST(a_connection_is_freed_only_after_its_last_request)
{
    int peer = peer_greeted();
    fake_disk_close_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT;
    peer_send(peer, FRAME_LIST_METADATA, 2, &list);
    CONNECTIONS_AWAIT(!connection_set_is_idle(connections()));
    fake_disk_await(served.disk, FAKE_NEXT, FAKE_BEFORE);
    peer_close(peer);
    CONNECTIONS_AWAIT(connection_last()->state == CONNECTION_CLOSED);
    for (int i = 0; i < 5; i++) {
        connections_iterate();
    }
    ck_assert_uint_eq(connection_count(connections()), 1);
    fake_disk_open_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
}
END_TEST

START_TEST(a_peer_that_stops_sending_closes_the_connection_without_a_reply_lost)
{
    int peer = peer_greeted();
    peer_send(peer, FRAME_PING, 2, NULL);
    ck_assert_int_eq(peer_receive(peer).status, STATUS_OK);
    ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
    CONNECTIONS_AWAIT(peer_is_closed(peer));
    peer_close(peer);
}
END_TEST

START_TEST(a_peer_that_only_ends_its_sending_side_gets_all_answers_and_then_the_end)
{
    enum { PINGS = 200 };
    int peer = peer_greeted();
    for (uint64_t id = 3; id < 3 + PINGS; id++) {
        peer_send(peer, FRAME_PING, id, NULL);
    }
    peer_send(peer, FRAME_COMMIT, 2, commit_of_block(1, "header"));
    peer_write(peer, "\xca\x21", 2); /* and the beginning of a frame, which is dropped */
    ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
    bool is_committed = false;
    for (int i = 0; i < PINGS + 1; i++) {
        struct service_reply reply = peer_receive(peer);
        ck_assert_int_eq(reply.status, STATUS_OK);
        is_committed |= reply.header.id == 2;
    }
    ck_assert(is_committed);
    CONNECTIONS_AWAIT(peer_is_closed(peer));
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    peer_close(peer);
}
END_TEST

START_TEST(its_streams_go_as_far_as_their_credit)
{
    int peer = peer_greeted();
    for (uint64_t height = 1; height <= 20; height++) {
        peer_send(peer, FRAME_COMMIT, 1 + height, commit_of_block(height, "header"));
        ck_assert_int_eq(peer_receive(peer).status, STATUS_OK);
    }
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_parts = read.has_window_bytes = true;
    read.first = 1;
    read.last = 20;
    read.parts = CAIRN__PART__PART_HEADER;
    const uint64_t windows[] = {0, 50, 1 << 20};
    for (uint64_t i = 0; i < 3; i++) {
        read.window_bytes = windows[i];
        peer_send(peer, FRAME_READ_BLOCKS, 100 + i, &read);
    }
    ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
    uint64_t bytes[3] = {0};
    enum status ends[3];
    for (int ended = 0; ended < 3;) {
        struct service_reply reply = peer_receive(peer);
        uint64_t at = reply.header.id - 100;
        ck_assert_uint_lt(at, 3);
        if ((reply.header.flags & FRAME_MORE) == 0) {
            ends[at] = reply.status;
            ended++;
        } else {
            bytes[at] += reply.body.len;
        }
    }
    ck_assert(bytes[0] == 0 && bytes[1] == 50 && bytes[2] > 50);
    ck_assert(ends[0] == STATUS_BUSY && ends[1] == STATUS_BUSY && ends[2] == STATUS_OK);
    CONNECTIONS_AWAIT(peer_is_closed(peer));
    peer_close(peer);
}
END_TEST

START_TEST(replies_that_the_peer_does_not_take_stop_reading_and_no_memory_grows)
{
    int peer = peer_greeted();
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(1, 200 << 10);
    peer_send(peer, FRAME_COMMIT, 2, commit);
    ck_assert_int_eq(peer_receive(peer).status, STATUS_OK);
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = 1;
    read.has_parts = true;
    read.parts = CAIRN__PART__PART_DATA;
    enum { READS = 100 };
    for (uint64_t id = 3; id < 3 + READS; id++) {
        peer_send(peer, FRAME_READ_BLOCK, id, &read);
    }
    for (int i = 0; i < 50; i++) {
        connections_iterate();
        sleep_ms(1);
        ck_assert_uint_le(budget_replies_bytes(served.service.budget), REPLIES_BYTES_PER_CLIENT + (1 << 20));
    }
    CONNECTIONS_AWAIT(connection_last()->session.client.replies_bytes >= 4 << 20);
    for (uint64_t id = 3; id < 3 + READS; id++) {
        struct service_reply reply = peer_receive(peer);
        ck_assert(reply.status == STATUS_OK && reply.body.len > 200 << 10);
    }
    peer_close(peer);
}
END_TEST

static uint64_t waiting(enum turns_list list)
{
    return turns_count(served.service.turns, list);
}

START_TEST(a_connection_that_closes_gives_its_turns_up)
{
    struct budget *budget = served.service.budget;
    struct budget_request filler = budget_request_of(false, 1000);
    struct budget_client other = {0};
    int peers[3];
    peers[0] = peer_greeted();
    budget_request_hold(budget, &filler, 16 << 20);
    peer_send(peers[0], FRAME_PING, 2, NULL);
    CONNECTIONS_AWAIT(waiting(TURNS_REQUESTS) == 1);
    connection_close(connection_last());
    ck_assert_uint_eq(waiting(TURNS_REQUESTS), 0);
    budget_request_end(budget, &filler);
    peers[1] = peer_greeted();
    connections_iterate();
    budget_reply_queued(budget, &other, 32 << 20);
    budget_reply_queued(budget, &connection_last()->session.client, CLIENT_UNREAD_BYTES_MAX + 1);
    connection_touch(connection_last());
    CONNECTIONS_AWAIT(waiting(TURNS_REPLIES) == 1);
    budget_reply_gone(budget, &connection_last()->session.client, CLIENT_UNREAD_BYTES_MAX + 1);
    connection_close(connection_last());
    ck_assert_uint_eq(waiting(TURNS_REPLIES), 0);
    budget_reply_gone(budget, &other, 32 << 20);
    peers[2] = peer_greeted();
    connections_iterate();
    connection_last()->in_flight += REQUESTS_IN_FLIGHT_MAX; /* as if there were so many */
    peer_send(peers[2], FRAME_PING, 2, NULL);
    CONNECTIONS_AWAIT(connection_last()->incoming.state == INCOMING_BODY_AHEAD &&
                      !connection_last()->is_reading);
    connection_last()->in_flight -= REQUESTS_IN_FLIGHT_MAX;
    connection_cut(connection_last());
    connection_close(connection_last());
    ck_assert_uint_eq(waiting(TURNS_SLICE), 0);
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    for (int i = 0; i < 3; i++) {
        peer_close(peers[i]);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("connection", 20, &tests);
    tcase_add_checked_fixture(tests, setup, connections_close);
    tcase_add_test(tests, requests_are_answered_in_the_order_they_were_sent);
    tcase_add_test(tests, a_connection_that_closes_gives_its_turns_up);
    tcase_add_test(tests, a_reply_says_what_is_written_and_durable);
    tcase_add_test(tests, a_connection_whose_hello_is_refused_is_answered_and_closes);
    tcase_add_test(tests, what_was_sent_before_the_peer_went_is_carried_out);
    tcase_add_test(tests, a_connection_is_freed_only_after_its_last_request);
    tcase_add_test(tests, a_peer_that_stops_sending_closes_the_connection_without_a_reply_lost);
    tcase_add_test(tests, a_peer_that_only_ends_its_sending_side_gets_all_answers_and_then_the_end);
    tcase_add_test(tests, its_streams_go_as_far_as_their_credit);
    tcase_add_test(tests, replies_that_the_peer_does_not_take_stop_reading_and_no_memory_grows);
    return suite_run(suite, true);
}
