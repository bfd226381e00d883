/* What the daemon prints never holds anything up (contract 7): whatever stderr is, and whether or not somebody reads it, clients are
 * served and a stop stops; what was not taken is dropped, counted, and told of once lines are taken again. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

enum {
    BAD_FRAMES = 4000, /* a line each: far more than a pipe, a socket and what waits in the daemon hold */
    STOP_MS = 20000,
    TOLD_MS = 20000,
    READ_BYTES_MAX = 4 << 20,
};

/* No bound but what stderr takes. */
static const char *const unbounded = "--log-bytes-per-second 1GiB";

/* What the daemon has as stderr, and the test's end of it. */
struct errors {
    int daemon_fd;
    int read_fd;
};

enum kind { PIPE, STREAM_SOCKET, TERMINAL, KINDS };

/* A terminal whose output is stopped, as by Ctrl-S. */
static struct errors terminal_new(void)
{
    struct errors errors = {.read_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    ck_assert(grantpt(errors.read_fd) == 0 && unlockpt(errors.read_fd) == 0);
    errors.daemon_fd = open(ptsname(errors.read_fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(errors.daemon_fd, 0);
    ck_assert_int_eq(tcflow(errors.daemon_fd, TCOOFF), 0);
    return errors;
}

static struct errors errors_new(enum kind kind)
{
    int fds[2];
    if (kind == TERMINAL) {
        return terminal_new();
    }
    int failed =
        kind == PIPE ? pipe2(fds, O_CLOEXEC) : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
    ck_assert(!failed);
    return (struct errors){.daemon_fd = fds[1], .read_fd = fds[0]};
}

static void errors_close(const struct errors *errors)
{
    close(errors->daemon_fd);
    close(errors->read_fd);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        count++;
    }
    return count;
}

/* Whole lines that were read from the daemon's stderr. */
struct reading {
    char *bytes;
    size_t n;
};

/* Reads until a text came so many times. */
static void read_until(const struct errors *errors, struct reading *reading, const char *text, size_t times)
{
    uint64_t until = clock_ms() + (uint64_t)patience_ms(TOLD_MS);
    if (reading->bytes == NULL) {
        reading->bytes = kept_alloc(READ_BYTES_MAX + 1);
    }
    while (count_of(reading->bytes, text) < times || reading->bytes[reading->n - 1] != '\n') {
        struct pollfd pollfd = {.fd = errors->read_fd, .events = POLLIN};
        ck_assert_msg(clock_ms() < until && reading->n < READ_BYTES_MAX, "%s %zu times in %zu bytes", text,
                      count_of(reading->bytes, text), reading->n);
        if (poll(&pollfd, 1, 50) > 0) {
            ssize_t got = read(errors->read_fd, reading->bytes + reading->n, READ_BYTES_MAX - reading->n);
            ck_assert_int_gt(got, 0);
            reading->n += (size_t)got;
        }
    }
}

static struct rig start(const struct errors *errors, const char *arguments)
{
    struct rig rig = {.daemon = daemon_new()};
    rig.daemon.errors_fd = errors->daemon_fd;
    daemon_start(&rig.daemon, arguments);
    rig.wire = wire_open(rig.daemon.socket);
    return rig;
}

static void expect_served(struct rig *rig)
{
    ck_assert_int_eq(reply_to(&rig->wire, wire_send(&rig->wire, FRAME_PING, NULL)).status, STATUS_OK);
}

/* Each on a connection of its own, which the daemon closes. */
static void send_bad_frames(struct rig *rig, int count)
{
    for (int i = 0; i < count; i++) {
        struct wire bad = wire_connect(rig->daemon.socket);
        wire_send_bytes(&bad, "0123456789abcdef", 16);
        ck_assert_msg(wire_ends(&bad, TOLD_MS), "bad frame %d is not answered", i);
        wire_close(&bad);
        if (i % 100 == 0) {
            expect_served(rig);
        }
    }
}

static void stop(struct rig *rig)
{
    wire_close(&rig->wire);
    daemon_signal(&rig->daemon, SIGTERM);
    ck_assert_int_eq(daemon_wait(&rig->daemon, STOP_MS), 0);
}

START_TEST(test_stderr_that_nobody_reads_holds_up_neither_clients_nor_a_stop)
{
    struct errors errors = errors_new((enum kind)_i);
    struct rig rig = start(&errors, unbounded);
    send_bad_frames(&rig, BAD_FRAMES);
    expect_served(&rig);
    ck_assert_uint_ge(status_number(&rig.wire, "frames.bad"), BAD_FRAMES);
    ck_assert_uint_gt(status_number(&rig.wire, "log.dropped"), 0);
    ck_assert_int_eq(fcntl(errors.daemon_fd, F_GETFL) & O_NONBLOCK, 0); /* it is shared with others */
    stop(&rig);
    daemon_close(&rig.daemon);
    errors_close(&errors);
}
END_TEST

START_TEST(test_start_does_not_wait_for_stderr)
{
    struct errors errors = errors_new(PIPE);
    ck_assert_int_eq(fcntl(errors.daemon_fd, F_SETFL, O_NONBLOCK), 0);
    static const char filling[512];
    while (write(errors.daemon_fd, filling, sizeof filling) > 0) {
    }
    ck_assert_int_eq(fcntl(errors.daemon_fd, F_SETFL, _i == 0 ? 0 : O_NONBLOCK), 0);
    struct rig rig = start(&errors, "");
    expect_served(&rig);
    stop(&rig);
    daemon_close(&rig.daemon);
    errors_close(&errors);
}
END_TEST

/* What the lines of the log say together. */
static uint64_t lines_told_dropped(const char *bytes)
{
    uint64_t told = 0;
    for (const char *at = bytes; (at = strstr(at, "log_lines_dropped")) != NULL; at++) {
        told += strtoull(strstr(at, "\"lines\":") + strlen("\"lines\":"), NULL, 10);
    }
    return told;
}

/* All lines that were caused are there or counted, in one line of the log or, where some were written meanwhile, in several. */
START_TEST(test_reader_that_comes_back_is_told_how_many_lines_were_dropped)
{
    struct errors errors = errors_new((enum kind)_i);
    struct reading reading = {0};
    struct rig rig = start(&errors, kept_format("%s --log-format json", unbounded));
    send_bad_frames(&rig, BAD_FRAMES);
    uint64_t dropped = status_number(&rig.wire, "log.dropped");
    ck_assert_uint_gt(dropped, 0);
    read_until(&errors, &reading, "frame_refused", BAD_FRAMES - dropped);
    uint64_t told = 0;
    for (size_t lines = 1; told < dropped; lines++) {
        read_until(&errors, &reading, "log_lines_dropped", lines);
        told = lines_told_dropped(reading.bytes);
    }
    ck_assert_uint_eq(told, dropped);
    send_bad_frames(&rig, 1); /* lines are taken again */
    read_until(&errors, &reading, "frame_refused", BAD_FRAMES - dropped + 1);
    ck_assert_uint_eq(status_number(&rig.wire, "log.dropped"), dropped);
    stop(&rig);
    read_until(&errors, &reading, "\"stopped\"", 1);
    ck_assert_uint_eq(count_of(reading.bytes, "frame_refused"), BAD_FRAMES - dropped + 1);
    ck_assert_uint_eq(count_of(reading.bytes, "\n{\"time\":") + 1, count_of(reading.bytes, "}\n"));
    daemon_close(&rig.daemon);
    errors_close(&errors);
}
END_TEST

START_TEST(test_reader_that_is_gone_neither_ends_the_daemon_nor_holds_it_up)
{
    struct errors errors = errors_new((enum kind)_i);
    struct rig rig = start(&errors, unbounded);
    close(errors.read_fd);
    send_bad_frames(&rig, 300);
    expect_served(&rig);
    uint64_t until = clock_ms() + (uint64_t)patience_ms(TOLD_MS);
    while (status_number(&rig.wire, "log.dropped") < 300) {
        ck_assert_msg(clock_ms() < until, "lines that nobody takes are not counted");
        sleep_ms(10);
    }
    stop(&rig);
    daemon_close(&rig.daemon);
    close(errors.daemon_fd);
}
END_TEST

START_TEST(test_rate_bounds_the_lines_of_all_connections_and_tells_what_it_dropped)
{
    enum { RATE = 4096, LINE_BYTES_MAX = 512, FRAMES = 300, FRAMES_MAX = 100 * FRAMES };
    struct rig rig = rig_start("--log-bytes-per-second 4KiB --log-format json");
    uint64_t begin = clock_ms(), dropped = 0, sent = 0;
    while (dropped == 0) { /* a machine may be so slow that the rate has room for the first of them */
        ck_assert_uint_lt(sent, FRAMES_MAX);
        send_bad_frames(&rig, FRAMES);
        sent += FRAMES;
        dropped = status_number(&rig.wire, "log.dropped");
    }
    ck_assert(daemon_says(&rig.daemon, "log_lines_dropped"));
    ck_assert_uint_le(count_of(daemon_errors(&rig.daemon), "log_lines_dropped"),
                      (clock_ms() - begin) / 1000 + 1); /* at most one a second */
    wire_close(&rig.wire);
    daemon_signal(&rig.daemon, SIGTERM);
    ck_assert_int_eq(daemon_wait(&rig.daemon, STOP_MS), 0);
    uint64_t took_ms = clock_ms() - begin;
    char *said = daemon_errors(&rig.daemon);
    ck_assert_uint_eq(count_of(said, "frame_refused"), sent - dropped);
    ck_assert_uint_le(count_of(said, "frame_refused") * 150, RATE + RATE * took_ms / 1000 + LINE_BYTES_MAX);
    ck_assert_uint_eq(count_of(said, "\"stopping\""), 1); /* these the rate does not drop */
    ck_assert_uint_eq(count_of(said, "\"stopped\""), 1);
    daemon_close(&rig.daemon);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("log_blocked", 60, &tests);
    signal(SIGPIPE, SIG_IGN);
    tcase_add_loop_test(tests, test_stderr_that_nobody_reads_holds_up_neither_clients_nor_a_stop, 0, KINDS);
    tcase_add_loop_test(tests, test_start_does_not_wait_for_stderr, 0, 2);
    tcase_add_loop_test(tests, test_reader_that_comes_back_is_told_how_many_lines_were_dropped, 0, TERMINAL);
    tcase_add_loop_test(tests, test_reader_that_is_gone_neither_ends_the_daemon_nor_holds_it_up, 0, TERMINAL);
    tcase_add_test(tests, test_rate_bounds_the_lines_of_all_connections_and_tells_what_it_dropped);
    return suite_run(suite, false);
}
