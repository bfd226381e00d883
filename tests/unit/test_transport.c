/* The transport over a socket pair: whatever sizes are sent and received in whatever pieces, the frames arrive whole and in
 * order, and what is no frame is told from what is not complete yet. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/connection/transport.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum {
    FRAMES = 300,
    BODY_BYTES_MAX = 300000,
    STREAM_BYTES_MAX = 64 << 20,
};

static struct transport transport;
static int peer;

static void setup(void)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    transport = (struct transport){.fd = fds[0], .body_bytes_max = BODY_BYTES_MAX};
    peer = fds[1];
}

static void teardown(void)
{
    transport_close(&transport);
    close(peer);
}

static size_t some_size(struct random_source *random)
{
    return random_below(random, random_chance(random, 10) ? BODY_BYTES_MAX : 700);
}

START_TEST(frames_are_sent_whole_and_in_order_whatever_the_kernel_takes_at_once)
{
    struct random_source random = random_from(random_seed("test_transport: send"));
    uint8_t *expected = malloc(STREAM_BYTES_MAX), *got = malloc(STREAM_BYTES_MAX);
    size_t expected_bytes = 0, got_bytes = 0, sent = 0;
    ck_assert(expected != NULL && got != NULL);
    for (int i = 0; i < FRAMES; i++) {
        size_t bytes = some_size(&random);
        struct frame_out *frame = frame_out_new(FRAME_COMMIT, random_next(&random), bytes);
        ck_assert_ptr_nonnull(frame);
        random_fill(&random, frame->data + FRAME_REQUEST_BYTES, bytes);
        memcpy(expected + expected_bytes, frame->data, frame->bytes);
        expected_bytes += frame->bytes;
        frame_queue_push(&transport.out, frame);
    }
    while (got_bytes < expected_bytes) {
        transport_send(&transport);
        struct frame_out *frame;
        while ((frame = frame_queue_pop(&transport.sent)) != NULL) {
            ck_assert_uint_eq(frame->sent, frame->bytes);
            frame_out_free(frame);
            sent++;
        }
        ssize_t bytes = recv(peer, got + got_bytes, 1 + random_below(&random, 100000), 0);
        ck_assert_int_gt(bytes, 0);
        got_bytes += (size_t)bytes;
    }
    ck_assert_uint_eq(sent, FRAMES);
    ck_assert_uint_eq(got_bytes, expected_bytes);
    ck_assert_int_eq(memcmp(got, expected, got_bytes), 0);
    free(expected);
    free(got);
}
END_TEST

START_TEST(frames_are_received_whole_whatever_pieces_they_come_in)
{
    struct random_source random = random_from(random_seed("test_transport: receive"));
    uint8_t *stream = malloc(STREAM_BYTES_MAX);
    size_t bytes = 0, written = 0, taken = 0, at = 0;
    ck_assert_ptr_nonnull(stream);
    for (int i = 0; i < FRAMES; i++) {
        struct frame_reply header = {
            .type = FRAME_PING, .body_bytes = (uint32_t)some_size(&random), .id = (uint64_t)i};
        frame_reply_encode(&header, stream + bytes);
        random_fill(&random, stream + bytes + FRAME_REPLY_BYTES, header.body_bytes);
        bytes += FRAME_REPLY_BYTES + header.body_bytes;
    }
    while (taken < FRAMES) {
        size_t piece = 1 + random_below(&random, 200000);
        piece = piece < bytes - written ? piece : bytes - written;
        ssize_t sent = piece > 0 ? send(peer, stream + written, piece, 0) : 0;
        written += sent > 0 ? (size_t)sent : 0;
        (void)transport_receive(&transport, 1 + random_below(&random, 100000));
        struct frame_reply reply;
        const uint8_t *body;
        while (transport_frame_at(&transport, transport.in_begin, &reply, &body) == TRANSPORT_FRAME) {
            ck_assert_uint_eq(reply.id, taken);
            ck_assert_int_eq(memcmp(body, stream + at + FRAME_REPLY_BYTES, reply.body_bytes), 0);
            at += FRAME_REPLY_BYTES + reply.body_bytes;
            transport.in_begin += FRAME_REPLY_BYTES + reply.body_bytes;
            taken++;
        }
    }
    ck_assert(!transport.ended);
    free(stream);
}
END_TEST

START_TEST(a_wrong_header_and_a_body_above_the_bound_are_broken)
{
    uint8_t bytes[FRAME_REPLY_BYTES];
    struct frame_reply header = {.type = FRAME_PING, .body_bytes = BODY_BYTES_MAX + 1}, reply;
    const uint8_t *body;
    frame_reply_encode(&header, bytes);
    ck_assert_int_eq(send(peer, bytes, sizeof bytes - 1, 0), sizeof bytes - 1);
    ck_assert(transport_receive(&transport, SIZE_MAX));
    ck_assert_int_eq(transport_frame_at(&transport, 0, &reply, &body), TRANSPORT_NONE);
    ck_assert_int_eq(send(peer, bytes + sizeof bytes - 1, 1, 0), 1);
    ck_assert(transport_receive(&transport, SIZE_MAX));
    ck_assert_int_eq(transport_frame_at(&transport, 0, &reply, &body), TRANSPORT_BROKEN);
    transport.in[0] ^= 1;
    ck_assert_int_eq(transport_frame_at(&transport, 0, &reply, &body), TRANSPORT_BROKEN);
}
END_TEST

START_TEST(the_end_is_seen_after_what_came_before_it)
{
    ck_assert_int_eq(send(peer, "abc", 3, 0), 3);
    shutdown(peer, SHUT_WR);
    ck_assert(transport_receive(&transport, SIZE_MAX));
    ck_assert(!transport.ended);
    ck_assert(!transport_receive(&transport, SIZE_MAX));
    ck_assert(transport.ended);
    ck_assert_int_eq(transport.error, 0);
    ck_assert_uint_eq(transport.in_end - transport.in_begin, 3);
}
END_TEST

START_TEST(a_failing_send_leaves_what_was_received)
{
    ck_assert_int_eq(send(peer, "abc", 3, 0), 3);
    shutdown(peer, SHUT_RD);
    frame_queue_push(&transport.out, frame_out_new(FRAME_PING, 1, 0));
    transport_send(&transport);
    ck_assert(transport.send_broken);
    ck_assert_int_ne(transport.error, 0);
    ck_assert(transport_receive(&transport, SIZE_MAX));
    ck_assert_uint_eq(transport.in_end - transport.in_begin, 3);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("transport", 20, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, frames_are_sent_whole_and_in_order_whatever_the_kernel_takes_at_once);
    tcase_add_test(tests, frames_are_received_whole_whatever_pieces_they_come_in);
    tcase_add_test(tests, a_wrong_header_and_a_body_above_the_bound_are_broken);
    tcase_add_test(tests, the_end_is_seen_after_what_came_before_it);
    tcase_add_test(tests, a_failing_send_leaves_what_was_received);
    return suite_run(suite, true);
}
