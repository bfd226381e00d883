/* The exit codes: each status has one, and only what may have been applied says so. */
#include "client/tool/tool.h"
#include "proto/status.h"
#include "tests/lib/suite.h"

static const enum cairn_status own[] = {CAIRN_TIMEOUT,        CAIRN_CONNECTION_LOST, CAIRN_NOT_SENT,
                                        CAIRN_CANNOT_CONNECT, CAIRN_STORE_CHANGED,   CAIRN_FULL,
                                        CAIRN_USAGE};

static void check(enum cairn_status status)
{
    enum tool_exit code = tool_exit_of(status);
    bool may_be_applied = code == TOOL_TIMEOUT || code == TOOL_UNKNOWN;
    ck_assert_msg((code == TOOL_OK) == (status == CAIRN_OK), "%s", cairn_status_text(status));
    ck_assert_msg(may_be_applied == (cairn_status_applied(status) == CAIRN_UNKNOWN), "%s",
                  cairn_status_text(status));
}

START_TEST(an_exit_code_says_whether_a_write_may_have_been_applied)
{
    for (int code = 0; code < STATUS_COUNT; code++) {
        check((enum cairn_status)code);
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        check(own[i]);
    }
}
END_TEST

START_TEST(what_scripts_tell_apart_has_a_code_of_its_own)
{
    ck_assert_int_eq(tool_exit_of(CAIRN_NOT_FOUND), TOOL_NOT_FOUND);
    ck_assert_int_eq(tool_exit_of(CAIRN_CONFLICT), TOOL_CONFLICT);
    ck_assert_int_eq(tool_exit_of(CAIRN_BUSY), TOOL_BUSY);
    ck_assert_int_eq(tool_exit_of(CAIRN_CANNOT_CONNECT), TOOL_CANNOT_CONNECT);
    ck_assert_int_eq(tool_exit_of(CAIRN_NO_SPACE), TOOL_REFUSED);
}
END_TEST

START_TEST(the_clock_never_goes_back)
{
    int64_t before = tool_now_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now = tool_now_us();
        ck_assert_int_ge(now, before);
        before = now;
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("tool", 20, &tests);
    tcase_add_test(tests, an_exit_code_says_whether_a_write_may_have_been_applied);
    tcase_add_test(tests, what_scripts_tell_apart_has_a_code_of_its_own);
    tcase_add_test(tests, the_clock_never_goes_back);
    return suite_run(suite, true);
}
