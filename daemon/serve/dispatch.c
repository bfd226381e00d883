/* A request's start: its type is looked up, its body checked and unpacked into its arena, its handler called. */
#include "daemon/serve/dispatch.h"

#include <assert.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/handlers.h"
#include "daemon/serve/stream.h"
#include "daemon/wire/message.h"
#include "daemon/wire/message_metadata.h"
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

struct request *request_new(struct session *session, const struct frame_request *header,
                            const struct budget_request *memory, uint64_t now_us)
{
    struct request *request = memory_raw(sizeof *request);
    memset(request, 0, offsetof(struct request, first));
    request->session = session;
    request->service = session->service;
    request->type = header->type;
    request->id = header->id;
    request->received_us = now_us;
    request->body_bytes = header->body_bytes;
    request->memory = *memory;
    arena_init(&request->arena, message_budget(header->body_bytes));
    arena_lend(&request->arena, request->first, sizeof request->first);
    return request;
}

/* Unpacks the body where it is to stay: a small one is copied to the arena first. */
static enum status unpack(struct request *request, const ProtobufCMessageDescriptor *descriptor,
                          const uint8_t *body, const char **ret_text)
{
    const uint8_t *kept = request->taken_body;
    request->is_timed = stage_is_sampled(request->service->stages);
    uint64_t from_ns = request->is_timed ? thread_now_ns() : 0;
    if (kept == NULL) {
        uint8_t *copy = arena_alloc(&request->arena, request->body_bytes);
        if (copy == NULL) {
            *ret_text = "out of memory; try again later";
            return STATUS_BUSY;
        }
        if (request->body_bytes > 0) {
            memcpy(copy, body, request->body_bytes);
        }
        kept = copy;
    }
    bool is_by_hand = descriptor == &cairn__write_metadata__descriptor &&
                      message_unpack_metadata(kept, request->body_bytes, &request->arena, &request->message);
    enum status status = is_by_hand ? STATUS_OK
                                    : message_unpack(descriptor, kept, request->body_bytes, &request->arena,
                                                     &request->message, ret_text);
    if (status == STATUS_TOO_LARGE && request->is_short) {
        *ret_text = "there is no memory to unpack it beside the other requests; try again later";
        status = STATUS_BUSY;
    }
    if (request->is_timed) {
        stage_add(request->service->stages, STAGE_DECODE, thread_now_ns() - from_ns);
    }
    return status;
}

static enum request_progress begin(struct request *request, const uint8_t *body)
{
    const struct request_kind *kind = request_kind(request->type);
    if (kind == NULL) {
        request->service->frames_bad++;
        request_refuse(request, STATUS_UNSUPPORTED, "request type %u is not known to this version",
                       request->type);
        return REQUEST_TAKEN;
    }
    if (request->service->draining && !request_is_about_stream(request)) {
        request_refuse(request, STATUS_SHUTTING_DOWN, "the daemon is stopping: connect again later");
        return REQUEST_TAKEN;
    }
    if (!request_is_about_stream(request) && stream_has_id(request->session, request->id)) {
        request_refuse(request, STATUS_INVALID, "request id %lu is that of an open stream", request->id);
        return REQUEST_TAKEN;
    }
    const char *text = NULL;
    enum status status = unpack(request, kind->descriptor, body, &text);
    if (status == STATUS_BUSY) {
        request_refuse(request, status, "the body of %zu bytes: %s", request->body_bytes, text);
        return REQUEST_TAKEN;
    }
    if (status != STATUS_OK) {
        request->service->frames_bad++;
        request_refuse(request, status, "the body of %zu bytes is no %s request: %s", request->body_bytes,
                       frame_type_text(request->type), text);
        return REQUEST_TAKEN;
    }
    request_count_held(request);
    return kind->start(request);
}

static enum request_progress begin_again(struct request *request, uint64_t now_us)
{
    if (request->deadline_us != 0 && now_us >= request->deadline_us) {
        request_refuse(
            request, STATUS_BUSY,
            "there was no room in the queue within the request's deadline: nothing was applied, try again "
            "later");
        return REQUEST_TAKEN;
    }
    if (request->service->draining) {
        request_refuse(request, STATUS_SHUTTING_DOWN, "the daemon is stopping: nothing was applied");
        return REQUEST_TAKEN;
    }
    return request_kind(request->type)->start(request);
}

/* Whatever ended it on the way, it was there until the handler was through. */
static enum request_progress started(struct request *request, enum request_progress progress)
{
    request->is_starting = false;
    if (request->is_ended) {
        assert(progress == REQUEST_TAKEN);
        request_free(request);
    }
    return progress;
}

enum request_progress request_start(struct request *request, const uint8_t *body)
{
    assert(thread_is(THREAD_LOOP));
    request->is_starting = true;
    return started(request, begin(request, body));
}

/* To unpack the body it has what is free, and its bytes once more at any rate. */
enum request_progress request_start_taken(struct request *request, uint8_t *body)
{
    uint64_t body_bytes = request->body_bytes;
    uint64_t room = budget_request_room(request->service->budget, &request->memory);
    uint64_t rest = room > 2 * body_bytes ? room - body_bytes : body_bytes; /* beside the body */
    request->taken_body = body;
    request->arena.budget -= body_bytes; /* its part of it lies beside the arena */
    if (request->arena.budget > rest) {
        request->arena.budget = rest;
        request->is_short = true;
    }
    return request_start(request, body);
}

enum request_progress request_start_again(struct request *request, uint64_t now_us)
{
    request->is_starting = true;
    return started(request, begin_again(request, now_us));
}
