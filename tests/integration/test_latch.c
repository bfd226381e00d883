/* The first failed write or sync of the log (contract 9): from it on nothing is acknowledged, what was readable stays so, and
 * the process ends itself. */
#include <check.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/trouble.h"

enum { EXIT_LATCHED = 74, EXIT_MS = 20000 }; /* strace slows it down, and delays the failing call */

/* How the log fails: late, so that there is a time in which the outcome is open. */
static const char *const failures[] = {
    "fdatasync:error=EIO:delay_enter=400000",
    "write:error=EIO:delay_enter=400000",
};
enum { FAILURES = sizeof failures / sizeof *failures };

/* A write among those that fail, or behind them: told so, or nothing; and its number is never counted as written. */
static void expect_unacknowledged(struct wire *wire, uint64_t id, uint64_t written_before)
{
    struct wire_frame *frame = wire_try_frame(wire, id, EXIT_MS);
    if (frame != NULL) {
        ck_assert_int_eq(frame->header.status, STATUS_IO_ERROR);
    }
    ck_assert(frame != NULL || wire->ended);
    ck_assert_uint_le(wire->written_through, written_before);
    ck_assert_ptr_null(wire->fault);
}

static uint64_t send_barrier(struct wire *wire, Cairn__Level level)
{
    Cairn__Barrier barrier = CAIRN__BARRIER__INIT;
    barrier.has_level = true;
    barrier.level = level;
    return wire_send(wire, FRAME_BARRIER, &barrier);
}

static void expect_exit(struct rig *rig)
{
    ck_assert_int_eq(daemon_wait(&rig->daemon, EXIT_MS), EXIT_LATCHED);
}

START_TEST(test_failed_commit_never_counts_as_written_and_its_barrier_says_io_error)
{
    if (!trouble_has_strace()) {
        return;
    }
    struct rig rig = rig_start("");
    uint64_t last = commit_ok(&rig.wire, commit_of_block(1, "before")).sequence;
    struct wire behind = rig_open(&rig), reader = rig_open(&rig);
    struct injection injection = trouble_inject(&rig.daemon, failures[_i], trouble_log_file(&rig.daemon));
    Cairn__Commit *commit = commit_of_block(2, "unknown");
    commit->has_carry = commit->carry = true;
    uint64_t failing = wire_send(&rig.wire, FRAME_COMMIT, commit);
    uint64_t barrier = send_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_WRITTEN);
    sleep_ms(150);
    uint64_t later[] = {
        wire_send(&behind, FRAME_COMMIT, commit_of_block(3, "behind it")),
        wire_send(&behind, FRAME_PRUNE, prune_blocks(1)),
        send_barrier(&behind, CAIRN__LEVEL__LEVEL_WRITTEN),
        send_barrier(&behind, CAIRN__LEVEL__LEVEL_DURABLE),
    };
    bool never_visible = true;
    while (!reader.ended) {
        uint64_t id = wire_send(&reader, FRAME_HEIGHT, &(Cairn__Height)CAIRN__HEIGHT__INIT);
        struct wire_frame *frame = wire_try_frame(&reader, id, EXIT_MS);
        ck_assert(frame != NULL || reader.ended);
        if (frame != NULL && frame->header.status == STATUS_OK) {
            Cairn__HeightReply *reply =
                wire_unpack(&cairn__height_reply__descriptor, frame->body, frame->header.body_bytes);
            never_visible &= reply->height == 1;
        }
        ck_assert_uint_le(reader.written_through, last);
        sleep_ms(2);
    }
    ck_assert(never_visible);
    expect_unacknowledged(&rig.wire, failing, last);
    expect_unacknowledged(&rig.wire, barrier, last);
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        expect_unacknowledged(&behind, later[i], last);
    }
    expect_exit(&rig);
    trouble_end(&injection);
    wire_close(&behind);
    wire_close(&reader);
    rig_crash(&rig, ""); /* dead already */
    ck_assert(block_is(&rig.wire, 1, "before"));
    commit_ok(&rig.wire, commit_of_block(4, "after"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_accepted_name_that_was_read_stays_readable_to_the_end)
{
    if (!trouble_has_strace()) {
        return;
    }
    struct rig rig = rig_start("--flush-delay 1h"); /* no group goes to the log ahead of the commits */
    Cairn__Commit *first = commit_of_block(5, "before");
    first->blocks[0]->data = bytes_random(1, 200000);
    uint64_t last = commit_ok(&rig.wire, first).sequence;
    struct wire reader = rig_open(&rig), deaf = rig_open(&rig);
    struct injection injection = trouble_inject(&rig.daemon, failures[_i], trouble_log_file(&rig.daemon));
    Cairn__ReadBlock read = CAIRN__READ_BLOCK__INIT; /* replies that cannot go out hold up no end */
    read.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
    read.height = 5;
    read.has_parts = true;
    read.parts = 15;
    for (int i = 0; i < 5; i++) {
        wire_send(&deaf, FRAME_READ_BLOCK, &read);
    }
    set(&rig.wire, "accepted", "x");
    ck_assert(metadata_is(&reader, "accepted", "x"));
    Cairn__Commit *commits[] = {commit_new(), commit_new(), commit_new()};
    uint64_t ids[3];
    commits[1]->has_carry = commits[1]->carry = true;
    for (uint64_t i = 0; i < 3; i++) {
        commit_rise(commits[i], 7 + i);
        ids[i] = wire_send(&rig.wire, FRAME_COMMIT, commits[i]);
    }
    Cairn__GetMetadata get = CAIRN__GET_METADATA__INIT;
    get.has_name = true;
    get.name = bytes_of("accepted");
    while (!reader.ended) {
        struct wire_frame *frame =
            wire_try_frame(&reader, wire_send(&reader, FRAME_GET_METADATA, &get), EXIT_MS);
        ck_assert(frame != NULL || reader.ended);
        ck_assert(frame == NULL || frame->header.status == STATUS_OK ||
                  frame->header.status == STATUS_IO_ERROR);
        ck_assert_uint_le(reader.written_through, last);
        sleep_ms(2);
    }
    for (int i = 0; i < 3; i++) {
        expect_unacknowledged(&rig.wire, ids[i], last);
    }
    expect_exit(&rig);
    trouble_end(&injection);
    wire_close(&reader);
    wire_close(&deaf);
    rig_crash(&rig, "");
    ck_assert(block_is(&rig.wire, 5, "before"));
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("latch", 60, &tests);
    tcase_add_loop_test(tests, test_failed_commit_never_counts_as_written_and_its_barrier_says_io_error, 0,
                        FAILURES);
    tcase_add_loop_test(tests, test_accepted_name_that_was_read_stays_readable_to_the_end, 0, FAILURES);
    return suite_run(suite, false);
}
