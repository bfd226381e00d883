/* The configuration file: every setting reaches the taker with its line, and the first wrong line ends the reading. */
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
    const char *refused;          /* the name to refuse; NULL: none */
};

static struct taken taken;
static struct configuration_error error;

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

static bool read_bytes(const char *bytes, size_t n)
{
    char *exact = malloc(n + 1); /* a sanitizer sees a byte read behind it */
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, n);
    exact = realloc(exact, n > 0 ? n : 1);
    taken.count = 0;
    bool is_good = configuration_read(exact, n, take, &taken, &error);
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
    ck_assert_uint_eq(taken.count, 0);
}
END_TEST

static void assert_fails_at(const char *bytes, size_t n, unsigned line, const char *text)
{
    ck_assert(!read_bytes(bytes, n));
    ck_assert_uint_eq(error.line, line);
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
    for (size_t i = 0; i < taken.count; i++) {
        ck_assert_uint_lt(taken.lines[i], line);
    }
}

START_TEST(first_wrong_line_is_named_and_none_behind_it_is_taken)
{
    assert_fails_at("a = 1\nnothing\nb = 2\nworse\n", 26, 2, "NAME = VALUE");
    assert_fails_at("a = 1\n[section]\nb = 2\n", 22, 2, "section");
    assert_fails_at("a = 1\nb = \0 2\nc = 3\n", 20, 2, "NUL");
    taken.refused = "b";
    assert_fails_at("a = 1\nb = 2\nc = 3\n", 18, 2, "refused b");
    ck_assert_uint_eq(taken.count, 1);
}
END_TEST

START_TEST(line_as_long_as_allowed_is_whole_and_a_longer_one_is_refused)
{
    char line[CONFIGURATION_LINE_BYTES_MAX + 2];
    memset(line, 'v', sizeof line);
    memcpy(line, "name=", 5);
    line[CONFIGURATION_LINE_BYTES_MAX] = '\n';
    ck_assert(read_bytes(line, CONFIGURATION_LINE_BYTES_MAX + 1));
    ck_assert_uint_eq(taken.count, 1);
    line[CONFIGURATION_LINE_BYTES_MAX] = 'v';
    assert_fails_at(line, CONFIGURATION_LINE_BYTES_MAX + 1, 1, "198 bytes");
}
END_TEST

START_TEST(any_bytes_are_read_to_the_end_or_refused_at_one_of_their_lines)
{
    static const char telling[] = "ab=:;# \t\n\n[]\"\0\r\v\f\xff";
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
        ck_assert(is_good || (error.line >= 1 && error.line <= lines));
        for (size_t at = 0; at < taken.count; at++) {
            ck_assert_uint_gt(taken.lines[at], before);
            before = taken.lines[at];
        }
        ck_assert_uint_le(before, is_good ? lines : error.line);
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
    tcase_add_test(tests, first_wrong_line_is_named_and_none_behind_it_is_taken);
    tcase_add_test(tests, line_as_long_as_allowed_is_whole_and_a_longer_one_is_refused);
    tcase_add_test(tests, any_bytes_are_read_to_the_end_or_refused_at_one_of_their_lines);
    return suite_run(suite, true);
}
