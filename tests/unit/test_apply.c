/* Apply over a real store: what commits and groups write, what they carry, and that the refused leave no trace. */
#include <check.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "tests/lib/applied.h"
#include "tests/lib/suite.h"

static struct slice text(const char *string)
{
    return applied_text(string);
}

START_TEST(a_commit_writes_all_it_brings)
{
    struct job_block blocks[] = {{5, text("h5"), text("d5"), text("s5"), text("five")},
                                 {7, text("h7"), text("d7"), text(""), text("seven")}};
    struct job_state states[] = {{0, text("genesis")}, {5, text("")}, {6, text("gone")}};
    uint64_t delete_states[] = {6, 99};
    struct metadata_operation metadata[] = {applied_set("a", text("1"), 0), applied_set("b", text("2"), 5)};
    struct job job = {.kind = JOB_COMMIT,
                      .chain = 1,
                      .commit = {blocks, 2, states, 3, delete_states, 2, 6, true, 0},
                      .metadata = metadata,
                      .metadata_count = 2};
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    ck_assert_uint_eq(job.marks.height, 6);
    for (int i = 0; i < 2; i++) {
        applied_assert_header(1, 5, "five");
        applied_assert_header(1, 7, "seven");
        applied_assert_data(1, 5, "d5");
        applied_assert_data(1, 7, "d7");
        ck_assert_uint_eq(applied_height_of(1, "five"), 5);
        ck_assert_uint_eq(applied_height_of(1, "seven"), 7);
        ck_assert(applied_has(1, KEY_STATE, 0) && applied_has(1, KEY_STATE, 5));
        ck_assert_uint_eq(applied_count(1, KEY_STATE), 2);
        applied_assert_metadata(1, "a", text("1"), 0);
        applied_assert_metadata(1, "b", text("2"), 5);
        ck_assert_uint_eq(applied_marks(1).height, 6);
        ck_assert_uint_eq(applied_metadata_on_disk(), 0); /* no queued metadata was written */
        ck_assert_uint_eq(applied_count(2, KEY_HEADER), 0);
        applied_restart();
    }
}
END_TEST

START_TEST(without_a_hash_it_is_the_headers_sha_256)
{
    uint8_t digest[33] = {0};
    struct job_block blocks[] = {{.height = 1, .header = text("header")}, {.height = 2}};
    applied_commit((struct job_commit){.blocks = blocks, .block_count = 2});
    ck_assert_int_eq(EVP_Digest("header", 6, digest, NULL, EVP_sha256(), NULL), 1);
    ck_assert_ptr_null(memchr(digest, 0, 32)); /* so that it can be written as text */
    ck_assert_uint_eq(applied_height_of(1, (char *)digest), 1);
    applied_assert_header(1, 1, (char *)digest);
    ck_assert_uint_eq(applied_count(1, KEY_HASH), 2);
    ck_assert_uint_eq(applied_count(1, KEY_DATA), 0);
}
END_TEST

/* Each with what memory knows, and with what a restart finds. */
START_TEST(an_overwritten_block_loses_its_hash_and_data)
{
    for (uint64_t height = 10; height <= 30; height += 10) {
        applied_block(height, "old", "data");
        if (height == 20) {
            applied_restart();
        }
        applied_block(height, "new", "");
        ck_assert_uint_eq(applied_height_of(1, "old"), 0);
        ck_assert_uint_eq(applied_height_of(1, "new"), height);
        applied_assert_header(1, height, "new");
        applied_assert_data(1, height, NULL);
        applied_block(height, "new", "data again");
        ck_assert_uint_eq(applied_height_of(1, "new"), height);
        applied_assert_data(1, height, "data again");
    }
}
END_TEST

START_TEST(a_block_below_the_highest_is_overwritten_as_well)
{
    applied_block(10, "ten", "d");
    applied_block(3, "three", "d");
    applied_block(3, "other", "d");
    ck_assert_uint_eq(applied_height_of(1, "three"), 0);
    applied_restart();
    applied_block(10, "last", "d");
    ck_assert_uint_eq(applied_height_of(1, "ten"), 0);
    ck_assert_uint_eq(applied_count(1, KEY_HASH), 2);
}
END_TEST

START_TEST(of_two_blocks_of_one_height_in_a_commit_the_later_counts)
{
    struct job_block blocks[] = {{4, text("a"), text("first"), text(""), text("one")},
                                 {4, text("b"), text(""), text(""), text("two")},
                                 {5, text("c"), text("x"), text(""), text("same")},
                                 {5, text("d"), text("y"), text(""), text("same")}};
    struct job_state states[] = {{4, text("first")}, {4, text("second")}};
    applied_commit(
        (struct job_commit){.blocks = blocks, .block_count = 4, .states = states, .state_count = 2});
    applied_assert_header(1, 4, "two");
    applied_assert_data(1, 4, NULL);
    ck_assert_uint_eq(applied_height_of(1, "one"), 0);
    ck_assert_uint_eq(applied_height_of(1, "two"), 4);
    ck_assert_uint_eq(applied_height_of(1, "same"), 5);
    applied_assert_data(1, 5, "y");
    ck_assert_uint_eq(applied_count(1, KEY_STATE), 1);
}
END_TEST

START_TEST(a_hash_of_two_heights_leads_to_the_one_committed_last)
{
    applied_block(3, "shared", "d");
    applied_block(8, "shared", "d");
    ck_assert_uint_eq(applied_height_of(1, "shared"), 8);
    applied_block(3, "own", "d"); /* the entry does not lead here: it stays */
    ck_assert_uint_eq(applied_height_of(1, "shared"), 8);
    applied_block(3, "shared", "d");
    ck_assert_uint_eq(applied_height_of(1, "shared"), 3);
    applied_block(3, "own", "d");
    ck_assert_uint_eq(applied_height_of(1, "shared"), 0);
    struct job_block swap[] = {{.height = 3, .hash = text("eight")}, {.height = 8, .hash = text("own")}};
    applied_block(8, "eight", "d");
    applied_commit((struct job_commit){.blocks = swap, .block_count = 2});
    ck_assert_uint_eq(applied_height_of(1, "eight"), 3);
    ck_assert_uint_eq(applied_height_of(1, "own"), 8);
}
END_TEST

START_TEST(the_expected_height_is_judged_and_a_refusal_leaves_no_trace)
{
    applied_rise(5);
    struct job_block block = {.height = 6, .hash = text("six")};
    struct metadata_operation metadata = applied_set("a", text("1"), 0);
    applied_queue(1, applied_set("queued", text("q"), 0));
    struct job job = {.kind = JOB_COMMIT,
                      .chain = 1,
                      .commit = {.blocks = &block,
                                 .block_count = 1,
                                 .rise_to = 6,
                                 .has_expected_height = true,
                                 .expected_height = 4},
                      .metadata = &metadata,
                      .metadata_count = 1,
                      .carry_through = applied_carry()};
    uint64_t before = applied_digest();
    ck_assert_int_eq(applied_job(&job), STATUS_CONFLICT);
    ck_assert_int_eq(job.failure.reason, REASON_HEIGHT);
    ck_assert_uint_eq(applied_digest(), before);
    ck_assert_uint_eq(applied_queued(), 1);
    job.commit.expected_height = 5;
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    ck_assert_uint_eq(applied_queued(), 0);
    applied_assert_metadata(1, "queued", text("q"), 0);
    ck_assert_int_eq(applied_job(&job), STATUS_CONFLICT); /* it is 6 by now */
}
END_TEST

START_TEST(rising_no_higher_changes_nothing)
{
    applied_rise(5);
    uint64_t before = applied_digest();
    applied_rise(5);
    applied_rise(2);
    applied_rise(0);
    ck_assert_uint_eq(applied_digest(), before);
    applied_block(9, "nine", "d");
    ck_assert_uint_eq(applied_marks(1).height, 5);
    applied_rise(UINT64_MAX);
    ck_assert_uint_eq(applied_marks(1).height, UINT64_MAX);
}
END_TEST

START_TEST(metadata_of_one_commit_takes_effect_in_order)
{
    struct metadata_operation metadata[] = {
        applied_set("a", text("first"), 3),
        applied_set("a", text("second"), 4),
        applied_set("b", text("gone"), 0),
        applied_delete("b"),
        applied_set("c", applied_number(10), 2),
        applied_raise("c", 10),
        applied_set("d", applied_number(10), 2),
        applied_raise("d", 11),
        applied_delete("e"),
        applied_raise("e", 5),
        applied_raise("f", 0),
    };
    struct job job = {.kind = JOB_COMMIT, .chain = 1, .metadata = metadata, .metadata_count = 11};
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_metadata(1, "a", text("second"), 4);
    applied_assert_no_metadata(1, "b");
    applied_assert_metadata(1, "c", applied_number(10), 2);
    applied_assert_metadata(1, "d", applied_number(11), 0);
    applied_assert_metadata(1, "e", applied_number(5), 0);
    applied_assert_no_metadata(1, "f");
}
END_TEST

START_TEST(a_group_writes_what_is_queued_and_how_far_it_goes)
{
    applied_queue(1, applied_set("a", applied_number(7), 3));
    applied_queue(2, applied_set("a", text("other chain"), 0));
    applied_queue(1, applied_set("empty", text(""), 0));
    applied_queue(1, applied_raise("mark", 9));
    applied_groups();
    uint64_t first = applied_metadata_on_disk();
    ck_assert_uint_eq(first, 4);
    applied_queue(1, applied_raise("a", 7)); /* changes nothing: the binding stays */
    applied_queue(1, applied_raise("mark", 8));
    applied_groups();
    ck_assert_uint_eq(applied_metadata_on_disk(), first + 2);
    applied_assert_metadata(1, "a", applied_number(7), 3);
    applied_assert_metadata(2, "a", text("other chain"), 0);
    applied_assert_metadata(1, "empty", text(""), 0);
    applied_assert_metadata(1, "mark", applied_number(9), 0);
    applied_queue(1, applied_raise("a", 8));
    applied_queue(2, applied_raise("a", 1)); /* no number: counts as 0 */
    applied_queue(1, applied_delete("mark"));
    applied_groups();
    applied_assert_metadata(1, "a", applied_number(8), 0);
    applied_assert_metadata(2, "a", applied_number(1), 0);
    applied_assert_no_metadata(1, "mark");
}
END_TEST

START_TEST(a_commit_carries_what_was_accepted_before_it_and_no_more)
{
    applied_queue(1, applied_set("a", text("1"), 0));
    applied_queue(2, applied_set("b", text("2"), 0));
    uint64_t through = applied_carry();
    applied_queue(1, applied_set("a", text("later"), 0));
    (void)applied_carry();
    struct job job = {.kind = JOB_COMMIT, .chain = 1, .commit = {.rise_to = 1}, .carry_through = through};
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_metadata(1, "a", text("1"), 0);
    applied_assert_metadata(2, "b", text("2"), 0);
    ck_assert_uint_eq(applied_metadata_on_disk(), through);
    ck_assert_uint_eq(applied_queued(), 1);
    struct job empty = {.kind = JOB_COMMIT, .chain = 1}; /* carries nothing, and leaves the number */
    ck_assert_int_eq(applied_job(&empty), STATUS_OK);
    ck_assert_uint_eq(applied_metadata_on_disk(), through);
    applied_groups();
    applied_assert_metadata(1, "a", text("later"), 0);
}
END_TEST

START_TEST(a_commits_own_metadata_comes_over_what_it_carries)
{
    applied_queue(1, applied_set("raised", applied_number(10), 4));
    applied_queue(1, applied_set("left", applied_number(10), 4));
    applied_queue(1, applied_set("replaced", text("old"), 4));
    applied_queue(1, applied_set("deleted", text("old"), 4));
    applied_carry();
    applied_queue(1, applied_raise("raised", 11)); /* a second group over the first */
    applied_queue(1, applied_delete("again"));
    struct metadata_operation metadata[] = {applied_raise("raised", 12), applied_raise("left", 9),
                                            applied_set("replaced", text("new"), 0),
                                            applied_delete("deleted"), applied_raise("again", 1)};
    struct job job = {.kind = JOB_COMMIT,
                      .chain = 1,
                      .metadata = metadata,
                      .metadata_count = 5,
                      .carry_through = applied_carry()};
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_metadata(1, "raised", applied_number(12), 0);
    applied_assert_metadata(1, "left", applied_number(10), 4);
    applied_assert_metadata(1, "replaced", text("new"), 0);
    applied_assert_no_metadata(1, "deleted");
    applied_assert_metadata(1, "again", applied_number(1), 0);
}
END_TEST

START_TEST(what_is_bound_to_a_pruned_height_is_taken_and_pruned_at_once)
{
    applied_rise(10);
    applied_queue(1, applied_set("older", text("old"), 0));
    applied_groups();
    applied_prune(5);
    applied_queue(1, applied_set("queued", text("v"), 5));
    applied_queue(1, applied_set("older", text("v"), 1));
    applied_queue(1, applied_set("above", text("v"), 6));
    applied_queue(2, applied_set("queued", text("v"), 5)); /* there nothing is pruned */
    applied_queue(1, applied_set("raised", applied_number(9), 5));
    applied_queue(1, applied_raise("raised", 3));
    applied_groups();
    applied_assert_no_metadata(1, "queued");
    applied_assert_no_metadata(1, "older");
    applied_assert_metadata(1, "above", text("v"), 6);
    applied_assert_metadata(2, "queued", text("v"), 5);
    applied_assert_metadata(1, "raised", applied_number(3), 0);
    struct metadata_operation metadata[] = {applied_set("own", text("v"), 5),
                                            applied_set("above", text("v"), 5)};
    struct job job = {.kind = JOB_COMMIT, .chain = 1, .metadata = metadata, .metadata_count = 2};
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_no_metadata(1, "own");
    applied_assert_no_metadata(1, "above");
}
END_TEST

START_TEST(blocks_and_states_at_pruned_heights_are_refused_whole)
{
    applied_rise(10);
    struct job prune = {.kind = JOB_PRUNE, .chain = 1, .prune = {true, 5, true, 7}};
    ck_assert_int_eq(applied_job(&prune), STATUS_OK);
    uint64_t before = applied_digest();
    for (uint64_t height = 0; height <= 10; height++) {
        struct job_block blocks[] = {{.height = 20, .hash = text("fine")},
                                     {.height = height, .hash = text("h")}};
        struct job_state states[] = {{20, text("fine")}, {height, text("s")}};
        struct job block = {.kind = JOB_COMMIT, .chain = 1, .commit = {.blocks = blocks, .block_count = 2}};
        struct job state = {.kind = JOB_COMMIT, .chain = 1, .commit = {.states = states, .state_count = 2}};
        ck_assert_int_eq(applied_job(&block), height <= 5 ? STATUS_CONFLICT : STATUS_OK);
        ck_assert(height > 5 || (applied_digest() == before && block.failure.reason == REASON_PRUNED));
        ck_assert_int_eq(applied_job(&state), height <= 7 ? STATUS_CONFLICT : STATUS_OK);
        ck_assert(height > 7 || state.failure.reason == REASON_PRUNED);
    }
    struct job_block other = {.height = 1, .hash = text("h")};
    struct job job = {.kind = JOB_COMMIT, .chain = 2, .commit = {.blocks = &other, .block_count = 1}};
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
}
END_TEST

START_TEST(commits_of_one_batch_are_judged_one_after_the_other)
{
    struct job_block first = {.height = 5, .header = text("h"), .data = text("d1"), .hash = text("one")};
    struct job_block second = {.height = 5, .header = text("h"), .hash = text("two")};
    struct job_block third = {.height = 6, .header = text("h"), .data = text("d3"), .hash = text("three")};
    struct metadata_operation raise = applied_raise("mark", 7), lower = applied_raise("mark", 3);
    struct job jobs[] = {
        {.kind = JOB_COMMIT, .chain = 1, .commit = {.blocks = &first, .block_count = 1, .rise_to = 5}},
        {.kind = JOB_COMMIT,
         .chain = 1,
         .commit = {.blocks = &third, .block_count = 1, .has_expected_height = true, .expected_height = 4}},
        {.kind = JOB_COMMIT,
         .chain = 1,
         .commit = {.blocks = &second, .block_count = 1, .has_expected_height = true, .expected_height = 5},
         .metadata = &raise,
         .metadata_count = 1},
        {.kind = JOB_COMMIT, .chain = 2, .commit = {.blocks = &first, .block_count = 1, .rise_to = 9}},
        {.kind = JOB_COMMIT, .chain = 1, .commit = {.rise_to = 6}, .metadata = &lower, .metadata_count = 1},
    };
    applied_begin_batch();
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        ck_assert_int_eq(applied_job(&jobs[i]), i == 1 ? STATUS_CONFLICT : STATUS_OK);
    }
    ck_assert_uint_eq(applied_count(1, KEY_HEADER), 0);
    applied_write_batch();
    for (int i = 0; i < 2; i++) {
        applied_assert_header(1, 5, "two");
        applied_assert_data(1, 5, NULL);
        ck_assert_uint_eq(applied_count(1, KEY_HEADER), 1);
        ck_assert_uint_eq(applied_count(1, KEY_HASH), 1);
        applied_assert_metadata(1, "mark", applied_number(7), 0);
        ck_assert_uint_eq(applied_marks(1).height, 6);
        ck_assert_uint_eq(applied_marks(2).height, 9);
        applied_assert_header(2, 5, "one");
        applied_restart();
    }
}
END_TEST

START_TEST(chains_are_written_for_the_next_start)
{
    uint64_t before = applied_digest();
    struct job again = {.kind = JOB_CREATE_CHAIN, .chain = 2, .chain_name = text("second")};
    ck_assert_int_eq(applied_job(&again), STATUS_OK);
    ck_assert_uint_eq(applied_digest(), before); /* it is there */
    struct job create = {.kind = JOB_CREATE_CHAIN, .chain = 3, .chain_name = text("third")};
    ck_assert_int_eq(applied_job(&create), STATUS_OK);
    ck_assert_uint_eq(create.marks.cut_sequence, create.sequence); /* what was written before is not of it */
    ck_assert_uint_eq(applied_count(0, KEY_CHAIN_NAME), 1);
    ck_assert_uint_eq(applied_count(3, KEY_MARKS), 1); /* a start wants them of every chain */
    ck_assert_uint_eq(applied_count(0, KEY_MARKS), 0);
}
END_TEST

/* A block, a state and a name on the chain, and another name that is queued. */
static void fill(uint32_t chain)
{
    struct job_block block = {
        .height = 5, .header = text("header"), .data = text("data"), .hash = text("one")};
    struct job_state state = {5, text("state")};
    struct metadata_operation bound = applied_set("bound", text("v"), 5);
    struct job job = {
        .kind = JOB_COMMIT,
        .chain = chain,
        .commit = {.blocks = &block, .block_count = 1, .states = &state, .state_count = 1, .rise_to = 5},
        .metadata = &bound,
        .metadata_count = 1,
    };
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    (void)applied_claim(chain, 7);
    applied_queue(chain, applied_set("queued", text("v"), 5));
}

static size_t keys_of(uint32_t chain)
{
    static const enum key_kind kinds[] = {KEY_MARKS, KEY_MADE,     KEY_HEADER, KEY_DATA,  KEY_HASH,
                                          KEY_STATE, KEY_METADATA, KEY_BOUND,  KEY_CLAIM, KEY_EPOCH};
    size_t keys = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        keys += applied_count(chain, kinds[i]);
    }
    return keys;
}

START_TEST(a_drop_leaves_no_key_of_its_chain_and_all_of_the_others)
{
    struct job create = {.kind = JOB_CREATE_CHAIN, .chain = 3, .chain_name = text("third")};
    ck_assert_int_eq(applied_job(&create), STATUS_OK);
    fill(2);
    fill(3);
    struct job drop = {.kind = JOB_DROP_CHAIN, .chain = 3, .drop = {.name = text("third")}};
    drop.carry_through = applied_carry();
    ck_assert_int_eq(applied_job(&drop), STATUS_OK);
    ck_assert_uint_eq(keys_of(3), 0);
    ck_assert_uint_eq(applied_count(0, KEY_CHAIN_NAME), 0);
    ck_assert_uint_eq(applied_count(0, KEY_DROPPED), 1); /* its space is to be asked back */
    applied_assert_header(2, 5, "one");
    applied_assert_metadata(2, "queued", text("v"), 5);
    applied_assert_metadata(2, "bound", text("v"), 5);
    ck_assert_int_eq(applied_job(&create), STATUS_OK);
    ck_assert_uint_eq(keys_of(3), 2); /* its marks, and what made it */
    ck_assert_uint_eq(create.marks.height, 0);
    fill(3);
    applied_assert_header(3, 5, "one");
    struct job forget = {.kind = JOB_FORGET_DROPS, .forget = {3, 3}};
    ck_assert_int_eq(applied_job(&forget), STATUS_OK);
    ck_assert_uint_eq(applied_count(0, KEY_DROPPED), 0);
    applied_groups();
}
END_TEST

START_TEST(a_chain_that_is_made_anew_keeps_its_name_and_has_marks)
{
    fill(2);
    struct job drop = {.kind = JOB_DROP_CHAIN, .chain = 2, .drop = {text("second"), .makes_anew = true}};
    drop.carry_through = applied_carry();
    ck_assert_int_eq(applied_job(&drop), STATUS_OK);
    ck_assert_uint_eq(keys_of(2), 2); /* its marks, and what made it */
    ck_assert(drop.marks.height == 0 && drop.marks.cut_sequence == drop.sequence);
    fill(2); /* block 5 replaces nothing that is there no more */
    applied_assert_header(2, 5, "one");
    ck_assert_uint_eq(applied_marks(2).height, 5);
    applied_groups();
}
END_TEST

START_TEST(a_sweep_of_a_chain_that_was_dropped_does_nothing)
{
    applied_block(1, "one", "d");
    applied_rise(2);
    applied_prune(1);
    struct job drop = {.kind = JOB_DROP_CHAIN, .chain = 1, .drop = {text("first"), .makes_anew = true}};
    ck_assert_int_eq(applied_job(&drop), STATUS_OK);
    uint64_t before = applied_digest();
    ck_assert(applied_sweep());
    ck_assert_uint_eq(applied_digest(), before);
}
END_TEST

START_TEST(a_last_block_with_a_key_that_is_too_long_fails_the_start)
{
    applied_block(10, "ten", "d");
    applied_put_bad(key_of_height(1, KEY_HEADER, 10), KEY_BYTES_MAX + 1);
    applied_assert_load_damaged("a block's key of 1038 bytes");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("apply", 60, &tests);
    tcase_add_checked_fixture(tests, applied_open, applied_close);
    tcase_add_test(tests, a_commit_writes_all_it_brings);
    tcase_add_test(tests, without_a_hash_it_is_the_headers_sha_256);
    tcase_add_test(tests, an_overwritten_block_loses_its_hash_and_data);
    tcase_add_test(tests, a_block_below_the_highest_is_overwritten_as_well);
    tcase_add_test(tests, of_two_blocks_of_one_height_in_a_commit_the_later_counts);
    tcase_add_test(tests, a_hash_of_two_heights_leads_to_the_one_committed_last);
    tcase_add_test(tests, the_expected_height_is_judged_and_a_refusal_leaves_no_trace);
    tcase_add_test(tests, rising_no_higher_changes_nothing);
    tcase_add_test(tests, metadata_of_one_commit_takes_effect_in_order);
    tcase_add_test(tests, a_group_writes_what_is_queued_and_how_far_it_goes);
    tcase_add_test(tests, a_commit_carries_what_was_accepted_before_it_and_no_more);
    tcase_add_test(tests, a_commits_own_metadata_comes_over_what_it_carries);
    tcase_add_test(tests, what_is_bound_to_a_pruned_height_is_taken_and_pruned_at_once);
    tcase_add_test(tests, blocks_and_states_at_pruned_heights_are_refused_whole);
    tcase_add_test(tests, commits_of_one_batch_are_judged_one_after_the_other);
    tcase_add_test(tests, chains_are_written_for_the_next_start);
    tcase_add_test(tests, a_drop_leaves_no_key_of_its_chain_and_all_of_the_others);
    tcase_add_test(tests, a_chain_that_is_made_anew_keeps_its_name_and_has_marks);
    tcase_add_test(tests, a_sweep_of_a_chain_that_was_dropped_does_nothing);
    tcase_add_test(tests, a_last_block_with_a_key_that_is_too_long_fails_the_start);
    return suite_run(suite, true);
}
