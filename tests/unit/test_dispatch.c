/* A request's start: what is refused before a handler sees it, and how one that waits starts again. */
#include <check.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/service_fixture.h"
#include "tests/lib/suite.h"

enum { QUEUE_OPERATIONS_MAX = 4, SMALL_FRAME_BYTES = 256 << 10 };

static void setup(void)
{
    served.queue_operations_max = QUEUE_OPERATIONS_MAX;
    served.frame_bytes_max = SMALL_FRAME_BYTES;
    service_open();
}

static const struct service_reply *last_reply(void)
{
    ck_assert_uint_gt(served.reply_count, 0);
    return &served.replies[served.reply_count - 1];
}

static void assert_refused(enum status status, const char *words)
{
    ck_assert_int_eq(last_reply()->status, status);
    ck_assert_msg(strstr(last_reply()->text, words) != NULL, "\"%s\" does not say \"%s\"", last_reply()->text,
                  words);
}

START_TEST(an_unknown_type_is_unsupported_and_the_session_goes_on)
{
    const uint8_t unknown[] = {0, 15, 31, 99, 255};
    for (size_t i = 0; i < sizeof unknown; i++) {
        ck_assert_int_eq(service_start_bytes(unknown[i], "", 0, NULL), REQUEST_TAKEN);
        assert_refused(STATUS_UNSUPPORTED, "not known");
        ck_assert_uint_eq(served.service.frames_bad, i + 1);
    }
    Cairn__Ping ping = CAIRN__PING__INIT;
    ck_assert_int_eq(service_ask(FRAME_PING, &ping).status, STATUS_OK);
}
END_TEST

START_TEST(a_malformed_body_is_invalid_and_counted)
{
    const char *malformed = "\xff\xff\xff";
    ck_assert_int_eq(service_start_bytes(FRAME_COMMIT, malformed, 3, NULL), REQUEST_TAKEN);
    assert_refused(STATUS_INVALID, "3 bytes");
    ck_assert_uint_eq(served.service.frames_bad, 1);
    ck_assert_uint_eq(served.ended, served.started);
}
END_TEST

START_TEST(a_body_that_unpacks_to_more_than_its_length_allows_is_too_large)
{
    size_t bytes = 128 << 10;
    uint8_t *body = memory_raw(bytes);
    for (size_t i = 0; i < bytes; i += 2) { /* as many empty blocks as there is room for */
        memcpy(body + i, (const uint8_t[]){0x32, 0x00}, 2);
    }
    ck_assert_int_eq(service_start_bytes(FRAME_COMMIT, body, bytes, NULL), REQUEST_TAKEN);
    assert_refused(STATUS_TOO_LARGE, "is no commit request");
    ck_assert_uint_eq(served.service.frames_bad, 1);
    free(body);
}
END_TEST

/* A large write whose body dispatch takes. */
static enum request_progress start_taken(size_t value_bytes)
{
    Cairn__WriteMetadata *write =
        metadata_new(operation_set_bytes(bytes_of("name"), bytes_random(1, value_bytes)));
    size_t bytes = protobuf_c_message_get_packed_size(&write->base);
    uint8_t *body = memory_raw(bytes);
    protobuf_c_message_pack(&write->base, body);
    struct budget_request memory = budget_request_of(true, bytes);
    ck_assert_int_eq(budget_request_reserve(served.service.budget, &memory), BUDGET_GRANTED);
    const struct frame_request header = {
        .type = FRAME_WRITE_METADATA, .id = 50, .body_bytes = (uint32_t)bytes};
    served.started++;
    struct request *request = request_new(&served.session, &header, &memory, thread_now_us());
    return request_start_taken(request, body);
}

START_TEST(a_taken_body_is_freed_with_its_request)
{
    ck_assert_int_eq(start_taken(100 << 10), REQUEST_TAKEN);
    ck_assert_int_eq(last_reply()->status, STATUS_OK);
    ck_assert_uint_eq(served.ended, served.started);
    ck_assert_uint_eq(budget_requests_bytes(served.service.budget), 0);
}
END_TEST

START_TEST(a_stopping_daemon_refuses_requests_but_credit)
{
    served.service.draining = true;
    Cairn__Ping ping = CAIRN__PING__INIT;
    Cairn__Credit credit = CAIRN__CREDIT__INIT;
    ck_assert_int_eq(service_start(FRAME_PING, &ping, NULL), REQUEST_TAKEN);
    assert_refused(STATUS_SHUTTING_DOWN, "stopping");
    ck_assert_int_eq(service_start(FRAME_CREDIT, &credit, NULL), REQUEST_TAKEN);
    ck_assert_uint_eq(served.reply_count, 1);
    ck_assert_uint_eq(served.ended, 2);
    ck_assert_uint_eq(served.service.frames_bad, 0);
}
END_TEST

START_TEST(the_id_of_an_open_stream_is_not_taken_twice)
{
    Cairn__ListMetadata list = CAIRN__LIST_METADATA__INIT;
    Cairn__Ping ping = CAIRN__PING__INIT;
    list.has_window_bytes = true; /* of 0: it stays open */
    uint64_t id = service_next_id();
    ck_assert_int_eq(service_start(FRAME_LIST_METADATA, &list, NULL), REQUEST_TAKEN);
    ck_assert_int_eq(service_start_as(id, FRAME_PING, &ping), REQUEST_TAKEN);
    assert_refused(STATUS_INVALID, "that of an open stream");
    Cairn__Cancel cancel = CAIRN__CANCEL__INIT;
    ck_assert_int_eq(service_start_as(id, FRAME_CANCEL, &cancel), REQUEST_TAKEN);
    service_settle();
    ck_assert_int_eq(service_start_as(id, FRAME_PING, &ping), REQUEST_TAKEN);
    ck_assert_int_eq(last_reply()->status, STATUS_OK);
}
END_TEST

/* ---- requests that wait ---- */

static enum request_progress write_name(unsigned number, uint64_t deadline_us, struct request **ret_request)
{
    char name[] = {(char)('a' + (char)number), '\0'};
    Cairn__WriteMetadata *write = metadata_new(operation_set(name, "value"));
    write->has_deadline_us = deadline_us != 0;
    write->deadline_us = deadline_us;
    return service_start(FRAME_WRITE_METADATA, write, ret_request);
}

static struct request *fill_queue(uint64_t deadline_us)
{
    struct request *request;
    for (unsigned i = 0; i < QUEUE_OPERATIONS_MAX; i++) {
        ck_assert_int_eq(write_name(i, 0, NULL), REQUEST_TAKEN);
    }
    ck_assert_int_eq(write_name(QUEUE_OPERATIONS_MAX, deadline_us, &request), REQUEST_WAITS);
    ck_assert_uint_eq(served.reply_count, QUEUE_OPERATIONS_MAX);
    return request;
}

/* Also with what its handler asked for: more than fits into the request itself. */
START_TEST(a_request_that_stays_is_counted_until_it_ends)
{
    enum { STATES = 100 };
    ck_assert_int_eq(write_name(0, 0, NULL), REQUEST_TAKEN);
    ck_assert_uint_eq(budget_requests_bytes(served.service.budget), 0);
    Cairn__Commit *commit = commit_of_block(1, "header");
    for (unsigned i = 0; i < STATES; i++) {
        commit_state(commit, i, "state");
    }
    ck_assert_int_eq(service_start(FRAME_COMMIT, commit, NULL), REQUEST_TAKEN);
    ck_assert_uint_gt(budget_requests_bytes(served.service.budget),
                      sizeof(struct request) + STATES * sizeof(struct job_state));
    service_settle();
    ck_assert_uint_eq(budget_requests_bytes(served.service.budget), 0);
}
END_TEST

START_TEST(a_write_that_waits_starts_again_until_there_is_room)
{
    struct request *request = fill_queue(0);
    ck_assert_int_eq(request_start_again(request, thread_now_us()), REQUEST_WAITS);
    ck_assert_uint_eq(served.reply_count, QUEUE_OPERATIONS_MAX);
    enum request_progress progress = REQUEST_WAITS;
    for (uint64_t began_ms = clock_ms(); progress == REQUEST_WAITS;) {
        service_iterate();
        progress = request_start_again(request, thread_now_us());
        ck_assert_uint_lt(clock_ms() - began_ms, (uint64_t)patience_ms(10000));
    }
    ck_assert_int_eq(last_reply()->status, STATUS_OK);
    ck_assert_uint_eq(served.ended, served.started);
}
END_TEST

START_TEST(a_write_that_waits_beyond_its_deadline_is_busy_and_was_not_applied)
{
    struct request *request = fill_queue(1000000);
    uint64_t received_us = request->received_us;
    ck_assert_int_eq(request_start_again(request, received_us + 999999), REQUEST_WAITS);
    ck_assert_int_eq(request_start_again(request, received_us + 1000000), REQUEST_TAKEN);
    assert_refused(STATUS_BUSY, "deadline");
    ck_assert_uint_eq(order_counters(served.service.order)->metadata_accepted, QUEUE_OPERATIONS_MAX);
}
END_TEST

START_TEST(a_write_that_waits_is_refused_when_the_daemon_stops)
{
    struct request *request = fill_queue(0);
    served.service.draining = true;
    ck_assert_int_eq(request_start_again(request, thread_now_us()), REQUEST_TAKEN);
    assert_refused(STATUS_SHUTTING_DOWN, "nothing was applied");
}
END_TEST

START_TEST(a_write_behind_one_that_waits_waits_too)
{
    served.service.is_contended = true;
    struct request *request;
    ck_assert_int_eq(write_name(0, 0, &request), REQUEST_WAITS);
    served.service.is_contended = false;
    ck_assert_int_eq(request_start_again(request, thread_now_us()), REQUEST_TAKEN);
    ck_assert_int_eq(last_reply()->status, STATUS_OK);
}
END_TEST

/* Everything else a reader may ask for, dry runs included. */
START_TEST(a_request_above_the_role_of_its_session_is_refused_before_its_handler_sees_it)
{
    static const struct {
        uint8_t type;
        enum role needed;
    } kinds[] = {{FRAME_CREATE_CHAIN, ROLE_WRITER}, {FRAME_WRITE_METADATA, ROLE_WRITER},
                 {FRAME_COMMIT, ROLE_WRITER},       {FRAME_BARRIER, ROLE_WRITER},
                 {FRAME_PRUNE, ROLE_WRITER},        {FRAME_ROLLBACK, ROLE_WRITER},
                 {FRAME_DROP_CHAIN, ROLE_WRITER},   {FRAME_CLAIM, ROLE_WRITER},
                 {FRAME_PRESENT, ROLE_WRITER},      {FRAME_RELEASE, ROLE_WRITER},
                 {FRAME_DRAIN, ROLE_ADMIN}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (enum role role = ROLE_READER; role < kinds[i].needed; role++) {
            served.session.role = role;
            ck_assert_int_eq(service_start_bytes(kinds[i].type, "", 0, NULL), REQUEST_TAKEN);
            assert_refused(STATUS_PERMISSION, roles_text(role));
            ck_assert_ptr_nonnull(strstr(last_reply()->text, roles_text(kinds[i].needed)));
        }
    }
    ck_assert_uint_eq(order_sequence(served.service.order), 0);
    served.session.role = ROLE_READER;
    Cairn__Height height = CAIRN__HEIGHT__INIT;
    ck_assert_int_eq(service_ask(FRAME_HEIGHT, &height).status, STATUS_OK);
    Cairn__Rollback *rollback = rollback_to(5);
    rollback->has_dry_run = rollback->dry_run = true;
    ck_assert_int_eq(service_ask(FRAME_ROLLBACK, rollback).status, STATUS_CONFLICT); /* above the height */
    Cairn__Prune *prune = prune_blocks(5);
    prune->has_dry_run = prune->dry_run = true;
    ck_assert_int_eq(service_ask(FRAME_PRUNE, prune).status, STATUS_CONFLICT);
}
END_TEST

/* A large write of many small operations, whose body dispatch takes, beside another that has its room. */
static struct request *start_short(struct budget_request *ret_other)
{
    enum { OPERATIONS = 12000 };
    *ret_other = budget_request_of(true, 100 << 10);
    ck_assert_int_eq(budget_request_reserve(served.service.budget, ret_other), BUDGET_GRANTED);
    Cairn__Commit *commit = commit_of_block(1, "x");
    commit->n_metadata = OPERATIONS;
    commit->metadata = kept_alloc(OPERATIONS * sizeof commit->metadata[0]);
    for (size_t i = 0; i < OPERATIONS; i++) {
        commit->metadata[i] = operation_set("a", "");
    }
    size_t bytes = protobuf_c_message_get_packed_size(&commit->base);
    uint8_t *body = memory_raw(bytes);
    protobuf_c_message_pack(&commit->base, body);
    struct budget_request memory = budget_request_of(true, bytes);
    ck_assert_int_eq(budget_request_reserve(served.service.budget, &memory), BUDGET_GRANTED);
    const struct frame_request header = {.type = FRAME_COMMIT, .id = 50, .body_bytes = (uint32_t)bytes};
    served.started++;
    struct request *request = request_new(&served.session, &header, &memory, thread_now_us());
    ck_assert_int_eq(request_start_taken(request, body), REQUEST_WAITS_MEMORY);
    ck_assert_uint_eq(served.reply_count, 0);
    return request;
}

START_TEST(a_request_that_others_leave_no_memory_for_waits_and_is_carried_out)
{
    struct budget_request other;
    struct request *request = start_short(&other);
    ck_assert_int_eq(budget_request_extend(served.service.budget, &other, 1 << 20), BUDGET_GRANTED);
    ck_assert_int_eq(request_ask_memory(request), BUDGET_WAITS); /* one at a time */
    budget_request_end(served.service.budget, &other);
    ck_assert_int_eq(request_ask_memory(request), BUDGET_GRANTED);
    ck_assert_int_eq(request_start_again(request, thread_now_us()), REQUEST_TAKEN);
    service_settle();
    ck_assert_int_eq(last_reply()->status, STATUS_OK);
    ck_assert_uint_eq(budget_requests_bytes(served.service.budget), 0);
}
END_TEST

START_TEST(a_request_that_waits_for_memory_is_refused_when_the_daemon_stops)
{
    struct budget_request other;
    struct request *request = start_short(&other);
    served.service.draining = true;
    ck_assert_int_eq(request_ask_memory(request), BUDGET_GRANTED);
    ck_assert_int_eq(request_start_again(request, thread_now_us()), REQUEST_TAKEN);
    assert_refused(STATUS_SHUTTING_DOWN, "nothing was applied");
    budget_request_end(served.service.budget, &other);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("dispatch", 20, &tests);
    tcase_add_checked_fixture(tests, setup, service_close);
    tcase_add_test(tests, an_unknown_type_is_unsupported_and_the_session_goes_on);
    tcase_add_test(tests, a_request_above_the_role_of_its_session_is_refused_before_its_handler_sees_it);
    tcase_add_test(tests, a_malformed_body_is_invalid_and_counted);
    tcase_add_test(tests, a_body_that_unpacks_to_more_than_its_length_allows_is_too_large);
    tcase_add_test(tests, a_taken_body_is_freed_with_its_request);
    tcase_add_test(tests, a_stopping_daemon_refuses_requests_but_credit);
    tcase_add_test(tests, the_id_of_an_open_stream_is_not_taken_twice);
    tcase_add_test(tests, a_request_that_stays_is_counted_until_it_ends);
    tcase_add_test(tests, a_write_that_waits_starts_again_until_there_is_room);
    tcase_add_test(tests, a_write_that_waits_beyond_its_deadline_is_busy_and_was_not_applied);
    tcase_add_test(tests, a_write_that_waits_is_refused_when_the_daemon_stops);
    tcase_add_test(tests, a_write_behind_one_that_waits_waits_too);
    tcase_add_test(tests, a_request_that_others_leave_no_memory_for_waits_and_is_carried_out);
    tcase_add_test(tests, a_request_that_waits_for_memory_is_refused_when_the_daemon_stops);
    return suite_run(suite, false);
}
