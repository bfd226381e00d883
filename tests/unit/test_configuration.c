/* The configuration file: every setting reaches the taker with its line, and every wrong line is refused with its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/configuration.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { TAKEN_MAX = 4096, ROUNDS = 20000, FILE_BYTES = 200 };

struct taken {
    size_t count;
    unsigned lines[TAKEN_MAX];
    char settings[TAKEN_MAX][64]; /* name=value, cut */
    size_t refusals;
    unsigned refused_lines[TAKEN_MAX];
    char texts[TAKEN_MAX][128];
    const char *refused; /* the name to refuse; NULL: none */
};

static struct taken taken;

static bool take(void *context, unsigned line, const char *name, const char *value,
                 char ret_text[CONFIGURATION_ERROR_BYTES])
{
    struct taken *into = context;
    if (into->refused != NULL && strcmp(name, into->refused) == 0) {
        snprintf(ret_text, CONFIGURATION_ERROR_BYTES, "refused %s", name);
        return false;
    }
    ck_assert_uint_lt(into->count, TAKEN_MAX);
    into->lines[into->count] = line;
    snprintf(into->settings[into->count++], sizeof into->settings[0], "%s=%s", name, value);
    return true;
}

static void refuse(void *context, unsigned line, const char *text)
{
    struct taken *into = context;
    ck_assert_uint_lt(into->refusals, TAKEN_MAX);
    into->refused_lines[into->refusals] = line;
    snprintf(into->texts[into->refusals++], sizeof into->texts[0], "%s", text);
}

static bool read_bytes(const char *bytes, size_t n)
{
    struct configuration_taker taker = {take, refuse, &taken};
    char *exact = malloc(n + 1); /* a sanitizer sees a byte read behind it */
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, n);
    exact = realloc(exact, n > 0 ? n : 1);
    taken.count = taken.refusals = 0;
    bool is_good = configuration_read(exact, n, &taker);
    ck_assert(is_good == (taken.refusals == 0));
    free(exact);
    return is_good;
}

static bool read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

START_TEST(settings_are_taken_in_order_with_their_lines)
{
    ck_assert(read_text("# a comment\n\na = 1\n  b=two words  \n\t; another\nc = \nd = last"));
    ck_assert_uint_eq(taken.count, 4);
    ck_assert_str_eq(taken.settings[0], "a=1");
    ck_assert_str_eq(taken.settings[1], "b=two words");
    ck_assert_str_eq(taken.settings[2], "c=");
    ck_assert_str_eq(taken.settings[3], "d=last");
    static const unsigned lines[] = {3, 4, 6, 7};
    ck_assert_mem_eq(taken.lines, lines, sizeof lines);
}
END_TEST

START_TEST(empty_file_has_no_settings)
{
    ck_assert(read_text(""));
    ck_assert_uint_eq(taken.count, 0);
}
END_TEST

START_TEST(indented_line_is_a_setting_of_its_own)
{
    ck_assert(read_text("a = 1\n    b = 2\n"));
    ck_assert_uint_eq(taken.count, 2);
    ck_assert_str_eq(taken.settings[0], "a=1");
    ck_assert(read_text("a = 1\n\v b = 2\n\f\r\n"));
    ck_assert_uint_eq(taken.count, 2);
    ck_assert_str_eq(taken.settings[1], "b=2");
}
END_TEST

START_TEST(byte_order_mark_is_skipped)
{
    ck_assert(read_text("\xef\xbb\xbf# a comment\na = 1\n"));
    ck_assert_uint_eq(taken.count, 1);
    ck_assert(!read_text("\xef\xbb\xbf\xef\xbb\xbf[section]\na = 1\n"));
    ck_assert_uint_eq(taken.refused_lines[0], 1);
}
END_TEST

static const struct {
    const char *text, *setting;
} good[] = {
    {"a = 1 # one", "a=1"},     {"a = 1\t; one", "a=1"},
    {"a = 1#one", "a=1#one"},   {"a = # none", "a="},
    {"a = x ## # y", "a=x"},    {"a = \"x # y\"", "a=x # y"},
    {"a = ' x '", "a= x "},     {"a = \"\"", "a="},
    {"a = \"x\" # why", "a=x"}, {"a = \"x\\\"y\\\\z\\n\"", "a=x\"y\\z\\n"},
    {"a = 'x\"y'", "a=x\"y"},   {"a = x\"y\"", "a=x\"y\""},
    {"a = b = c", "a=b = c"},   {"= b", "=b"},
    {"a = 1\r", "a=1"},
};

START_TEST(value_ends_before_a_comment_and_may_stand_in_quotes)
{
    ck_assert_msg(read_text(good[_i].text), "%s: %s", good[_i].text, taken.texts[0]);
    ck_assert_uint_eq(taken.count, 1);
    ck_assert_str_eq(taken.settings[0], good[_i].setting);
}
END_TEST

static const struct {
    const char *text, *says;
} bad[] = {
    {"a = \"x", "closing quote"},
    {"a = \"", "closing quote"},
    {"a = \"x\\\"", "closing quote"},
    {"a = 'x\"", "closing quote"},
    {"a = \"x\" y", "behind the closing quote"},
    {"a = \"x\"# y", "behind the closing quote"},
    {"a : 1", "NAME = VALUE"},
    {"a", "NAME = VALUE"},
    {"[a]", "section"},
};

START_TEST(value_that_is_not_whole_is_refused)
{
    ck_assert(!read_text(bad[_i].text));
    ck_assert_uint_eq(taken.count, 0);
    ck_assert_msg(strstr(taken.texts[0], bad[_i].says) != NULL, "%s", taken.texts[0]);
}
END_TEST

START_TEST(every_wrong_line_is_named_and_the_others_are_taken)
{
    taken.refused = "b";
    ck_assert(!read_bytes("a = 1\nnothing\nb = 2\n[x]\nc = \0 3\nd = 4\n", 38));
    static const unsigned lines[] = {2, 3, 4, 5};
    ck_assert_uint_eq(taken.refusals, 4);
    ck_assert_mem_eq(taken.refused_lines, lines, sizeof lines);
    ck_assert_str_eq(taken.texts[1], "refused b");
    ck_assert_ptr_nonnull(strstr(taken.texts[3], "NUL"));
    ck_assert_uint_eq(taken.count, 2);
    ck_assert_str_eq(taken.settings[1], "d=4");
}
END_TEST

START_TEST(line_of_any_length_is_whole)
{
    enum { LENGTH = 1 << 20 };
    char *line = malloc(LENGTH);
    ck_assert_ptr_nonnull(line);
    memset(line, 'v', LENGTH);
    memcpy(line, "name=", 5);
    ck_assert(read_bytes(line, LENGTH));
    ck_assert_uint_eq(taken.count, 1);
    free(line);
}
END_TEST

START_TEST(value_that_is_written_is_read_back)
{
    static const char *const values[] = {"",      " ",   "x",  "a b", " a",   "a ",  "#",
                                         "a # b", "a;b", "\"", "'x'", "a\\b", "\\\""};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char *text = NULL, wanted[64];
        size_t n;
        FILE *out = open_memstream(&text, &n);
        ck_assert_ptr_nonnull(out);
        fputs("a = ", out);
        int written = configuration_write_value(values[i], out);
        fputs(" ; origin\n", out);
        fclose(out);
        ck_assert_uint_eq((size_t)written, n - strlen("a =  ; origin\n"));
        ck_assert_msg(read_text(text), "%s", text);
        snprintf(wanted, sizeof wanted, "a=%s", values[i]);
        ck_assert_str_eq(taken.settings[0], wanted);
        free(text);
    }
}
END_TEST

START_TEST(any_bytes_are_read_to_the_end)
{
    static const char telling[] = "ab=:;# \t\n\n[]\"'\\\0\r\v\f\xff";
    struct random_source random = random_from(random_seed("configuration"));
    for (int i = 0; i < ROUNDS; i++) {
        char bytes[FILE_BYTES];
        size_t n = random_below(&random, sizeof bytes + 1);
        unsigned lines = 1, before = 0;
        for (size_t at = 0; at < n; at++) {
            bytes[at] = telling[random_below(&random, sizeof telling - 1)];
            lines += bytes[at] == '\n';
        }
        bool is_good = read_bytes(bytes, n);
        ck_assert(is_good == (taken.refusals == 0));
        for (size_t at = 0; at < taken.count; at++) {
            ck_assert_uint_gt(taken.lines[at], before);
            before = taken.lines[at];
        }
        ck_assert_uint_le(before, lines);
        for (size_t at = 0; at < taken.refusals; at++) {
            ck_assert(at == 0 || taken.refused_lines[at] > taken.refused_lines[at - 1]);
            ck_assert_uint_le(taken.refused_lines[at], lines);
        }
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("configuration", 30, &tests);
    tcase_add_test(tests, settings_are_taken_in_order_with_their_lines);
    tcase_add_test(tests, empty_file_has_no_settings);
    tcase_add_test(tests, indented_line_is_a_setting_of_its_own);
    tcase_add_test(tests, byte_order_mark_is_skipped);
    tcase_add_loop_test(tests, value_ends_before_a_comment_and_may_stand_in_quotes, 0,
                        sizeof good / sizeof good[0]);
    tcase_add_loop_test(tests, value_that_is_not_whole_is_refused, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tests, every_wrong_line_is_named_and_the_others_are_taken);
    tcase_add_test(tests, line_of_any_length_is_whole);
    tcase_add_test(tests, value_that_is_written_is_read_back);
    tcase_add_test(tests, any_bytes_are_read_to_the_end);
    return suite_run(suite, true);
}
