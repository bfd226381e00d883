/* The log: each form's line, that any bytes come out escaped and whole, that threads do not mix, and that none of them waits. */
#include <assert.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/runtime/log.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/failing/failing.h"

enum { OUTPUT_BYTES = 1 << 20, THREADS = 4, EVENTS = 50 };

static char output[OUTPUT_BYTES];
static FILE *capture;
static int real_stderr;

#define WRITE(LEVEL, NAME, MESSAGE, ...)                                                                     \
    log_write(&(const struct log_kind){.name = NAME, .level = LEVEL, .message = MESSAGE}, __VA_ARGS__)

static void say_dropped(uint64_t lines)
{
    static const struct log_kind kind = {"lines_dropped", LOG_LEVEL_WARNING, "dropped", .is_unbounded = true};
    log_write(&kind, "lines=%" PRIu64, lines);
}

/* Until all is written, however busy the machine is. */
static void end(void)
{
    while (!log_stop()) {
    }
}

/* From here on stderr goes to a file, until capture_end. */
static void capture_start(enum log_format format, enum log_level level)
{
    capture = tmpfile();
    ck_assert_ptr_nonnull(capture);
    real_stderr = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fileno(capture), STDERR_FILENO), 0);
    struct failure failure;
    struct log_config config = {level, format, LOG_BYTES_PER_SECOND_MAX, say_dropped};
    ck_assert(log_start(&config, &failure));
}

static const char *capture_end(void)
{
    end();
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    rewind(capture);
    output[fread(output, 1, sizeof output - 1, capture)] = '\0';
    fclose(capture);
    return output;
}

/* The one line that was written, as JSON. */
static json_t *capture_json(void)
{
    json_error_t error;
    const char *text = capture_end();
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(object != NULL, "%s: %s", error.text, text);
    return object;
}

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "(none)" : text;
}

START_TEST(json_line_has_time_level_message_and_typed_values)
{
    capture_start(LOG_FORMAT_JSON, LOG_LEVEL_INFO);
    WRITE(LOG_LEVEL_WARNING, "test", "connection closed",
          "pid=%d bytes=%zu low=%ld big=%" PRIu64 " code=%x name=%.*s text=%s", -7, (size_t)12, -3000000000L,
          (uint64_t)INT64_MAX, 0xcaU, 3, "abcdef", "x y");
    json_t *object = capture_json();
    ck_assert_str_eq(text_of(object, "level"), "warning");
    ck_assert_str_eq(text_of(object, "event"), "test");
    ck_assert_str_eq(text_of(object, "message"), "connection closed");
    ck_assert_uint_eq(strlen(text_of(object, "time")), strlen("2026-01-02T03:04:05.678Z"));
    ck_assert_int_eq(json_integer_value(json_object_get(object, "pid")), -7);
    ck_assert_int_eq(json_integer_value(json_object_get(object, "bytes")), 12);
    ck_assert_int_eq(json_integer_value(json_object_get(object, "low")), -3000000000L);
    ck_assert_str_eq(text_of(object, "code"), "0xca");
    ck_assert_str_eq(text_of(object, "name"), "abc");
    ck_assert_str_eq(text_of(object, "text"), "x y");
    ck_assert_ptr_nonnull(strstr(output, "\"big\":9223372036854775807"));
    json_decref(object);
}
END_TEST

START_TEST(json_line_is_valid_for_any_bytes)
{
    char bytes[256], expected[1024] = "";
    for (unsigned i = 0; i < 256; i++) {
        bytes[i] = (char)i;
    }
    for (unsigned start = 0; start < 256; start += 64) {
        capture_start(LOG_FORMAT_JSON, LOG_LEVEL_INFO);
        WRITE(LOG_LEVEL_INFO, "test", "a \"quoted\" \\ message", "value=%.*s", 64,
              bytes + start + (start == 0));
        json_t *object = capture_json();
        ck_assert_str_eq(text_of(object, "message"), "a \"quoted\" \\ message");
        if (start == 64) {
            memcpy(expected, bytes + 64, 64);
            ck_assert_str_eq(text_of(object, "value"), expected);
        }
        json_decref(object);
    }
    capture_start(LOG_FORMAT_JSON, LOG_LEVEL_INFO);
    WRITE(LOG_LEVEL_INFO, "test", "utf8", "good=%s bad=%s", "\xc3\xa9\xf0\x9f\x98\x80",
          "a\xff\xc0\x80z\xe2\x82");
    json_t *object = capture_json();
    ck_assert_str_eq(text_of(object, "good"), "\xc3\xa9\xf0\x9f\x98\x80");
    ck_assert_str_eq(text_of(object, "bad"),
                     "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(object);
}
END_TEST

START_TEST(text_line_quotes_what_is_not_plain)
{
    const char *volatile nothing = NULL; /* a null the compiler does not see */
    capture_start(LOG_FORMAT_TEXT, LOG_LEVEL_DEBUG);
    WRITE(LOG_LEVEL_DEBUG, "test", "event", "plain=%s blank=%s empty=%s quote=%s control=%s none=%s", "a/b:c",
          "a b", "", "a\"b", "a\n\x1b", nothing);
    const char *line = capture_end();
    ck_assert_msg(strstr(line,
                         "Z debug   event event=test plain=a/b:c blank=\"a b\" empty=\"\" quote=\"a\\\"b\" "
                         "control=\"a\\n\\x1b\" none=\"\"\n") != NULL,
                  "%s", line);
}
END_TEST

START_TEST(numbers_reach_from_lowest_to_highest)
{
    capture_start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    WRITE(LOG_LEVEL_INFO, "test", "event", "a=%" PRIu64 " b=%" PRId64 " c=%u d=%d e=%hhu f=%hd", UINT64_MAX,
          INT64_MIN, UINT32_MAX, INT32_MIN, (uint8_t)255, (short)-1);
    const char *line = capture_end();
    ck_assert_msg(
        strstr(
            line,
            "event event=test a=18446744073709551615 b=-9223372036854775808 c=4294967295 d=-2147483648 e=255 "
            "f=-1\n") != NULL,
        "%s", line);
}
END_TEST

START_TEST(event_below_the_level_is_not_written)
{
    capture_start(LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
    WRITE(LOG_LEVEL_INFO, "test", "no", NULL);
    WRITE(LOG_LEVEL_DEBUG, "test", "no", "n=%d", 1);
    ck_assert(!log_enabled(LOG_LEVEL_INFO));
    log_level_set(LOG_LEVEL_INFO);
    ck_assert(log_enabled(LOG_LEVEL_INFO));
    WRITE(LOG_LEVEL_INFO, "test", "yes", NULL);
    const char *line = capture_end();
    ck_assert_ptr_null(strstr(line, "no"));
    ck_assert_ptr_nonnull(strstr(line, "info    yes event=test\n"));
}
END_TEST

START_TEST(line_too_long_is_cut_between_values_and_says_so)
{
    char *value = malloc(100000);
    ck_assert_ptr_nonnull(value);
    memset(value, '\x01', 99999);
    value[99999] = '\0';
    capture_start(LOG_FORMAT_JSON, LOG_LEVEL_INFO);
    WRITE(LOG_LEVEL_INFO, "test", "long", "a=%s b=%s c=%s d=%d", value, value, value, 4);
    json_t *object = capture_json();
    ck_assert_uint_eq(strlen(text_of(object, "a")), 512);
    ck_assert(json_is_true(json_object_get(object, "a_cut")));
    ck_assert(json_is_true(json_object_get(object, "cut")));
    json_decref(object);
    capture_start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    WRITE(LOG_LEVEL_INFO, "test", "long", "a=%s b=%s c=%s d=%s e=%s", value, value, value, value, value);
    const char *line = capture_end();
    ck_assert_str_eq(line + strlen(line) - 5, " cut\n");
    free(value);
}
END_TEST

START_TEST(auto_is_json_where_stderr_is_neither_terminal_nor_journal)
{
    ck_assert_int_eq(setenv("JOURNAL_STREAM", "1:2", 1), 0);
    capture_start(LOG_FORMAT_AUTO, LOG_LEVEL_INFO);
    WRITE(LOG_LEVEL_INFO, "test", "hello", NULL);
    json_decref(capture_json());
}
END_TEST

START_TEST(without_a_journal_its_form_is_text)
{
    if (access("/run/systemd/journal/socket", F_OK) == 0) {
        return;
    }
    capture_start(LOG_FORMAT_JOURNAL, LOG_LEVEL_INFO);
    WRITE(LOG_LEVEL_ERROR, "test", "hello", "n=%d", 5);
    ck_assert_ptr_nonnull(strstr(capture_end(), "error   hello event=test n=5\n"));
}
END_TEST

static void *write_many(void *context)
{
    for (int i = 0; i < EVENTS; i++) {
        WRITE(LOG_LEVEL_INFO, "test", "event", "thread=%d count=%d fill=%s", *(int *)context, i,
              "a filling that makes lines long enough to be torn apart if they were written in pieces");
    }
    return NULL;
}

START_TEST(lines_of_several_threads_stay_whole)
{
    pthread_t threads[THREADS];
    int numbers[THREADS], next[THREADS] = {0};
    capture_start(LOG_FORMAT_JSON, LOG_LEVEL_INFO);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    capture_end();
    int lines = 0;
    for (char *save, *line = strtok_r(output, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        json_t *object = json_loads(line, 0, NULL);
        ck_assert_msg(object != NULL, "%s", line);
        json_int_t thread = json_integer_value(json_object_get(object, "thread"));
        ck_assert_int_eq(json_integer_value(json_object_get(object, "count")), next[thread]++);
        json_decref(object);
        lines++;
    }
    ck_assert_int_eq(lines, THREADS * EVENTS);
}
END_TEST

/* stderr is a full pipe, until unblock. */
static int blocked_fd;

static void block(uint64_t bytes_per_second)
{
    struct failure failure;
    struct log_config config = {LOG_LEVEL_INFO, LOG_FORMAT_TEXT, bytes_per_second, say_dropped};
    static const char filling[512];
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
    while (write(fds[1], filling, sizeof filling) > 0) {
    }
    ck_assert_int_eq(fcntl(fds[1], F_SETFL, 0), 0);
    blocked_fd = fds[0];
    real_stderr = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    ck_assert(log_start(&config, &failure));
}

/* Reads until both texts have come, then stops the log. */
static const char *unblock(const char *text, const char *other)
{
    size_t n = 0;
    while (n < 65536 || strstr(output + 65536, text) == NULL || strstr(output + 65536, other) == NULL) {
        struct pollfd pollfd = {.fd = blocked_fd, .events = POLLIN};
        ck_assert_int_eq(poll(&pollfd, 1, 60000), 1);
        ssize_t got = read(blocked_fd, output + n, sizeof output - 1 - n);
        ck_assert_int_gt(got, 0);
        n += (size_t)got;
        output[n] = '\0';
    }
    end();
    ssize_t got = read(blocked_fd, output + n, sizeof output - 1 - n);
    output[n + (size_t)(got > 0 ? got : 0)] = '\0';
    dup2(real_stderr, STDERR_FILENO);
    close(blocked_fd);
    return output + 65536;
}

START_TEST(nobody_waits_for_a_stderr_that_takes_nothing_and_a_stop_not_for_long)
{
    block(LOG_BYTES_PER_SECOND_MAX);
    for (int i = 0; i < 10000; i++) {
        WRITE(LOG_LEVEL_WARNING, "test", "event", "count=%d", i);
    }
    ck_assert_uint_gt(log_dropped(), 5000);
    ck_assert(!log_stop()); /* who waited for stderr would wait for ever */
}
END_TEST

START_TEST(what_was_dropped_is_told_before_later_lines_and_there_was_room_for_errors)
{
    block(LOG_BYTES_PER_SECOND_MAX);
    usleep(20000); /* the thread is at work on a first line, which it cannot write */
    for (int i = 0; i < 10000; i++) {
        WRITE(LOG_LEVEL_WARNING, "test", "event", "count=%d", i);
        usleep(i == 0 ? 20000 : 0);
    }
    WRITE(LOG_LEVEL_ERROR, "bad", "an error", NULL);
    uint64_t dropped = log_dropped();
    const char *said = unblock("lines=", "event=bad");
    char expected[64];
    snprintf(expected, sizeof expected, "lines=%" PRIu64 "\n", dropped);
    ck_assert_ptr_nonnull(strstr(said, expected));
    size_t lines = 0;
    for (const char *at = said; (at = strstr(at, "event=test")) != NULL; at++) {
        lines++;
    }
    ck_assert_uint_eq(lines + dropped, 10000);
}
END_TEST

START_TEST(rate_drops_what_peers_cause_but_neither_errors_nor_what_is_unbounded)
{
    static const struct log_kind unbounded = {"life", LOG_LEVEL_INFO, "ready", .is_unbounded = true};
    struct failure failure;
    struct log_config config = {LOG_LEVEL_INFO, LOG_FORMAT_JSON, LOG_BYTES_PER_SECOND_MIN, say_dropped};
    capture_start(LOG_FORMAT_JSON, LOG_LEVEL_INFO);
    end();
    ck_assert(log_start(&config, &failure));
    for (int i = 0; i < 10000; i++) { /* what the rate admits in a quarter of an hour */
        WRITE(LOG_LEVEL_WARNING, "test", "event", "count=%d", i);
    }
    uint64_t dropped = log_dropped();
    ck_assert_uint_gt(dropped, 0);
    WRITE(LOG_LEVEL_ERROR, "bad", "an error", NULL);
    log_write(&unbounded, NULL);
    ck_assert_uint_eq(log_dropped(), dropped);
    const char *said = capture_end(); /* a stop tells what was not told before */
    uint64_t told = 0;
    for (const char *at = said; (at = strstr(at, "\"lines\":")) != NULL; at++) {
        told += strtoull(at + strlen("\"lines\":"), NULL, 10);
    }
    ck_assert_uint_eq(told, dropped);
    ck_assert_ptr_nonnull(strstr(said, "\"bad\""));
    ck_assert_ptr_nonnull(strstr(said, "\"life\""));
}
END_TEST

START_TEST(without_a_thread_it_does_not_start_and_lines_are_written_at_once)
{
    struct failure failure;
    struct log_config config = {LOG_LEVEL_INFO, LOG_FORMAT_TEXT, LOG_BYTES_PER_SECOND_MAX, say_dropped};
    failing_plan(FAILING_THREAD, 1, EAGAIN);
    ck_assert(!log_start(&config, &failure));
    ck_assert(failing_end());
    ck_assert_int_eq(failure.status, STATUS_BUSY);
    capture_start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO); /* once there is one */
    WRITE(LOG_LEVEL_INFO, "later", "it is there", "n=%d", 1);
    ck_assert_ptr_nonnull(strstr(capture_end(), "it is there event=later n=1"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tests = tcase_create("log");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, json_line_has_time_level_message_and_typed_values);
    tcase_add_test(tests, json_line_is_valid_for_any_bytes);
    tcase_add_test(tests, text_line_quotes_what_is_not_plain);
    tcase_add_test(tests, numbers_reach_from_lowest_to_highest);
    tcase_add_test(tests, event_below_the_level_is_not_written);
    tcase_add_test(tests, line_too_long_is_cut_between_values_and_says_so);
    tcase_add_test(tests, auto_is_json_where_stderr_is_neither_terminal_nor_journal);
    tcase_add_test(tests, without_a_journal_its_form_is_text);
    tcase_add_test(tests, lines_of_several_threads_stay_whole);
    tcase_add_test(tests, nobody_waits_for_a_stderr_that_takes_nothing_and_a_stop_not_for_long);
    tcase_add_test(tests, what_was_dropped_is_told_before_later_lines_and_there_was_room_for_errors);
    tcase_add_test(tests, rate_drops_what_peers_cause_but_neither_errors_nor_what_is_unbounded);
    tcase_add_test(tests, without_a_thread_it_does_not_start_and_lines_are_written_at_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
