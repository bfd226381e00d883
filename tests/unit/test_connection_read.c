/* How a connection reads: frames in pieces of any size, bodies that wait for memory, and bytes that are no frame. */
#include <check.h>

#include "daemon/runtime/thread.h"
#include "tests/lib/connection_fixture.h"
#include "tests/lib/failing/failing.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { SMALL_FRAME_BYTES = 256 << 10, REQUESTS = 200 };

static void setup(void)
{
    served.frame_bytes_max = SMALL_FRAME_BYTES;
    served.queue_operations_max = 4;
    connections_open(8);
}

static uint8_t *frame_of(uint8_t type, uint64_t id, const void *message, size_t *ret_bytes)
{
    size_t body_bytes = message == NULL ? 0 : protobuf_c_message_get_packed_size(message);
    uint8_t *frame = kept_alloc(FRAME_REQUEST_BYTES + body_bytes);
    const struct frame_request header = {.type = type, .id = id, .body_bytes = (uint32_t)body_bytes};
    frame_request_encode(&header, frame);
    if (message != NULL) {
        protobuf_c_message_pack(message, frame + FRAME_REQUEST_BYTES);
    }
    *ret_bytes = FRAME_REQUEST_BYTES + body_bytes;
    return frame;
}

START_TEST(frames_in_pieces_of_any_size_are_the_same_requests)
{
    struct random_source random = random_from(random_seed("connection_read"));
    int peer = peer_greeted();
    for (uint64_t id = 2; id < 2 + REQUESTS; id++) {
        bool is_large = random_chance(&random, 10);
        size_t name_bytes = 1 + random_below(&random, 1000);
        Cairn__WriteMetadata *write = metadata_new(operation_set_bytes(
            bytes_random(id, name_bytes), bytes_random(id, random_below(&random, is_large ? 150000 : 100))));
        size_t bytes;
        uint8_t *frame = frame_of(FRAME_WRITE_METADATA, id, write, &bytes);
        for (size_t at = 0; at < bytes;) {
            size_t piece = 1 + random_below(&random, bytes - at);
            peer_write(peer, frame + at, piece);
            at += piece;
            if (random_chance(&random, 50)) {
                connections_iterate();
            }
        }
        struct service_reply reply = peer_receive(peer);
        ck_assert_msg(reply.status == STATUS_OK && reply.header.id == id, "%s", reply.text);
    }
    peer_close(peer);
}
END_TEST

static void assert_refused(const void *bytes, size_t count, bool is_greeted, enum status status)
{
    int peer = is_greeted ? peer_greeted() : peer_new();
    uint64_t bad = served.service.frames_bad;
    peer_write(peer, bytes, count);
    struct service_reply reply = peer_receive(peer);
    ck_assert_int_eq(reply.status, status);
    ck_assert_str_ne(reply.text, "");
    ck_assert_uint_eq(served.service.frames_bad, bad + 1);
    CONNECTIONS_AWAIT(peer_is_closed(peer));
    peer_close(peer);
}

START_TEST(bytes_that_are_no_frame_are_told_so_and_end_the_connection)
{
    size_t bytes;
    assert_refused("GET / HTTP/1.1\r\n", FRAME_REQUEST_BYTES, true, STATUS_INVALID);
    uint8_t *ping = frame_of(FRAME_PING, 1, NULL, &bytes);
    assert_refused(ping, bytes, false, STATUS_INVALID); /* the first frame is hello */
    uint8_t header[FRAME_REQUEST_BYTES];
    const struct frame_request too_large = {
        .type = FRAME_COMMIT, .id = 2, .body_bytes = SMALL_FRAME_BYTES + 1};
    frame_request_encode(&too_large, header);
    assert_refused(header, sizeof header, true, STATUS_TOO_LARGE); /* before its body is read */
    const struct frame_request long_hello = {.type = FRAME_HELLO, .id = 1, .body_bytes = (64 << 10) + 1};
    frame_request_encode(&long_hello, header);
    assert_refused(header, sizeof header, false, STATUS_TOO_LARGE);
}
END_TEST

START_TEST(a_body_for_which_the_machine_has_no_memory_is_refused_and_ends_the_connection)
{
    uint8_t header[FRAME_REQUEST_BYTES];
    const struct frame_request large = {.type = FRAME_COMMIT, .id = 2, .body_bytes = 200 << 10};
    frame_request_encode(&large, header);
    int peer = peer_greeted();
    failing_plan_malloc(1, 200 << 10);
    peer_write(peer, header, sizeof header);
    peer_write(peer, "some", 4);
    struct service_reply reply = peer_receive(peer);
    ck_assert(failing_end());
    ck_assert_int_eq(reply.status, STATUS_BUSY);
    ck_assert_uint_eq(reply.header.id, 2);
    CONNECTIONS_AWAIT(peer_is_closed(peer));
    ck_assert_uint_eq(budget_requests_bytes(served.service.budget), 0);
    peer_close(peer);
}
END_TEST

START_TEST(a_malformed_request_is_refused_and_the_connection_goes_on)
{
    int peer = peer_greeted();
    uint8_t frame[FRAME_REQUEST_BYTES + 3] = {0};
    const struct frame_request header = {.type = FRAME_COMMIT, .id = 2, .body_bytes = 3};
    frame_request_encode(&header, frame);
    memset(frame + FRAME_REQUEST_BYTES, 0xff, 3);
    for (int i = 0; i < 2; i++) { /* the first of a connection is logged */
        peer_write(peer, frame, sizeof frame);
        ck_assert_int_eq(peer_receive(peer).status, STATUS_INVALID);
    }
    peer_send(peer, FRAME_PING, 3, NULL);
    ck_assert_int_eq(peer_receive(peer).status, STATUS_OK);
    peer_close(peer);
}
END_TEST

/* All but the last byte of a large commit: its memory is set aside. */
static uint8_t *start_large(int peer, size_t *ret_bytes)
{
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(1, 240 << 10);
    uint8_t *frame = frame_of(FRAME_COMMIT, 2, commit, ret_bytes);
    peer_write(peer, frame, *ret_bytes - 1);
    return frame;
}

START_TEST(a_large_body_waits_for_memory_and_a_peer_that_goes_gives_its_place_up)
{
    enum { PEERS = 4 };
    int peers[PEERS];
    size_t bytes = 0;
    uint8_t *frame = NULL;
    uint64_t waiting = 0;
    for (int i = 0; i < PEERS; i++) { /* more than requests_bytes_max holds; only what is granted is read */
        peers[i] = peer_greeted();
        Cairn__Commit *commit = commit_of_block(1, "large");
        commit->blocks[0]->data = bytes_random(1, 240 << 10);
        frame = frame_of(FRAME_COMMIT, 2, commit, &bytes);
        peer_write(peers[i], frame, 100 << 10);
        for (int k = 0; k < 5; k++) {
            connections_iterate();
        }
    }
    for (struct connection *at = connections()->all; at != NULL; at = at->next) {
        waiting += at->incoming.state == INCOMING_WAITS_MEMORY;
    }
    ck_assert_uint_gt(waiting, 0);
    ck_assert_uint_le(budget_requests_bytes(served.service.budget), 2 * SMALL_FRAME_BYTES);
    peer_close(peers[0]);
    for (int i = 1; i < PEERS; i++) {
        peer_write(peers[i], frame + (100 << 10), bytes - (100 << 10));
        ck_assert_int_eq(peer_receive(peers[i]).status, STATUS_OK);
        peer_close(peers[i]);
    }
    ck_assert_uint_eq(turns_count(served.service.turns, TURNS_WRITE_MEMORY), 0);
}
END_TEST

START_TEST(a_peer_that_ends_inside_a_frame_gives_all_memory_back)
{
    int peer = peer_greeted();
    size_t bytes;
    (void)start_large(peer, &bytes);
    CONNECTIONS_AWAIT(connection_last()->incoming.state == INCOMING_BODY);
    ck_assert_uint_gt(budget_requests_bytes(served.service.budget), 0);
    peer_close(peer);
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    ck_assert_uint_eq(budget_requests_bytes(served.service.budget), 0);
    ck_assert_uint_eq(order_counters(served.service.order)->commits, 0);
}
END_TEST

START_TEST(nothing_behind_a_write_that_waits_for_room_is_started)
{
    int peer = peer_greeted();
    for (uint64_t id = 2; id < 30; id++) { /* the queue has 4 */
        peer_send(peer, FRAME_WRITE_METADATA, id, metadata_new(operation_set(kept_format("%lu", id), "v")));
    }
    for (uint64_t id = 2; id < 30; id++) {
        struct service_reply reply = peer_receive(peer);
        ck_assert(reply.status == STATUS_OK && reply.header.id == id);
        ck_assert_uint_le(pending_operations(order_pending(served.service.order)), 4);
    }
    ck_assert(!connection_set_has_waiting(connections()));
    peer_close(peer);
}
END_TEST

/* A commit that is unpacked on the pool. */
static Cairn__Commit *commit_of_many_parts(void)
{
    enum { OPERATIONS = 160, NAME_BYTES = 1000 };
    Cairn__Commit *commit = commit_of_block(1, "many parts");
    for (uint64_t i = 0; i < OPERATIONS; i++) {
        commit_metadata(commit, operation_set_bytes(bytes_random(i, NAME_BYTES), bytes_of("v")));
    }
    ck_assert_uint_gt(cairn__commit__get_packed_size(commit), 140 << 10);
    return commit;
}

static uint64_t sequence_of(struct service_reply reply)
{
    ck_assert_msg(reply.status == STATUS_OK, "%s", reply.text);
    const Cairn__WriteReply *written =
        cairn__write_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert_ptr_nonnull(written);
    return written->sequence;
}

START_TEST(nothing_overtakes_a_large_body_that_is_unpacked_beside_the_loop)
{
    int peer = peer_greeted();
    Cairn__Commit *commit = commit_of_many_parts();
    for (uint64_t id = 2; id < 10; id += 2) {
        peer_send(peer, FRAME_COMMIT, id, commit);
        peer_send(peer, FRAME_WRITE_METADATA, id + 1, metadata_new(operation_set("behind", "v")));
    }
    uint64_t sequences[10] = {0};
    for (int i = 0; i < 8; i++) {
        struct service_reply reply = peer_receive(peer);
        sequences[reply.header.id] = sequence_of(reply);
    }
    for (uint64_t id = 3; id < 10; id++) {
        ck_assert_uint_lt(sequences[id - 1], sequences[id]);
    }
    peer_close(peer);
}
END_TEST

START_TEST(a_large_body_is_carried_out_though_its_peer_goes_meanwhile)
{
    enum { PEERS = 5 };
    for (int i = 0; i < PEERS; i++) {
        int peer = peer_greeted();
        peer_send(peer, FRAME_COMMIT, 2, commit_of_many_parts());
        peer_close(peer);
        CONNECTIONS_AWAIT(connection_count(connections()) == 0); /* there is room for one at a time */
    }
    ck_assert_uint_eq(order_counters(served.service.order)->commits, PEERS);
    ck_assert_uint_eq(budget_requests_bytes(served.service.budget), 0);
}
END_TEST

START_TEST(a_large_body_that_is_malformed_is_refused_and_the_connection_goes_on)
{
    enum { BODY_BYTES = 200 << 10 };
    int peer = peer_greeted();
    uint8_t *frame = kept_alloc(FRAME_REQUEST_BYTES + BODY_BYTES);
    const struct frame_request header = {.type = FRAME_COMMIT, .id = 2, .body_bytes = BODY_BYTES};
    frame_request_encode(&header, frame);
    memset(frame + FRAME_REQUEST_BYTES, 0xff, BODY_BYTES);
    peer_write(peer, frame, FRAME_REQUEST_BYTES + BODY_BYTES);
    ck_assert_int_eq(peer_receive(peer).status, STATUS_INVALID);
    peer_send(peer, FRAME_PING, 3, NULL);
    ck_assert_int_eq(peer_receive(peer).status, STATUS_OK);
    peer_close(peer);
}
END_TEST

START_TEST(a_large_body_for_which_there_is_no_room_is_dropped_with_its_connection)
{
    enum { VALUE_BYTES = 150 << 10 };
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_LACKS_MEMORY,
                     100); /* no group leaves the queue, which has 4 */
    int peer = peer_greeted();
    for (uint64_t id = 2; id < 6; id++) {
        peer_send(peer, FRAME_WRITE_METADATA, id, metadata_new(operation_set(kept_format("%lu", id), "v")));
        ck_assert_int_eq(peer_receive(peer).status, STATUS_OK);
    }
    struct connection *connection = connection_last();
    peer_send(peer, FRAME_WRITE_METADATA, 6,
              metadata_new(operation_set_bytes(bytes_of("large"), bytes_random(1, VALUE_BYTES))));
    CONNECTIONS_AWAIT(connection->is_unpacking || connection->waiting != NULL);
    connection_close(connection); /* while it is unpacked beside the loop, as a rule */
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    ck_assert_uint_eq(order_counters(served.service.order)->metadata_accepted, 4);
    ck_assert_uint_eq(turns_count(served.service.turns, TURNS_ROOM), 0);
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_LACKS_MEMORY, 0);
    peer_close(peer);
}
END_TEST

/* The beginning of a large frame. */
static void start_frame(int peer, uint8_t type)
{
    static const uint8_t some[20 << 10];
    uint8_t header[FRAME_REQUEST_BYTES];
    const struct frame_request large = {.type = type, .id = 2, .body_bytes = 240 << 10};
    frame_request_encode(&large, header);
    peer_write(peer, header, sizeof header);
    peer_write(peer, some, sizeof some);
}

START_TEST(behind_a_large_read_that_waits_for_memory_other_large_frames_wait)
{
    int peers[3];
    for (int i = 0; i < 3; i++) {
        peers[i] = peer_greeted();
        start_frame(peers[i], i < 2 ? FRAME_GET_METADATA_MANY : FRAME_COMMIT);
        CONNECTIONS_AWAIT(connection_last()->incoming.state ==
                          (i == 0 ? INCOMING_BODY : INCOMING_WAITS_MEMORY));
    }
    ck_assert_uint_eq(turns_count(served.service.turns, TURNS_READ_MEMORY), 1);
    ck_assert_uint_eq(turns_count(served.service.turns, TURNS_WRITE_MEMORY), 1);
    for (int i = 0; i < 3; i++) {
        peer_close(peers[i]);
    }
}
END_TEST

START_TEST(while_all_replies_are_at_their_bound_who_left_much_unread_is_not_read)
{
    struct budget *budget = served.service.budget;
    struct budget_client other = {0};
    int peer = peer_greeted();
    struct connection *connection = connection_last();
    struct budget_client *client = &connection->session.client;
    connections_iterate();
    budget_reply_queued(budget, &other, 32 << 20);
    budget_reply_queued(budget, client, CLIENT_UNREAD_BYTES_MAX + 1); /* as if it had left so much */
    connection_touch(connection);
    CONNECTIONS_AWAIT(turns_count(served.service.turns, TURNS_REPLIES) == 1);
    peer_send(peer, FRAME_PING, 2, NULL);
    for (int i = 0; i < 5; i++) {
        connection_touch(connection);
        connections_iterate();
        ck_assert(connection->in_flight == 0 && !connection->is_reading);
    }
    budget_reply_gone(budget, &other, 32 << 20);
    ck_assert_uint_eq(peer_receive(peer).header.id, 2);
    ck_assert_uint_eq(turns_count(served.service.turns, TURNS_REPLIES), 0);
    budget_reply_gone(budget, client, CLIENT_UNREAD_BYTES_MAX + 1);
    peer_close(peer);
}
END_TEST

START_TEST(a_connection_with_too_much_in_flight_goes_on_when_that_has_ended)
{
    enum { PINGS = 20 };
    int peer = peer_greeted();
    struct connection *connection = connection_last();
    connections_iterate();
    connection->in_flight += REQUESTS_IN_FLIGHT_MAX; /* as if there were so many */
    for (uint64_t id = 2; id < 2 + PINGS; id++) {
        peer_send(peer, FRAME_PING, id, NULL);
    }
    CONNECTIONS_AWAIT(connection->incoming.state == INCOMING_BODY_AHEAD && !connection->is_reading);
    connection_cut(connection); /* also in a turn of its own */
    connection_serve_cut(connections());
    ck_assert_uint_eq(connection->in_flight, REQUESTS_IN_FLIGHT_MAX);
    connection->in_flight -= REQUESTS_IN_FLIGHT_MAX;
    for (uint64_t id = 2; id < 2 + PINGS; id++) {
        connection_touch(connection);
        ck_assert_uint_eq(peer_receive(peer).header.id, id);
    }
    peer_close(peer);
}
END_TEST

START_TEST(what_was_sent_ahead_and_has_no_memory_ends_the_connection_and_no_other)
{
    enum { PINGS = 200 };
    int other = peer_greeted(), peer = peer_greeted();
    struct connection *connection = connection_last();
    uint8_t frames[PINGS][FRAME_REQUEST_BYTES];
    for (uint64_t i = 0; i < PINGS; i++) {
        frame_request_encode(&(struct frame_request){.type = FRAME_PING, .id = 2 + i}, frames[i]);
    }
    connections_iterate();
    connection->in_flight += REQUESTS_IN_FLIGHT_MAX; /* none of them may start, so they are kept */
    failing_plan_malloc(1, sizeof frames / 2);
    peer_write(peer, frames, sizeof frames);
    CONNECTIONS_AWAIT(connection->state == CONNECTION_CLOSED);
    ck_assert(failing_end());
    connection->in_flight -= REQUESTS_IN_FLIGHT_MAX;
    CONNECTIONS_AWAIT(peer_is_closed(peer));
    peer_send(other, FRAME_PING, 2, NULL);
    ck_assert_int_eq(peer_receive(other).status, STATUS_OK);
    peer_close(peer);
    peer_close(other);
}
END_TEST

START_TEST(connections_that_are_cut_have_their_slices_once_an_iteration)
{
    int peer = peer_greeted();
    struct connection *connection = connection_last();
    connections_iterate();
    connection->in_flight += REQUESTS_IN_FLIGHT_MAX;
    peer_send(peer, FRAME_PING, 2, NULL);
    CONNECTIONS_AWAIT(connection->incoming.state == INCOMING_BODY_AHEAD && !connection->is_reading);
    connection->in_flight -= REQUESTS_IN_FLIGHT_MAX;
    connections()->slice_iteration = connections()->iteration;
    connection_cut(connection);
    connection_serve_cut(connections());
    ck_assert_uint_eq(turns_count(served.service.turns, TURNS_SLICE), 1);
    ck_assert_uint_eq(peer_receive(peer).header.id, 2); /* in the next one */
    ck_assert_uint_eq(turns_count(served.service.turns, TURNS_SLICE), 0);
    peer_close(peer);
}
END_TEST

/* libuv's, which the linker has give way to the one below. */
int __real_uv_read_start(uv_stream_t *stream, uv_alloc_cb allocate, uv_read_cb read);
int __wrap_uv_read_start(uv_stream_t *stream, uv_alloc_cb allocate, uv_read_cb read);

static bool can_read = true;

int __wrap_uv_read_start(uv_stream_t *stream, uv_alloc_cb allocate, uv_read_cb read)
{
    return can_read ? __real_uv_read_start(stream, allocate, read) : UV_ENOMEM;
}

START_TEST(a_connection_that_cannot_be_read_is_closed)
{
    can_read = false;
    int peer = peer_new();
    CONNECTIONS_AWAIT(peer_is_closed(peer));
    CONNECTIONS_AWAIT(connection_count(connections()) == 0);
    can_read = true;
    peer_close(peer);
}
END_TEST

START_TEST(credit_and_cancel_are_read_while_requests_are_full)
{
    int peer = peer_greeted();
    peer_send(peer, FRAME_COMMIT, 2, commit_of_block(1, "header"));
    ck_assert_int_eq(peer_receive(peer).status, STATUS_OK);
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_parts = read.has_window_bytes = true;
    read.first = read.last = 1;
    read.parts = CAIRN__PART__PART_HEADER;
    peer_send(peer, FRAME_READ_BLOCKS, 3, &read); /* they stand, for want of credit */
    peer_send(peer, FRAME_READ_BLOCKS, 4, &read);
    CONNECTIONS_AWAIT(stream_count(served.service.streams) == 2);
    struct connection *connection = connection_last();
    connection->session.reads_waiting += READS_WAITING_MAX; /* as if there were so many */
    Cairn__Credit credit = CAIRN__CREDIT__INIT;
    credit.has_bytes = true;
    credit.bytes = 1 << 20;
    peer_send(peer, FRAME_CREDIT, 3, &credit);
    peer_send(peer, FRAME_CANCEL, 4, NULL);
    for (int ended = 0; ended < 2;) {
        struct service_reply reply = peer_receive(peer);
        ck_assert(reply.header.id == 3 || reply.header.id == 4);
        ended += reply.header.flags == 0;
    }
    peer_send(peer, FRAME_PING, 5, NULL); /* an empty frame, and nothing behind it */
    CONNECTIONS_AWAIT(connection->incoming.state == INCOMING_BODY_AHEAD && !connection->is_reading);
    connection->session.reads_waiting -= READS_WAITING_MAX;
    connection_touch(connection);
    ck_assert_uint_eq(peer_receive(peer).header.id, 5);
    peer_close(peer);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("connection_read", 20, &tests);
    tcase_add_checked_fixture(tests, setup, connections_close);
    tcase_add_test(tests, frames_in_pieces_of_any_size_are_the_same_requests);
    tcase_add_test(tests, bytes_that_are_no_frame_are_told_so_and_end_the_connection);
    tcase_add_test(tests, a_body_for_which_the_machine_has_no_memory_is_refused_and_ends_the_connection);
    tcase_add_test(tests, a_malformed_request_is_refused_and_the_connection_goes_on);
    tcase_add_test(tests, a_large_body_waits_for_memory_and_a_peer_that_goes_gives_its_place_up);
    tcase_add_test(tests, a_peer_that_ends_inside_a_frame_gives_all_memory_back);
    tcase_add_test(tests, nothing_behind_a_write_that_waits_for_room_is_started);
    tcase_add_test(tests, nothing_overtakes_a_large_body_that_is_unpacked_beside_the_loop);
    tcase_add_test(tests, a_large_body_is_carried_out_though_its_peer_goes_meanwhile);
    tcase_add_test(tests, a_large_body_that_is_malformed_is_refused_and_the_connection_goes_on);
    tcase_add_test(tests, a_large_body_for_which_there_is_no_room_is_dropped_with_its_connection);
    tcase_add_test(tests, behind_a_large_read_that_waits_for_memory_other_large_frames_wait);
    tcase_add_test(tests, while_all_replies_are_at_their_bound_who_left_much_unread_is_not_read);
    tcase_add_test(tests, a_connection_with_too_much_in_flight_goes_on_when_that_has_ended);
    tcase_add_test(tests, what_was_sent_ahead_and_has_no_memory_ends_the_connection_and_no_other);
    tcase_add_test(tests, connections_that_are_cut_have_their_slices_once_an_iteration);
    tcase_add_test(tests, a_connection_that_cannot_be_read_is_closed);
    tcase_add_test(tests, credit_and_cancel_are_read_while_requests_are_full);
    return suite_run(suite, true);
}
