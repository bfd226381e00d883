/* What the tool prints: JSON with one type for a u64 and its schema, bytes that are safe for a terminal and stay different. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/tool/output.h"
#include "tests/lib/suite.h"

static char printed[4096];

/* Everything printed between these two lies in `printed`. */
static FILE *file;
static int before;

static void begin(void)
{
    file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fflush(stdout);
    before = dup(STDOUT_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDOUT_FILENO), 0);
}

static const char *end(void)
{
    fflush(stdout);
    ck_assert_int_ge(dup2(before, STDOUT_FILENO), 0);
    close(before);
    rewind(file);
    printed[fread(printed, 1, sizeof printed - 1, file)] = '\0';
    fclose(file);
    return printed;
}

START_TEST(a_u64_is_a_string_whatever_its_size_and_the_schema_comes_first)
{
    begin();
    output_json(json_pack("{s:o, s:o, s:o}", "small", output_number(0), "large", output_number(UINT64_MAX),
                          "count", output_count(3)));
    ck_assert_str_eq(end(),
                     "{\"schema\":2,\"small\":\"0\",\"large\":\"18446744073709551615\",\"count\":3}\n");
}
END_TEST

START_TEST(measured_numbers_have_no_digits_that_say_nothing)
{
    begin();
    output_json(json_pack("{s:f, s:f}", "seconds", 0.1, "rate", 74448.895));
    ck_assert_str_eq(end(), "{\"schema\":2,\"seconds\":0.1,\"rate\":74448.895}\n");
}
END_TEST

START_TEST(bytes_in_json_say_all_that_they_may_mean)
{
    begin();
    output_json(json_pack("{s:o, s:o, s:o}", "text", output_bytes(cairn_text("deadbeef")), "mark",
                          output_bytes(cairn_text("\xe2\x80\xae")), "binary",
                          output_bytes((struct cairn_slice){"\xff", 1})));
    ck_assert_str_eq(
        end(), "{\"schema\":2,"
               "\"text\":{\"base64\":\"ZGVhZGJlZWY=\",\"text\":\"deadbeef\",\"u64\":\"7378415037781730660\"},"
               "\"mark\":{\"base64\":\"4oCu\",\"text\":\"\\u202E\"},\"binary\":{\"base64\":\"/w==\"}}\n");
}
END_TEST

START_TEST(bytes_for_people_are_escaped_and_no_number_is_added)
{
    begin();
    output_value(cairn_text("greeting"), 0);
    putchar('|');
    output_value((struct cairn_slice){"\0\\", 2}, 0);
    putchar('|');
    output_column(cairn_text("a\n"), 8);
    putchar('|');
    ck_assert_str_eq(end(), "greeting|\\x00\\\\|a\\x0a   |");
}
END_TEST

START_TEST(long_values_that_are_cut_stay_different)
{
    char first[100], second[100], line[400];
    memset(first, 'a', sizeof first);
    memcpy(second, first, sizeof second);
    second[99] = 'b';
    begin();
    output_value((struct cairn_slice){first, sizeof first}, 64);
    strcpy(line, end());
    begin();
    output_value((struct cairn_slice){second, sizeof second}, 64);
    ck_assert_str_ne(end(), line);
    ck_assert_ptr_nonnull(strstr(line, "a\\... 100 bytes, sha256 "));
    begin();
    output_value((struct cairn_slice){first, 64}, 64);
    ck_assert_uint_eq(strlen(end()), 64);
}
END_TEST

START_TEST(in_csv_objects_are_rows_behind_one_with_the_keys)
{
    begin();
    output_as_csv(true);
    for (uint64_t i = 1; i <= 2; i++) {
        output_json(json_pack("{s:o, s:s, s:o, s:n, s:b}", "n", output_number(i), "text", "a,\"b\"\n",
                              "bytes", output_bytes(cairn_text("hi")), "none", "flag", 1));
    }
    output_as_csv(false);
    ck_assert_str_eq(end(), "\"n\",\"text\",\"bytes\",\"none\",\"flag\"\r\n"
                            "\"1\",\"a,\"\"b\"\"\\x0a\",\"aGk=\",\"\",\"true\"\r\n"
                            "\"2\",\"a,\"\"b\"\"\\x0a\",\"aGk=\",\"\",\"true\"\r\n");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("tool_output", 20, &tests);
    tcase_add_test(tests, a_u64_is_a_string_whatever_its_size_and_the_schema_comes_first);
    tcase_add_test(tests, measured_numbers_have_no_digits_that_say_nothing);
    tcase_add_test(tests, bytes_in_json_say_all_that_they_may_mean);
    tcase_add_test(tests, bytes_for_people_are_escaped_and_no_number_is_added);
    tcase_add_test(tests, in_csv_objects_are_rows_behind_one_with_the_keys);
    tcase_add_test(tests, long_values_that_are_cut_stay_different);
    return suite_run(suite, true);
}
