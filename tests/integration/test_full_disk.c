/* A disk that fills up (contract 9): metadata is refused first, then commits, both as not applied; reads, barriers, deletes, prunes and
 * rollbacks go on; nothing that was acknowledged is lost; it heals without a restart. The daemon never aborts. Where somebody else
 * takes all at once, in the middle of a flush, it may end as after a failed write: then its next start serves.
 *
 * The disks are small ones of the test's own. CAIRN_FULL_DISK_CYCLES sets how often one is filled and healed. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/small_disk.h"
#include "tests/lib/suite.h"

enum {
    DISK_MIB = 96,
    BTRFS_MIB = 256, /* which takes some for itself */
    CYCLES = 10,
    CYCLES_SLOW = 2, /* under a sanitizer */
    EXIT_LATCHED = 74,
    HEALED_MS = 240000, /* a machine may be slow; the promise is a second */
    ANSWER_MS = 60000,
    BURST = 16,
    SAMPLES = 200,
    KINDS = 3,
    SAID_BYTES = 1500,
    REFUSED_MS = 400, /* several looks */
    TRIES_MAX = 20,
    SETTLED_MS = 3000, /* many looks */
};

struct full {
    struct rig rig;
    const char *disk;
    struct random_source random;
    uint64_t height; /* what was acknowledged: the blocks up to here, */
    uint64_t pruned; /* but these */
    unsigned ends;   /* of the daemon, as after a failed write */
};

/* The end of what it wrote to stderr: a message of a failed test is short. */
static const char *said(const struct full *full)
{
    const char *text = daemon_errors(&full->rig.daemon);
    size_t bytes = strlen(text);
    return bytes > SAID_BYTES ? text + bytes - SAID_BYTES : text;
}

static bool full_start(struct full *full, int kind)
{
    *full = (struct full){.rig.daemon = daemon_new(), .random = random_from(random_seed("full_disk"))};
    struct daemon *daemon = &full->rig.daemon;
    full->disk = directory_path(&daemon->home, "disk");
    if (!(kind == 0   ? small_disk_tmpfs(full->disk, DISK_MIB)
          : kind == 1 ? small_disk_ext4(full->disk, DISK_MIB)
                      : small_disk_btrfs(full->disk, BTRFS_MIB))) {
        daemon_close(daemon);
        return false;
    }
    snprintf(daemon->data, sizeof daemon->data, "%s/data", full->disk);
    daemon_start(daemon, "");
    full->rig.wire = wire_open(daemon->socket);
    return true;
}

static void full_end(struct full *full)
{
    wire_close(&full->rig.wire);
    int code = daemon_stop(&full->rig.daemon);
    ck_assert_msg(code == 0, "a clean stop ended with %d: %s", code, said(full));
    small_disk_unmount(full->disk);
    daemon_close(&full->rig.daemon);
}

/* ---- writes ---- */

/* The data of a block follows from its height. */
static ProtobufCBinaryData data_of(uint64_t height, size_t bytes)
{
    return bytes_random(height * 1000003 + bytes, bytes);
}

static size_t bytes_of_height(uint64_t height, size_t bytes_max)
{
    struct random_source random = random_from(height);
    return 1 + random_below(&random, bytes_max);
}

static uint64_t send_block(struct full *full, uint64_t height, size_t bytes_max)
{
    Cairn__Commit *commit = commit_of_block(height, "h");
    commit->blocks[0]->has_data = true;
    commit->blocks[0]->data = data_of(height, bytes_of_height(height, bytes_max));
    commit->blocks[0]->has_signature = true; /* tells how the data is found again */
    commit->blocks[0]->signature = bytes_of_number(bytes_max);
    commit->has_level = true;
    commit->level = CAIRN__LEVEL__LEVEL_WRITTEN; /* kill -9 keeps it, and many are faster */
    return wire_send(&full->rig.wire, FRAME_COMMIT, commit);
}

/* STATUS_COUNT: the daemon ended, or opens its store anew. */
static enum status answer(struct full *full, uint64_t id)
{
    struct wire_frame *frame = wire_try_frame(&full->rig.wire, id, ANSWER_MS);
    ck_assert_msg(frame != NULL || full->rig.wire.ended, "no answer: %s", said(full));
    ck_assert_ptr_null(full->rig.wire.fault);
    bool is_ending = frame == NULL || frame->header.status == STATUS_IO_ERROR ||
                     frame->header.status == STATUS_SHUTTING_DOWN;
    return is_ending ? STATUS_COUNT : (enum status)frame->header.status;
}

static enum status write_block(struct full *full, size_t bytes_max)
{
    enum status status = answer(full, send_block(full, full->height + 1, bytes_max));
    full->height += status == STATUS_OK;
    ck_assert_msg(status == STATUS_OK || status == STATUS_NO_SPACE || status == STATUS_COUNT, "status %d",
                  status);
    return status;
}

static enum status set_name(struct full *full, const char *name, ProtobufCBinaryData value,
                            uint64_t resend_of)
{
    Cairn__WriteMetadata *write = metadata_new(operation_set_bytes(bytes_of(name), value));
    write->has_level = true;
    write->level = CAIRN__LEVEL__LEVEL_WRITTEN;
    write->has_resend_of = resend_of != 0;
    write->resend_of = resend_of;
    return answer(full, wire_send(&full->rig.wire, FRAME_WRITE_METADATA, write));
}

static enum status delete_name(struct full *full, const char *name)
{
    Cairn__Commit *commit = commit_new();
    commit_metadata(commit, operation_delete(name));
    return answer(full, wire_send(&full->rig.wire, FRAME_COMMIT, commit));
}

/* ---- what has to hold ---- */

static void expect_block(struct full *full, uint64_t height)
{
    Cairn__BlockReply *reply = get_block(&full->rig.wire, height, 15);
    ck_assert_msg(reply != NULL, "block %lu of %lu is gone", height, full->height);
    uint64_t bytes_max = 0;
    ck_assert_uint_eq(reply->signature.len, 8);
    memcpy(&bytes_max, reply->signature.data, 8);
    ck_assert(bytes_same(reply->data, data_of(height, bytes_of_height(height, bytes_max))));
}

static void expect_acknowledged(struct full *full)
{
    for (unsigned i = 0; i < SAMPLES && full->height > full->pruned; i++) {
        expect_block(full, full->pruned + 1 + random_below(&full->random, full->height - full->pruned));
    }
    if (full->height > full->pruned) {
        expect_block(full, full->height);
    }
    ck_assert_uint_ge(get_height(&full->rig.wire), full->height);
}

/* A start that finds no room reads only, and opens its store anew once it has set aside what that takes: at a full disk after a few
 * looks, if it gave something back itself, or never. */
static void start_again(struct full *full)
{
    daemon_start(&full->rig.daemon, "");
    uint64_t until_ms = clock_ms() + SETTLED_MS, given_up_ms = clock_ms() + HEALED_MS;
    const char *health;
    while ((health = rig_health(&full->rig)) == NULL ||
           (strstr(health, "reading only") != NULL && clock_ms() < until_ms)) {
        ck_assert_msg(clock_ms() < given_up_ms, "nobody answers: %s", said(full));
        sleep_ms(10);
    }
}

static void kill_and_start(struct full *full)
{
    wire_close(&full->rig.wire);
    daemon_kill(&full->rig.daemon);
    start_again(full);
}

/* After an answer that says so: as after a failed write, and the next start serves. */
static void end_and_start(struct full *full)
{
    wire_close(&full->rig.wire);
    int code = daemon_wait(&full->rig.daemon, ANSWER_MS);
    ck_assert_msg(code == EXIT_LATCHED, "it ended with %d: %s", code, said(full));
    full->ends++;
    start_again(full);
}

static enum status barrier(struct full *full)
{
    return answer(full, wire_send(&full->rig.wire, FRAME_BARRIER, &(Cairn__Barrier)CAIRN__BARRIER__INIT));
}

/* Somebody else's file took what the reserve gave to flushes, or to a start: what does not fit into the rest is refused too. */
static bool reserve_was_eaten(struct full *full)
{
    struct wire *wire = &full->rig.wire;
    return strstr(status_string(wire, "health"), "reading only") != NULL ||
           status_number(wire, "space.reserve_bytes") < status_number(wire, "space.reserve_bytes_max");
}

/* What goes on though everything else is refused. STATUS_OK: it is so; STATUS_BUSY: a flush or a compaction gave something back, so
 * that a block was taken; STATUS_COUNT: the daemon ended. */
static enum status try_refusals(struct full *full, size_t bytes_max)
{
    static const enum status expected[] = {STATUS_NO_SPACE, STATUS_NO_SPACE, STATUS_OK, STATUS_OK};
    enum status statuses[] = {write_block(full, bytes_max), set_name(full, "name", bytes_of("value"), 0),
                              delete_name(full, "absent"), barrier(full)};
    enum status result = STATUS_OK;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        bool is_taken = expected[i] == STATUS_NO_SPACE && statuses[i] == STATUS_OK;
        bool is_beyond = expected[i] == STATUS_OK && statuses[i] == STATUS_NO_SPACE &&
                         (statuses[3] == STATUS_COUNT || reserve_was_eaten(full));
        ck_assert_msg(is_taken || is_beyond || statuses[i] == expected[i] || statuses[i] == STATUS_COUNT,
                      "answer %zu: %d, not %d: %s", i, statuses[i], expected[i], said(full));
        result = statuses[i] == STATUS_COUNT ? STATUS_COUNT : is_taken ? STATUS_BUSY : result;
    }
    return result;
}

/* Writes until the daemon has seen that nothing is left: it refuses, look after look. */
static void write_until_refused(struct full *full, size_t bytes_max)
{
    uint64_t refused_ms = 0; /* since then; 0: it is not */
    while (refused_ms == 0 || clock_ms() < refused_ms + REFUSED_MS ||
           strcmp(status_string(&full->rig.wire, "health"), "ok") == 0) {
        enum status status = write_block(full, bytes_max);
        if (status == STATUS_COUNT) {
            end_and_start(full);
        }
        refused_ms = status == STATUS_OK ? 0 : refused_ms == 0 ? clock_ms() : refused_ms;
        sleep_ms(status == STATUS_NO_SPACE ? 20 : 0);
    }
}

/* A flush that somebody else's file met half way ends the daemon; the next start goes on. */
static void expect_refusals_only(struct full *full, size_t bytes_max)
{
    enum status result = STATUS_BUSY;
    for (int tries = 0; tries < TRIES_MAX && result != STATUS_OK; tries++) {
        write_until_refused(full, bytes_max);
        result = try_refusals(full, bytes_max);
        if (result == STATUS_COUNT) {
            end_and_start(full);
        }
    }
    ck_assert_int_eq(result, STATUS_OK);
    expect_acknowledged(full);
}

/* Space is there again: everything is taken, soon. */
static void expect_healed(struct full *full)
{
    uint64_t until_ms = clock_ms() + HEALED_MS;
    enum status commit, metadata;
    do {
        commit = rig_reconnect(&full->rig) ? write_block(full, 1000) : STATUS_COUNT;
        metadata = rig_reconnect(&full->rig) ? set_name(full, "name", bytes_of("value"), 0) : STATUS_COUNT;
        ck_assert_msg(clock_ms() < until_ms, "not healed: commit %d, metadata %d: %s", commit, metadata,
                      said(full));
        sleep_ms(5);
    } while (commit != STATUS_OK || metadata != STATUS_OK);
    ck_assert_ptr_null(strstr(status_string(&full->rig.wire, "health"), "no space"));
}

/* Until the reserve is whole, so that the next time begins as the first. */
static void await_reserve(struct full *full)
{
    struct wire *wire = &full->rig.wire;
    uint64_t until_ms = clock_ms() + HEALED_MS;
    while (status_number(wire, "space.reserve_bytes") < status_number(wire, "space.reserve_bytes_max")) {
        ck_assert_uint_lt(clock_ms(), until_ms);
        sleep_ms(10);
    }
}

/* Somebody else may just have taken what a compaction had from the reserve: that comes back. */
static void prune_to(struct full *full, uint64_t height)
{
    enum status status;
    uint64_t until_ms = clock_ms() + HEALED_MS;
    while ((status = ask_prune(&full->rig.wire, prune_blocks(height)).status) != STATUS_OK) {
        ck_assert_msg(status == STATUS_NO_SPACE && clock_ms() < until_ms, "%d: %s", status, said(full));
    }
    full->pruned = height;
}

/* ---- tests ---- */

START_TEST(blocks_that_fill_the_disk_are_refused_and_a_prune_makes_room)
{
    struct full full;
    if (!full_start(&full, _i)) {
        return;
    }
    await_reserve(&full);
    write_until_refused(&full, 20 << 10);
    ck_assert_uint_eq(full.ends, 0);                                               /* nobody else writes */
    ck_assert_int_eq(set_name(&full, "re-sent", bytes_of("value"), 1), STATUS_OK); /* it was taken before */
    small_disk_fill(full.disk, 0);
    expect_refusals_only(&full, 20 << 10);
    prune_to(&full, full.height - 100);
    expect_acknowledged(&full);
    kill_and_start(&full);
    expect_acknowledged(&full);
    expect_healed(&full); /* by what the prune gives back */
    small_disk_heal(full.disk);
    full_end(&full);
}
END_TEST

START_TEST(a_burst_of_large_commits_never_runs_into_the_end)
{
    struct full full;
    if (!full_start(&full, 0)) {
        return;
    }
    for (unsigned refused = 0; refused < 3 * BURST;) {
        uint64_t ids[BURST], first = full.height + 1;
        bool is_row = true; /* all so far were taken */
        for (unsigned i = 0; i < BURST; i++) {
            ids[i] = send_block(&full, first + i, 1 << 20);
        }
        for (unsigned i = 0; i < BURST; i++) {
            enum status status = answer(&full, ids[i]);
            ck_assert_msg(status == STATUS_OK || status == STATUS_NO_SPACE, "status %d: %s", status,
                          said(&full));
            is_row &= status == STATUS_OK;
            full.height += is_row;
            refused += status == STATUS_NO_SPACE;
        }
    }
    expect_acknowledged(&full);
    kill_and_start(&full);
    expect_acknowledged(&full);
    full_end(&full);
}
END_TEST

START_TEST(metadata_that_fills_the_disk_is_refused_before_commits_are)
{
    struct full full;
    if (!full_start(&full, 0)) {
        return;
    }
    uint64_t names = 0;
    enum status status = STATUS_OK;
    while (status == STATUS_OK ||
           strcmp(status_string(&full.rig.wire, "health"), "no space for metadata") != 0) {
        status = set_name(&full, kept_format("name %lu", names), data_of(names, 30000), 0);
        ck_assert(status == STATUS_OK || status == STATUS_NO_SPACE);
        names += status == STATUS_OK;
    }
    ck_assert_uint_gt(names, 100);
    ck_assert_int_eq(write_block(&full, 1000), STATUS_OK);
    kill_and_start(&full);
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t name = random_below(&full.random, names);
        Cairn__MetadataReply *reply = get_metadata(&full.rig.wire, kept_format("name %lu", name));
        ck_assert_ptr_nonnull(reply);
        ck_assert(bytes_same(reply->value, data_of(name, 30000)));
    }
    expect_acknowledged(&full);
    full_end(&full);
}
END_TEST

START_TEST(somebody_else_fills_the_disk_again_and_again)
{
    struct full full;
    if (!full_start(&full, _i)) {
        return;
    }
    const char *text = getenv("CAIRN_FULL_DISK_CYCLES");
    unsigned cycles = text != NULL        ? (unsigned)strtoul(text, NULL, 10)
                      : under_sanitizer() ? CYCLES_SLOW
                                          : CYCLES;
    for (unsigned cycle = 0; cycle < cycles; cycle++) {
        await_reserve(&full);
        for (uint64_t blocks = random_below(&full.random, 60); blocks > 0; blocks--) {
            ck_assert_int_ne(write_block(&full, 200 << 10), STATUS_COUNT);
        }
        small_disk_fill(full.disk, 0);
        expect_refusals_only(&full, 200 << 10);
        for (uint64_t kills = random_below(&full.random, 3); kills > 0; kills--) {
            kill_and_start(&full); /* which may give back what was half done */
            expect_refusals_only(&full, 200 << 10);
        }
        small_disk_heal(full.disk);
        expect_healed(&full);
        expect_acknowledged(&full);
        if (full.height - full.pruned > 100) {
            prune_to(&full, full.height - 20);
        }
    }
    printf("%u cycles, %u ends as after a failed write\n", cycles, full.ends);
    full_end(&full);
}
END_TEST

START_TEST(a_rollback_at_a_full_disk_is_carried_out)
{
    struct full full;
    if (!full_start(&full, 0)) {
        return;
    }
    await_reserve(&full);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(write_block(&full, 20 << 10), STATUS_OK);
    }
    small_disk_fill(full.disk, 0);
    expect_refusals_only(&full, 20 << 10);
    ck_assert_int_eq(ask_rollback(&full.rig.wire, rollback_to(40)).status, STATUS_OK);
    full.height = 40;
    ck_assert_uint_eq(get_height(&full.rig.wire), 40);
    expect_refusals_only(&full, 20 << 10);
    kill_and_start(&full);
    expect_refusals_only(&full, 20 << 10);
    small_disk_heal(full.disk);
    expect_healed(&full);
    full_end(&full);
}
END_TEST

/* Reads go on and all else is refused, what only deletes too. */
static void expect_reading_only(struct full *full)
{
    struct wire *wire = &full->rig.wire;
    ck_assert_int_eq(write_block(full, 20 << 10), STATUS_NO_SPACE);
    ck_assert_int_eq(set_name(full, "name", bytes_of("value"), 0), STATUS_NO_SPACE);
    ck_assert_int_eq(set_name(full, "re-sent", bytes_of("value"), 1), STATUS_NO_SPACE);
    ck_assert_int_eq(delete_name(full, "absent"), STATUS_NO_SPACE);
    ck_assert_int_eq(ask_prune(wire, prune_blocks(10)).status, STATUS_NO_SPACE);
    ck_assert_int_eq(ask_rollback(wire, rollback_to(full->height - 1)).status, STATUS_NO_SPACE);
    ck_assert_int_eq(barrier(full), STATUS_OK); /* the start has synced what it found */
    ck_assert_str_eq(status_string(wire, "health"), "no space: the store is open for reading only");
    expect_acknowledged(full);
}

/* Once with a socket that systemd passed, which goes on with the process. */
START_TEST(a_start_that_finds_no_space_reads_and_writes_again_once_there_is_some)
{
    struct full full;
    if (!full_start(&full, _i % KINDS)) {
        return;
    }
    struct daemon *daemon = &full.rig.daemon;
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(write_block(&full, 20 << 10), STATUS_OK);
    }
    wire_close(&full.rig.wire);
    daemon_kill(daemon);
    ck_assert_int_eq(unlink(kept_format("%s/cairn.reserve", daemon->data)), 0);
    small_disk_fill(full.disk, 0);
    if (_i >= KINDS) {
        (void)unlink(daemon->socket);
        daemon->adopt_fd = daemon_listen_at(daemon->socket);
    }
    start_again(&full);
    expect_reading_only(&full);
    kill_and_start(&full);
    expect_reading_only(&full);
    small_disk_heal(full.disk);
    expect_healed(&full);
    ck_assert_int_eq(daemon_wait(daemon, 0), -1); /* the same process */
    ck_assert(daemon_says(daemon, "space_reopened"));
    expect_acknowledged(&full);
    kill_and_start(&full);
    expect_acknowledged(&full);
    full_end(&full);
}
END_TEST

static void tell_one(void)
{
    tell_points(1);
}

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("full_disk", 600, &tests);
    tcase_add_checked_fixture(tests, NULL, tell_one);
    tcase_add_loop_test(tests, blocks_that_fill_the_disk_are_refused_and_a_prune_makes_room, 0, KINDS);
    tcase_add_test(tests, a_burst_of_large_commits_never_runs_into_the_end);
    tcase_add_test(tests, metadata_that_fills_the_disk_is_refused_before_commits_are);
    tcase_add_loop_test(tests, somebody_else_fills_the_disk_again_and_again, 0, KINDS);
    tcase_add_test(tests, a_rollback_at_a_full_disk_is_carried_out);
    tcase_add_loop_test(tests, a_start_that_finds_no_space_reads_and_writes_again_once_there_is_some, 0,
                        KINDS + 1);
    return suite_run(suite, false);
}
