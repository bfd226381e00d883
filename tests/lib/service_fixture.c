#include "tests/lib/service_fixture.h"

#include <check.h>
#include <stdlib.h>

#include "daemon/order/order_internal.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/epochs.h"
#include "daemon/serve/read.h"
#include "proto/cairn.pb-c.h"
#include "tests/fake_engine/fake_engine.h"
#include "tests/lib/kept.h"
#include "tests/lib/suite.h"

struct service_fixture served;

static uint64_t last_id;
static uint64_t counted_bytes; /* of replies that wait for service_take_replies */

static const char disk_path[] = "service";

static uint64_t or_default(uint64_t set, uint64_t otherwise)
{
    return set != 0 ? set : otherwise;
}

/* ---- the session ---- */

static void record(const struct frame_reply *header, const uint8_t *body)
{
    struct service_reply reply = {
        .header = *header,
        .status = header->status,
        .body = {header->body_bytes, kept_copy(body, header->body_bytes)},
        .text = "",
    };
    if (reply.status != STATUS_OK && header->body_bytes > 0) {
        const Cairn__Error *error = cairn__error__unpack(kept_allocator(), reply.body.len, reply.body.data);
        ck_assert_msg(error != NULL, "a refusal that is no error message");
        reply.text = kept_copy(error->text.data, error->text.len);
        reply.reason = error->has_reason ? (int)error->reason : 0;
        reply.has_last_number = error->has_last_number;
        reply.last_number = error->last_number;
    }
    served.replies = realloc(served.replies, (served.reply_count + 1) * sizeof reply);
    served.replies[served.reply_count++] = reply;
    if (served.counts_replies) {
        uint64_t bytes = FRAME_REPLY_BYTES + header->body_bytes;
        budget_reply_queued(served.service.budget, &served.session.client, bytes);
        counted_bytes += bytes;
    }
}

static void on_send(struct session *session, struct frame_reply *header, uint8_t *frame)
{
    ck_assert(session == &served.session && !session->is_closed);
    record(header, frame + FRAME_REPLY_BYTES);
    free(frame);
}

static void on_send_copy(struct session *session, struct frame_reply *header, const uint8_t *body)
{
    ck_assert(session == &served.session && !session->is_closed);
    record(header, body);
}

static void on_ended(struct session *session, struct request *request)
{
    ck_assert(session == &served.session && request->is_ended);
    served.ended++;
}

static bool is_unpacked;

static void on_unpacked(struct session *session, struct request *request)
{
    ck_assert_ptr_eq(session, &served.session);
    ck_assert_int_eq(request_start_unpacked(request), REQUEST_TAKEN);
    is_unpacked = true;
}

static void on_wake(void *context)
{
    (void)context;
}

/* ---- opening and closing ---- */

static void open_order(void)
{
    struct failure failure;
    struct engine_config engine_config = {.path = disk_path, .create = true};
    served.disk = fake_disk_new(disk_path, 1);
    numbers_fixture_open(&served.numbers, NULL);
    ck_assert_int_eq(engine_open(&engine_fake, &engine_config, &served.service.engine, &failure), ENGINE_OK);
    struct order_config config = {
        .engine = served.service.engine,
        .numbers = &served.numbers.numbers,
        .queue_operations_max = served.service.queue_operations_max,
        .queue_bytes_max = served.service.queue_bytes_max,
        .flush_delay_us = 1000,
        .sync_interval_us = 1000000,
        .chains_max = 4,
        .cache_bytes = 1 << 20,
        .stages = &served.stages,
        .wake = on_wake,
    };
    ck_assert_int_eq(order_open(&config, &served.service.order, &failure), STATUS_OK);
}

void service_open(void)
{
    thread_set_role(THREAD_LOOP);
    struct service *service = &served.service;
    static const struct roles roles; /* no list */
    *service = (struct service){
        .roles = &roles,
        .stages = &served.stages,
        .frame_bytes_max = or_default(served.frame_bytes_max, 1 << 20),
        .value_bytes_max = QUEUED_VALUE_BYTES_MAX,
        .queue_operations_max = or_default(served.queue_operations_max, 64),
        .queue_bytes_max = or_default(served.queue_bytes_max, 1 << 20),
        .claim_grace_us = 1000000,
        .started_us = thread_now_us(),
    };
    open_order();
    ck_assert_int_eq(uv_loop_init(&served.loop), 0);
    const struct budget_limits limits = {
        .frame_bytes_max = service->frame_bytes_max,
        .requests_bytes_max = 2 * service->frame_bytes_max,
        .replies_bytes_max = or_default(served.replies_bytes_max, 32 << 20),
    };
    service->budget = budget_new(&limits);
    service->turns = turns_new();
    service->pool = pool_new(&served.loop, service->budget, service->turns, NULL);
    service->streams = stream_set_new(service, or_default(served.streams_max, 4), STREAM_TIMEOUT_US);
    served.session = (struct session){.service = service,
                                      .role = ROLE_ADMIN,
                                      .is_greeted = true,
                                      .send = on_send,
                                      .send_copy = on_send_copy,
                                      .ended = on_ended,
                                      .unpacked = on_unpacked};
    turns_join(service->turns, &served.session.member, TURNS_NOBODY, 0); /* as no peer */
}

void service_close(void)
{
    struct service *service = &served.service;
    stream_end_all(&served.session, STATUS_SHUTTING_DOWN, "the test ends");
    service_take_replies();
    order_begin_stop(service->order);
    service_settle();
    while (order_failure(service->order) == NULL && !order_is_idle(service->order)) {
        service_iterate();
    }
    epochs_leave(&served.session, thread_now_us());
    ck_assert_uint_eq(budget_requests_bytes(service->budget), 0);
    ck_assert_uint_eq(budget_answers_bytes(service->budget), 0);
    stream_set_free(service->streams);
    pool_free(service->pool);
    turns_leave(service->turns, &served.session.member);
    turns_free(service->turns);
    budget_free(service->budget);
    ck_assert_int_eq(uv_loop_close(&served.loop), 0);
    order_close(service->order);
    numbers_fixture_close(&served.numbers);
    engine_close(service->engine, ENGINE_CLOSE_CLEAN);
    fake_disk_free(served.disk);
    free(served.replies);
    kept_clear();
}

/* ---- iterating ---- */

static void step_writer(void)
{
    thread_set_role(THREAD_WRITER);
    while (writer_step(served.service.order->writer, thread_now_us()) == WRITER_STEPPED) {
    }
    thread_set_role(THREAD_LOOP);
}

void service_iterate(void)
{
    struct service *service = &served.service;
    order_drain_completions(service->order, thread_now_ns());
    (void)stream_go_on(&served.session, UINT64_MAX);
    read_go_on(&served.session);
    (void)order_hand_over(service->order, thread_now_us());
    (void)stream_set_iterate(service->streams, thread_now_us());
    (void)pool_iterate(service->pool, thread_now_us());
    (void)uv_run(&served.loop, UV_RUN_NOWAIT);
    step_writer();
}

static void iterate_soon(uint64_t began_ms)
{
    service_iterate();
    if (served.started > served.ended) {
        sleep_ms(1); /* the pool's threads work meanwhile */
    }
    ck_assert_msg(clock_ms() - began_ms < (uint64_t)patience_ms(10000), "a request does not end");
}

void service_settle(void)
{
    for (uint64_t began_ms = clock_ms(); served.started > served.ended;) {
        iterate_soon(began_ms);
    }
}

void service_await_replies(size_t count)
{
    for (uint64_t began_ms = clock_ms(); served.reply_count < count;) {
        iterate_soon(began_ms);
    }
}

/* ---- requests ---- */

static enum request_progress start(uint64_t id, uint8_t type, const void *body, size_t body_bytes,
                                   struct request **ret_request)
{
    const struct frame_request header = {.type = type, .id = id, .body_bytes = (uint32_t)body_bytes};
    struct budget_request memory = budget_request_of(request_type_is_write(type), body_bytes);
    struct request *request = request_new(&served.session, &header, &memory, thread_now_us());
    served.started++;
    if (ret_request != NULL) {
        *ret_request = request;
    }
    if (body_bytes <= FRAME_BYTES_UNRESERVED) {
        return request_start(request, body);
    }
    is_unpacked = false;
    enum request_progress progress = request_start_taken(request, memory_copy(body, body_bytes));
    for (uint64_t began_ms = clock_ms(); progress == REQUEST_UNPACKS && !is_unpacked; service_iterate()) {
        ck_assert_uint_lt(clock_ms() - began_ms, (uint64_t)patience_ms(10000));
    }
    return progress == REQUEST_UNPACKS ? REQUEST_TAKEN : progress;
}

uint64_t service_next_id(void)
{
    return last_id + 1;
}

enum request_progress service_start_bytes(uint8_t type, const void *body, size_t body_bytes,
                                          struct request **ret_request)
{
    return start(++last_id, type, body, body_bytes, ret_request);
}

static uint8_t *pack(const void *message, size_t *ret_bytes)
{
    *ret_bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *body = kept_alloc(*ret_bytes + 1);
    protobuf_c_message_pack(message, body);
    return body;
}

enum request_progress service_start(uint8_t type, const void *message, struct request **ret_request)
{
    size_t bytes;
    uint8_t *body = pack(message, &bytes);
    return service_start_bytes(type, body, bytes, ret_request);
}

enum request_progress service_start_as(uint64_t id, uint8_t type, const void *message)
{
    size_t bytes;
    uint8_t *body = pack(message, &bytes);
    return start(id, type, body, bytes, NULL);
}

struct service_reply service_ask(uint8_t type, const void *message)
{
    size_t before = served.reply_count;
    ck_assert_int_eq(service_start(type, message, NULL), REQUEST_TAKEN);
    service_settle();
    ck_assert_uint_gt(served.reply_count, before);
    return served.replies[served.reply_count - 1];
}

void service_ask_refused(uint8_t type, const void *message, enum status status, const char *words)
{
    size_t before = served.reply_count;
    struct service_reply reply = service_ask(type, message);
    ck_assert_uint_eq(served.reply_count, before + 1);
    ck_assert_msg(reply.status == status, "%s: \"%s\"", status_text(reply.status), reply.text);
    ck_assert_msg(strstr(reply.text, words) != NULL, "\"%s\" does not say \"%s\"", reply.text, words);
}

void service_ask_conflict(uint8_t type, const void *message, enum conflict_reason reason, const char *words)
{
    service_ask_refused(type, message, STATUS_CONFLICT, words);
    ck_assert_int_eq(served.replies[served.reply_count - 1].reason, reason);
}

/* ---- the peer ---- */

void service_take_replies(void)
{
    if (counted_bytes > 0) {
        budget_reply_gone(served.service.budget, &served.session.client, counted_bytes);
    }
    counted_bytes = 0;
    served.counts_replies = false;
    (void)stream_go_on(&served.session, UINT64_MAX);
    read_go_on(&served.session);
}

void service_hang_up(void)
{
    served.session.is_closed = true;
    read_drop_all(&served.session);
    stream_end_all(&served.session, STATUS_OK, "");
}
