/* Values from the command line: what is accepted means what it says, and everything else is refused as a wrong command line. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/arguments.h"
#include "client/tool/encoding.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { ROUNDS = 500 };

static const struct tool_option set_option = {.name = "set", .argument = "NAME=VALUE"};
static const struct tool_option of_height_option = {.name = "of-height", .argument = "HEIGHT"};
static const struct tool_option raise_option = {.name = "raise", .argument = "NAME=NUMBER"};
static const struct tool_option delete_option = {.name = "delete", .argument = "NAME"};
static const struct tool_option hex_option = {.name = "hex"};

START_TEST(every_number_of_64_bits_is_read_and_no_other_text)
{
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x10", "1.0", "1k", "one", "1e3", "18446744073709551616"};
    struct random_source random = random_from(random_seed("test_arguments: numbers"));
    uint64_t number;
    for (int round = 0; round < ROUNDS; round++) {
        char text[32];
        uint64_t expected = round == 0 ? UINT64_MAX : random_next(&random) >> random_below(&random, 64);
        snprintf(text, sizeof text, "%" PRIu64, expected);
        ck_assert_int_eq(argument_number("it", text, &number), TOOL_OK);
        ck_assert_uint_eq(number, expected);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        number = 77;
        ck_assert_int_eq(argument_number("it", bad[i], &number), TOOL_USAGE);
        ck_assert_uint_eq(number, 77);
    }
}
END_TEST

START_TEST(a_time_has_a_unit_or_is_in_seconds)
{
    static const struct {
        const char *text;
        uint64_t us;
    } good[] = {{"1us", 1},       {"500ms", 500000},  {"2", 2000000},  {"2s", 2000000},
                {"1m", 60000000}, {"1min", 60000000}, {"0.5", 500000}, {"1.5h", 5400000000ull}};
    static const char *const bad[] = {"", "0", "-1s", "1d", "s", "1 s", "0.5us", "1e30h", "nan", "inf"};
    uint64_t us;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_int_eq(argument_duration("it", good[i].text, &us), TOOL_OK);
        ck_assert_uint_eq(us, good[i].us);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(argument_duration("it", bad[i], &us), TOOL_USAGE);
    }
}
END_TEST

START_TEST(a_height_is_from_1_and_0_is_refused_as_the_daemon_would)
{
    uint64_t height = 77;
    ck_assert_int_eq(argument_height("it", "1", &height), TOOL_OK);
    ck_assert_uint_eq(height, 1);
    ck_assert_int_eq(argument_height("it", "18446744073709551615", &height), TOOL_OK);
    ck_assert_uint_eq(height, UINT64_MAX);
    ck_assert_int_eq(argument_height("it", "0", &height), TOOL_REFUSED);
    ck_assert_int_eq(argument_height("it", "18446744073709551616", &height), TOOL_USAGE);
    ck_assert_int_eq(argument_height("it", "-1", &height), TOOL_USAGE);
    ck_assert_uint_eq(height, UINT64_MAX);
}
END_TEST

START_TEST(as_u64_a_value_is_a_number_of_8_bytes)
{
    static const struct tool_option as_option = {.name = "as", .argument = "u64"};
    struct tool_given given = {&as_option, "u64"};
    struct tool tool = {.given = &given, .given_count = 1};
    struct cairn_slice got;
    uint64_t number;
    ck_assert_int_eq(argument_value(&tool, "it", "18446744073709551614", &got), TOOL_OK);
    ck_assert(bytes_u64(got, &number) && number == UINT64_MAX - 1);
    ck_assert_int_eq(argument_value(&tool, "it", "seven", &got), TOOL_USAGE);
    ck_assert_int_eq(argument_value(&tool, "it", "@file", &got), TOOL_USAGE);
    given.value = "u32";
    ck_assert_int_eq(argument_value(&tool, "it", "7", &got), TOOL_USAGE);
    region_close(&tool.region);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_wrong_usage)
{
    struct tool tool = {.given = NULL};
    struct cairn_slice got;
    ck_assert_int_eq(argument_value(&tool, "it", "@/nonexistent/file", &got), TOOL_USAGE);
    ck_assert_int_eq(argument_value(&tool, "it", "@/", &got), TOOL_USAGE);
    region_close(&tool.region);
}
END_TEST

START_TEST(bytes_given_in_hexadecimal_come_back)
{
    struct random_source random = random_from(random_seed("test_arguments: bytes"));
    struct tool tool = {.verbs = NULL};
    struct tool_given given = {&hex_option, NULL};
    tool.given = &given;
    tool.given_count = 1;
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[100];
        struct cairn_slice expected = {bytes, random_below(&random, sizeof bytes)}, got;
        random_fill(&random, bytes, sizeof bytes);
        char *text = hex_encode(expected);
        ck_assert_int_eq(argument_value(&tool, "it", text, &got), TOOL_OK);
        ck_assert(bytes_equal(got, expected));
        free(text);
    }
    struct cairn_slice got;
    ck_assert_int_eq(argument_value(&tool, "it", "abc", &got), TOOL_USAGE);
    ck_assert_int_eq(argument_value(&tool, "it", "zz", &got), TOOL_USAGE);
    region_close(&tool.region);
}
END_TEST

START_TEST(operations_keep_their_order_and_of_height_binds_the_set_before_it)
{
    struct tool_given given[] = {
        {&set_option, "a=x=y"}, {&of_height_option, "7"}, {&delete_option, "b"},
        {&raise_option, "c=9"}, {&set_option, "d="},
    };
    struct tool tool = {.given = given, .given_count = 5};
    const struct cairn_operation *operations;
    size_t count;
    ck_assert_int_eq(argument_operations(&tool, &operations, &count), TOOL_OK);
    ck_assert_uint_eq(count, 4);
    ck_assert_int_eq(operations[0].kind, CAIRN_SET);
    ck_assert(bytes_equal(operations[0].name, cairn_text("a")));
    ck_assert(bytes_equal(operations[0].value, cairn_text("x=y")));
    ck_assert_uint_eq(operations[0].of_height, 7);
    ck_assert_int_eq(operations[1].kind, CAIRN_DELETE);
    ck_assert(bytes_equal(operations[1].name, cairn_text("b")));
    ck_assert_int_eq(operations[2].kind, CAIRN_RAISE);
    ck_assert_uint_eq(operations[2].raise, 9);
    ck_assert_int_eq(operations[3].kind, CAIRN_SET);
    ck_assert_uint_eq(operations[3].value.bytes, 0);
    ck_assert_uint_eq(operations[3].of_height, 0);
    region_close(&tool.region);
}
END_TEST

START_TEST(operations_that_make_no_sense_are_refused)
{
    struct tool_given wrong[][2] = {
        {{&of_height_option, "7"}, {&set_option, "a=x"}},    /* nothing before it */
        {{&delete_option, "a"}, {&of_height_option, "7"}},   /* a delete before it */
        {{&set_option, "a=x"}, {&of_height_option, "high"}}, /* not a number */
        {{&set_option, "a"}, {&set_option, "b=x"}},          /* no value */
        {{&raise_option, "a=x"}, {&set_option, "b=x"}},      /* not a number */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct tool tool = {.given = wrong[i], .given_count = 2};
        const struct cairn_operation *operations;
        size_t count;
        ck_assert_int_eq(argument_operations(&tool, &operations, &count), TOOL_USAGE);
        region_close(&tool.region);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("arguments", 20, &tests);
    tcase_add_test(tests, every_number_of_64_bits_is_read_and_no_other_text);
    tcase_add_test(tests, a_time_has_a_unit_or_is_in_seconds);
    tcase_add_test(tests, a_height_is_from_1_and_0_is_refused_as_the_daemon_would);
    tcase_add_test(tests, as_u64_a_value_is_a_number_of_8_bytes);
    tcase_add_test(tests, a_file_that_cannot_be_read_is_wrong_usage);
    tcase_add_test(tests, bytes_given_in_hexadecimal_come_back);
    tcase_add_test(tests, operations_keep_their_order_and_of_height_binds_the_set_before_it);
    tcase_add_test(tests, operations_that_make_no_sense_are_refused);
    return suite_run(suite, true);
}
