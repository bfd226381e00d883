/* Failing allocations, one or all from one on, anywhere from a daemon's start through every kind of request to its stop (F: memory).
 * A size that a peer chose is refused, anything else ends the process like a kill -9: so whatever was acknowledged as durable is there
 * after the next start, and what was refused is not. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/limits.h"
#include "tests/lib/kept.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum {
    POINTS = 24, /* CAIRN_MEMORY_POINTS: allocations that fail, half of them for good */
    COMMITS = 6,
    WAIT_MS = 60000,
    ANSWER_MS = 20000,
};

enum change {
    CHANGE_NONE, /* not asked for, or refused */
    CHANGE_DURABLE,
    CHANGE_UNKNOWN,
};

/* What the run under the fault was told. */
struct told {
    bool is_durable[COMMITS + 1];
    bool is_refused[COMMITS + 1];
    bool name_is_durable;
    bool blocks_ended, list_ended; /* the streams */
    enum change pruned;            /* block 1 */
    enum change rolled_back;       /* the last block */
};

static uint64_t *counts; /* shared with the library */
static char variables[3][256];

static struct daemon daemon_new_counted(bool lasts)
{
    const char *libraries = getenv("CAIRN_FAULT");
    ck_assert_msg(libraries != NULL, "CAIRN_FAULT names no directory");
    struct daemon daemon = daemon_new();
    const char *path = directory_path(&daemon.home, "counts");
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert(file >= 0 && ftruncate(file, 16) == 0);
    counts = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ck_assert_ptr_ne(counts, MAP_FAILED);
    close(file);
    snprintf(variables[0], sizeof variables[0], "LD_PRELOAD=%s/preload_memory.so", libraries);
    snprintf(variables[1], sizeof variables[1], "CAIRN_MEMORY=%s", path);
    snprintf(variables[2], sizeof variables[2], "CAIRN_MEMORY_LASTS=1");
    daemon.environment[0] = variables[0];
    daemon.environment[1] = variables[1];
    daemon.environment[2] = lasts ? variables[2] : NULL;
    return daemon;
}

/* The status of the answer; -1: none came, and the outcome is not known. */
static int try_ask(struct wire *wire, uint8_t type, const void *message)
{
    if (wire->fd < 0 || wire->ended) {
        return -1;
    }
    uint64_t id = wire_send(wire, type, message);
    const struct wire_frame *frame = wire_try_frame(wire, id, ANSWER_MS);
    return frame == NULL ? -1 : frame->header.status;
}

/* A stream to its end, with credit given back as it is used. False: its end did not come. */
static bool try_stream(struct wire *wire, uint8_t type, const void *message)
{
    if (wire->fd < 0 || wire->ended) {
        return false;
    }
    uint64_t id = wire_send(wire, type, message);
    const struct wire_frame *frame;
    while ((frame = wire_try_frame(wire, id, ANSWER_MS)) != NULL &&
           (frame->header.flags & (FRAME_MORE | FRAME_CONTINUED)) != 0) {
        wire_give_credit(wire, id, frame->header.body_bytes);
    }
    return frame != NULL;
}

/* What reads many at once, and dry. */
static void ask_streams(struct wire *wire, struct told *told)
{
    Cairn__ReadBlocks blocks = CAIRN__READ_BLOCKS__INIT;
    blocks.has_first = blocks.has_last = blocks.has_parts = blocks.has_window_bytes = true;
    blocks.first = 1;
    blocks.last = COMMITS;
    blocks.parts = CAIRN__PART__PART_HEADER | CAIRN__PART__PART_DATA;
    blocks.window_bytes = WINDOW_BYTES_MAX;
    told->blocks_ended = try_stream(wire, FRAME_READ_BLOCKS, &blocks);
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT;
    list.has_window_bytes = true;
    list.window_bytes = WINDOW_BYTES_MAX;
    told->list_ended = try_stream(wire, FRAME_LIST_METADATA, &list);
    Cairn__Rollback *dry = rollback_to(1);
    dry->has_dry_run = dry->dry_run = true;
    (void)try_ask(wire, FRAME_ROLLBACK, dry);
    Cairn__Chains chains = CAIRN__CHAINS__INIT;
    (void)try_ask(wire, FRAME_CHAINS, &chains);
}

/* What became of it. */
static enum change try_change(struct wire *wire, uint8_t type, const void *message)
{
    bool is_asked = wire->fd >= 0 && !wire->ended;
    int status = try_ask(wire, type, message);
    if (status == STATUS_OK) {
        return CHANGE_DURABLE;
    }
    bool is_refused = status > 0 && status_applied((enum status)status) == STATUS_NOT_APPLIED;
    return !is_asked || is_refused ? CHANGE_NONE : CHANGE_UNKNOWN;
}

/* Every kind of request, as far as the daemon goes along. */
static void ask_all(const struct daemon *daemon, struct told *told)
{
    struct wire wire = wire_try_connect(daemon->socket);
    if (wire.fd < 0 || !wire_try_hello(&wire)) {
        return;
    }
    for (uint64_t height = 1; height <= COMMITS; height++) {
        Cairn__Commit *commit = commit_of_block(height, kept_format("block %d", (int)height));
        commit->blocks[0]->data = bytes_random(height, height % 2 == 0 ? 200 : 3 << 20);
        int status = try_ask(&wire, FRAME_COMMIT, commit);
        told->is_durable[height] = status == STATUS_OK;
        told->is_refused[height] = status > 0 && status_applied((enum status)status) == STATUS_NOT_APPLIED;
        Cairn__Height read = CAIRN__HEIGHT__INIT;
        (void)try_ask(&wire, FRAME_HEIGHT, &read);
    }
    Cairn__WriteMetadata *write = metadata_new(operation_set("name", "value"));
    write->has_level = true;
    write->level = CAIRN__LEVEL__LEVEL_DURABLE;
    told->name_is_durable = try_ask(&wire, FRAME_WRITE_METADATA, write) == STATUS_OK;
    Cairn__ReadBlock block = CAIRN__READ_BLOCK__INIT;
    block.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    block.height = 1;
    block.has_parts = true;
    block.parts = CAIRN__PART__PART_HEADER | CAIRN__PART__PART_DATA;
    (void)try_ask(&wire, FRAME_READ_BLOCK, &block);
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    get.has_name = true;
    get.name = bytes_of("name");
    (void)try_ask(&wire, FRAME_GET_METADATA, &get);
    Cairn__Status status = CAIRN__STATUS__INIT;
    (void)try_ask(&wire, FRAME_STATUS, &status);
    Cairn__Barrier barrier = CAIRN__BARRIER__INIT;
    (void)try_ask(&wire, FRAME_BARRIER, &barrier);
    ask_streams(&wire, told);
    told->pruned = try_change(&wire, FRAME_PRUNE, prune_blocks(1));
    told->rolled_back = try_change(&wire, FRAME_ROLLBACK, rollback_to(COMMITS - 1));
    wire_close(&wire);
}

/* Starts it, asks all, and stops it, with the fault in force from the start; it may end at any time, or not begin to serve. */
static void run(struct daemon *daemon, struct told *told)
{
    if (daemon_try_start(daemon, "")) {
        ask_all(daemon, told);
    }
    if (daemon->pid != 0) {
        daemon_signal(daemon, SIGTERM);
        (void)daemon_wait(daemon, WAIT_MS);
    }
    if (daemon->pid != 0) {
        daemon_kill(daemon);
    }
}

/* Without the fault all that was acknowledged is there, and nothing that was refused. */
static void check_rest(struct daemon *daemon, const struct told *told)
{
    daemon->environment[0] = NULL;
    daemon_start(daemon, "");
    struct wire wire = wire_open(daemon->socket);
    for (uint64_t height = 1; height <= COMMITS; height++) {
        const char *header = kept_format("block %d", (int)height);
        enum change dropped = height == 1         ? told->pruned
                              : height == COMMITS ? told->rolled_back
                                                  : CHANGE_NONE;
        bool is_left = told->is_durable[height] && dropped == CHANGE_NONE;
        ck_assert(!is_left || block_is(&wire, height, header));
        ck_assert(dropped != CHANGE_DURABLE || block_is(&wire, height, NULL));
        ck_assert(!told->is_refused[height] || block_is(&wire, height, NULL));
    }
    ck_assert(!told->name_is_durable || metadata_is(&wire, "name", "value"));
    wire_close(&wire);
    ck_assert_int_eq(daemon_stop(daemon), 0);
}

/* How many allocations a whole run makes, of which none fails; and how many its start. */
static uint64_t count_all(void)
{
    struct told told = {0};
    struct daemon daemon = daemon_new_counted(false);
    run(&daemon, &told);
    uint64_t all = counts[0];
    for (int height = 1; height <= COMMITS; height++) {
        ck_assert(told.is_durable[height]);
    }
    ck_assert(told.blocks_ended && told.list_ended);
    ck_assert_int_eq(told.pruned, CHANGE_DURABLE);
    ck_assert_int_eq(told.rolled_back, CHANGE_DURABLE);
    check_rest(&daemon, &told);
    daemon_close(&daemon);
    return all;
}

START_TEST(whatever_allocation_fails_nothing_that_was_acknowledged_is_lost)
{
    const char *points = getenv("CAIRN_MEMORY_POINTS");
    struct random_source source = random_from(random_seed("memory"));
    uint64_t all = count_all();
    ck_assert_uint_gt(all, 1000);
    int count = points != NULL ? atoi(points) : POINTS;
    for (int i = 0; i < count; i++) {
        struct told told = {0};
        struct daemon daemon = daemon_new_counted(i % 2 == 1);
        counts[1] = 1 + random_below(&source, all);
        run(&daemon, &told);
        daemon.made = false; /* the start may not have come to make the store */
        check_rest(&daemon, &told);
        daemon_close(&daemon);
        kept_clear();
    }
    tell_points((uint64_t)count);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("memory", 900, &tests);
    tcase_add_test(tests, whatever_allocation_fails_nothing_that_was_acknowledged_is_lost);
    return suite_run(suite, true);
}
