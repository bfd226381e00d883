/* What a commit promises (contract 1, 5): what is stored, all or nothing, conditions, the order inside one commit. */
#include <check.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum { ALL_PARTS = 15 };

START_TEST(test_committed_block_reads_back_with_all_parts)
{
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(1, "one"));
    Cairn__BlockReply *block = get_block(&rig.wire, 1, ALL_PARTS);
    ck_assert_ptr_nonnull(block);
    ck_assert(bytes_are(block->header, "one"));
    ck_assert(bytes_are(block->data, "data of one"));
    ck_assert(bytes_are(block->signature, "signature of one"));
    ck_assert_uint_eq(block->hash.len, 32);
    ck_assert_uint_eq(get_height(&rig.wire), 1);
    rig_end(&rig);
}
END_TEST

START_TEST(test_block_parts_may_be_empty_or_absent)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_new();
    Cairn__Block *block = commit_block(commit, 7, "");
    block->has_data = false;
    block->has_signature = false;
    commit_ok(&rig.wire, commit);
    Cairn__BlockReply *reply = get_block(&rig.wire, 7, ALL_PARTS);
    ck_assert_ptr_nonnull(reply);
    ck_assert(reply->has_header && reply->header.len == 0);
    ck_assert(reply->has_data && reply->data.len == 0);
    ck_assert(reply->has_signature && reply->signature.len == 0);
    rig_end(&rig);
}
END_TEST

START_TEST(test_hash_is_sha256_of_header_unless_given)
{
    static const uint8_t sha256_of_abc[32] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
        0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(1, "abc"));
    Cairn__Commit *commit = commit_new();
    Cairn__Block *block = commit_block(commit, 2, "def");
    block->has_hash = true;
    block->hash = bytes_of("x");
    commit_ok(&rig.wire, commit);
    ck_assert_mem_eq(get_block(&rig.wire, 1, CAIRN__PART__PART_HASH)->hash.data, sha256_of_abc, 32);
    ck_assert(bytes_are(get_block(&rig.wire, 2, CAIRN__PART__PART_HASH)->hash, "x"));
    ck_assert_uint_eq(get_block_by_hash(&rig.wire, bytes_of("x"), 0)->height, 2);
    rig_end(&rig);
}
END_TEST

START_TEST(test_height_changes_only_by_rise_to_and_block_may_lie_above)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_new();
    commit_block(commit, 9, "nine");
    commit_ok(&rig.wire, commit);
    ck_assert_uint_eq(get_height(&rig.wire), 0);
    ck_assert(block_is(&rig.wire, 9, "nine"));
    commit = commit_new();
    commit_rise(commit, 5);
    commit_ok(&rig.wire, commit);
    ck_assert_uint_eq(get_height(&rig.wire), 5);
    rig_end(&rig);
}
END_TEST

START_TEST(test_rise_to_no_more_than_height_changes_nothing_and_is_ok)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 5);
    Cairn__Commit *commit = commit_new();
    commit_rise(commit, 3);
    commit_ok(&rig.wire, commit);
    commit = commit_new();
    commit_rise(commit, 5);
    commit_ok(&rig.wire, commit);
    ck_assert_uint_eq(get_height(&rig.wire), 5);
    rig_end(&rig);
}
END_TEST

START_TEST(test_genesis_state_at_height_0_and_deleted_state)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_new();
    commit_state(commit, 0, "genesis");
    commit_state(commit, 1, "");
    commit_ok(&rig.wire, commit);
    ck_assert(bytes_are(get_state(&rig.wire, 0)->value, "genesis"));
    ck_assert(bytes_are(get_tip_state(&rig.wire)->value, "genesis"));
    ck_assert_uint_eq(get_state(&rig.wire, 1)->value.len, 0);
    commit = commit_new();
    commit_delete_state(commit, 0);
    commit_delete_state(commit, 77);
    commit_ok(&rig.wire, commit);
    ck_assert_ptr_null(get_state(&rig.wire, 0));
    ck_assert_ptr_null(get_tip_state(&rig.wire));
    rig_end(&rig);
}
END_TEST

START_TEST(test_parts_of_a_commit_take_effect_in_order_later_counts)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_new();
    commit_block(commit, 1, "first");
    commit_block(commit, 1, "second");
    commit_delete_state(commit, 4);
    commit_state(commit, 4, "goes, for deletes come after states");
    commit_state(commit, 5, "old");
    commit_state(commit, 5, "new");
    commit_metadata(commit, operation_set("a", "1"));
    commit_metadata(commit, operation_delete("a"));
    commit_metadata(commit, operation_set("b", "1"));
    commit_metadata(commit, operation_set("b", "2"));
    commit_metadata(commit, operation_raise("c", 3));
    commit_metadata(commit, operation_raise("c", 2));
    commit_ok(&rig.wire, commit);
    ck_assert(block_is(&rig.wire, 1, "second"));
    ck_assert_ptr_null(get_state(&rig.wire, 4));
    ck_assert(bytes_are(get_state(&rig.wire, 5)->value, "new"));
    ck_assert(metadata_is(&rig.wire, "a", NULL));
    ck_assert(metadata_is(&rig.wire, "b", "2"));
    ck_assert(metadata_holds_number(&rig.wire, "c", 3));
    rig_end(&rig);
}
END_TEST

START_TEST(test_expected_height_refuses_whole_commit)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 3);
    Cairn__Commit *commit = commit_of_block(4, "four");
    commit_state(commit, 4, "state");
    commit_metadata(commit, operation_set("mark", "4"));
    commit->has_expected_height = true;
    commit->expected_height = 2;
    struct written refused = ask_commit(&rig.wire, commit);
    ck_assert_int_eq(refused.status, STATUS_CONFLICT);
    ck_assert_uint_eq(get_height(&rig.wire), 3);
    ck_assert(block_is(&rig.wire, 4, NULL));
    ck_assert_ptr_null(get_state(&rig.wire, 4));
    ck_assert(metadata_is(&rig.wire, "mark", NULL));
    commit->expected_height = 3;
    commit_ok(&rig.wire, commit);
    ck_assert_uint_eq(get_height(&rig.wire), 4);
    rig_end(&rig);
}
END_TEST

START_TEST(test_expected_height_0_holds_on_an_empty_chain)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_of_block(1, "one");
    commit->has_expected_height = true;
    commit->expected_height = 0;
    commit_ok(&rig.wire, commit);
    ck_assert_int_eq(ask_commit(&rig.wire, commit).status, STATUS_CONFLICT);
    rig_end(&rig);
}
END_TEST

START_TEST(test_commit_condition_judged_at_its_place)
{
    struct rig rig = rig_start("");
    enum { CHAIN_LENGTH = 50 };
    uint64_t ids[CHAIN_LENGTH];
    for (uint64_t i = 0; i < CHAIN_LENGTH;
         i++) { /* pipelined: each finds its height only when the one before is done */
        Cairn__Commit *commit = commit_of_block(i + 1, kept_format("block %d", (int)i));
        commit->has_expected_height = true;
        commit->expected_height = i;
        ids[i] = wire_send(&rig.wire, FRAME_COMMIT, commit);
    }
    for (unsigned i = 0; i < CHAIN_LENGTH; i++) {
        ck_assert_int_eq(written_reply(&rig.wire, ids[i]).status, STATUS_OK);
    }
    ck_assert_uint_eq(get_height(&rig.wire), CHAIN_LENGTH);
    rig_end(&rig);
}
END_TEST

START_TEST(test_of_many_commits_with_one_condition_exactly_one_is_applied)
{
    struct rig rig = rig_start("");
    enum { RIVALS = 8 };
    struct wire wires[RIVALS];
    uint64_t ids[RIVALS];
    for (unsigned i = 0; i < RIVALS; i++) {
        wires[i] = rig_open(&rig);
    }
    for (unsigned i = 0; i < RIVALS; i++) {
        Cairn__Commit *commit = commit_of_block(1, kept_format("rival %u", i));
        commit->has_expected_height = true;
        commit->expected_height = 0;
        ids[i] = wire_send(&wires[i], FRAME_COMMIT, commit);
    }
    unsigned winner = RIVALS;
    for (unsigned i = 0; i < RIVALS; i++) {
        struct written written = written_reply(&wires[i], ids[i]);
        if (written.status == STATUS_OK) {
            ck_assert_uint_eq(winner, RIVALS);
            winner = i;
        } else {
            ck_assert_int_eq(written.status, STATUS_CONFLICT);
        }
        wire_close(&wires[i]);
    }
    ck_assert_uint_lt(winner, RIVALS);
    ck_assert(block_is(&rig.wire, 1, kept_format("rival %u", winner)));
    rig_end(&rig);
}
END_TEST

START_TEST(test_commit_of_many_blocks_is_all_or_nothing)
{
    struct rig rig = rig_start("");
    enum { BLOCKS = 2000 };
    fill_blocks(&rig.wire, 1, BLOCKS);
    for (uint64_t height = 1; height <= BLOCKS; height += 111) {
        ck_assert(block_is(&rig.wire, height, kept_format("header %llu", (unsigned long long)height)));
    }
    ck_assert_int_eq(ask_prune(&rig.wire, prune_blocks(10)).status, STATUS_OK);
    Cairn__Commit *commit = commit_new();
    for (uint64_t height = BLOCKS + 1; height < BLOCKS + 100; height++) {
        commit_block(commit, height, "new");
    }
    commit_block(commit, 10, "at a pruned height");
    ck_assert_int_eq(ask_commit(&rig.wire, commit).status, STATUS_CONFLICT);
    for (uint64_t height = BLOCKS + 1; height < BLOCKS + 100; height += 7) {
        ck_assert(block_is(&rig.wire, height, NULL));
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_large_values_in_a_commit_bounded_by_the_frame_only)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_of_block(1, "large");
    ProtobufCBinaryData data = bytes_random(1, 20 << 20); /* above what a queued value may have */
    commit->blocks[0]->data = data;
    ProtobufCBinaryData value = bytes_random(2, 17 << 20);
    commit_metadata(commit, operation_set_bytes(bytes_of("large"), value));
    commit_ok(&rig.wire, commit);
    ck_assert(bytes_same(get_block(&rig.wire, 1, CAIRN__PART__PART_DATA)->data, data));
    ck_assert(bytes_same(get_metadata(&rig.wire, "large")->value, value));
    rig_end(&rig);
}
END_TEST

START_TEST(test_commit_at_pruned_height_is_conflict)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 10);
    Cairn__Prune *prune = prune_blocks(4);
    prune->has_states_through = true;
    prune->states_through = 6;
    ck_assert_int_eq(ask_prune(&rig.wire, prune).status, STATUS_OK);
    ck_assert_int_eq(ask_commit(&rig.wire, commit_of_block(4, "again")).status, STATUS_CONFLICT);
    ck_assert_int_eq(ask_commit(&rig.wire, commit_of_block(5, "fine")).status, STATUS_OK);
    Cairn__Commit *commit = commit_new();
    commit_state(commit, 6, "again");
    ck_assert_int_eq(ask_commit(&rig.wire, commit).status, STATUS_CONFLICT);
    commit = commit_new();
    commit_state(commit, 7, "fine");
    ck_assert_int_eq(ask_commit(&rig.wire, commit).status, STATUS_OK);
    ck_assert(block_is(&rig.wire, 4, NULL));
    ck_assert(block_is(&rig.wire, 5, "fine"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_empty_commit_is_ok_and_has_a_number)
{
    struct rig rig = rig_start("");
    struct written first = commit_ok(&rig.wire, commit_new());
    struct written second = commit_ok(&rig.wire, commit_new());
    ck_assert_uint_gt(first.sequence, 0);
    ck_assert_uint_gt(second.sequence, first.sequence);
    rig_end(&rig);
}
END_TEST

START_TEST(test_stages_of_a_commits_way_are_timed)
{
    static const char *const stages[] = {"decode", "encode", "queue", "apply", "sync", "publish", "commit"};
    enum { COMMITS = 64 };
    struct rig rig = rig_start("");
    for (uint64_t height = 1; height <= COMMITS; height++) {
        commit_ok(&rig.wire, commit_of_block(height, "data"));
    }
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        uint64_t count = status_number(&rig.wire, kept_format("stage.%s.count", stages[i]));
        uint64_t p50 = status_number(&rig.wire, kept_format("stage.%s.p50_ns", stages[i]));
        uint64_t p99 = status_number(&rig.wire, kept_format("stage.%s.p99_ns", stages[i]));
        uint64_t max = status_number(&rig.wire, kept_format("stage.%s.max_ns", stages[i]));
        bool is_sampled = i < 2; /* one request in sixteen */
        ck_assert_msg(count >= (is_sampled ? COMMITS / 16 : COMMITS), "%s: %d", stages[i], (int)count);
        ck_assert(p50 > 0 && p50 <= p99 && p99 <= max);
    }
    ck_assert_uint_le(status_number(&rig.wire, "stage.apply.p50_ns"),
                      status_number(&rig.wire, "stage.commit.max_ns"));
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("commit", 60, &tests);
    tcase_add_test(tests, test_committed_block_reads_back_with_all_parts);
    tcase_add_test(tests, test_block_parts_may_be_empty_or_absent);
    tcase_add_test(tests, test_hash_is_sha256_of_header_unless_given);
    tcase_add_test(tests, test_height_changes_only_by_rise_to_and_block_may_lie_above);
    tcase_add_test(tests, test_rise_to_no_more_than_height_changes_nothing_and_is_ok);
    tcase_add_test(tests, test_genesis_state_at_height_0_and_deleted_state);
    tcase_add_test(tests, test_parts_of_a_commit_take_effect_in_order_later_counts);
    tcase_add_test(tests, test_expected_height_refuses_whole_commit);
    tcase_add_test(tests, test_expected_height_0_holds_on_an_empty_chain);
    tcase_add_test(tests, test_commit_condition_judged_at_its_place);
    tcase_add_test(tests, test_of_many_commits_with_one_condition_exactly_one_is_applied);
    tcase_add_test(tests, test_commit_of_many_blocks_is_all_or_nothing);
    tcase_add_test(tests, test_large_values_in_a_commit_bounded_by_the_frame_only);
    tcase_add_test(tests, test_commit_at_pruned_height_is_conflict);
    tcase_add_test(tests, test_empty_commit_is_ok_and_has_a_number);
    tcase_add_test(tests, test_stages_of_a_commits_way_are_timed);
    return suite_run(suite, false);
}
