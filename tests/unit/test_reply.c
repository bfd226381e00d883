/* Streams in the client library: items in pieces, credit, an early end, and what a daemon must not do. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cairn.h"
#include "tests/lib/client_fixture.h"

static void setup(void)
{
    fixture_start((struct cairn_client_options){.timeout_us = 0});
}

struct items {
    int count;
    int stop_after;
    size_t bytes;
};

static bool on_metadata(void *context, const struct cairn_metadata *metadata)
{
    struct items *items = *(struct items **)context;
    items->count++;
    items->bytes += metadata->value.bytes;
    return items->count != items->stop_after;
}

struct stream {
    struct items *items;
    struct items kept;
    struct seen seen;
};

static void on_stream_end(void *context, const struct cairn_reply *reply)
{
    struct stream *stream = context;
    fixture_completed(&stream->seen, reply);
}

static void start_list(struct stream *stream, uint64_t window, struct fake_frame *ret_frame)
{
    const struct cairn_list_request request = {.window_bytes = window};
    stream->items = &stream->kept;
    ck_assert_int_eq(cairn_submit_list(fixture.connection, &request, on_metadata, on_stream_end, stream),
                     CAIRN_OK);
    fixture_run();
    fake_receive(fixture.fd, ret_frame);
    ck_assert_int_eq(ret_frame->type, FRAME_LIST_METADATA);
}

static size_t pack_item(uint8_t *body, size_t value_bytes)
{
    static uint8_t value[3000];
    Cairn__MetadataReply item = CAIRN__METADATA_REPLY__INIT;
    item.has_name = item.has_value = true;
    item.name = (ProtobufCBinaryData){.data = value, .len = 4};
    item.value = (ProtobufCBinaryData){.data = value, .len = value_bytes};
    return cairn__metadata_reply__pack(&item, body);
}

static void send_piece(const struct fake_frame *to, uint8_t flags, const uint8_t *body, size_t bytes)
{
    fake_send(
        fixture.fd,
        &(struct frame_reply){.type = to->type, .id = to->id, .flags = flags, .body_bytes = (uint32_t)bytes},
        body);
}

/* A stream that has begun, and an item for it. */
struct listing {
    struct stream stream;
    struct fake_frame frame;
    uint8_t body[4096];
    size_t bytes;
};

static void start_listing(struct listing *ret_listing, uint64_t window, size_t value_bytes)
{
    ret_listing->stream = (struct stream){.kept.count = 0};
    ret_listing->bytes = pack_item(ret_listing->body, value_bytes);
    start_list(&ret_listing->stream, window, &ret_listing->frame);
}

static uint64_t receive_credit(uint64_t id)
{
    struct fake_frame frame;
    fake_receive(fixture.fd, &frame);
    ck_assert_int_eq(frame.type, FRAME_CREDIT);
    ck_assert_uint_eq(frame.id, id);
    Cairn__Credit *credit = cairn__credit__unpack(NULL, frame.bytes, frame.body);
    ck_assert_ptr_nonnull(credit);
    uint64_t bytes = credit->bytes;
    cairn__credit__free_unpacked(credit, NULL);
    return bytes;
}

START_TEST(an_item_longer_than_the_window_comes_in_pieces_for_credit)
{
    struct listing listing;
    start_listing(&listing, 1000, 2500);
    for (size_t at = 0; at < listing.bytes; at += 1000) {
        bool last = listing.bytes - at <= 1000;
        size_t piece = last ? listing.bytes - at : 1000;
        send_piece(&listing.frame, last ? FRAME_MORE : FRAME_MORE | FRAME_CONTINUED, listing.body + at,
                   piece);
        ck_assert_int_eq(fixture_run(), CAIRN_OK);
        ck_assert_int_eq(listing.stream.kept.count, last);
        ck_assert_uint_eq(receive_credit(listing.frame.id), piece);
    }
    ck_assert_uint_eq(listing.stream.kept.bytes, 2500);
    send_piece(&listing.frame, 0, listing.body, 0);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(listing.stream.seen.count, 1);
    ck_assert_int_eq(listing.stream.seen.status, CAIRN_OK);
    ck_assert_uint_eq(listing.stream.seen.items, 1);
}
END_TEST

START_TEST(a_stream_stopped_by_its_caller_is_cancelled)
{
    struct listing listing;
    struct fake_frame cancel;
    start_listing(&listing, 0, 10);
    listing.stream.kept.stop_after = 2;
    for (int i = 0; i < 4; i++) {
        send_piece(&listing.frame, FRAME_MORE, listing.body, listing.bytes);
    }
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(listing.stream.kept.count, 2);
    fake_receive(fixture.fd, &cancel);
    ck_assert_int_eq(cancel.type, FRAME_CANCEL);
    ck_assert_uint_eq(cancel.id, listing.frame.id);
    ck_assert_int_eq(listing.stream.seen.count, 0);
    send_piece(&listing.frame, 0, listing.body, 0);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(listing.stream.seen.status, CAIRN_OK);
    ck_assert_uint_eq(listing.stream.seen.items, 2);
}
END_TEST

START_TEST(a_stream_over_its_time_completes_once_whatever_comes_late)
{
    struct stream stream = {.kept.count = 0};
    struct fake_frame frame, cancel;
    const struct cairn_list_request request = {.timeout_us = 20000};
    uint8_t body[128];
    size_t bytes = pack_item(body, 10);
    stream.items = &stream.kept;
    ck_assert_int_eq(cairn_submit_list(fixture.connection, &request, on_metadata, on_stream_end, &stream),
                     CAIRN_OK);
    fixture_run();
    fake_receive(fixture.fd, &frame);
    usleep(25000);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(stream.seen.status, CAIRN_TIMEOUT);
    fake_receive(fixture.fd, &cancel);
    ck_assert_int_eq(cancel.type, FRAME_CANCEL);
    send_piece(&frame, FRAME_MORE, body, bytes);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    usleep(25000);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(stream.seen.count, 1);
    ck_assert_int_eq(stream.kept.count, 0);
    ck_assert_uint_eq(cairn_connection_in_flight(fixture.connection), 0);
    ck_assert(fake_quiet(fixture.fd));
    send_piece(&frame, 0, body, 0);
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(stream.seen.count, 1);
}
END_TEST

START_TEST(a_stream_may_fail_within_an_item)
{
    struct listing listing;
    start_listing(&listing, 0, 50);
    send_piece(&listing.frame, FRAME_MORE | FRAME_CONTINUED, listing.body, listing.bytes / 2);
    fake_send_error(fixture.fd, &listing.frame, STATUS_IO_ERROR, "damaged");
    ck_assert_int_eq(fixture_run(), CAIRN_OK);
    ck_assert_int_eq(listing.stream.seen.status, CAIRN_IO_ERROR);
    ck_assert_str_eq(listing.stream.seen.text, "damaged");
    ck_assert_int_eq(listing.stream.kept.count, 0);
}
END_TEST

START_TEST(a_stream_over_its_window_is_a_lie)
{
    struct listing listing;
    start_listing(&listing, 50, 60);
    send_piece(&listing.frame, FRAME_MORE, listing.body, listing.bytes);
    ck_assert_int_eq(fixture_run(), CAIRN_CONNECTION_LOST);
    ck_assert_int_eq(listing.stream.kept.count, 0);
    ck_assert_int_eq(listing.stream.seen.status, CAIRN_CONNECTION_LOST);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reply");
    TCase *streams = tcase_create("streams");
    tcase_add_checked_fixture(streams, setup, fixture_stop);
    tcase_add_test(streams, an_item_longer_than_the_window_comes_in_pieces_for_credit);
    tcase_add_test(streams, a_stream_stopped_by_its_caller_is_cancelled);
    tcase_add_test(streams, a_stream_over_its_time_completes_once_whatever_comes_late);
    tcase_add_test(streams, a_stream_may_fail_within_an_item);
    tcase_add_test(streams, a_stream_over_its_window_is_a_lie);
    suite_add_tcase(suite, streams);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
