/* A step: what a stream reads at once, on the pool, and how that goes out. The life of a step:
 *
 * - It starts when the one before was taken, and credit, client and budget have room; it holds the stream's cursor from then on.
 * - It reads messages up to its bound into a list of its own, while the messages of the step before go out. It reads one message
 *   beyond the credit at most: that is all that a stream keeps while it stands.
 * - It ends: the loop counts what was read, and takes the list once all messages before it have gone out.
 * - Its messages go out as far as the window and the connection's replies have room, cut where a frame or the window ends. Where the
 *   machine has little memory they are cut smaller, and each piece waits until the one before is with the kernel.
 *
 * A message larger than the step has room for ends it, and the next step has room for that one. A source that fails ends the
 * step with what was read before, which still goes out; then the stream ends with the failure. A cursor that is held for long
 * is parked, also while nothing is taken, so that a stream never pins much of what the engine would release. */
#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/stream_internal.h"

enum {
    PIECE_BYTES_MIN = 4096, /* of a message that is cut where memory is short; chosen */
    /* What a piece leaves of the machine's memory for small things meanwhile: a few of the steps of 132 KiB by which malloc grows. With
     * less than one the next small thing that any thread asks for fails. */
    SPARE_BYTES = 512 << 10,
};

/* ---- its cursor ---- */

static void hold_cursor(struct stream *stream)
{
    struct stream_set *set = stream->set;
    if (stream->holds_cursor) {
        return;
    }
    assert(thread_is(THREAD_LOOP) && set->holding < set->open); /* each holds one at most */
    stream->holds_cursor = true;
    stream->looks = 0;
    stream->previous_holding = NULL;
    stream->next_holding = set->holding_first;
    if (set->holding_first != NULL) {
        set->holding_first->previous_holding = stream;
    }
    set->holding_first = stream;
    set->holding++;
}

void stream_step_release_cursor(struct stream *stream)
{
    struct stream_set *set = stream->set;
    assert(thread_is(THREAD_LOOP));
    if (!stream->holds_cursor) {
        return;
    }
    assert(set->holding > 0);
    if (stream->previous_holding == NULL) {
        set->holding_first = stream->next_holding;
    } else {
        stream->previous_holding->next_holding = stream->next_holding;
    }
    if (stream->next_holding != NULL) {
        stream->next_holding->previous_holding = stream->previous_holding;
    }
    set->holding--;
    stream->holds_cursor = false;
}

void stream_step_park(struct stream *stream)
{
    assert(stream_step_is_idle(stream)); /* else the cursor is the pool's, or will be */
    if (stream->holds_cursor) {
        source_park(stream->source);
        stream_step_release_cursor(stream);
    }
}

/* Parks a cursor that was held for too many looks. While a step runs the cursor is the pool's: then when that has ended. */
static void park_if_due(struct stream *stream)
{
    if (!stream->holds_cursor || stream->looks <= STREAM_LOOKS_MAX || stream->work.state == POOL_RUNNING) {
        return;
    }
    assert(thread_is(THREAD_LOOP));
    source_park(stream->source);
    if (stream_step_is_idle(stream)) { /* a queued step will hold it again */
        stream_step_release_cursor(stream);
    }
}

void stream_step_look(struct stream *stream)
{
    assert(stream->source != NULL); /* those that hold a cursor have one */
    stream->looks++;
    park_if_due(stream);
}

/* ---- a step ---- */

static void list_append(struct message_list *list, struct fetched message)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        list->first = memory_resize(list->first, list->capacity * sizeof list->first[0]);
    }
    assert(list->count < list->capacity && message.frame != NULL); /* what goes out frees the frame */
    list->first[list->count++] = message;
}

/* What the next step may read at once, after one whose largest message had that many bytes: messages of one stream are often
 * alike. Above STREAM_PARK_BYTES room is only set aside for a message known to come (`is_needed`). */
static uint64_t next_step_bytes(uint64_t largest_bytes, bool is_needed)
{
    bool expects_it = is_needed || largest_bytes < STREAM_PARK_BYTES;
    return expects_it && largest_bytes > STREAM_STEP_BYTES ? largest_bytes : STREAM_STEP_BYTES;
}

static void step_run(struct pool_work *work)
{
    struct stream *stream = (struct stream *)work; /* its first member */
    assert(thread_is(THREAD_POOL) && work->state == POOL_RUNNING);
    assert(stream->read.count == 0); /* what the step before has read was taken: it is counted then */
    uint64_t bytes = 0;
    uint64_t largest_bytes = 0;
    bool needs_room = false;
    uint64_t credit_bytes = stream->step_credit_bytes; /* one message more is read, or the end found */
    uint64_t bytes_max = credit_bytes < STREAM_STEP_BYTES ? credit_bytes : STREAM_STEP_BYTES - 1;
    while (bytes <= bytes_max && stream->read.count < STREAM_STEP_MESSAGES_MAX) {
        struct fetched fetched = {0};
        stream->result = source_next(stream->source, work->bytes, &fetched, &stream->failure);
        largest_bytes = fetched.body_bytes > largest_bytes ? fetched.body_bytes : largest_bytes;
        if (stream->result == SOURCE_NEEDS_ROOM) {
            assert(fetched.body_bytes > work->bytes); /* the next step gets that room, and so gets on */
            stream->result = SOURCE_MESSAGE;
            needs_room = true;
            break;
        }
        if (stream->result != SOURCE_MESSAGE) {
            return;
        }
        list_append(&stream->read, fetched);
        bytes += fetched.body_bytes;
    }
    if (largest_bytes >= STREAM_PARK_BYTES) {
        source_park(stream->source);
    }
    stream->step_bytes = next_step_bytes(largest_bytes, needs_room);
}

void stream_step_ended(struct stream *stream)
{
    assert(thread_is(THREAD_LOOP) && stream_step_is_idle(stream)); /* the source is the loop's again */
    park_if_due(stream);
    for (size_t i = 0; i < stream->read.count; i++) {
        budget_stream_read(stream->request->service->budget, &stream->memory,
                           stream->read.first[i].body_bytes);
    }
}

bool stream_step_may_start(const struct stream *stream)
{
    const struct session *session = stream->request->session;
    bool may_read =
        stream_step_is_idle(stream) && stream->read.count == 0 && stream->result == SOURCE_MESSAGE;
    bool has_credit = stream->window_bytes > 0 && stream->window_bytes >= stream->memory.unsent_bytes;
    assert(thread_is(THREAD_LOOP) && stream->source != NULL); /* it has a view */
    return may_read && has_credit && budget_client_has_room(&session->client, 0) &&
           budget_stream_may_read(&stream->memory);
}

void stream_step_start(struct stream *stream, void (*done)(struct pool_work *work))
{
    assert(stream->state == STREAM_AT_WORK); /* it has a place */
    if (stream_step_may_start(stream)) {
        assert(stream->step_bytes >= STREAM_STEP_BYTES); /* small messages are read whatever the room */
        hold_cursor(stream);
        stream->step_credit_bytes = stream->window_bytes - stream->memory.unsent_bytes;
        stream->work.run = step_run;
        stream->work.done = done;
        stream->work.member = &stream->request->session->member;
        stream->work.bytes = stream->step_bytes;
        pool_submit(stream->request->service->pool, &stream->work, POOL_STREAM);
    }
}

/* ---- what goes out ---- */

static void give_back(struct stream *stream, uint64_t bytes)
{
    budget_stream_gone(stream->request->service->budget, &stream->memory, bytes);
}

/* Memory for a frame with as much of the bytes as the machine has memory for, and some more; what remains goes with the next, once this
 * one is with the kernel. */
static uint8_t *make_frame(struct budget_client *client, uint64_t *bytes)
{
    uint8_t *frame = memory_try_raw(FRAME_REPLY_BYTES + *bytes);
    assert(*bytes > 0); /* else no piece would get on */
    while (*bytes > PIECE_BYTES_MIN && (frame == NULL || !memory_has(SPARE_BYTES))) {
        free(frame);
        budget_client_cut(client);
        *bytes /= 2;
        frame = memory_try_raw(FRAME_REPLY_BYTES + *bytes);
    }
    return frame != NULL ? frame : memory_raw(FRAME_REPLY_BYTES + *bytes);
}

/* Sends as much of the first message as one frame and the window allow. All of it counts as memory until it is sent whole. */
static void send_piece(struct stream *stream)
{
    assert(stream->sent < stream->ready.count && stream->window_bytes > 0);
    struct fetched *message = &stream->ready.first[stream->sent];
    /* some of it is left, or it is empty */
    assert(stream->sent_bytes < message->body_bytes || message->body_bytes == 0);
    uint64_t unsent = message->body_bytes - stream->sent_bytes;
    uint64_t bytes_max = stream->request->service->frame_bytes_max;
    bytes_max = stream->window_bytes < bytes_max ? stream->window_bytes : bytes_max;
    uint64_t bytes = unsent < bytes_max ? unsent : bytes_max;
    uint8_t *frame = message->frame;
    if (bytes < message->body_bytes) {
        frame = make_frame(&stream->request->session->client, &bytes);
        memcpy(frame + FRAME_REPLY_BYTES, message->frame + FRAME_REPLY_BYTES + stream->sent_bytes, bytes);
    } else {
        message->frame = NULL; /* taken by request_send */
    }
    stream->window_bytes -= bytes;
    stream->sent_bytes += bytes;
    bool is_whole = bytes == unsent;
    if (is_whole) {
        give_back(stream, message->body_bytes);
        free(message->frame);
        message->frame = NULL;
        stream->sent++;
        stream->sent_bytes = 0;
    }
    request_send(stream->request, is_whole ? FRAME_MORE : FRAME_MORE | FRAME_CONTINUED, frame, bytes);
}

bool stream_step_send(struct stream *stream)
{
    const struct session *session = stream->request->session;
    assert(thread_is(THREAD_LOOP) && stream->sent <= stream->ready.count);
    while (stream->sent < stream->ready.count && stream->window_bytes > 0 &&
           budget_client_may_send(&session->client)) {
        send_piece(stream);
    }
    return stream->sent == stream->ready.count;
}

bool stream_step_take(struct stream *stream)
{
    /* all messages of the step before are sent */
    assert(stream->sent == stream->ready.count && stream->sent_bytes == 0);
    if (!stream_step_is_idle(stream) || stream->read.count == 0) {
        return false;
    }
    struct message_list gone = stream->ready;
    gone.count = 0;
    stream->ready = stream->read;
    stream->read = gone;
    stream->sent = 0;
    return true;
}

void stream_step_watch_credit(struct stream *stream)
{
    struct timeout_list *list = &stream->set->without_credit;
    assert(thread_is(THREAD_LOOP));
    if (stream->window_bytes > 0) {
        timeout_stop(list, &stream->without_credit);
    } else if (!stream->without_credit.is_running) {
        timeout_start(list, &stream->without_credit);
    }
}

void stream_step_drop(struct stream *stream)
{
    assert(thread_is(THREAD_LOOP));
    do {
        for (; stream->sent < stream->ready.count; stream->sent++) {
            give_back(stream, stream->ready.first[stream->sent].body_bytes);
            free(stream->ready.first[stream->sent].frame);
            stream->sent_bytes = 0;
        }
    } while (stream_step_take(stream));
}
