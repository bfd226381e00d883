/* What may follow the words of a command line is read from the table of verbs, and each shell's script is one that the shell takes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/tool/verbs/table.h"
#include "client/tool/verbs/verbs.h"
#include "tests/lib/daemon.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

enum { WORDS_MAX = 20, OFFERED_BYTES = 8192 };

static struct directory directory;
static char offered[OFFERED_BYTES]; /* with a newline before the first */

static void setup(void)
{
    directory = directory_new();
}

static void teardown(void)
{
    directory_remove(&directory);
}

/* Runs `cairn completion` with these words, and keeps what it printed. */
static enum tool_exit run(int count, char **words)
{
    struct tool tool = {.verbs = table_of_verbs,
                        .arguments = words,
                        .argument_count = count,
                        .socket_path = directory_path(&directory, "nobody")};
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fflush(stdout);
    int before = dup(STDOUT_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDOUT_FILENO), 0);
    enum tool_exit result = verb_completion(&tool);
    fflush(stdout);
    ck_assert_int_ge(dup2(before, STDOUT_FILENO), 0);
    close(before);
    rewind(file);
    offered[0] = '\n';
    offered[1 + fread(offered + 1, 1, sizeof offered - 2, file)] = '\0';
    fclose(file);
    cairn_client_free(tool.client);
    return result;
}

/* Completes the last of the words, which stand between blanks; an empty one is _. */
static void complete(const char *shell, const char *line)
{
    char text[200], *words[WORDS_MAX];
    int count = 0;
    snprintf(text, sizeof text, "%s -- %s", shell, line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        ck_assert_int_lt(count, WORDS_MAX);
        words[count++] = strcmp(word, "_") == 0 ? word + 1 : word;
    }
    ck_assert_int_eq(run(count, words), TOOL_OK);
}

static bool has(const char *candidate)
{
    return strstr(offered, kept_format("\n%s\n", candidate)) != NULL;
}

START_TEST(every_verb_is_offered_and_only_what_begins_so)
{
    complete("bash", "_");
    for (const struct tool_verb *verb = table_of_verbs; verb->name != NULL; verb++) {
        ck_assert_msg(has(kept_format("%.*s", (int)strcspn(verb->name, " "), verb->name)),
                      "%s is not offered", verb->name);
    }
    complete("bash", "me");
    ck_assert_str_eq(offered, "\nmeta\n");
    complete("bash", "meta _");
    ck_assert(has("raise") && has("get") && !has("ping"));
    complete("bash", "--socket meta chains _");
    ck_assert(has("create") && !has("get"));
}
END_TEST

START_TEST(options_and_the_choices_of_their_values_are_offered)
{
    complete("bash", "block --");
    ck_assert(has("--parts") && has("--chain"));
    complete("bash", "ping --");
    ck_assert(!has("--chain") && has("--wait"));
    complete("bash", "meta set a b --level _");
    ck_assert_str_eq(offered, "\naccepted\nwritten\ndurable\n");
    complete("bash", "meta set a b --level=d");
    ck_assert_str_eq(offered, "\n--level=durable\n");
    complete("bash", "height -o j");
    ck_assert_str_eq(offered, "\njson\n");
    complete("bash", "bench g");
    ck_assert_str_eq(offered, "\nget\n");
    complete("bash", "help _");
    ck_assert(has("replay"));
}
END_TEST

START_TEST(files_are_left_to_the_shell)
{
    complete("bash", "replay _");
    ck_assert_str_eq(offered, "\n:files \n");
    complete("bash", "-s _");
    ck_assert_str_eq(offered, "\n:files \n");
    complete("bash", "--socket=/ru");
    ck_assert_str_eq(offered, "\n:files --socket=\n");
    complete("bash", "meta set name @fi");
    ck_assert_str_eq(offered, "\n:files @\n");
    complete("bash", "meta set name fi@");
    ck_assert_str_eq(offered, "\n");
    complete("bash", "commit --set name=@fi");
    ck_assert_str_eq(offered, "\n:files name=@\n");
    complete("bash", "commit --set=name=@fi");
    ck_assert_str_eq(offered, "\n:files --set=name=@\n");
    complete("bash", "commit --block 7:header:da");
    ck_assert_str_eq(offered, "\n:files 7:header:\n");
}
END_TEST

START_TEST(without_a_daemon_there_are_no_chains_and_nobody_is_told)
{
    complete("bash", "height --chain _");
    ck_assert_str_eq(offered, "\n");
    complete("bash", "status _");
    ck_assert_str_eq(offered, "\n");
}
END_TEST

START_TEST(zsh_and_fish_show_descriptions)
{
    complete("zsh", "pin");
    ck_assert_str_eq(offered, "\nping:ask the daemon whether it answers, and how fast\n");
    complete("fish", "pin");
    ck_assert_str_eq(offered, "\nping\task the daemon whether it answers, and how fast\n");
}
END_TEST

/* Has the shell read the script, without running it. */
static void check_script(char *shell, const char *flag)
{
    ck_assert_int_eq(run(1, &shell), TOOL_OK);
    ck_assert_ptr_nonnull(strstr(offered, "cairnd"));
    if (shell_run(patience_ms(10000), "command -v %s", shell).exit_code != 0) {
        printf("skipped: %s is not installed, its script is not checked\n", shell);
        return;
    }
    char *path = directory_path(&directory, "script");
    file_write(path, offered);
    struct program program = shell_run(patience_ms(10000), "%s %s %s", shell, flag, path);
    ck_assert_msg(program.exit_code == 0, "%s: %s", shell, program.errors);
}

START_TEST(each_shell_takes_its_script)
{
    char bash[] = "bash", zsh[] = "zsh", fish[] = "fish";
    check_script(bash, "-n");
    check_script(zsh, "-n");
    check_script(fish, "--no-execute");
}
END_TEST

START_TEST(another_shell_is_a_wrong_command_line)
{
    char csh[] = "csh", *words = csh;
    ck_assert_int_eq(run(1, &words), TOOL_USAGE);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("completion", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, every_verb_is_offered_and_only_what_begins_so);
    tcase_add_test(tests, options_and_the_choices_of_their_values_are_offered);
    tcase_add_test(tests, files_are_left_to_the_shell);
    tcase_add_test(tests, without_a_daemon_there_are_no_chains_and_nobody_is_told);
    tcase_add_test(tests, zsh_and_fish_show_descriptions);
    tcase_add_test(tests, each_shell_takes_its_script);
    tcase_add_test(tests, another_shell_is_a_wrong_command_line);
    return suite_run(suite, true);
}
