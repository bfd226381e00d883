/* The words of a run: what they mean, in which order they may come, and what is a wrong command line. */
#include <stdlib.h>
#include <string.h>

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
    ck_assert(!tool.json && tool.socket_path == NULL);
    setenv("CAIRN_SOCKET", "from the environment", 1);
    ck_assert_int_eq(read_line("cairn ping"), TOOL_OK);
    ck_assert_str_eq(tool.socket_path, "from the environment");
}
END_TEST

START_TEST(a_wrong_command_line_is_usage)
{
    static const char *const lines[] = {
        "cairn",
        "cairn nothing",
        "cairn meta",
        "cairn meta nothing",
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
    return suite_run(suite, true);
}
