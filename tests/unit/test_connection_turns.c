/* What connections wait for goes by turns: of one uid with many connections and another with one, each has every other turn,
 * whatever it is that they wait for. The order of service shows in the numbers that writes are given. */
#include <check.h>

#include "daemon/serve/stream_internal.h"
#include "tests/lib/connection_fixture.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/suite.h"

enum {
    CONNECTIONS_MAX = 12,
    MANY = 6,
    QUEUE_OPERATIONS_MAX = 2,
    SMALL_FRAME_BYTES = 256 << 10,
    UID_A = 70001,
    UID_B
};

static int many[MANY], other; /* peers: of uid A, of uid B */

static void setup(void)
{
    served.frame_bytes_max = SMALL_FRAME_BYTES;
    served.streams_max = 1;
    connections_open(CONNECTIONS_MAX);
}

static void setup_small_queue(void)
{
    served.queue_operations_max = QUEUE_OPERATIONS_MAX;
    setup();
}

/* A peer that is taken for one of that uid; each is a process of its own. */
static int peer_of(uint64_t uid, uint64_t pid)
{
    int peer = peer_greeted();
    struct turns_member *member = &connection_last()->session.member;
    turns_leave(served.service.turns, member);
    turns_join(served.service.turns, member, uid, pid);
    return peer;
}

static void open_peers(void)
{
    for (int i = 0; i < MANY; i++) {
        many[i] = peer_of(UID_A, (uint64_t)i);
    }
    other = peer_of(UID_B, 1);
}

static void close_peers(void)
{
    for (int i = 0; i < MANY; i++) {
        peer_close(many[i]);
    }
    peer_close(other);
}

static void send_set(int peer, uint64_t id)
{
    peer_send(peer, FRAME_WRITE_METADATA, id,
              metadata_new(operation_set(kept_format("%d %lu", peer, id), "x")));
}

/* The number that the next reply of that peer has, of a write that was done. */
static uint64_t next_number(int peer)
{
    struct service_reply reply = peer_receive(peer);
    ck_assert_msg(reply.status == STATUS_OK, "%s", reply.text);
    const Cairn__WriteReply *written =
        cairn__write_reply__unpack(kept_allocator(), reply.body.len, reply.body.data);
    ck_assert(written != NULL && written->sequence > 0);
    return written->sequence;
}

static uint64_t waiting(enum turns_list list)
{
    return turns_count(served.service.turns, list);
}

static uint64_t backlogs(void)
{
    uint64_t count = 0;
    for (struct connection *at = connections()->all; at != NULL; at = at->next) {
        count += at->backlog != NULL;
    }
    return count;
}

START_TEST(room_in_the_queue)
{
    open_peers();
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_LACKS_MEMORY, 100); /* no group leaves the queue */
    for (int i = 0; i < MANY; i++) {
        for (uint64_t id = 2; id < 5; id++) {
            send_set(many[i], id);
        }
    }
    CONNECTIONS_AWAIT(waiting(TURNS_ROOM) >= MANY - 1);
    uint64_t before = order_sequence(served.service.order);
    send_set(other, 2);
    CONNECTIONS_AWAIT(waiting(TURNS_ROOM) == MANY + 1);
    fake_disk_chance(served.disk, FAKE_WRITE, FAKE_LACKS_MEMORY, 0);
    uint64_t number = next_number(other);
    ck_assert_msg(number <= before + 2, "%lu others had their turn before", number - before - 1);
    for (int i = 0; i < MANY; i++) {
        for (uint64_t id = 2; id < 5; id++) {
            (void)next_number(many[i]); /* nobody is left out, and each in the order it sent */
        }
    }
    close_peers();
}
END_TEST

/* Sends a large commit but for its last byte. */
static uint8_t *send_large(int peer, size_t *ret_bytes)
{
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(1, 240 << 10);
    size_t body_bytes = protobuf_c_message_get_packed_size(&commit->base);
    const struct frame_request header = {.type = FRAME_COMMIT, .id = 2, .body_bytes = (uint32_t)body_bytes};
    uint8_t *frame = kept_alloc(FRAME_REQUEST_BYTES + body_bytes);
    frame_request_encode(&header, frame);
    protobuf_c_message_pack(&commit->base, frame + FRAME_REQUEST_BYTES);
    *ret_bytes = FRAME_REQUEST_BYTES + body_bytes;
    peer_write(peer, frame, 100 << 10); /* more is not read before it has memory */
    return frame;
}

START_TEST(memory_for_large_frames)
{
    size_t bytes;
    uint8_t *frame = NULL;
    open_peers();
    for (int i = 0; i < MANY; i++) { /* the memory is for one at a time */
        frame = send_large(many[i], &bytes);
        CONNECTIONS_AWAIT(waiting(TURNS_WRITE_MEMORY) == (uint64_t)i);
    }
    (void)send_large(other, &bytes);
    CONNECTIONS_AWAIT(waiting(TURNS_WRITE_MEMORY) == MANY);
    bool waits = false;
    ck_assert_uint_eq(connection_set_memory(connections(), &waits), connections()->granted);
    ck_assert(waits);
    uint64_t before = order_sequence(served.service.order);
    peer_write(many[0], frame + (100 << 10), bytes - (100 << 10));
    ck_assert_uint_eq(next_number(many[0]), before + 1);
    peer_write(many[1], frame + (100 << 10), bytes - (100 << 10));
    ck_assert_uint_eq(next_number(many[1]), before + 2);
    peer_write(other, frame + (100 << 10), bytes - (100 << 10));
    ck_assert_uint_eq(next_number(other), before + 3);
    for (int i = 2; i < MANY; i++) {
        peer_write(many[i], frame + (100 << 10), bytes - (100 << 10));
        (void)next_number(many[i]);
    }
    close_peers();
}
END_TEST

START_TEST(memory_for_requests_of_any_size)
{
    open_peers();
    struct budget_request filler = budget_request_of(false, 1000);
    budget_request_hold(served.service.budget, &filler, 8 << 20);
    ck_assert(budget_requests_are_full(served.service.budget));
    for (int i = 0; i < MANY; i++) {
        for (uint64_t id = 2; id < 5; id++) {
            send_set(many[i], id);
        }
        CONNECTIONS_AWAIT(backlogs() == (uint64_t)i + 1);
    }
    send_set(other, 2);
    CONNECTIONS_AWAIT(backlogs() == MANY + 1);
    uint64_t before = order_sequence(served.service.order);
    ck_assert_uint_eq(waiting(TURNS_REQUESTS), MANY + 1);
    bool waits = false;
    ck_assert_uint_eq(connection_set_memory(connections(), &waits), connections()->requests);
    ck_assert(waits);
    budget_request_end(served.service.budget, &filler);
    uint64_t number = next_number(other);
    ck_assert_msg(number <= before + 2, "%lu others had their turn before", number - before - 1);
    for (int i = 0; i < MANY; i++) {
        for (uint64_t id = 2; id < 5; id++) {
            (void)next_number(many[i]);
        }
    }
    CONNECTIONS_AWAIT(waiting(TURNS_REQUESTS) == 0);
    close_peers();
}
END_TEST

/* There is one place. Each stream takes several steps, of which an iteration sees one. */
START_TEST(places_for_streams)
{
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT;
    open_peers();
    struct connection *last = connection_last();
    send_set(many[0], 2);
    (void)next_number(many[0]);
    fake_disk_close_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    for (int i = 0; i < MANY; i++) {
        peer_send(many[i], FRAME_LIST_METADATA, 3, &list);
        CONNECTIONS_AWAIT(waiting(TURNS_STREAMS) == (uint64_t)i);
    }
    peer_send(other, FRAME_LIST_METADATA, 3, &list);
    CONNECTIONS_AWAIT(waiting(TURNS_STREAMS) == MANY);
    fake_disk_open_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    CONNECTIONS_AWAIT(last->session.streams == NULL || last->session.streams->state != STREAM_WAITING);
    ck_assert_uint_ge(waiting(TURNS_STREAMS),
                      MANY - 3); /* the first had its place, one its turn, and perhaps the next */
    for (int i = 0; i < MANY; i++) {
        while (peer_receive(many[i]).header.flags != 0) {
        }
    }
    close_peers();
}
END_TEST

START_TEST(the_last_connections_are_for_uids_that_have_none)
{
    enum { KEPT = CONNECTIONS_MAX / CONNECTIONS_KEPT_PART };
    int peers[CONNECTIONS_MAX];
    for (int i = 0; i < CONNECTIONS_MAX - KEPT; i++) {
        peers[i] = peer_greeted();
    }
    int refused = peer_new();
    ck_assert_int_eq(peer_receive(refused).status, STATUS_BUSY);
    peer_close(refused);
    CONNECTIONS_AWAIT(connection_count(connections()) == CONNECTIONS_MAX - KEPT);
    for (struct connection *at = connections()->all; at != NULL;
         at = at->next) { /* so this test's uid has none */
        turns_leave(served.service.turns, &at->session.member);
        turns_join(served.service.turns, &at->session.member, UID_A, 1);
    }
    int next = peer_greeted();
    refused = peer_new(); /* now it has one */
    ck_assert_int_eq(peer_receive(refused).status, STATUS_BUSY);
    peer_close(refused);
    peer_close(next);
    for (int i = 0; i < CONNECTIONS_MAX - KEPT; i++) {
        peer_close(peers[i]);
    }
}
END_TEST

int main(void)
{
    TCase *tests, *queue = tcase_create("queue");
    Suite *suite = suite_new("connection_turns", 30, &tests);
    tcase_add_checked_fixture(tests, setup, connections_close);
    tcase_add_test(tests, memory_for_large_frames);
    tcase_add_test(tests, memory_for_requests_of_any_size);
    tcase_add_test(tests, places_for_streams);
    tcase_add_test(tests, the_last_connections_are_for_uids_that_have_none);
    tcase_add_checked_fixture(queue, setup_small_queue, connections_close);
    tcase_set_timeout(queue, under_sanitizer() ? 360 : 120);
    tcase_add_test(queue, room_in_the_queue);
    suite_add_tcase(suite, queue);
    return suite_run(suite, false);
}
