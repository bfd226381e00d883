/* The budget of memory: each of its rules. The sum of them is in test_budget_model.c. */
#include <check.h>

#include "daemon/runtime/budget.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/suite.h"

enum {
    MIB = 1 << 20,
    FRAME_MAX = 4 * MIB,
    LARGEST = 2 * FRAME_MAX, /* set aside for it */
    REQUESTS_MAX = 4 * FRAME_MAX,
    REPLIES_MAX = 16 * MIB,
    SMALL_PART = MIB, /* of REQUESTS_MAX, for small requests at any rate */
    SMALL_BODY = 1000,
};

static struct budget *budget;

static void setup(void)
{
    thread_set_role(THREAD_LOOP);
    budget = budget_new(&(struct budget_limits){
        .frame_bytes_max = FRAME_MAX, .requests_bytes_max = REQUESTS_MAX, .replies_bytes_max = REPLIES_MAX});
}

static void teardown(void)
{
    budget_free(budget);
    budget_free(NULL);
}

static struct budget_request small_request(uint64_t bytes)
{
    struct budget_request request = budget_request_of(false, SMALL_BODY);
    ck_assert_int_eq(budget_request_reserve(budget, &request), BUDGET_GRANTED);
    budget_request_hold(budget, &request, bytes);
    return request;
}

static struct budget_request frame(bool is_write, uint64_t body_bytes, enum budget_answer expected)
{
    struct budget_request request = budget_request_of(is_write, body_bytes);
    ck_assert(budget_request_is_large(&request));
    ck_assert_int_eq(budget_request_reserve(budget, &request), expected);
    return request;
}

/* ---- requests ---- */

START_TEST(small_requests_fill_all_but_the_room_of_a_largest_frame)
{
    struct budget_request first = small_request(REQUESTS_MAX - LARGEST - 1);
    ck_assert(!budget_requests_are_full(budget));
    struct budget_request second = small_request(1);
    ck_assert(budget_requests_are_full(budget));
    struct budget_request write = frame(true, FRAME_MAX, BUDGET_GRANTED);
    ck_assert_uint_eq(budget_requests_bytes(budget), REQUESTS_MAX);
    budget_request_end(budget, &first);
    budget_request_end(budget, &second);
    budget_request_end(budget, &write);
}
END_TEST

START_TEST(small_requests_have_their_part_whatever_large_ones_hold)
{
    struct budget_request first = frame(true, FRAME_MAX, BUDGET_GRANTED);
    struct budget_request second = frame(true, FRAME_MAX, BUDGET_GRANTED);
    struct budget_request small = small_request(SMALL_PART - 1);
    ck_assert(!budget_requests_are_full(budget));
    budget_request_hold(budget, &small, SMALL_PART);
    ck_assert(budget_requests_are_full(budget));
    budget_request_end(budget, &first);
    budget_request_end(budget, &second);
    budget_request_end(budget, &small);
}
END_TEST

START_TEST(large_writes_wait_for_room_and_a_lone_one_never_does)
{
    struct budget_request first = frame(true, FRAME_MAX, BUDGET_GRANTED);
    struct budget_request second = frame(true, FRAME_MAX - 1, BUDGET_GRANTED);
    struct budget_request third = frame(true, 70000, BUDGET_WAITS);
    budget_request_end(budget, &first);
    ck_assert_int_eq(budget_request_reserve(budget, &third), BUDGET_GRANTED);
    budget_request_end(budget, &second);
    budget_request_end(budget, &third);
    struct budget_request small = small_request(REQUESTS_MAX);
    struct budget_request lone = frame(true, FRAME_MAX, BUDGET_GRANTED);
    ck_assert_uint_eq(budget_request_room(budget, &lone), UINT64_MAX);
    budget_request_end(budget, &small);
    budget_request_end(budget, &lone);
}
END_TEST

START_TEST(large_write_keeps_what_was_set_aside_until_it_ends)
{
    struct budget_request write = frame(true, MIB, BUDGET_GRANTED);
    budget_request_hold(budget, &write, MIB + 10);
    ck_assert_uint_eq(budget_requests_bytes(budget), 2 * MIB);
    budget_request_hold(budget, &write, 3 * MIB);
    ck_assert_uint_eq(budget_requests_bytes(budget), 3 * MIB);
    budget_request_end(budget, &write);
    struct budget_request read = frame(false, MIB, BUDGET_GRANTED);
    budget_request_hold(budget, &read, MIB + 10);
    ck_assert_uint_eq(budget_requests_bytes(budget), MIB + 10);
    budget_request_end(budget, &read);
    ck_assert_uint_eq(budget_requests_bytes(budget), 0);
}
END_TEST

/* Without this rule each of many large reads that stay would have been the only large frame of its moment. */
START_TEST(large_reads_that_stay_take_no_more_than_small_requests_may)
{
    struct budget_request reads[2];
    for (int i = 0; i < 2; i++) {
        reads[i] = frame(false, FRAME_MAX / 2, BUDGET_GRANTED);
        budget_request_hold(budget, &reads[i], FRAME_MAX);
    }
    struct budget_request third = frame(false, FRAME_MAX / 2, BUDGET_PASSED_OVER);
    struct budget_request write = frame(true, FRAME_MAX, BUDGET_GRANTED); /* it was behind the third */
    budget_request_end(budget, &reads[0]);
    ck_assert_int_eq(budget_request_reserve(budget, &third), BUDGET_GRANTED);
    budget_request_end(budget, &reads[1]);
    budget_request_end(budget, &third);
    budget_request_end(budget, &write);
}
END_TEST

START_TEST(half_read_frame_leaves_small_requests_their_part)
{
    struct budget_request half = frame(false, FRAME_MAX, BUDGET_GRANTED);
    struct budget_request small = small_request(SMALL_PART - 1);
    ck_assert(!budget_requests_are_full(budget));
    budget_request_end(budget, &half);
    budget_request_end(budget, &small);
}
END_TEST

START_TEST(what_large_requests_may_unpack_to_is_what_is_free_and_their_reservation)
{
    struct budget_request first = frame(true, FRAME_MAX, BUDGET_GRANTED);
    struct budget_request second = frame(true, MIB, BUDGET_GRANTED);
    ck_assert_uint_eq(budget_request_room(budget, &second), REQUESTS_MAX - LARGEST);
    struct budget_request small = small_request(REQUESTS_MAX);
    ck_assert_uint_eq(budget_request_room(budget, &second), 2 * MIB);
    budget_request_end(budget, &first);
    budget_request_end(budget, &second);
    budget_request_end(budget, &small);
}
END_TEST

START_TEST(one_large_write_at_a_time_is_extended_beyond_what_is_free)
{
    struct budget_request first = frame(true, FRAME_MAX, BUDGET_GRANTED);
    struct budget_request second = frame(true, MIB, BUDGET_GRANTED);
    ck_assert_int_eq(budget_request_extend(budget, &first, REQUESTS_MAX), BUDGET_GRANTED);
    ck_assert_uint_eq(budget_request_room(budget, &first), UINT64_MAX);
    budget_request_hold(budget, &first, REQUESTS_MAX);
    ck_assert_int_eq(budget_request_extend(budget, &second, REQUESTS_MAX), BUDGET_WAITS);
    struct budget_request small = small_request(1); /* whose end lets nobody be extended */
    budget_request_end(budget, &small);
    ck_assert_int_eq(budget_request_extend(budget, &second, REQUESTS_MAX), BUDGET_WAITS);
    budget_request_end(budget, &first);
    ck_assert_int_eq(budget_request_extend(budget, &second, REQUESTS_MAX), BUDGET_GRANTED);
    budget_request_end(budget, &second);
}
END_TEST

START_TEST(a_large_read_waits_for_what_it_could_have_alone)
{
    struct budget_request read = frame(false, MIB, BUDGET_GRANTED);
    uint64_t most_bytes = budget_request_bytes_max(budget, &read, UINT64_MAX);
    ck_assert_uint_ge(most_bytes, LARGEST); /* a largest frame, and as much to unpack it */
    struct budget_request other = small_request(SMALL_PART + MIB);
    ck_assert_int_eq(budget_request_extend(budget, &read, most_bytes), BUDGET_PASSED_OVER);
    budget_request_end(budget, &other);
    other = small_request(SMALL_PART);
    ck_assert_int_eq(budget_request_extend(budget, &read, most_bytes), BUDGET_GRANTED);
    ck_assert_uint_ge(budget_request_room(budget, &read), most_bytes);
    budget_request_end(budget, &other);
    budget_request_end(budget, &read);
}
END_TEST

/* ---- answers ---- */

START_TEST(client_has_its_replies_or_one)
{
    struct budget_client client = {0};
    ck_assert(budget_client_has_room(&client, 2 * REPLIES_BYTES_PER_CLIENT));
    budget_client_read_begins(&client, 100);
    ck_assert(!budget_client_has_room(&client, REPLIES_BYTES_PER_CLIENT - 100));
    ck_assert(budget_client_has_room(&client, REPLIES_BYTES_PER_CLIENT - 101));
    for (int i = 1; i < CLIENT_READS_MAX; i++) {
        ck_assert(budget_client_may_read(&client, 1));
        budget_client_read_begins(&client, 1);
    }
    ck_assert(!budget_client_may_read(&client, 1) && budget_client_may_send(&client));
    budget_client_read_ends(&client, 1);
    ck_assert(budget_client_may_read(&client, 1));
    ck_assert(!budget_client_may_read(&client, REPLIES_BYTES_PER_CLIENT)); /* there is a place, and no room */
    budget_reply_queued(budget, &client, REPLIES_BYTES_PER_CLIENT);
    ck_assert(!budget_client_may_send(&client));
    ck_assert_uint_eq(budget_replies_bytes(budget), REPLIES_BYTES_PER_CLIENT);
    budget_reply_gone(budget, &client, REPLIES_BYTES_PER_CLIENT);
}
END_TEST

START_TEST(at_the_bound_of_all_replies_who_leaves_much_unread_pauses)
{
    struct budget_client deaf = {0}, slow = {0};
    budget_reply_queued(budget, &slow, CLIENT_UNREAD_BYTES_MAX);
    budget_reply_queued(budget, &deaf, REPLIES_MAX - CLIENT_UNREAD_BYTES_MAX - 1);
    ck_assert(!budget_client_must_pause(budget, &deaf) && budget_may_answer(budget));
    budget_reply_queued(budget, &deaf, 1);
    ck_assert(budget_replies_are_full(budget) && !budget_may_answer(budget));
    ck_assert(budget_client_must_pause(budget, &deaf) && !budget_client_must_pause(budget, &slow));
    ck_assert(!budget_client_may_have_short(&deaf) && budget_client_may_have_short(&slow));
    budget_reply_gone(budget, &deaf, deaf.replies_bytes);
    budget_reply_gone(budget, &slow, slow.replies_bytes);
}
END_TEST

START_TEST(reads_count_twice_and_one_runs_alone_whatever_cursors_keep)
{
    struct budget_stream stream = {0};
    budget_read_begins(budget, REPLIES_MAX / 4);
    ck_assert_uint_eq(budget_answers_bytes(budget), REPLIES_MAX / 2);
    ck_assert(!budget_may_read(budget, REPLIES_MAX / 4 + 1) && budget_may_read(budget, REPLIES_MAX / 4));
    budget_read_ends(budget, REPLIES_MAX / 4);
    budget_stream_open(budget, &stream, REPLIES_MAX);
    ck_assert(budget_may_read(budget, REPLIES_MAX));
    budget_read_begins(budget, REPLIES_MAX);
    ck_assert(!budget_may_read(budget, 1));
    budget_read_ends(budget, REPLIES_MAX);
    budget_stream_close(budget, &stream);
}
END_TEST

START_TEST(a_read_ends_with_what_it_began_with_whatever_the_bound_is_by_then)
{
    budget_read_begins(budget, REPLIES_MAX);
    ck_assert_uint_eq(budget_answers_bytes(budget), REPLIES_MAX);
    budget_set_replies_bytes_max(budget, REPLIES_MAX / 4);
    ck_assert(!budget_may_answer(budget) && !budget_may_read(budget, 1));
    budget_read_ends(budget, REPLIES_MAX);
    ck_assert_uint_eq(budget_answers_bytes(budget), 0);
    ck_assert(budget_may_read(budget, REPLIES_MAX / 8));
    budget_read_begins(budget, REPLIES_MAX / 8);
    ck_assert(!budget_may_read(budget, 1)); /* the lower bound is full */
    budget_set_replies_bytes_max(budget, 4 * REPLIES_MAX);
    ck_assert(budget_may_read(budget, REPLIES_MAX));
    budget_read_ends(budget, REPLIES_MAX / 8);
    ck_assert_uint_eq(budget_answers_bytes(budget), 0);
}
END_TEST

START_TEST(client_that_was_cut_sends_on_once_its_replies_are_with_the_kernel)
{
    struct budget_client client = {0};
    budget_client_cut(&client);
    ck_assert(budget_client_may_send(&client)); /* else it would wait for ever */
    budget_reply_queued(budget, &client, 10);
    budget_reply_queued(budget, &client, 10);
    ck_assert(!budget_client_may_send(&client));
    budget_reply_gone(budget, &client, 10);
    ck_assert(!budget_client_may_send(&client));
    budget_reply_gone(budget, &client, 10);
    budget_reply_queued(budget, &client, 10);
    ck_assert(budget_client_may_send(&client)); /* what was cut is past */
    budget_reply_gone(budget, &client, 10);
}
END_TEST

START_TEST(streams_open_for_what_they_would_keep_and_read_one_step_ahead)
{
    struct budget_stream stream = {0};
    ck_assert(budget_may_open_stream(budget, 0, 2 * REPLIES_MAX, 0));
    ck_assert(budget_may_open_stream(budget, 1, REPLIES_MAX - 10, 10));
    ck_assert(!budget_may_open_stream(budget, 1, REPLIES_MAX - 10, 11));
    budget_stream_open(budget, &stream, 100);
    ck_assert(!budget_may_open_stream(budget, 1, REPLIES_MAX - 99, 0));
    budget_stream_read(budget, &stream, STREAM_UNSENT_BYTES_MAX);
    ck_assert(budget_stream_may_read(&stream));
    budget_stream_read(budget, &stream, 1);
    ck_assert(!budget_stream_may_read(&stream));
    budget_stream_gone(budget, &stream, STREAM_UNSENT_BYTES_MAX + 1);
    budget_stream_close(budget, &stream);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("budget", 60, &tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, small_requests_fill_all_but_the_room_of_a_largest_frame);
    tcase_add_test(tests, small_requests_have_their_part_whatever_large_ones_hold);
    tcase_add_test(tests, large_writes_wait_for_room_and_a_lone_one_never_does);
    tcase_add_test(tests, large_write_keeps_what_was_set_aside_until_it_ends);
    tcase_add_test(tests, large_reads_that_stay_take_no_more_than_small_requests_may);
    tcase_add_test(tests, half_read_frame_leaves_small_requests_their_part);
    tcase_add_test(tests, what_large_requests_may_unpack_to_is_what_is_free_and_their_reservation);
    tcase_add_test(tests, one_large_write_at_a_time_is_extended_beyond_what_is_free);
    tcase_add_test(tests, a_large_read_waits_for_what_it_could_have_alone);
    tcase_add_test(tests, client_has_its_replies_or_one);
    tcase_add_test(tests, at_the_bound_of_all_replies_who_leaves_much_unread_pauses);
    tcase_add_test(tests, reads_count_twice_and_one_runs_alone_whatever_cursors_keep);
    tcase_add_test(tests, a_read_ends_with_what_it_began_with_whatever_the_bound_is_by_then);
    tcase_add_test(tests, client_that_was_cut_sends_on_once_its_replies_are_with_the_kernel);
    tcase_add_test(tests, streams_open_for_what_they_would_keep_and_read_one_step_ahead);
    return suite_run(suite, true);
}
