/* Clients that end, stand or misbehave (contract 7 and 9): a connection that is cut behind any byte leaves exactly its whole requests,
 * and hundreds of clients that hold, leave or never take what they asked for cost nobody else an answer, nor memory beyond the
 * bounds. CAIRN_POINTS says how many cuts, CAIRN_CLIENTS how many clients of each kind; with CAIRN_LONG_FORM a thousand. */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { ALL_PARTS = 15, HEIGHTS_A_POINT = 10, SENT_BYTES_MAX = 256 << 10, LATE_MS = 60000 };

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* Frames, one behind the other. */
struct frames {
    uint8_t bytes[SENT_BYTES_MAX];
    size_t n;
};

static void append(struct frames *frames, uint8_t type, uint64_t id, const void *message)
{
    size_t body = message == NULL ? 0 : protobuf_c_message_get_packed_size(message);
    const struct frame_request request = {.type = type, .body_bytes = (uint32_t)body, .id = id};
    ck_assert_uint_le(frames->n + FRAME_REQUEST_BYTES + body, sizeof frames->bytes);
    frame_request_encode(&request, frames->bytes + frames->n);
    if (message != NULL) {
        protobuf_c_message_pack(message, frames->bytes + frames->n + FRAME_REQUEST_BYTES);
    }
    frames->n += FRAME_REQUEST_BYTES + body;
}

/* ---- a connection that is cut ---- */

enum { WRITES = 5, NAMES_MAX = 2 };

/* A write, and where its frame ends. */
struct write {
    size_t end;
    uint64_t height;              /* of its block; 0: none */
    const char *names[NAMES_MAX]; /* that it sets */
};

struct sequence {
    struct frames frames;
    struct write writes[WRITES];
};

static Cairn__Commit *written_commit(uint64_t height, size_t data_bytes)
{
    Cairn__Commit *commit = commit_of_block(height, kept_format("header %lu", height));
    commit->has_level = true;
    commit->level = CAIRN__LEVEL__LEVEL_WRITTEN;
    commit->blocks[0]->data = bytes_random(height, data_bytes);
    return commit;
}

static void add_write(struct sequence *sequence, size_t at, uint8_t type, const void *message,
                      struct write write)
{
    append(&sequence->frames, type, 10 + at, message);
    write.end = sequence->frames.n;
    sequence->writes[at] = write;
}

/* Writes of both lanes with reads between them; all that they touch is the point's own. */
static void make_sequence(uint64_t point, struct sequence *ret_sequence)
{
    uint64_t height = HEIGHTS_A_POINT * (point + 1);
    const char *names[] = {kept_format("%lu a", point), kept_format("%lu b", point),
                           kept_format("%lu c", point), kept_format("%lu d", point)};
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    Cairn__WriteMetadata *batch = metadata_new(operation_set(names[2], "x"));
    metadata_add(batch, operation_set(names[3], "x"));
    Cairn__Commit *both = written_commit(height + 1, 3000);
    commit_metadata(both, operation_set(names[1], "x"));
    ret_sequence->frames.n = 0;
    append(&ret_sequence->frames, FRAME_HELLO, 1, &hello);
    add_write(ret_sequence, 0, FRAME_COMMIT, written_commit(height, 10), (struct write){.height = height});
    append(&ret_sequence->frames, FRAME_STATUS, 2, NULL);
    add_write(ret_sequence, 1, FRAME_WRITE_METADATA, metadata_new(operation_set(names[0], "x")),
              (struct write){.names = {names[0]}});
    add_write(ret_sequence, 2, FRAME_COMMIT, both, (struct write){.height = height + 1, .names = {names[1]}});
    append(&ret_sequence->frames, FRAME_HEIGHT, 3, NULL);
    add_write(ret_sequence, 3, FRAME_WRITE_METADATA, batch, (struct write){.names = {names[2], names[3]}});
    add_write(ret_sequence, 4, FRAME_COMMIT, written_commit(height + 2, 100),
              (struct write){.height = height + 2});
}

/* How many of its writes are there as they should not be, or the other way round, if `sent` bytes of it were sent. */
static unsigned judge(struct wire *wire, const struct sequence *sequence, size_t sent)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < WRITES; i++) {
        const struct write *write = &sequence->writes[i];
        bool is_whole = write->end <= sent;
        if (write->height != 0) {
            bool is_there = block_is(wire, write->height, kept_format("header %lu", write->height));
            bool is_absent = block_is(wire, write->height, NULL);
            wrong += is_whole ? !is_there : !is_absent;
        }
        for (size_t k = 0; k < NAMES_MAX && write->names[k] != NULL; k++) {
            wrong += !metadata_is(wire, write->names[k], is_whole ? "x" : NULL);
        }
    }
    return wrong;
}

/* Sends so many bytes of it, ends the connection and comes again. */
static struct wire cut_and_return(const struct rig *rig, const struct sequence *sequence, size_t sent,
                                  bool is_shut)
{
    struct wire wire = wire_connect(rig->daemon.socket);
    ck_assert_uint_eq(wire_send_some(&wire, sequence->frames.bytes, sent, LATE_MS), sent);
    if (is_shut) {
        ck_assert_int_eq(shutdown(wire.fd, SHUT_RDWR), 0);
    }
    wire_close(&wire);
    return rig_open(rig);
}

START_TEST(a_connection_cut_behind_any_byte_leaves_its_whole_requests)
{
    struct random_source random = random_from(random_seed("clients"));
    struct sequence sequence;
    make_sequence(0, &sequence);
    uint64_t lengths = sequence.frames.n + 1;
    uint64_t points = number_of("CAIRN_POINTS", 1000);
    struct rig rig = rig_start("");
    for (uint64_t point = 0; point < points; point++) {
        make_sequence(point, &sequence);
        size_t sent = points >= lengths ? point % lengths : (size_t)random_below(&random, lengths);
        if (point < 3 * WRITES) { /* at the end of each write, and a byte before and behind it, at any rate */
            sent = sequence.writes[point / 3].end + point % 3 - 1;
        }
        sent = sent < sequence.frames.n ? sent : sequence.frames.n;
        struct wire wire = cut_and_return(&rig, &sequence, sent, random_chance(&random, 30));
        ck_assert_msg(judge(&wire, &sequence, sent) == 0, "%zu bytes of %zu", sent, sequence.frames.n);
        wire_close(&wire);
    }
    printf("clients: cut %lu times, of %lu lengths\n", points, lengths);
    tell_points(points);
    rig_end(&rig);
}
END_TEST

START_TEST(the_judge_finds_a_part_that_was_carried_out_and_a_whole_one_that_was_not)
{
    struct sequence sequence;
    make_sequence(0, &sequence);
    struct rig rig = rig_start("");
    size_t sent = sequence.writes[2].end;
    struct wire wire = cut_and_return(&rig, &sequence, sent, false);
    ck_assert_uint_eq(judge(&wire, &sequence, sent), 0);
    ck_assert_uint_eq(judge(&wire, &sequence, sent - 1), 2);               /* its block and its name */
    ck_assert_uint_eq(judge(&wire, &sequence, sequence.writes[3].end), 2); /* two names are not there */
    ck_assert_uint_eq(judge(&wire, &sequence, sequence.writes[3].end - 1),
                      0); /* a part makes no difference */
    wire_close(&wire);
    rig_end(&rig);
}
END_TEST

/* ---- many that misbehave ---- */

enum {
    BLOCKS = 50,
    BLOCK_BYTES = 100 << 10,
    SMALL_FRAME_BYTES = 1 << 20,
    CLIENTS = 100,
    /* and those that behave: below connections_max and the last 32, which a uid does not get */
    CLIENTS_LONG = 1000,
    MEBIBYTE = 1 << 20,
    BOUNDS_BYTES = (8 + 16 + 1 + 4) * MEBIBYTE, /* the sum of small_bounds */
    CONNECTION_BYTES = 6656,                    /* 6.5 KiB: tests/bench */
    /* what the engine's write buffers and malloc take beside that, for the few blocks that are written meanwhile */
    BESIDE_BYTES = 32 * MEBIBYTE,
};
static const char *const small_bounds =
    "--frame-bytes-max 1MiB --requests-bytes-max 8MiB --replies-bytes-max 16MiB --queue-bytes-max 1MiB "
    "--cache-bytes 4MiB --frame-timeout 3s --connections-max 1200";
static const char *const soon = "--stream-timeout 3s";

/* Also makes room for so many open files. */
static uint64_t clients_wanted(void)
{
    uint64_t clients = number_of("CAIRN_CLIENTS", getenv("CAIRN_LONG_FORM") != NULL ? CLIENTS_LONG : CLIENTS);
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_gt(limit.rlim_cur, clients + 100);
    return clients;
}

/* What the kernel takes of it at once. */
static void send_at_once(struct wire *wire, const struct frames *frames)
{
    ssize_t sent = send(wire->fd, frames->bytes, frames->n, MSG_DONTWAIT | MSG_NOSIGNAL);
    ck_assert(sent >= 0 || errno == EAGAIN);
}

static Cairn__ReadBlocks *scan(uint64_t window_bytes)
{
    Cairn__ReadBlocks *read = kept_alloc(sizeof *read);
    cairn__read_blocks__init(read);
    read->has_first = read->has_last = read->has_parts = read->has_window_bytes = true;
    read->first = 1;
    read->last = BLOCKS;
    read->parts = ALL_PARTS;
    read->window_bytes = window_bytes;
    return read;
}

static struct frames frames;

/* Announces a frame that does not come. */
static void leave_half(struct wire *wire, uint64_t i)
{
    const struct frame_request request = {.type = FRAME_COMMIT, .body_bytes = SMALL_FRAME_BYTES, .id = 9};
    frame_request_encode(&request, frames.bytes);
    memset(frames.bytes + FRAME_REQUEST_BYTES, 0, 1000 + i);
    frames.n = FRAME_REQUEST_BYTES + 1000 + i;
    send_at_once(wire, &frames);
}

/* Scans without credit, or with more than is ever taken. */
static void leave_streams(struct wire *wire, uint64_t i)
{
    frames.n = 0;
    for (uint64_t k = 0; k < 4; k++) {
        append(&frames, FRAME_READ_BLOCKS, 100 + k, scan(i % 2 == 0 ? k : 4 << 20));
    }
    send_at_once(wire, &frames);
}

/* Costly requests, whose replies nobody takes. */
static void leave_pipeline(struct wire *wire, uint64_t i)
{
    const uint8_t costly[] = {FRAME_STATUS, FRAME_CHAINS, FRAME_STATUS, FRAME_LIST_METADATA};
    frames.n = 0;
    for (uint64_t k = 0; k < 6000; k++) {
        append(&frames, costly[(i + k) % 4], 100 + k, NULL);
    }
    send_at_once(wire, &frames);
}

/* One who does his part gets all his answers meanwhile. */
static void expect_served(struct rig *rig, uint64_t height)
{
    struct wire other = rig_open(rig);
    commit_ok(&other, written_commit(height, 1000));
    set(&other, "of another", "x");
    ck_assert(metadata_is(&other, "of another", "x"));
    ck_assert(block_is(&other, height, kept_format("header %lu", height)));
    ck_assert_int_eq(ask(&other, FRAME_STATUS, NULL).status, STATUS_OK);
    wire_close(&other);
}

static void expect_entry_below(struct rig *rig, const char *name, uint64_t bound)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(LATE_MS);
    while (status_number(&rig->wire, name) >= bound) {
        ck_assert_msg(clock_ms() < until, "%s stays at %lu", name, status_number(&rig->wire, name));
        sleep_ms(20);
    }
}

struct kind {
    void (*leave)(struct wire *wire, uint64_t i);
    bool dies; /* at once */
};

static const struct kind kinds[] = {
    {leave_half, false}, {leave_streams, false}, {leave_pipeline, false},
    {leave_half, true},  {leave_streams, true},  {leave_pipeline, true},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void start_with_blocks(struct rig *ret_rig, const char *more)
{
    *ret_rig = rig_start(kept_format("%s %s", small_bounds, more));
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        commit_ok(&ret_rig->wire, written_commit(height, BLOCK_BYTES));
    }
}

START_TEST(many_clients_that_stand_or_die_cost_no_answer_and_no_memory_beyond_the_bounds)
{
    uint64_t clients = clients_wanted(), height = BLOCKS;
    struct rig rig;
    start_with_blocks(&rig, soon);
    struct wire *left = kept_alloc(clients * sizeof left[0]);
    uint64_t before = daemon_resident_bytes(&rig.daemon);
    for (uint64_t i = 0; i < clients; i++) {
        left[i] = rig_open(&rig);
        kinds[_i].leave(&left[i], i);
        if (kinds[_i].dies) {
            wire_close(&left[i]);
        }
        if (i % 10 == 0) {
            expect_served(&rig, ++height);
        }
    }
    uint64_t after = daemon_resident_bytes(&rig.daemon), grown = after > before ? after - before : 0;
    uint64_t bound = BOUNDS_BYTES + clients * CONNECTION_BYTES + BESIDE_BYTES;
    printf("clients: %" PRIu64 " of kind %d: %" PRIu64 " KiB more of memory, of %" PRIu64 "\n", clients, _i,
           grown >> 10, bound >> 10);
    tell_points(clients);
    ck_assert_msg(grown < bound, "it has grown by %" PRIu64 " MiB", grown >> 20);
    for (uint64_t i = 0; i < clients && !kinds[_i].dies; i++) {
        wire_close(&left[i]);
    }
    expect_entry_below(&rig, "connections", 2);
    expect_entry_below(&rig, "streams.open", 1);
    expect_entry_below(&rig, "requests.bytes", 64 << 10);
    expect_served(&rig, ++height);
    rig_end(&rig);
}
END_TEST

START_TEST(a_stop_ends_well_among_clients_that_stand)
{
    uint64_t clients = clients_wanted();
    struct rig rig;
    start_with_blocks(&rig, soon);
    for (uint64_t i = 0; i < clients; i++) {
        struct wire wire = rig_open(&rig); /* stays open, as this process does */
        kinds[i % 3].leave(&wire, i);
    }
    expect_served(&rig, BLOCKS + 1);
    rig_end(&rig);
}
END_TEST

/* ---- half-closed ---- */

START_TEST(a_client_that_ended_its_sending_side_gets_all_its_answers)
{
    enum { REQUESTS = 300 };
    struct rig rig;
    start_with_blocks(&rig, "--stream-timeout 1h"); /* the test may stand for a while */
    struct wire half = rig_open(&rig);
    frames.n = 0;
    for (uint64_t i = 0; i < REQUESTS; i += 3) {
        append(&frames, FRAME_COMMIT, 100 + i, written_commit(1000 + i, 100));
        append(&frames, FRAME_STATUS, 101 + i, NULL);
        append(&frames, FRAME_READ_BLOCKS, 102 + i, scan(i == 0 ? 4 << 20 : 0));
    }
    ck_assert_uint_eq(wire_send_some(&half, frames.bytes, frames.n, LATE_MS), frames.n);
    ck_assert_int_eq(shutdown(half.fd, SHUT_WR), 0);
    for (uint64_t i = 0; i < REQUESTS; i += 3) {
        ck_assert_int_eq(written_reply(&half, 100 + i).status, STATUS_OK);
        ck_assert_int_eq(reply_to(&half, 101 + i).status, STATUS_OK);
        struct wire_frame *frame;
        size_t messages = 0;
        while (((frame = wire_frame(&half, 102 + i))->header.flags & (FRAME_MORE | FRAME_CONTINUED)) != 0) {
            messages += (frame->header.flags & FRAME_CONTINUED) == 0;
        }
        ck_assert_int_eq(frame->header.status, STATUS_BUSY);
        ck_assert(i == 0 ? messages >= 30 : messages == 0); /* as far as 4 MiB of credit go */
    }
    ck_assert(wire_ends(&half, LATE_MS));
    wire_close(&half);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("clients", 300, &tests);
    tcase_add_test(tests, a_connection_cut_behind_any_byte_leaves_its_whole_requests);
    tcase_add_test(tests, the_judge_finds_a_part_that_was_carried_out_and_a_whole_one_that_was_not);
    tcase_add_loop_test(tests, many_clients_that_stand_or_die_cost_no_answer_and_no_memory_beyond_the_bounds,
                        0, KINDS);
    tcase_add_test(tests, a_stop_ends_well_among_clients_that_stand);
    tcase_add_test(tests, a_client_that_ended_its_sending_side_gets_all_its_answers);
    return suite_run(suite, true);
}
