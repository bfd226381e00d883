/* Back-pressure and limits (contract 7): a full queue, deadlines, connections, clients that don't read, streams that wait,
 * room for large frames. */
#include <check.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/trouble.h"

enum {
    QUEUE = 16,
    NO_ANSWER_MS = 300,
    SOON_MS = 20000,
    IDLE_MS = 400,
};
static const char *const small_queue = "--queue-operations-max 16 --flush-delay 1h";

/* Fills the queue through a connection; the writer must be frozen. */
static void fill_queue(struct wire *wire)
{
    for (int i = 0; i < QUEUE; i++) {
        set(wire, kept_format("fill %d", i), "x");
    }
}

static uint64_t send_set(struct wire *wire, const char *name, uint64_t deadline_us)
{
    Cairn__WriteMetadata *write = metadata_new(operation_set(name, "x"));
    write->has_deadline_us = deadline_us != 0;
    write->deadline_us = deadline_us;
    return wire_send(wire, FRAME_WRITE_METADATA, write);
}

START_TEST(test_queue_full_stops_reading_the_filling_connection_only)
{
    struct rig rig = rig_start(small_queue);
    struct wire other = rig_open(&rig);
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    fill_queue(&rig.wire);
    uint64_t waits = send_set(&rig.wire, "one more", 0);
    uint64_t behind = wire_send(&rig.wire, FRAME_PING, NULL);
    ck_assert_ptr_null(wire_try_frame(&rig.wire, waits, NO_ANSWER_MS));
    ck_assert_ptr_null(wire_try_frame(&rig.wire, behind, 50)); /* what stands behind it waits too */
    ck_assert(metadata_is(&other, "fill 3", "x"));
    ck_assert(metadata_is(&other, "one more", NULL));
    ck_assert_uint_eq(get_height(&other), 0);
    ck_assert_uint_eq(status_number(&other, "queue.operations"), QUEUE);
    trouble_thaw(&frozen);
    ck_assert_int_eq(written_reply(&rig.wire, waits).status, STATUS_OK);
    ck_assert_int_eq(reply_to(&rig.wire, behind).status, STATUS_OK);
    ck_assert(metadata_is(&other, "one more", "x"));
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

START_TEST(test_waiting_writes_keep_their_order_and_none_is_lost)
{
    struct rig rig = rig_start(small_queue);
    struct wire other = rig_open(&rig);
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    enum { WRITES = 200 };
    uint64_t ids[WRITES];
    for (int i = 0; i < WRITES; i++) {
        ids[i] = wire_send(&rig.wire, FRAME_WRITE_METADATA,
                           metadata_new(operation_set("last", kept_format("%d", i))));
    }
    sleep_ms(100);
    trouble_thaw(&frozen);
    uint64_t last = 0;
    for (int i = 0; i < WRITES; i++) {
        struct written written = written_reply(&rig.wire, ids[i]);
        ck_assert_int_eq(written.status, STATUS_OK);
        ck_assert_uint_gt(written.sequence, last);
        last = written.sequence;
    }
    ck_assert(metadata_is(&other, "last", kept_format("%d", WRITES - 1)));
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

START_TEST(test_busy_at_deadline_nothing_applied)
{
    struct rig rig = rig_start(small_queue);
    struct wire other = rig_open(&rig);
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    fill_queue(&rig.wire);
    uint64_t before = clock_ms();
    uint64_t waits = send_set(&other, "too late", 200000);
    struct written busy = written_reply(&other, waits);
    ck_assert_int_eq(busy.status, STATUS_BUSY);
    ck_assert_uint_ge(clock_ms() - before, 150);
    ck_assert_uint_eq(get_height(&other), 0); /* the connection goes on */
    trouble_thaw(&frozen);
    ask_barrier(&other, CAIRN__LEVEL__LEVEL_DURABLE);
    ck_assert(metadata_is(&other, "too late", NULL));
    ck_assert_int_eq(written_reply(&other, send_set(&other, "in time", 200000)).status, STATUS_OK);
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

START_TEST(test_once_queued_a_write_is_carried_out_whatever_its_deadline)
{
    struct rig rig = rig_start(small_queue);
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    Cairn__WriteMetadata *write = metadata_new(operation_set("queued", "x"));
    write->has_level = write->has_deadline_us = true;
    write->level = CAIRN__LEVEL__LEVEL_WRITTEN;
    write->deadline_us = 50000;
    uint64_t id = wire_send(&rig.wire, FRAME_WRITE_METADATA, write);
    ck_assert_ptr_null(wire_try_frame(&rig.wire, id, NO_ANSWER_MS));
    trouble_thaw(&frozen);
    ck_assert_int_eq(written_reply(&rig.wire, id).status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_full_queue_holds_up_no_commit_of_another_connection)
{
    struct rig rig = rig_start(small_queue);
    struct wire other = rig_open(&rig);
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    fill_queue(&rig.wire);
    uint64_t waits = send_set(&rig.wire, "one more", 0);
    uint64_t commit = wire_send(&other, FRAME_COMMIT, commit_of_block(1, "one"));
    /* in its lane, not answered before written */
    ck_assert_ptr_null(wire_try_frame(&other, commit, NO_ANSWER_MS));
    ck_assert(block_is(&other, 1, NULL));
    trouble_thaw(&frozen);
    struct written committed = written_reply(&other, commit);
    ck_assert_int_eq(committed.status, STATUS_OK);
    /* it joined its lane while the other still waited for room */
    ck_assert_uint_lt(committed.sequence, written_reply(&rig.wire, waits).sequence);
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

START_TEST(test_queue_is_bounded_in_bytes)
{
    struct rig rig = rig_start("--queue-bytes-max 64KiB --flush-delay 1h");
    Cairn__WriteMetadata *large = metadata_new(operation_set_bytes(bytes_of("a"), bytes_random(1, 65 << 10)));
    ck_assert_int_eq(ask_metadata(&rig.wire, large).status, STATUS_TOO_LARGE);
    ck_assert(metadata_is(&rig.wire, "a", NULL));
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    struct wire other = rig_open(&rig);
    enum { FIT_MIN = 4, FIT_MAX = 8 }; /* of them in the queue */
    uint64_t id = 0;
    for (int taken = 0; taken <= FIT_MAX; taken++) {
        Cairn__WriteMetadata *write =
            metadata_new(operation_set_bytes(bytes_of(kept_format("%d", taken)), bytes_random(2, 8000)));
        id = wire_send(&rig.wire, FRAME_WRITE_METADATA, write);
        if (taken < FIT_MIN) {
            ck_assert_int_eq(written_reply(&rig.wire, id).status, STATUS_OK);
        }
    }
    ck_assert_ptr_null(wire_try_frame(&rig.wire, id, NO_ANSWER_MS));
    ck_assert_uint_le(status_number(&other, "queue.bytes"), 64 << 10);
    trouble_thaw(&frozen);
    ck_assert_int_eq(written_reply(&rig.wire, id).status, STATUS_OK);
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

START_TEST(test_reads_and_accepted_acks_go_on_while_the_writer_hangs)
{
    struct rig rig = rig_start("--flush-delay 1ms");
    fill_blocks(&rig.wire, 1, 10);
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    for (int i = 0; i < 500; i++) {
        char *name = kept_format("%d", i);
        set(&rig.wire, name, "x");
        ck_assert(metadata_is(&rig.wire, name, "x"));
    }
    ck_assert(block_is(&rig.wire, 7, "header 7"));
    trouble_thaw(&frozen);
    rig_end(&rig);
}
END_TEST

START_TEST(test_connections_max_told_busy)
{
    struct rig rig = rig_start("--connections-max 3");
    struct wire second = rig_open(&rig), third = rig_open(&rig);
    for (int i = 0; i < 5; i++) {
        struct wire refused = wire_connect(rig.daemon.socket);
        ck_assert_int_eq(wire_any_frame(&refused)->header.status, STATUS_BUSY);
        ck_assert(wire_ends(&refused, SOON_MS));
        wire_close(&refused);
    }
    ck_assert_uint_eq(get_height(&second), 0);
    ck_assert_uint_eq(get_height(&third), 0);
    ck_assert_uint_eq(status_number(&rig.wire, "connections.refused"), 5);
    ck_assert_uint_eq(status_number(&rig.wire, "connections"), 3);
    wire_close(&second);
    bool again = false;
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    while (!again && clock_ms() < until) { /* room again as soon as the daemon has seen one go */
        struct wire next = wire_connect(rig.daemon.socket);
        again = wire_try_hello(&next);
        wire_close(&next);
        sleep_ms(10);
    }
    ck_assert(again);
    wire_close(&third);
    rig_end(&rig);
}
END_TEST

START_TEST(test_client_never_reads_others_unaffected)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(3, 1 << 20);
    commit_ok(&rig.wire, commit);
    struct wire deaf = rig_open(&rig);
    enum { READS = 100 };
    uint8_t body[32];
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = 1;
    read.has_parts = true;
    read.parts = 15;
    size_t n = cairn__read_block__pack(&read, body);
    for (uint64_t i = 0; i < READS; i++) {
        struct frame_request request = {FRAME_READ_BLOCK, (uint32_t)n, 1000 + i};
        uint8_t bytes[FRAME_REQUEST_BYTES + sizeof body];
        frame_request_encode(&request, bytes);
        memcpy(bytes + FRAME_REQUEST_BYTES, body, n);
        wire_send_some(&deaf, bytes, FRAME_REQUEST_BYTES + n, 20);
    }
    for (int i = 0; i < 50; i++) {
        ck_assert_uint_eq(get_height(&rig.wire), 1);
        set(&rig.wire, "a", "x");
    }
    commit_ok(&rig.wire, commit_of_block(2, "two"));
    ck_assert_uint_le(status_number(&rig.wire, "replies.bytes"), 10 << 20);
    for (uint64_t i = 0; i < READS; i++) { /* when it reads at last, nothing is lost */
        ck_assert_int_eq(reply_to(&deaf, 1000 + i).status, STATUS_OK);
    }
    wire_close(&deaf);
    rig_end(&rig);
}
END_TEST

START_TEST(test_replies_in_all_are_bounded_and_reads_go_on_when_deaf_clients_leave)
{
    struct rig rig = rig_start("--replies-bytes-max 64MiB");
    enum { DEAF = 30, READS = 8 };
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(3, 1 << 20);
    commit_ok(&rig.wire, commit);
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT;
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = 1;
    read.has_parts = true;
    read.parts = 15;
    struct wire deaf[DEAF];
    for (int i = 0; i < DEAF; i++) {
        deaf[i] = rig_open(&rig);
        for (int at = 0; at < READS; at++) {
            wire_send(&deaf[i], FRAME_READ_BLOCK, &read);
        }
    }
    sleep_ms(300);
    commit_ok(&rig.wire, commit_of_block(2, "two")); /* writes go on */
    uint64_t status = wire_send(&rig.wire, FRAME_STATUS, NULL);
    struct wire_frame *frame = wire_try_frame(&rig.wire, status, NO_ANSWER_MS);
    if (frame != NULL) { /* a read itself, it may wait with the others */
        Cairn__StatusReply *page =
            wire_unpack(&cairn__status_reply__descriptor, frame->body, frame->header.body_bytes);
        for (size_t i = 0; i < page->n_entries; i++) {
            if (bytes_are(page->entries[i]->name, "replies.bytes")) {
                ck_assert_uint_le(page->entries[i]->number, 66 << 20);
            }
        }
    }
    for (int i = 0; i < DEAF; i++) {
        wire_close(&deaf[i]);
    }
    ck_assert_uint_eq(get_height(&rig.wire), 2);
    ck_assert_ptr_nonnull(get_block(&rig.wire, 1, 15));
    rig_end(&rig);
}
END_TEST

static uint64_t send_stream(struct wire *wire, uint64_t window)
{
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_parts = read.has_window_bytes = true;
    read.first = 1;
    read.last = 100;
    read.parts = 15;
    read.window_bytes = window;
    return wire_send(wire, FRAME_READ_BLOCKS, &read);
}

START_TEST(test_streams_that_stand_without_credit_keep_no_place_from_others)
{
    enum { STANDING = 64 };
    struct rig rig = rig_start("--streams-max 2");
    fill_blocks(&rig.wire, 1, 100);
    struct wire other = rig_open(&rig);
    uint64_t standing[STANDING];
    for (int i = 0; i < STANDING; i++) {
        standing[i] = send_stream(&rig.wire, i % 2 == 0 ? 50 : 0);
    }
    for (int i = 0; i < STANDING; i += 2) {
        wire_frame(&rig.wire, standing[i]);
    }
    size_t n;
    receive_blocks(&other, send_stream(&other, 1 << 20), &n);
    ck_assert_uint_eq(n, 100);
    ck_assert_uint_eq(get_height(&rig.wire), 100);
    commit_ok(&rig.wire, commit_of_block(101, "more"));
    wire_send_frame(&rig.wire, FRAME_CANCEL, standing[0], NULL, 0);
    wire_close(&rig.wire); /* a connection's streams go with it */
    receive_blocks(&other, send_stream(&other, 1 << 20), &n);
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    while (status_number(&other, "streams.open") > 0) {
        ck_assert_uint_lt(clock_ms(), until);
    }
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

/* What streams of a peer that has gone have read ahead goes with them, also while their next steps wait for room. */
START_TEST(test_cancelled_streams_leave_room_for_other_reads)
{
    enum { STREAMS = 60, BLOCKS = 4 };
    struct rig rig = rig_start("--frame-bytes-max 1MiB --replies-bytes-max 8MiB");
    for (int i = 1; i <= BLOCKS; i++) {
        Cairn__Commit *commit = commit_of_block((uint64_t)i, "large");
        commit->blocks[0]->data = bytes_random((uint64_t)i, 300000);
        commit_ok(&rig.wire, commit);
    }
    struct wire greedy = rig_open(&rig);
    for (int i = 0; i < STREAMS; i++) {
        send_stream(&greedy, 1);
    }
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    while (status_number(&rig.wire, "streams.open") == 0) {
        ck_assert_uint_lt(clock_ms(), until);
    }
    sleep_ms(300); /* they have read what they may */
    wire_close(&greedy);
    size_t n;
    receive_blocks(&rig.wire, send_stream(&rig.wire, 1 << 20), &n);
    ck_assert_uint_eq(n, BLOCKS);
    until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    while (status_number(&rig.wire, "streams.open") > 0) {
        ck_assert_uint_lt(clock_ms(), until);
    }
    rig_end(&rig);
}
END_TEST

/* ---- no turn is lost: nothing but the daemon's own clock and writer may have to wake it ---- */

static void append(ProtobufCBinaryData *bytes, uint8_t type, uint64_t id, const void *message)
{
    size_t body = protobuf_c_message_get_packed_size(message);
    struct frame_request request = {.type = type, .body_bytes = (uint32_t)body, .id = id};
    uint8_t *all = kept_alloc(bytes->len + FRAME_REQUEST_BYTES + body);
    if (bytes->len > 0) {
        memcpy(all, bytes->data, bytes->len);
    }
    frame_request_encode(&request, all + bytes->len);
    protobuf_c_message_pack(message, all + bytes->len + FRAME_REQUEST_BYTES);
    *bytes = (ProtobufCBinaryData){bytes->len + FRAME_REQUEST_BYTES + body, all};
}

/* As many operations as the queue holds. */
static Cairn__WriteMetadata *batch_that_fills(int operations, const char *name)
{
    Cairn__WriteMetadata *write = metadata_new(operation_set(kept_format("%s 0", name), "x"));
    for (int i = 1; i < operations; i++) {
        metadata_add(write, operation_set(kept_format("%s %d", name, i), "x"));
    }
    return write;
}

static const int queues[] = {QUEUE, 8192};

START_TEST(test_barrier_behind_a_carry_and_a_write_that_waited_is_answered_at_once)
{
    int operations = queues[_i];
    struct rig rig =
        rig_start(kept_format("--queue-operations-max %d --flush-delay 1h --sync-interval 1h", operations));
    Cairn__Barrier barrier = CAIRN__BARRIER__INIT;
    barrier.has_level = true;
    barrier.level = CAIRN__LEVEL__LEVEL_WRITTEN;
    for (uint64_t round = 1; round <= 20; round++) {
        Cairn__Commit *commit = commit_new();
        commit->has_carry = commit->carry = true;
        commit_rise(commit, round);
        ProtobufCBinaryData bytes = {0, NULL};
        append(&bytes, FRAME_WRITE_METADATA, 1001, batch_that_fills(operations, "fill"));
        append(&bytes, FRAME_COMMIT, 1002, commit);
        append(&bytes, FRAME_WRITE_METADATA, 1003, metadata_new(operation_set("one more", "x")));
        append(&bytes, FRAME_BARRIER, 1004, &barrier);
        wire_send_bytes(&rig.wire, bytes.data, bytes.len);
        struct written waited = written_reply(&rig.wire, 1004);
        ck_assert_int_eq(waited.status, STATUS_OK);
        for (uint64_t id = 1001; id <= 1003; id++) {
            struct written written = written_reply(&rig.wire, id);
            ck_assert_int_eq(written.status, STATUS_OK);
            ck_assert_uint_le(written.sequence, waited.written_through);
        }
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_write_that_waited_is_answered_by_its_deadline_and_written_when_due)
{
    int operations = queues[_i];
    struct rig rig = rig_start(
        kept_format("--queue-operations-max %d --flush-delay 100ms --sync-interval 1h", operations));
    for (int round = 0; round < 5; round++) {
        Cairn__WriteMetadata *last = metadata_new(operation_set("last", "x"));
        last->has_deadline_us = true;
        last->deadline_us = 200000;
        ProtobufCBinaryData bytes = {0, NULL};
        append(&bytes, FRAME_WRITE_METADATA, 1001, batch_that_fills(operations, "first"));
        append(&bytes, FRAME_WRITE_METADATA, 1002, batch_that_fills(operations, "second"));
        append(&bytes, FRAME_WRITE_METADATA, 1003, last);
        wire_send_bytes(&rig.wire, bytes.data, bytes.len);
        struct written answer = written_reply(&rig.wire, 1003);
        ck_assert(answer.status == STATUS_OK || answer.status == STATUS_BUSY);
        ck_assert_int_eq(written_reply(&rig.wire, 1001).status, STATUS_OK);
        struct written second = written_reply(&rig.wire, 1002);
        ck_assert_int_eq(second.status, STATUS_OK);
        daemon_wait_idle(&rig.daemon, IDLE_MS); /* nobody asks for anything meanwhile */
        uint64_t due = answer.status == STATUS_OK ? answer.sequence : second.sequence;
        ck_assert_uint_ge(reply_to(&rig.wire, wire_send(&rig.wire, FRAME_PING, NULL)).written_through, due);
    }
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("backpressure", 60, &tests);
    tcase_add_test(tests, test_queue_full_stops_reading_the_filling_connection_only);
    tcase_add_test(tests, test_waiting_writes_keep_their_order_and_none_is_lost);
    tcase_add_test(tests, test_busy_at_deadline_nothing_applied);
    tcase_add_test(tests, test_once_queued_a_write_is_carried_out_whatever_its_deadline);
    tcase_add_test(tests, test_full_queue_holds_up_no_commit_of_another_connection);
    tcase_add_test(tests, test_queue_is_bounded_in_bytes);
    tcase_add_test(tests, test_reads_and_accepted_acks_go_on_while_the_writer_hangs);
    tcase_add_test(tests, test_connections_max_told_busy);
    tcase_add_test(tests, test_client_never_reads_others_unaffected);
    tcase_add_test(tests, test_replies_in_all_are_bounded_and_reads_go_on_when_deaf_clients_leave);
    tcase_add_test(tests, test_streams_that_stand_without_credit_keep_no_place_from_others);
    tcase_add_test(tests, test_cancelled_streams_leave_room_for_other_reads);
    tcase_add_loop_test(tests, test_barrier_behind_a_carry_and_a_write_that_waited_is_answered_at_once, 0, 2);
    tcase_add_loop_test(tests, test_write_that_waited_is_answered_by_its_deadline_and_written_when_due, 0, 2);
    return suite_run(suite, false);
}
