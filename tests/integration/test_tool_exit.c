/* What scripts depend on: the tool's exit codes, for wrong use, no daemon, too many connections, no answer, output that nobody takes;
 * and its JSON.
 * $CAIRN is the tool. */
#include <check.h>
#include <jansson.h>
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

START_TEST(test_a_reader_that_goes_away_leaves_no_chain_behind)
{
    struct rig rig = rig_start("");
    struct program program = shell_run(
        RUN_MS, "exec bash -c '\"$CAIRN\" -s %s bench metadata,count=100 | true; exit ${PIPESTATUS[0]}'",
        rig.daemon.socket);
    ck_assert_msg(program.exit_code == DONE || program.exit_code == OUTPUT_CLOSED, "exit %d: %s",
                  program.exit_code, program.errors); /* it may have printed before the reader went */
    ck_assert_str_eq(program.errors, "");
    struct program chains =
        shell_run(RUN_MS, "exec %s -s %s -o csv chains", getenv("CAIRN"), rig.daemon.socket);
    ck_assert_ptr_null(strstr(chains.output, "bench"));
    rig_end(&rig);
}
END_TEST

START_TEST(test_too_many_connections_are_busy_whichever_verb_meets_them)
{
    struct rig rig = rig_start("--connections-max 2");
    uint64_t end_ms = clock_ms() + (uint64_t)patience_ms(RUN_MS);
    while (status_number(&rig.wire, "connections") > 1) { /* the one that waited for the daemon's start */
        ck_assert_uint_lt(clock_ms(), end_ms);
    }
    struct wire second = rig_open(&rig);
    static const char *const verbs[] = {"ping", "height", "status", "meta set a b", "chains"};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        cairn(&rig, BUSY, "%s", verbs[i]);
    }
    expect_in(cairn_errors(&rig, BUSY, "-o json height"), "\"exit\":8,\"name\":\"BUSY\",\"status\":\"busy\"");
    expect_in(cairn_errors(&rig, BUSY, "height"), "connections");
    wire_close(&second);
    rig_end(&rig);
}
END_TEST

/* Whether no number of the daemon is a JSON number: "schema" and "us" are the tool's own. */
static bool has_one_type_of_u64(json_t *json)
{
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value)
    {
        bool is_own = strcmp(key, "schema") == 0 || strcmp(key, "us") == 0;
        if ((json_is_number(value) && !is_own) || (json_is_object(value) && !has_one_type_of_u64(value))) {
            return false;
        }
    }
    return true;
}

START_TEST(test_each_line_of_json_has_a_schema_and_one_type_of_u64)
{
    struct rig rig = rig_start("");
    static const char *const verbs[] = {
        "ping",
        "status",
        "height",
        "block 3",
        "block 1 --to 3",
        "state",
        "meta set a b",
        "meta raise mark 7",
        "meta get mark",
        "meta get a mark",
        "meta list",
        "meta del a",
        "commit --rise-to 12",
        "barrier",
        "chains create other",
        "chains",
        "rollback --to 9 --dry-run",
        "rollback --to 9 --yes",
        "prune --blocks 2 --yes",
        "version",
    };
    fill_blocks(&rig.wire, 1, 10);
    cairn(&rig, DONE, "commit --state 10:/dev/null");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        char *output = cairn(&rig, DONE, "-o json %s", verbs[i]), *line;
        ck_assert_uint_gt(strlen(output), 0);
        while ((line = strsep(&output, "\n")) != NULL && line[0] != '\0') {
            json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
            ck_assert_msg(json_is_object(json), "cairn %s prints: %s", verbs[i], line);
            ck_assert_int_eq(json_integer_value(json_object_get(json, "schema")), 2);
            ck_assert_msg(has_one_type_of_u64(json), "cairn %s prints: %s", verbs[i], line);
            json_decref(json);
        }
    }
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
    tcase_add_test(tests, test_a_reader_that_goes_away_leaves_no_chain_behind);
    tcase_add_test(tests, test_too_many_connections_are_busy_whichever_verb_meets_them);
    tcase_add_test(tests, test_each_line_of_json_has_a_schema_and_one_type_of_u64);
    tcase_add_test(tests, test_errors_in_json_name_the_status_and_leave_stdout_alone);
    return suite_run(suite, false);
}
