/* A request's memory, its replies and its end:
 *
 * - Its handler asks for memory, and for the chain that the request names. Where there is none, a failure says so, and the handler
 *   refuses the request with it.
 * - Each reply is packed and handed to the session: by request_send if others follow, by one of the other calls if it is the last.
 * - The last reply ends the request. Its memory is given back at once, or when its handler returns if that still runs.
 *
 * A reply to a session that has closed is dropped, and ends the request all the same. */
#include "daemon/serve/request.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "proto/cairn.pb-c.h"

enum {
    /* of a body; up to this it takes a fraction of a millisecond to free, with what it unpacked to; chosen */
    FREED_ON_LOOP_BYTES_MAX = 1 << 20
};

void request_end(struct request *request)
{
    assert(thread_is(THREAD_LOOP) && !request->is_ended);
    request->is_ended = true;
    if (!request->is_starting) {
        request_free(request);
    }
}

bool request_type_is_write(uint8_t type)
{
    return type == FRAME_COMMIT || type == FRAME_WRITE_METADATA;
}

/* Memory of a large request, freed on the pool: to give it back to the system takes milliseconds. */
struct leftover {
    struct pool_work work; /* first */
    struct arena arena;
    uint8_t *body;
};

static void leftover_free(struct pool_work *work)
{
    struct leftover *leftover = (struct leftover *)work;           /* its first member */
    assert(thread_is(THREAD_POOL) && work->state == POOL_RUNNING); /* nobody else looks at it now */
    arena_close(&leftover->arena);
    free(leftover->body);
}

static void leftover_done(struct pool_work *work)
{
    assert(thread_is(THREAD_LOOP) && work->state == POOL_IDLE); /* it is ours, to be freed */
    free(work);
}

static void free_on_pool(struct request *request)
{
    struct leftover *leftover = memory_new(sizeof *leftover);
    static_assert(offsetof(struct leftover, work) == 0, "the pool's callbacks cast it back");
    assert(request->is_ended); /* nobody looks at it any more */
    leftover->work.run = leftover_free;
    leftover->work.done = leftover_done;
    leftover->arena = request->arena;
    leftover->body = request->taken_body;
    pool_submit(request->service->pool, &leftover->work, POOL_POINT);
}

void request_free(struct request *request)
{
    assert(request->is_ended && !request->is_starting);           /* no handler looks at it after this */
    assert(thread_is(THREAD_LOOP) && request->unpacking == NULL); /* nor does the pool */
    struct session *session = request->session;
    budget_request_end(request->service->budget, &request->memory);
    if (request->taken_body != NULL && request->body_bytes > FREED_ON_LOOP_BYTES_MAX) {
        free_on_pool(request);
    } else {
        arena_close(&request->arena);
        free(request->taken_body);
    }
    session->ended(session, request);
    free(request);
}

/* ---- replies ---- */

bool request_is_about_stream(const struct request *request)
{
    return request_type_is_about_stream(request->type);
}

bool request_type_is_about_stream(uint8_t type)
{
    return type == FRAME_CREDIT || type == FRAME_CANCEL;
}

bool request_type_changes(uint8_t type)
{
    switch (type) {
    case FRAME_HELLO:
    case FRAME_PING:
    case FRAME_STATUS:
    case FRAME_CHAINS:
    case FRAME_HEIGHT:
    case FRAME_READ_BLOCK:
    case FRAME_READ_BLOCKS:
    case FRAME_READ_STATE:
    case FRAME_GET_METADATA:
    case FRAME_GET_METADATA_MANY:
    case FRAME_LIST_METADATA:
    case FRAME_USAGE:
    case FRAME_CREDIT:
    case FRAME_CANCEL:
    case FRAME_BARRIER:
        return false;
    default:
        return true; /* what is not listed is carried out rather than dropped */
    }
}

uint8_t *request_pack(const ProtobufCMessage *message, size_t *ret_body_bytes)
{
    size_t body_bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *frame = memory_raw(FRAME_REPLY_BYTES + body_bytes);
    size_t packed_bytes = protobuf_c_message_pack(message, frame + FRAME_REPLY_BYTES);
    assert(packed_bytes == body_bytes); /* all of the body is written, and nothing behind it */
    *ret_body_bytes = body_bytes;
    return frame;
}

static void send_frame(struct request *request, uint8_t flags, enum status status, uint8_t *frame,
                       size_t body_bytes)
{
    struct session *session = request->session;
    /* its id is still the client's, the header holds the length */
    assert(!request->is_ended && body_bytes <= UINT32_MAX);
    assert(frame != NULL && status < STATUS_COUNT); /* the client knows each */
    if (session->is_closed) {
        free(frame);
        return;
    }
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
    /* without it the client takes the request for ended */
    assert((flags & (FRAME_MORE | FRAME_CONTINUED)) != 0);
    send_frame(request, flags, STATUS_OK, frame, body_bytes);
}

/* Memory for a frame with its header. Until the frame is written, it holds the link to the next one. */
struct piece {
    struct piece *next;
};

/* So many frames with a body of `bytes`; NULL: the machine has no memory for all of them. */
static struct piece *make_pieces(size_t count, size_t bytes)
{
    static_assert(sizeof(struct piece) <= FRAME_REPLY_BYTES, "the header has room for the link");
    assert(count > 0 && bytes > 0); /* NULL says that there is no memory, not that none is wanted */
    struct piece *first = NULL;
    for (size_t i = 0; i < count; i++) {
        struct piece *piece = memory_try_raw(FRAME_REPLY_BYTES + bytes);
        if (piece == NULL) {
            while (first != NULL) {
                struct piece *next = first->next;
                free(first);
                first = next;
            }
            return NULL;
        }
        piece->next = first;
        first = piece;
    }
    return first;
}

void request_reply_packed(struct request *request, uint8_t *frame, size_t body_bytes)
{
    size_t bound = request->service->frame_bytes_max;
    const uint8_t *unsent = frame + FRAME_REPLY_BYTES;
    bool is_cut = body_bytes > bound;
    /* each piece makes progress, and the client expects it */
    assert(bound > 0 && !request_is_about_stream(request));
    struct piece *pieces = is_cut ? make_pieces((body_bytes - 1) / bound, bound) : NULL;
    if (is_cut && pieces == NULL) {
        free(frame);
        request_refuse(request, STATUS_BUSY, "there is no memory for an answer of %zu bytes: try again later",
                       body_bytes);
        return;
    }
    for (; body_bytes > bound; body_bytes -= bound, unsent += bound) {
        struct piece *piece = pieces;
        pieces = piece->next;
        memcpy((uint8_t *)piece + FRAME_REPLY_BYTES, unsent, bound);
        send_frame(request, FRAME_CONTINUED, STATUS_OK, (uint8_t *)piece, bound);
    }
    assert(pieces == NULL); /* each was sent */
    if (is_cut) {
        memmove(frame + FRAME_REPLY_BYTES, unsent, body_bytes);
    }
    send_frame(request, 0, STATUS_OK, frame, body_bytes);
    request_end(request);
}

void request_reply(struct request *request, enum status status, const ProtobufCMessage *message)
{
    size_t body_bytes;
    assert(!request_is_about_stream(request)); /* the client would take it for a frame of the stream */
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
    /* larger ones are not worth a second copy */
    assert(!request->is_ended && body_bytes <= REQUEST_FIRST_BYTES);
    assert(status < STATUS_COUNT && (body != NULL || body_bytes == 0)); /* send_copy copies from there */
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

static void refuse(struct request *request, enum status status, const Cairn__Error *error)
{
    /* the client would read the text as the type's own reply */
    assert(status != STATUS_OK && status < STATUS_COUNT);
    if (request_is_about_stream(request)) {
        request_end(request);
    } else {
        request_reply(request, status, &error->base);
    }
}

/* Borrows the text. */
static Cairn__Error error_of(const char *text)
{
    Cairn__Error error = CAIRN__ERROR__INIT;
    error.has_text = true;
    error.text = request_binary(text, strlen(text));
    return error;
}

static Cairn__Error error_of_failure(const struct failure *failure)
{
    static_assert(REASON_COUNT - 1 == (int)CAIRN__CONFLICT_REASON__REASON_DROPPED, "codes are the wire's");
    assert((failure->status == STATUS_CONFLICT) == (failure->reason != REASON_NONE));
    Cairn__Error error = error_of(failure->text);
    error.has_reason = failure->reason != REASON_NONE;
    error.reason = error.has_reason ? (Cairn__ConflictReason)failure->reason : error.reason;
    return error;
}

void request_refuse(struct request *request, enum status status, const char *format, ...)
{
    char text[FAILURE_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    Cairn__Error error = error_of(text);
    refuse(request, status, &error);
}

void request_refuse_for(struct request *request, const struct failure *failure)
{
    Cairn__Error error = error_of_failure(failure);
    refuse(request, failure->status, &error);
}

void request_refuse_numbered(struct request *request, const struct failure *failure, uint64_t last_number)
{
    Cairn__Error error = error_of_failure(failure);
    error.has_last_number = true;
    error.last_number = last_number;
    refuse(request, failure->status, &error);
}

/* ---- for handlers ---- */

static void say_no_memory(const struct request *request, struct failure *failure)
{
    if (request->is_short) {
        failure_set(failure, STATUS_BUSY,
                    "there is no memory for the request beside the others: try again later");
    } else {
        failure_set(failure, STATUS_TOO_LARGE,
                    "the request takes more memory than its length allows: send it in parts");
    }
}

void *request_memory(struct request *request, size_t bytes, struct failure *failure)
{
    /* what it gives would be freed with the request, or never written */
    assert(!request->is_ended && bytes > 0);
    /* it is counted behind the start; on the pool, which has it while it is unpacked, only the loop knows of is_starting */
    assert(request->unpacking != NULL || request->is_starting);
    void *memory = arena_alloc(&request->arena, bytes);
    if (memory == NULL) {
        say_no_memory(request, failure);
        return NULL;
    }
    memset(memory, 0, bytes);
    return memory;
}

void request_set_deadline(struct request *request, uint64_t deadline_us)
{
    bool is_beyond = deadline_us > UINT64_MAX - request->received_us;
    uint64_t until_us = deadline_us == 0 || is_beyond ? 0 : request->received_us + deadline_us;
    /* the set looks at it once a wait begins */
    assert(request->deadline_us == 0 || request->deadline_us == until_us);
    request->deadline_us = until_us;
}

/* The name was not found among the visible chains. */
static void say_no_chain(struct slice name, struct failure *failure)
{
    if (!chain_name_is_valid(name)) {
        failure_set(failure, STATUS_INVALID, "a chain's name of %zu bytes: it is 1 to %d of a-z 0-9 . _ -",
                    name.bytes, CHAIN_NAME_BYTES_MAX);
        return;
    }
    failure_set(failure, STATUS_INVALID,
                "there is no chain \"%.*s\": check the name, or create the chain first", (int)name.bytes,
                (const char *)name.data);
}

struct chain *request_chain(struct request *request, bool has_name, ProtobufCBinaryData name,
                            struct failure *failure)
{
    struct service *service = request->service;
    assert(thread_is(THREAD_LOOP)); /* it alone makes chains, and makes them visible */
    if (!has_name && service->default_chain != NULL) {
        assert(service->default_chain->visible); /* reads go by its marks */
        return service->default_chain;
    }
    struct slice wanted = has_name ? request_slice(name) : slice_of("default", 7);
    struct chain *chain = chain_find(order_chains(service->order), wanted);
    if (chain == NULL || !chain->visible) {
        say_no_chain(wanted, failure);
        return NULL;
    }
    service->default_chain = has_name ? service->default_chain : chain;
    return chain;
}
