/* The rules of a rollback, value by value; test_rollback and test_preview have them in their places. */
#include <check.h>

#include "daemon/lanes/rollback_rule.h"
#include "tests/lib/suite.h"

static struct failure failure;

START_TEST(a_target_lies_between_what_is_pruned_and_the_height)
{
    struct chain_marks marks = {.height = 9, .blocks_pruned = 4, .states_from = 7};
    static const struct {
        uint64_t to;
        enum conflict_reason reason; /* REASON_NONE: it passes */
    } targets[] = {{10, REASON_HEIGHT}, {9, REASON_NONE},   {7, REASON_NONE},           {6, REASON_PRUNED},
                   {4, REASON_PRUNED},  {0, REASON_PRUNED}, {UINT64_MAX, REASON_HEIGHT}};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        failure = (struct failure){0};
        ck_assert_int_eq(rollback_rule_target(&marks, targets[i].to, &failure),
                         targets[i].reason == REASON_NONE ? STATUS_OK : STATUS_CONFLICT);
        ck_assert_int_eq(failure.reason, targets[i].reason);
    }
    ck_assert_int_eq(rollback_rule_target(&(struct chain_marks){0}, 0, &failure), STATUS_OK);
}
END_TEST

START_TEST(a_state_may_be_missing_only_where_none_is)
{
    ck_assert_int_eq(rollback_rule_no_state(false, 5, &failure), STATUS_OK);
    ck_assert_int_eq(rollback_rule_no_state(true, 5, &failure), STATUS_CONFLICT);
    ck_assert_int_eq(failure.reason, REASON_NO_STATE);
}
END_TEST

START_TEST(a_guard_passes_refuses_or_is_lowered)
{
    uint8_t number[8];
    struct job_guard guard = {.name = slice_of("final", 5)};
    bool is_above = true;
    metadata_put_number(7, number);
    struct metadata_value seven = {true, 0, slice_of(number, 8)};
    ck_assert_int_eq(rollback_rule_guard(&guard, (struct metadata_value){0}, 5, &is_above, &failure),
                     STATUS_OK);
    ck_assert(!is_above);
    ck_assert_int_eq(rollback_rule_guard(&guard, seven, 7, &is_above, &failure), STATUS_OK);
    ck_assert(!is_above);
    ck_assert_int_eq(rollback_rule_guard(&guard, seven, 6, &is_above, &failure), STATUS_CONFLICT);
    ck_assert_int_eq(failure.reason, REASON_GUARD);
    guard.lower = true;
    ck_assert_int_eq(rollback_rule_guard(&guard, seven, 6, &is_above, &failure), STATUS_OK);
    ck_assert(is_above);
    seven.value.bytes = 7;
    ck_assert_int_eq(rollback_rule_guard(&guard, seven, 6, &is_above, &failure), STATUS_INVALID);
    guard.pass_malformed = true;
    ck_assert_int_eq(rollback_rule_guard(&guard, seven, 6, &is_above, &failure), STATUS_OK);
    ck_assert(!is_above);
    guard.lower = false;
    ck_assert_int_eq(rollback_rule_guard(&guard, seven, 6, &is_above, &failure), STATUS_OK);
    seven.value.bytes = 8;
    ck_assert_int_eq(rollback_rule_guard(&guard, seven, 6, &is_above, &failure), STATUS_CONFLICT);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("rollback_rule", 10, &tests);
    tcase_add_test(tests, a_target_lies_between_what_is_pruned_and_the_height);
    tcase_add_test(tests, a_state_may_be_missing_only_where_none_is);
    tcase_add_test(tests, a_guard_passes_refuses_or_is_lowered);
    return suite_run(suite, false);
}
