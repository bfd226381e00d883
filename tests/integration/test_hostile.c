/* Hostile and careless clients (contract 7): whatever one connection sends, does not read or leaves behind, the daemon lives,
 * others are served, and what all share is there again when it is gone. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/limits.h"
#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { SOON_MS = 20000, ALL_PARTS = 15 };
static const char *const small_bounds = "--frame-bytes-max 1MiB --requests-bytes-max 2MiB";

/* Bytes on their way to the daemon, as far as it takes them. */
struct sending {
    uint8_t *bytes;
    size_t n, sent;
};

static void append(struct sending *sending, uint8_t type, uint64_t id, const void *message)
{
    size_t body = message == NULL ? 0 : protobuf_c_message_get_packed_size(message);
    struct frame_request request = {.type = type, .body_bytes = (uint32_t)body, .id = id};
    uint8_t *bytes = kept_alloc(sending->n + FRAME_REQUEST_BYTES + body);
    if (sending->n > 0) {
        memcpy(bytes, sending->bytes, sending->n);
    }
    frame_request_encode(&request, bytes + sending->n);
    if (message != NULL) {
        protobuf_c_message_pack(message, bytes + sending->n + FRAME_REQUEST_BYTES);
    }
    sending->bytes = bytes;
    sending->n += FRAME_REQUEST_BYTES + body;
}

/* Never reads, and waits at most that long. */
static bool send_on(struct wire *wire, struct sending *sending, int milliseconds)
{
    sending->sent +=
        wire_send_some(wire, sending->bytes + sending->sent, sending->n - sending->sent, milliseconds);
    return sending->sent == sending->n;
}

static Cairn__ReadBlock *read_of(uint64_t height)
{
    Cairn__ReadBlock *read = kept_alloc(sizeof *read);
    cairn__read_block__init(read);
    read->at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read->height = height;
    read->has_parts = true;
    read->parts = ALL_PARTS;
    return read;
}

static Cairn__ReadBlocks *stream_of(uint64_t first, uint64_t last)
{
    Cairn__ReadBlocks *read = kept_alloc(sizeof *read);
    cairn__read_blocks__init(read);
    read->has_first = read->has_last = read->has_parts = true;
    read->first = first;
    read->last = last;
    read->parts = ALL_PARTS;
    return read;
}

static Cairn__Commit *commit_of_bytes(uint64_t height, size_t n)
{
    Cairn__Commit *commit = commit_of_block(height, "large");
    commit->blocks[0]->data = bytes_random(height, n);
    return commit;
}

/* Hello, a commit, metadata, a height: each is answered, to one who does its part. Other reads may have to wait while
 * too many replies do. */
static void expect_others_served(struct rig *rig, uint64_t height)
{
    struct wire other = rig_open(rig);
    commit_ok(&other, commit_of_block(height, "of another"));
    set(&other, "of another", "x");
    ck_assert_uint_eq(get_height(&other), height);
    wire_close(&other);
}

static void expect_others_read(struct rig *rig, uint64_t height)
{
    struct wire other = rig_open(rig);
    ck_assert(metadata_is(&other, "of another", "x"));
    ck_assert(block_is(&other, height, "of another"));
    wire_close(&other);
}

static void expect_entry_above(struct rig *rig, const char *name, uint64_t bound)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    while (status_number(&rig->wire, name) < bound) {
        ck_assert_msg(clock_ms() < until, "%s does not come to %d", name, (int)bound);
        sleep_ms(5);
    }
}

static void expect_entry(struct rig *rig, const char *name, uint64_t number)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    while (status_number(&rig->wire, name) != number) {
        ck_assert_msg(clock_ms() < until, "%s does not become %d", name, (int)number);
        sleep_ms(20);
    }
}

static void close_all(struct rig *rig, struct wire *wires, int n)
{
    for (int i = 0; i < n; i++) {
        wire_close(&wires[i]);
    }
    expect_entry(rig, "connections", 1);
}

/* ---- requests ---- */

START_TEST(test_flood_of_pings_nobody_reads_loses_none_and_holds_nobody_up)
{
    enum { PINGS = 600000 }; /* their replies: over twice what one connection may leave unread */
    struct rig rig = rig_start("");
    struct wire flood = rig_open(&rig);
    struct sending pings = {kept_alloc(PINGS * FRAME_REQUEST_BYTES), PINGS * FRAME_REQUEST_BYTES, 0};
    for (uint32_t i = 0; i < PINGS; i++) {
        struct frame_request request = {.type = FRAME_PING, .id = 1000 + i};
        frame_request_encode(&request, pings.bytes + i * FRAME_REQUEST_BYTES);
    }
    ck_assert(!send_on(&flood, &pings, 1000)); /* the daemon stops taking them */
    expect_entry_above(&rig, "replies.bytes", REPLIES_BYTES_PER_CLIENT - (1 << 20));
    expect_others_served(&rig, 1);
    expect_others_read(&rig, 1);
    uint8_t *answered = kept_alloc(PINGS);
    memset(answered, 0, PINGS);
    uint64_t until = clock_ms() + (uint64_t)patience_ms(60000);
    for (size_t count = 0; count < PINGS;) {
        send_on(&flood, &pings, 0);
        wire_poll(&flood, 20);
        for (struct wire_frame *frame; (frame = wire_take(&flood)) != NULL; count++) {
            ck_assert_int_eq(frame->header.status, STATUS_OK);
            ck_assert(frame->header.id >= 1000 && frame->header.id < 1000 + PINGS);
            ck_assert_int_eq(answered[frame->header.id - 1000]++, 0);
        }
        ck_assert_msg(!flood.ended && clock_ms() < until, "%zu pings answered, then none", count);
    }
    wire_close(&flood);
    rig_end(&rig);
}
END_TEST

static Cairn__GetMetadataMany *get_of_absent(size_t count)
{
    static char letters[METADATA_NAME_BYTES_MAX];
    memset(letters, 'n', sizeof letters);
    Cairn__GetMetadataMany *get = kept_alloc(sizeof *get);
    cairn__get_metadata_many__init(get);
    get->n_names = count;
    get->names = kept_alloc(count * sizeof *get->names);
    for (size_t i = 0; i < count; i++) {
        get->names[i] = (ProtobufCBinaryData){sizeof letters, (uint8_t *)letters};
    }
    return get;
}

START_TEST(test_large_frames_of_many_at_once_wait_for_memory_and_all_are_answered)
{
    enum { SENDERS = 16 }; /* there is memory for one of their frames at a time */
    struct rig rig = rig_start(small_bounds);
    struct wire senders[SENDERS];
    struct sending frames[SENDERS];
    for (uint64_t i = 0; i < SENDERS; i++) {
        senders[i] = rig_open(&rig);
        frames[i] = (struct sending){0};
        if (i % 2 == 0) {
            append(&frames[i], FRAME_COMMIT, 1000, commit_of_bytes(i + 1, 900000));
        } else {
            append(&frames[i], FRAME_GET_METADATA_MANY, 1000, get_of_absent(880));
        }
    }
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    for (int unsent = SENDERS; unsent > 0;) {
        unsent = 0;
        for (int i = 0; i < SENDERS; i++) {
            unsent += !send_on(&senders[i], &frames[i], 0);
        }
        ck_assert_msg(clock_ms() < until, "%d frames are not taken", unsent);
        sleep_ms(1);
    }
    for (int i = 0; i < SENDERS; i++) {
        if (i % 2 == 0) {
            ck_assert_int_eq(written_reply(&senders[i], 1000).status, STATUS_OK);
        } else {
            struct wire_stream stream = wire_stream(&senders[i], 1000);
            ck_assert(stream.status == STATUS_OK && stream.messages == 880);
        }
    }
    close_all(&rig, senders, SENDERS);
    ck_assert_uint_eq(get_height(&rig.wire), SENDERS - 1);
    expect_others_served(&rig, 50);
    expect_others_read(&rig, 50);
    rig_end(&rig);
}
END_TEST

START_TEST(test_peer_that_shuts_its_receiving_side_and_sends_garbage_hurts_nobody)
{
    static const char garbage[] = "garbagegarbagegarbage";
    struct rig rig = rig_start("");
    for (int round = 0; round < 8; round++) {
        unsigned pause_ms = round % 4 < 2 ? 0 : 100;
        struct wire half = rig_open(&rig);
        struct sending ping = {0}, again = {0};
        append(&ping, FRAME_PING, 5, NULL);
        append(&again, FRAME_PING, 6, NULL);
        ck_assert_int_eq(shutdown(half.fd, SHUT_RD), 0);
        send_on(&half, &ping, 0);
        sleep_ms(pause_ms);
        send_on(&half, &again, 0);
        sleep_ms(round % 2 == 0 ? 0 : pause_ms);
        wire_send_some(&half, garbage, sizeof garbage - 1, 0);
        sleep_ms(pause_ms);
        expect_others_served(&rig, (uint64_t)round + 1);
        expect_others_read(&rig, (uint64_t)round + 1);
        wire_close(&half);
    }
    expect_entry(&rig, "connections", 1);
    rig_end(&rig);
}
END_TEST

START_TEST(test_announced_frames_give_their_memory_back_when_their_senders_die)
{
    struct rig rig = rig_start(small_bounds);
    struct frame_request request = {.type = FRAME_COMMIT, .body_bytes = 1 << 20, .id = 9};
    uint8_t start[FRAME_REQUEST_BYTES + 100] = {0};
    frame_request_encode(&request, start);
    for (int last_first = 0; last_first < 2; last_first++) {
        struct wire dying[3]; /* the first takes all there is, the others wait behind it */
        for (int i = 0; i < 3; i++) {
            dying[i] = rig_open(&rig);
            wire_send_bytes(&dying[i], start, sizeof start);
            sleep_ms(50);
        }
        expect_entry_above(&rig, "requests.bytes", 2 << 20);
        expect_others_served(&rig, 10 * (uint64_t)last_first + 1);
        expect_others_read(&rig, 10 * (uint64_t)last_first + 1);
        for (int i = 0; i < 3; i++) {
            wire_close(&dying[last_first ? 2 - i : i]);
        }
        commit_ok(&rig.wire, commit_of_bytes(10 * (uint64_t)last_first + 2, 900000));
        expect_entry(&rig, "connections", 1);
        ck_assert_uint_lt(status_number(&rig.wire, "requests.bytes"), 64 << 10);
    }
    rig_end(&rig);
}
END_TEST

/* ---- streams ---- */

/* Takes what has come of the one stream of a connection and gives credit for it; whether that was the end. */
static bool stream_on(struct wire *wire, uint64_t id, size_t *bytes)
{
    wire_poll(wire, 1);
    for (struct wire_frame *frame; (frame = wire_take(wire)) != NULL;) {
        ck_assert_uint_eq(frame->header.id, id);
        ck_assert_int_eq(frame->header.status, STATUS_OK);
        if ((frame->header.flags & (FRAME_MORE | FRAME_CONTINUED)) == 0) {
            return true;
        }
        *bytes += frame->header.body_bytes;
        wire_give_credit(wire, id, frame->header.body_bytes);
    }
    ck_assert(!wire->ended);
    return false;
}

START_TEST(test_streams_of_large_blocks_with_late_credit_all_end)
{
    enum { CLIENTS = 6, BLOCKS = 3, BLOCK_BYTES = 3 << 20 };
    struct rig rig = rig_start("--frame-bytes-max 4MiB --replies-bytes-max 8MiB");
    struct wire wires[CLIENTS];
    uint64_t ids[CLIENTS];
    size_t bytes[CLIENTS] = {0};
    bool ended[CLIENTS] = {false};
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        commit_ok(&rig.wire, commit_of_bytes(height, BLOCK_BYTES));
    }
    for (int i = 0; i < CLIENTS; i++) {
        wires[i] = rig_open(&rig);
        ids[i] = wire_send(&wires[i], FRAME_READ_BLOCKS, stream_of(1, BLOCKS));
    }
    sleep_ms(500); /* all windows are used up, and more is held than all replies may take */
    expect_others_served(&rig, BLOCKS + 1);
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    for (int open = CLIENTS; open > 0;) {
        for (int i = 0; i < CLIENTS; i++) {
            if (!ended[i] && stream_on(&wires[i], ids[i], &bytes[i])) {
                ck_assert_uint_gt(bytes[i], BLOCKS * BLOCK_BYTES);
                ended[i] = true;
                open--;
            }
        }
        ck_assert_msg(clock_ms() < until, "%d streams do not end", open);
    }
    close_all(&rig, wires, CLIENTS);
    ck_assert_uint_eq(status_number(&rig.wire, "streams.open"), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(test_thousands_of_streams_without_credit_are_bounded_and_end_with_their_client)
{
    enum { OF_ONE = 128, MORE = 4096, LARGE = 1000 };
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    struct wire greedy = rig_open(&rig);
    Cairn__ReadBlocks *stream = stream_of(1, 1);
    stream->has_window_bytes = true;
    for (int i = 0; i < OF_ONE; i++) {
        wire_send(&greedy, FRAME_READ_BLOCKS, stream);
    }
    uint64_t over = wire_send(&greedy, FRAME_READ_BLOCKS, stream);
    ck_assert_int_eq(wire_frame(&greedy, over)->header.status, STATUS_BUSY);
    ck_assert(!wire_poll(&greedy, 100) && wire_take(&greedy) == NULL); /* the others stand */
    for (int i = 0; i < MORE; i++) {
        wire_send(&greedy, FRAME_READ_BLOCKS, stream);
    }
    uint64_t heights[READ_ITEMS_MAX];
    for (int i = 0; i < READ_ITEMS_MAX; i++) {
        heights[i] = 1;
    }
    stream->has_first = stream->has_last = false;
    stream->n_heights = READ_ITEMS_MAX;
    stream->heights = heights;
    struct sending large = {0};
    append(&large, FRAME_READ_BLOCKS, 9999, stream);
    for (int i = 0; i < LARGE; i++) {
        large.sent = 0;
        if (!send_on(&greedy, &large, 100)) {
            break; /* it takes no more of them */
        }
    }
    expect_others_served(&rig, 2);
    expect_others_read(&rig, 2);
    wire_close(&greedy);
    expect_entry(&rig, "streams.open", 0);
    expect_entry(&rig, "connections", 1);
    size_t n;
    receive_blocks(&rig.wire, wire_send(&rig.wire, FRAME_READ_BLOCKS, stream_of(1, 2)), &n);
    ck_assert_uint_eq(n, 2);
    rig_end(&rig);
}
END_TEST

START_TEST(test_one_large_queued_value_asked_for_often_is_kept_once)
{
    enum { TIMES = 1000, VALUE_BYTES = 1 << 20, GROWTH_MAX = 64 << 20 };
    if (under_sanitizer()) {
        return;
    }
    struct rig rig = rig_start("--flush-delay 1h");
    ProtobufCBinaryData name = bytes_of("large");
    Cairn__WriteMetadata *write = metadata_new(operation_set_bytes(name, bytes_random(1, VALUE_BYTES)));
    ck_assert_int_eq(ask_metadata(&rig.wire, write).status, STATUS_OK);
    ProtobufCBinaryData names[TIMES];
    for (int i = 0; i < TIMES; i++) {
        names[i] = name;
    }
    Cairn__GetMetadataMany get = CAIRN__GET_METADATA_MANY__INIT;
    get.n_names = TIMES;
    get.names = names;
    get.has_window_bytes = true;
    for (uint64_t window = 0; window <= WINDOW_BYTES_MAX; window += WINDOW_BYTES_MAX) {
        struct wire asker = rig_open(&rig);
        uint64_t before = daemon_resident_bytes(&rig.daemon);
        get.window_bytes = window;
        uint64_t id = wire_send(&asker, FRAME_GET_METADATA_MANY, &get);
        for (int i = 0; i < 50; i++) {
            ck_assert_uint_lt(daemon_resident_bytes(&rig.daemon), before + GROWTH_MAX);
            sleep_ms(10);
        }
        ck_assert_uint_eq(status_number(&rig.wire, "queue.operations"), 1); /* it is queued all the time */
        wire_send_frame(&asker, FRAME_CANCEL, id, NULL, 0);
        struct wire_frame *frame = wire_frame(&asker, id);
        while ((frame->header.flags & (FRAME_MORE | FRAME_CONTINUED)) != 0) {
            frame = wire_frame(&asker, id);
        }
        ck_assert_int_eq(frame->header.status, STATUS_OK);
        wire_close(&asker);
    }
    rig_end(&rig);
}
END_TEST

/* ---- reads ---- */

static uint64_t larger(uint64_t left, uint64_t right)
{
    return left > right ? left : right;
}

/* Large reads only, or small ones, which are answered without the pool, beside them. */
START_TEST(test_unread_reads_stay_below_the_bound_and_commits_of_others_go_on)
{
    enum { DEAF = 8, READS = 60, BLOCK_BYTES = 2 << 20, SMALL_BYTES = 100000, BOUND = 16 << 20 };
    uint64_t most = 0;
    struct rig rig = rig_start("--frame-bytes-max 4MiB --replies-bytes-max 16MiB");
    commit_ok(&rig.wire, commit_of_bytes(1, BLOCK_BYTES));
    commit_ok(&rig.wire, commit_of_bytes(2, SMALL_BYTES));
    uint64_t before = daemon_resident_bytes(&rig.daemon);
    struct wire deaf[DEAF];
    for (uint64_t i = 0; i < DEAF; i++) {
        deaf[i] = rig_open(&rig);
        struct sending reads = {0};
        for (uint64_t at = 0; at < READS; at++) {
            append(&reads, FRAME_READ_BLOCK, 1000 + at, read_of(_i == 0 ? 1 : 1 + (i + at) % 2));
        }
        send_on(&deaf[i], &reads, 100);
        expect_others_served(&rig, 10 + i);
        for (int at = 0; at < 20; at++) {
            most = larger(most, status_number(&rig.wire, "replies.bytes"));
        }
    }
    expect_entry_above(&rig, "replies.bytes", BOUND / 2); /* it was tried */
    sleep_ms(300);
    expect_others_served(&rig, 100);
    most = larger(most, status_number(&rig.wire, "replies.bytes"));
    ck_assert(under_sanitizer() || daemon_resident_bytes(&rig.daemon) < before + (100 << 20));
    close_all(&rig, deaf, DEAF);
    ck_assert_uint_eq(get_block(&rig.wire, 1, ALL_PARTS)->data.len, BLOCK_BYTES);
    rig_end(&rig);
    ck_assert_uint_le(most, BOUND + 2 * SMALL_BYTES);
}
END_TEST

/* Milliseconds that the block takes, and 1. */
static uint64_t time_of_read_ms(struct rig *rig, size_t bytes)
{
    uint64_t before = clock_ms();
    ck_assert_uint_eq(get_block(&rig->wire, 1, ALL_PARTS)->data.len, bytes);
    return clock_ms() - before + 1;
}

/* Judged by what one read takes: all those of the dead would take a hundred times as long. The machine may stand still in one attempt. */
START_TEST(test_reads_of_a_dead_client_do_not_go_before_those_of_a_live_one)
{
    enum { READS = 800, BLOCK_BYTES = 16 << 20, FEW = READS / 8, ATTEMPTS = 10 };
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_bytes(1, BLOCK_BYTES));
    struct sending reads = {0};
    for (uint64_t i = 0; i < READS; i++) {
        append(&reads, FRAME_READ_BLOCK, 1000 + i, read_of(1));
    }
    bool is_before = false;
    for (int attempt = 0; attempt < ATTEMPTS && !is_before; attempt++) {
        struct wire dying = rig_open(&rig);
        uint64_t alone_ms = time_of_read_ms(&rig, BLOCK_BYTES);
        reads.sent = 0;
        ck_assert(send_on(&dying, &reads, SOON_MS));
        wire_close(&dying);
        is_before = time_of_read_ms(&rig, BLOCK_BYTES) < FEW * alone_ms;
        expect_entry(&rig, "connections", 1);
    }
    ck_assert(is_before);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("hostile", 60, &tests);
    tcase_add_test(tests, test_flood_of_pings_nobody_reads_loses_none_and_holds_nobody_up);
    tcase_add_test(tests, test_large_frames_of_many_at_once_wait_for_memory_and_all_are_answered);
    tcase_add_test(tests, test_peer_that_shuts_its_receiving_side_and_sends_garbage_hurts_nobody);
    tcase_add_test(tests, test_announced_frames_give_their_memory_back_when_their_senders_die);
    tcase_add_test(tests, test_streams_of_large_blocks_with_late_credit_all_end);
    tcase_add_test(tests, test_thousands_of_streams_without_credit_are_bounded_and_end_with_their_client);
    tcase_add_test(tests, test_one_large_queued_value_asked_for_often_is_kept_once);
    tcase_add_loop_test(tests, test_unread_reads_stay_below_the_bound_and_commits_of_others_go_on, 0, 2);
    tcase_add_test(tests, test_reads_of_a_dead_client_do_not_go_before_those_of_a_live_one);
    return suite_run(suite, false);
}
