/* A stream's life:
 *
 * - WAITING: for a place, in order; it has no view, and keeps nothing but its request.
 * - OPEN: it has taken its view, and all it says is of that instant. A step on the pool reads some messages; they go out
 *   as far as the window, and the connection, have room. Meanwhile the next step reads, one step ahead and no further.
 * - ENDING: it was cancelled, or its connection is gone, while a step was with the pool. What has not gone out is given back at
 *   once, the rest when the step is done.
 * - ENDED: nothing more comes, or it was cancelled. The last frame ends the request, and the stream's memory with it.
 *
 * A step is idle, queued or running: work.state, which is the pool's. While it runs, the source and what it reads are the
 * pool thread's, and everything else the loop's. A cursor that is held for long is parked, whether anybody takes anything or
 * not, so that a stream never keeps much of what the engine would release. */
#include "daemon/serve/stream.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/request.h"

enum {
    STREAM_STEP_BYTES = 256 << 10,
    STREAM_STEP_MESSAGES = 4096,
    STREAMS_OF_SESSION_MAX = 128, /* open or waiting */
    PARK_BYTES = 2 << 20, /* a cursor that read so much at once is parked, for the engine holds as much */
    LOOK_US = 25000,      /* how often cursors are looked at: who is held since the look before is parked */
};

static_assert(STREAM_UNSENT_BYTES_MAX >= 2 * STREAM_STEP_BYTES, "a step is read while another goes out");

struct message_list {
    struct fetched *first;
    size_t count;
    size_t capacity;
};

enum stream_state {
    STREAM_WAITING,
    STREAM_OPEN,
    STREAM_ENDING,
    STREAM_ENDED,
};

struct stream {
    struct pool_work work;
    /* fixed once made */
    struct request *request;
    struct stream_set *set;
    struct stream_kind kind;
    /* loop only */
    enum stream_state state;  /* changed by stream_move */
    struct failure cancelled; /* ENDING: how it ends */
    bool holds_cursor;        /* it is not parked, or a queued step is about to hold it again */
    unsigned looks;           /* for how many looks */
    struct engine_point *view;
    uint64_t window_bytes;
    struct message_list ready;   /* to go out, before what is read */
    size_t sent;                 /* of them have gone out whole */
    uint64_t sent_bytes;         /* of the first that has not */
    struct budget_stream memory; /* what it has read and not sent, and what its source keeps of the queue */
    struct stream *next_of_session;
    struct stream *next_of_set; /* of those open, or waiting */
    /* the pool's while a step runs */
    struct source *source;
    struct message_list read;
    uint64_t step_bytes;       /* what the next step may read at once */
    enum source_result result; /* SOURCE_MESSAGE: there may be more; else how it ended */
    struct failure failure;
};

struct stream_set {
    struct service *service;
    uint64_t streams_max;
    uint64_t open;
    struct stream *open_first;
    uint64_t holding; /* of them hold their cursors */
    uint64_t look_us; /* when to look at them next */
    struct stream *waiting_first;
    struct stream **waiting_last;
};

struct stream_set *stream_set_new(struct service *service, uint64_t streams_max)
{
    struct stream_set *set = memory_new(sizeof *set);
    set->service = service;
    set->streams_max = streams_max;
    set->waiting_last = &set->waiting_first;
    return set;
}

void stream_set_free(struct stream_set *set)
{
    free(set);
}

uint64_t stream_count(const struct stream_set *set)
{
    return set->open;
}

static void stream_move(struct stream *stream, enum stream_state to)
{
    static const bool legal[4][4] = {
        [STREAM_WAITING] = {[STREAM_OPEN] = true, [STREAM_ENDED] = true},
        [STREAM_OPEN] = {[STREAM_ENDING] = true, [STREAM_ENDED] = true},
        [STREAM_ENDING] = {[STREAM_ENDED] = true},
    };
    assert(thread_is(THREAD_LOOP) && legal[stream->state][to]);
    stream->state = to;
}

/* Whether the source and what it has read are the loop's. */
static bool step_is_idle(const struct stream *stream)
{
    return stream->work.state == POOL_IDLE;
}

/* ---- its cursor ---- */

static void hold_cursor(struct stream *stream)
{
    if (!stream->holds_cursor) {
        stream->holds_cursor = true;
        stream->looks = 0;
        stream->set->holding++;
    }
}

static void release_cursor(struct stream *stream)
{
    stream->set->holding -= stream->holds_cursor;
    stream->holds_cursor = false;
}

/* Parks a cursor that was held for a whole look, unless a step runs; then when it is done. */
static void park_if_due(struct stream *stream)
{
    if (!stream->holds_cursor || stream->looks <= 1 || stream->work.state == POOL_RUNNING) {
        return;
    }
    source_park(stream->source);
    if (step_is_idle(stream)) { /* else it is soon held again */
        release_cursor(stream);
    }
}

/* ---- a step ---- */

static void list_append(struct message_list *list, struct fetched message)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        list->first = memory_resize(list->first, list->capacity * sizeof list->first[0]);
    }
    list->first[list->count++] = message;
}

static void step_run(struct pool_work *work)
{
    struct stream *stream = (struct stream *)work; /* its first member */
    assert(thread_is(THREAD_POOL));
    uint64_t bytes = 0;
    uint64_t largest_bytes = 0;
    bool is_too_large = false;
    while (bytes < STREAM_STEP_BYTES && stream->read.count < STREAM_STEP_MESSAGES) {
        struct fetched fetched = {0};
        stream->result = source_next(stream->source, work->bytes, &fetched, &stream->failure);
        largest_bytes = fetched.body_bytes > largest_bytes ? fetched.body_bytes : largest_bytes;
        if (stream->result == SOURCE_NEEDS_ROOM) {
            stream->result = SOURCE_MESSAGE; /* the next step has room for it */
            is_too_large = true;
            break;
        }
        if (stream->result != SOURCE_MESSAGE) {
            return;
        }
        list_append(&stream->read, fetched);
        bytes += fetched.body_bytes;
    }
    if (largest_bytes >= PARK_BYTES) {
        source_park(stream->source);
    }
    bool expects_large = is_too_large || largest_bytes < PARK_BYTES; /* or else it is told when it comes */
    stream->step_bytes =
        expects_large && largest_bytes > STREAM_STEP_BYTES ? largest_bytes : STREAM_STEP_BYTES;
}

static void stream_pump(struct stream *stream);

static void step_done(struct pool_work *work)
{
    struct stream *stream = (struct stream *)work;
    park_if_due(stream);
    for (size_t i = 0; i < stream->read.count; i++) {
        budget_stream_read(stream->request->service->budget, &stream->memory,
                           stream->read.first[i].body_bytes);
    }
    stream_pump(stream);
}

/* The next step, if it may begin: it reads into a list that is empty. */
static void step_start(struct stream *stream)
{
    struct session *session = stream->request->session;
    bool may_read = step_is_idle(stream) && stream->read.count == 0 && stream->result == SOURCE_MESSAGE;
    bool has_room = stream->window_bytes > 0 && budget_client_has_room(&session->client, 0);
    if (may_read && has_room && budget_stream_may_read(&stream->memory)) {
        hold_cursor(stream);
        stream->work.run = step_run;
        stream->work.done = step_done;
        stream->work.bytes = stream->step_bytes;
        pool_submit(stream->request->service->pool, &stream->work, POOL_STREAM);
    }
}

/* ---- what goes out ---- */

static void release(struct stream *stream, uint64_t bytes)
{
    budget_stream_gone(stream->request->service->budget, &stream->memory, bytes);
}

/* Sends as much of the first message as one frame and the window allow. */
static void send_piece(struct stream *stream)
{
    struct fetched *message = &stream->ready.first[stream->sent];
    uint64_t rest = message->body_bytes - stream->sent_bytes;
    uint64_t most = stream->request->service->frame_bytes_max;
    most = stream->window_bytes < most ? stream->window_bytes : most;
    uint64_t bytes = rest < most ? rest : most;
    uint8_t *frame = message->frame;
    if (bytes < message->body_bytes) {
        frame = memory_raw(FRAME_REPLY_BYTES + bytes);
        memcpy(frame + FRAME_REPLY_BYTES, message->frame + FRAME_REPLY_BYTES + stream->sent_bytes, bytes);
    } else {
        message->frame = NULL;
    }
    stream->window_bytes -= bytes;
    stream->sent_bytes += bytes;
    bool is_whole = bytes == rest;
    if (is_whole) {
        release(stream, message->body_bytes); /* until then all of it is in memory */
        free(message->frame);
        message->frame = NULL;
        stream->sent++;
        stream->sent_bytes = 0;
    }
    request_send(stream->request, is_whole ? FRAME_MORE : FRAME_MORE | FRAME_CONTINUED, frame, bytes);
}

/* What was read is next to go out, once all before it has. False: it is not there. */
static bool take_read(struct stream *stream)
{
    if (!step_is_idle(stream) || stream->read.count == 0) {
        return false;
    }
    struct message_list gone = stream->ready;
    gone.count = 0;
    stream->ready = stream->read;
    stream->read = gone;
    stream->sent = 0;
    return true;
}

static void drop_messages(struct stream *stream)
{
    do {
        for (; stream->sent < stream->ready.count; stream->sent++) {
            release(stream, stream->ready.first[stream->sent].body_bytes);
            free(stream->ready.first[stream->sent].frame);
            stream->sent_bytes = 0;
        }
    } while (take_read(stream));
}

/* ---- opening and ending ---- */

static void open_waiting(struct stream_set *set);

static void stream_open(struct stream *stream)
{
    struct service *service = stream->request->service;
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

static void unlink_stream(struct stream *stream)
{
    struct stream **link = &stream->request->session->streams;
    while (*link != stream) {
        link = &(*link)->next_of_session;
    }
    *link = stream->next_of_session;
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

/* The stream lies in its request's arena and goes with it. */
static void stream_finish(struct stream *stream, enum status status, const char *text)
{
    struct request *request = stream->request;
    struct stream_set *set = stream->set;
    assert(step_is_idle(stream));
    unlink_stream(stream);
    drop_messages(stream);
    bool was_open = stream->state != STREAM_WAITING;
    stream_move(stream, STREAM_ENDED);
    if (was_open) {
        release_cursor(stream);
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

static void stream_pump(struct stream *stream)
{
    const struct session *session = stream->request->session;
    if (stream->state == STREAM_ENDING) {
        if (step_is_idle(stream)) {
            stream_finish(stream, stream->cancelled.status, stream->cancelled.text);
        }
        return;
    }
    do {
        step_start(stream); /* so that it reads while this goes out */
        while (stream->sent < stream->ready.count && stream->window_bytes > 0 &&
               budget_client_may_send(&session->client)) {
            send_piece(stream);
        }
    } while (stream->sent == stream->ready.count && take_read(stream));
    if (stream->sent == stream->ready.count && step_is_idle(stream) && stream->result != SOURCE_MESSAGE) {
        stream_finish(stream, stream->result == SOURCE_END ? STATUS_OK : STATUS_IO_ERROR,
                      stream->failure.text);
        return;
    }
    step_start(stream);
}

/* A place, and room for what it would keep of the queue. */
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
        set->waiting_first = stream->next_of_set;
        if (set->waiting_first == NULL) {
            set->waiting_last = &set->waiting_first;
        }
        stream_open(stream);
        stream_pump(stream);
    }
}

uint64_t stream_turn(struct stream_set *set, uint64_t now_us)
{
    open_waiting(set);
    if (set->holding > 0 && now_us >= set->look_us) {
        for (struct stream *stream = set->open_first; stream != NULL; stream = stream->next_of_set) {
            stream->looks++;
            park_if_due(stream);
        }
        set->look_us = now_us + LOOK_US;
    }
    return set->holding > 0 ? set->look_us - now_us : UINT64_MAX;
}

void stream_go_on(struct session *session)
{
    for (struct stream *stream = session->streams; stream != NULL;) {
        struct stream *next = stream->next_of_session;
        if (stream->state != STREAM_WAITING) {
            stream_pump(stream);
        }
        stream = next;
    }
}

/* Ends it now, or when its step is back. */
static void cancel(struct stream *stream, enum status status, const char *text)
{
    if (step_is_idle(stream)) {
        stream_finish(stream, status, text);
        return;
    }
    drop_messages(stream); /* a step that waits in the pool may be waiting for their memory */
    if (stream->state != STREAM_ENDING) {
        stream_move(stream, STREAM_ENDING);
    }
    failure_set(&stream->cancelled, status, "%s", text);
}

void stream_end_all(struct session *session, enum status status, const char *text)
{
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
    if (session->stream_count >= STREAMS_OF_SESSION_MAX) {
        request_refuse(request, STATUS_BUSY,
                       "the connection has %d streams at a time already: end some first",
                       STREAMS_OF_SESSION_MAX);
        return;
    }
    struct stream *stream = request_memory(request, sizeof *stream);
    if (stream == NULL) {
        return;
    }
    stream->request = request;
    stream->set = request->service->streams;
    stream->kind = *kind;
    stream->window_bytes = window_bytes < WINDOW_BYTES_MAX ? window_bytes : WINDOW_BYTES_MAX;
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
    uint64_t room = WINDOW_BYTES_MAX - stream->window_bytes;
    stream->window_bytes += bytes < room ? bytes : room;
    if (stream->state != STREAM_WAITING) {
        stream_pump(stream);
    }
}

void stream_end(struct session *session, uint64_t id)
{
    struct stream *stream = find_stream(session, id);
    if (stream != NULL) {
        cancel(stream, STATUS_OK, "");
    }
}
