/* The tool's exit codes where scripts depend on them: wrong use, no daemon, too many connections, no answer, output that nobody takes.
 * $CAIRN is the tool. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/suite.h"
#include "tests/lib/tool_fixture.h"

enum { RUN_MS = TOOL_RUN_MS };

START_TEST(test_exit_codes_of_wrong_use_and_no_daemon)
{
    struct rig rig = rig_start("");
    cairn(&rig, USAGE, "nonsense");
    cairn(&rig, USAGE, "height --nonsense");
    cairn(&rig, USAGE, "commit --rise-to minus");
    cairn(&rig, USAGE, "meta set onlyname");
    cairn(&rig, USAGE, "commit --state 1:/nonexistent");
    cairn(&rig, USAGE, "block --to 5");
    cairn(&rig, USAGE, "block 7 --to 5");
    cairn(&rig, REFUSED, "block 0");
    cairn(&rig, REFUSED, "--chain nochain height");
    struct program nobody = shell_run(RUN_MS, "exec %s -s %s.none ping", getenv("CAIRN"), rig.daemon.socket);
    ck_assert_int_eq(nobody.exit_code, NOBODY);
    expect_in(nobody.errors, "s.none");
    rig_end(&rig);
}
END_TEST

START_TEST(test_deadline_without_an_answer)
{
    struct rig rig = rig_start("");
    daemon_signal(&rig.daemon, SIGSTOP);
    struct program late =
        shell_run(RUN_MS, "exec %s -s %s -d 300ms height", getenv("CAIRN"), rig.daemon.socket);
    daemon_signal(&rig.daemon, SIGCONT);
    ck_assert_msg(late.exit_code == NO_ANSWER || late.exit_code == NOBODY, "exit %d: %s", late.exit_code,
                  late.errors);
    ck_assert_uint_eq(get_height(&rig.wire), 0); /* it goes on, or SIGTERM would still meet the stop's end */
    rig_end(&rig);
}
END_TEST

START_TEST(test_a_reader_that_goes_away_ends_it_without_a_word)
{
    struct rig rig = rig_start("");
    for (int i = 0; i < 100; i++) { /* more than a pipe holds */
        ask_metadata(&rig.wire, metadata_new(operation_set(kept_format("%04d-%0900d", i, i), "value")));
    }
    struct program closed =
        shell_run(RUN_MS,
                  "bash -c '(while true; do %s -s %s meta list || exit $?; done; echo never) | head -1 "
                  ">/dev/null; echo ${PIPESTATUS[0]}'",
                  getenv("CAIRN"), rig.daemon.socket);
    ck_assert_int_eq(atoi(closed.output), OUTPUT_CLOSED);
    ck_assert_str_eq(closed.errors, "");
    struct program full =
        shell_run(RUN_MS, "exec %s -s %s height >/dev/full", getenv("CAIRN"), rig.daemon.socket);
    ck_assert_int_eq(full.exit_code, FAILED);
    rig_end(&rig);
}
END_TEST

START_TEST(test_errors_in_json_name_the_status_and_leave_stdout_alone)
{
    struct rig rig = rig_start("");
    static const struct {
        const char *arguments;
        int code;
        const char *part;
    } errors[] = {
        {"meta get nothing", NOT_FOUND, "\"status\":\"not found\",\"text\":\"not found: nothing\""},
        {"block 7", NOT_FOUND, "not found: block 7"},
        {"state 7", NOT_FOUND, "not found: the state at height 7"},
        {"-c nochain height", REFUSED, "\"status\":\"invalid\""},
        {"commit --expect-height 9 --rise-to 10", CONFLICT, "\"status\":\"conflict\""},
        {"meta get a b", NOT_FOUND, "\"name\":\"NOT_FOUND\""},
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct program program = shell_run(RUN_MS, "exec %s -s %s -o json %s", getenv("CAIRN"),
                                           rig.daemon.socket, errors[i].arguments);
        ck_assert_int_eq(program.exit_code, errors[i].code);
        ck_assert_str_eq(program.output, "");
        expect_in(program.errors, "{\"schema\":2,\"error\":{");
        expect_in(program.errors, errors[i].part);
    }
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("tool_exit", 150, &tests);
    tcase_add_test(tests, test_exit_codes_of_wrong_use_and_no_daemon);
    tcase_add_test(tests, test_deadline_without_an_answer);
    tcase_add_test(tests, test_a_reader_that_goes_away_ends_it_without_a_word);
    tcase_add_test(tests, test_errors_in_json_name_the_status_and_leave_stdout_alone);
    return suite_run(suite, false);
}
