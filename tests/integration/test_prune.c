/* Prune (contract 5): what goes, what stays, what is refused, and that it does not matter how much goes. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { HEADER = CAIRN__PART__PART_HEADER, HASH = CAIRN__PART__PART_HASH };

START_TEST(test_pruned_blocks_are_not_found_by_height_nor_hash)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 10);
    ProtobufCBinaryData hash = get_block(&rig.wire, 4, HASH)->hash;
    ProtobufCBinaryData kept = get_block(&rig.wire, 5, HASH)->hash;
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(4)).status, STATUS_OK);
    for (int start = 0; start < 2; start++) {
        for (uint64_t height = 1; height <= 10; height++) {
            ck_assert_int_eq(get_block(&rig.wire, height, HEADER) == NULL, height <= 4);
            ck_assert_ptr_nonnull(get_state(&rig.wire, height));
        }
        ck_assert_ptr_null(get_block_by_hash(&rig.wire, hash, HEADER));
        ck_assert_uint_eq(get_block_by_hash(&rig.wire, kept, HEADER)->height, 5);
        ck_assert_uint_eq(get_height(&rig.wire), 10);
        Cairn__ChainEntry *chain = get_chain(&rig.wire, "default");
        ck_assert(chain->blocks_pruned_through == 4 && !chain->has_states_pruned_through);
        rig_restart(&rig, "");
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_states_are_pruned_separately)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 10);
    Cairn__Commit *commit = commit_new();
    commit_state(commit, 0, "genesis");
    commit_ok(&rig.wire, commit);
    ck_assert_int_eq(ask_prune(&rig.wire, prune_states(0)).status, STATUS_OK);
    ck_assert_ptr_null(get_state(&rig.wire, 0));
    ck_assert(get_chain(&rig.wire, "default")->has_states_pruned_through);
    ck_assert_int_eq(ask_prune(&rig.wire, prune_states(9)).status, STATUS_OK);
    ck_assert_ptr_null(get_state(&rig.wire, 9));
    ck_assert_ptr_nonnull(get_state(&rig.wire, 10));
    ck_assert(block_is(&rig.wire, 9, "header 9"));
    ck_assert(!get_chain(&rig.wire, "default")->has_blocks_pruned_through);
    rig_end(&rig);
}
END_TEST

START_TEST(test_prune_above_height_and_states_not_below_it_are_conflict)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 5);
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(6)).status, STATUS_CONFLICT);
    ck_assert_int_eq(ask_prune(&rig.wire, prune_states(5)).status, STATUS_CONFLICT);
    Cairn__Prune *both = prune_blocks(2);
    both->has_states_through = true;
    both->states_through = 5;
    ck_assert_int_eq(ask_prune(&rig.wire, both).status, STATUS_CONFLICT);
    ck_assert(block_is(&rig.wire, 1, "header 1")); /* all or nothing */
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(5)).status, STATUS_OK);
    ck_assert_int_eq(ask_prune(&rig.wire, prune_states(4)).status, STATUS_OK);
    rig_end(&rig);
}
END_TEST

START_TEST(test_prune_may_be_repeated_and_never_goes_back)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 5);
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(3)).status, STATUS_OK);
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(3)).status, STATUS_OK);
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(1)).status, STATUS_OK);
    ck_assert_uint_eq(get_chain(&rig.wire, "default")->blocks_pruned_through, 3);
    ck_assert(block_is(&rig.wire, 3, NULL));
    rig_end(&rig);
}
END_TEST

START_TEST(test_metadata_bound_to_pruned_heights_goes_with_the_blocks)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 10);
    ask_metadata(&rig.wire, metadata_new(operation_set_at("on disk 3", "x", 3)));
    ask_metadata(&rig.wire, metadata_new(operation_set_at("on disk 7", "x", 7)));
    ask_metadata(&rig.wire, metadata_new(operation_set_at("moved", "x", 3)));
    ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_WRITTEN);
    ask_metadata(&rig.wire, metadata_new(operation_set_at("queued 5", "x", 5)));
    ask_metadata(&rig.wire, metadata_new(operation_set_at("queued 6", "x", 6)));
    ask_metadata(&rig.wire, metadata_new(operation_set_at("moved", "y", 8)));
    ck_assert_int_eq(ask_prune(&rig.wire, prune_states(8)).status, STATUS_OK); /* states take no metadata */
    ck_assert(metadata_is(&rig.wire, "on disk 3", "x"));
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(5)).status, STATUS_OK);
    for (int start = 0; start < 2; start++) {
        ck_assert(metadata_is(&rig.wire, "on disk 3", NULL));
        ck_assert(metadata_is(&rig.wire, "on disk 7", "x"));
        ck_assert(metadata_is(&rig.wire, "queued 5", NULL));
        ck_assert(metadata_is(&rig.wire, "queued 6", "x"));
        ck_assert(metadata_is(&rig.wire, "moved", "y"));
        size_t n;
        list_metadata(&rig.wire, "", &n);
        ck_assert_uint_eq(n, 3);
        rig_crash(&rig, "");
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_prunes_own_metadata_takes_effect_after_it)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 5);
    ask_metadata(&rig.wire, metadata_new(operation_set_at("a", "old", 2)));
    Cairn__Prune *prune = prune_blocks(3);
    prune_metadata(prune, operation_set("a", "new"));
    prune_metadata(prune, operation_raise("pruned", 3));
    prune_metadata(prune, operation_set_at("late", "x", 3));
    ck_assert_int_eq(ask_prune(&rig.wire, prune).status, STATUS_OK);
    ck_assert(metadata_is(&rig.wire, "a", "new"));
    ck_assert(metadata_holds_number(&rig.wire, "pruned", 3));
    ck_assert(metadata_is(&rig.wire, "late", NULL));
    rig_end(&rig);
}
END_TEST

START_TEST(test_prune_always_carries)
{
    struct rig rig = rig_start("--flush-delay 1h");
    fill_blocks(&rig.wire, 1, 5);
    set(&rig.wire, "queued", "x");
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(1)).status, STATUS_OK);
    ck_assert_uint_eq(status_number(&rig.wire, "queue.operations"), 0);
    rig_crash(&rig, "");
    ck_assert(metadata_is(&rig.wire, "queued", "x"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_prune_of_100000_heights_is_right)
{
    struct rig rig = rig_start("");
    enum { BLOCKS = 100000, STEP = 5000 };
    for (uint64_t first = 1; first <= BLOCKS; first += STEP) {
        fill_blocks(&rig.wire, first, first + STEP - 1);
    }
    ProtobufCBinaryData gone = get_block(&rig.wire, 77777, HASH)->hash;
    ProtobufCBinaryData stays = get_block(&rig.wire, 99991, HASH)->hash;
    Cairn__Prune *prune = prune_blocks(BLOCKS - 10);
    prune->has_states_through = true;
    prune->states_through = BLOCKS - 5;
    ck_assert_int_eq(ask_prune(&rig.wire, prune).status, STATUS_OK);
    for (int start = 0; start < 2; start++) {
        Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
        read.has_first = read.has_last = read.has_parts = true;
        read.first = 1;
        read.last = BLOCKS;
        read.parts = HEADER;
        size_t n;
        Cairn__BlockReply **blocks =
            receive_blocks(&rig.wire, wire_send(&rig.wire, FRAME_READ_BLOCKS, &read), &n);
        ck_assert_uint_eq(n, 10);
        ck_assert_uint_eq(blocks[0]->height, BLOCKS - 9);
        ck_assert_ptr_null(get_block_by_hash(&rig.wire, gone, 0));
        ck_assert_ptr_nonnull(get_block_by_hash(&rig.wire, stays, 0));
        ck_assert_ptr_null(get_state(&rig.wire, BLOCKS - 5));
        ck_assert_ptr_nonnull(get_state(&rig.wire, BLOCKS - 4));
        rig_crash(&rig, "");
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_hash_pruned_with_one_block_and_used_again_by_another_is_found)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 5);
    ProtobufCBinaryData hash = get_block(&rig.wire, 2, HASH)->hash;
    ask_prune(&rig.wire, prune_blocks(3));
    commit_ok(&rig.wire, commit_of_block(6, "header 2"));
    ck_assert_uint_eq(get_block_by_hash(&rig.wire, hash, 0)->height, 6);
    sleep_ms(300); /* whatever is cleaned up in the background leaves it alone */
    commit_ok(&rig.wire, commit_of_block(7, "seven"));
    ck_assert_uint_eq(get_block_by_hash(&rig.wire, hash, 0)->height, 6);
    rig_restart(&rig, "");
    sleep_ms(300);
    ck_assert_uint_eq(get_block_by_hash(&rig.wire, hash, 0)->height, 6);
    rig_end(&rig);
}
END_TEST

START_TEST(test_name_bound_to_a_pruned_height_and_set_again_stays)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 5);
    for (int i = 0; i < 200; i++) {
        ask_metadata(&rig.wire, metadata_new(operation_set_at(kept_format("name %d", i), "old", 2)));
    }
    ask_prune(&rig.wire, prune_blocks(3));
    for (int i = 0; i < 200; i += 2) {
        set(&rig.wire, kept_format("name %d", i), "new");
    }
    ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_WRITTEN);
    sleep_ms(500);
    for (int start = 0; start < 2; start++) {
        size_t n;
        list_metadata(&rig.wire, "name ", &n);
        ck_assert_uint_eq(n, 100);
        ck_assert(metadata_is(&rig.wire, "name 4", "new"));
        ck_assert(metadata_is(&rig.wire, "name 5", NULL));
        rig_crash(&rig, "");
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_open_scan_still_sees_what_is_pruned_meanwhile)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 2000);
    struct wire other = rig_open(&rig);
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_parts = read.has_window_bytes = true;
    read.first = 1;
    read.last = 2000;
    read.parts = HEADER;
    read.window_bytes = 200;
    uint64_t id = wire_send(&other, FRAME_READ_BLOCKS, &read);
    while (other.waiting == NULL) {
        wire_poll(&other, 1000);
    }
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(1990)).status, STATUS_OK);
    ck_assert(block_is(&rig.wire, 1000, NULL));
    size_t n;
    Cairn__BlockReply **blocks = receive_blocks(&other, id, &n);
    ck_assert_uint_eq(n, 2000);
    for (size_t i = 0; i < n; i++) {
        ck_assert(bytes_are(blocks[i]->header, kept_format("header %zu", i + 1)));
    }
    wire_close(&other);
    rig_end(&rig);
}
END_TEST

/* Waits until the data directory has entries like that, or has none any more. */
static bool come_to(const struct rig *rig, const char *which, bool is_there)
{
    bool found = !is_there;
    for (uint64_t until = clock_ms() + (uint64_t)patience_ms(60000);
         clock_ms() < until && found != is_there;) {
        found = atoi(shell_run(10000, "find %s %s | wc -l", rig->daemon.data, which).output) > 0;
        sleep_ms(100);
    }
    return found == is_there;
}

/* The engine's files with the data are deleted, and none of them stays open. */
START_TEST(test_space_of_pruned_data_comes_back)
{
    enum { BLOCKS = 30, BYTES = 3 << 20 };
    struct rig rig = rig_start("");
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        Cairn__Commit *commit = commit_of_block(height, "large");
        commit->blocks[0]->data = bytes_random(height, BYTES);
        commit_ok(&rig.wire, commit);
    }
    rig_crash(&rig, ""); /* a log of more than a write buffer goes to a table and files of its data */
    commit_ok(&rig.wire, commit_of_block(BLOCKS + 1, "behind"));
    ck_assert(come_to(&rig, "-name '*.blob'", true));
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(BLOCKS)).status, STATUS_OK);
    ck_assert(come_to(&rig, "-name '*.blob'", false));
    rig_end(&rig);
}
END_TEST

/* As a run of an earlier version may leave them: one is a second name of a live file. */
START_TEST(test_names_that_an_earlier_version_left_go_and_live_data_stays)
{
    enum { BYTES = 3 << 20, BLOCKS = 30 };
    struct rig rig = rig_start("");
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        Cairn__Commit *commit = commit_of_block(height, "large");
        commit->blocks[0]->data = bytes_random(height, BYTES);
        commit_ok(&rig.wire, commit);
    }
    rig_crash(&rig, "");
    ck_assert(come_to(&rig, "-name '*.blob'", true));
    daemon_kill(&rig.daemon);
    wire_close(&rig.wire);
    shell_run(10000, "mkdir -p %s/db.deleted && ln %s/db/*.blob %s/db.deleted", rig.daemon.data,
              rig.daemon.data, rig.daemon.data);
    daemon_start(&rig.daemon, "");
    rig.wire = rig_open(&rig);
    ck_assert(come_to(&rig, "-path '*db.deleted/*'", false));
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        ck_assert(bytes_same(get_block(&rig.wire, height, CAIRN__PART__PART_DATA)->data,
                             bytes_random(height, BYTES)));
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_dry_run_says_what_would_go_and_changes_nothing)
{
    struct rig rig = rig_start("--flush-delay 1h");
    fill_blocks(&rig.wire, 1, 10);
    ask_metadata(&rig.wire, metadata_new(operation_set_at("bound", "x", 3)));
    ask_metadata(&rig.wire, metadata_new(operation_set_at("above", "x", 5)));
    Cairn__Prune *prune = prune_blocks(4);
    prune_metadata(prune, operation_set("own", "x"));
    prune->has_states_through = true;
    prune->states_through = 2;
    prune->has_dry_run = prune->dry_run = true;
    for (int times = 0; times < 2; times++) {
        struct written dry = ask_prune(&rig.wire, prune);
        ck_assert_int_eq(dry.status, STATUS_OK);
        ck_assert(dry.sequence == 0 && dry.level == 0); /* it is no write */
        ck_assert(dry.blocks == 4 && dry.states == 2 && dry.metadata == 1);
        ck_assert(block_is(&rig.wire, 1, "header 1"));
        ck_assert(metadata_is(&rig.wire, "bound", "x") && metadata_is(&rig.wire, "own", NULL));
        ck_assert(!get_chain(&rig.wire, "default")->has_blocks_pruned_through);
    }
    prune->dry_run = false;
    ck_assert_int_eq(ask_prune(&rig.wire, prune).status, STATUS_OK);
    prune->dry_run = true;
    struct written again = ask_prune(&rig.wire, prune);
    ck_assert(again.status == STATUS_OK && again.blocks + again.states + again.metadata == 0);
    prune->blocks_through = 11;
    ck_assert_int_eq(ask_prune(&rig.wire, prune).status, STATUS_CONFLICT);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("prune", 120, &tests);
    tcase_add_test(tests, test_pruned_blocks_are_not_found_by_height_nor_hash);
    tcase_add_test(tests, test_states_are_pruned_separately);
    tcase_add_test(tests, test_prune_above_height_and_states_not_below_it_are_conflict);
    tcase_add_test(tests, test_prune_may_be_repeated_and_never_goes_back);
    tcase_add_test(tests, test_metadata_bound_to_pruned_heights_goes_with_the_blocks);
    tcase_add_test(tests, test_prunes_own_metadata_takes_effect_after_it);
    tcase_add_test(tests, test_prune_always_carries);
    tcase_add_test(tests, test_prune_of_100000_heights_is_right);
    tcase_add_test(tests, test_hash_pruned_with_one_block_and_used_again_by_another_is_found);
    tcase_add_test(tests, test_name_bound_to_a_pruned_height_and_set_again_stays);
    tcase_add_test(tests, test_dry_run_says_what_would_go_and_changes_nothing);
    tcase_add_test(tests, test_open_scan_still_sees_what_is_pruned_meanwhile);
    tcase_add_test(tests, test_space_of_pruned_data_comes_back);
    tcase_add_test(tests, test_names_that_an_earlier_version_left_go_and_live_data_stays);
    return suite_run(suite, false);
}
