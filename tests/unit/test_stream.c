/* A stream's life: places, credit, and each way to its end. */
#include <check.h>

#include "daemon/order/order_space.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/stream_internal.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

enum { STREAMS_MAX = 2, BLOCKS = 40 };

static void setup(void)
{
    served.streams_max = STREAMS_MAX;
    service_open();
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        ck_assert_int_eq(
            service_ask(FRAME_COMMIT, commit_of_block(height, kept_format("header %lu", height))).status,
            STATUS_OK);
    }
    served.reply_count = 0;
}

/* Of all blocks; the stream's id. */
static uint64_t start_stream(uint64_t window_bytes)
{
    Cairn__ReadBlocks read = CAIRN__READ_BLOCKS__INIT;
    read.has_first = read.has_last = read.has_parts = read.has_window_bytes = true;
    read.first = 1;
    read.last = BLOCKS;
    read.parts = CAIRN__PART__PART_HEADER | CAIRN__PART__PART_DATA;
    read.window_bytes = window_bytes;
    uint64_t id = service_next_id();
    ck_assert_int_eq(service_start(FRAME_READ_BLOCKS, &read, NULL), REQUEST_TAKEN);
    return id;
}

static void give_credit(uint64_t id, uint64_t bytes)
{
    Cairn__Credit credit = CAIRN__CREDIT__INIT;
    credit.has_bytes = true;
    credit.bytes = bytes;
    ck_assert_int_eq(service_start_as(id, FRAME_CREDIT, &credit), REQUEST_TAKEN);
}

static void cancel(uint64_t id)
{
    Cairn__Cancel message = CAIRN__CANCEL__INIT;
    ck_assert_int_eq(service_start_as(id, FRAME_CANCEL, &message), REQUEST_TAKEN);
}

static void iterate(unsigned times)
{
    while (times-- > 0) {
        service_iterate();
        sleep_ms(1);
    }
}

static uint64_t bytes_sent(void)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < served.reply_count; i++) {
        bytes += served.replies[i].body.len;
    }
    return bytes;
}

static void await_bytes(uint64_t bytes)
{
    for (uint64_t began_ms = clock_ms(); bytes_sent() < bytes; iterate(1)) {
        ck_assert_msg(clock_ms() - began_ms < (uint64_t)patience_ms(10000), "%lu bytes of %lu", bytes_sent(),
                      bytes);
    }
    iterate(5);
    ck_assert_uint_eq(bytes_sent(), bytes);
}

static const struct service_reply *last_reply(void)
{
    ck_assert_uint_gt(served.reply_count, 0);
    return &served.replies[served.reply_count - 1];
}

START_TEST(what_goes_out_never_exceeds_the_credit)
{
    const uint64_t credits[] = {1, 99, 100, 1000};
    uint64_t given = 0, id = start_stream(0);
    iterate(5);
    ck_assert_uint_eq(bytes_sent(), 0);
    for (size_t i = 0; i < 4; i++) {
        give_credit(id, credits[i]);
        given += credits[i];
        await_bytes(given);
    }
    give_credit(id, UINT64_MAX);
    service_settle();
    ck_assert_int_eq(last_reply()->status, STATUS_OK);
    ck_assert_uint_eq(last_reply()->header.flags, 0);
}
END_TEST

START_TEST(streams_wait_for_a_place_and_get_it_in_order)
{
    uint64_t ids[4];
    struct stream_set *set = served.service.streams;
    fake_disk_close_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    for (size_t i = 0; i < 4; i++) {
        ids[i] = start_stream(WINDOW_BYTES_MAX);
    }
    iterate(5);
    ck_assert(stream_count(set) == STREAMS_MAX && stream_count_at_work(set) == STREAMS_MAX);
    const struct stream *first = turns_first(served.service.turns, TURNS_STREAMS);
    ck_assert_uint_eq(first->request->id, ids[2]);
    ck_assert_uint_eq(turns_count(served.service.turns, TURNS_STREAMS), 2);
    ck_assert_uint_eq(served.reply_count, 0);
    fake_disk_open_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    service_settle();
    ck_assert_uint_eq(served.reply_count, 4 * (BLOCKS + 1));
    ck_assert_uint_eq(stream_count(set), 0);
}
END_TEST

/* Streams that have used up a credit of 50 bytes. */
static void await_standing(void)
{
    for (uint64_t began_ms = clock_ms(); stream_count_at_work(served.service.streams) > 0; iterate(1)) {
        ck_assert_uint_lt(clock_ms() - began_ms, (uint64_t)patience_ms(10000));
    }
}

static void start_standing(uint64_t *ret_ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ret_ids[i] = start_stream(50);
    }
    await_bytes(50 * count);
    await_standing();
}

START_TEST(streams_without_credit_hold_no_place_and_go_on_where_they_stopped)
{
    enum { STANDING = 5 * STREAMS_MAX };
    uint64_t ids[STANDING];
    start_standing(ids, STANDING);
    ck_assert_uint_eq(stream_count(served.service.streams), STANDING);
    size_t before = served.reply_count;
    uint64_t other = start_stream(WINDOW_BYTES_MAX);
    service_await_replies(before + BLOCKS + 1);
    ck_assert(last_reply()->header.id == other && last_reply()->header.flags == 0);
    uint64_t whole = 0;
    for (size_t i = before; i < served.reply_count; i++) {
        whole += served.replies[i].body.len;
    }
    for (size_t i = 0; i < STANDING; i++) {
        give_credit(ids[i], WINDOW_BYTES_MAX);
    }
    service_settle();
    ck_assert_uint_eq(bytes_sent(), (STANDING + 1) * whole); /* nothing was left out, or came twice */
}
END_TEST

START_TEST(streams_of_a_client_that_takes_no_replies_hold_no_place)
{
    budget_reply_queued(served.service.budget, &served.session.client, REPLIES_BYTES_PER_CLIENT);
    for (size_t i = 0; i < STREAMS_MAX + 1; i++) {
        (void)start_stream(WINDOW_BYTES_MAX);
    }
    iterate(3);
    ck_assert_uint_eq(stream_count(served.service.streams), STREAMS_MAX + 1);
    ck_assert_uint_eq(stream_count_at_work(served.service.streams), 0);
    budget_reply_gone(served.service.budget, &served.session.client, REPLIES_BYTES_PER_CLIENT);
    service_settle();
    ck_assert_uint_eq(served.reply_count, (STREAMS_MAX + 1) * (BLOCKS + 1));
}
END_TEST

START_TEST(a_stream_without_credit_ends_with_busy_after_stream_timeout)
{
    enum { MARGIN_US = 1000000 };
    struct stream_set *set = served.service.streams;
    uint64_t ids[2], now_us = thread_now_us();
    start_standing(ids, 2);
    give_credit(ids[1], 10);
    await_bytes(110); /* it used that up as well, but later */
    size_t before = served.reply_count;
    for (uint64_t in_us = 0; in_us < STREAM_TIMEOUT_US; in_us += STREAM_TIMEOUT_US / 4) {
        (void)stream_set_iterate(set, now_us + in_us);
    }
    ck_assert_uint_eq(served.reply_count, before);
    give_credit(ids[1], 0); /* is none */
    now_us = thread_now_us() + STREAM_TIMEOUT_US + MARGIN_US;
    (void)stream_set_iterate(set, now_us);
    ck_assert_uint_eq(served.reply_count, before + 2);
    for (size_t i = before; i < before + 2; i++) {
        ck_assert_int_eq(served.replies[i].status, STATUS_BUSY);
        ck_assert_ptr_nonnull(strstr(served.replies[i].text, "stream_timeout"));
    }
    ck_assert_uint_eq(stream_count(set), 0);
}
END_TEST

/* Each credit is less than the message that waits, so it goes out at once, and the window is empty again. */
START_TEST(a_stream_with_small_credits_does_not_end_however_long_it_takes)
{
    enum { CREDITS = 6 };
    struct stream_set *set = served.service.streams;
    uint64_t id, now_us = thread_now_us();
    start_standing(&id, 1);
    (void)stream_set_iterate(set, now_us);
    for (int i = 0; i < CREDITS; i++) {
        uint64_t before = bytes_sent();
        give_credit(id, 1);
        ck_assert_uint_eq(bytes_sent(), before + 1);
        now_us += STREAM_TIMEOUT_US - STREAM_TIMEOUT_US / 4;
        (void)stream_set_iterate(set, now_us);
        ck_assert_uint_eq(stream_count(set), 1);
    }
    (void)stream_set_iterate(set, now_us + STREAM_TIMEOUT_US);
    ck_assert_int_eq(last_reply()->status, STATUS_BUSY);
    ck_assert_uint_eq(stream_count(set), 0);
}
END_TEST

START_TEST(streams_that_stand_make_room_when_requests_are_full)
{
    enum { STANDING = 2, FILL_BYTES = 8 << 20 };
    uint64_t ids[STANDING];
    for (size_t i = 0; i < STANDING; i++) { /* one after the other: it matters which stood first */
        ids[i] = start_stream(50);
        await_bytes(50 * (i + 1));
        await_standing();
    }
    struct budget_request fill = budget_request_of(false, 0);
    budget_request_hold(served.service.budget, &fill, FILL_BYTES);
    ck_assert(budget_requests_are_full(served.service.budget));
    size_t before = served.reply_count;
    (void)stream_set_iterate(served.service.streams, thread_now_us());
    ck_assert_uint_eq(served.reply_count, before + STANDING);
    ck_assert_int_eq(last_reply()->status, STATUS_BUSY);
    ck_assert_uint_eq(served.replies[before].header.id, ids[0]); /* which stood for longest */
    budget_request_end(served.service.budget, &fill);
}
END_TEST

/* As the last look at the file system found it. */
static void note_space(uint64_t free_bytes)
{
    const struct space_look look = {.free_bytes = free_bytes, .log_bytes = 1 << 20};
    order_note_space(served.service.order, &look, order_space_counted(served.service.order));
}

START_TEST(while_space_is_short_streams_end_that_are_older_than_stream_timeout_whatever_their_credit)
{
    struct stream_set *set = served.service.streams;
    fake_disk_close_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    (void)start_stream(WINDOW_BYTES_MAX);
    fake_disk_await(served.disk, FAKE_NEXT, FAKE_BEFORE);
    uint64_t now_us = thread_now_us();
    (void)stream_set_iterate(set, now_us);
    (void)stream_set_iterate(set, now_us + STREAM_TIMEOUT_US);
    ck_assert(set->ages.first != NULL); /* it may be as old as it likes */
    note_space(1);
    ck_assert_int_ne(order_space_state(served.service.order), SPACE_ENOUGH);
    (void)stream_set_iterate(set, now_us + STREAM_TIMEOUT_US - 1);
    ck_assert(set->ages.first != NULL);
    (void)stream_set_iterate(set, now_us + STREAM_TIMEOUT_US);
    fake_disk_open_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    service_settle();
    ck_assert(served.reply_count == 1 && last_reply()->status == STATUS_BUSY);
    note_space(UINT64_MAX);
}
END_TEST

START_TEST(a_stream_is_of_the_instant_it_opened_at)
{
    uint64_t id = start_stream(0);
    Cairn__Rollback *rollback = rollback_to(1);
    ck_assert_int_eq(service_start(FRAME_ROLLBACK, rollback, NULL), REQUEST_TAKEN);
    service_await_replies(1);
    give_credit(id, UINT64_MAX);
    service_settle();
    ck_assert_uint_eq(served.reply_count, 1 + BLOCKS + 1);
    for (size_t i = 1; i <= BLOCKS; i++) {
        const Cairn__BlockReply *block = cairn__block_reply__unpack(
            kept_allocator(), served.replies[i].body.len, served.replies[i].body.data);
        ck_assert(block != NULL && block->height == i && !block->absent);
    }
}
END_TEST

START_TEST(a_cancelled_stream_ends_ok_with_its_last_frame)
{
    uint64_t ids[3];
    for (size_t i = 0; i < 3; i++) {
        ids[i] = start_stream(i == 0 ? 50 : 0); /* at work, open, waiting */
    }
    iterate(5);
    for (size_t i = 0; i < 3; i++) {
        cancel(ids[2 - i]);
        service_iterate();
    }
    service_settle();
    ck_assert_uint_eq(stream_count(served.service.streams), 0);
    ck_assert_ptr_null(served.session.streams);
    ck_assert_int_eq(last_reply()->status, STATUS_OK);
}
END_TEST

START_TEST(a_stream_whose_session_closes_during_a_step_ends_when_that_has_ended)
{
    fake_disk_close_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    (void)start_stream(1000);
    fake_disk_await(served.disk, FAKE_NEXT, FAKE_BEFORE);
    service_hang_up();
    iterate(3);
    ck_assert_uint_eq(served.started - served.ended, 1);
    ck_assert_uint_eq(stream_count(served.service.streams), 1); /* its place is not free yet */
    fake_disk_open_gate(served.disk, FAKE_NEXT, FAKE_BEFORE);
    service_settle();
    ck_assert_uint_eq(stream_count(served.service.streams), 0);
    ck_assert_uint_eq(served.reply_count, 0);
}
END_TEST

START_TEST(what_cannot_be_read_ends_the_stream_with_io_error_behind_what_could)
{
    fake_disk_fault(served.disk, FAKE_NEXT, FAKE_FAILS, 20);
    (void)start_stream(WINDOW_BYTES_MAX);
    service_settle();
    ck_assert_int_eq(last_reply()->status, STATUS_IO_ERROR);
    ck_assert_str_ne(last_reply()->text, "");
    ck_assert_uint_gt(served.reply_count, 1);
    ck_assert_uint_lt(served.reply_count, BLOCKS);
    for (size_t i = 0; i + 1 < served.reply_count; i++) {
        ck_assert_uint_eq(served.replies[i].header.flags, FRAME_MORE);
    }
}
END_TEST

START_TEST(all_streams_of_a_session_can_be_ended_with_one_status)
{
    for (size_t i = 0; i < 4; i++) {
        (void)start_stream(i);
    }
    iterate(5);
    served.reply_count = 0;
    stream_end_all(&served.session, STATUS_SHUTTING_DOWN, "the daemon stops");
    service_settle();
    ck_assert_uint_eq(served.reply_count, 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(served.replies[i].status, STATUS_SHUTTING_DOWN);
        ck_assert_str_eq(served.replies[i].text, "the daemon stops");
    }
}
END_TEST

START_TEST(a_session_has_a_bounded_number_of_streams)
{
    for (size_t i = 0; i < 128; i++) {
        (void)start_stream(0);
    }
    ck_assert_uint_eq(served.reply_count, 0);
    (void)start_stream(0);
    ck_assert_int_eq(last_reply()->status, STATUS_BUSY);
    ck_assert_ptr_nonnull(strstr(last_reply()->text, "128"));
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("stream", 20, &tests);
    tcase_add_checked_fixture(tests, setup, service_close);
    tcase_add_test(tests, what_goes_out_never_exceeds_the_credit);
    tcase_add_test(tests, streams_wait_for_a_place_and_get_it_in_order);
    tcase_add_test(tests, streams_without_credit_hold_no_place_and_go_on_where_they_stopped);
    tcase_add_test(tests, streams_of_a_client_that_takes_no_replies_hold_no_place);
    tcase_add_test(tests, a_stream_without_credit_ends_with_busy_after_stream_timeout);
    tcase_add_test(tests, a_stream_with_small_credits_does_not_end_however_long_it_takes);
    tcase_add_test(tests, streams_that_stand_make_room_when_requests_are_full);
    tcase_add_test(tests,
                   while_space_is_short_streams_end_that_are_older_than_stream_timeout_whatever_their_credit);
    tcase_add_test(tests, a_stream_is_of_the_instant_it_opened_at);
    tcase_add_test(tests, a_cancelled_stream_ends_ok_with_its_last_frame);
    tcase_add_test(tests, a_stream_whose_session_closes_during_a_step_ends_when_that_has_ended);
    tcase_add_test(tests, what_cannot_be_read_ends_the_stream_with_io_error_behind_what_could);
    tcase_add_test(tests, all_streams_of_a_session_can_be_ended_with_one_status);
    tcase_add_test(tests, a_session_has_a_bounded_number_of_streams);
    return suite_run(suite, false);
}
