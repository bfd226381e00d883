/* A step of a stream: how far it reads ahead, how its messages are cut, and when its cursor is parked. */
#include <check.h>

#include "daemon/runtime/thread.h"
#include "daemon/serve/stream_internal.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

enum { SMALL_FRAME_BYTES = 64 << 10, BLOCKS = 30, DATA_BYTES = 100 << 10 };

static ProtobufCBinaryData data[BLOCKS + 1];

static void setup(void)
{
    served.frame_bytes_max = 1 << 20;
    service_open();
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        Cairn__Commit *commit = commit_of_block(height, "header");
        data[height] = bytes_random(height, DATA_BYTES);
        commit->blocks[0]->data = data[height];
        ck_assert_int_eq(service_ask(FRAME_COMMIT, commit).status, STATUS_OK);
    }
    served.service.frame_bytes_max = SMALL_FRAME_BYTES; /* from here on no message fits one frame */
    served.reply_count = 0;
}

static struct stream *start_stream(uint64_t window_bytes)
{
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_parts = read.has_window_bytes = true;
    read.first = 1;
    read.last = BLOCKS;
    read.parts = CAIRN__PART__PART_DATA;
    read.window_bytes = window_bytes;
    ck_assert_int_eq(service_start(FRAME_READ_BLOCKS, &read, NULL), REQUEST_TAKEN);
    ck_assert_ptr_nonnull(served.session.streams);
    return served.session.streams;
}

static void iterate_until_idle(const struct stream *stream)
{
    do {
        service_iterate();
        sleep_ms(1);
    } while (!stream_step_is_idle(stream));
}

START_TEST(messages_are_cut_where_a_frame_or_the_window_ends_and_add_up)
{
    struct stream *stream = start_stream(DATA_BYTES / 3);
    uint64_t id = stream->request->id;
    for (uint64_t began_ms = clock_ms(); served.started > served.ended;) {
        service_iterate();
        stream_add_credit(&served.session, id, 7001);
        ck_assert_uint_lt(clock_ms() - began_ms, (uint64_t)patience_ms(10000));
    }
    uint8_t *message = kept_alloc(2 * DATA_BYTES);
    size_t bytes = 0;
    uint64_t height = 0;
    for (size_t i = 0; i + 1 < served.reply_count; i++) {
        const struct service_reply *reply = &served.replies[i];
        ck_assert_uint_le(reply->body.len, SMALL_FRAME_BYTES);
        memcpy(message + bytes, reply->body.data, reply->body.len);
        bytes += reply->body.len;
        if (reply->header.flags == FRAME_MORE) {
            const Cairn__BlockReply *block = cairn__block_reply__unpack(kept_allocator(), bytes, message);
            height++;
            ck_assert(block != NULL && block->height == height && bytes_same(block->data, data[height]));
            bytes = 0;
        } else {
            ck_assert_uint_eq(reply->header.flags, FRAME_MORE | FRAME_CONTINUED);
        }
    }
    ck_assert_uint_eq(height, BLOCKS);
}
END_TEST

START_TEST(a_stream_reads_one_step_ahead_and_no_further)
{
    struct stream *stream = start_stream(1);
    for (int i = 0; i < 10; i++) {
        iterate_until_idle(stream);
    }
    ck_assert_uint_gt(stream->memory.unsent_bytes, 0);
    uint64_t two_steps_bytes = UINT64_C(2) * (STREAM_STEP_BYTES + DATA_BYTES + 100);
    ck_assert_uint_le(stream->memory.unsent_bytes, two_steps_bytes); /* what goes out, and the next */
    stream_add_credit(&served.session, stream->request->id, 1);
    for (int i = 0; i < 10; i++) {
        iterate_until_idle(stream);
    }
    ck_assert_uint_le(stream->memory.unsent_bytes, two_steps_bytes);
    ck_assert_uint_lt(stream->sent, stream->ready.count);
}
END_TEST

START_TEST(nothing_is_read_without_credit_or_while_the_replies_have_no_room)
{
    uint64_t nexts = fake_disk_calls(served.disk, FAKE_NEXT);
    struct stream *stream = start_stream(0);
    iterate_until_idle(stream);
    ck_assert_uint_eq(fake_disk_calls(served.disk, FAKE_NEXT), nexts);
    budget_reply_queued(served.service.budget, &served.session.client, REPLIES_BYTES_PER_CLIENT);
    stream_add_credit(&served.session, stream->request->id, 1000);
    iterate_until_idle(stream);
    ck_assert_uint_eq(served.reply_count, 0);
    ck_assert_uint_eq(fake_disk_calls(served.disk, FAKE_NEXT), nexts);
    budget_reply_gone(served.service.budget, &served.session.client, REPLIES_BYTES_PER_CLIENT);
    service_await_replies(1);
}
END_TEST

START_TEST(a_cursor_that_is_held_for_long_is_parked_and_the_stream_goes_on)
{
    struct stream *stream = start_stream(1);
    struct stream_set *set = served.service.streams;
    iterate_until_idle(stream);
    service_await_replies(1);
    uint64_t now_us = thread_now_us() + UINT64_C(10) * STREAM_LOOK_US;
    for (unsigned looks = 0; looks <= STREAM_LOOKS_MAX; looks++) { /* beside those while it read */
        (void)stream_set_iterate(set, now_us);
        now_us += STREAM_LOOK_US;
    }
    ck_assert_uint_eq(set->holding, 0);
    ck_assert_uint_gt(stream_set_iterate(set, now_us), STREAM_LOOK_US); /* it asks for no more looks */
    size_t before = served.reply_count;
    stream_add_credit(&served.session, stream->request->id, WINDOW_BYTES_MAX);
    service_await_replies(before + BLOCKS); /* beyond what was read before */
}
END_TEST

START_TEST(dropping_gives_back_the_memory_of_what_has_not_gone_out)
{
    struct stream *stream = start_stream(1);
    iterate_until_idle(stream);
    service_await_replies(1);
    iterate_until_idle(stream);
    ck_assert_uint_gt(stream->memory.unsent_bytes, 0);
    stream_step_drop(stream);
    ck_assert_uint_eq(stream->memory.unsent_bytes, 0);
    ck_assert_uint_eq(stream->sent, stream->ready.count);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("stream_step", 20, &tests);
    tcase_add_checked_fixture(tests, setup, service_close);
    tcase_add_test(tests, messages_are_cut_where_a_frame_or_the_window_ends_and_add_up);
    tcase_add_test(tests, a_stream_reads_one_step_ahead_and_no_further);
    tcase_add_test(tests, nothing_is_read_without_credit_or_while_the_replies_have_no_room);
    tcase_add_test(tests, a_cursor_that_is_held_for_long_is_parked_and_the_stream_goes_on);
    tcase_add_test(tests, dropping_gives_back_the_memory_of_what_has_not_gone_out);
    return suite_run(suite, false);
}
