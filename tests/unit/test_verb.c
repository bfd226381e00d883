/* What all verbs share: which options are general, who takes them, and groups. */
#include "client/tool/verb.h"
#include "tests/lib/suite.h"

static const struct tool_option *general(char letter)
{
    const struct tool_option *option = verb_general_options;
    while (option->name != NULL && option->letter != letter) {
        option++;
    }
    ck_assert_ptr_nonnull(option->name);
    return option;
}

START_TEST(a_verbs_own_option_is_not_general_also_of_the_same_name)
{
    const struct tool_option own = *general('s');
    ck_assert(verb_option_is_general(general('s')));
    ck_assert(!verb_option_is_general(&own));
}
END_TEST

START_TEST(chain_and_level_are_taken_by_some_and_the_others_by_all)
{
    const struct tool_verb plain = {.name = "a"}, chain = {.name = "b", .has_chain = true},
                           level = {.name = "c", .has_level = true};
    ck_assert(!verb_takes(&plain, general('c')) && verb_takes(&chain, general('c')));
    ck_assert(!verb_takes(&chain, general('l')) && verb_takes(&level, general('l')));
    ck_assert(verb_takes(&plain, general('s')) && verb_takes(&plain, general('h')));
}
END_TEST

START_TEST(a_group_is_a_first_word)
{
    const struct tool_verb verb = {.name = "meta get"};
    ck_assert(verb_in_group(&verb, "meta"));
    ck_assert(!verb_in_group(&verb, "met") && !verb_in_group(&verb, "meta get") &&
              !verb_in_group(&verb, "get"));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("verb", 20, &tests);
    tcase_add_test(tests, a_verbs_own_option_is_not_general_also_of_the_same_name);
    tcase_add_test(tests, chain_and_level_are_taken_by_some_and_the_others_by_all);
    tcase_add_test(tests, a_group_is_a_first_word);
    return suite_run(suite, true);
}
