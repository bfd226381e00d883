/* The values of a line: each is of its kind, absent, or an error that names the key. */
#include <string.h>

#include "client/tool/replay/trace_line.h"
#include "tests/lib/suite.h"

static struct trace trace;
static struct trace_line line;

static void setup(void)
{
    line = (struct trace_line){.trace = &trace};
    line.object = json_loads(
        "{\"n\":7,\"big\":9223372036854775807,\"minus\":-1,\"half\":0.5,\"yes\":true,\"null\":null,"
        "\"text\":\"a\\u0000b\",\"bytes\":\"AAE=\",\"bad\":\"AAE\",\"list\":[1,2]}",
        JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(line.object);
}

static void teardown(void)
{
    json_decref(line.object);
    trace_close(&trace);
}

static void expect_error(bool good, const char *key)
{
    ck_assert(!good);
    ck_assert_msg(strstr(line.error, key) != NULL, "\"%s\" does not name %s", line.error, key);
    line.error[0] = '\0';
}

START_TEST(a_number_is_whole_and_not_negative)
{
    uint64_t number = 77;
    bool present = false;
    ck_assert(trace_line_u64(&line, line.object, "n", true, &present, &number) && present && number == 7);
    ck_assert(trace_line_u64(&line, line.object, "big", true, NULL, &number) && number == INT64_MAX);
    number = 77;
    expect_error(trace_line_u64(&line, line.object, "minus", true, NULL, &number), "minus");
    expect_error(trace_line_u64(&line, line.object, "half", true, NULL, &number), "half");
    expect_error(trace_line_u64(&line, line.object, "text", true, NULL, &number), "text");
    ck_assert_uint_eq(number, 77);
}
END_TEST

START_TEST(what_is_absent_or_null_is_an_error_only_if_it_is_required)
{
    uint64_t number = 77;
    struct cairn_slice slice = {.bytes = 77};
    bool present = false, flag = true;
    json_t *list = line.object;
    const char *const keys[] = {"nothing", "null"};
    for (int i = 0; i < 2; i++) {
        ck_assert(trace_line_u64(&line, line.object, keys[i], false, &present, &number) && !present);
        ck_assert(trace_line_base64(&line, line.object, keys[i], false, &present, &slice) && !present);
        ck_assert(trace_line_text(&line, line.object, keys[i], false, &slice));
        ck_assert(trace_line_flag(&line, line.object, keys[i], &flag) && flag);
        expect_error(trace_line_u64(&line, line.object, keys[i], true, NULL, &number), keys[i]);
        expect_error(trace_line_base64(&line, line.object, keys[i], true, NULL, &slice), keys[i]);
        expect_error(trace_line_text(&line, line.object, keys[i], true, &slice), keys[i]);
    }
    ck_assert(number == 77 && slice.bytes == 77);
    ck_assert(trace_line_array(&line, line.object, "nothing", &list) && list == NULL);
}
END_TEST

START_TEST(texts_and_bytes_are_kept_also_with_a_nul)
{
    struct cairn_slice text, bytes;
    ck_assert(trace_line_text(&line, line.object, "text", true, &text));
    ck_assert(trace_line_base64(&line, line.object, "bytes", true, NULL, &bytes));
    json_decref(line.object);
    line.object = json_object();
    ck_assert(text.bytes == 3 && memcmp(text.data, "a\0b", 3) == 0);
    ck_assert(bytes.bytes == 2 && memcmp(bytes.data, "\0\1", 2) == 0);
}
END_TEST

START_TEST(other_kinds_are_errors)
{
    struct cairn_slice slice;
    bool flag;
    json_t *list;
    expect_error(trace_line_text(&line, line.object, "n", true, &slice), "\"n\"");
    expect_error(trace_line_base64(&line, line.object, "bad", true, NULL, &slice), "bad");
    expect_error(trace_line_base64(&line, line.object, "n", true, NULL, &slice), "\"n\"");
    expect_error(trace_line_flag(&line, line.object, "n", &flag), "\"n\"");
    expect_error(trace_line_array(&line, line.object, "text", &list), "text");
    ck_assert(trace_line_array(&line, line.object, "list", &list) && json_array_size(list) == 2);
    ck_assert(trace_line_flag(&line, line.object, "yes", &flag) && flag);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("trace_line", 20, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_number_is_whole_and_not_negative);
    tcase_add_test(tests, what_is_absent_or_null_is_an_error_only_if_it_is_required);
    tcase_add_test(tests, texts_and_bytes_are_kept_also_with_a_nul);
    tcase_add_test(tests, other_kinds_are_errors);
    return suite_run(suite, true);
}
