/* A request's start:
 *
 * - It is made of a frame's header, when all of the frame is there.
 * - Its type is looked up, its body checked, unpacked into its arena and decoded, and the type's handler called.
 * - A large body is unpacked and decoded on the pool, since many small parts take it tens of milliseconds: one body at a time, in the
 *   order in which they came, so that each knows what memory the others hold. Then its handler is called on the loop.
 * - A handler that says REQUEST_WAITS is called again, by request_start_again, until it takes the request.
 * - A large body for which other requests hold the memory waits for that, and is unpacked again: REQUEST_WAITS_MEMORY.
 *
 * A type that is not known, a body that is malformed or too large, and one for which there is no memory are refused here: the
 * request ends with one reply, no handler has seen it, and the connection goes on. So it does when the deadline of a request
 * that waits is over, and when the daemon stops. */
#include "daemon/serve/dispatch.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/handlers.h"
#include "daemon/serve/stream.h"
#include "daemon/wire/message.h"
#include "daemon/wire/message_metadata.h"
#include "proto/cairn.pb-c.h"

struct request_kind {
    const ProtobufCMessageDescriptor *descriptor; /* of request->message, as the handler casts it */
    enum request_progress (*start)(struct request *request);
    enum role role; /* who may ask for it; is_permitted knows the exception */
    enum status (*decode)(struct request *request,
                          struct failure *failure); /* called before `start`; NULL: that decodes */
};

enum { UNPACKED_ON_LOOP_BYTES_MAX = 128 << 10 }; /* of the smallest parts it takes 4 ms; chosen */

/* What became of a body. */
enum unpacked {
    UNPACKED,
    UNPACK_MALFORMED, /* it is no message of its type */
    UNPACK_TOO_LARGE, /* it takes more elements, levels or memory than a body of its length may */
    UNPACK_SHORT,     /* other requests hold the memory now that it may take; the arena is empty again */
    UNPACK_NO_MEMORY, /* the machine has none */
};

/* What became of a body and of decoding it. */
struct outcome {
    enum unpacked unpacked;
    const char *text;       /* unless UNPACKED */
    enum status decoded;    /* if UNPACKED */
    struct failure failure; /* unless that is STATUS_OK */
};

/* A large body on its way through the pool. */
struct unpacking {
    struct pool_work work; /* first */
    struct request *request;
    const struct request_kind *kind;
    struct unpacking *next; /* in the service's list */
    /* the pool's while it runs */
    struct outcome outcome;
    uint64_t took_ns;
};

/* The kind of a type; NULL: this version does not know it. */
static const struct request_kind *request_kind(uint8_t type)
{
    static const struct request_kind kinds[] = {
        [FRAME_HELLO] = {&cairn__hello__descriptor, admin_hello, ROLE_READER},
        [FRAME_PING] = {&cairn__ping__descriptor, admin_ping, ROLE_READER},
        [FRAME_STATUS] = {&cairn__status__descriptor, admin_status, ROLE_READER},
        [FRAME_CHAINS] = {&cairn__chains__descriptor, chains_list, ROLE_READER},
        [FRAME_CREATE_CHAIN] = {&cairn__create_chain__descriptor, chains_create, ROLE_WRITER},
        [FRAME_DROP_CHAIN] = {&cairn__drop_chain__descriptor, chains_drop, ROLE_WRITER},
        [FRAME_DRAIN] = {&cairn__drain__descriptor, drain_start, ROLE_ADMIN},
        [FRAME_CLAIM] = {&cairn__claim__descriptor, claims_take, ROLE_WRITER},
        [FRAME_PRESENT] = {&cairn__present__descriptor, claims_present, ROLE_WRITER},
        [FRAME_RELEASE] = {&cairn__release__descriptor, claims_release, ROLE_WRITER},
        [FRAME_HEIGHT] = {&cairn__height__descriptor, read_height, ROLE_READER},
        [FRAME_READ_BLOCK] = {&cairn__read_block__descriptor, read_block, ROLE_READER},
        [FRAME_READ_BLOCKS] = {&cairn__read_blocks__descriptor, stream_blocks, ROLE_READER},
        [FRAME_READ_STATE] = {&cairn__read_state__descriptor, read_state, ROLE_READER},
        [FRAME_GET_METADATA] = {&cairn__get_metadata__descriptor, read_metadata, ROLE_READER},
        [FRAME_GET_METADATA_MANY] = {&cairn__get_metadata_many__descriptor, stream_metadata, ROLE_READER},
        [FRAME_LIST_METADATA] = {&cairn__list_metadata__descriptor, stream_list, ROLE_READER},
        [FRAME_USAGE] = {&cairn__usage__descriptor, usage_read, ROLE_READER},
        [FRAME_CREDIT] = {&cairn__credit__descriptor, stream_credit, ROLE_READER},
        [FRAME_CANCEL] = {&cairn__cancel__descriptor, stream_cancel, ROLE_READER},
        [FRAME_WRITE_METADATA] = {&cairn__write_metadata__descriptor, write_metadata, ROLE_WRITER,
                                  write_decode_metadata},
        [FRAME_COMMIT] = {&cairn__commit__descriptor, write_commit, ROLE_WRITER, write_decode_commit},
        [FRAME_PRUNE] = {&cairn__prune__descriptor, write_prune, ROLE_WRITER, write_decode_prune},
        [FRAME_ROLLBACK] = {&cairn__rollback__descriptor, write_rollback, ROLE_WRITER, write_decode_rollback},
        [FRAME_BARRIER] = {&cairn__barrier__descriptor, write_barrier, ROLE_WRITER},
    };
    bool is_known = type < sizeof kinds / sizeof kinds[0] && kinds[type].start != NULL;
    assert(!is_known || kinds[type].descriptor != NULL); /* its body is unpacked by that */
    assert(!is_known || kinds[type].role != ROLE_NONE);  /* each row says who may */
    return is_known ? &kinds[type] : NULL;
}

struct request *request_new(struct session *session, const struct frame_request *header,
                            const struct budget_request *memory, uint64_t now_us)
{
    /* the arena's bound counts on it */
    assert(thread_is(THREAD_LOOP) && memory->body_bytes == header->body_bytes);
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

/* The body where it stays until the request ends: a small one is copied to the arena. NULL: no memory. */
static const uint8_t *keep_body(struct request *request, const uint8_t *body)
{
    assert(body != NULL || request->body_bytes == 0 || request->taken_body != NULL);
    if (request->taken_body != NULL) {
        return request->taken_body;
    }
    uint8_t *copy = arena_alloc(&request->arena, request->body_bytes);
    if (copy != NULL && request->body_bytes > 0) {
        memcpy(copy, body, request->body_bytes);
    }
    return copy;
}

/* How many bytes the request may hold for the length of its body, the body included. */
static uint64_t bytes_allowed(const struct request *request)
{
    return budget_request_bytes_max(request->service->budget, &request->memory,
                                    message_budget(request->body_bytes));
}

/* Bounds the arena of a request that owns its body: by what is free, but by no less than the body's length. */
static void fit_arena(struct request *request)
{
    uint64_t body_bytes = request->body_bytes;
    uint64_t wanted_bytes = bytes_allowed(request) - body_bytes; /* the body lies beside the arena */
    uint64_t room_bytes = budget_request_room(request->service->budget, &request->memory);
    uint64_t most_bytes = room_bytes > 2 * body_bytes ? room_bytes - body_bytes : body_bytes;
    assert(request->taken_body != NULL && request->arena.held == 0);
    request->is_short = wanted_bytes > most_bytes;
    arena_init(&request->arena, request->is_short ? most_bytes : wanted_bytes);
    arena_lend(&request->arena, request->first, sizeof request->first);
}

/* Whether the arena has as much left as the message took: no handler's own pieces take more (decode.c). */
static bool has_room_for_handler(const struct request *request)
{
    assert(request->message != NULL); /* what the arena has given is what that took */
    return arena_room(&request->arena) >= request->arena.used + REQUEST_FIRST_BYTES;
}

/* Unpacks the body into the arena. *ret_text says why, unless it is UNPACKED. */
static enum unpacked unpack(struct request *request, const ProtobufCMessageDescriptor *descriptor,
                            const uint8_t *body, const char **ret_text)
{
    assert(request->message == NULL); /* the arena has room for one */
    const uint8_t *kept = keep_body(request, body);
    if (kept == NULL) {
        *ret_text = "out of memory; try again later";
        return UNPACK_NO_MEMORY;
    }
    if (descriptor == &cairn__write_metadata__descriptor &&
        message_unpack_metadata(kept, request->body_bytes, &request->arena, &request->message)) {
        return UNPACKED;
    }
    switch (
        message_unpack(descriptor, kept, request->body_bytes, &request->arena, &request->message, ret_text)) {
    case STATUS_OK:
        return UNPACKED;
    case STATUS_BUSY:
        return UNPACK_NO_MEMORY;
    case STATUS_TOO_LARGE:
        return request->is_short ? UNPACK_SHORT : UNPACK_TOO_LARGE;
    default:
        return UNPACK_MALFORMED;
    }
}

/* The failure's text is filled in where there is one only: to clear and copy it was a seventh of unpacking a small request. */
static void unpack_and_decode(struct request *request, const struct request_kind *kind, const uint8_t *body,
                              struct outcome *ret_outcome)
{
    ret_outcome->decoded = STATUS_OK;
    ret_outcome->unpacked = unpack(request, kind->descriptor, body, &ret_outcome->text);
    if (ret_outcome->unpacked == UNPACKED && request->is_short && !has_room_for_handler(request)) {
        ret_outcome->unpacked = UNPACK_SHORT;
    }
    if (ret_outcome->unpacked == UNPACKED && kind->decode != NULL) {
        assert(request->message->descriptor == kind->descriptor);
        ret_outcome->decoded = kind->decode(request, &ret_outcome->failure);
    }
}

/* The one reply to a body that could not be unpacked. Want of memory is not the client's mistake and not counted as one. */
static void refuse_body(struct request *request, enum unpacked unpacked, const char *text)
{
    assert(unpacked != UNPACKED && unpacked != UNPACK_SHORT && text != NULL);
    if (unpacked == UNPACK_NO_MEMORY) {
        request_refuse(request, STATUS_BUSY, "the body of %zu bytes: %s", request->body_bytes, text);
        return;
    }
    request->service->frames_bad++;
    request_refuse(request, unpacked == UNPACK_TOO_LARGE ? STATUS_TOO_LARGE : STATUS_INVALID,
                   "the body of %zu bytes is no %s request: %s", request->body_bytes,
                   frame_type_text(request->type), text);
}

/* Whether the peer's role allows the request; if not, it is refused. A dry run is a read. A prune, rollback or drop of a writer has to be
 * under an epoch, which the handler judges (epochs.h). */
static bool is_permitted(struct request *request, const struct request_kind *kind)
{
    enum role role = request->session->role, needed = kind->role;
    if (request->type == FRAME_ROLLBACK) {
        const Cairn__Rollback *rollback = (const Cairn__Rollback *)request->message;
        needed = rollback->has_dry_run && rollback->dry_run ? ROLE_READER : needed;
    } else if (request->type == FRAME_PRUNE) {
        const Cairn__Prune *prune = (const Cairn__Prune *)request->message;
        needed = prune->has_dry_run && prune->dry_run ? ROLE_READER : needed;
    }
    assert(role != ROLE_NONE); /* its connection was refused */
    if (role >= needed) {
        return true;
    }
    request_refuse(
        request, STATUS_PERMISSION,
        "%s is for %s and this user is a %s: ask as another user, or put this one into the setting %ss",
        frame_type_text(request->type), roles_text(needed), roles_text(role), roles_text(needed));
    return false;
}

static enum request_progress begin_unpacked(struct request *request, const struct request_kind *kind,
                                            const struct outcome *outcome)
{
    assert(thread_is(THREAD_LOOP) && request->is_starting); /* a reply frees nothing that is used below */
    if (outcome->unpacked == UNPACK_SHORT) {
        arena_close(&request->arena);
        request->message = NULL;
        return REQUEST_WAITS_MEMORY;
    }
    if (outcome->unpacked != UNPACKED) {
        refuse_body(request, outcome->unpacked, outcome->text);
        return REQUEST_TAKEN;
    }
    assert(request->message->descriptor == kind->descriptor); /* the handler casts it to that type */
    if (!is_permitted(request, kind)) {
        return REQUEST_TAKEN;
    }
    if (outcome->decoded != STATUS_OK) {
        request_refuse_for(request, &outcome->failure);
        return REQUEST_TAKEN;
    }
    return kind->start(request);
}

/* ---- large bodies ---- */

static void unpacking_begin(struct unpacking *unpacking);

static void unpacking_run(struct pool_work *work)
{
    struct unpacking *unpacking = (struct unpacking *)work; /* its first member */
    uint64_t from_ns = thread_now_ns();
    assert(thread_is(THREAD_POOL));
    assert(unpacking->request->unpacking == unpacking); /* the loop leaves both alone until it is back */
    unpack_and_decode(unpacking->request, unpacking->kind, NULL, &unpacking->outcome);
    unpacking->took_ns = thread_now_ns() - from_ns;
}

static void unpacking_done(struct pool_work *work)
{
    struct unpacking *unpacking = (struct unpacking *)work;
    struct request *request = unpacking->request;
    struct service *service = request->service;
    assert(service->unpacking_first == unpacking && request->unpacking == unpacking);
    service->unpacking_first = unpacking->next;
    if (request->is_timed) {
        stage_add(service->stages, STAGE_DECODE, unpacking->took_ns);
    }
    request->session->unpacked(request->session, request);
    if (service->unpacking_first != NULL) { /* what the request holds is counted by now */
        unpacking_begin(service->unpacking_first);
    } else {
        service->unpacking_last = NULL;
    }
}

static void unpacking_begin(struct unpacking *unpacking)
{
    struct request *request = unpacking->request;
    static_assert(offsetof(struct unpacking, work) == 0, "the pool's callbacks cast it back");
    assert(request->service->unpacking_first == unpacking);
    fit_arena(request); /* what others hold has changed since it was read */
    unpacking->work.run = unpacking_run;
    unpacking->work.done = unpacking_done;
    unpacking->work.member = &request->session->member;
    pool_submit(request->service->pool, &unpacking->work, POOL_POINT);
}

static void unpack_on_pool(struct request *request, const struct request_kind *kind)
{
    struct service *service = request->service;
    struct unpacking *unpacking = memory_new(sizeof *unpacking);
    assert(request->unpacking == NULL && request->taken_body != NULL); /* the pool has the body to itself */
    request->unpacking = unpacking;
    unpacking->request = request;
    unpacking->kind = kind;
    if (service->unpacking_first != NULL) {
        service->unpacking_last->next = unpacking;
        service->unpacking_last = unpacking;
        return;
    }
    service->unpacking_first = unpacking;
    service->unpacking_last = unpacking;
    unpacking_begin(unpacking);
}

static enum request_progress begin(struct request *request, const uint8_t *body)
{
    const struct request_kind *kind = request_kind(request->type);
    assert(request->is_starting); /* a refusal below leaves it to be freed by `started` */
    assert(request->message == NULL && request->prepared == NULL && request->unpacking == NULL);
    if (kind == NULL) {
        request->service->frames_bad++;
        request_refuse(request, STATUS_UNSUPPORTED, "request type %u is not known to this version",
                       request->type);
        return REQUEST_TAKEN;
    }
    bool is_about_stream = request_is_about_stream(request);
    if (request->service->draining && !is_about_stream) {
        request_refuse(request, STATUS_SHUTTING_DOWN, "the daemon is stopping: connect again later");
        return REQUEST_TAKEN;
    }
    if (!is_about_stream && stream_has_id(request->session, request->id)) {
        request_refuse(request, STATUS_INVALID, "request id %lu is that of an open stream: choose another",
                       request->id);
        return REQUEST_TAKEN;
    }
    request->is_timed = stage_is_sampled(request->service->stages);
    if (request->body_bytes > UNPACKED_ON_LOOP_BYTES_MAX) {
        unpack_on_pool(request, kind);
        return REQUEST_UNPACKS;
    }
    uint64_t from_ns = request->is_timed ? thread_now_ns() : 0;
    struct outcome outcome;
    unpack_and_decode(request, kind, body, &outcome);
    if (request->is_timed) {
        stage_add(request->service->stages, STAGE_DECODE, thread_now_ns() - from_ns);
    }
    return begin_unpacked(request, kind, &outcome);
}

static enum request_progress begin_again(struct request *request, uint64_t now_us)
{
    const struct request_kind *kind = request_kind(request->type);
    assert(kind != NULL);
    if (request->message == NULL && !request->service->draining) {
        fit_arena(request);
        return begin(request, request->taken_body);
    }
    if (request->deadline_us != 0 && now_us >= request->deadline_us) {
        request_refuse(request, STATUS_BUSY,
                       "there was no room in the queue within the request's deadline: nothing was applied, "
                       "try again later");
        return REQUEST_TAKEN;
    }
    if (request->service->draining) {
        request_refuse(request, STATUS_SHUTTING_DOWN, "the daemon is stopping: nothing was applied");
        return REQUEST_TAKEN;
    }
    assert(request->prepared != NULL); /* its handler took its message apart and said REQUEST_WAITS */
    return kind->start(request);
}

/* Tells the budget what it holds. */
static void count_held(struct request *request)
{
    assert(!request->is_ended); /* request_free gives back what is counted here */
    uint64_t taken_bytes = request->taken_body != NULL ? request->body_bytes : 0;
    uint64_t held_bytes = sizeof *request + arena_bytes(&request->arena) + taken_bytes;
    budget_request_hold(request->service->budget, &request->memory, held_bytes);
}

/* After the handler has run: frees the request if it has ended, else has the budget count what it holds. No other request could ask for
 * memory meanwhile. */
static enum request_progress started(struct request *request, enum request_progress progress)
{
    request->is_starting = false;
    if (request->is_ended) {
        assert(progress == REQUEST_TAKEN); /* nobody starts it again */
        request_free(request);
    } else if (progress != REQUEST_UNPACKS && progress != REQUEST_WAITS_MEMORY) {
        count_held(request);
    }
    return progress;
}

enum request_progress request_start(struct request *request, const uint8_t *body)
{
    assert(thread_is(THREAD_LOOP) && !request->is_starting && !request->is_ended);
    request->is_starting = true;
    return started(request, begin(request, body));
}

enum request_progress request_start_taken(struct request *request, uint8_t *body)
{
    assert(request->taken_body == NULL && request->body_bytes > 0);
    request->taken_body = body;
    fit_arena(request);
    return request_start(request, body);
}

enum request_progress request_start_unpacked(struct request *request)
{
    struct unpacking *unpacking = request->unpacking;
    assert(thread_is(THREAD_LOOP) && unpacking->work.state == POOL_IDLE && !request->is_starting);
    request->is_starting = true;
    request->unpacking = NULL;
    enum request_progress progress = REQUEST_TAKEN;
    if (request->service->draining) {
        request_refuse(request, STATUS_SHUTTING_DOWN, "the daemon is stopping: connect again later");
    } else {
        progress = begin_unpacked(request, unpacking->kind, &unpacking->outcome);
    }
    free(unpacking);
    return started(request, progress);
}

enum budget_answer request_ask_memory(struct request *request)
{
    const struct service *service = request->service;
    assert(request->message == NULL && request->taken_body != NULL); /* it said REQUEST_WAITS_MEMORY */
    assert(request->unpacking == NULL && !request->is_starting);     /* it has no part with the pool */
    return service->draining
               ? BUDGET_GRANTED /* to be refused */
               : budget_request_extend(service->budget, &request->memory, bytes_allowed(request));
}

enum request_progress request_start_again(struct request *request, uint64_t now_us)
{
    assert(thread_is(THREAD_LOOP) && !request->is_starting && !request->is_ended);
    request->is_starting = true;
    return started(request, begin_again(request, now_us));
}
