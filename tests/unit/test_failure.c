/* A failure: its status is returned, a conflict has its reason, and its text is whole or cut. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/runtime/failure.h"
#include "tests/lib/suite.h"

START_TEST(every_status_is_kept_and_returned)
{
    for (int status = STATUS_OK; status < STATUS_COUNT; status++) {
        struct failure failure = {.reason = REASON_GUARD}; /* of another failure before */
        if (status == STATUS_CONFLICT) {
            continue;
        }
        ck_assert_int_eq(failure_set(&failure, (enum status)status, "chain %s: %d of %d", "main", 3, 7),
                         status);
        ck_assert_int_eq(failure.status, status);
        ck_assert_int_eq(failure.reason, REASON_NONE);
        ck_assert_str_eq(failure.text, "chain main: 3 of 7");
    }
}
END_TEST

START_TEST(every_reason_of_a_conflict_is_kept)
{
    for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
        struct failure failure;
        ck_assert_int_eq(failure_set_conflict(&failure, (enum conflict_reason)reason, "height %d", 3),
                         STATUS_CONFLICT);
        ck_assert_int_eq(failure.status, STATUS_CONFLICT);
        ck_assert_int_eq(failure.reason, reason);
        ck_assert_str_eq(failure.text, "height 3");
    }
}
END_TEST

START_TEST(text_too_long_is_cut_inside_its_room)
{
    struct {
        struct failure failure;
        char behind[8];
    } place;
    char text[3 * FAILURE_TEXT_BYTES];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    strcpy(place.behind, "behind");
    failure_set(&place.failure, STATUS_INVALID, "%s", text);
    ck_assert_uint_eq(strlen(place.failure.text), FAILURE_TEXT_BYTES - 1);
    ck_assert_int_eq(strncmp(place.failure.text, text, FAILURE_TEXT_BYTES - 1), 0);
    ck_assert_str_eq(place.behind, "behind");
}
END_TEST

START_TEST(code_that_is_no_status_ends_the_process)
{
    struct failure failure;
    failure_set(&failure, STATUS_COUNT, "fine");
}
END_TEST

START_TEST(conflict_without_a_reason_ends_the_process)
{
    struct failure failure;
    failure_set(&failure, STATUS_CONFLICT, "fine");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("failure", 30, &tests);
    tcase_add_test(tests, every_status_is_kept_and_returned);
    tcase_add_test(tests, text_too_long_is_cut_inside_its_room);
    tcase_add_test(tests, every_reason_of_a_conflict_is_kept);
    tcase_add_test_raise_signal(tests, code_that_is_no_status_ends_the_process, SIGABRT);
    tcase_add_test_raise_signal(tests, conflict_without_a_reason_ends_the_process, SIGABRT);
    return suite_run(suite, true);
}
