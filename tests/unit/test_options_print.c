/* What is printed of the options: a file that gives the same ones, where each value comes from, and a help that leaves nothing out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/options.h"
#include "daemon/config/options_table.h"
#include "tests/lib/suite.h"

static struct options options;
static struct options_errors errors;

static void parse(const char *text)
{
    options_init(&options);
    errors.count = 0;
    ck_assert_msg(options_parse_file(&options, "cairnd.conf", text, strlen(text), &errors), "%s",
                  errors.texts[0]);
    strcpy(options.config, "cairnd.conf");
}

/* To be freed. */
static char *printed(void)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    ck_assert_ptr_nonnull(out);
    options_print(&options, out);
    fclose(out);
    return text;
}

START_TEST(printed_configuration_is_read_back_to_the_same)
{
    static struct options first;
    parse("queue_bytes_max = 65537\nflush_delay = 1500us\ndata = '/d # \"x\\y ; z '\nsocket_mode = "
          "0\nsocket_group = g\n"
          "stop_timeout = 90s\ncache_bytes = 3GiB\nlog_format = journal\nreaders = \" \\\"a \"\nsocket = "
          "/\xc3\xa9\n");
    first = options;
    ck_assert_str_eq(first.data, "/d # \"x\\y ; z ");
    ck_assert_str_eq(first.readers, " \"a ");
    char *text = printed();
    parse(text);
    memcpy(first.origins, options.origins, sizeof first.origins);
    ck_assert_mem_eq(&first, &options, offsetof(struct options, origins));
    free(text);
}
END_TEST

START_TEST(each_value_has_its_origin_and_says_when_it_counts_for_nothing)
{
    parse("\nstreams_max = 7\nsocket = /s\n");
    char *text = printed();
    ck_assert_ptr_nonnull(strstr(text, "; cairnd.conf:2\n"));
    ck_assert_ptr_nonnull(strstr(text, "; cairnd.conf:3, unless systemd passes a socket\n"));
    ck_assert_ptr_nonnull(strstr(text, "; default\n"));
    free(text);
}
END_TEST

START_TEST(help_names_every_setting_command_and_exit_code)
{
    char *text = NULL, line[256], name[OPTIONS_NAME_BYTES];
    size_t n;
    FILE *out = open_memstream(&text, &n);
    ck_assert_ptr_nonnull(out);
    options_help(out);
    fclose(out);
    for (size_t i = 0; i < options_table_count; i++) {
        options_table_spell(options_table[i].name, false, name);
        snprintf(line, sizeof line, "\n  --%s", name);
        ck_assert_msg(strstr(text, line) != NULL, "%s", line);
        ck_assert_ptr_nonnull(strstr(text, options_table[i].help));
    }
    for (size_t i = 0; i < OPTIONS_COMMANDS; i++) {
        ck_assert_ptr_nonnull(strstr(text, options_commands[i].help));
    }
    for (size_t i = 0; i < EXIT_CODES; i++) {
        ck_assert_ptr_nonnull(strstr(text, exit_codes[i].meaning));
    }
    ck_assert_ptr_nonnull(strstr(text, "64KiB..16GiB; default 32MiB; reload\n"));
    ck_assert_ptr_nonnull(strstr(text, "--flush-delay TIME"));
    ck_assert_ptr_nonnull(strstr(text, "\nTime-outs:\n"));
    free(text);
}
END_TEST

static size_t said;

static void say(const char *error)
{
    said++;
    ck_assert(said <= OPTIONS_ERRORS_MAX || strcmp(error, "and 5 more") == 0);
}

START_TEST(each_error_is_said_and_their_rest_is_counted)
{
    errors.count = 3;
    options_each_error(&errors, say);
    ck_assert_uint_eq(said, 3);
    said = 0;
    errors.count = OPTIONS_ERRORS_MAX + 5;
    options_each_error(&errors, say);
    ck_assert_uint_eq(said, OPTIONS_ERRORS_MAX + 1);
}
END_TEST

START_TEST(only_errors_that_all_may_pass_are_tried_again)
{
    errors.count = errors.passing = 1;
    ck_assert_int_eq(options_exit_code(&errors), EXIT_CODE_FAILED);
    errors.count = 2;
    ck_assert_int_eq(options_exit_code(&errors), EXIT_CODE_REFUSED);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("options_print", 30, &tests);
    tcase_add_test(tests, printed_configuration_is_read_back_to_the_same);
    tcase_add_test(tests, each_value_has_its_origin_and_says_when_it_counts_for_nothing);
    tcase_add_test(tests, help_names_every_setting_command_and_exit_code);
    tcase_add_test(tests, each_error_is_said_and_their_rest_is_counted);
    tcase_add_test(tests, only_errors_that_all_may_pass_are_tried_again);
    return suite_run(suite, true);
}
