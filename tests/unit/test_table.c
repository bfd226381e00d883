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
        ck_assert_msg(strstr(verb->example, verb->name) != NULL, "%s has no example of its own", verb->name);
        ck_assert(strncmp(verb->example, "cairn ", 6) == 0 || strstr(verb->example, "(cairn ") != NULL);
        ck_assert_msg(verb->example[strlen(verb->example) - 1] == '\n', "%s", verb->name);
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

/* Whether the text is one of them, which end with NULL. */
static bool is_among(const char *text, const char *const *texts)
{
    while (*texts != NULL && strcmp(text, *texts) != 0) {
        texts++;
    }
    return *texts != NULL;
}

START_TEST(a_write_of_metadata_waits_until_it_is_written_and_a_commit_until_it_is_durable)
{
    static const char *const written[] = {"meta set", "meta del", "meta raise", NULL};
    static const char *const durable[] = {"commit", "barrier", "prune", "rollback", NULL};
    for (const struct tool_verb *verb = table_of_verbs; verb->name != NULL; verb++) {
        if (is_among(verb->name, written)) {
            ck_assert_int_eq(verb->level, CAIRN_WRITTEN);
        } else if (is_among(verb->name, durable)) {
            ck_assert_int_eq(verb->level, CAIRN_DURABLE);
        }
        ck_assert_int_ne(verb->level, CAIRN_ACCEPTED); /* a process that ends keeps nothing */
    }
}
END_TEST

START_TEST(only_a_value_has_choices_and_only_a_daemon_has_chains)
{
    for (const struct tool_verb *verb = table_of_verbs; verb->name != NULL; verb++) {
        for (const struct tool_option *own = verb->options; own != NULL && own->name != NULL; own++) {
            ck_assert(own->choices == NULL || own->argument != NULL); /* a flag has no value to choose */
        }
        ck_assert(!verb->is_local || !verb->has_chain);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("table", 20, &tests);
    tcase_add_test(tests, each_verb_has_a_name_of_its_own_of_one_or_two_words_and_can_run);
    tcase_add_test(tests, no_option_of_a_verb_hides_another);
    tcase_add_test(tests, a_write_of_metadata_waits_until_it_is_written_and_a_commit_until_it_is_durable);
    tcase_add_test(tests, only_a_value_has_choices_and_only_a_daemon_has_chains);
    return suite_run(suite, true);
}
