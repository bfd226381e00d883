/* The exit codes: each status has one, and only what may have been applied says so. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

START_TEST(every_exit_code_is_a_number_of_its_own_with_a_name)
{
    static const int codes[] = {
#define TOOL_EXIT_NUMBER(name, code, text) code,
        TOOL_EXIT_LIST(TOOL_EXIT_NUMBER)
#undef TOOL_EXIT_NUMBER
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        ck_assert(codes[i] >= 0 && codes[i] < 256 && (i == 0 || codes[i] > codes[i - 1]));
        ck_assert_uint_gt(strlen(tool_exit_name((enum tool_exit)codes[i])), 0);
    }
    ck_assert_str_eq(tool_exit_name((enum tool_exit)77), "");
}
END_TEST

/* What is said on stderr while `say` runs; kept. */
static const char *said(void (*say)(void))
{
    static char errors[1000];
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    int before = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
    say();
    ck_assert_int_ge(dup2(before, STDERR_FILENO), 0);
    close(before);
    rewind(file);
    errors[fread(errors, 1, sizeof errors - 1, file)] = '\0';
    fclose(file);
    return errors;
}

static void say_hostile(void)
{
    ck_assert_int_eq(tool_fail(TOOL_FAILURE, "no %s", "\x1b]0;title\x07 and \xe2\x80\xae\n"), TOOL_FAILURE);
}

static void warn(void)
{
    tool_warn("%s", "two\nlines");
}

START_TEST(nothing_but_ascii_in_one_line_is_said_whatever_it_holds)
{
    tool_say_json(false);
    ck_assert_str_eq(said(say_hostile), "cairn: no \\x1b]0;title\\x07 and \\xe2\\x80\\xae\\x0a\n");
    ck_assert_str_eq(said(warn), "cairn: warning: two\\x0alines\n");
    tool_say_json(true);
    ck_assert_str_eq(said(warn), "{\"schema\":2,\"warning\":{\"text\":\"two\\\\x0alines\"}}\n");
    tool_say_json(false);
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
    tcase_add_test(tests, every_exit_code_is_a_number_of_its_own_with_a_name);
    tcase_add_test(tests, nothing_but_ascii_in_one_line_is_said_whatever_it_holds);
    tcase_add_test(tests, the_clock_never_goes_back);
    return suite_run(suite, true);
}
