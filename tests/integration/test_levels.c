/* Acknowledgement levels (contract 3): what a reply says, barriers, the two numbers of every reply, group commit. */
#include <check.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/trouble.h"

enum { SOON_MS = 20000 };

static const Cairn__Level ACCEPTED = CAIRN__LEVEL__LEVEL_ACCEPTED;
static const Cairn__Level WRITTEN = CAIRN__LEVEL__LEVEL_WRITTEN;
static const Cairn__Level DURABLE = CAIRN__LEVEL__LEVEL_DURABLE;

static struct written set_at_level(struct wire *wire, const char *name, Cairn__Level level)
{
    Cairn__WriteMetadata *write = metadata_new(operation_set(name, "value"));
    write->has_level = true;
    write->level = level;
    return ask_metadata(wire, write);
}

START_TEST(test_metadata_is_accepted_by_default_and_reaches_the_level_asked_for)
{
    struct rig rig = rig_start("");
    struct written plain = set(&rig.wire, "a", "1");
    ck_assert_uint_ge(plain.level, ACCEPTED);
    ck_assert_uint_gt(plain.sequence, 0);
    uint64_t last = plain.sequence;
    for (Cairn__Level level = ACCEPTED; level <= DURABLE; level++) {
        struct written written = set_at_level(&rig.wire, "a", level);
        ck_assert_int_eq(written.status, STATUS_OK);
        ck_assert_int_ge((int)written.level, (int)level);
        ck_assert_uint_gt(written.sequence, last);
        last = written.sequence;
        ck_assert(level < WRITTEN || written.written_through >= written.sequence);
        ck_assert(level < DURABLE || written.durable_through >= written.sequence);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_commit_is_durable_by_default_and_never_less_than_written)
{
    struct rig rig = rig_start("");
    ck_assert_int_eq((int)commit_ok(&rig.wire, commit_of_block(1, "one")).level, (int)DURABLE);
    Cairn__Commit *commit = commit_of_block(2, "two");
    commit->has_level = true;
    commit->level = ACCEPTED;
    ck_assert_int_ge((int)commit_ok(&rig.wire, commit).level, (int)WRITTEN);
    Cairn__Prune *prune = prune_blocks(1);
    prune->has_level = true;
    prune->level = ACCEPTED;
    ck_assert_int_ge((int)ask_prune(&rig.wire, prune).level, (int)WRITTEN);
    Cairn__Rollback *rollback = rollback_to(2);
    rollback->has_level = true;
    rollback->level = ACCEPTED;
    ck_assert_int_ge((int)ask_rollback(&rig.wire, rollback).level, (int)WRITTEN);
    rig_end(&rig);
}
END_TEST

START_TEST(test_barrier_answers_once_everything_accepted_has_reached_its_level)
{
    struct rig rig = rig_start("--flush-delay 1h");
    struct wire other = rig_open(&rig);
    struct written metadata = set(&other, "a", "1");
    struct written barrier = ask_barrier(&rig.wire, WRITTEN);
    ck_assert_int_eq(barrier.status, STATUS_OK);
    ck_assert_uint_ge(barrier.sequence, metadata.sequence);
    ck_assert_uint_ge(barrier.written_through, metadata.sequence);
    metadata = set(&other, "a", "2");
    barrier = ask_barrier(&rig.wire, DURABLE);
    ck_assert_uint_ge(barrier.durable_through, metadata.sequence);
    ck_assert_int_eq(ask_barrier(&rig.wire, ACCEPTED).status, STATUS_OK);
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

START_TEST(test_barrier_behind_pipelined_writes_covers_them)
{
    struct rig rig = rig_start("--flush-delay 1h");
    uint64_t ids[20];
    for (unsigned i = 0; i < 20; i++) {
        ids[i] = wire_send(&rig.wire, FRAME_WRITE_METADATA,
                           metadata_new(operation_set(kept_format("name %u", i), "x")));
    }
    uint64_t commit = wire_send(&rig.wire, FRAME_COMMIT, commit_of_block(1, "one"));
    struct written barrier = ask_barrier(&rig.wire, DURABLE);
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_uint_le(written_reply(&rig.wire, ids[i]).sequence, barrier.sequence);
    }
    ck_assert_uint_le(written_reply(&rig.wire, commit).sequence, barrier.sequence);
    rig_crash(&rig, "");
    for (unsigned i = 0; i < 20; i++) {
        ck_assert(metadata_is(&rig.wire, kept_format("name %u", i), "x"));
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_somebody_waiting_does_not_wait_for_flush_delay)
{
    struct rig rig = rig_start("--flush-delay 1h");
    ck_assert_int_eq(set_at_level(&rig.wire, "a", WRITTEN).status, STATUS_OK);
    ck_assert_int_eq(set_at_level(&rig.wire, "b", DURABLE).status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_flush_delay_writes_metadata_nobody_waits_for)
{
    struct rig rig = rig_start("--flush-delay 50ms --sync-interval 10s");
    struct written accepted = set(&rig.wire, "a", "1");
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    do {
        get_height(&rig.wire);
        sleep_ms(10);
    } while (rig.wire.written_through < accepted.sequence && clock_ms() < until);
    ck_assert_uint_ge(rig.wire.written_through, accepted.sequence);
    rig_crash(&rig, "");
    ck_assert(metadata_is(&rig.wire, "a", "1"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_metadata_stays_queued_until_flush_delay)
{
    struct rig rig = rig_start("--flush-delay 1h");
    struct written accepted = set(&rig.wire, "a", "1");
    sleep_ms(300);
    get_height(&rig.wire);
    ck_assert_uint_lt(rig.wire.written_through, accepted.sequence);
    ck_assert_uint_ge(status_number(&rig.wire, "queue.operations"), 1);
    ask_barrier(&rig.wire, WRITTEN);
    ck_assert_uint_eq(status_number(&rig.wire, "queue.operations"), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(test_quarter_full_queue_is_written_before_flush_delay)
{
    struct rig rig = rig_start("--flush-delay 1h --queue-operations-max 40");
    struct written last = {0};
    for (int i = 0; i < 12; i++) {
        last = set(&rig.wire, kept_format("name %d", i), "x");
    }
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    do {
        get_height(&rig.wire);
        sleep_ms(10);
    } while (rig.wire.written_through < last.sequence - 11 && clock_ms() < until);
    ck_assert_uint_ge(rig.wire.written_through, last.sequence - 11);
    rig_end(&rig);
}
END_TEST

START_TEST(test_written_data_is_synced_within_sync_interval_unasked)
{
    struct rig rig = rig_start("--sync-interval 100ms --flush-delay 10ms");
    struct written written = set_at_level(&rig.wire, "a", WRITTEN);
    uint64_t until = clock_ms() + (uint64_t)patience_ms(SOON_MS);
    do {
        get_height(&rig.wire);
        sleep_ms(10);
    } while (rig.wire.durable_through < written.sequence && clock_ms() < until);
    ck_assert_uint_ge(rig.wire.durable_through, written.sequence);
    rig_end(&rig);
}
END_TEST

/* All of them wait for the writer, however slowly they were sent. */
START_TEST(test_group_commit_shares_a_sync)
{
    struct rig rig = rig_start("");
    enum { COMMITS = 300 };
    uint64_t ids[COMMITS];
    uint64_t syncs = status_number(&rig.wire, "syncs");
    struct frozen frozen = trouble_freeze_writer(&rig.daemon);
    for (unsigned i = 0; i < COMMITS; i++) {
        ids[i] = wire_send(&rig.wire, FRAME_COMMIT, commit_of_block(i + 1, "block"));
    }
    ck_assert_int_eq(reply_to(&rig.wire, wire_send(&rig.wire, FRAME_PING, NULL)).status, STATUS_OK);
    trouble_thaw(&frozen);
    for (unsigned i = 0; i < COMMITS; i++) {
        ck_assert_int_eq((int)written_reply(&rig.wire, ids[i]).level, (int)DURABLE);
    }
    ck_assert_uint_ge(status_number(&rig.wire, "commits"), COMMITS);
    ck_assert_uint_lt(status_number(&rig.wire, "syncs") - syncs, COMMITS / 2);
    rig_end(&rig);
}
END_TEST

START_TEST(test_sequence_rises_per_connection_over_both_lanes)
{
    struct rig rig = rig_start("");
    enum { WRITES = 100 };
    uint64_t ids[WRITES];
    for (unsigned i = 0; i < WRITES; i++) {
        ids[i] = i % 3 == 0 ? wire_send(&rig.wire, FRAME_COMMIT, commit_of_block(i + 1, "block"))
                            : wire_send(&rig.wire, FRAME_WRITE_METADATA,
                                        metadata_new(operation_set(kept_format("%u", i % 7), "x")));
    }
    uint64_t last = 0;
    for (unsigned i = 0; i < WRITES; i++) {
        uint64_t sequence = written_reply(&rig.wire, ids[i]).sequence;
        ck_assert_uint_gt(sequence, last);
        last = sequence;
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_sequence_is_never_reused_after_restart_or_kill)
{
    struct rig rig = rig_start("");
    uint64_t last = 0;
    for (unsigned start = 0; start < 6; start++) {
        for (unsigned i = 0; i < 50; i++) {
            struct written written = set(&rig.wire, "a", "x");
            ck_assert_uint_gt(written.sequence, last);
            ck_assert_uint_gt(written.sequence, rig.wire.written_through);
            last = written.sequence;
        }
        if (start % 2 == 0) {
            rig_crash(&rig, "");
        } else {
            rig_restart(&rig, "");
        }
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_hello_names_store_run_and_metadata_on_disk)
{
    struct rig rig = rig_start("");
    struct wire first = wire_connect(rig.daemon.socket);
    Cairn__Hello hello = CAIRN__HELLO__INIT;
    Cairn__HelloReply *before = ask_hello(&first, &hello);
    ck_assert_uint_eq(before->version, 1);
    ck_assert_uint_eq(before->store_id.len, 16);
    ck_assert_uint_gt(before->frame_bytes_max, 0);
    ck_assert_uint_gt(before->value_bytes_max, 0);
    ck_assert_uint_gt(before->window_bytes_max, 0);
    wire_close(&first);
    struct written written = set_at_level(&rig.wire, "a", WRITTEN);
    rig_crash(&rig, "");
    struct wire second = wire_connect(rig.daemon.socket);
    Cairn__HelloReply *after = ask_hello(&second, &hello);
    ck_assert(bytes_same(after->store_id, before->store_id));
    ck_assert_uint_gt(after->run, before->run);
    ck_assert_uint_eq(after->metadata_on_disk, written.sequence);
    wire_close(&second);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("levels", 60, &tests);
    tcase_add_test(tests, test_metadata_is_accepted_by_default_and_reaches_the_level_asked_for);
    tcase_add_test(tests, test_commit_is_durable_by_default_and_never_less_than_written);
    tcase_add_test(tests, test_barrier_answers_once_everything_accepted_has_reached_its_level);
    tcase_add_test(tests, test_barrier_behind_pipelined_writes_covers_them);
    tcase_add_test(tests, test_somebody_waiting_does_not_wait_for_flush_delay);
    tcase_add_test(tests, test_flush_delay_writes_metadata_nobody_waits_for);
    tcase_add_test(tests, test_metadata_stays_queued_until_flush_delay);
    tcase_add_test(tests, test_quarter_full_queue_is_written_before_flush_delay);
    tcase_add_test(tests, test_written_data_is_synced_within_sync_interval_unasked);
    tcase_add_test(tests, test_group_commit_shares_a_sync);
    tcase_add_test(tests, test_sequence_rises_per_connection_over_both_lanes);
    tcase_add_test(tests, test_sequence_is_never_reused_after_restart_or_kill);
    tcase_add_test(tests, test_hello_names_store_run_and_metadata_on_disk);
    return suite_run(suite, false);
}
