/* How much of an iteration a connection has: costly requests of one are cut, and hold up no request of another. */
#include <check.h>
#include <unistd.h>

#include "tests/lib/connection_fixture.h"
#include "tests/lib/suite.h"

enum { REQUESTS = 2000 };

static void setup(void)
{
    connections_open(64);
}

static void send_costly(int peer)
{
    static uint8_t frames[REQUESTS * FRAME_REQUEST_BYTES];
    for (uint64_t i = 0; i < REQUESTS; i++) {
        const struct frame_request header = {.type = FRAME_STATUS, .id = 100 + i};
        frame_request_encode(&header, frames + i * FRAME_REQUEST_BYTES);
    }
    ck_assert_int_eq(write(peer, frames, sizeof frames), sizeof frames);
}

START_TEST(a_slice_looks_at_the_clock_after_the_first_request_and_now_and_then)
{
    struct time_slice over = time_slice_until(1);
    ck_assert(time_slice_is_over(&over, 0) && over.is_over);
    struct time_slice endless = time_slice_until(UINT64_MAX);
    for (int i = 0; i < 100; i++) {
        ck_assert(!time_slice_is_over(&endless, (uint64_t)i * 1000));
    }
    endless.until_us = 1;
    ck_assert(time_slice_is_over(&endless, 1 << 20)); /* at once after a large one */
}
END_TEST

START_TEST(costly_requests_of_one_connection_are_cut_and_all_are_answered)
{
    int greedy = peer_greeted(), other = peer_greeted();
    send_costly(greedy);
    CONNECTIONS_AWAIT(turns_count(served.service.turns, TURNS_SLICE) == 1);
    uint64_t iterations = connections()->iteration;
    peer_send(other, FRAME_PING, 2, NULL);
    ck_assert_int_eq(peer_receive(other).status, STATUS_OK);
    ck_assert_uint_le(connections()->iteration - iterations, 5); /* each of them a slice or two */
    ck_assert(connection_set_has_postponed(connections()));
    for (uint64_t i = 0; i < REQUESTS; i++) {
        struct service_reply reply = peer_receive(greedy);
        ck_assert(reply.status == STATUS_OK && reply.header.id == 100 + i);
    }
    ck_assert_uint_eq(turns_count(served.service.turns, TURNS_SLICE), 0);
    peer_close(greedy);
    peer_close(other);
}
END_TEST

START_TEST(connections_that_are_cut_have_slices_in_turn)
{
    enum { PEERS = 8 };
    int peers[PEERS];
    for (int i = 0; i < PEERS; i++) {
        peers[i] = peer_greeted();
    }
    for (int i = 0; i < PEERS; i++) {
        send_costly(peers[i]);
    }
    CONNECTIONS_AWAIT(turns_count(served.service.turns, TURNS_SLICE) == PEERS);
    for (int i = 0; i < 2 * PEERS; i++) {
        connections_iterate();
    }
    for (struct connection *connection = connections()->all; connection != NULL;
         connection = connection->next) {
        ck_assert_uint_gt(connection->output.given_bytes, 0); /* none is passed over */
    }
    for (int i = 0; i < PEERS; i++) {
        peer_close(peers[i]);
    }
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    ck_assert_uint_lt(connections()->requests, PEERS * REQUESTS); /* what is left is dropped with its peers */
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("connection_share", 30, &tests);
    tcase_add_checked_fixture(tests, setup, connections_close);
    tcase_add_test(tests, a_slice_looks_at_the_clock_after_the_first_request_and_now_and_then);
    tcase_add_test(tests, costly_requests_of_one_connection_are_cut_and_all_are_answered);
    tcase_add_test(tests, connections_that_are_cut_have_slices_in_turn);
    return suite_run(suite, true);
}
