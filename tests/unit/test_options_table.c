/* The table of settings: every row can be printed, parsed and found again, and no two names are the same. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/options_table.h"
#include "tests/lib/suite.h"

START_TEST(every_default_is_within_its_bounds_and_parses_back)
{
    static struct options options, again;
    char value[SETTING_VALUE_BYTES], text[SETTING_VALUE_BYTES], reason[SETTING_REASON_BYTES];
    for (size_t i = 0; i < options_table_count; i++) {
        const struct setting *setting = &options_table[i];
        setting_init(setting, &options);
        setting_format(setting, &options, value);
        ck_assert_msg(setting_parse(setting, value, &again, reason), "%s = %s: %s", setting->name, value,
                      reason);
        setting_format(setting, &again, text);
        ck_assert_str_eq(text, value);
        ck_assert_uint_le(setting->min, setting->max);
    }
}
END_TEST

START_TEST(every_row_lies_inside_struct_options_and_overlaps_no_other)
{
    static char used[sizeof(struct options)];
    for (size_t i = 0; i < options_table_count; i++) {
        const struct setting *setting = &options_table[i];
        size_t bytes = setting->type == SETTING_TEXT     ? setting->text_bytes
                       : setting->type == SETTING_FLAG   ? sizeof(bool)
                       : setting->type == SETTING_CHOICE ? sizeof(unsigned)
                                                         : sizeof(uint64_t);
        ck_assert_uint_le(setting->offset + bytes, offsetof(struct options, origins));
        for (size_t at = 0; at < bytes; at++) {
            ck_assert_msg(!used[setting->offset + at], "%s shares its place", setting->name);
            used[setting->offset + at] = 1;
        }
    }
}
END_TEST

START_TEST(every_name_is_plain_has_help_and_is_found_by_itself_and_by_a_slip)
{
    for (size_t i = 0; i < options_table_count + OPTIONS_COMMANDS; i++) {
        bool is_setting = i < options_table_count;
        const struct setting *setting = is_setting ? &options_table[i] : NULL;
        const char *name = is_setting ? setting->name : options_commands[i - options_table_count].name;
        const char *help = is_setting ? setting->help : options_commands[i - options_table_count].help;
        char slip[OPTIONS_NAME_BYTES];
        ck_assert_uint_lt(strlen(name), sizeof slip);
        ck_assert_uint_eq(
            strspn(name, is_setting ? "abcdefghijklmnopqrstuvwxyz_" : "abcdefghijklmnopqrstuvwxyz-"),
            strlen(name));
        ck_assert_ptr_nonnull(help);
        ck_assert_ptr_eq(options_table_find(name), setting); /* two of one name: the first would be found */
        ck_assert_str_eq(options_table_nearest(name, true), name);
        strcpy(slip, name);
        slip[strlen(slip) - 1] = 'q';
        ck_assert_str_eq(options_table_nearest(slip, true), name);
    }
    ck_assert_ptr_null(options_table_find(""));
    ck_assert_ptr_null(options_table_nearest("zzzzzzzz", true));
    ck_assert_ptr_null(options_table_nearest("hellp", false)); /* a command, which no file takes */
}
END_TEST

START_TEST(names_are_spelled_for_the_environment_and_the_command_line)
{
    char spelled[OPTIONS_NAME_BYTES];
    options_table_spell("queue_bytes_max", true, spelled);
    ck_assert_str_eq(spelled, "QUEUE_BYTES_MAX");
    options_table_spell("queue_bytes_max", false, spelled);
    ck_assert_str_eq(spelled, "queue-bytes-max");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("options_table", 30, &tests);
    tcase_add_test(tests, every_default_is_within_its_bounds_and_parses_back);
    tcase_add_test(tests, every_row_lies_inside_struct_options_and_overlaps_no_other);
    tcase_add_test(tests, every_name_is_plain_has_help_and_is_found_by_itself_and_by_a_slip);
    tcase_add_test(tests, names_are_spelled_for_the_environment_and_the_command_line);
    return suite_run(suite, true);
}
