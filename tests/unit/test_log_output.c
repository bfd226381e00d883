/* Where lines of the log leave: what is put comes out whole, in its order and once, or is counted and told of; whatever stderr is. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/runtime/log_output.h"
#include "daemon/runtime/log_rate.h"
#include "tests/lib/suite.h"

enum { FLOOD = 2000, LINE_BYTES = 1000, OUTPUT_BYTES = 4 << 20 };

static int real_stderr, reading_fd;
static char output[OUTPUT_BYTES + 1]; /* all that came out of the pipe */
static uint64_t dropped_before;

static void put_text(const char *text, bool is_bounded)
{
    struct log_output_line line = {.text = text, .text_bytes = strlen(text)};
    log_output_put(&line, is_bounded);
}

static void say_dropped(uint64_t lines)
{
    char text[64];
    snprintf(text, sizeof text, "dropped %" PRIu64 "\n", lines);
    put_text(text, false);
}

static void stderr_to(int fd)
{
    ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
}

static void start(uint64_t bytes_per_second)
{
    dropped_before = log_output_dropped();
    ck_assert(log_output_start(bytes_per_second, say_dropped));
}

static uint64_t dropped(void)
{
    return log_output_dropped() - dropped_before;
}

/* stderr leads to a pipe, which nobody reads before read_all. */
static void setup(void)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    reading_fd = fds[0];
    real_stderr = dup(STDERR_FILENO);
    stderr_to(fds[1]);
}

static void *read_to_end(void *unused)
{
    size_t n = 0;
    for (ssize_t got; n < OUTPUT_BYTES && (got = read(reading_fd, output + n, OUTPUT_BYTES - n)) > 0;) {
        n += (size_t)got;
    }
    output[n] = '\0';
    return unused;
}

/* Stops the thread once somebody reads, and puts back the real stderr, which ends the pipe. */
static void read_all(void)
{
    pthread_t reader;
    ck_assert_int_eq(pthread_create(&reader, NULL, read_to_end, NULL), 0);
    while (!log_output_stop()) {
    }
    stderr_to(real_stderr);
    pthread_join(reader, NULL);
    close(reading_fd);
}

/* How many lines begin so, and the sum of the numbers behind that. */
static uint64_t count_lines(const char *beginning, uint64_t *ret_sum)
{
    uint64_t lines = 0, sum = 0;
    for (const char *at = output; at != NULL && *at != '\0'; at = strchr(at, '\n'), at += at != NULL) {
        if (strncmp(at, beginning, strlen(beginning)) == 0) {
            sum += strtoull(at + strlen(beginning), NULL, 10);
            lines++;
        }
    }
    *ret_sum = sum;
    return lines;
}

/* A line of LINE_BYTES that begins with its number. */
static void put_numbered(unsigned number, bool is_bounded)
{
    char text[LINE_BYTES + 1];
    memset(text, '.', LINE_BYTES);
    text[snprintf(text, sizeof text, "line %u", number)] = ' ';
    memcpy(text + LINE_BYTES - 1, "\n", 2);
    put_text(text, is_bounded);
}

START_TEST(without_a_thread_the_caller_writes)
{
    uint64_t sum;
    dropped_before = log_output_dropped();
    ck_assert(log_output_admits());
    put_numbered(7, true);
    log_output_rate_set(LOG_RATE_BYTES_MIN); /* there is no rate yet */
    put_numbered(8, true);
    ck_assert(log_output_stop()); /* there is nothing to stop */
    read_all();
    ck_assert_uint_eq(count_lines("line ", &sum), 2);
    ck_assert_uint_eq(sum, 15);
    ck_assert_uint_eq(dropped(), 0);
}
END_TEST

START_TEST(a_line_that_its_caller_cannot_write_is_counted)
{
    stderr_to(open("/dev/full", O_WRONLY));
    dropped_before = log_output_dropped();
    put_numbered(1, true);
    ck_assert_uint_eq(dropped(), 1);
    read_all();
    ck_assert_str_eq(output, "");
}
END_TEST

START_TEST(lines_of_a_flood_come_whole_in_their_order_and_those_dropped_are_told)
{
    start(LOG_RATE_BYTES_MAX);
    for (unsigned i = 0; i < FLOOD; i++) {
        ck_assert(log_output_admits());
        put_numbered(i, true);
    }
    uint64_t in_flood = dropped(), sum;
    ck_assert_uint_gt(in_flood, 0); /* a pipe and two batches hold less */
    put_text("the reserve is not for lines of peers\n", false);
    ck_assert_uint_eq(dropped(), in_flood);
    read_all();
    ck_assert_ptr_nonnull(strstr(output, "\nthe reserve is not for lines of peers\n"));
    ck_assert_uint_eq(count_lines("line ", &sum), FLOOD - in_flood);
    count_lines("dropped ", &sum);
    ck_assert_uint_eq(sum, in_flood);
    unsigned long next = 0;
    for (const char *at = output; (at = strstr(at, "line ")) != NULL; at += LINE_BYTES) {
        unsigned long number = strtoul(at + strlen("line "), NULL, 10);
        ck_assert_uint_ge(number, next);
        ck_assert_int_eq(at[LINE_BYTES - 1], '\n');
        next = number + 1;
    }
}
END_TEST

/* Puts as many of FLOOD lines as the rate admits, and returns how many. */
static uint64_t flood(void)
{
    uint64_t admitted = 0;
    for (unsigned i = 0; i < FLOOD; i++) {
        if (log_output_admits()) {
            put_numbered(i, true);
            admitted++;
        }
    }
    return admitted;
}

static uint64_t bytes_in_pipe(void)
{
    int bytes;
    ck_assert_int_eq(ioctl(reading_fd, FIONREAD, &bytes), 0);
    return (uint64_t)bytes;
}

START_TEST(what_the_rate_does_not_admit_is_told_at_the_stop)
{
    uint64_t sum, admitted = 0;
    start(LOG_RATE_BYTES_MAX);
    log_output_rate_set(LOG_RATE_BYTES_MIN);
    admitted += flood();
    ck_assert_uint_gt(dropped(), 0);
    while (bytes_in_pipe() <= admitted * LINE_BYTES) {
        usleep(1000); /* until the first notice */
    }
    admitted += flood(); /* before the next one is due */
    put_numbered(FLOOD, false);
    read_all();
    ck_assert_uint_eq(count_lines("line ", &sum), admitted + 1);
    count_lines("dropped ", &sum);
    ck_assert_uint_eq(sum, 2 * FLOOD - admitted);
    ck_assert_uint_eq(dropped(), 2 * FLOOD - admitted);
}
END_TEST

START_TEST(lines_that_stderr_refuses_are_told_behind_the_first_that_it_takes)
{
    int pipe_fd = dup(STDERR_FILENO);
    stderr_to(open("/dev/full", O_WRONLY));
    start(LOG_RATE_BYTES_MAX);
    for (unsigned i = 0; i < 3; i++) {
        put_numbered(i, true);
    }
    while (dropped() < 3) {
        usleep(1000);
    }
    stderr_to(pipe_fd);
    put_text("taken\n", true);
    read_all();
    ck_assert_str_eq(output, "taken\ndropped 3\n");
}
END_TEST

START_TEST(a_stderr_that_does_not_block_is_waited_for)
{
    uint64_t sum;
    ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
    start(LOG_RATE_BYTES_MAX);
    for (unsigned i = 0; i < 90; i++) {
        put_numbered(i, false); /* all of them are more than a pipe takes and less than a batch */
    }
    read_all();
    ck_assert_uint_eq(count_lines("line ", &sum), 90);
    ck_assert_uint_eq(dropped(), 0);
}
END_TEST

START_TEST(an_entry_that_the_journal_refuses_goes_to_stderr)
{
    static const char part[] = "\x08\0\0\0no value"; /* its length, and no = in it */
    struct log_output_line line = {.text = "as text\n",
                                   .text_bytes = strlen("as text\n"),
                                   .message = part,
                                   .message_bytes = sizeof part - 1};
    start(LOG_RATE_BYTES_MAX);
    log_output_put(&line, true);
    read_all();
    ck_assert_str_eq(output, "as text\n");
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("log_output", 120, &tests);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, without_a_thread_the_caller_writes);
    tcase_add_test(tests, a_line_that_its_caller_cannot_write_is_counted);
    tcase_add_test(tests, lines_of_a_flood_come_whole_in_their_order_and_those_dropped_are_told);
    tcase_add_test(tests, what_the_rate_does_not_admit_is_told_at_the_stop);
    tcase_add_test(tests, lines_that_stderr_refuses_are_told_behind_the_first_that_it_takes);
    tcase_add_test(tests, a_stderr_that_does_not_block_is_waited_for);
    tcase_add_test(tests, an_entry_that_the_journal_refuses_goes_to_stderr);
    return suite_run(suite, false);
}
