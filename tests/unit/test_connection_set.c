/* All connections together: how many there may be, who starts again first, and how all of them end. */
#include <check.h>

#include "tests/lib/connection_fixture.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/suite.h"

enum { CONNECTIONS_MAX = 3 };

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
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_LACKS_MEMORY, 100); /* no group leaves the queue */
    int peer = peer_greeted(), other = peer_greeted();
    write_two(peer, 2, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(peer_receive(peer).status, STATUS_OK);
    }
    write_two(peer, 4, 0);
    CONNECTIONS_AWAIT(connection_set_has_waiting(connections()));
    int patient = peer_greeted();
    write_two(patient, 2, 500000000);
    CONNECTIONS_AWAIT(turns_count(served.service.turns, TURNS_ROOM) == 2);
    write_two(other, 2, 1000);
    struct service_reply reply = peer_receive(other);
    ck_assert_int_eq(reply.status, STATUS_BUSY);
    write_two(other, 4, 900000000); /* refused later than the one that waits */
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_LACKS_MEMORY, 0);
    for (uint64_t id = 2; id < 4; id++) {
        reply = peer_receive(patient);
        ck_assert(reply.status == STATUS_OK && reply.header.id == id);
    }
    peer_close(patient);
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

START_TEST(a_peer_without_a_role_is_told_so_and_not_read)
{
    static const struct roles roles = {.count = 1, .entries = {{.role = ROLE_ADMIN, .id = 4001}}};
    served.service.roles = &roles;
    int peer = peer_new();
    ck_assert_int_eq(peer_receive(peer).status, STATUS_PERMISSION);
    ck_assert_uint_eq(served.service.connections_refused, 1);
    CONNECTIONS_AWAIT(peer_is_closed(peer));
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    ck_assert_uint_eq(connections()->requests, 0);
    peer_close(peer);
}
END_TEST

/* libuv's, which the linker has give way to those below. */
int __real_uv_pipe_init(uv_loop_t *loop, uv_pipe_t *pipe, int ipc);
int __wrap_uv_pipe_init(uv_loop_t *loop, uv_pipe_t *pipe, int ipc);
int __real_uv_accept(uv_stream_t *listener, uv_stream_t *stream);
int __wrap_uv_accept(uv_stream_t *listener, uv_stream_t *stream);

static bool can_init = true, can_accept = true;

int __wrap_uv_pipe_init(uv_loop_t *loop, uv_pipe_t *pipe, int ipc)
{
    return can_init ? __real_uv_pipe_init(loop, pipe, ipc) : UV_ENOMEM;
}

int __wrap_uv_accept(uv_stream_t *listener, uv_stream_t *stream)
{
    return can_accept ? __real_uv_accept(listener, stream) : UV_EMFILE;
}

START_TEST(a_peer_that_cannot_be_accepted_leaves_no_connection)
{
    int there = peer_greeted();
    can_init = _i != 0;
    can_accept = _i == 0;
    int peer = peer_new();
    CONNECTIONS_AWAIT(connection_count(connections()) == 1);
    peer_send(there, FRAME_PING, 2, NULL); /* the others go on */
    ck_assert_int_eq(peer_receive(there).status, STATUS_OK);
    peer_close(peer);
    peer_close(there);
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
    tcase_add_test(tests, a_peer_without_a_role_is_told_so_and_not_read);
    tcase_add_loop_test(tests, a_peer_that_cannot_be_accepted_leaves_no_connection, 0, 2);
    return suite_run(suite, true);
}
