/* UTF-8: what is well-formed is taken whole, and nothing else is. */
#include <string.h>

#include "daemon/runtime/utf8.h"
#include "tests/lib/suite.h"

static const struct {
    const char *bytes;
    size_t n, length;
} cases[] = {
    {"a", 1, 1},
    {"\0", 1, 1},
    {"\x7f", 1, 1},
    {"\xc3\xa9", 2, 2},
    {"\xe2\x82\xac!", 4, 3},
    {"\xf0\x9f\x98\x80", 4, 4},
    {"\xf4\x8f\xbf\xbf", 4, 4},
    {"\x80", 1, 0},             /* goes on with nothing */
    {"\xc3", 1, 0},             /* cut */
    {"\xc3(", 2, 0},            /* not gone on with */
    {"\xc0\x80", 2, 0},         /* longer than it need be */
    {"\xe0\x9f\xbf", 3, 0},     /* the same */
    {"\xf0\x8f\xbf\xbf", 4, 0}, /* the same */
    {"\xed\xa0\x80", 3, 0},     /* half a pair of UTF-16 */
    {"\xf4\x90\x80\x80", 4, 0}, /* above the last character */
    {"\xf8\x88\x80\x80\x80", 5, 0},
    {"\xff", 1, 0},
};

START_TEST(a_character_is_well_formed_or_none)
{
    ck_assert_uint_eq(utf8_length(cases[_i].bytes, cases[_i].n), cases[_i].length);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("utf8", 30, &tests);
    tcase_add_loop_test(tests, a_character_is_well_formed_or_none, 0, sizeof cases / sizeof cases[0]);
    return suite_run(suite, true);
}
