/* The statuses of cairn.h: each has a text of its own and says what happened to the write; a code from elsewhere is safe. */
#include <string.h>

#include "client/cairn.h"
#include "proto/status.h"
#include "tests/lib/suite.h"

static const struct {
    enum cairn_status status;
    enum cairn_applied applied;
} own[] = {
    {CAIRN_TIMEOUT, CAIRN_UNKNOWN},           {CAIRN_CONNECTION_LOST, CAIRN_UNKNOWN},
    {CAIRN_NOT_SENT, CAIRN_NOT_APPLIED},      {CAIRN_CANNOT_CONNECT, CAIRN_NOT_APPLIED},
    {CAIRN_STORE_CHANGED, CAIRN_NOT_APPLIED}, {CAIRN_FULL, CAIRN_NOT_APPLIED},
    {CAIRN_USAGE, CAIRN_NOT_APPLIED},         {CAIRN_NO_MEMORY, CAIRN_UNKNOWN},
};

enum { OWN = sizeof own / sizeof own[0] };

START_TEST(the_daemons_statuses_keep_their_texts_and_outcomes)
{
    for (int code = 0; code < STATUS_COUNT; code++) {
        ck_assert_str_eq(cairn_status_text((enum cairn_status)code), status_text((enum status)code));
        ck_assert_int_eq((int)cairn_status_applied((enum cairn_status)code),
                         (int)status_applied((enum status)code));
    }
}
END_TEST

START_TEST(the_librarys_own_say_what_happened_to_the_write)
{
    for (int i = 0; i < OWN; i++) {
        ck_assert_int_eq(cairn_status_applied(own[i].status), own[i].applied);
        for (int k = 0; k < i; k++) {
            ck_assert_str_ne(cairn_status_text(own[i].status), cairn_status_text(own[k].status));
        }
    }
}
END_TEST

START_TEST(a_code_from_elsewhere_is_unknown)
{
    ck_assert_int_eq(cairn_status_applied((enum cairn_status)1000), CAIRN_UNKNOWN);
    ck_assert_ptr_nonnull(cairn_status_text((enum cairn_status)1000));
}
END_TEST

START_TEST(each_reason_of_a_conflict_has_a_text)
{
    ck_assert_str_eq(cairn_reason_text(CAIRN_REASON_NONE), "");
    ck_assert_str_eq(cairn_reason_text((enum cairn_reason)1000), "");
    for (int i = CAIRN_REASON_HEIGHT; i <= CAIRN_REASON_DROPPED; i++) {
        for (int k = CAIRN_REASON_NONE; k < i; k++) {
            ck_assert_str_ne(cairn_reason_text((enum cairn_reason)i),
                             cairn_reason_text((enum cairn_reason)k));
        }
    }
}
END_TEST

START_TEST(a_slice_of_a_text_ends_before_its_nul)
{
    ck_assert_uint_eq(cairn_text("abc").bytes, 3);
    ck_assert_uint_eq(cairn_text("").bytes, 0);
    ck_assert_uint_eq(cairn_text(NULL).bytes, 0);
    ck_assert_ptr_null(cairn_text(NULL).data);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("value", 20, &tests);
    tcase_add_test(tests, the_daemons_statuses_keep_their_texts_and_outcomes);
    tcase_add_test(tests, the_librarys_own_say_what_happened_to_the_write);
    tcase_add_test(tests, a_code_from_elsewhere_is_unknown);
    tcase_add_test(tests, each_reason_of_a_conflict_has_a_text);
    tcase_add_test(tests, a_slice_of_a_text_ends_before_its_nul);
    return suite_run(suite, true);
}
