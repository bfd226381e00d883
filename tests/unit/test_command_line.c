/* The words of a run: what they mean, in which order they may come, and what is a wrong command line. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/tool/arguments.h"
#include "client/tool/command_line.h"
#include "client/tool/verbs/table.h"
#include "tests/lib/suite.h"

enum { WORDS_MAX = 20, TEXT_BYTES = 400 };

static struct tool tool;
static char text[TEXT_BYTES];

static void setup(void)
{
    unsetenv("CAIRN_SOCKET");
}

static void teardown(void)
{
    region_close(&tool.region);
}

/* Reads a command line whose words stand between blanks. */
static enum tool_exit read_line(const char *line)
{
    static char *words[WORDS_MAX + 1];
    int count = 0;
    region_close(&tool.region);
    tool = (struct tool){.verbs = table_of_verbs};
    ck_assert_uint_lt(strlen(line), sizeof text);
    strcpy(text, line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        ck_assert_int_lt(count, WORDS_MAX);
        words[count++] = word;
    }
    words[count] = NULL;
    return command_line_read(&tool, count, words);
}

START_TEST(options_come_before_the_verb_or_anywhere_behind_it)
{
    static const char *const lines[] = {"cairn -s path -c aux meta get --raw name",
                                        "cairn meta get name --raw -s path -c aux",
                                        "cairn --socket=path meta get -c aux name --raw"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ck_assert_int_eq(read_line(lines[i]), TOOL_OK);
        ck_assert_str_eq(tool.verb->name, "meta get");
        ck_assert_str_eq(tool.socket_path, "path");
        ck_assert(tool.chain.bytes == 3 && memcmp(tool.chain.data, "aux", 3) == 0);
        ck_assert_int_eq(tool.argument_count, 1);
        ck_assert_str_eq(tool.arguments[0], "name");
        ck_assert_ptr_nonnull(argument_given(&tool, "raw"));
    }
}
END_TEST

START_TEST(the_values_of_general_options_are_read)
{
    ck_assert_int_eq(read_line("cairn meta set a b -l written -d 2s -o json"), TOOL_OK);
    ck_assert_int_eq(tool.level, CAIRN_WRITTEN);
    ck_assert_uint_eq(tool.deadline_us, 2000000);
    ck_assert(tool.json);
    ck_assert_int_eq(read_line("cairn ping"), TOOL_OK);
    ck_assert_uint_eq(tool.deadline_us, TOOL_DEADLINE_US_DEFAULT);
    ck_assert(!tool.json);
    ck_assert_str_eq(tool.socket_path, "/run/cairn/cairnd.sock");
    ck_assert_ptr_nonnull(strstr(tool.socket_origin, "default"));
    setenv("CAIRN_SOCKET", "from the environment", 1);
    ck_assert_int_eq(read_line("cairn ping"), TOOL_OK);
    ck_assert_str_eq(tool.socket_path, "from the environment");
    ck_assert_ptr_nonnull(strstr(tool.socket_origin, "CAIRN_SOCKET"));
    ck_assert_int_eq(read_line("cairn ping -s option"), TOOL_OK);
    ck_assert_str_eq(tool.socket_path, "option");
    setenv("CAIRN_SOCKET", "", 1);
    ck_assert_int_eq(read_line("cairn ping"), TOOL_OK);
    ck_assert_str_eq(tool.socket_path, "/run/cairn/cairnd.sock");
}
END_TEST

START_TEST(a_wrong_command_line_is_usage)
{
    static const char *const lines[] = {
        "cairn",
        "cairn nothing",
        "cairn meta",
        "cairn meta nothing",
        "cairn chains nothing",
        "cairn meta get",
        "cairn meta raise a 1 2",
        "cairn ping --raw",
        "cairn ping -c aux",
        "cairn meta get a -l written",
        "cairn meta set a b -l often",
        "cairn meta set a b -d never",
        "cairn ping -o xml",
        "cairn meta get a -c",
        "cairn ping argument",
        "cairn -o json",
        "cairn run",
        "cairn ping --help=yes",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ck_assert_msg(read_line(lines[i]) == TOOL_USAGE, "%s", lines[i]);
    }
}
END_TEST

START_TEST(help_is_asked_for_of_the_tool_of_a_group_and_of_a_verb)
{
    ck_assert_int_eq(read_line("cairn --help"), TOOL_OK);
    ck_assert(tool.help && tool.verb == NULL && tool.group == NULL);
    ck_assert_int_eq(read_line("cairn meta --help"), TOOL_OK);
    ck_assert(tool.help && tool.verb == NULL);
    ck_assert_str_eq(tool.group, "meta");
    ck_assert_int_eq(read_line("cairn chains --help"), TOOL_OK); /* a verb and a group */
    ck_assert(tool.help && tool.verb != NULL);
    ck_assert_int_eq(read_line("cairn chains nothing --help"), TOOL_OK);
    ck_assert(tool.help && tool.verb == NULL);
    ck_assert_str_eq(tool.group, "chains");
    ck_assert_int_eq(read_line("cairn meta get --help"), TOOL_OK); /* without the name that it needs */
    ck_assert(tool.help && tool.verb != NULL);
}
END_TEST

START_TEST(options_of_the_verb_are_kept_in_the_order_given)
{
    ck_assert_int_eq(read_line("cairn commit --set a=1 --delete b --set c=2"), TOOL_OK);
    ck_assert_uint_eq(tool.given_count, 3);
    ck_assert_str_eq(tool.given[1].option->name, "delete");
    ck_assert_str_eq(tool.given[2].value, "c=2");
}
END_TEST

START_TEST(a_verb_has_its_default_level)
{
    ck_assert_int_eq(read_line("cairn meta set a b"), TOOL_OK);
    ck_assert_int_eq(tool.level, CAIRN_WRITTEN);
    ck_assert_int_eq(read_line("cairn commit --rise-to 1"), TOOL_OK);
    ck_assert_int_eq(tool.level, CAIRN_DURABLE);
    ck_assert_int_eq(read_line("cairn meta get a"), TOOL_OK);
    ck_assert_int_eq(tool.level, CAIRN_LEVEL_DEFAULT);
}
END_TEST

/* What a command line that is wrong says on stderr; kept. */
static const char *said(const char *line)
{
    static char errors[1000];
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    int before = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
    ck_assert_int_eq(read_line(line), TOOL_USAGE);
    ck_assert_int_ge(dup2(before, STDERR_FILENO), 0);
    close(before);
    rewind(file);
    errors[fread(errors, 1, sizeof errors - 1, file)] = '\0';
    fclose(file);
    return errors;
}

START_TEST(what_was_mistyped_gets_what_was_probably_meant)
{
    static const struct {
        const char *line, *meant;
    } lines[] = {
        {"cairn stauts", "did you mean status?"},
        {"cairn mta get a", "did you mean meta get?"},
        {"cairn meta gte a", "did you mean meta get?"},
        {"cairn hieght", "did you mean height?"},
        {"cairn height --chian main", "did you mean --chain?"},
        {"cairn meta set a b -l writen", "did you mean written?"},
        {"cairn ping -o jsn", "did you mean json?"},
        {"cairn meta frobnicate", "meta raise"},
        {"cairn chains relase main", "did you mean chains release?"},
        {"cairn chains frobnicate", "there are chains list"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const char *errors = said(lines[i].line);
        ck_assert_msg(strstr(errors, lines[i].meant) != NULL, "%s: %s", lines[i].line, errors);
    }
    ck_assert_ptr_null(strstr(said("cairn frobnicate"), "did you mean"));
}
END_TEST

START_TEST(in_json_errors_are_json_wherever_the_words_ask_for_it)
{
    static const char *const lines[] = {"cairn -o json stauts", "cairn stauts --output=json",
                                        "cairn stauts -ojson", "cairn height --nothing --output json"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        json_t *document = json_loads(said(lines[i]), 0, NULL);
        ck_assert_int_eq(json_integer_value(json_object_get(document, "schema")), TOOL_JSON_SCHEMA);
        json_t *error = json_object_get(document, "error");
        ck_assert_int_eq(json_integer_value(json_object_get(error, "exit")), TOOL_USAGE);
        ck_assert_str_eq(json_string_value(json_object_get(error, "name")), "USAGE");
        ck_assert_ptr_nonnull(json_string_value(json_object_get(error, "text")));
        json_decref(document);
    }
    ck_assert_int_eq(strncmp(said("cairn stauts"), "cairn: ", 7), 0); /* and no longer than that */
}
END_TEST

START_TEST(a_command_to_run_keeps_its_options)
{
    ck_assert_int_eq(read_line("cairn run --cairnd path make -j2 --socket x"), TOOL_OK);
    ck_assert_int_eq(tool.argument_count, 4);
    ck_assert_str_eq(tool.arguments[1], "-j2");
    ck_assert_int_eq(read_line("cairn run -- --strange -x"), TOOL_OK);
    ck_assert_int_eq(tool.argument_count, 2);
    ck_assert_str_eq(tool.arguments[0], "--strange");
}
END_TEST

START_TEST(the_version_is_asked_for_by_an_option)
{
    ck_assert_int_eq(read_line("cairn --version"), TOOL_OK);
    ck_assert(tool.version);
    ck_assert_int_eq(read_line("cairn -V"), TOOL_OK);
    ck_assert(tool.version);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("command_line", 20, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, options_come_before_the_verb_or_anywhere_behind_it);
    tcase_add_test(tests, the_values_of_general_options_are_read);
    tcase_add_test(tests, a_wrong_command_line_is_usage);
    tcase_add_test(tests, help_is_asked_for_of_the_tool_of_a_group_and_of_a_verb);
    tcase_add_test(tests, options_of_the_verb_are_kept_in_the_order_given);
    tcase_add_test(tests, a_verb_has_its_default_level);
    tcase_add_test(tests, what_was_mistyped_gets_what_was_probably_meant);
    tcase_add_test(tests, in_json_errors_are_json_wherever_the_words_ask_for_it);
    tcase_add_test(tests, a_command_to_run_keeps_its_options);
    tcase_add_test(tests, the_version_is_asked_for_by_an_option);
    return suite_run(suite, true);
}
