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
                           level = {.name = "c", .level = CAIRN_WRITTEN};
    ck_assert(!verb_takes(&plain, general('c')) && verb_takes(&chain, general('c')));
    ck_assert(!verb_takes(&chain, general('l')) && verb_takes(&level, general('l')));
    ck_assert(verb_takes(&plain, general('s')) && verb_takes(&plain, general('h')));
    const struct tool_verb local = {.name = "d", .is_local = true};
    ck_assert(!verb_takes(&local, general('s')) && !verb_takes(&local, general('d')) &&
              verb_takes(&local, general('o')));
}
END_TEST

START_TEST(the_verb_with_the_most_words_is_found)
{
    static const struct tool_verb verbs[] = {
        {.name = "chains"}, {.name = "chains list"}, {.name = "meta get"}, {0}};
    char chains[] = "chains", list[] = "list", meta[] = "meta", other[] = "other";
    int words;
    ck_assert_ptr_eq(verb_find(verbs, 2, (char *[]){chains, other}, &words), &verbs[0]);
    ck_assert_int_eq(words, 1);
    ck_assert_ptr_eq(verb_find(verbs, 2, (char *[]){chains, list}, &words), &verbs[1]);
    ck_assert_int_eq(words, 2);
    ck_assert_ptr_null(verb_find(verbs, 2, (char *[]){meta, list}, &words));
    ck_assert_int_eq(words, 0);
    ck_assert(verb_is_group(verbs, "meta") && !verb_is_group(verbs, "other"));
    ck_assert_ptr_eq(verb_named(verbs, "meta get"), &verbs[2]);
    ck_assert_ptr_null(verb_named(verbs, "meta"));
}
END_TEST

START_TEST(every_level_has_a_name_and_no_other_number)
{
    ck_assert_str_eq(verb_level_text(CAIRN_ACCEPTED), "accepted");
    ck_assert_str_eq(verb_level_text(CAIRN_DURABLE), "durable");
    ck_assert_str_eq(verb_level_text(CAIRN_LEVEL_DEFAULT), "unknown");
    ck_assert_str_eq(verb_level_text((enum cairn_level)9), "unknown");
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
    tcase_add_test(tests, the_verb_with_the_most_words_is_found);
    tcase_add_test(tests, every_level_has_a_name_and_no_other_number);
    return suite_run(suite, true);
}
