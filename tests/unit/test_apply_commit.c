/* A commit's parts over a real store: in which order they take effect, and what a deleted block and range leave. */
#include <check.h>

#include "tests/lib/applied.h"
#include "tests/lib/suite.h"

static struct slice text(const char *string)
{
    return applied_text(string);
}

static void delete_blocks(const uint64_t *heights, size_t count)
{
    applied_commit((struct job_commit){.delete_blocks = heights, .delete_block_count = count});
}

START_TEST(a_deleted_block_leaves_the_height_and_what_is_bound_to_it)
{
    static const uint64_t heights[] = {10, 4, 4, 99};
    applied_ten();
    delete_blocks(heights, 4);
    for (int i = 0; i < 2; i++) {
        applied_assert_header(1, 10, NULL);
        applied_assert_header(1, 4, NULL);
        ck_assert_uint_eq(applied_height_of(1, "h4"), 0);
        ck_assert(!applied_has(1, KEY_DATA, 4) && applied_has(1, KEY_STATE, 4));
        applied_assert_header(1, 5, "h5");
        ck_assert_uint_eq(applied_height_of(1, "h5"), 5);
        ck_assert_uint_eq(applied_marks(1).height, 10);
        applied_restart();
    }
    struct slice value;
    uint64_t of_height;
    ck_assert(applied_metadata(1, "m4", &value, &of_height) && of_height == 4);
    applied_block(4, "again", "data");
    applied_assert_header(1, 4, "again");
    applied_prune(5);
    while (!applied_sweep()) {
    }
    ck_assert(!applied_metadata(1, "m4", &value, &of_height));
}
END_TEST

START_TEST(a_hash_that_leads_to_another_height_stays)
{
    static const uint64_t height = 1;
    applied_block(1, "same", "one");
    applied_block(2, "same", "two");
    delete_blocks(&height, 1);
    ck_assert_uint_eq(applied_height_of(1, "same"), 2);
}
END_TEST

/* It is the sweep's: without its header nobody would come to its hash. */
START_TEST(what_a_prune_left_of_a_block_is_not_taken_from_the_sweep)
{
    static const uint64_t heights[] = {1, 2, 3};
    applied_ten();
    applied_prune(3);
    delete_blocks(heights, 3);
    while (!applied_sweep()) {
    }
    ck_assert_uint_eq(applied_height_of(1, "h2"), 0);
    ck_assert_uint_eq(applied_count(1, KEY_HASH), 7);
}
END_TEST

START_TEST(the_parts_take_effect_in_their_order)
{
    struct job_block block = {.height = 5, .hash = text("five"), .data = text("data")};
    struct job_state state = {5, text("state")};
    uint64_t five = 5;
    struct metadata_operation metadata[] = {
        applied_set("before", text("x"), 0),
        {.kind = METADATA_DELETE_RANGE, .name = text("a"), .has_to = true, .to = text("n")},
        applied_set("c", text("behind"), 0),
        applied_raise("mark", 3),
    };
    applied_queue(1, applied_set("carried", text("x"), 0));
    applied_queue(1, applied_set("other", text("stays"), 0));
    applied_queue(1, applied_raise("mark", 9));
    struct job job = {
        .kind = JOB_COMMIT,
        .chain = 1,
        .commit = {.blocks = &block,
                   .block_count = 1,
                   .states = &state,
                   .state_count = 1,
                   .delete_states = &five,
                   .delete_state_count = 1,
                   .delete_blocks = &five,
                   .delete_block_count = 1,
                   .deletes_names = true},
        .metadata = metadata,
        .metadata_count = 4,
        .carry_through = applied_carry(),
    };
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    applied_assert_header(1, 5, NULL);
    ck_assert_uint_eq(applied_height_of(1, "five"), 0);
    ck_assert_uint_eq(applied_count(1, KEY_DATA) + applied_count(1, KEY_STATE), 0);
    applied_assert_no_metadata(1, "before");
    applied_assert_no_metadata(1, "carried");
    applied_assert_metadata(1, "other", text("stays"), 0);
    applied_assert_metadata(1, "c", text("behind"), 0);
    applied_assert_metadata(1, "mark", applied_number(3), 0); /* it saw absence */
    ck_assert_uint_eq(applied_queued(), 0);
}
END_TEST

START_TEST(a_range_without_ends_takes_all_names_of_its_chain_and_no_more)
{
    struct metadata_operation all = {.kind = METADATA_DELETE_RANGE};
    applied_ten();
    applied_queue(2, applied_set("m1", text("other chain"), 0));
    applied_groups();
    struct job job = {
        .kind = JOB_COMMIT, .chain = 1, .commit.deletes_names = true, .metadata = &all, .metadata_count = 1};
    ck_assert_int_eq(applied_job(&job), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(applied_count(1, KEY_METADATA), 0);
        ck_assert_uint_eq(applied_count(1, KEY_HEADER), 10);
        applied_assert_metadata(2, "m1", text("other chain"), 0);
        applied_restart();
    }
}
END_TEST

START_TEST(a_refused_commit_with_a_range_deletes_nothing)
{
    struct metadata_operation all = {.kind = METADATA_DELETE_RANGE};
    static const uint64_t height = 5;
    applied_ten();
    uint64_t before = applied_digest();
    struct job job = {.kind = JOB_COMMIT,
                      .chain = 1,
                      .commit = {.deletes_names = true,
                                 .delete_blocks = &height,
                                 .delete_block_count = 1,
                                 .has_expected_height = true,
                                 .expected_height = 77},
                      .metadata = &all,
                      .metadata_count = 1};
    ck_assert_int_eq(applied_job(&job), STATUS_CONFLICT);
    ck_assert_uint_eq(applied_digest(), before);
    applied_queue(1, applied_set("m1", text("new"), 0)); /* nothing of the range is left in the write set */
    applied_groups();
    applied_assert_metadata(1, "m1", text("new"), 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("apply_commit", 60, &tests);
    tcase_add_checked_fixture(tests, applied_open, applied_close);
    tcase_add_test(tests, a_deleted_block_leaves_the_height_and_what_is_bound_to_it);
    tcase_add_test(tests, a_hash_that_leads_to_another_height_stays);
    tcase_add_test(tests, what_a_prune_left_of_a_block_is_not_taken_from_the_sweep);
    tcase_add_test(tests, the_parts_take_effect_in_their_order);
    tcase_add_test(tests, a_range_without_ends_takes_all_names_of_its_chain_and_no_more);
    tcase_add_test(tests, a_refused_commit_with_a_range_deletes_nothing);
    return suite_run(suite, true);
}
