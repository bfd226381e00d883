/* The rule of a prune, value by value; test_apply and test_preview have it in its places. */
#include <check.h>

#include "daemon/lanes/prune_rule.h"
#include "tests/lib/suite.h"

static const struct chain_marks marks = {.height = 9, .blocks_pruned = 4, .states_from = 7};
static struct failure failure;

static struct job_prune blocks_through(uint64_t height)
{
    return (struct job_prune){.has_blocks = true, .blocks_through = height};
}

static struct job_prune states_through(uint64_t height)
{
    return (struct job_prune){.has_states = true, .states_through = height};
}

START_TEST(blocks_up_to_the_height_and_states_below_it_may_go)
{
    static const struct {
        uint64_t height;
        enum status blocks;
        enum status states;
    } cases[] = {{0, STATUS_OK, STATUS_OK},
                 {8, STATUS_OK, STATUS_OK},
                 {9, STATUS_OK, STATUS_CONFLICT},
                 {10, STATUS_CONFLICT, STATUS_CONFLICT},
                 {UINT64_MAX, STATUS_CONFLICT, STATUS_CONFLICT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct job_prune blocks = blocks_through(cases[i].height), states = states_through(cases[i].height);
        ck_assert_int_eq(prune_rule(&marks, &blocks, &failure), cases[i].blocks);
        ck_assert(cases[i].blocks == STATUS_OK || failure.reason == REASON_HEIGHT);
        ck_assert_int_eq(prune_rule(&marks, &states, &failure), cases[i].states);
        ck_assert(cases[i].states == STATUS_OK || failure.reason == REASON_HEIGHT);
    }
    ck_assert_int_eq(prune_rule(&marks, &(struct job_prune){0}, &failure), STATUS_OK);
}
END_TEST

START_TEST(what_goes_lies_behind_what_is_pruned)
{
    uint64_t first = 77, last = 77;
    struct job_prune prune = blocks_through(4);
    ck_assert(!prune_rule_blocks(&marks, &prune, &first, &last));
    ck_assert(!prune_rule_states(&marks, &prune, &first, &last)); /* it names none */
    prune = states_through(6);
    ck_assert(!prune_rule_states(&marks, &prune, &first, &last));
    ck_assert(!prune_rule_blocks(&marks, &prune, &first, &last));
    ck_assert(first == 77 && last == 77);
    prune = blocks_through(9);
    ck_assert(prune_rule_blocks(&marks, &prune, &first, &last));
    ck_assert(first == 5 && last == 9);
    prune = states_through(7);
    ck_assert(prune_rule_states(&marks, &prune, &first, &last));
    ck_assert(first == 7 && last == 7);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("prune_rule", 20, &tests);
    tcase_add_test(tests, blocks_up_to_the_height_and_states_below_it_may_go);
    tcase_add_test(tests, what_goes_lies_behind_what_is_pruned);
    return suite_run(suite, false);
}
