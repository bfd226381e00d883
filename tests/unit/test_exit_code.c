/* The exit codes: their list is whole, and says of each status and error what a start ends with. */
#include <errno.h>
#include <string.h>

#include "daemon/runtime/exit_code.h"
#include "tests/lib/suite.h"

static const struct exit_code_row *row_of(enum exit_code code)
{
    for (size_t i = 0; i < EXIT_CODES; i++) {
        if (exit_codes[i].code == code) {
            return &exit_codes[i];
        }
    }
    ck_abort_msg("no row for %d", code);
    return NULL;
}

START_TEST(codes_rise_and_each_has_a_meaning)
{
    for (size_t i = 0; i < EXIT_CODES; i++) {
        ck_assert(i == 0 || exit_codes[i].code > exit_codes[i - 1].code);
        ck_assert_uint_gt(strlen(exit_codes[i].meaning), 0);
        ck_assert_int_lt(exit_codes[i].code, 126); /* what shells give a meaning of their own */
    }
}
END_TEST

START_TEST(what_stays_until_a_person_acts_is_not_tried_again)
{
    ck_assert(row_of(exit_code_of_start(STATUS_INVALID))->needs_person);
    ck_assert(row_of(exit_code_of_start(STATUS_DAMAGED))->needs_person);
    ck_assert(!row_of(exit_code_of_start(STATUS_IO_ERROR))->needs_person);
    ck_assert(!row_of(exit_code_of_start(STATUS_BUSY))->needs_person);
    ck_assert(!row_of(exit_code_of_start(STATUS_NO_SPACE))->needs_person);
}
END_TEST

START_TEST(a_code_says_itself_whether_a_person_has_to_act)
{
    for (size_t i = 0; i < EXIT_CODES; i++) {
        ck_assert_int_eq(exit_code_needs_person((int)exit_codes[i].code), exit_codes[i].needs_person);
    }
    ck_assert(!exit_code_needs_person(126)); /* of no daemon */
}
END_TEST

START_TEST(errors_of_the_system_are_told_apart)
{
    static const int persons[] = {EACCES, EPERM, ENOENT, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EROFS, EMFILE};
    static const int passing[] = {EIO, ENOMEM, EAGAIN, ENFILE, ENOSPC, EDQUOT, EINTR, EBUSY, ENXIO};
    for (size_t i = 0; i < sizeof persons / sizeof persons[0]; i++) {
        ck_assert_int_eq(exit_code_status_of_errno(persons[i]), STATUS_INVALID);
        ck_assert_int_eq(exit_code_status_of_errno(passing[i]), STATUS_IO_ERROR);
    }
    ck_assert_str_eq(exit_code_cure_of_errno(EIO), ""); /* the device's text says it */
    ck_assert_ptr_nonnull(strstr(exit_code_cure_of_errno(ENOSPC), "free some space"));
    ck_assert_ptr_nonnull(strstr(exit_code_cure_of_errno(EDQUOT), "raise the quota"));
    ck_assert_ptr_nonnull(strstr(exit_code_cure_of_errno(EROFS), "ReadWritePaths="));
    ck_assert_ptr_nonnull(strstr(exit_code_cure_of_errno(EACCES), "user that the daemon runs as"));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("exit_code", 30, &tests);
    tcase_add_test(tests, codes_rise_and_each_has_a_meaning);
    tcase_add_test(tests, what_stays_until_a_person_acts_is_not_tried_again);
    tcase_add_test(tests, a_code_says_itself_whether_a_person_has_to_act);
    tcase_add_test(tests, errors_of_the_system_are_told_apart);
    return suite_run(suite, true);
}
