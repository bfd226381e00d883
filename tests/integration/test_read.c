/* Reads (contract 1, 6): blocks by height and hash, parts, streams with flow control, states, metadata in all ways. */
#include <check.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum {
    HEADER = CAIRN__PART__PART_HEADER,
    DATA = CAIRN__PART__PART_DATA,
    SIGNATURE = CAIRN__PART__PART_SIGNATURE,
    HASH = CAIRN__PART__PART_HASH,
};

START_TEST(test_any_subset_of_parts_is_read_by_height_and_by_hash)
{
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(3, "three"));
    ProtobufCBinaryData hash = get_block(&rig.wire, 3, HASH)->hash;
    for (uint32_t parts = 0; parts < 16; parts++) {
        Cairn__BlockReply *replies[] = {get_block(&rig.wire, 3, parts),
                                        get_block_by_hash(&rig.wire, hash, parts)};
        for (int i = 0; i < 2; i++) {
            ck_assert_ptr_nonnull(replies[i]);
            ck_assert_uint_eq(replies[i]->height, 3);
            ck_assert_int_eq(replies[i]->has_header != 0, (parts & HEADER) != 0);
            ck_assert_int_eq(replies[i]->has_data != 0, (parts & DATA) != 0);
            ck_assert_int_eq(replies[i]->has_signature != 0, (parts & SIGNATURE) != 0);
            ck_assert_int_eq(replies[i]->has_hash != 0, (parts & HASH) != 0);
            ck_assert(!(parts & DATA) || bytes_are(replies[i]->data, "data of three"));
        }
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_not_found_is_an_answer)
{
    struct rig rig = rig_start("");
    ck_assert_ptr_null(get_block(&rig.wire, 1, 0));
    ck_assert_ptr_null(get_block(&rig.wire, UINT64_MAX, HEADER));
    ck_assert_ptr_null(get_block_by_hash(&rig.wire, bytes_of("no such hash"), HEADER));
    ck_assert_ptr_null(get_state(&rig.wire, 0));
    ck_assert_ptr_null(get_tip_state(&rig.wire));
    ck_assert_ptr_null(get_metadata(&rig.wire, "none"));
    ck_assert_uint_eq(get_height(&rig.wire), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(test_block_read_by_hash_after_overwrite)
{
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(1, "old"));
    ProtobufCBinaryData old_hash = get_block(&rig.wire, 1, HASH)->hash;
    commit_ok(&rig.wire, commit_of_block(1, "new"));
    ck_assert_ptr_null(get_block_by_hash(&rig.wire, old_hash, HEADER));
    ProtobufCBinaryData new_hash = get_block(&rig.wire, 1, HASH)->hash;
    ck_assert(bytes_are(get_block_by_hash(&rig.wire, new_hash, HEADER)->header, "new"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_hash_shared_by_two_heights_leads_to_the_last_committed)
{
    struct rig rig = rig_start("");
    commit_ok(&rig.wire, commit_of_block(2, "same header"));
    commit_ok(&rig.wire, commit_of_block(1, "same header"));
    ProtobufCBinaryData hash = get_block(&rig.wire, 1, HASH)->hash;
    ck_assert_uint_eq(get_block_by_hash(&rig.wire, hash, 0)->height, 1);
    commit_ok(&rig.wire, commit_of_block(2, "another header")); /* 2 no longer owns the entry */
    ck_assert_uint_eq(get_block_by_hash(&rig.wire, hash, 0)->height, 1);
    commit_ok(&rig.wire, commit_of_block(2, "same header"));
    ck_assert_uint_eq(get_block_by_hash(&rig.wire, hash, 0)->height, 2);
    commit_ok(&rig.wire,
              commit_of_block(2, "another header")); /* the entry goes with the block that has it */
    ck_assert_ptr_null(get_block_by_hash(&rig.wire, hash, 0));
    ck_assert(block_is(&rig.wire, 1, "same header"));
    rig_end(&rig);
}
END_TEST

static uint64_t send_read_blocks(struct wire *wire, const uint64_t *heights, size_t n, uint64_t window)
{
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.n_heights = n;
    read.heights = kept_copy(heights, n * sizeof *heights);
    read.has_parts = true;
    read.parts = HEADER | DATA;
    read.has_window_bytes = window != 0;
    read.window_bytes = window;
    return wire_send(wire, FRAME_READ_BLOCKS, &read);
}

START_TEST(test_block_list_is_answered_one_for_one_in_the_order_given)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 9);
    static const uint64_t heights[] = {9, 1, 4, 77, 4, 2};
    size_t n;
    Cairn__BlockReply **blocks = receive_blocks(&rig.wire, send_read_blocks(&rig.wire, heights, 6, 0), &n);
    ck_assert_uint_eq(n, 6);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(blocks[i]->height, heights[i]);
        ck_assert_int_eq(blocks[i]->absent != 0, heights[i] == 77);
        if (heights[i] != 77) {
            ck_assert(
                bytes_are(blocks[i]->header, kept_format("header %llu", (unsigned long long)heights[i])));
        }
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_block_range_gives_those_there_are_in_rising_order)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_new();
    commit_block(commit, 300, "c");
    commit_block(commit, 2, "a");
    commit_block(commit, 255, "b");
    commit_block(commit, 301, "beyond");
    commit_ok(&rig.wire, commit);
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_parts = true;
    read.first = 1;
    read.last = 300;
    read.parts = HEADER;
    size_t n;
    Cairn__BlockReply **blocks =
        receive_blocks(&rig.wire, wire_send(&rig.wire, FRAME_READ_BLOCKS, &read), &n);
    ck_assert_uint_eq(n, 3);
    ck_assert(blocks[0]->height == 2 && bytes_are(blocks[0]->header, "a"));
    ck_assert(blocks[1]->height == 255 && bytes_are(blocks[1]->header, "b"));
    ck_assert(blocks[2]->height == 300 && bytes_are(blocks[2]->header, "c"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_state_at_the_chains_height_is_that_states)
{
    struct rig rig = rig_start("");
    fill_blocks(&rig.wire, 1, 4);
    Cairn__Commit *commit = commit_new();
    commit_state(commit, 9, "above the tip");
    commit_ok(&rig.wire, commit);
    ck_assert(bytes_are(get_tip_state(&rig.wire)->value, "state 4"));
    ck_assert_uint_eq(get_tip_state(&rig.wire)->height, 4);
    ck_assert(bytes_are(get_state(&rig.wire, 9)->value, "above the tip"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_several_names_in_one_call_absent_ones_told)
{
    struct rig rig = rig_start("");
    set(&rig.wire, "a", "1");
    ask_metadata(&rig.wire, metadata_new(operation_set_at("b", "", 5)));
    static const char *const names[] = {"b", "none", "a", "b"};
    Cairn__GetMetadataMany get = CAIRN__GET_METADATA_MANY__INIT;
    ProtobufCBinaryData binary[4];
    for (int i = 0; i < 4; i++) {
        binary[i] = bytes_of(names[i]);
    }
    get.n_names = 4;
    get.names = binary;
    size_t n;
    Cairn__MetadataReply **replies =
        receive_metadata(&rig.wire, wire_send(&rig.wire, FRAME_GET_METADATA_MANY, &get), &n);
    ck_assert_uint_eq(n, 4);
    for (int i = 0; i < 4; i++) {
        ck_assert(bytes_are(replies[i]->name, names[i]));
        ck_assert_int_eq(replies[i]->absent != 0, i == 1);
    }
    ck_assert(replies[0]->has_value && replies[0]->value.len == 0 && replies[0]->of_height == 5);
    ck_assert(bytes_are(replies[2]->value, "1"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_list_is_in_byte_order_with_prefix_start_and_limit)
{
    struct rig rig = rig_start("");
    static const char *const names[] = {"b/", "a", "b/\xff", "b", "b/1", "b/10", "b0", "b/2"};
    for (size_t i = 0; i < 8; i++) {
        set(&rig.wire, names[i], names[i]);
        if (i == 4) { /* some are on disk, some queued */
            ask_barrier(&rig.wire, CAIRN__LEVEL__LEVEL_WRITTEN);
        }
    }
    ask_metadata(&rig.wire, metadata_new(operation_delete("b/1")));
    static const char *const expected[] = {"b/", "b/10", "b/2", "b/\xff"};
    size_t n;
    Cairn__MetadataReply **replies = list_metadata(&rig.wire, "b/", &n);
    ck_assert_uint_eq(n, 4);
    for (size_t i = 0; i < n; i++) {
        ck_assert(bytes_are(replies[i]->name, expected[i]) && bytes_are(replies[i]->value, expected[i]));
    }
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT;
    list.has_prefix = list.has_start = list.has_limit = true;
    list.prefix = bytes_of("b/");
    list.start = bytes_of("b/1");
    list.limit = 2;
    replies = receive_metadata(&rig.wire, wire_send(&rig.wire, FRAME_LIST_METADATA, &list), &n);
    ck_assert_uint_eq(n, 2);
    ck_assert(bytes_are(replies[0]->name, "b/10") && bytes_are(replies[1]->name, "b/2"));
    list.start = bytes_of("a"); /* before the prefix: from the prefix on */
    list.limit = 1;
    replies = receive_metadata(&rig.wire, wire_send(&rig.wire, FRAME_LIST_METADATA, &list), &n);
    ck_assert(n == 1 && bytes_are(replies[0]->name, "b/"));
    list.start = bytes_of("c");
    receive_metadata(&rig.wire, wire_send(&rig.wire, FRAME_LIST_METADATA, &list), &n);
    ck_assert_uint_eq(n, 0);
    list_metadata(&rig.wire, "", &n);
    ck_assert_uint_eq(n, 7);
    rig_end(&rig);
}
END_TEST

START_TEST(test_stream_stops_at_its_window_and_goes_on_with_credit)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(5, 300000);
    commit_ok(&rig.wire, commit);
    static const uint64_t heights[] = {1, 1, 1};
    uint64_t id = send_read_blocks(&rig.wire, heights, 3, 100000);
    size_t received = 0;
    for (struct wire_frame *frame = wire_frame(&rig.wire, id); frame != NULL;
         frame = wire_try_frame(&rig.wire, id, 300)) {
        ck_assert(frame->header.flags & FRAME_MORE || frame->header.flags & FRAME_CONTINUED);
        received += frame->header.body_bytes;
    }
    ck_assert_uint_gt(received, 0);
    ck_assert_uint_le(received, 100000);
    ck_assert_uint_eq(get_height(&rig.wire), 1); /* the connection is not held up */
    commit_ok(&rig.wire, commit_of_block(2, "two"));
    wire_give_credit(&rig.wire, id, 50000);
    size_t more = 0;
    struct wire_frame *frame = wire_frame(&rig.wire, id);
    for (; frame != NULL; frame = wire_try_frame(&rig.wire, id, 300)) {
        more += frame->header.body_bytes;
    }
    ck_assert_uint_gt(more, 0);
    ck_assert_uint_le(received + more, 150000);
    wire_send_frame(&rig.wire, FRAME_CANCEL, id, NULL, 0);
    do {
        frame = wire_frame(&rig.wire, id);
    } while (frame->header.flags & (FRAME_MORE | FRAME_CONTINUED));
    rig_end(&rig);
}
END_TEST

/* Longer than the daemon holds on to a stream's place in the store; a step of it is a few blocks. */
START_TEST(test_stream_that_stands_still_goes_on_where_it_was)
{
    enum { BLOCKS = 40 };
    struct rig rig = rig_start("");
    for (unsigned height = 1; height <= BLOCKS; height++) {
        Cairn__Commit *commit = commit_of_block(height, "block");
        commit->blocks[0]->data = bytes_random(height, 50000);
        commit_ok(&rig.wire, commit);
    }
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_parts = read.has_window_bytes = true;
    read.first = 1;
    read.last = BLOCKS;
    read.parts = CAIRN__PART__PART_DATA;
    read.window_bytes = 60000;
    uint64_t id = wire_send(&rig.wire, FRAME_READ_BLOCKS, &read);
    sleep_ms(150);
    for (unsigned height = 1; height <= BLOCKS; height++) {
        commit_ok(&rig.wire, commit_of_block(height, "changed"));
    }
    size_t n;
    Cairn__BlockReply **blocks = receive_blocks(&rig.wire, id, &n);
    ck_assert_uint_eq(n, BLOCKS);
    for (unsigned i = 0; i < BLOCKS; i++) {
        ck_assert_uint_eq(blocks[i]->height, i + 1);
        ck_assert(bytes_same(blocks[i]->data, bytes_random(i + 1, 50000)));
    }
    rig_end(&rig);
}
END_TEST

START_TEST(test_messages_longer_than_the_window_arrive_whole)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_of_block(1, "large");
    ProtobufCBinaryData data = bytes_random(6, 200000);
    commit->blocks[0]->data = data;
    commit_ok(&rig.wire, commit);
    static const uint64_t heights[] = {1, 2, 1};
    size_t n;
    Cairn__BlockReply **blocks = receive_blocks(&rig.wire, send_read_blocks(&rig.wire, heights, 3, 1000), &n);
    ck_assert_uint_eq(n, 3);
    ck_assert(bytes_same(blocks[0]->data, data) && blocks[1]->absent && bytes_same(blocks[2]->data, data));
    rig_end(&rig);
}
END_TEST

START_TEST(test_answer_larger_than_a_frame_comes_in_several)
{
    struct rig rig = rig_start("--frame-bytes-max 64KiB");
    Cairn__Commit *commit = commit_of_block(1, "header");
    commit->blocks[0]->data = bytes_random(7, 40000);
    commit->blocks[0]->signature = bytes_random(8, 25000);
    commit_ok(&rig.wire, commit);
    Cairn__Commit *again = commit_of_block(1, "header");
    again->blocks[0]->data = bytes_random(7, 65000);
    commit_ok(&rig.wire, again);
    Cairn__BlockReply *block = get_block(&rig.wire, 1, 15);
    ck_assert(bytes_same(block->data, again->blocks[0]->data));
    ck_assert(bytes_are(block->header, "header"));
    rig_restart(&rig, "--frame-bytes-max 1MiB");
    Cairn__Commit *large = commit_of_block(2, "header");
    large->blocks[0]->data = bytes_random(9, 500000);
    commit_ok(&rig.wire, large);
    rig_restart(&rig, "--frame-bytes-max 64KiB");
    block = get_block(&rig.wire, 2, 15);
    ck_assert(bytes_same(block->data, large->blocks[0]->data));
    rig_end(&rig);
}
END_TEST

START_TEST(test_reused_id_of_an_open_stream_is_invalid)
{
    struct rig rig = rig_start("");
    Cairn__Commit *commit = commit_of_block(1, "large");
    commit->blocks[0]->data = bytes_random(5, 300000);
    commit_ok(&rig.wire, commit);
    static const uint64_t heights[] = {1};
    uint64_t id = send_read_blocks(&rig.wire, heights, 1, 1000);
    (void)wire_frame(&rig.wire, id);
    wire_send_frame(&rig.wire, FRAME_PING, id, NULL, 0);
    struct wire_frame *frame = wire_frame(&rig.wire, id);
    while (frame->header.flags & (FRAME_MORE | FRAME_CONTINUED)) { /* of the stream, up to its window */
        frame = wire_frame(&rig.wire, id);
    }
    ck_assert_int_eq(frame->header.status, STATUS_INVALID);
    rig_end(&rig);
}
END_TEST

START_TEST(test_chains_are_isolated_from_each_other)
{
    struct rig rig = rig_start("");
    ck_assert(ask_create_chain(&rig.wire, "other").created);
    ck_assert(!ask_create_chain(&rig.wire, "other").created);
    fill_blocks(&rig.wire, 1, 5);
    set(&rig.wire, "a", "default's");
    Cairn__Commit *commit = commit_of_block(2, "header 2");
    commit->has_chain = true;
    commit->chain = bytes_of("other");
    commit_state(commit, 2, "state");
    commit_metadata(commit, operation_set("a", "other's"));
    commit_ok(&rig.wire, commit);
    ck_assert(metadata_is(&rig.wire, "a", "default's"));
    Cairn__Prune *prune = prune_blocks(2);
    prune->has_chain = true;
    prune->chain = bytes_of("other");
    ck_assert_int_eq(ask_prune(&rig.wire, prune).status, STATUS_OK);
    ck_assert(block_is(&rig.wire, 2, "header 2"));
    ck_assert_ptr_nonnull(get_block_by_hash(&rig.wire, get_block(&rig.wire, 2, HASH)->hash,
                                            0)); /* the index is a chain's own */
    Cairn__ChainEntry *entry = get_chain(&rig.wire, "other");
    ck_assert(entry->height == 2 && entry->blocks_pruned_through == 2 && !entry->has_states_pruned_through);
    entry = get_chain(&rig.wire, "default");
    ck_assert(entry->height == 5 && !entry->has_blocks_pruned_through);
    ask_rollback(&rig.wire, rollback_to(1));
    ck_assert_uint_eq(get_chain(&rig.wire, "other")->height, 2);
    size_t n;
    list_metadata(&rig.wire, "", &n);
    ck_assert_uint_eq(n, 1);
    rig_end(&rig);
}
END_TEST

START_TEST(test_request_to_an_unknown_chain_is_invalid)
{
    struct rig rig = rig_start("");
    Cairn__Height height = CAIRN__HEIGHT__INIT;
    height.has_chain = true;
    height.chain = bytes_of("unknown");
    ck_assert_int_eq(ask(&rig.wire, FRAME_HEIGHT, &height).status, STATUS_INVALID);
    Cairn__Commit *commit = commit_of_block(1, "one");
    commit->has_chain = true;
    commit->chain = bytes_of("unknown");
    ck_assert_int_eq(ask_commit(&rig.wire, commit).status, STATUS_INVALID);
    Cairn__WriteMetadata *write = metadata_new(operation_set("a", "1"));
    write->has_chain = true;
    write->chain = bytes_of("unknown");
    ck_assert_int_eq(ask_metadata(&rig.wire, write).status, STATUS_INVALID);
    ck_assert_ptr_null(get_chain(&rig.wire, "unknown"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_created_chain_and_chains_max)
{
    struct rig rig = rig_start("--chains-max 3");
    ck_assert_int_eq(ask_create_chain(&rig.wire, "a.b_c-9").status, STATUS_OK);
    ck_assert_int_eq(ask_create_chain(&rig.wire, "z").status, STATUS_OK);
    struct written refused = ask_create_chain(&rig.wire, "more");
    ck_assert_int_ne(refused.status, STATUS_OK);
    ck_assert_int_ne(refused.status, STATUS_IO_ERROR);
    ck_assert_int_eq(ask_create_chain(&rig.wire, "z").status, STATUS_OK);
    rig_crash(&rig, "--chains-max 3");
    ck_assert_ptr_nonnull(get_chain(&rig.wire, "a.b_c-9"));
    ck_assert_ptr_nonnull(get_chain(&rig.wire, "default"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_as_many_chains_as_may_be_are_listed)
{
    enum { CHAINS = 1000 };
    struct rig rig = rig_start("");
    uint64_t ids[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        Cairn__CreateChain create = CAIRN__CREATE_CHAIN__INIT;
        create.has_chain = true;
        create.chain = bytes_of(kept_format("chain-%04d", i));
        ids[i] = wire_send(&rig.wire, FRAME_CREATE_CHAIN, &create);
    }
    for (int i = 0; i < CHAINS; i++) {
        ck_assert_int_eq(written_reply(&rig.wire, ids[i]).status, STATUS_OK);
    }
    struct reply reply = ask(&rig.wire, FRAME_CHAINS, NULL);
    ck_assert_int_eq(reply.status, STATUS_OK);
    Cairn__ChainsReply *list = wire_unpack(&cairn__chains_reply__descriptor, reply.body.data, reply.body.len);
    size_t found = 0;
    for (size_t i = 0; i < list->n_chains && found < CHAINS; i++) {
        found += bytes_are(list->chains[i]->name, kept_format("chain-%04d", (int)found));
    }
    ck_assert_uint_eq(found, CHAINS); /* and in order */
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("read", 60, &tests);
    tcase_add_test(tests, test_any_subset_of_parts_is_read_by_height_and_by_hash);
    tcase_add_test(tests, test_not_found_is_an_answer);
    tcase_add_test(tests, test_block_read_by_hash_after_overwrite);
    tcase_add_test(tests, test_hash_shared_by_two_heights_leads_to_the_last_committed);
    tcase_add_test(tests, test_block_list_is_answered_one_for_one_in_the_order_given);
    tcase_add_test(tests, test_block_range_gives_those_there_are_in_rising_order);
    tcase_add_test(tests, test_state_at_the_chains_height_is_that_states);
    tcase_add_test(tests, test_several_names_in_one_call_absent_ones_told);
    tcase_add_test(tests, test_list_is_in_byte_order_with_prefix_start_and_limit);
    tcase_add_test(tests, test_stream_stops_at_its_window_and_goes_on_with_credit);
    tcase_add_test(tests, test_stream_that_stands_still_goes_on_where_it_was);
    tcase_add_test(tests, test_messages_longer_than_the_window_arrive_whole);
    tcase_add_test(tests, test_answer_larger_than_a_frame_comes_in_several);
    tcase_add_test(tests, test_reused_id_of_an_open_stream_is_invalid);
    tcase_add_test(tests, test_chains_are_isolated_from_each_other);
    tcase_add_test(tests, test_request_to_an_unknown_chain_is_invalid);
    tcase_add_test(tests, test_created_chain_and_chains_max);
    tcase_add_test(tests, test_as_many_chains_as_may_be_are_listed);
    return suite_run(suite, false);
}
