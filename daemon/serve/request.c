/* A request's end: its replies are packed and sent, and with the last one it is gone. What its handler refuses is answered
 * here by a status and a text; the connection goes on. */
#include "daemon/serve/request.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "proto/cairn.pb-c.h"

void request_end(struct request *request)
{
    assert(!request->is_ended);
    request->is_ended = true;
    if (!request->is_starting) {
        request_free(request);
    }
}

bool request_type_is_write(uint8_t type)
{
    return type == FRAME_COMMIT || type == FRAME_WRITE_METADATA;
}

void request_free(struct request *request)
{
    assert(request->is_ended);
    struct session *session = request->session;
    budget_request_end(request->service->budget, &request->memory);
    arena_close(&request->arena);
    free(request->taken_body);
    session->ended(session, request);
    free(request);
}

void request_count_held(struct request *request)
{
    uint64_t taken_bytes = request->taken_body != NULL ? request->body_bytes : 0;
    uint64_t held_bytes = sizeof *request + arena_bytes(&request->arena) + taken_bytes;
    budget_request_hold(request->service->budget, &request->memory, held_bytes);
}

/* ---- replies ---- */

/* Requests about an open stream have no reply, not even when they are refused. */
bool request_is_about_stream(const struct request *request)
{
    return request->type == FRAME_CREDIT || request->type == FRAME_CANCEL;
}

uint8_t *request_pack(const ProtobufCMessage *message, size_t *ret_body_bytes)
{
    size_t body_bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *frame = memory_raw(FRAME_REPLY_BYTES + body_bytes);
    protobuf_c_message_pack(message, frame + FRAME_REPLY_BYTES);
    *ret_body_bytes = body_bytes;
    return frame;
}

static void send_frame(struct request *request, uint8_t flags, enum status status, uint8_t *frame,
                       size_t body_bytes)
{
    struct session *session = request->session;
    if (session->is_closed) {
        free(frame);
        return;
    }
    assert(body_bytes <= UINT32_MAX);
    struct frame_reply header = {
        .type = request->type,
        .flags = flags,
        .status = (uint8_t)status,
        .body_bytes = (uint32_t)body_bytes,
        .id = request->id,
    };
    session->send(session, &header, frame);
}

void request_send(struct request *request, uint8_t flags, uint8_t *frame, size_t body_bytes)
{
    send_frame(request, flags, STATUS_OK, frame, body_bytes);
}

void request_reply_packed(struct request *request, uint8_t *frame, size_t body_bytes)
{
    size_t bound = request->service->frame_bytes_max;
    const uint8_t *rest = frame + FRAME_REPLY_BYTES;
    bool is_cut = body_bytes > bound;
    for (; body_bytes > bound; body_bytes -= bound, rest += bound) {
        uint8_t *piece = memory_raw(FRAME_REPLY_BYTES + bound);
        memcpy(piece + FRAME_REPLY_BYTES, rest, bound);
        send_frame(request, FRAME_CONTINUED, STATUS_OK, piece, bound);
    }
    if (is_cut) {
        memmove(frame + FRAME_REPLY_BYTES, rest, body_bytes);
    }
    send_frame(request, 0, STATUS_OK, frame, body_bytes);
    request_end(request);
}

void request_reply(struct request *request, enum status status, const ProtobufCMessage *message)
{
    size_t body_bytes;
    uint64_t from_ns = request->is_timed ? thread_now_ns() : 0;
    uint8_t *frame = request_pack(message, &body_bytes);
    if (request->is_timed) {
        stage_add(request->service->stages, STAGE_ENCODE, thread_now_ns() - from_ns);
    }
    send_frame(request, 0, status, frame, body_bytes);
    request_end(request);
}

void request_reply_body(struct request *request, enum status status, const uint8_t *body, size_t body_bytes)
{
    struct session *session = request->session;
    if (!session->is_closed) {
        struct frame_reply header = {
            .type = request->type,
            .status = (uint8_t)status,
            .body_bytes = (uint32_t)body_bytes,
            .id = request->id,
        };
        uint64_t from_ns = request->is_timed ? thread_now_ns() : 0;
        session->send_copy(session, &header, body);
        if (request->is_timed) {
            stage_add(request->service->stages, STAGE_ENCODE, thread_now_ns() - from_ns);
        }
    }
    request_end(request);
}

void request_reply_empty(struct request *request, enum status status)
{
    request_reply_body(request, status, NULL, 0);
}

void request_refuse(struct request *request, enum status status, const char *format, ...)
{
    char text[FAILURE_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (request_is_about_stream(request)) {
        request_end(request);
        return;
    }
    Cairn__Error error = CAIRN__ERROR__INIT;
    error.has_text = true;
    error.text = (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
    request_reply(request, status, &error.base);
}

/* ---- for handlers ---- */

void *request_memory(struct request *request, size_t bytes)
{
    void *memory = arena_alloc(&request->arena, bytes);
    if (memory == NULL && request->is_short) {
        request_refuse(request, STATUS_BUSY,
                       "there is no memory for the request beside the others: try again later");
        return NULL;
    }
    if (memory == NULL) {
        request_refuse(request, STATUS_TOO_LARGE,
                       "the request takes more memory than its length allows: send it in parts");
        return NULL;
    }
    memset(memory, 0, bytes);
    request_count_held(request);
    return memory;
}

void request_set_deadline(struct request *request, uint64_t deadline_us)
{
    bool is_beyond = deadline_us > UINT64_MAX - request->received_us;
    request->deadline_us = deadline_us == 0 || is_beyond ? 0 : request->received_us + deadline_us;
}

struct chain *request_chain(struct request *request, bool has_name, ProtobufCBinaryData name)
{
    struct slice wanted = has_name ? request_slice(name) : slice_of("default", 7);
    if (!has_name && request->service->default_chain != NULL) {
        return request->service->default_chain;
    }
    struct chain *chain = chain_find(order_chains(request->service->order), wanted);
    if (chain != NULL && chain->visible) {
        request->service->default_chain = has_name ? request->service->default_chain : chain;
        return chain;
    }
    if (!chain_name_is_valid(wanted)) {
        request_refuse(request, STATUS_INVALID, "a chain's name of %zu bytes: it is 1 to %d of a-z 0-9 . _ -",
                       wanted.bytes, CHAIN_NAME_BYTES_MAX);
    } else {
        request_refuse(request, STATUS_INVALID, "there is no chain \"%.*s\": create it first",
                       (int)wanted.bytes, (const char *)wanted.data);
    }
    return NULL;
}
