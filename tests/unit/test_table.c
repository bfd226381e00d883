/* The table of verbs keeps what its readers rely on: dispatch, help and completion. */
#include <string.h>

#include "client/tool/verb.h"
#include "client/tool/verbs/table.h"
#include "tests/lib/suite.h"

START_TEST(each_verb_has_a_name_of_its_own_of_one_or_two_words_and_can_run)
{
    for (const struct tool_verb *verb = table_of_verbs; verb->name != NULL; verb++) {
        const char *space = strchr(verb->name, ' ');
        ck_assert(verb->name[0] != '\0' && verb->name[0] != '-');
        ck_assert(space == NULL || (strchr(space + 1, ' ') == NULL && space[1] != '\0'));
        ck_assert(verb->run != NULL && verb->arguments != NULL && verb->summary[0] != '\0');
        ck_assert_int_le(verb->arguments_min, verb->arguments_max);
        ck_assert_msg((verb->arguments[0] != '\0') == (verb->arguments_max > 0), "%s", verb->name);
        for (const struct tool_verb *other = table_of_verbs; other < verb; other++) {
            ck_assert_str_ne(verb->name, other->name);
        }
    }
}
END_TEST

START_TEST(no_option_of_a_verb_hides_another)
{
    for (const struct tool_verb *verb = table_of_verbs; verb->name != NULL; verb++) {
        for (const struct tool_option *own = verb->options; own != NULL && own->name != NULL; own++) {
            ck_assert_ptr_nonnull(own->help);
            for (const struct tool_option *other = verb->options; other < own; other++) {
                ck_assert_str_ne(own->name, other->name);
                ck_assert(own->letter == 0 || own->letter != other->letter);
            }
            for (const struct tool_option *general = verb_general_options; general->name != NULL; general++) {
                ck_assert_str_ne(own->name, general->name);
                ck_assert(own->letter == 0 || own->letter != general->letter);
            }
        }
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("table", 20, &tests);
    tcase_add_test(tests, each_verb_has_a_name_of_its_own_of_one_or_two_words_and_can_run);
    tcase_add_test(tests, no_option_of_a_verb_hides_another);
    return suite_run(suite, true);
}
