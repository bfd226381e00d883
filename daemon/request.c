/* A request's start: its type is looked up, its body checked and unpacked into its arena, its handler called. Whatever is
 * wrong with it is answered here or in the handler, by a status and a text; the connection goes on. */
#include "daemon/request.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/memory.h"
#include "daemon/message.h"
#include "daemon/stream.h"
#include "daemon/thread.h"
#include "proto/cairn.pb-c.h"

struct request_kind {
    const ProtobufCMessageDescriptor *descriptor;
    enum request_progress (*start)(struct request *request);
};

static const struct request_kind *request_kind(uint8_t type)
{
    static const struct request_kind kinds[] = {
        [FRAME_HELLO] = {&cairn__hello__descriptor, admin_hello},
        [FRAME_PING] = {&cairn__ping__descriptor, admin_ping},
        [FRAME_STATUS] = {&cairn__status__descriptor, admin_status},
        [FRAME_CHAINS] = {&cairn__chains__descriptor, admin_chains},
        [FRAME_CREATE_CHAIN] = {&cairn__create_chain__descriptor, admin_create_chain},
        [FRAME_HEIGHT] = {&cairn__height__descriptor, read_height},
        [FRAME_READ_BLOCK] = {&cairn__read_block__descriptor, read_block},
        [FRAME_READ_BLOCKS] = {&cairn__read_blocks__descriptor, stream_blocks},
        [FRAME_READ_STATE] = {&cairn__read_state__descriptor, read_state},
        [FRAME_GET_METADATA] = {&cairn__get_metadata__descriptor, read_metadata},
        [FRAME_GET_METADATA_MANY] = {&cairn__get_metadata_many__descriptor, stream_metadata},
        [FRAME_LIST_METADATA] = {&cairn__list_metadata__descriptor, stream_list},
        [FRAME_CREDIT] = {&cairn__credit__descriptor, stream_credit},
        [FRAME_CANCEL] = {&cairn__cancel__descriptor, stream_cancel},
        [FRAME_WRITE_METADATA] = {&cairn__write_metadata__descriptor, write_metadata},
        [FRAME_COMMIT] = {&cairn__commit__descriptor, write_commit},
        [FRAME_PRUNE] = {&cairn__prune__descriptor, write_prune},
        [FRAME_ROLLBACK] = {&cairn__rollback__descriptor, write_rollback},
        [FRAME_BARRIER] = {&cairn__barrier__descriptor, write_barrier},
    };
    bool is_known = type < sizeof kinds / sizeof kinds[0] && kinds[type].start != NULL;
    return is_known ? &kinds[type] : NULL;
}

struct request *request_new(struct session *session, const struct frame_request *header, uint64_t now_us)
{
    struct request *request = memory_new(sizeof *request);
    request->session = session;
    request->service = session->service;
    request->type = header->type;
    request->id = header->id;
    request->received_us = now_us;
    arena_init(&request->arena, message_budget(header->body_bytes));
    return request;
}

static void request_end(struct request *request)
{
    struct session *session = request->session;
    request->service->requests_bytes -= request->held_bytes;
    arena_close(&request->arena);
    session->ended(session, request);
    free(request);
}

/* Requests about an open stream have no reply, not even when they are refused. */
static bool is_about_stream(const struct request *request)
{
    return request->type == FRAME_CREDIT || request->type == FRAME_CANCEL;
}

enum request_progress request_start(struct request *request, const uint8_t *body, size_t body_bytes)
{
    assert(thread_is(THREAD_LOOP));
    const struct request_kind *kind = request_kind(request->type);
    if (kind == NULL) {
        request->service->frames_bad++;
        request_refuse(request, STATUS_UNSUPPORTED, "request type %u is not known to this version",
                       request->type);
        return REQUEST_TAKEN;
    }
    if (request->service->draining && !is_about_stream(request)) {
        request_refuse(request, STATUS_SHUTTING_DOWN, "the daemon is stopping: connect again later");
        return REQUEST_TAKEN;
    }
    if (!is_about_stream(request) && stream_has_id(request->session, request->id)) {
        request_refuse(request, STATUS_INVALID, "request id %lu is that of an open stream", request->id);
        return REQUEST_TAKEN;
    }
    const char *text = NULL;
    enum status status =
        message_unpack(kind->descriptor, body, body_bytes, &request->arena, &request->message, &text);
    if (status != STATUS_OK) {
        request->service->frames_bad++;
        request_refuse(request, status, "the body of %zu bytes is no %s request: %s", body_bytes,
                       frame_type_text(request->type), text);
        return REQUEST_TAKEN;
    }
    request->held_bytes = sizeof *request + arena_bytes(&request->arena);
    request->service->requests_bytes += request->held_bytes;
    return kind->start(request);
}

enum request_progress request_start_again(struct request *request, uint64_t now_us)
{
    if (request->deadline_us != 0 && now_us >= request->deadline_us) {
        request_refuse(request, STATUS_BUSY,
                       "there was no room in the queue within the request's deadline: nothing was "
                       "applied, try again later");
        return REQUEST_TAKEN;
    }
    if (request->service->draining) {
        request_refuse(request, STATUS_SHUTTING_DOWN, "the daemon is stopping: nothing was applied");
        return REQUEST_TAKEN;
    }
    return request_kind(request->type)->start(request);
}

/* ---- replies ---- */

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
    uint8_t *frame = request_pack(message, &body_bytes);
    send_frame(request, 0, status, frame, body_bytes);
    request_end(request);
}

void request_reply_empty(struct request *request, enum status status)
{
    send_frame(request, 0, status, memory_raw(FRAME_REPLY_BYTES), 0);
    request_end(request);
}

void request_refuse(struct request *request, enum status status, const char *format, ...)
{
    char text[FAILURE_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (is_about_stream(request)) {
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
    if (memory == NULL) {
        request_refuse(request, STATUS_TOO_LARGE,
                       "the request takes more memory than its length allows: send it in parts");
        return NULL;
    }
    memset(memory, 0, bytes);
    uint64_t held_bytes = sizeof *request + arena_bytes(&request->arena);
    request->service->requests_bytes += held_bytes - request->held_bytes;
    request->held_bytes = held_bytes;
    return memory;
}

struct chain *request_chain(struct request *request, bool has_name, ProtobufCBinaryData name)
{
    struct slice wanted = has_name ? request_slice(name) : slice_of("default", 7);
    struct chain *chain = chain_find(order_chains(request->service->order), wanted);
    if (chain != NULL && chain->visible) {
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
