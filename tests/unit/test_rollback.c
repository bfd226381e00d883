/* Rollback: what it drops and counts, what it is refused for, guards, and what it does with what it carries. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/applied.h"
#include "tests/lib/suite.h"

static struct slice text(const char *string)
{
    return applied_text(string);
}

static enum status roll_back(uint64_t to)
{
    struct job job = applied_rollback_to(to);
    job.carry_through = applied_carry();
    return applied_job(&job);
}

START_TEST(what_lies_above_goes_and_is_counted)
{
    applied_ten();
    applied_block(12, "h12", "data"); /* a block may lie above the height */
    applied_queue(2, applied_set("m9", text("other chain"), 9));
    applied_groups();
    struct job job = applied_rollback_to(7);
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 4, 3, 3, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(applied_marks(1).height, 7);
        ck_assert_uint_eq(applied_marks(1).cut_sequence, job.sequence);
        static const enum key_kind kinds[] = {KEY_HEADER, KEY_DATA,     KEY_HASH,
                                              KEY_STATE,  KEY_METADATA, KEY_BOUND};
        for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
            ck_assert_uint_eq(applied_count(1, kinds[kind]), 7);
        }
        ck_assert_uint_eq(applied_height_of(1, "h7"), 7);
        ck_assert_uint_eq(applied_height_of(1, "h8"), 0);
        applied_assert_metadata(1, "m7", text("v"), 7);
        applied_assert_no_metadata(1, "m8");
        applied_assert_metadata(2, "m9", text("other chain"), 9);
        applied_restart();
    }
}
END_TEST

START_TEST(heights_above_can_be_written_again)
{
    applied_ten();
    ck_assert_int_eq(roll_back(3), STATUS_OK);
    struct job_block block = {.height = 5, .header = text("header"), .hash = text("five again")};
    applied_commit((struct job_commit){.blocks = &block, .block_count = 1, .rise_to = 5});
    applied_assert_header(1, 5, "five again");
    applied_assert_data(1, 5, NULL); /* of the dropped block nothing comes back */
    ck_assert_uint_eq(applied_height_of(1, "h5"), 0);
    applied_block(5, "once more", "data");
    ck_assert_uint_eq(applied_height_of(1, "five again"), 0);
    applied_state(5);
    ck_assert_int_eq(roll_back(3), STATUS_OK);
    ck_assert_uint_eq(applied_count(1, KEY_HASH), 3);
    applied_block(2, "two again", "data"); /* what stayed is still known to be there */
    ck_assert_uint_eq(applied_height_of(1, "h2"), 0);
    applied_block(3, "three again", "data");
    ck_assert_uint_eq(applied_count(1, KEY_HASH), 3);
}
END_TEST

START_TEST(a_target_is_judged)
{
    applied_ten();
    applied_queue(1, applied_set("queued", text("q"), 0));
    uint64_t before = applied_digest();
    ck_assert_int_eq(roll_back(11), STATUS_CONFLICT);
    ck_assert_int_eq(roll_back(UINT64_MAX), STATUS_CONFLICT);
    ck_assert_int_eq(roll_back(0), STATUS_CONFLICT); /* there is no genesis state */
    ck_assert_uint_eq(applied_digest(), before);
    ck_assert_uint_eq(applied_queued(), 1);
    struct job prune = {.kind = JOB_PRUNE, .chain = 1, .prune = {true, 4, true, 6}};
    ck_assert_int_eq(applied_job(&prune), STATUS_OK);
    before = applied_digest();
    ck_assert_int_eq(roll_back(4), STATUS_CONFLICT); /* blocks are pruned */
    ck_assert_int_eq(roll_back(6), STATUS_CONFLICT); /* states are */
    ck_assert_uint_eq(applied_digest(), before);
    ck_assert_int_eq(roll_back(7), STATUS_OK);
    ck_assert_int_eq(roll_back(7), STATUS_OK); /* to where it is */
    ck_assert_uint_eq(applied_queued(), 0);
}
END_TEST

START_TEST(a_chain_without_states_needs_none)
{
    applied_block(1, "one", "data");
    applied_block(2, "two", "data");
    applied_rise(2);
    ck_assert_int_eq(roll_back(1), STATUS_OK);
    applied_state(5); /* one above the target is one as well */
    ck_assert_int_eq(roll_back(0), STATUS_CONFLICT);
    uint64_t gone = 5;
    applied_commit((struct job_commit){.delete_states = &gone, .delete_state_count = 1});
    ck_assert_int_eq(roll_back(0), STATUS_OK);
    ck_assert_uint_eq(applied_count(1, KEY_HEADER), 0);
    ck_assert_uint_eq(applied_marks(1).height, 0);
}
END_TEST

START_TEST(states_pruned_through_the_target_refuse_it_also_if_none_are_left)
{
    applied_rise(10);
    applied_state(2);
    struct job prune = {.kind = JOB_PRUNE, .chain = 1, .prune = {.has_states = true, .states_through = 5}};
    ck_assert_int_eq(applied_job(&prune), STATUS_OK);
    ck_assert_int_eq(roll_back(5), STATUS_CONFLICT);
    ck_assert_int_eq(roll_back(6), STATUS_OK);
}
END_TEST

START_TEST(blocks_pruned_through_the_target_are_refused_also_after_the_sweep)
{
    applied_rise(10);
    applied_prune(5);
    while (!applied_sweep()) {
    }
    ck_assert_int_eq(roll_back(5), STATUS_CONFLICT);
    ck_assert_int_eq(roll_back(6), STATUS_OK);
    ck_assert_uint_eq(applied_marks(1).blocks_pruned, 5);
}
END_TEST

START_TEST(what_it_carries_is_judged_and_dropped_like_the_rest)
{
    applied_ten();
    applied_queue(1, applied_set("m9", text("lower"), 3));  /* leaves what would be dropped */
    applied_queue(1, applied_set("m10", text("free"), 0));  /* likewise */
    applied_queue(1, applied_raise("m8", 1));               /* likewise: a raise unbinds */
    applied_queue(1, applied_set("m1", text("higher"), 9)); /* comes to be dropped */
    applied_queue(1, applied_set("new", text("v"), 8));     /* dropped before it was ever written */
    applied_queue(1, applied_set("low", text("v"), 7));
    applied_queue(1, applied_delete("m2"));
    applied_queue(2, applied_set("new", text("other chain"), 8));
    struct job job = applied_rollback_to(7);
    uint64_t through = applied_carry();
    job.carry_through = through;
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 3, 3, 2, 0);
    applied_assert_metadata(1, "m9", text("lower"), 3);
    applied_assert_metadata(1, "m10", text("free"), 0);
    applied_assert_metadata(1, "m8", applied_number(1), 0);
    applied_assert_no_metadata(1, "m1");
    applied_assert_no_metadata(1, "m2");
    applied_assert_no_metadata(1, "new");
    applied_assert_metadata(1, "low", text("v"), 7);
    applied_assert_metadata(2, "new", text("other chain"), 8);
    ck_assert_uint_eq(applied_metadata_on_disk(), through);
    ck_assert_uint_eq(applied_queued(), 0);
}
END_TEST

START_TEST(a_name_bound_twice_is_counted_once)
{
    applied_rise(10);
    for (uint64_t height = 6; height <= 9; height++) {
        applied_queue(1, applied_set("name", text("v"), height));
        applied_groups();
    }
    applied_queue(1, applied_set("name", text("w"), 8));
    applied_queue(1, applied_set("kept", text("v"), 9));
    applied_groups();
    applied_queue(1, applied_set("kept", text("v"), 2));
    applied_groups();
    struct job job = applied_rollback_to(5);
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 0, 0, 1, 0);
    applied_assert_no_metadata(1, "name");
    applied_assert_metadata(1, "kept", text("v"), 2);
    ck_assert_uint_eq(applied_count(1, KEY_BOUND), 1);
}
END_TEST

START_TEST(a_hash_of_a_height_below_goes_only_if_it_leads_above)
{
    applied_block(2, "x", "data");
    applied_block(8, "x", "data"); /* leads above */
    applied_block(9, "y", "data");
    applied_block(3, "y", "data"); /* leads below */
    applied_rise(9);
    ck_assert_int_eq(roll_back(5), STATUS_OK);
    ck_assert_uint_eq(applied_height_of(1, "x"), 0);
    ck_assert_uint_eq(applied_height_of(1, "y"), 3);
    applied_assert_header(1, 2, "x");
}
END_TEST

static enum status guarded(uint64_t to, const char *name, bool lower, struct job *ret_job)
{
    struct job_guard guards[] = {{text("absent"), lower, false}, {text(name), lower, false}};
    *ret_job = applied_rollback_to(to);
    ret_job->rollback.guards = guards;
    ret_job->rollback.guard_count = 2;
    ret_job->carry_through = applied_carry();
    enum status status = applied_job(ret_job);
    ret_job->rollback.guards = NULL;
    return status;
}

START_TEST(a_guard_above_the_target_refuses)
{
    struct job job;
    applied_ten();
    applied_queue(1, applied_set("final", applied_number(6), 0));
    uint64_t before = applied_digest();
    ck_assert_int_eq(guarded(5, "final", false, &job), STATUS_CONFLICT); /* it is still queued: that counts */
    ck_assert_uint_eq(applied_digest(), before);
    ck_assert_uint_eq(applied_queued(), 1);
    applied_groups();
    ck_assert_int_eq(guarded(5, "final", false, &job), STATUS_CONFLICT);
    ck_assert_int_eq(guarded(6, "final", false, &job), STATUS_OK);
    applied_assert_metadata(1, "final", applied_number(6), 0);
    applied_assert_rolled_back(&job, 4, 4, 4, 0);
}
END_TEST

START_TEST(a_guard_that_holds_no_height_is_invalid)
{
    struct job job;
    applied_ten();
    static const char *const values[] = {"", "short", "nine byte"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        applied_queue(1, applied_set("final", text(values[i]), 0));
        applied_groups();
        uint64_t before = applied_digest();
        ck_assert_int_eq(guarded(9, "final", i % 2 == 0, &job), STATUS_INVALID);
        ck_assert_uint_eq(applied_digest(), before);
    }
}
END_TEST

START_TEST(a_guard_is_lowered_if_asked)
{
    struct job job;
    applied_ten();
    applied_queue(1, applied_set("final", applied_number(9), 0));
    applied_groups();
    ck_assert_int_eq(guarded(8, "final", true, &job), STATUS_OK);
    applied_assert_rolled_back(&job, 2, 2, 2, 1);
    applied_assert_metadata(1, "final", applied_number(8), 0);
    applied_assert_no_metadata(1, "absent");
    applied_queue(1, applied_raise("final", 50)); /* queued, and carried before it is judged */
    ck_assert_int_eq(guarded(7, "final", true, &job), STATUS_OK);
    applied_assert_rolled_back(&job, 1, 1, 1, 1);
    applied_assert_metadata(1, "final", applied_number(7), 0);
    ck_assert_int_eq(guarded(7, "final", true, &job), STATUS_OK); /* not above: left alone */
    applied_assert_rolled_back(&job, 0, 0, 0, 0);
}
END_TEST

START_TEST(guards_are_judged_by_what_was_there_before_in_any_order)
{
    static const bool orders[][2] = {{true, false}, {false, true}};
    applied_ten();
    applied_queue(1, applied_set("final", applied_number(9), 0));
    applied_groups();
    uint64_t before = applied_digest();
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct job_guard guards[] = {{text("final"), orders[i][0], false},
                                     {text("final"), orders[i][1], false}};
        struct job job = applied_rollback_to(8);
        job.rollback.guards = guards;
        job.rollback.guard_count = 2;
        ck_assert_int_eq(applied_job(&job), STATUS_CONFLICT);
        ck_assert_uint_eq(applied_digest(), before);
    }
    struct job_guard twice[] = {{text("final"), true, false}, {text("final"), true, false}};
    struct job job = applied_rollback_to(8);
    job.rollback.guards = twice;
    job.rollback.guard_count = 2;
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 2, 2, 2, 1); /* a name is lowered once */
    applied_assert_metadata(1, "final", applied_number(8), 0);
}
END_TEST

START_TEST(a_guard_bound_to_a_pruned_height_is_absent)
{
    struct job job;
    applied_rise(10);
    applied_queue(1, applied_set("final", applied_number(9), 3));
    applied_prune(4); /* carries it; the sweep has not come yet */
    ck_assert_int_eq(guarded(8, "final", false, &job), STATUS_OK);
}
END_TEST

START_TEST(one_that_takes_more_memory_than_a_write_has_is_refused_whole)
{
    enum { NAMES = 70000, NAMES_AT_ONCE = 5000, NAME_BYTES = 1000 };
    static struct metadata_operation operations[NAMES_AT_ONCE];
    static char bound[NAMES_AT_ONCE][NAME_BYTES];
    applied_ten();
    for (unsigned first = 0; first < NAMES; first += NAMES_AT_ONCE) {
        for (unsigned i = 0; i < NAMES_AT_ONCE; i++) {
            memset(bound[i], 'n', NAME_BYTES);
            snprintf(bound[i], NAME_BYTES, "%08u", first + i);
            operations[i] = (struct metadata_operation){
                .kind = METADATA_SET, .name = slice_of(bound[i], NAME_BYTES), .of_height = 9};
        }
        struct job job = {
            .kind = JOB_COMMIT, .chain = 1, .metadata = operations, .metadata_count = NAMES_AT_ONCE};
        ck_assert_int_eq(applied_job(&job), STATUS_OK);
    }
    ck_assert_int_eq(roll_back(6), STATUS_TOO_LARGE);
    ck_assert_uint_eq(applied_marks(1).height, 10);
    ck_assert_uint_eq(applied_height_of(1, "h10"), 10);
    ck_assert_int_eq(roll_back(9), STATUS_OK);
    ck_assert_uint_eq(applied_height_of(1, "h10"), 0);
}
END_TEST

START_TEST(hashes_of_many_blocks_go)
{
    enum { HEIGHTS = 20000 };
    static struct job_block blocks[HEIGHTS];
    static uint8_t hashes[HEIGHTS][32];
    for (uint64_t i = 0; i < HEIGHTS; i++) {
        record_put_u64(i, hashes[i]);
        blocks[i] = (struct job_block){.height = i + 1, .hash = slice_of(hashes[i], sizeof hashes[i])};
    }
    applied_commit((struct job_commit){.blocks = blocks, .block_count = HEIGHTS, .rise_to = HEIGHTS});
    ck_assert_int_eq(roll_back(5), STATUS_OK);
    ck_assert_uint_eq(applied_count(1, KEY_HASH), 5);
    ck_assert_uint_eq(applied_count(1, KEY_HEADER), 5);
}
END_TEST

START_TEST(metadata_that_comes_with_it_takes_effect_after_it)
{
    applied_ten();
    struct metadata_operation metadata[] = {applied_set("above", text("v"), 9), applied_raise("m9", 1),
                                            applied_set("m8", text("new"), 8), applied_delete("m1")};
    struct job job = applied_rollback_to(7);
    job.metadata = metadata;
    job.metadata_count = 4;
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 3, 3, 3, 0);
    applied_assert_metadata(1, "above", text("v"), 9);
    applied_assert_metadata(1, "m9", applied_number(1), 0);
    applied_assert_metadata(1, "m8", text("new"), 8);
    applied_assert_no_metadata(1, "m1");
    ck_assert_int_eq(roll_back(7), STATUS_OK);
    applied_assert_no_metadata(1, "above");
    applied_assert_no_metadata(1, "m8");
}
END_TEST

START_TEST(at_the_last_height_nothing_lies_above)
{
    applied_block(UINT64_MAX, "last", "data");
    applied_state(UINT64_MAX);
    applied_rise(UINT64_MAX);
    applied_queue(1, applied_set("bound", text("v"), UINT64_MAX));
    struct job job = applied_rollback_to(UINT64_MAX);
    job.carry_through = applied_carry();
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 0, 0, 0, 0);
    applied_assert_header(1, UINT64_MAX, "last");
    applied_assert_metadata(1, "bound", text("v"), UINT64_MAX);
    applied_state(UINT64_MAX - 1);
    job = applied_rollback_to(UINT64_MAX - 1);
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_rolled_back(&job, 1, 1, 1, 0);
}
END_TEST

START_TEST(a_stored_key_that_is_too_long_fails_it_whole)
{
    static const enum key_kind kinds[] = {KEY_HEADER, KEY_BOUND};
    applied_block(1, "one", "data");
    applied_rise(10);
    applied_put_bad(key_of_height(1, kinds[_i], 7), 2 * KEY_BYTES_MAX);
    uint64_t before = applied_digest();
    struct job job = {.kind = JOB_ROLLBACK, .rollback = {.to = 5}};
    applied_assert_damaged(&job, _i == 0 ? "header record" : "a bound name's key of 2074 bytes");
    ck_assert_uint_eq(applied_digest(), before);
    ck_assert_uint_eq(applied_marks(1).height, 10);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rollback", 60, &tests);
    tcase_add_checked_fixture(tests, applied_open, applied_close);
    tcase_add_test(tests, what_lies_above_goes_and_is_counted);
    tcase_add_test(tests, heights_above_can_be_written_again);
    tcase_add_test(tests, a_target_is_judged);
    tcase_add_test(tests, a_chain_without_states_needs_none);
    tcase_add_test(tests, states_pruned_through_the_target_refuse_it_also_if_none_are_left);
    tcase_add_test(tests, blocks_pruned_through_the_target_are_refused_also_after_the_sweep);
    tcase_add_test(tests, what_it_carries_is_judged_and_dropped_like_the_rest);
    tcase_add_test(tests, a_name_bound_twice_is_counted_once);
    tcase_add_test(tests, a_hash_of_a_height_below_goes_only_if_it_leads_above);
    tcase_add_test(tests, a_guard_above_the_target_refuses);
    tcase_add_test(tests, a_guard_that_holds_no_height_is_invalid);
    tcase_add_test(tests, a_guard_is_lowered_if_asked);
    tcase_add_test(tests, guards_are_judged_by_what_was_there_before_in_any_order);
    tcase_add_test(tests, a_guard_bound_to_a_pruned_height_is_absent);
    tcase_add_test(tests, one_that_takes_more_memory_than_a_write_has_is_refused_whole);
    tcase_add_test(tests, hashes_of_many_blocks_go);
    tcase_add_test(tests, metadata_that_comes_with_it_takes_effect_after_it);
    tcase_add_test(tests, at_the_last_height_nothing_lies_above);
    tcase_add_loop_test(tests, a_stored_key_that_is_too_long_fails_it_whole, 0, 2);
    return suite_run(suite, true);
}
