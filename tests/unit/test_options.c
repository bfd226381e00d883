/* Settings: their bounds, the places they come from and which goes first, and that every refusal names what is wrong. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config/options.h"
#include "daemon/config/setting.h"

#define WORDS(...) (sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), ((char *[]){__VA_ARGS__, NULL})

static char *const no_environment[] = {NULL};

static struct options options;
static struct options_errors errors;

static void begin(void)
{
    options_init(&options);
    memset(&errors, 0, sizeof errors);
}

static bool parse(const char *text)
{
    begin();
    return options_parse_file(&options, "cairnd.conf", text, strlen(text), &errors);
}

/* What options_print writes; to be freed. */
static char *printed(const struct options *of)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    options_print(of, out);
    fclose(out);
    return text;
}

START_TEST(defaults_are_the_documented_ones_and_fit_each_other)
{
    begin();
    ck_assert_uint_eq(options.queue_operations_max, 8192);
    ck_assert_uint_eq(options.queue_bytes_max, 32 << 20);
    ck_assert_uint_eq(options.flush_delay_us, 20000);
    ck_assert_uint_eq(options.sync_interval_us, 1000000);
    ck_assert_uint_eq(options.frame_bytes_max, 64 << 20);
    ck_assert_uint_eq(options.requests_bytes_max, 256 << 20);
    ck_assert_uint_eq(options.replies_bytes_max, 256 << 20);
    ck_assert_uint_eq(options.connections_max, 1024);
    ck_assert_uint_eq(options.streams_max, 64);
    ck_assert_uint_eq(options.chains_max, 1024);
    ck_assert_uint_eq(options.stop_timeout_us, 30000000);
    ck_assert_uint_eq(options.cache_bytes, 64 << 20);
    ck_assert_uint_eq(options.socket_mode, 0660);
    ck_assert_str_eq(options.socket_group, "");
    ck_assert(!options.create);
    ck_assert_int_eq(options.log_level, LOG_LEVEL_INFO);
    ck_assert_int_eq(options.log_format, LOG_FORMAT_AUTO);
    ck_assert_uint_eq(options.log_bytes_per_second, 64 << 10);
    strcpy(options.data, "/data");
    ck_assert(options_check(&options, &errors));
}
END_TEST

START_TEST(file_sets_values_and_their_lines)
{
    ck_assert_msg(
        parse("# a comment\n\n  queue_bytes_max = 1MiB\r\n\tflush_delay=5ms ; why\n"
              "socket_mode = 600\nlog_level = debug\nlog_format=json\ndata = /a b\nstreams_max = 7"),
        "%s", errors.texts[0]);
    ck_assert_uint_eq(options.queue_bytes_max, 1 << 20);
    ck_assert_uint_eq(options.flush_delay_us, 5000);
    ck_assert_uint_eq(options.socket_mode, 0600);
    ck_assert_int_eq(options.log_level, LOG_LEVEL_DEBUG);
    ck_assert_int_eq(options.log_format, LOG_FORMAT_JSON);
    ck_assert_str_eq(options.data, "/a b");
    ck_assert_uint_eq(options.streams_max, 7);
    strcpy(options.config, "cairnd.conf");
    char *text = printed(&options);
    ck_assert_ptr_nonnull(strstr(text, "cairnd.conf:3\n"));
    ck_assert_ptr_nonnull(strstr(text, "cairnd.conf:9\n"));
    free(text);
}
END_TEST

/* File text, and what its refusal has to say. */
static const struct {
    const char *text, *says;
} refused_files[] = {
    {"\nqueue_byte_max = 1MiB\n",
     "cairnd.conf:2: there is no setting \"queue_byte_max\"; did you mean queue_bytes_max?"},
    {"colour = red\n", "cairnd.conf:1: there is no setting \"colour\"; cairnd --help lists them"},
    {"a=1\n", "cairnd.conf:1: there is no setting \"a\""},
    {"# x\nqueue_bytes_max = 1Mb\n", "cairnd.conf:2: queue_bytes_max = \"1Mb\": not a size"},
    {"queue_bytes_max = 1 MiB\n", "not a size"},
    {"queue_bytes_max = -1\n", "not a size"},
    {"queue_bytes_max =\n", "not a size"},
    {"queue_bytes_max = 18446744073709551616\n", "not a size"},
    {"queue_bytes_max = 17179869185TiB\n", "not a size"},
    {"queue_bytes_max = 1KiB\n", "too low; the least is 64KiB"},
    {"queue_bytes_max = 17GiB\n", "too high; the most is 16GiB"},
    {"frame_bytes_max = 257MiB\n", "too high; the most is 256MiB"},
    {"frame_bytes_max = 65535\n", "too low; the least is 64KiB"},
    {"flush_delay = 20\n", "not a duration"},
    {"flush_delay = 1.5ms\n", "not a duration"},
    {"flush_delay = 99us\n", "too low; the least is 100us"},
    {"streams_max = 1KiB\n", "not a count"},
    {"streams_max = 0\n", "too low; the least is 1"},
    {"socket_mode = 0680\n", "not a mode"},
    {"socket_mode = 01000\n", "too high; the most is 0777"},
    {"log_bytes_per_second = 0\n", "too low; the least is 1KiB"},
    {"log_level = loud\n", "not one of error|warning|info|debug"},
    {"create = yes\n", "create may not stand here"},
    {"config = other\n", "config may not stand here"},
    {"streams_max = 1\n\nstreams_max = 1\n",
     "cairnd.conf:3: streams_max stands here a second time, first on line 1"},
    {"[cairnd]\n", "cairnd.conf:1: a section"},
    {"\nstreams_max\n", "cairnd.conf:2: no setting"},
    {"data = /x\x01y\n", "cairnd.conf:1: data = \"/x\\x01y\": byte 3 of the value is a control character"},
    {"\ndata = /x\xffy\n", "cairnd.conf:2: data = \"/x\\xffy\": byte 3 of the value is not UTF-8"},
    {"data = \"/x\n", "cairnd.conf:1: the closing quote is missing"},
    {"streams_max = 64, 65\n", "not a count"},
};

START_TEST(file_with_a_fault_is_refused_with_its_place_and_what_is_right)
{
    ck_assert(!parse(refused_files[_i].text));
    ck_assert_msg(strstr(errors.texts[0], refused_files[_i].says) != NULL, "%s", errors.texts[0]);
    ck_assert_ptr_null(strchr(errors.texts[0], '\n'));
}
END_TEST

START_TEST(all_faults_of_a_file_are_named_in_its_order)
{
    ck_assert(!parse("streams_max = x\nfoo\n[bar]\nchains_max = y\ndata = /d\nstreams_max = 5\n"));
    ck_assert_uint_eq(errors.count, 5);
    ck_assert_uint_eq(errors.passing, 0);
    ck_assert_ptr_nonnull(strstr(errors.texts[0], "cairnd.conf:1: streams_max = \"x\""));
    ck_assert_ptr_nonnull(strstr(errors.texts[1], "cairnd.conf:2: no setting"));
    ck_assert_ptr_nonnull(strstr(errors.texts[2], "cairnd.conf:3: a section"));
    ck_assert_ptr_nonnull(strstr(errors.texts[3], "cairnd.conf:4: chains_max = \"y\""));
    ck_assert_ptr_nonnull(strstr(errors.texts[4], "first on line 1"));
    ck_assert_str_eq(options.data, "/d");
}
END_TEST

START_TEST(faults_beyond_the_room_for_them_are_counted)
{
    char text[2 * (OPTIONS_ERRORS_MAX + 9) + 1];
    for (size_t i = 0; i < OPTIONS_ERRORS_MAX + 9; i++) {
        memcpy(text + 2 * i, "x\n", 3);
    }
    ck_assert(!parse(text));
    ck_assert_uint_eq(errors.count, OPTIONS_ERRORS_MAX + 9);
}
END_TEST

START_TEST(values_may_have_comments_quotes_and_any_length)
{
    char text[OPTIONS_PATH_BYTES + 64] = "data = /";
    ck_assert(
        parse("data = ./d # note\nsocket = \"/a b;c #d\" ; note\nreaders = 'x'\nflush_delay = 5ms\t# why\n"));
    ck_assert_str_eq(options.data, "./d");
    ck_assert_str_eq(options.socket, "/a b;c #d");
    ck_assert_str_eq(options.readers, "x");
    ck_assert_uint_eq(options.flush_delay_us, 5000);
    memset(text + 8, 'x', OPTIONS_PATH_BYTES - 2);
    ck_assert_msg(parse(text), "%s", errors.texts[0]);
    ck_assert_uint_eq(strlen(options.data), OPTIONS_PATH_BYTES - 1);
    text[8 + OPTIONS_PATH_BYTES - 2] = 'x';
    ck_assert(!parse(text));
    ck_assert_ptr_nonnull(strstr(errors.texts[0], "cairnd.conf:1: data = "));
    ck_assert_ptr_nonnull(strstr(errors.texts[0], "too long with 4096 bytes; at most 4095 fit"));
}
END_TEST

START_TEST(file_with_a_nul_byte_is_refused)
{
    begin();
    ck_assert(!options_parse_file(&options, "f", "#\ndata = a\0b\n", 13, &errors));
    ck_assert_ptr_nonnull(strstr(errors.texts[0], "f:2: the line holds a NUL byte"));
}
END_TEST

START_TEST(socket_path_fits_a_socket_or_is_refused)
{
    char path[OPTIONS_SOCKET_BYTES + 1];
    memset(path, 'x', sizeof path);
    path[OPTIONS_SOCKET_BYTES - 1] = '\0';
    begin();
    ck_assert_int_eq(options_parse_arguments(&options, WORDS("cairnd", "--socket", path), &errors),
                     OPTIONS_RUN);
    ck_assert_uint_eq(strlen(options.socket), 107);
    path[OPTIONS_SOCKET_BYTES - 1] = 'x';
    path[OPTIONS_SOCKET_BYTES] = '\0';
    ck_assert_int_eq(options_parse_arguments(&options, WORDS("cairnd", "--socket", path), &errors),
                     OPTIONS_REFUSED);
    ck_assert_ptr_nonnull(strstr(errors.texts[0], "too long with 108 bytes; at most 107 fit"));
}
END_TEST

START_TEST(flag_goes_before_environment_before_file_in_any_order_of_reading)
{
    char *const environment[] = {"PATH=/bin", "CAIRND_STREAMS_MAX=2", "CAIRND_CHAINS_MAX=2", "CAIRND=/cairnd",
                                 NULL};
    const char file[] = "streams_max = 3\nchains_max = 3\nconnections_max = 3\n";
    for (int order = 0; order < 2; order++) {
        begin();
        if (order == 0) {
            ck_assert(options_parse_file(&options, "f", file, strlen(file), &errors));
        }
        ck_assert(options_parse_environment(&options, environment, &errors));
        ck_assert_int_eq(options_parse_arguments(&options, WORDS("cairnd", "--streams-max", "1"), &errors),
                         OPTIONS_RUN);
        if (order == 1) {
            ck_assert(options_parse_environment(&options, environment, &errors));
            ck_assert(options_parse_file(&options, "f", file, strlen(file), &errors));
        }
        ck_assert_uint_eq(options.streams_max, 1);
        ck_assert_uint_eq(options.chains_max, 2);
        ck_assert_uint_eq(options.connections_max, 3);
        ck_assert_uint_eq(options.queue_operations_max, 8192);
    }
}
END_TEST

START_TEST(bad_value_is_refused_even_where_another_goes_before_it)
{
    begin();
    ck_assert_int_eq(options_parse_arguments(&options, WORDS("cairnd", "--streams-max", "1"), &errors),
                     OPTIONS_RUN);
    ck_assert(!options_parse_file(&options, "f", "streams_max = x", 15, &errors));
}
END_TEST

static const struct {
    const char *variable, *says;
} refused_environments[] = {
    {"CAIRND_STREAM_MAX=1", "there is no setting CAIRND_STREAM_MAX=1; did you mean CAIRND_STREAMS_MAX?"},
    {"CAIRND_streams_max=1", "there is no setting CAIRND_streams_max=1; did you mean CAIRND_STREAMS_MAX?"},
    {"CAIRND_QZX=1", "there is no setting CAIRND_QZX=1; cairnd --help"},
    {"CAIRND_=1", "there is no setting CAIRND_"},
    {"CAIRND_STREAMS_MAX=many", "CAIRND_STREAMS_MAX=many: not a count"},
    {"CAIRND_STREAMS_MAX=", "not a count"},
    {"CAIRND_CREATE=yes", "CAIRND_CREATE=yes may not stand here: "},
    {"CAIRND_ACCEPT_LOSS=true", "neither yes nor no"},
};

START_TEST(environment_with_a_fault_is_refused_with_what_is_right)
{
    char *const environment[] = {(char *)(uintptr_t)refused_environments[_i].variable, NULL};
    begin();
    ck_assert(!options_parse_environment(&options, environment, &errors));
    ck_assert_msg(strstr(errors.texts[0], refused_environments[_i].says) != NULL, "%s", errors.texts[0]);
}
END_TEST

static enum options_action refused(const char *first, const char *second)
{
    char one[64], two[64], name[] = "cairnd";
    snprintf(one, sizeof one, "%s", first);
    snprintf(two, sizeof two, "%s", second != NULL ? second : "");
    char *words[] = {name, one, second != NULL ? two : NULL, NULL};
    begin();
    return options_parse_arguments(&options, second != NULL ? 3 : 2, words, &errors);
}

static const struct {
    const char *first, *second, *says;
} refused_arguments[] = {
    {"--quue-bytes-max", "1", "there is no flag --quue-bytes-max; did you mean --queue-bytes-max?"},
    {"--queue_bytes_max", "1MiB", "did you mean --queue-bytes-max?"},
    {"--hepl", NULL, "did you mean --help?"},
    {"--queue-bytes-max", NULL, "--queue-bytes-max lacks its value"},
    {"--queue-bytes-max=1Mb", NULL, "--queue-bytes-max \"1Mb\": not a size"},
    {"--create=yes", NULL, "--create takes no value"},
    {"serve", NULL, "\"serve\" is no flag"},
    {"--create", "data", "\"data\" is no flag"},
    {"-x", NULL, "there is no flag -x"},
    {"--zzzzzzzz", NULL, "there is no flag --zzzzzzzz; cairnd --help"},
};

START_TEST(command_line_with_a_fault_is_refused_with_what_is_right)
{
    ck_assert_int_eq(refused(refused_arguments[_i].first, refused_arguments[_i].second), OPTIONS_REFUSED);
    ck_assert_msg(strstr(errors.texts[0], refused_arguments[_i].says) != NULL, "%s", errors.texts[0]);
}
END_TEST

START_TEST(bounds_that_do_not_fit_each_other_are_refused)
{
    begin();
    ck_assert(!options_check(&options, &errors));
    ck_assert_ptr_nonnull(strstr(errors.texts[0], "--data"));
    strcpy(options.data, "/data");
    options.frame_bytes_max = 128 << 20;
    ck_assert(options_check(&options, &errors));
    errors.count = 0;
    options.requests_bytes_max = (256 << 20) - 1;
    ck_assert(!options_check(&options, &errors));
    ck_assert_ptr_nonnull(
        strstr(errors.texts[0], "requests_bytes_max (268435455 bytes) must be at least twice"));
    options.requests_bytes_max = 256 << 20;
    errors.count = 0;
    options.replies_bytes_max = 64 << 20;
    ck_assert(!options_check(&options, &errors));
    ck_assert_ptr_nonnull(strstr(errors.texts[0], "replies_bytes_max"));
}
END_TEST

static char told[512];

static void tell(const char *name, const char *before, const char *after, bool is_taken)
{
    size_t used = strlen(told);
    snprintf(told + used, sizeof told - used, "%s %s %s %s; ", name, before, after,
             is_taken ? "taken" : "kept");
}

static struct options running;

static bool reload(const char *text)
{
    told[0] = '\0';
    ck_assert_msg(parse(text), "%s", errors.texts[0]);
    return options_reload(&running, &options, tell, &errors);
}

START_TEST(reload_takes_what_it_may_and_tells_all_that_differs)
{
    ck_assert(parse("data = /d\n"));
    running = options;
    ck_assert(reload("data = /d\nlog_level = debug\nstreams_max = 5\nflush_delay = 30ms\n"));
    ck_assert_str_eq(told,
                     "flush_delay 20ms 30ms taken; streams_max 64 5 kept; log_level info debug taken; ");
    ck_assert_int_eq(running.log_level, LOG_LEVEL_DEBUG);
    ck_assert_uint_eq(running.flush_delay_us, 30000);
    ck_assert_uint_eq(running.streams_max, 64);
    ck_assert(reload("data = /d\n")); /* the lines are gone from the file */
    ck_assert_str_eq(told, "flush_delay 30ms 20ms taken; log_level debug info taken; ");
    ck_assert(reload("data = /d\n"));
    ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(reload_that_does_not_fit_what_stays_takes_nothing)
{
    ck_assert(parse("data = /d\nreplies_bytes_max = 64MiB\n"));
    running = options;
    ck_assert(!reload("data = /d\nframe_bytes_max = 1MiB\nreplies_bytes_max = 16MiB\nflush_delay = 30ms\n"));
    ck_assert_uint_eq(errors.count, 2);
    ck_assert_ptr_nonnull(strstr(errors.texts[0], "replies_bytes_max"));
    ck_assert_ptr_nonnull(strstr(errors.texts[1], "restart"));
    ck_assert_str_eq(told, "");
    ck_assert_uint_eq(running.flush_delay_us, 20000);
    ck_assert_uint_eq(running.replies_bytes_max, 64 << 20);
}
END_TEST

START_TEST(load_finds_the_file_and_says_what_to_do)
{
    char path[] = "/tmp/cairn-options.XXXXXX";
    int fd = mkstemp(path);
    const char text[] = "data = /data\nstreams_max = 9\nchains_max = 9\n";
    ck_assert_int_eq(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    char from_environment[128];
    snprintf(from_environment, sizeof from_environment, "CAIRND_CONFIG=%s", path);
    char *const environment[] = {from_environment, "CAIRND_CHAINS_MAX=8", NULL};

    ck_assert_int_eq(options_load(WORDS("cairnd"), environment, &options, &errors), OPTIONS_RUN);
    ck_assert_str_eq(options.data, "/data");
    ck_assert_uint_eq(options.streams_max, 9);
    ck_assert_uint_eq(options.chains_max, 8);
    ck_assert_str_eq(options.data_in_file, "");
    ck_assert_int_eq(options_load(WORDS("cairnd", "--data", "/other"), environment, &options, &errors),
                     OPTIONS_RUN);
    ck_assert_str_eq(options.data, "/other");
    ck_assert_str_eq(options.data_in_file, "/data"); /* so that the log can say that it counts for nothing */
    ck_assert_int_eq(options_load(WORDS("cairnd", "--data", "/data"), environment, &options, &errors),
                     OPTIONS_RUN);
    ck_assert_str_eq(options.data_in_file, "");
    ck_assert_int_eq(
        options_load(WORDS("cairnd", "--config", path, "--check-config"), no_environment, &options, &errors),
        OPTIONS_CHECK);
    ck_assert_int_eq(options_load(WORDS("cairnd", "--print-config"), no_environment, &options, &errors),
                     OPTIONS_PRINT);
    ck_assert_int_eq(
        options_load(WORDS("cairnd", "--help"), (char *[]){"CAIRND_X=1", NULL}, &options, &errors),
        OPTIONS_HELP);
    ck_assert_int_eq(options_load(WORDS("cairnd", "--version"), no_environment, &options, &errors),
                     OPTIONS_VERSION);
    ck_assert_int_eq(options_load(WORDS("cairnd"), no_environment, &options, &errors), OPTIONS_REFUSED);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(options_load(WORDS("cairnd"), environment, &options, &errors), OPTIONS_REFUSED);
    ck_assert_ptr_nonnull(strstr(errors.texts[0], "cannot be opened: No such file or directory"));
    ck_assert_int_eq(options_load(WORDS("cairnd", "--config", "/tmp"), no_environment, &options, &errors),
                     OPTIONS_REFUSED);
    ck_assert_ptr_nonnull(strstr(errors.texts[0], "cannot be read: Is a directory"));
}
END_TEST

START_TEST(distance_of_names_counts_edits)
{
    ck_assert_uint_eq(setting_name_distance("kitten", "sitting"), 3);
    ck_assert_uint_eq(setting_name_distance("", "abc"), 3);
    ck_assert_uint_eq(setting_name_distance("a-b", "a_b"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tests = tcase_create("options");
    tcase_add_test(tests, defaults_are_the_documented_ones_and_fit_each_other);
    tcase_add_test(tests, file_sets_values_and_their_lines);
    tcase_add_loop_test(tests, file_with_a_fault_is_refused_with_its_place_and_what_is_right, 0,
                        sizeof refused_files / sizeof refused_files[0]);
    tcase_add_test(tests, all_faults_of_a_file_are_named_in_its_order);
    tcase_add_test(tests, faults_beyond_the_room_for_them_are_counted);
    tcase_add_test(tests, values_may_have_comments_quotes_and_any_length);
    tcase_add_test(tests, file_with_a_nul_byte_is_refused);
    tcase_add_test(tests, socket_path_fits_a_socket_or_is_refused);
    tcase_add_test(tests, flag_goes_before_environment_before_file_in_any_order_of_reading);
    tcase_add_test(tests, bad_value_is_refused_even_where_another_goes_before_it);
    tcase_add_loop_test(tests, environment_with_a_fault_is_refused_with_what_is_right, 0,
                        sizeof refused_environments / sizeof refused_environments[0]);
    tcase_add_loop_test(tests, command_line_with_a_fault_is_refused_with_what_is_right, 0,
                        sizeof refused_arguments / sizeof refused_arguments[0]);
    tcase_add_test(tests, bounds_that_do_not_fit_each_other_are_refused);
    tcase_add_test(tests, reload_takes_what_it_may_and_tells_all_that_differs);
    tcase_add_test(tests, reload_that_does_not_fit_what_stays_takes_nothing);
    tcase_add_test(tests, load_finds_the_file_and_says_what_to_do);
    tcase_add_test(tests, distance_of_names_counts_edits);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
