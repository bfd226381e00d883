/* Dropped: what each kind of job and operation may have dropped, as a range or a count. */
#include <check.h>

#include "daemon/order/dropped.h"
#include "tests/lib/suite.h"

static struct dropped dropped;
static struct dropped_tops tops;

static void setup(void)
{
    dropped = (struct dropped){0};
    tops = (struct dropped_tops){0};
}

static void commit_block(uint64_t height)
{
    struct job_block block = {.height = height};
    struct job job = {.kind = JOB_COMMIT, .commit = {.blocks = &block, .block_count = 1}};
    dropped_by_job(&dropped, &tops, &job);
}

static void commit_state(uint64_t height)
{
    struct job_state state = {.height = height};
    struct job job = {.kind = JOB_COMMIT, .commit = {.states = &state, .state_count = 1}};
    dropped_by_job(&dropped, &tops, &job);
}

static void assert_heights(const struct dropped_heights *heights, uint64_t count, uint64_t first,
                           uint64_t last)
{
    ck_assert_uint_eq(heights->count, count);
    ck_assert(count == 0 || (heights->first == first && heights->last == last));
}

START_TEST(a_block_above_all_others_drops_nothing_and_one_below_may_replace)
{
    for (uint64_t height = 5; height <= 9; height++) {
        commit_block(height);
        ck_assert_uint_eq(dropped_count(&dropped), 0);
    }
    commit_block(7);
    commit_block(3);
    assert_heights(&dropped.blocks, 2, 3, 7);
    ck_assert_uint_eq(dropped.hashes, 2);
    commit_block(10);
    assert_heights(&dropped.blocks, 2, 3, 7);
}
END_TEST

START_TEST(states_likewise_the_first_at_height_0_too)
{
    commit_state(0);
    commit_state(1);
    ck_assert_uint_eq(dropped_count(&dropped), 0);
    commit_state(1);
    commit_state(0);
    assert_heights(&dropped.states, 2, 0, 1);
    assert_heights(&dropped.blocks, 0, 0, 0);
}
END_TEST

START_TEST(deleted_states_are_a_range)
{
    static const uint64_t heights[] = {8, 2, 5};
    struct job job = {.kind = JOB_COMMIT, .commit = {.delete_states = heights, .delete_state_count = 3}};
    dropped_by_job(&dropped, &tops, &job);
    assert_heights(&dropped.states, 3, 2, 8);
}
END_TEST

START_TEST(a_rollback_drops_what_lies_above_if_it_found_anything)
{
    struct job job = {.kind = JOB_ROLLBACK, .rollback = {.to = 4}};
    dropped_by_job(&dropped, &tops, &job);
    ck_assert(dropped_count(&dropped) == 0 && !dropped.is_rollback);
    tops = (struct dropped_tops){9, 9, true};
    job.counts = (struct job_counts){.blocks = 3, .states = 2, .metadata = 1};
    dropped_by_job(&dropped, &tops, &job);
    assert_heights(&dropped.blocks, 4, 5, UINT64_MAX);
    assert_heights(&dropped.states, 2, 5, UINT64_MAX);
    ck_assert(dropped.is_rollback && dropped.hashes == 3 && dropped.deleted == 1);
    setup();
    tops = (struct dropped_tops){4, 4, true};
    commit_block(5); /* nothing is there any more */
    ck_assert_uint_eq(dropped_count(&dropped), 0);
    job.rollback.to = UINT64_MAX;
    dropped_by_job(&dropped, &tops, &job);
    ck_assert_uint_eq(dropped_count(&dropped), 0);
}
END_TEST

START_TEST(names_are_counted_by_what_is_done_to_them)
{
    struct metadata_operation operations[] = {
        {.kind = METADATA_SET}, {.kind = METADATA_DELETE}, {.kind = METADATA_RAISE}};
    struct job job = {.kind = JOB_PRUNE, .metadata = operations, .metadata_count = 3};
    dropped_by_job(&dropped, &tops, &job);
    dropped_by_name(&dropped, METADATA_NONE); /* a raise, folded */
    ck_assert(dropped.names == 3 && dropped.deleted == 1 && dropped.ranges == 0);
    struct job sweep = {.kind = JOB_SWEEP, .counts = {.blocks = 7, .metadata = 2}};
    dropped_by_job(&dropped, &tops, &sweep);
    ck_assert(dropped.hashes == 7 && dropped.deleted == 3);
}
END_TEST

START_TEST(deleted_blocks_and_ranges_of_names_are_dropped)
{
    static const uint64_t heights[] = {8, 2};
    struct metadata_operation operation = {.kind = METADATA_DELETE_RANGE};
    struct job job = {.kind = JOB_COMMIT,
                      .commit = {.delete_blocks = heights, .delete_block_count = 2, .deletes_names = true},
                      .metadata = &operation,
                      .metadata_count = 1};
    dropped_by_job(&dropped, &tops, &job);
    assert_heights(&dropped.blocks, 2, 2, 8);
    ck_assert(dropped.hashes == 2 && dropped.ranges == 1 && dropped.names + dropped.deleted == 0);
}
END_TEST

START_TEST(sums_have_all_of_both)
{
    struct dropped other = {
        .blocks = {2, 3, 9}, .names = 1, .deleted = 2, .ranges = 4, .hashes = 3, .is_rollback = true};
    dropped_add(&dropped, &(struct dropped){0});
    ck_assert_uint_eq(dropped_count(&dropped), 0);
    dropped_add(&dropped, &other);
    other.blocks = (struct dropped_heights){1, 20, 20};
    dropped_add(&dropped, &other);
    assert_heights(&dropped.blocks, 3, 3, 20);
    ck_assert_uint_eq(dropped_count(&dropped), 3 + 2 * (1 + 2 + 4 + 3));
    ck_assert(dropped.is_rollback);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("dropped", 10, &tests);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, a_block_above_all_others_drops_nothing_and_one_below_may_replace);
    tcase_add_test(tests, states_likewise_the_first_at_height_0_too);
    tcase_add_test(tests, deleted_states_are_a_range);
    tcase_add_test(tests, a_rollback_drops_what_lies_above_if_it_found_anything);
    tcase_add_test(tests, names_are_counted_by_what_is_done_to_them);
    tcase_add_test(tests, deleted_blocks_and_ranges_of_names_are_dropped);
    tcase_add_test(tests, sums_have_all_of_both);
    return suite_run(suite, false);
}
