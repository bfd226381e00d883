/* Rollback (contract 5): what goes, what it refuses, guards, dry run, and re-sent metadata older than it (3). */
#include <check.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { HASH = CAIRN__PART__PART_HASH };

START_TEST(test_rollback_drops_everything_above_and_sets_the_height)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 10);
    commit_ok(&rig.wire, commit_of_block(12, "above the height"));
    ask_metadata(&rig.wire, metadata_new(operation_set_at("at 6", "x", 6)));
    ask_metadata(&rig.wire, metadata_new(operation_set_at("at 7", "x", 7)));
    set(&rig.wire, "unbound", "x");
    ProtobufCBinaryData gone = get_block(&rig.wire, 7, HASH)->hash;
    Cairn__Rollback *rollback = rollback_to(6);
    rollback_metadata(rollback, operation_set("after", "rollback"));
    rollback_metadata(rollback, operation_set_at("later", "x", 9));
    struct written written = ask_rollback(&rig.wire, rollback);
    ck_assert_int_eq(written.status, STATUS_OK);
    ck_assert_uint_eq(written.blocks, 5);
    ck_assert_uint_eq(written.states, 4);
    ck_assert_uint_eq(written.metadata, 1);
    for (int start = 0; start < 2; start++) {
        ck_assert_uint_eq(get_height(&rig.wire), 6);
        ck_assert(block_is(&rig.wire, 6, "header 6"));
        ck_assert(block_is(&rig.wire, 7, NULL));
        ck_assert(block_is(&rig.wire, 12, NULL));
        ck_assert_ptr_null(get_block_by_hash(&rig.wire, gone, 0));
        ck_assert_ptr_null(get_state(&rig.wire, 7));
        ck_assert(bytes_are(get_tip_state(&rig.wire)->value, "state 6"));
        ck_assert(metadata_is(&rig.wire, "at 6", "x"));
        ck_assert(metadata_is(&rig.wire, "at 7", NULL));
        ck_assert(metadata_is(&rig.wire, "unbound", "x"));
        ck_assert(metadata_is(&rig.wire, "after", "rollback"));
        ck_assert(metadata_is(&rig.wire, "later", "x"));
        rig_crash(&rig, "");
    }
    commit_ok(&rig.wire, commit_of_block(7, "another seven"));
    ck_assert(block_is(&rig.wire, 7, "another seven"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_rollback_above_the_height_is_conflict)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 5);
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback_to(6)).status, STATUS_CONFLICT);
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback_to(5)).status, STATUS_OK);
    ck_assert_uint_eq(get_height(&rig.wire), 5);
    rig_end(&rig);
}
END_TEST

START_TEST(test_rollback_not_above_what_has_been_pruned_is_conflict)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 10);
    ask_prune(&rig.wire, prune_blocks(4));
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback_to(3)).status, STATUS_CONFLICT);
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback_to(4)).status, STATUS_CONFLICT);
    ask_prune(&rig.wire, prune_states(6));
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback_to(6)).status, STATUS_CONFLICT);
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback_to(7)).status, STATUS_OK);
    ck_assert_uint_eq(get_height(&rig.wire), 7);
    rig_end(&rig);
}
END_TEST

START_TEST(test_rollback_to_a_height_without_state_is_conflict_though_the_chain_has_some)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_of_block(5, "five");
    commit_ok(&rig.wire, commit);
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback_to(4)).status, STATUS_OK); /* a chain without states */
    commit = commit_new();
    commit_state(commit, 2, "two");
    commit_ok(&rig.wire, commit);
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback_to(3)).status, STATUS_CONFLICT);
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback_to(0)).status, STATUS_CONFLICT);
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback_to(2)).status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_rollback_to_0_of_an_unpruned_chain)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 3);
    Cairn__Commit *commit = commit_new();
    commit_state(commit, 0, "genesis");
    commit_ok(&rig.wire, commit);
    struct written written = ask_rollback(&rig.wire, rollback_to(0));
    ck_assert_int_eq(written.status, STATUS_OK);
    ck_assert_uint_eq(written.blocks, 3);
    ck_assert_uint_eq(get_height(&rig.wire), 0);
    ck_assert(bytes_are(get_tip_state(&rig.wire)->value, "genesis"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_guard_above_the_target_refuses_or_is_lowered)
{
    struct rig rig = rig_start("--flush-delay 1h");
    fill_blocks(&rig.wire, 1, 10);
    ask_metadata(&rig.wire,
                 metadata_new(operation_raise("final", 8))); /* still queued: it counts all the same */
    Cairn__Rollback *refusing = rollback_to(7);
    rollback_guard(refusing, "absent", false);
    rollback_guard(refusing, "final", false);
    ck_assert_int_eq(ask_rollback(&rig.wire, refusing).status, STATUS_CONFLICT);
    ck_assert_uint_eq(get_height(&rig.wire), 10);
    ck_assert(metadata_holds_number(&rig.wire, "final", 8));
    Cairn__Rollback *level = rollback_to(8);
    rollback_guard(level, "final", false);
    ck_assert_int_eq(ask_rollback(&rig.wire, level).status, STATUS_OK);
    Cairn__Rollback *lowering = rollback_to(7);
    rollback_guard(lowering, "final", true);
    struct written written = ask_rollback(&rig.wire, lowering);
    ck_assert_int_eq(written.status, STATUS_OK);
    ck_assert_uint_eq(written.lowered, 1);
    ck_assert(metadata_holds_number(&rig.wire, "final", 7));
    rig_crash(&rig, "");
    ck_assert(metadata_holds_number(&rig.wire, "final", 7));
    ck_assert_uint_eq(get_height(&rig.wire), 7);
    rig_end(&rig);
}
END_TEST

START_TEST(test_guard_not_of_8_bytes_is_invalid)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 3);
    set(&rig.wire, "final", "7 bytes");
    Cairn__Rollback *rollback = rollback_to(2);
    rollback_guard(rollback, "final", true);
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback).status, STATUS_INVALID);
    ck_assert_uint_eq(get_height(&rig.wire), 3);
    rig_end(&rig);
}
END_TEST

START_TEST(test_refused_rollback_carries_nothing_and_changes_nothing)
{
    struct rig rig = rig_start("--flush-delay 1h");
    fill_blocks(&rig.wire, 1, 3);
    set(&rig.wire, "queued", "x");
    Cairn__Rollback *rollback = rollback_to(9);
    rollback_metadata(rollback, operation_set("own", "x"));
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback).status, STATUS_CONFLICT);
    ck_assert(metadata_is(&rig.wire, "own", NULL));
    ck_assert(metadata_is(&rig.wire, "queued", "x"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_dry_run_says_what_would_go_and_changes_nothing)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 10);
    ask_metadata(&rig.wire, metadata_new(operation_set_at("bound", "x", 9)));
    ask_metadata(&rig.wire, metadata_new(operation_raise("final", 9)));
    Cairn__Rollback *rollback = rollback_to(6);
    rollback_guard(rollback, "final", true);
    rollback->has_dry_run = rollback->dry_run = true;
    struct written dry = ask_rollback(&rig.wire, rollback);
    ck_assert_int_eq(dry.status, STATUS_OK);
    ck_assert_uint_eq(get_height(&rig.wire), 10);
    ck_assert(metadata_holds_number(&rig.wire, "final", 9));
    ck_assert(metadata_is(&rig.wire, "bound", "x"));
    rollback->dry_run = false;
    struct written real = ask_rollback(&rig.wire, rollback);
    ck_assert_uint_eq(dry.blocks, 4);
    ck_assert(dry.blocks == real.blocks && dry.states == real.states);
    ck_assert(dry.metadata == real.metadata && dry.lowered == real.lowered);
    rollback->dry_run = true;
    rollback->to = 8;
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback).status, STATUS_CONFLICT);
    rig_end(&rig);
}
END_TEST

START_TEST(test_rollback_always_carries)
{
    struct rig rig = rig_start("--flush-delay 1h");
    fill_blocks(&rig.wire, 1, 5);
    set(&rig.wire, "queued", "x");
    ask_metadata(&rig.wire, metadata_new(operation_set_at("queued above", "x", 5)));
    struct written written = ask_rollback(&rig.wire, rollback_to(4));
    ck_assert_uint_eq(written.metadata, 1);
    rig_crash(&rig, "");
    ck_assert(metadata_is(&rig.wire, "queued", "x"));
    ck_assert(metadata_is(&rig.wire, "queued above", NULL));
    rig_end(&rig);
}
END_TEST

START_TEST(test_resent_metadata_older_than_the_chains_rollback_is_conflict)
{
    struct rig rig = rig_start("--flush-delay 1h");
    fill_blocks(&rig.wire, 1, 5);
    ask_create_chain(&rig.wire, "other"); /* one made later is no chain of what was lost */
    struct written lost = set(&rig.wire, "lost", "x");
    rig_crash(&rig, "--flush-delay 1h");
    ck_assert(metadata_is(&rig.wire, "lost", NULL));
    Cairn__WriteMetadata *again = metadata_new(operation_set("lost", "x"));
    again->has_resend_of = true;
    again->resend_of = lost.sequence;
    again->has_chain = true;
    again->chain = bytes_of("other");
    struct written taken = ask_metadata(&rig.wire, again); /* another chain's: applied, under a new number */
    ck_assert_int_eq(taken.status, STATUS_OK);
    ck_assert_uint_gt(taken.sequence, lost.sequence);
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback_to(4)).status, STATUS_OK);
    again->has_chain = false;
    ck_assert_int_eq(ask_metadata(&rig.wire, again).status, STATUS_CONFLICT);
    ck_assert(metadata_is(&rig.wire, "lost", NULL));
    rig_crash(&rig, "");
    ck_assert_int_eq(ask_metadata(&rig.wire, again).status, STATUS_CONFLICT); /* it remembers */
    again->has_resend_of = false;
    ck_assert_int_eq(ask_metadata(&rig.wire, again).status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_scan_open_across_a_rollback_keeps_its_instant)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 500);
    struct wire other = rig_open(&rig);
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_window_bytes = true;
    read.first = 1;
    read.last = 1000;
    read.window_bytes = 64;
    uint64_t id = wire_send(&other, FRAME_READ_BLOCKS, &read);
    while (other.waiting == NULL) {
        wire_poll(&other, 1000);
    }
    ck_assert_int_eq(ask_rollback(&rig.wire, rollback_to(10)).status, STATUS_OK);
    commit_ok(&rig.wire, commit_of_block(700, "new"));
    size_t n;
    receive_blocks(&other, id, &n);
    ck_assert_uint_eq(n, 500);
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rollback", 60, &tests);
    tcase_add_test(tests, test_rollback_drops_everything_above_and_sets_the_height);
    tcase_add_test(tests, test_rollback_above_the_height_is_conflict);
    tcase_add_test(tests, test_rollback_not_above_what_has_been_pruned_is_conflict);
    tcase_add_test(tests, test_rollback_to_a_height_without_state_is_conflict_though_the_chain_has_some);
    tcase_add_test(tests, test_rollback_to_0_of_an_unpruned_chain);
    tcase_add_test(tests, test_guard_above_the_target_refuses_or_is_lowered);
    tcase_add_test(tests, test_guard_not_of_8_bytes_is_invalid);
    tcase_add_test(tests, test_refused_rollback_carries_nothing_and_changes_nothing);
    tcase_add_test(tests, test_dry_run_says_what_would_go_and_changes_nothing);
    tcase_add_test(tests, test_rollback_always_carries);
    tcase_add_test(tests, test_resent_metadata_older_than_the_chains_rollback_is_conflict);
    tcase_add_test(tests, test_scan_open_across_a_rollback_keeps_its_instant);
    return suite_run(suite, false);
}
