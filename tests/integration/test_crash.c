/* Failures (contract 9): kill -9, the first error of the log, clients that die; and re-sending after a crash (3). */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/trouble.h"

enum { EXIT_LATCHED = 74, SOON_MS = 20000 };

START_TEST(test_kill_minus_9_keeps_written)
{
    struct rig rig = rig_start("--flush-delay 1h --sync-interval 10s");
    commit_ok(&rig.wire, commit_of_block(1, "durable"));
    Cairn__Commit *commit = commit_of_block(2, "written");
    commit->has_level = true;
    commit->level = CAIRN__LEVEL__LEVEL_WRITTEN;
    commit_ok(&rig.wire, commit);
    Cairn__WriteMetadata *write = metadata_new(operation_set("written", "x"));
    write->has_level = true;
    write->level = CAIRN__LEVEL__LEVEL_WRITTEN;
    ck_assert_int_eq(ask_metadata(&rig.wire, write).status, STATUS_OK);
    rig_crash(&rig, "");
    ck_assert(block_is(&rig.wire, 1, "durable") && block_is(&rig.wire, 2, "written"));
    ck_assert(metadata_is(&rig.wire, "written", "x"));
    ck_assert_uint_eq(get_height(&rig.wire), 2);
    rig_end(&rig);
}
END_TEST

/* Whether a killed daemon with a large log says hello again within a second, or, where the machine is slow, sooner than the log was
 * written. */
static bool is_soon_up_again(void)
{
    enum { BLOCKS = 20000, OF_A_COMMIT = 2000 };
    struct rig rig = rig_start("");
    uint64_t began = clock_ms();
    for (uint64_t height = 0; height < BLOCKS; height += OF_A_COMMIT) {
        fill_blocks(&rig.wire, height + 1, height + OF_A_COMMIT);
    }
    wire_close(&rig.wire);
    daemon_kill(&rig.daemon);
    uint64_t before = clock_ms(), written_ms = before - began;
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    uint64_t took_ms = clock_ms() - before;
    ck_assert_uint_eq(get_height(&rig.wire), BLOCKS);
    rig_end(&rig);
    return took_ms < 1000 || took_ms < written_ms;
}

START_TEST(test_kill_minus_9_is_up_again_within_a_second)
{
    enum { ATTEMPTS = 10 }; /* the machine may have a lot else to do at one of them */
    bool is_soon = false;
    for (int i = 0; i < ATTEMPTS && !is_soon; i++) {
        is_soon = is_soon_up_again();
    }
    ck_assert(is_soon);
}
END_TEST

/* The first start reads the log into one write buffer of its size; the next has the logs of two. */
START_TEST(test_log_of_several_write_buffers_is_read_start_after_start)
{
    enum { BLOCKS = 40, BYTES = 4 << 20 };
    struct rig rig = rig_start("");
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        Cairn__Commit *commit = commit_of_block(height, "large");
        commit->blocks[0]->data = bytes_random(height, BYTES);
        commit_ok(&rig.wire, commit);
    }
    rig_crash(&rig, "");
    commit_ok(&rig.wire, commit_of_block(BLOCKS + 1, "between"));
    rig_crash(&rig, "");
    commit_ok(&rig.wire, commit_of_block(BLOCKS + 2, "behind"));
    ck_assert_uint_eq(get_height(&rig.wire), BLOCKS + 2);
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        const ProtobufCBinaryData expected = bytes_random(height, BYTES);
        const Cairn__BlockReply *block = get_block(&rig.wire, height, 15);
        ck_assert_uint_eq(block->data.len, BYTES);
        ck_assert_mem_eq(block->data.data, expected.data, BYTES);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_kill_minus_9_under_load_leaves_nothing_half_applied)
{
    uint64_t seed = random_seed("crash");
    struct random_source source = random_from(seed);
    struct rig rig = rig_start("--flush-delay 1ms");
    uint64_t height = 0;
    for (int round = 0; round < 20; round++) {
        uint64_t ids[100];
        for (uint64_t i = 0; i < 100; i++) {
            uint64_t at = height + 1 + i;
            Cairn__Commit *commit = commit_of_block(at, kept_format("%d", (int)at));
            commit_state(commit, at, kept_format("%d", (int)at));
            commit_metadata(commit, operation_raise("mark", at));
            ids[i] = wire_send(&rig.wire, FRAME_COMMIT, commit);
        }
        uint64_t answered = random_below(&source, 60);
        for (uint64_t i = 0; i < answered; i++) {
            ck_assert_int_eq(written_reply(&rig.wire, ids[i]).status, STATUS_OK);
        }
        rig_crash(&rig, "--flush-delay 1ms");
        uint64_t now = get_height(&rig.wire);
        ck_assert_uint_ge(now, height + answered);
        ck_assert(now == 0 || block_is(&rig.wire, now, kept_format("%d", (int)now)));
        ck_assert(now == 0 || bytes_are(get_tip_state(&rig.wire)->value, kept_format("%d", (int)now)));
        ck_assert(now == 0 || metadata_holds_number(&rig.wire, "mark", now));
        ck_assert(block_is(&rig.wire, now + 1, NULL));
        ck_assert_ptr_null(get_state(&rig.wire, now + 1));
        height = now;
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_accepted_metadata_sent_again_after_a_crash_is_there)
{
    struct rig rig = rig_start("--flush-delay 1h");
    struct written written[20];
    for (int i = 0; i < 20; i++) {
        written[i] = set(&rig.wire, kept_format("%d", i), "x");
        if (i == 9) {
            ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_WRITTEN);
        }
    }
    wire_close(&rig.wire);
    daemon_kill(&rig.daemon);
    daemon_start(&rig.daemon, "");
    rig.wire = wire_connect(rig.daemon.socket);
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    Cairn__HelloReply *reply = ask_hello(&rig.wire, &hello);
    ck_assert_uint_eq(reply->metadata_on_disk, written[9].sequence);
    for (int i = 0; i < 20; i++) {
        ck_assert(metadata_is(&rig.wire, kept_format("%d", i), i <= 9 ? "x" : NULL));
        if (written[i].sequence > reply->metadata_on_disk) {
            Cairn__WriteMetadata *again = metadata_new(operation_set(kept_format("%d", i), "x"));
            again->has_resend_of = true;
            again->resend_of = written[i].sequence;
            struct written taken = ask_metadata(&rig.wire, again);
            ck_assert_int_eq(taken.status, STATUS_OK);
            ck_assert_uint_gt(taken.sequence, written[19].sequence);
            ck_assert(metadata_is(&rig.wire, kept_format("%d", i), "x"));
        }
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_metadata_on_disk_counts_what_a_commit_carried)
{
    struct rig rig = rig_start("--flush-delay 1h");
    set(&rig.wire, "a", "x");
    struct written carried = set(&rig.wire, "b", "x");
    Cairn__Commit *commit = commit_of_block(1, "one");
    commit->has_carry = commit->carry = true;
    commit_ok(&rig.wire, commit);
    struct written lost = set(&rig.wire, "c", "x");
    Cairn__Commit *plain = commit_of_block(2, "two");
    commit_metadata(plain, operation_set("own", "x")); /* its own metadata says nothing of c */
    commit_ok(&rig.wire, plain);
    wire_close(&rig.wire);
    daemon_kill(&rig.daemon);
    daemon_start(&rig.daemon, "");
    rig.wire = wire_connect(rig.daemon.socket);
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    uint64_t on_disk = ask_hello(&rig.wire, &hello)->metadata_on_disk;
    ck_assert_uint_ge(on_disk, carried.sequence);
    ck_assert_uint_lt(on_disk, lost.sequence);
    ck_assert(metadata_is(&rig.wire, "own", "x") && metadata_is(&rig.wire, "c", NULL));
    rig_end(&rig);
}
END_TEST

START_TEST(test_hello_with_resume_run_tells_the_end_of_that_run)
{
    struct rig rig = rig_start("--flush-delay 1h");
    struct wire first = wire_connect(rig.daemon.socket);
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    uint64_t run = ask_hello(&first, &hello)->run;
    struct written kept = set(&first, "a", "x");
    ask_barrier(&first, CAIRN__LEVEL__LEVEL_WRITTEN);
    set(&first, "b", "x");
    wire_close(&first);
    rig_crash(&rig, "--flush-delay 1h");
    set(&rig.wire, "c", "of a later run");
    ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_WRITTEN);
    rig_crash(&rig, "");
    struct wire late = wire_connect(rig.daemon.socket);
    hello.has_resume_run = true;
    hello.resume_run = run;
    uint64_t on_disk = ask_hello(&late, &hello)->metadata_on_disk;
    ck_assert(on_disk == kept.sequence || on_disk == 0);
    wire_close(&late);
    rig_end(&rig);
}
END_TEST

/* The daemon's log fails; what is in flight is told unknown or not at all, and it ends itself. */
static void expect_latched(struct rig *rig, uint64_t id)
{
    struct wire_frame *frame = wire_try_frame(&rig->wire, id, SOON_MS);
    if (frame != NULL) {
        ck_assert_int_eq(frame->header.status, STATUS_IO_ERROR);
    }
    ck_assert_int_eq(daemon_wait(&rig->daemon, SOON_MS), EXIT_LATCHED);
    wire_close(&rig->wire);
}

START_TEST(test_failed_fdatasync_latches_and_exits_nonzero)
{
    if (!trouble_has_strace()) {
        return;
    }
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(1, "before"));
    struct injection injection = trouble_inject(&rig.daemon, "fdatasync:error=EIO:when=1", NULL);
    uint64_t id = wire_send(&rig.wire, FRAME_COMMIT, commit_of_block(2, "unknown"));
    struct wire other = wire_try_connect(rig.daemon.socket);
    expect_latched(&rig, id);
    wire_close(&other);
    trouble_end(&injection);
    char *calls = file_read(injection.log); /* a failed sync is never tried again */
    char *first = strstr(calls, "fdatasync(");
    ck_assert_ptr_nonnull(first);
    char *call = kept_copy(first, strcspn(first, ")") +
                                      1); /* with its descriptor: the failure itself is noted elsewhere */
    ck_assert_ptr_null(strstr(first + 1, call));
    ck_assert(daemon_says(&rig.daemon, "error"));
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert(block_is(&rig.wire, 1, "before"));
    commit_ok(&rig.wire, commit_of_block(3, "after"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_failed_log_write_latches_and_exits_nonzero)
{
    if (!trouble_has_strace()) {
        return;
    }
    for (int metadata = 0; metadata < 2; metadata++) {
        struct rig rig = rig_start("--flush-delay 1ms");
        commit_ok(&rig.wire, commit_of_block(1, "before"));
        char *path = trouble_log_file(&rig.daemon);
        struct injection injection = trouble_inject(&rig.daemon, "write:error=EIO:when=1+", path);
        uint64_t id;
        if (metadata) { /* it was told to be accepted: the barrier tells what became of it */
            id = wire_send(&rig.wire, FRAME_WRITE_METADATA, metadata_new(operation_set("a", "x")));
            ck_assert_int_eq(written_reply(&rig.wire, id).status, STATUS_OK);
            Cairn__Barrier barrier = CAIRN__BARRIER__INIT;
            id = wire_send(&rig.wire, FRAME_BARRIER, &barrier);
        } else {
            id = wire_send(&rig.wire, FRAME_COMMIT, commit_of_block(2, "unknown"));
        }
        expect_latched(&rig, id);
        trouble_end(&injection);
        daemon_start(&rig.daemon, "");
        rig.wire = rig_open(&rig);
        ck_assert(block_is(&rig.wire, 1, "before"));
        commit_ok(&rig.wire, commit_of_block(3, "after"));
        rig_end(&rig);
    }
}
END_TEST

START_TEST(test_no_acknowledgement_after_the_first_failed_sync)
{
    if (!trouble_has_strace()) {
        return;
    }
    struct rig rig = rig_start("");
    struct injection injection = trouble_inject(&rig.daemon, "fdatasync:error=EIO:when=2", NULL);
    enum { COMMITS = 200 };
    uint64_t ids[COMMITS], acknowledged = 0;
    for (uint64_t i = 0; i < COMMITS; i++) {
        ids[i] = wire_send(&rig.wire, FRAME_COMMIT, commit_of_block(i + 1, "block"));
        while (i == 20 && rig.wire.waiting == NULL && !rig.wire.ended) { /* one sync is done */
            wire_poll(&rig.wire, 100);
        }
    }
    bool failed = false;
    for (uint64_t i = 0; i < COMMITS; i++) {
        struct wire_frame *frame = wire_try_frame(&rig.wire, ids[i], SOON_MS);
        if (frame == NULL) {
            failed = true;
            continue;
        }
        ck_assert(frame->header.status == STATUS_OK || frame->header.status == STATUS_IO_ERROR);
        failed |= frame->header.status == STATUS_IO_ERROR;
        ck_assert(!failed || frame->header.status != STATUS_OK);
        acknowledged += frame->header.status == STATUS_OK;
    }
    ck_assert(failed);
    ck_assert_int_eq(daemon_wait(&rig.daemon, SOON_MS), EXIT_LATCHED);
    trouble_end(&injection);
    wire_close(&rig.wire);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert_uint_ge(get_height(&rig.wire), acknowledged);
    rig_end(&rig);
}
END_TEST

START_TEST(test_full_disk_at_the_log_is_a_log_error_never_an_abort)
{
    if (!trouble_has_strace()) {
        return;
    }
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(1, "before"));
    struct injection injection =
        trouble_inject(&rig.daemon, "write:error=ENOSPC:when=1+", trouble_log_file(&rig.daemon));
    uint64_t id = wire_send(&rig.wire, FRAME_COMMIT, commit_of_block(2, "unknown"));
    expect_latched(&rig, id);
    trouble_end(&injection);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert(block_is(&rig.wire, 1, "before"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_client_that_dies_after_a_whole_frame_has_it_carried_out)
{
    struct rig rig = rig_start("--flush-delay 1h");
    for (int i = 0; i < 20; i++) {
        struct wire dying = rig_open(&rig);
        wire_send(&dying, FRAME_WRITE_METADATA, metadata_new(operation_set(kept_format("%d", i), "x")));
        wire_send(&dying, FRAME_COMMIT, commit_of_block((uint64_t)i + 1, "block"));
        wire_close(&dying);
    }
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    while (get_height(&rig.wire) < 20) {
        ck_assert_uint_lt(clock_ms(), until);
    }
    for (int i = 0; i < 20; i++) {
        ck_assert(metadata_is(&rig.wire, kept_format("%d", i), "x"));
    }
    while (status_number(&rig.wire, "connections") > 1) {
        ck_assert_uint_lt(clock_ms(), until);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_dead_clients_leave_no_memory_behind)
{
    struct rig rig = rig_start("");
    struct frame_request request = {.type = FRAME_COMMIT, .body_bytes = 8 << 20, .id = 5};
    uint8_t header[FRAME_REQUEST_BYTES];
    frame_request_encode(&request, header);
    ProtobufCBinaryData part = bytes_random(1, 4 << 20);
    for (int i = 0; i < 100; i++) { /* far more than all requests in flight may take */
        struct wire dying = rig_open(&rig);
        wire_send_bytes(&dying, header, sizeof header);
        wire_send_some(&dying, part.data, part.len, 1000);
        wire_close(&dying);
    }
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    while (status_number(&rig.wire, "requests.bytes") > 1 << 20) {
        ck_assert_uint_lt(clock_ms(), until);
    }
    commit_ok(&rig.wire, commit_of_block(1, "fine"));
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("crash", 90, &tests);
    tcase_add_test(tests, test_kill_minus_9_keeps_written);
    tcase_add_test(tests, test_kill_minus_9_is_up_again_within_a_second);
    tcase_add_test(tests, test_log_of_several_write_buffers_is_read_start_after_start);
    tcase_add_test(tests, test_kill_minus_9_under_load_leaves_nothing_half_applied);
    tcase_add_test(tests, test_accepted_metadata_sent_again_after_a_crash_is_there);
    tcase_add_test(tests, test_metadata_on_disk_counts_what_a_commit_carried);
    tcase_add_test(tests, test_hello_with_resume_run_tells_the_end_of_that_run);
    tcase_add_test(tests, test_failed_fdatasync_latches_and_exits_nonzero);
    tcase_add_test(tests, test_failed_log_write_latches_and_exits_nonzero);
    tcase_add_test(tests, test_no_acknowledgement_after_the_first_failed_sync);
    tcase_add_test(tests, test_full_disk_at_the_log_is_a_log_error_never_an_abort);
    tcase_add_test(tests, test_client_that_dies_after_a_whole_frame_has_it_carried_out);
    tcase_add_test(tests, test_dead_clients_leave_no_memory_behind);
    return suite_run(suite, false);
}
