/* A stream's life:
 *
 * - WAITING: for its first place, and its turn (runtime/turns). It has no view, and keeps nothing but its request.
 * - AT_WORK: it has a place, and has taken its view: all its messages are of that instant. Steps on the pool read them, one ahead of what
 *   goes out (stream_step.c); messages go out as far as the window, and the connection, have room.
 * - STANDING: it can neither read nor send, for want of credit or since its client takes no replies. Its place is given up and its
 *   cursor parked: it keeps its view, and one message beyond its credit at most.
 * - RETURNING: it can read again, and waits for its turn among those that do. Places go to these and to new ones alternately.
 * - ENDING: it was cancelled, or its connection closed, during a step on the pool. What is unsent goes at once, what that reads later.
 * - ENDED: all was sent, it failed, or it was cancelled. The last frame ends the request, and the stream's memory with it.
 *
 * What is damaged, or cannot be read, ends the stream with `damaged` or `io error` behind the messages before it. `busy` ends one without
 * credit for stream_timeout, one that stands while memory for requests is full, and those of that age while the disk is short of space. */
#include "daemon/serve/stream.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/order/order_space.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/stream_internal.h"

struct stream_set *stream_set_new(struct service *service, uint64_t streams_max, uint64_t stream_timeout_us)
{
    struct stream_set set = {
        .service = service, .streams_max = streams_max, .standing.length_us = UINT64_MAX};
    assert(streams_max > 0); /* or none ever opens */
    stream_set_timeout(&set, stream_timeout_us);
    return memory_copy(&set, sizeof set);
}

void stream_set_timeout(struct stream_set *set, uint64_t stream_timeout_us)
{
    set->without_credit.length_us = set->ages.length_us = stream_timeout_us;
}

static bool any_waits(const struct stream_set *set)
{
    const struct turns *turns = set->service->turns;
    return turns_count(turns, TURNS_STREAMS) > 0 || turns_count(turns, TURNS_STREAMS_RETURNING) > 0;
}

void stream_set_free(struct stream_set *set)
{
    assert(set == NULL || set->open == 0); /* they refer to it */
    assert(set == NULL || !any_waits(set));
    free(set);
}

uint64_t stream_count(const struct stream_set *set)
{
    assert(set->at_work <= set->open && set->at_work <= set->streams_max);
    return set->open;
}

uint64_t stream_count_at_work(const struct stream_set *set)
{
    assert(set->at_work <= set->streams_max);
    return set->at_work;
}

/* The table of legal moves: from a row to its columns. */
static void stream_move(struct stream *stream, enum stream_state to)
{
    static const bool legal[STREAM_ENDED + 1][STREAM_ENDED + 1] = {
        [STREAM_WAITING] = {[STREAM_AT_WORK] = true, [STREAM_ENDED] = true},
        [STREAM_AT_WORK] = {[STREAM_STANDING] = true, [STREAM_ENDING] = true, [STREAM_ENDED] = true},
        [STREAM_STANDING] = {[STREAM_RETURNING] = true, [STREAM_ENDED] = true},
        [STREAM_RETURNING] = {[STREAM_AT_WORK] = true, [STREAM_ENDED] = true},
        [STREAM_ENDING] = {[STREAM_ENDED] = true},
    };
    assert(thread_is(THREAD_LOOP) && legal[stream->state][to]);
    stream->state = to;
}

/* ---- places ---- */

static enum turns_list list_of(const struct stream *stream)
{
    assert(stream->state == STREAM_WAITING || stream->state == STREAM_RETURNING);
    return stream->state == STREAM_WAITING ? TURNS_STREAMS : TURNS_STREAMS_RETURNING;
}

static void wait_for_place(struct stream *stream)
{
    turns_wait(stream->set->service->turns, list_of(stream), &stream->request->session->member, &stream->turn,
               stream);
}

static bool has_place(const struct stream *stream)
{
    return stream->state == STREAM_AT_WORK || stream->state == STREAM_ENDING;
}

/* Gives the place up. The cursor is parked at a later look, or at once if other streams wait or many cursors are held. */
static void stand(struct stream *stream)
{
    struct stream_set *set = stream->set;
    assert(stream_step_is_idle(stream));
    stream_move(stream, STREAM_STANDING);
    timeout_start(&set->standing, &stream->standing);
    assert(set->at_work > 0);
    set->at_work--;
    if (any_waits(set) || set->holding >= set->streams_max) {
        stream_step_park(stream);
    }
}

/* ---- opening and ending ---- */

static void cancel(struct stream *stream, enum status status, const char *text);
static void stream_finish(struct stream *stream, enum status status, const char *text);
static void stream_pump(struct stream *stream);
static void open_waiting(struct stream_set *set);

/* Takes its view. False: its chain was dropped while it waited, and it has ended. */
static bool stream_open(struct stream *stream)
{
    struct service *service = stream->request->service;
    const struct stream_kind *kind = &stream->kind;
    struct failure failure;
    const struct chain *chain = request_chain(stream->request, kind->has_chain, kind->chain, &failure);
    assert(stream->view == NULL);
    if (chain == NULL) {
        stream_finish(stream, failure.status, failure.text);
        return false;
    }
    stream->set->open++;
    stream->view = order_view(service->order);
    struct fetch fetch = {
        .engine = service->engine,
        .point = stream->view,
        .chain = chain->id,
        .marks = chain->marks,
    };
    stream->step_bytes = STREAM_STEP_BYTES;
    stream->source = kind->make_source(kind, &fetch, order_pending(service->order));
    budget_stream_open(service->budget, &stream->memory, source_bytes(stream->source));
    timeout_start(&stream->set->ages, &stream->age);
    return true;
}

/* Takes it out of its session's list, and of all that the set has of it. */
static void unlink_stream(struct stream *stream)
{
    struct stream_set *set = stream->set;
    struct stream **link = &stream->request->session->streams;
    while (*link != stream) {
        link = &(*link)->next_of_session;
        assert(*link != NULL); /* it is in the list until it ends */
    }
    *link = stream->next_of_session;
    assert(stream->request->session->stream_count > 0);
    stream->request->session->stream_count--;
    timeout_stop(&set->without_credit, &stream->without_credit);
    timeout_stop(&set->ages, &stream->age);
    timeout_stop(&set->standing, &stream->standing);
    if (stream->state == STREAM_WAITING || stream->state == STREAM_RETURNING) {
        turns_drop(set->service->turns, list_of(stream), &stream->turn);
    }
    assert(set->at_work > 0 || !has_place(stream)); /* each place is counted while it is held */
    set->at_work -= has_place(stream);
}

/* Ends it with its last frame. It lies in its request's arena and is freed with that; its place goes to the next. */
static void stream_finish(struct stream *stream, enum status status, const char *text)
{
    struct request *request = stream->request;
    struct stream_set *set = stream->set;
    assert(stream_step_is_idle(stream)); /* the pool has nothing of it: its memory may go */
    unlink_stream(stream);
    stream_step_drop(stream);
    stream_move(stream, STREAM_ENDED);
    if (stream->view != NULL) {
        stream_step_release_cursor(stream);
        budget_stream_close(request->service->budget, &stream->memory);
        source_free(stream->source);
        free(stream->ready.first);
        free(stream->read.first);
        engine_point_release(stream->view);
        assert(set->open > 0); /* stream_open counted it */
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
    assert(has_place(stream)); /* it cannot end, or stand, while a step is out */
    stream_step_ended(stream);
    stream_pump(stream);
}

/* Decides, after the stream went on as far as it can, whether it keeps its place or waits for one: places are for streams that read. */
static void choose_place(struct stream *stream)
{
    assert(stream->state < STREAM_ENDING); /* one that ends keeps its place until its step has ended */
    if (stream->window_bytes == 0 && stream->request->session->is_input_ended) {
        cancel(stream, STATUS_BUSY, "its credit is used up, and the client has ended its sending side");
        return;
    }
    stream_step_watch_credit(stream);
    if (stream->state == STREAM_AT_WORK && stream_step_is_idle(stream)) {
        stand(stream);
        open_waiting(stream->set);
    } else if (stream->state == STREAM_STANDING && stream_step_may_start(stream)) {
        stream_move(stream, STREAM_RETURNING);
        timeout_stop(&stream->set->standing, &stream->standing);
        wait_for_place(stream);
        open_waiting(stream->set);
    }
}

/* Sends what is ready, and what it reads meanwhile. True: nothing is left to send. */
static bool send_and_read(struct stream *stream)
{
    bool is_all_sent;
    assert(stream->source != NULL); /* it has a view */
    do {
        if (stream->state == STREAM_AT_WORK) {
            stream_step_start(stream, step_done); /* so that it reads while this goes out */
        }
        is_all_sent = stream_step_send(stream);
    } while (is_all_sent && stream_step_take(stream));
    if (stream->state == STREAM_AT_WORK) {
        stream_step_start(stream, step_done);
    }
    return is_all_sent;
}

/* Goes on as far as it can: reads, sends, and ends if nothing more is to come. May free it. */
static void stream_pump(struct stream *stream)
{
    assert(thread_is(THREAD_LOOP) && stream->state != STREAM_ENDED);
    if (stream->state == STREAM_WAITING) {
        choose_place(stream);
        return;
    }
    if (stream->state == STREAM_ENDING) {
        if (stream_step_is_idle(stream)) {
            stream_finish(stream, stream->cancelled.status, stream->cancelled.text);
        }
        return;
    }
    bool is_all_sent = send_and_read(stream);
    if (is_all_sent && stream_step_is_idle(stream) && stream->result != SOURCE_MESSAGE) {
        assert(stream->result == SOURCE_END || stream->result == SOURCE_FAILED);
        bool has_failed = stream->result == SOURCE_FAILED;
        if (has_failed) {
            damage_note(order_damage(stream->request->service->order), DAMAGE_READ, &stream->failure);
        }
        stream_finish(stream, has_failed ? stream->failure.status : STATUS_OK, stream->failure.text);
        return;
    }
    choose_place(stream);
}

/* The next stream to get a place; NULL: no place is free, or none may have it. A new one needs room for what it would keep of the queue;
 * while there is none, returning streams get the places, since they may have to end before there is. */
static struct stream *next_to_work(const struct stream_set *set)
{
    const struct service *service = set->service;
    const struct pending *pending = order_pending(service->order);
    struct stream *fresh = turns_first(service->turns, TURNS_STREAMS);
    struct stream *returning = turns_first(service->turns, TURNS_STREAMS_RETURNING);
    assert(set->at_work <= set->streams_max);
    assert(fresh == NULL || fresh->state == STREAM_WAITING); /* it is taken out of the list of its state */
    assert(returning == NULL || returning->state == STREAM_RETURNING);
    if (set->at_work == set->streams_max) {
        return NULL;
    }
    if (fresh != NULL && !budget_may_open_stream(service->budget, set->open, pending_bytes(pending),
                                                 pending_held_bytes(pending))) {
        fresh = NULL;
    }
    if (fresh == NULL || returning == NULL) {
        return fresh != NULL ? fresh : returning;
    }
    return set->is_fresh_turn ? fresh : returning;
}

/* Gives the free places to streams that wait; of streams that copy much of the queue only a few at a time. */
static void open_waiting(struct stream_set *set)
{
    uint64_t copied_bytes = 0;
    struct stream *stream;
    if (set->is_opening) {
        return; /* the call below goes on with what has become free */
    }
    set->is_opening = true;
    while (copied_bytes < STREAM_OPEN_BYTES_MAX && (stream = next_to_work(set)) != NULL) {
        set->is_fresh_turn = stream->state == STREAM_RETURNING;
        turns_take(set->service->turns, list_of(stream), &stream->turn);
        stream_move(stream, STREAM_AT_WORK);
        set->at_work++;
        bool is_new = stream->view == NULL;
        if (is_new && !stream_open(stream)) {
            continue;
        }
        copied_bytes += is_new ? source_bytes(stream->source) : 0;
        stream_pump(stream);
    }
    set->is_opening = false;
}

static void look_at_cursors(struct stream_set *set)
{
    for (struct stream *stream = set->holding_first; stream != NULL;) {
        struct stream *next = stream->next_holding; /* parked, it leaves the list */
        assert(stream->holds_cursor && stream->view != NULL);
        stream_step_look(stream);
        stream = next;
    }
}

static void end_without_credit(struct stream_set *set, uint64_t now_us)
{
    struct timeout *late;
    while ((late = timeout_turn(&set->without_credit, now_us)) != NULL) {
        cancel(late->owner, STATUS_BUSY,
               "no credit came within stream_timeout: start it again where it ended");
    }
}

/* While requests are full no connection is read from: ends standing streams, the longest standing first, until there is room. */
static void make_room(struct stream_set *set)
{
    while (set->standing.first != NULL && budget_requests_are_full(set->service->budget)) {
        struct stream *stream = set->standing.first->owner;
        assert(stream->state == STREAM_STANDING); /* it has no step, so it ends at once and this gets on */
        cancel(stream, STATUS_BUSY,
               "there is no memory for requests that stand beside others: start it again later");
    }
}

/* Ends the streams that are older than stream_timeout: what was pruned since they took their views keeps its space until they end. */
static void end_old(struct stream_set *set, uint64_t now_us)
{
    struct timeout *old;
    assert(thread_is(THREAD_LOOP));
    while ((old = timeout_turn(&set->ages, now_us)) != NULL) {
        cancel(
            old->owner, STATUS_BUSY,
            "space on the disk is short, and the stream is older than stream_timeout: start it again later");
    }
}

uint64_t stream_set_iterate(struct stream_set *set, uint64_t now_us)
{
    assert(thread_is(THREAD_LOOP) && set->holding <= set->open);
    end_without_credit(set, now_us);
    make_room(set);
    (void)timeout_turn(&set->ages, now_us); /* they count from here */
    bool is_short = order_space_state(set->service->order) != SPACE_ENOUGH;
    if (is_short) {
        end_old(set, now_us);
    }
    open_waiting(set);
    if (next_to_work(set) != NULL) {
        return 0;
    }
    if (set->holding > 0 && now_us >= set->look_us) {
        look_at_cursors(set);
        set->look_us = now_us + STREAM_LOOK_US;
    }
    uint64_t look_in_us = set->holding > 0 ? set->look_us - now_us : UINT64_MAX;
    uint64_t late_in_us = timeout_in_us(&set->without_credit, now_us);
    uint64_t old_in_us = is_short ? timeout_in_us(&set->ages, now_us) : UINT64_MAX;
    late_in_us = old_in_us < late_in_us ? old_in_us : late_in_us;
    return look_in_us < late_in_us ? look_in_us : late_in_us;
}

bool stream_go_on(struct session *session, uint64_t until_us)
{
    struct stream_set *set = session->service->streams;
    bool is_done = true;
    assert(thread_is(THREAD_LOOP) && !set->is_opening);
    set->is_opening = true; /* or a stream that is given a place could end, and be the next one here */
    for (struct stream *stream = session->streams; stream != NULL && is_done;) {
        struct stream *next = stream->next_of_session; /* pumping may end it */
        stream_pump(stream);
        stream = next;
        is_done = stream == NULL || thread_now_us() < until_us;
    }
    set->is_opening = false;
    open_waiting(set);
    return is_done;
}

/* Ends it now, or when its step has ended. */
static void cancel(struct stream *stream, enum status status, const char *text)
{
    assert(thread_is(THREAD_LOOP) && stream->state != STREAM_ENDED); /* it ends once, and is freed then */
    if (stream_step_is_idle(stream)) {
        stream_finish(stream, status, text);
        return;
    }
    assert(has_place(stream)); /* the others have no step */
    timeout_stop(&stream->set->without_credit, &stream->without_credit);
    timeout_stop(&stream->set->ages, &stream->age);
    stream_step_drop(stream); /* a step that is queued in the pool may be waiting for that memory */
    if (stream->state != STREAM_ENDING) {
        stream_move(stream, STREAM_ENDING);
    }
    failure_set(&stream->cancelled, status, "%s", text);
}

void stream_end_all(struct session *session, enum status status, const char *text)
{
    struct stream_set *set = session->service->streams;
    bool is_opening = set->is_opening;
    assert(thread_is(THREAD_LOOP));
    set->is_opening = true; /* as above */
    for (struct stream *stream = session->streams; stream != NULL;) {
        struct stream *next = stream->next_of_session;
        cancel(stream, status, text);
        stream = next;
    }
    set->is_opening = is_opening;
    open_waiting(set);
}

/* ---- for the requests ---- */

static struct stream *find_stream(const struct session *session, uint64_t id)
{
    struct stream *stream = session->streams;
    assert(thread_is(THREAD_LOOP) && (stream == NULL) == (session->stream_count == 0));
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
    stream->without_credit.owner = stream;
    stream->age.owner = stream;
    stream->standing.owner = stream;
    stream_step_watch_credit(stream);
    wait_for_place(stream);
    open_waiting(stream->set);
}

void stream_add_credit(struct session *session, uint64_t id, uint64_t bytes)
{
    struct stream *stream = find_stream(session, id);
    if (stream == NULL || bytes == 0) {
        return;
    }
    assert(stream->window_bytes <= WINDOW_BYTES_MAX);
    uint64_t room_bytes = WINDOW_BYTES_MAX - stream->window_bytes;
    stream->window_bytes += bytes < room_bytes ? bytes : room_bytes;
    timeout_stop(&stream->set->without_credit, &stream->without_credit); /* also if all goes out at once */
    stream_pump(stream);
}

void stream_end(struct session *session, uint64_t id)
{
    struct stream *stream = find_stream(session, id);
    assert(thread_is(THREAD_LOOP));
    if (stream != NULL) {
        cancel(stream, STATUS_OK, "");
    }
}
