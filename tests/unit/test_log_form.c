/* An event as bytes: values of every type, texts of any bytes, and the journal's entry. */
#include <check.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>

#include "daemon/runtime/log_form.h"
#include "tests/lib/suite.h"

static const struct log_kind kind = {.name = "some_event", .level = LOG_LEVEL_WARNING, .message = "it was"};
static struct log_event event;

static void take(const char *fields, ...)
{
    va_list arguments;
    va_start(arguments, fields);
    log_form_take(&kind, fields, &arguments, &event);
    va_end(arguments);
}

static void expect_value(size_t i, const char *key, const char *value)
{
    ck_assert_uint_lt(i, event.count);
    ck_assert_str_eq(event.fields[i].key, key);
    ck_assert_uint_eq(event.fields[i].length, strlen(value));
    ck_assert_mem_eq(event.fields[i].value, value, strlen(value));
}

START_TEST(integers_of_every_length_are_taken)
{
    take("a=%hhd b=%hhu c=%hd d=%hu e=%d f=%u g=%i", -7, 300, -70000, 70000, INT_MIN, UINT_MAX, -1);
    expect_value(0, "a", "-7");
    expect_value(1, "b", "44"); /* as printf: of its length only */
    expect_value(2, "c", "-4464");
    expect_value(3, "d", "4464");
    expect_value(4, "e", "-2147483648");
    expect_value(5, "f", "4294967295");
    expect_value(6, "g", "-1");
    take("a=%ld b=%lu c=%lld d=%llu e=%jd f=%zu g=%llx", LONG_MIN, ULONG_MAX, LLONG_MAX, ULLONG_MAX,
         INTMAX_MIN, SIZE_MAX, 0xabcULL);
    expect_value(0, "a", "-9223372036854775808");
    expect_value(1, "b", "18446744073709551615");
    expect_value(2, "c", "9223372036854775807");
    expect_value(3, "d", "18446744073709551615");
    expect_value(4, "e", "-9223372036854775808");
    expect_value(5, "f", "18446744073709551615");
    expect_value(6, "g", "0xabc");
    ck_assert(event.fields[5].is_number && !event.fields[6].is_number);
}
END_TEST

START_TEST(texts_are_as_long_as_they_are_and_none_is_empty)
{
    take("a=%s b=%.*s c=%.*s d=%s", "text", 2, "cut", 9, "short", NULL);
    expect_value(0, "a", "text");
    expect_value(1, "b", "cu");
    expect_value(2, "c", "short");
    expect_value(3, "d", "");
}
END_TEST

/* A text, and how it stands in a line of text; NULL: as in the other one. Ill-formed UTF-8 is escaped byte by byte. */
static const struct {
    const char *bytes, *text, *json;
} texts[] = {
    {"plain", "plain", "plain"},
    {"two words", "\"two words\"", "two words"},
    {"\"\\", "\"\\\"\\\\\"", "\"\\"},
    {"a\nb\x01\x7f", "\"a\\nb\\x01\\x7f\"", "a\nb\x01\x7f"},
    {"\xc3\xa9", "\"\xc3\xa9\"", "\xc3\xa9"},
    {"\xe0\xa0\x80", "\"\xe0\xa0\x80\"", "\xe0\xa0\x80"},
    {"\xed\x9f\xbf", "\"\xed\x9f\xbf\"", "\xed\x9f\xbf"},
    {"\xf0\x90\x80\x80", "\"\xf0\x90\x80\x80\"", "\xf0\x90\x80\x80"},
    {"\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\"", "\xf4\x8f\xbf\xbf"},
    {"\xc1\xbf", "\"\\xc1\\xbf\"", "\xef\xbf\xbd\xef\xbf\xbd"},                      /* too long */
    {"\xe0\x9f\xbf", "\"\\xe0\\x9f\\xbf\"", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* too long */
    {"\xed\xa0\x80", "\"\\xed\\xa0\\x80\"", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
    {"\xf0\x8f\xbf\xbf", "\"\\xf0\\x8f\\xbf\\xbf\"",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* too long */
    {"\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},       /* too high */
    {"\xf5\x80", "\"\\xf5\\x80\"", "\xef\xbf\xbd\xef\xbf\xbd"}, /* too high */
    {"\xe2\x82", "\"\\xe2\\x82\"", "\xef\xbf\xbd\xef\xbf\xbd"}, /* cut off */
    {"\xc3(", "\"\\xc3(\"", "\xef\xbf\xbd("},                   /* cut off */
};

START_TEST(a_text_of_any_bytes_is_escaped_as_its_form_has_it)
{
    static struct log_line line;
    char expected[64];
    take("value=%s", texts[_i].bytes);
    log_form_text(&event, "", &line);
    size_t n = (size_t)snprintf(expected, sizeof expected, " value=%s\n", texts[_i].text);
    ck_assert_uint_gt(line.length, n);
    ck_assert_mem_eq(line.bytes + line.length - n, expected, n);
    log_form_json(&event, "", &line);
    json_t *object = json_loadb(line.bytes, line.length, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(object);
    ck_assert_str_eq(json_string_value(json_object_get(object, "value")), texts[_i].json);
    json_decref(object);
}
END_TEST

/* The next part of a journal's entry; NULL behind the last. */
static const char *next_part(const struct log_line *line, size_t *at)
{
    static char part[LOG_FORM_LINE_BYTES];
    uint32_t length;
    if (*at == line->length) {
        return NULL;
    }
    ck_assert_uint_le(*at + sizeof length, line->length);
    memcpy(&length, line->bytes + *at, sizeof length);
    *at += sizeof length;
    ck_assert_uint_le(*at + length, line->length);
    memcpy(part, line->bytes + *at, length);
    part[length] = '\0';
    *at += length;
    return part;
}

START_TEST(the_journal_has_a_line_for_people_and_each_value)
{
    static struct log_line message, values;
    size_t at = 0;
    take("chain=%s height=%llu", "main net", 7ULL);
    log_form_journal(&event, &message, &values);
    ck_assert_str_eq(next_part(&message, &at), "MESSAGE=it was chain=\"main net\" height=7");
    ck_assert_ptr_null(next_part(&message, &at));
    static const char *const expected[] = {"PRIORITY=4", "SYSLOG_IDENTIFIER=cairnd", "CAIRN_EVENT=some_event",
                                           "CAIRN_CHAIN=main net", "CAIRN_HEIGHT=7"};
    at = 0;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        ck_assert_str_eq(next_part(&values, &at), expected[i]);
    }
    ck_assert_ptr_null(next_part(&values, &at));
}
END_TEST

START_TEST(what_does_not_fit_the_journal_s_entry_is_left_out_whole)
{
    enum { VALUES = 16 };
    static struct log_line message, values;
    static char text[1000];
    size_t at = 0, count = 0;
    memset(text, 'x', sizeof text - 1);
    take("a=%s b=%s c=%s d=%s e=%s f=%s g=%s h=%s i=%s j=%s k=%s l=%s m=%s n=%s o=%s p=%s", text, text, text,
         text, text, text, text, text, text, text, text, text, text, text, text, text);
    ck_assert_uint_eq(event.count, VALUES);
    log_form_journal(&event, &message, &values);
    const char *line = next_part(&message, &at);
    ck_assert_str_eq(line + strlen(line) - 4, " cut");
    at = 0;
    for (const char *part; (part = next_part(&values, &at)) != NULL; count++) {
        ck_assert(count < 3 || strlen(part) >= strlen("CAIRN_A=") + 512);
    }
    ck_assert(count > 3 && count < 3 + VALUES);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("log_form", 20, &tests);
    tcase_add_test(tests, integers_of_every_length_are_taken);
    tcase_add_test(tests, texts_are_as_long_as_they_are_and_none_is_empty);
    tcase_add_loop_test(tests, a_text_of_any_bytes_is_escaped_as_its_form_has_it, 0,
                        sizeof texts / sizeof texts[0]);
    tcase_add_test(tests, the_journal_has_a_line_for_people_and_each_value);
    tcase_add_test(tests, what_does_not_fit_the_journal_s_entry_is_left_out_whole);
    return suite_run(suite, false);
}
