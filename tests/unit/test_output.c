/* Output: frames arrive whole and in order, whatever the kernel takes at once, and all that is queued is counted. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/net/output.h"
#include "daemon/runtime/budget.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum { TOTAL_BYTES_MAX = 16 << 20, FRAMES = 400 };

static uv_loop_t loop;
static uv_pipe_t pipe_handle;
static int peer;
static struct budget *budget;
static struct budget_client client;
static struct output output;
static unsigned sent_calls, failed_calls;
static bool is_inside; /* a call of the output */
static uint8_t *expected, *received;
static size_t expected_bytes, received_bytes;

static void on_sent(struct output *of, bool failed)
{
    ck_assert(of == &output && !is_inside);
    sent_calls++;
    failed_calls += failed;
}

static void setup(void)
{
    const struct budget_limits limits = {
        .frame_bytes_max = 1 << 20, .requests_bytes_max = 2 << 20, .replies_bytes_max = 64 << 20};
    int sockets[2];
    thread_set_role(THREAD_LOOP);
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
    peer = sockets[1];
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(uv_pipe_init(&loop, &pipe_handle, 0), 0);
    ck_assert_int_eq(uv_pipe_open(&pipe_handle, sockets[0]), 0);
    budget = budget_new(&limits);
    output_init(&output, (uv_stream_t *)&pipe_handle, budget, &client, on_sent, NULL);
    expected = memory_raw(TOTAL_BYTES_MAX);
    received = memory_raw(TOTAL_BYTES_MAX);
}

static void teardown(void)
{
    if (!output.is_dropped) {
        output_drop(&output);
    }
    uv_close((uv_handle_t *)&pipe_handle, NULL);
    ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    ck_assert(output_is_empty(&output) && budget_replies_bytes(budget) == 0);
    budget_free(budget);
    if (peer >= 0) {
        close(peer);
    }
    free(expected);
    free(received);
}

static void add(struct random_source *random, size_t bytes)
{
    ck_assert_uint_le(expected_bytes + bytes, TOTAL_BYTES_MAX);
    uint8_t *from = expected + expected_bytes;
    random_fill(random, from, bytes);
    expected_bytes += bytes;
    if (bytes <= GATHER_FRAME_BYTES_MAX && random_chance(random, 50)) {
        memcpy(output_place(&output, bytes), from, bytes);
    } else {
        output_append(&output, memory_copy(from, bytes), bytes);
    }
}

static void flush(void)
{
    is_inside = true;
    output_flush(&output);
    is_inside = false;
}

static bool receive(size_t bytes_max)
{
    ssize_t count = read(peer, received + received_bytes, bytes_max);
    ck_assert(count >= 0 || errno == EAGAIN);
    received_bytes += count > 0 ? (size_t)count : 0;
    return count > 0;
}

static void receive_all(void)
{
    uint64_t began_ms = clock_ms();
    while (received_bytes < expected_bytes) {
        (void)receive(TOTAL_BYTES_MAX - received_bytes);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        flush();
        ck_assert_uint_lt(clock_ms() - began_ms, (uint64_t)patience_ms(10000));
    }
    ck_assert_int_eq(memcmp(received, expected, expected_bytes), 0);
    ck_assert(!receive(1)); /* and no more than that */
}

START_TEST(nothing_is_written_before_it_is_flushed_and_a_small_frame_then_at_once)
{
    struct random_source random = random_from(1);
    add(&random, 100);
    ck_assert(!output_is_empty(&output) && client.replies_bytes == 100);
    ck_assert(!receive(1));
    flush();
    ck_assert(output_is_empty(&output));
    ck_assert(receive(1000) && received_bytes == 100);
    ck_assert_uint_eq(sent_calls, 0); /* it took no time */
}
END_TEST

START_TEST(frames_of_all_sizes_arrive_in_order)
{
    struct random_source random = random_from(random_seed("output"));
    for (int i = 0; i < FRAMES; i++) {
        bool is_large = random_chance(&random, 10);
        add(&random, 1 + random_below(&random, is_large ? 200 << 10 : GATHER_FRAME_BYTES_MAX + 100));
        if (random_chance(&random, 20)) {
            flush();
        }
        if (random_chance(&random, 20)) {
            (void)receive(1 + random_below(&random, 100 << 10));
            (void)uv_run(&loop, UV_RUN_NOWAIT);
        }
    }
    flush();
    receive_all();
    ck_assert(output_is_empty(&output));
    ck_assert_uint_eq(failed_calls, 0);
}
END_TEST

START_TEST(what_the_kernel_does_not_take_counts_until_it_has_gone_out)
{
    struct random_source random = random_from(2);
    for (int i = 0; i < 8; i++) {
        add(&random, 1 << 20);
    }
    flush();
    ck_assert(!output_is_empty(&output));
    ck_assert_uint_eq(sent_calls, 0);
    ck_assert_uint_eq(budget_replies_bytes(budget), client.replies_bytes);
    receive_all();
    ck_assert(output_is_empty(&output));
    ck_assert_uint_ge(sent_calls, 1);
    ck_assert_uint_eq(failed_calls, 0);
}
END_TEST

START_TEST(what_is_dropped_counts_no_more_but_for_the_write_that_is_under_way)
{
    struct random_source random = random_from(3);
    for (int i = 0; i < 100; i++) {
        add(&random, 1 << 16);
    }
    flush();
    add(&random, 1000);
    ck_assert(output.is_writing);
    output_drop(&output);
    ck_assert_uint_lt(client.replies_bytes, expected_bytes);
    ck_assert(!output_is_empty(&output));
}
END_TEST

START_TEST(a_peer_that_is_gone_fails_the_write_and_is_told_once)
{
    struct random_source random = random_from(4);
    for (int i = 0; i < 8; i++) {
        add(&random, 1 << 20);
    }
    flush();
    close(peer);
    peer = -1;
    for (uint64_t began_ms = clock_ms(); sent_calls == 0;) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        ck_assert_uint_lt(clock_ms() - began_ms, (uint64_t)patience_ms(10000));
    }
    ck_assert_uint_eq(failed_calls, 1);
}
END_TEST

/* libuv's, which the linker has give way to the one below. */
int __real_uv_write(uv_write_t *write, uv_stream_t *stream, const uv_buf_t buffers[], unsigned count,
                    uv_write_cb done);
int __wrap_uv_write(uv_write_t *write, uv_stream_t *stream, const uv_buf_t buffers[], unsigned count,
                    uv_write_cb done);

static bool can_write = true;

int __wrap_uv_write(uv_write_t *write, uv_stream_t *stream, const uv_buf_t buffers[], unsigned count,
                    uv_write_cb done)
{
    return can_write ? __real_uv_write(write, stream, buffers, count, done) : UV_EPIPE;
}

START_TEST(a_write_that_is_not_taken_counts_no_more)
{
    struct random_source random = random_from(5);
    for (int i = 0; i < 8; i++) {
        add(&random, 1 << 20);
    }
    can_write = false;
    flush();
    ck_assert(output_is_empty(&output) && !output.is_writing);
    can_write = true;
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("output", 20, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, nothing_is_written_before_it_is_flushed_and_a_small_frame_then_at_once);
    tcase_add_test(tests, frames_of_all_sizes_arrive_in_order);
    tcase_add_test(tests, what_the_kernel_does_not_take_counts_until_it_has_gone_out);
    tcase_add_test(tests, what_is_dropped_counts_no_more_but_for_the_write_that_is_under_way);
    tcase_add_test(tests, a_peer_that_is_gone_fails_the_write_and_is_told_once);
    tcase_add_test(tests, a_write_that_is_not_taken_counts_no_more);
    return suite_run(suite, false);
}
