/* A request's end: one reply, whatever becomes of it, and all of its memory given back. */
#include <check.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

enum { SMALL_FRAME_BYTES = 64 << 10 };

static struct failure failure;

static void setup(void)
{
    served.frame_bytes_max = SMALL_FRAME_BYTES;
    service_open();
}

/* A request that no handler has seen. */
static struct request *request_of(uint8_t type, size_t body_bytes)
{
    const struct frame_request header = {.type = type, .id = 7, .body_bytes = (uint32_t)body_bytes};
    struct budget_request memory = budget_request_of(false, body_bytes);
    served.started++;
    return request_new(&served.session, &header, &memory, thread_now_us());
}

START_TEST(a_refusal_is_one_reply_with_its_status_and_text)
{
    request_refuse(request_of(FRAME_HEIGHT, 0), STATUS_BUSY, "height %d is taken", 3);
    ck_assert_uint_eq(served.reply_count, 1);
    ck_assert_uint_eq(served.ended, 1);
    ck_assert_int_eq(served.replies[0].status, STATUS_BUSY);
    ck_assert_str_eq(served.replies[0].text, "height 3 is taken");
    ck_assert_uint_eq(served.replies[0].header.id, 7);
    ck_assert_uint_eq(served.replies[0].header.flags, 0);
}
END_TEST

START_TEST(a_failure_is_refused_with_its_own_status)
{
    failure_set(&failure, STATUS_TOO_LARGE, "100%% of it");
    request_refuse_for(request_of(FRAME_HEIGHT, 0), &failure);
    ck_assert_int_eq(served.replies[0].status, STATUS_TOO_LARGE);
    ck_assert_str_eq(served.replies[0].text, "100% of it");
    ck_assert(served.replies[0].reason == REASON_NONE && !served.replies[0].has_last_number);
}
END_TEST

START_TEST(a_conflict_has_its_reason_and_may_have_a_number)
{
    failure_set_conflict(&failure, REASON_NUMBER, "number %d", 7);
    request_refuse_for(request_of(FRAME_COMMIT, 0), &failure);
    request_refuse_numbered(request_of(FRAME_PRESENT, 0), &failure, 0);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(served.replies[i].status, STATUS_CONFLICT);
        ck_assert_int_eq(served.replies[i].reason, REASON_NUMBER);
        ck_assert_str_eq(served.replies[i].text, "number 7");
        ck_assert(served.replies[i].has_last_number == (i == 1) && served.replies[i].last_number == 0);
    }
}
END_TEST

START_TEST(credit_and_cancel_have_no_reply_even_when_they_are_refused)
{
    request_refuse(request_of(FRAME_CREDIT, 0), STATUS_INVALID, "no");
    request_refuse(request_of(FRAME_CANCEL, 0), STATUS_INVALID, "no");
    ck_assert_uint_eq(served.reply_count, 0);
    ck_assert_uint_eq(served.ended, 2);
}
END_TEST

START_TEST(a_large_reply_is_cut_into_frames_that_add_up_to_it)
{
    const size_t sizes[] = {0, 1, SMALL_FRAME_BYTES, SMALL_FRAME_BYTES + 1, 3 * SMALL_FRAME_BYTES, 200001};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *frame = memory_raw(FRAME_REPLY_BYTES + sizes[i]);
        ProtobufCBinaryData body = bytes_random(i + 1, sizes[i]);
        memcpy(frame + FRAME_REPLY_BYTES, body.data, sizes[i]);
        size_t first = served.reply_count, at = 0;
        request_reply_packed(request_of(FRAME_READ_BLOCK, 0), frame, sizes[i]);
        for (size_t k = first; k < served.reply_count; k++) {
            const struct service_reply *reply = &served.replies[k];
            bool is_last = k + 1 == served.reply_count;
            ck_assert_uint_le(reply->body.len, SMALL_FRAME_BYTES);
            ck_assert_uint_eq(reply->header.flags, is_last ? 0 : FRAME_CONTINUED);
            ck_assert_int_eq(memcmp(reply->body.data, body.data + at, reply->body.len), 0);
            at += reply->body.len;
        }
        ck_assert_uint_eq(at, sizes[i]);
    }
}
END_TEST

START_TEST(a_reply_to_a_closed_session_is_dropped_and_ends_the_request)
{
    served.session.is_closed = true;
    request_reply_packed(request_of(FRAME_READ_BLOCK, 0), memory_raw(FRAME_REPLY_BYTES + 10), 10);
    request_reply_empty(request_of(FRAME_PING, 0), STATUS_OK);
    request_refuse(request_of(FRAME_HEIGHT, 0), STATUS_INVALID, "no");
    ck_assert_uint_eq(served.reply_count, 0);
    ck_assert_uint_eq(served.ended, 3);
}
END_TEST

START_TEST(memory_is_zeroed)
{
    struct request *request = request_of(FRAME_COMMIT, 10);
    request->is_starting = true;
    uint8_t *memory = request_memory(request, 5000, &failure);
    ck_assert_ptr_nonnull(memory);
    for (size_t i = 0; i < 5000; i++) {
        ck_assert_uint_eq(memory[i], 0);
    }
    request->is_starting = false;
    request_end(request);
}
END_TEST

START_TEST(want_of_memory_is_the_requests_fault_or_that_of_the_others_and_answers_nobody)
{
    struct request *request = request_of(FRAME_COMMIT, 10);
    request->is_starting = true;
    ck_assert_ptr_null(request_memory(request, 1 << 30, &failure));
    ck_assert_int_eq(failure.status, STATUS_TOO_LARGE);
    request->is_short = true;
    ck_assert_ptr_null(request_memory(request, 1 << 30, &failure));
    ck_assert_int_eq(failure.status, STATUS_BUSY);
    ck_assert_uint_eq(served.reply_count + served.ended, 0);
    request->is_starting = false;
    request_end(request);
}
END_TEST

START_TEST(a_chain_is_found_by_its_name_and_default_where_there_is_none)
{
    struct request *request = request_of(FRAME_HEIGHT, 0);
    const struct chain *chain = request_chain(request, false, bytes_of(""), &failure);
    ck_assert_ptr_nonnull(chain);
    ck_assert_ptr_eq(request_chain(request, false, bytes_of(""), &failure), chain);
    ck_assert_ptr_eq(request_chain(request, true, bytes_of("default"), &failure), chain);
    ck_assert_ptr_null(request_chain(request, true, bytes_of("other"), &failure));
    ck_assert_int_eq(failure.status, STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(failure.text, "\"other\""));
    ck_assert_ptr_null(request_chain(request, true, bytes_of("\x1b[31m"), &failure));
    ck_assert_ptr_null(strstr(failure.text, "\x1b")); /* what a peer chose is not printed raw */
    ck_assert_ptr_null(request_chain(request, true, bytes_of(""), &failure));
    ck_assert_uint_eq(served.reply_count, 0);
    request_end(request);
}
END_TEST

START_TEST(a_deadline_counts_from_when_the_request_was_received)
{
    const uint64_t none[] = {0, UINT64_MAX};
    for (int i = 0; i < 2; i++) {
        struct request *request = request_of(FRAME_WRITE_METADATA, 0);
        request_set_deadline(request, none[i]);
        ck_assert_uint_eq(request->deadline_us, 0);
        request_set_deadline(request, 1500);
        ck_assert_uint_eq(request->deadline_us, request->received_us + 1500);
        request_end(request);
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("request", 20, &tests);
    tcase_add_checked_fixture(tests, setup, service_close);
    tcase_add_test(tests, a_refusal_is_one_reply_with_its_status_and_text);
    tcase_add_test(tests, a_failure_is_refused_with_its_own_status);
    tcase_add_test(tests, a_conflict_has_its_reason_and_may_have_a_number);
    tcase_add_test(tests, credit_and_cancel_have_no_reply_even_when_they_are_refused);
    tcase_add_test(tests, a_large_reply_is_cut_into_frames_that_add_up_to_it);
    tcase_add_test(tests, a_reply_to_a_closed_session_is_dropped_and_ends_the_request);
    tcase_add_test(tests, memory_is_zeroed);
    tcase_add_test(tests, want_of_memory_is_the_requests_fault_or_that_of_the_others_and_answers_nobody);
    tcase_add_test(tests, a_chain_is_found_by_its_name_and_default_where_there_is_none);
    tcase_add_test(tests, a_deadline_counts_from_when_the_request_was_received);
    return suite_run(suite, false);
}
