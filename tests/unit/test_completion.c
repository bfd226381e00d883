/* The completion script is made from the table of verbs: bash takes it, and it offers what the table has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/tool/verbs/table.h"
#include "client/tool/verbs/verbs.h"
#include "tests/lib/daemon.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

static struct directory directory;

static void setup(void)
{
    directory = directory_new();
}

static void teardown(void)
{
    directory_remove(&directory);
}

/* Prints the script for that shell to a file, whose path it returns. */
static const char *script(char *shell, enum tool_exit expected)
{
    const char *path = directory_path(&directory, "script");
    struct tool tool = {.verbs = table_of_verbs, .arguments = &shell, .argument_count = 1};
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fflush(stdout);
    int before = dup(STDOUT_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDOUT_FILENO), 0);
    enum tool_exit result = verb_completion(&tool);
    fflush(stdout);
    ck_assert_int_ge(dup2(before, STDOUT_FILENO), 0);
    close(before);
    fclose(file);
    ck_assert_int_eq(result, expected);
    return path;
}

/* What is offered for the last of the words, "cairn" being the first. */
static const char *offered(const char *path, const char *words)
{
    const char *line =
        kept_format(". %s; COMP_WORDS=(cairn %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _cairn; "
                    "printf ' %%s ' \"${COMPREPLY[@]}\"",
                    path, words);
    struct program bash = program_run((const char *const[]){"bash", "-c", line, NULL}, patience_ms(10000));
    ck_assert_msg(bash.exit_code == 0, "%s", bash.errors);
    return bash.output;
}

START_TEST(every_verb_is_offered_and_only_what_begins_so)
{
    const char *path = script("bash", TOOL_OK);
    for (const struct tool_verb *verb = table_of_verbs; verb->name != NULL; verb++) {
        char first[64];
        snprintf(first, sizeof first, " %.*s ", (int)strcspn(verb->name, " "), verb->name);
        ck_assert_msg(strstr(offered(path, "''"), first) != NULL, "%s is not offered", verb->name);
    }
    ck_assert_ptr_null(strstr(offered(path, "me"), " ping "));
    ck_assert_ptr_nonnull(strstr(offered(path, "meta ''"), " raise "));
}
END_TEST

START_TEST(options_and_the_choices_of_their_values_are_offered)
{
    const char *path = script("bash", TOOL_OK);
    ck_assert_ptr_nonnull(strstr(offered(path, "block --"), " --parts "));
    ck_assert_ptr_null(strstr(offered(path, "ping --"), " --chain "));
    ck_assert_ptr_nonnull(strstr(offered(path, "meta set a b --level ''"), " durable "));
}
END_TEST

START_TEST(another_shell_is_a_wrong_command_line)
{
    (void)script("csh", TOOL_USAGE);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("completion", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, every_verb_is_offered_and_only_what_begins_so);
    tcase_add_test(tests, options_and_the_choices_of_their_values_are_offered);
    tcase_add_test(tests, another_shell_is_a_wrong_command_line);
    return suite_run(suite, true);
}
