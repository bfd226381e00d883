/* Bytes as text and back: what is written is read again, and what is not such a text is refused. */
#include <stdlib.h>
#include <string.h>

#include "client/tool/encoding.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

START_TEST(base64_and_hex_give_back_what_they_got)
{
    struct random_source random = random_from(1);
    uint8_t bytes[100], back[160];
    for (size_t size = 0; size <= sizeof bytes; size++) {
        random_fill(&random, bytes, size);
        size_t got = SIZE_MAX;
        char *text = base64_encode((struct cairn_slice){bytes, size});
        ck_assert_uint_le(base64_decoded_max(strlen(text)), sizeof back);
        ck_assert(base64_decode(text, strlen(text), back, &got));
        ck_assert_uint_eq(got, size);
        ck_assert(size == 0 || memcmp(back, bytes, size) == 0);
        free(text);
        text = hex_encode((struct cairn_slice){bytes, size});
        ck_assert(hex_decode(text, strlen(text), back, &got));
        ck_assert_uint_eq(got, size);
        ck_assert(size == 0 || memcmp(back, bytes, size) == 0);
        free(text);
    }
}
END_TEST

START_TEST(what_is_no_such_text_is_refused)
{
    static const char *const base64[] = {"A",    "AA",   "AAA",      "AA=A", "=AAA", "A===",  "====", " AAA",
                                         "AAA ", "AA-A", "AAA=AAA=", "QR==", "QUF=", "AAA\n", "\nAAA"};
    static const char *const hex[] = {"0", "0g", "x0", " 0", "000"};
    uint8_t back[64];
    size_t size;
    for (size_t i = 0; i < sizeof base64 / sizeof base64[0]; i++) {
        ck_assert_msg(!base64_decode(base64[i], strlen(base64[i]), back, &size), "taken: %s", base64[i]);
    }
    for (size_t i = 0; i < sizeof hex / sizeof hex[0]; i++) {
        ck_assert_msg(!hex_decode(hex[i], strlen(hex[i]), back, &size), "taken: %s", hex[i]);
    }
}
END_TEST

START_TEST(text_is_printable_utf8)
{
    static const char *const good[] = {
        "", "a b", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xED\x9F\xBF"};
    static const char *const bad[] = {"\n",
                                      "\t",
                                      "\x7F",
                                      "\x80",
                                      "\xC3",
                                      "\xC0\x80",
                                      "\xC2\x85",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xE2\x82",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xFF",
                                      "a\xE2"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(bytes_are_text(cairn_text(good[i])), "refused: number %zu", i);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(!bytes_are_text(cairn_text(bad[i])), "taken: number %zu", i);
    }
    ck_assert(!bytes_are_text((struct cairn_slice){"a\0b", 3}));
}
END_TEST

START_TEST(a_digest_is_the_start_of_the_sha256)
{
    char text[DIGEST_TEXT_BYTES];
    struct digest digest = digest_of(cairn_text("abc")), parsed = {.size = 3};
    digest_text(&digest, text);
    ck_assert_str_eq(text, "ba7816bf8f01cfea");
    ck_assert(digest_parse(text, strlen(text), &parsed));
    ck_assert(digest_equal(&digest, &parsed));
    digest = digest_of((struct cairn_slice){NULL, 0});
    digest_text(&digest, text);
    ck_assert_str_eq(text, "e3b0c44298fc1c14");
    ck_assert(!digest_parse("ba7816bf8f01cfe", 15, &parsed));
}
END_TEST

START_TEST(escaped_bytes_are_printable_ascii_and_different_ones_stay_different)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *expected;
    } escapes[] = {
        {"plain ~", 7, "plain ~"},
        {"", 0, ""},
        {"a\\x00", 5, "a\\\\x00"},
        {"a\0", 2, "a\\x00"},
        {"\n\x1b[31m\x7f", 7, "\\x0a\\x1b[31m\\x7f"},
        {"\xe2\x80\xae", 3, "\\xe2\\x80\\xae"}, /* U+202E: what follows would run from right to left */
        {"deadbeef", 8, "deadbeef"},
    };
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        char *text = bytes_escape((struct cairn_slice){escapes[i].bytes, escapes[i].size});
        ck_assert_str_eq(text, escapes[i].expected);
        char *again = text_escape(text);
        ck_assert_str_eq(again, text); /* what is escaped already stays */
        free(again);
        free(text);
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t one = (uint8_t)byte;
        char *text = bytes_escape((struct cairn_slice){&one, 1});
        ck_assert_uint_eq(strlen(text), byte == '\\' ? 2 : byte >= 0x20 && byte <= 0x7e ? 1 : 4);
        free(text);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("encoding", 20, &tests);
    tcase_add_test(tests, base64_and_hex_give_back_what_they_got);
    tcase_add_test(tests, what_is_no_such_text_is_refused);
    tcase_add_test(tests, text_is_printable_utf8);
    tcase_add_test(tests, escaped_bytes_are_printable_ascii_and_different_ones_stay_different);
    tcase_add_test(tests, a_digest_is_the_start_of_the_sha256);
    return suite_run(suite, true);
}
