/* A setting: text and value turn into each other, and a text that is refused changes nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/setting.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { ROUNDS = 20000 };

enum colour { RED, GREEN, BLUE };

struct values {
    char text[8];
    bool flag;
    enum colour colour;
    uint64_t count, bytes, duration, mode;
};

#define NUMBER(FIELD, TYPE, INITIAL, MIN, MAX)                                                               \
    {.name = #FIELD,                                                                                         \
     .type = (TYPE),                                                                                         \
     .offset = offsetof(struct values, FIELD),                                                               \
     .initial = (INITIAL),                                                                                   \
     .min = (MIN),                                                                                           \
     .max = (MAX)}

static const struct setting text_setting = {
    .name = "text", .type = SETTING_TEXT, .offset = offsetof(struct values, text), .text_bytes = 8};
static const struct setting flag_setting = {
    .name = "flag", .type = SETTING_FLAG, .offset = offsetof(struct values, flag), .initial = 1};
static const struct setting colour_setting = {.name = "colour",
                                              .type = SETTING_CHOICE,
                                              .offset = offsetof(struct values, colour),
                                              .choices = "red|green|blue",
                                              .initial = GREEN};
static const struct setting numbers[] = {
    NUMBER(count, SETTING_COUNT, 5, 0, UINT64_MAX),
    NUMBER(bytes, SETTING_BYTES, 4096, 0, UINT64_MAX),
    NUMBER(duration, SETTING_DURATION, 1000, 0, UINT64_MAX),
    NUMBER(mode, SETTING_MODE, 0660, 0, 0777),
};
static const struct setting bounded = NUMBER(bytes, SETTING_BYTES, 4096, 1024, 1 << 20);

enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static char reason[SETTING_REASON_BYTES];

static uint64_t number_of(const struct setting *setting, const struct values *values)
{
    uint64_t number;
    memcpy(&number, (const char *)values + setting->offset, sizeof number);
    return number;
}

START_TEST(number_formatted_parses_back_to_itself)
{
    static const uint64_t units[] = {1, 1000, 1 << 10, 1000000, 1 << 20, 60000000, 1 << 30, 3600000000};
    struct random_source random = random_from(random_seed("setting"));
    for (int i = 0; i < ROUNDS; i++) {
        const struct setting *setting = &numbers[random_below(&random, NUMBERS)];
        uint64_t number = random_next(&random) >> random_below(&random, 64);
        struct values values = {.count = 0}, again = {.count = 0};
        char text[SETTING_VALUE_BYTES];
        if (random_chance(&random, 50)) { /* what has a unit */
            number = number % 1000 * units[random_below(&random, 8)];
        }
        number = number > setting->max ? number % setting->max : number;
        memcpy((char *)&values + setting->offset, &number, sizeof number);
        setting_format(setting, &values, text);
        ck_assert_msg(setting_parse(setting, text, &again, reason), "%s: %s", text, reason);
        ck_assert_msg(number_of(setting, &again) == number, "%" PRIu64 " became %s", number, text);
    }
}
END_TEST

START_TEST(units_are_what_they_say)
{
    static const struct {
        enum setting_type type;
        const char *text;
        uint64_t number;
    } cases[] = {
        {SETTING_BYTES, "7", 7},
        {SETTING_BYTES, "7B", 7},
        {SETTING_BYTES, "3KiB", 3072},
        {SETTING_BYTES, "64MiB", 64 << 20},
        {SETTING_BYTES, "2GiB", UINT64_C(2) << 30},
        {SETTING_BYTES, "1TiB", UINT64_C(1) << 40},
        {SETTING_DURATION, "20us", 20},
        {SETTING_DURATION, "20ms", 20000},
        {SETTING_DURATION, "2s", 2000000},
        {SETTING_DURATION, "2m", 120000000},
        {SETTING_DURATION, "2min", 120000000},
        {SETTING_DURATION, "1h", UINT64_C(3600000000)},
        {SETTING_COUNT, "18446744073709551615", UINT64_MAX},
        {SETTING_MODE, "0660", 0660},
        {SETTING_MODE, "660", 0660},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct values values = {.count = 0};
        const struct setting *setting = &numbers[cases[i].type - SETTING_COUNT];
        ck_assert_msg(setting_parse(setting, cases[i].text, &values, reason), "%s", cases[i].text);
        ck_assert_uint_eq(number_of(setting, &values), cases[i].number);
    }
}
END_TEST

static void assert_refused(const struct setting *setting, const char *text)
{
    struct values values, before;
    memset(&values, 0x5a, sizeof values);
    before = values;
    memset(reason, 0, sizeof reason);
    ck_assert_msg(!setting_parse(setting, text, &values, reason), "%s = %s", setting->name, text);
    ck_assert_mem_eq(&values, &before, sizeof values);
    ck_assert_str_ne(reason, "");
}

START_TEST(refused_text_changes_nothing_and_has_a_reason)
{
    static const char *const never[] = {
        "", " ", "-1", "+1", "1 ", " 1", "0x10", "1.5", "1e3", "one", "99999999999999999999"};
    for (size_t i = 0; i < NUMBERS; i++) {
        for (size_t at = 0; at < sizeof never / sizeof never[0]; at++) {
            assert_refused(&numbers[i], never[at]);
        }
    }
    assert_refused(&numbers[0], "1KiB");
    assert_refused(&numbers[1], "1kb");
    assert_refused(&numbers[1], "20ms");
    assert_refused(&numbers[1], "16777216TiB"); /* 2^64 */
    assert_refused(&numbers[2], "20MiB");
    assert_refused(&numbers[3], "0680");
    assert_refused(&numbers[3], "01000");
    assert_refused(&text_setting, "12345678");
    assert_refused(&text_setting, "a\nb");
    assert_refused(&flag_setting, "true");
    assert_refused(&colour_setting, "gre");
    assert_refused(&colour_setting, "greener");
    assert_refused(&colour_setting, "red|green");
    assert_refused(&colour_setting, "");
}
END_TEST

START_TEST(bounds_are_inclusive_and_the_reason_names_the_one_that_was_passed)
{
    struct values values = {.count = 0};
    ck_assert(setting_parse(&bounded, "1KiB", &values, reason));
    ck_assert(setting_parse(&bounded, "1MiB", &values, reason));
    assert_refused(&bounded, "1023");
    ck_assert_ptr_nonnull(strstr(reason, "1KiB"));
    assert_refused(&bounded, "1048577");
    ck_assert_ptr_nonnull(strstr(reason, "1MiB"));
}
END_TEST

START_TEST(text_flag_and_choice_come_back)
{
    struct values values = {.count = 0};
    char text[SETTING_VALUE_BYTES];
    static const struct {
        const struct setting *setting;
        const char *text;
    } cases[] = {{&text_setting, ""},      {&text_setting, "1234567"}, {&flag_setting, "yes"},
                 {&flag_setting, "no"},    {&colour_setting, "red"},   {&colour_setting, "green"},
                 {&colour_setting, "blue"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert(setting_parse(cases[i].setting, cases[i].text, &values, reason));
        setting_format(cases[i].setting, &values, text);
        ck_assert_str_eq(text, cases[i].text);
    }
    ck_assert_int_eq(values.colour, BLUE);
}
END_TEST

START_TEST(initial_values_are_those_of_the_table)
{
    struct values values;
    memset(&values, 0x5a, sizeof values);
    setting_init(&text_setting, &values);
    setting_init(&flag_setting, &values);
    setting_init(&colour_setting, &values);
    setting_init(&bounded, &values);
    ck_assert_str_eq(values.text, "");
    ck_assert(values.flag);
    ck_assert_int_eq(values.colour, GREEN);
    ck_assert_uint_eq(values.bytes, 4096);
}
END_TEST

START_TEST(range_is_written_in_the_units_of_a_value)
{
    char text[SETTING_REASON_BYTES];
    setting_format_range(&bounded, text);
    ck_assert_str_eq(text, "1KiB..1MiB");
    setting_format_range(&colour_setting, text);
    ck_assert_str_eq(text, "red|green|blue");
}
END_TEST

static void some_name(struct random_source *random, char *ret_name)
{
    size_t length = random_below(random, 8);
    for (size_t i = 0; i < length; i++) {
        ret_name[i] = "ab_-"[random_below(random, 4)];
    }
    ret_name[length] = '\0';
}

START_TEST(distance_of_names_is_a_metric)
{
    struct random_source random = random_from(random_seed("distance"));
    for (int i = 0; i < ROUNDS; i++) {
        char a[8], b[8], c[8];
        some_name(&random, a);
        some_name(&random, b);
        some_name(&random, c);
        size_t ab = setting_name_distance(a, b);
        ck_assert_uint_eq(setting_name_distance(a, a), 0);
        ck_assert_uint_eq(ab, setting_name_distance(b, a));
        ck_assert_uint_le(ab, setting_name_distance(a, c) + setting_name_distance(c, b));
        ck_assert_uint_le(ab, strlen(a) > strlen(b) ? strlen(a) : strlen(b));
    }
    ck_assert_uint_eq(setting_name_distance("queue-bytes", "queue_bytes"), 0);
    ck_assert_uint_eq(setting_name_distance("queue", "quene"), 1);
}
END_TEST

START_TEST(help_calls_a_value_by_its_type)
{
    struct setting text = {.type = SETTING_TEXT, .argument = "PATH"}, flag = {.type = SETTING_FLAG},
                   choice = {.type = SETTING_CHOICE, .choices = "a|b"}, size = {.type = SETTING_BYTES},
                   time = {.type = SETTING_DURATION}, count = {.type = SETTING_COUNT},
                   mode = {.type = SETTING_MODE};
    ck_assert_str_eq(setting_argument(&text), "PATH");
    ck_assert_str_eq(setting_argument(&flag), "");
    ck_assert_str_eq(setting_argument(&choice), "a|b");
    ck_assert_str_eq(setting_argument(&size), "SIZE");
    ck_assert_str_eq(setting_argument(&time), "TIME");
    ck_assert_str_eq(setting_argument(&count), "COUNT");
    ck_assert_str_eq(setting_argument(&mode), "MODE");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("setting", 30, &tests);
    tcase_add_test(tests, number_formatted_parses_back_to_itself);
    tcase_add_test(tests, units_are_what_they_say);
    tcase_add_test(tests, refused_text_changes_nothing_and_has_a_reason);
    tcase_add_test(tests, bounds_are_inclusive_and_the_reason_names_the_one_that_was_passed);
    tcase_add_test(tests, text_flag_and_choice_come_back);
    tcase_add_test(tests, initial_values_are_those_of_the_table);
    tcase_add_test(tests, range_is_written_in_the_units_of_a_value);
    tcase_add_test(tests, distance_of_names_is_a_metric);
    tcase_add_test(tests, help_calls_a_value_by_its_type);
    return suite_run(suite, true);
}
