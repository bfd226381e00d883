/* The help says all that the table has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/help.h"
#include "client/tool/verb.h"
#include "client/tool/verbs/table.h"
#include "tests/lib/suite.h"

enum { COLUMNS_MAX = 118 }; /* of a line; chosen: a terminal of 120 */

static char *text;
static size_t text_bytes;

static FILE *begin(void)
{
    FILE *file = open_memstream(&text, &text_bytes);
    ck_assert_ptr_nonnull(file);
    return file;
}

static void expect(const char *what)
{
    ck_assert_msg(strstr(text, what) != NULL, "\"%s\" is not in the help", what);
}

static void expect_lines_fit(void)
{
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        ck_assert_msg(length <= COLUMNS_MAX, "%.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

START_TEST(the_help_names_every_verb_every_general_option_and_every_exit_code)
{
    FILE *file = begin();
    help_print(file, table_of_verbs);
    fclose(file);
    for (const struct tool_verb *verb = table_of_verbs; verb->name != NULL; verb++) {
        expect(verb->name);
        expect(verb->summary);
    }
    for (const struct tool_option *option = verb_general_options; option->name != NULL; option++) {
        expect(option->help);
    }
#define TOOL_EXIT_EXPECT(name, code, words) expect(words);
    TOOL_EXIT_LIST(TOOL_EXIT_EXPECT)
#undef TOOL_EXIT_EXPECT
    expect_lines_fit();
    free(text);
}
END_TEST

START_TEST(the_help_of_a_verb_names_its_options_and_only_the_general_ones_that_it_takes)
{
    for (const struct tool_verb *verb = table_of_verbs; verb->name != NULL; verb++) {
        FILE *file = begin();
        help_print_verb(file, table_of_verbs, verb);
        fclose(file);
        expect(verb->summary);
        for (const struct tool_option *own = verb->options; own != NULL && own->name != NULL; own++) {
            expect(own->help);
        }
        ck_assert_int_eq(strstr(text, "--chain NAME") != NULL, verb->has_chain);
        ck_assert_int_eq(strstr(text, "--level LEVEL") != NULL, verb->level != CAIRN_LEVEL_DEFAULT);
        ck_assert_int_eq(strstr(text, "--socket PATH") != NULL, !verb->is_local);
        expect("Example:\n  ");
        if (verb->level != CAIRN_LEVEL_DEFAULT) {
            char level[64];
            snprintf(level, sizeof level, "; default: %s\n", verb_level_text(verb->level));
            expect(level);
        }
        if (verb->has_chain) {
            const char *chain = verb->own_chain != NULL ? verb->own_chain : "default";
            char with_default[128];
            snprintf(with_default, sizeof with_default, "the chain; default: %s\n", chain);
            expect(with_default);
        }
        expect_lines_fit();
        ck_assert_ptr_null(strstr(text, "Exit codes")); /* once, in the help of all */
        free(text);
    }
}
END_TEST

START_TEST(the_help_of_a_group_names_its_verbs_alone)
{
    FILE *file = begin();
    help_print_group(file, table_of_verbs, "meta");
    fclose(file);
    expect("meta get");
    expect("meta raise");
    ck_assert_ptr_null(strstr(text, "chains create"));
    free(text);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("help", 20, &tests);
    tcase_add_test(tests, the_help_names_every_verb_every_general_option_and_every_exit_code);
    tcase_add_test(tests, the_help_of_a_verb_names_its_options_and_only_the_general_ones_that_it_takes);
    tcase_add_test(tests, the_help_of_a_group_names_its_verbs_alone);
    return suite_run(suite, true);
}
