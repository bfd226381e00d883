/* A stream's life:
 *
 * - WAITING: for a place, oldest first. It has no view, and keeps nothing but its request.
 * - OPEN: it has taken its view, and all its messages are of that instant. Steps on the pool read them, one step ahead of what
 *   goes out and no further (stream_step.c); messages go out as far as the window, and the connection, have room.
 * - ENDING: it was cancelled, or its connection has closed, while a step was with the pool. What has not gone out is dropped at
 *   once, and what that step reads when it has ended.
 * - ENDED: all was sent, it failed, or it was cancelled. The last frame ends the request, and the stream's memory with it.
 *
 * What is damaged, or cannot be read, ends the stream with `damaged` or `io error` behind the messages before it. Without credit, or with a
 * client that takes no replies, a stream stays open with its cursor parked. */
#include "daemon/serve/stream.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/stream_internal.h"

struct stream_set *stream_set_new(struct service *service, uint64_t streams_max)
{
    struct stream_set *set = memory_new(sizeof *set);
    assert(streams_max > 0); /* or none ever opens */
    set->service = service;
    set->streams_max = streams_max;
    set->waiting_last = &set->waiting_first;
    return set;
}

void stream_set_free(struct stream_set *set)
{
    assert(set == NULL || (set->open == 0 && set->waiting_first == NULL)); /* they refer to it */
    free(set);
}

uint64_t stream_count(const struct stream_set *set)
{
    assert(set->open <= set->streams_max);
    return set->open;
}

/* The table of legal moves: from a row to its columns. */
static void stream_move(struct stream *stream, enum stream_state to)
{
    static const bool legal[STREAM_ENDED + 1][STREAM_ENDED + 1] = {
        [STREAM_WAITING] = {[STREAM_OPEN] = true, [STREAM_ENDED] = true},
        [STREAM_OPEN] = {[STREAM_ENDING] = true, [STREAM_ENDED] = true},
        [STREAM_ENDING] = {[STREAM_ENDED] = true},
    };
    assert(thread_is(THREAD_LOOP) && legal[stream->state][to]);
    stream->state = to;
}

/* ---- opening and ending ---- */

static void stream_pump(struct stream *stream);
static void open_waiting(struct stream_set *set);

/* Takes its view and a place. */
static void stream_open(struct stream *stream)
{
    struct service *service = stream->request->service;
    assert(stream->set->open < stream->set->streams_max);
    stream_move(stream, STREAM_OPEN);
    stream->next_of_set = stream->set->open_first;
    stream->set->open_first = stream;
    stream->set->open++;
    stream->view = order_view(service->order);
    struct fetch fetch = {
        .engine = service->engine,
        .point = stream->view,
        .chain = stream->kind.chain->id,
        .marks = stream->kind.chain->marks,
    };
    stream->step_bytes = STREAM_STEP_BYTES;
    stream->source = stream->kind.make_source(&stream->kind, &fetch, order_pending(service->order));
    budget_stream_open(service->budget, &stream->memory, source_bytes(stream->source));
}

/* Takes it out of its session's list, and of the set's list that it stands in. */
static void unlink_stream(struct stream *stream)
{
    struct stream **link = &stream->request->session->streams;
    while (*link != stream) {
        link = &(*link)->next_of_session;
        assert(*link != NULL); /* it is in the list until it ends */
    }
    *link = stream->next_of_session;
    assert(stream->request->session->stream_count > 0);
    stream->request->session->stream_count--;
    bool is_waiting = stream->state == STREAM_WAITING;
    link = is_waiting ? &stream->set->waiting_first : &stream->set->open_first;
    while (*link != stream) {
        link = &(*link)->next_of_set;
    }
    *link = stream->next_of_set;
    if (*link == NULL && is_waiting) {
        stream->set->waiting_last = link;
    }
}

/* Ends it with its last frame. It lies in its request's arena and is freed with that; its place goes to the next. */
static void stream_finish(struct stream *stream, enum status status, const char *text)
{
    struct request *request = stream->request;
    struct stream_set *set = stream->set;
    assert(stream_step_is_idle(stream)); /* the pool has nothing of it: its memory may go */
    unlink_stream(stream);
    stream_step_drop(stream);
    bool was_open = stream->state != STREAM_WAITING;
    stream_move(stream, STREAM_ENDED);
    if (was_open) {
        stream_step_release_cursor(stream);
        budget_stream_close(request->service->budget, &stream->memory);
        source_free(stream->source);
        free(stream->ready.first);
        free(stream->read.first);
        engine_point_release(stream->view);
        set->open--;
    }
    if (status == STATUS_OK) {
        request_reply_empty(request, STATUS_OK);
    } else {
        request_refuse(request, status, "%s", text);
    }
    open_waiting(set);
}

static void step_done(struct pool_work *work)
{
    struct stream *stream = (struct stream *)work; /* its first member */
    static_assert(offsetof(struct stream, work) == 0, "the pool's callbacks cast it back");
    assert(stream->state == STREAM_OPEN ||
           stream->state == STREAM_ENDING); /* it cannot end while a step is out */
    stream_step_ended(stream);
    stream_pump(stream);
}

/* Goes on as far as it can: reads, sends, and ends if nothing more is to come. May free it. */
static void stream_pump(struct stream *stream)
{
    assert(thread_is(THREAD_LOOP) && stream->state != STREAM_WAITING && stream->state != STREAM_ENDED);
    if (stream->state == STREAM_ENDING) {
        if (stream_step_is_idle(stream)) {
            stream_finish(stream, stream->cancelled.status, stream->cancelled.text);
        }
        return;
    }
    bool is_all_sent;
    do {
        stream_step_start(stream, step_done); /* so that it reads while this goes out */
        is_all_sent = stream_step_send(stream);
    } while (is_all_sent && stream_step_take(stream));
    if (is_all_sent && stream_step_is_idle(stream) && stream->result != SOURCE_MESSAGE) {
        assert(stream->result == SOURCE_END || stream->result == SOURCE_FAILED);
        bool has_failed = stream->result == SOURCE_FAILED;
        if (has_failed) {
            damage_note(order_damage(stream->request->service->order), DAMAGE_READ, &stream->failure);
        }
        stream_finish(stream, has_failed ? stream->failure.status : STATUS_OK, stream->failure.text);
        return;
    }
    stream_step_start(stream, step_done);
}

/* Whether there is a place, and room for what one more stream would keep of the queue. */
static bool may_open(const struct stream_set *set)
{
    const struct service *service = set->service;
    const struct pending *pending = order_pending(service->order);
    return set->open < set->streams_max &&
           budget_may_open_stream(service->budget, set->open, pending_bytes(pending),
                                  pending_held_bytes(pending));
}

static void open_waiting(struct stream_set *set)
{
    while (set->waiting_first != NULL && may_open(set)) {
        struct stream *stream = set->waiting_first;
        assert(stream->state == STREAM_WAITING);
        set->waiting_first = stream->next_of_set;
        if (set->waiting_first == NULL) {
            set->waiting_last = &set->waiting_first;
        }
        stream_open(stream);
        stream_pump(stream);
    }
}

uint64_t stream_set_iterate(struct stream_set *set, uint64_t now_us)
{
    assert(thread_is(THREAD_LOOP) && set->holding <= set->open);
    open_waiting(set);
    if (set->holding > 0 && now_us >= set->look_us) {
        for (struct stream *stream = set->open_first; stream != NULL; stream = stream->next_of_set) {
            stream_step_look(stream);
        }
        set->look_us = now_us + STREAM_LOOK_US;
    }
    return set->holding > 0 ? set->look_us - now_us : UINT64_MAX;
}

void stream_go_on(struct session *session)
{
    assert(thread_is(THREAD_LOOP));
    for (struct stream *stream = session->streams; stream != NULL;) {
        struct stream *next = stream->next_of_session; /* pumping may end it, and no other of its session */
        if (stream->state != STREAM_WAITING) {
            stream_pump(stream);
        }
        stream = next;
    }
}

/* Ends it now, or when its step has ended. */
static void cancel(struct stream *stream, enum status status, const char *text)
{
    if (stream_step_is_idle(stream)) {
        stream_finish(stream, status, text);
        return;
    }
    assert(stream->state != STREAM_WAITING); /* those have no step */
    stream_step_drop(stream); /* a step that is queued in the pool may be waiting for that memory */
    if (stream->state != STREAM_ENDING) {
        stream_move(stream, STREAM_ENDING);
    }
    failure_set(&stream->cancelled, status, "%s", text);
}

void stream_end_all(struct session *session, enum status status, const char *text)
{
    assert(thread_is(THREAD_LOOP));
    for (struct stream *stream = session->streams; stream != NULL;) {
        struct stream *next = stream->next_of_session;
        cancel(stream, status, text);
        stream = next;
    }
}

/* ---- for the requests ---- */

static struct stream *find_stream(const struct session *session, uint64_t id)
{
    struct stream *stream = session->streams;
    assert((stream == NULL) == (session->stream_count == 0));
    while (stream != NULL && stream->request->id != id) {
        stream = stream->next_of_session;
    }
    return stream;
}

bool stream_has_id(const struct session *session, uint64_t id)
{
    return find_stream(session, id) != NULL;
}

void stream_start(struct request *request, const struct stream_kind *kind, uint64_t window_bytes)
{
    struct session *session = request->session;
    assert(thread_is(THREAD_LOOP) && !stream_has_id(session, request->id)); /* credit finds it by its id */
    if (session->stream_count >= STREAMS_OF_SESSION_MAX) {
        request_refuse(request, STATUS_BUSY,
                       "the connection has %d streams already, open or waiting: end some first",
                       STREAMS_OF_SESSION_MAX);
        return;
    }
    struct failure failure;
    struct stream *stream = request_memory(request, sizeof *stream, &failure);
    if (stream == NULL) {
        request_refuse_for(request, &failure);
        return;
    }
    stream->request = request;
    stream->set = request->service->streams;
    stream->kind = *kind;
    stream->window_bytes = window_bytes < WINDOW_BYTES_MAX ? window_bytes : WINDOW_BYTES_MAX;
    assert(stream->state == STREAM_WAITING && stream->sent == 0); /* fresh from the arena */
    stream->next_of_session = session->streams;
    session->streams = stream;
    session->stream_count++;
    *stream->set->waiting_last = stream;
    stream->set->waiting_last = &stream->next_of_set;
    open_waiting(stream->set);
}

void stream_add_credit(struct session *session, uint64_t id, uint64_t bytes)
{
    struct stream *stream = find_stream(session, id);
    if (stream == NULL) {
        return;
    }
    assert(stream->window_bytes <= WINDOW_BYTES_MAX);
    uint64_t room_bytes = WINDOW_BYTES_MAX - stream->window_bytes;
    stream->window_bytes += bytes < room_bytes ? bytes : room_bytes;
    if (stream->state != STREAM_WAITING) {
        stream_pump(stream);
    }
}

void stream_end(struct session *session, uint64_t id)
{
    struct stream *stream = find_stream(session, id);
    assert(thread_is(THREAD_LOOP));
    if (stream != NULL) {
        cancel(stream, STATUS_OK, "");
    }
}
