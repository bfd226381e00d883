/* What was probably meant by a mistyped word: the nearest of several, and nothing that is far away. */
#include <string.h>

#include "client/tool/nearest.h"
#include "tests/lib/suite.h"

static const char words[] = "status height block state meta commit barrier prune rollback chains";

START_TEST(one_letter_wrong_missing_added_or_exchanged_is_near)
{
    static const struct {
        const char *typed, *meant;
    } mistakes[] = {
        {"stauts", "status"}, {"statu", "status"},     {"statuss", "status"}, {"statos", "status"},
        {"hight", "height"},  {"rolback", "rollback"}, {"chain", "chains"},   {"mta", "meta"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char best[64];
        nearest_of_words(mistakes[i].typed, words, best, sizeof best);
        ck_assert_str_eq(best, mistakes[i].meant);
    }
}
END_TEST

START_TEST(what_is_far_from_all_has_no_nearest)
{
    static const char *const far[] = {
        "", "x", "frobnicate", "zz", "stop", "a word that is longer than any that could be meant by it"};
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        char best[64];
        nearest_of_words(far[i], words, best, sizeof best);
        ck_assert_msg(best[0] == '\0', "%s: %s", far[i], best);
    }
}
END_TEST

START_TEST(of_several_the_nearest_is_best_and_of_equals_the_first)
{
    struct nearest nearest = nearest_to("stat");
    nearest_offer(&nearest, "stay");
    nearest_offer(&nearest, "star");
    ck_assert_str_eq(nearest.best, "stay");
    nearest_offer(&nearest, "stat");
    ck_assert_str_eq(nearest.best, "stat");
    ck_assert_uint_eq(nearest.distance, 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("nearest", 20, &tests);
    tcase_add_test(tests, one_letter_wrong_missing_added_or_exchanged_is_near);
    tcase_add_test(tests, what_is_far_from_all_has_no_nearest);
    tcase_add_test(tests, of_several_the_nearest_is_best_and_of_equals_the_first);
    return suite_run(suite, true);
}
