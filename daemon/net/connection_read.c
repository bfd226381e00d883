/* How a connection reads. The life of a frame:
 *
 * - Its header is read. One that is malformed, too large or out of place is refused, and the connection drains.
 * - A body that is whole in what was read is started from there. Another gets memory of its own, which a large one may have to
 *   wait for, and is read into it.
 * - It becomes a request, which is started before the next frame is looked at.
 *
 * In an iteration of the loop a connection has its share of bytes and of time (connection_share.c). Bytes beyond that stay with the
 * kernel; what is read and not started when the time is over is its backlog, with which it goes on in its turn.
 *
 * Completions are drained at the beginning of an iteration only. So while some wait, a connection that has started a request
 * leaves what else it read, its backlog, for the next iteration: each connection starts at least one request, and the reply to a
 * commit waits for no more than one request of each.
 *
 * A peer that ends inside a frame loses that frame; requests started before are carried out, and answered if it takes answers. */
#include <assert.h>
#include <stdlib.h>

#include "daemon/net/connection_set_internal.h"
#include "daemon/observe/event.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/dispatch.h"

enum { HELLO_BYTES_MAX = 64 << 10 }; /* of a first frame, unpacked on the loop; far above a hello's; chosen */

static void refuse_frame(struct connection *connection, uint8_t type, uint64_t id, enum status status,
                         const char *text)
{
    assert(connection->incoming.state == INCOMING_HEADER); /* nothing is held for the frame */
    connection->set->service->frames_bad++;
    event_frame_refused(text, type);
    connection_refuse(connection, type, id, status, text);
}

/* Drops a whole frame whose answer nobody waits for. */
static void skip_request(struct connection *connection, uint8_t *taken)
{
    struct incoming *incoming = &connection->incoming;
    assert(connection->session.is_closed && incoming->state == INCOMING_HEADER);
    budget_request_end(connection->set->service->budget, &incoming->memory);
    free(taken);
}

/* Notes what became of a request that was started, or went on: one that has to wait gets a turn, or ends if the connection does. */
static void go_on(struct connection *connection, struct request *request, enum request_progress progress)
{
    bool is_closing = connection->state >= CONNECTION_CLOSING;
    connection->is_unpacking = false;
    if (progress == REQUEST_TAKEN) {
        return;
    }
    if (progress != REQUEST_UNPACKS && is_closing) {
        request_end(request);
        return;
    }
    connection_wait(connection, request, progress);
    connection_touch(connection); /* where it is dropped if the peer is gone */
}

/* Starts or goes on with a request. The first malformed one of a connection is logged. */
static void run_request(struct connection *connection, struct request *request,
                        enum request_progress (*run)(struct request *request, const uint8_t *body),
                        const uint8_t *body)
{
    const struct service *service = connection->set->service;
    uint64_t bad_before = service->frames_bad;
    uint8_t type = request->type;
    uint32_t body_bytes = (uint32_t)request->body_bytes;
    go_on(connection, request, run(request, body));
    if (service->frames_bad != bad_before && !connection->is_bad_logged) {
        connection->is_bad_logged = true;
        event_request_malformed(type, body_bytes);
    }
}

static enum request_progress go_on_unpacked(struct request *request, const uint8_t *body)
{
    (void)body; /* it was unpacked */
    assert(request->unpacking != NULL);
    return request_start_unpacked(request);
}

static enum request_progress start_taken(struct request *request, const uint8_t *body)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } pointer = {.in = body}; /* it was malloc'ed for the frame */
    assert(body != NULL);
    return request_start_taken(request, pointer.out);
}

void connection_unpacked(struct session *session, struct request *request)
{
    struct connection *connection = connection_of(session);
    assert(connection->is_unpacking && thread_is(THREAD_LOOP));
    run_request(connection, request, go_on_unpacked, NULL);
    connection_touch(connection);
}

/* Starts the request of a whole frame. Copies the body, unless `taken` is not NULL: that is the body, which the request then owns. */
static void start_request(struct connection *connection, const uint8_t *body, uint8_t *taken)
{
    struct connection_set *set = connection->set;
    struct session *session = &connection->session;
    struct incoming *incoming = &connection->incoming;
    bool changes = request_type_changes(incoming->frame.type);
    /* it is started in the order it was sent */
    assert(connection->waiting == NULL && incoming->state == INCOMING_HEADER);
    assert(incoming->body == NULL); /* a body of its own is the request's from here on */
    if (session->is_closed && !changes && session->is_greeted) {
        skip_request(connection, taken);
        return;
    }
    connection->is_express = incoming->frame.type == FRAME_COMMIT;
    timeout_stop(&set->hello_timeouts, &connection->hello_timeout);
    connection->has_turn = false;
    connection->in_flight++;
    connection->writes_in_flight += changes;
    set->in_flight++;
    set->requests++;
    struct request *request = request_new(session, &incoming->frame, &incoming->memory, set->now_us);
    incoming->memory = (struct budget_request){0};
    run_request(connection, request, taken != NULL ? start_taken : request_start,
                taken != NULL ? taken : body);
    if (!session->is_greeted) { /* it was refused */
        connection_drain(connection);
    }
}

/* The header is whole. */
static void begin_frame(struct connection *connection)
{
    struct incoming *incoming = &connection->incoming;
    const struct frame_request *frame = &incoming->frame;
    /* the budget has room for such a one */
    assert(frame->body_bytes <= connection->set->service->frame_bytes_max);
    incoming->memory = budget_request_of(request_type_is_write(frame->type), frame->body_bytes);
    incoming_move(incoming, INCOMING_BODY_AHEAD);
}

static size_t take_header(struct connection *connection, const uint8_t *bytes, size_t count)
{
    struct incoming *incoming = &connection->incoming;
    size_t wanted = FRAME_REQUEST_BYTES - incoming->header_bytes;
    size_t taken = count < wanted ? count : wanted;
    assert(incoming->header_bytes < FRAME_REQUEST_BYTES); /* so something is wanted, and the frame gets on */
    memcpy(incoming->header + incoming->header_bytes, bytes, taken);
    incoming->header_bytes += taken;
    if (incoming->header_bytes < FRAME_REQUEST_BYTES) {
        return taken;
    }
    incoming->header_bytes = 0;
    const struct frame_request *frame = &incoming->frame;
    if (frame_request_decode(incoming->header, &incoming->frame) != STATUS_OK) {
        refuse_frame(connection, FRAME_HELLO, 0, STATUS_INVALID, "the bytes are no frame of this protocol");
    } else if (!connection->session.is_greeted && frame->type != FRAME_HELLO) {
        refuse_frame(connection, frame->type, frame->id, STATUS_INVALID,
                     "the first frame of a connection is hello");
    } else if (frame->type == FRAME_HELLO && frame->body_bytes > HELLO_BYTES_MAX) {
        refuse_frame(connection, frame->type, frame->id, STATUS_TOO_LARGE, "a hello of more than 64 KiB");
    } else if (frame->body_bytes > connection->set->service->frame_bytes_max) {
        refuse_frame(connection, frame->type, frame->id, STATUS_TOO_LARGE,
                     "the frame is larger than frame_bytes_max, which hello tells: send less at once");
    } else {
        begin_frame(connection);
    }
    return taken;
}

void connection_read_granted(struct connection *connection)
{
    struct incoming *incoming = &connection->incoming;
    assert(incoming->body == NULL && incoming->body_bytes == 0);
    uint8_t *body = memory_try_raw(incoming->frame.body_bytes);
    if (body == NULL) { /* the body is not read, so no frame can be told from it any more */
        incoming_move(incoming, INCOMING_HEADER);
        budget_request_end(connection->set->service->budget, &incoming->memory);
        incoming->memory = (struct budget_request){0};
        refuse_frame(connection, incoming->frame.type, incoming->frame.id, STATUS_BUSY,
                     "the machine has no memory for the frame: connect and try again later");
        return;
    }
    incoming_move(incoming, INCOMING_BODY);
    incoming->body = body;
    timeout_start(&connection->set->frame_timeouts, &connection->frame_timeout);
}

/* Gets memory for the body, or waits for it: a large one for its turn among the connections that wait. */
static void ask_for_memory(struct connection *connection)
{
    struct service *service = connection->set->service;
    struct incoming *incoming = &connection->incoming;
    assert(incoming->state == INCOMING_BODY_AHEAD);
    bool is_large = budget_request_is_large(&incoming->memory);
    bool others_wait = turns_count(service->turns, TURNS_WRITE_MEMORY) > 0 ||
                       turns_count(service->turns, TURNS_READ_MEMORY) > 0;
    if (is_large &&
        (others_wait || budget_request_reserve(service->budget, &incoming->memory) != BUDGET_GRANTED)) {
        incoming_move(incoming, INCOMING_WAITS_MEMORY);
        connection_wait_for_memory(connection, &incoming->memory);
    } else {
        connection_read_granted(connection);
    }
}

static void start_if_whole(struct connection *connection)
{
    struct incoming *incoming = &connection->incoming;
    uint8_t *body = incoming->body;
    if (incoming->body_bytes < incoming->frame.body_bytes) {
        return;
    }
    assert(incoming->state == INCOMING_BODY && incoming->body_bytes == incoming->frame.body_bytes);
    incoming->body = NULL;
    incoming->body_bytes = 0;
    incoming_move(incoming, INCOMING_HEADER);
    timeout_stop(&connection->set->frame_timeouts, &connection->frame_timeout);
    start_request(connection, NULL, body);
}

static size_t take_body(struct connection *connection, const uint8_t *bytes, size_t count)
{
    struct incoming *incoming = &connection->incoming;
    assert(incoming->body_bytes <= incoming->frame.body_bytes);
    size_t wanted = incoming->frame.body_bytes - incoming->body_bytes;
    size_t taken = count < wanted ? count : wanted;
    if (incoming->state == INCOMING_BODY_AHEAD && taken == wanted) {
        incoming_move(incoming, INCOMING_HEADER);
        start_request(connection, bytes, NULL); /* whole where it lies */
        return taken;
    }
    if (incoming->state == INCOMING_BODY_AHEAD) {
        ask_for_memory(connection);
    }
    if (incoming->state != INCOMING_BODY) {
        return 0;
    }
    memcpy(incoming->body + incoming->body_bytes, bytes, taken);
    incoming->body_bytes += taken;
    start_if_whole(connection);
    return taken;
}

/* Whether a frame without a body is to be started, for which no more bytes come. */
static bool is_whole_ahead(const struct connection *connection)
{
    const struct incoming *incoming = &connection->incoming;
    return incoming->state == INCOMING_BODY_AHEAD && incoming->frame.body_bytes == 0;
}

/* Starts the requests that the bytes hold, as far as the connection may go on; returns how many bytes it took. While completions
 * wait to be drained it stops between two requests, and goes on in the next iteration; when the slice is over it stops there, too. */
static size_t take(struct connection *connection, const uint8_t *bytes, size_t count,
                   struct time_slice *slice)
{
    const struct connection_set *set = connection->set;
    uint64_t requests = set->requests;
    size_t taken = 0;
    bool is_begun =
        false; /* a header was read, and nothing was started since connection_may_go_on was asked */
    while ((taken < count || is_whole_ahead(connection)) &&
           (is_begun ? connection_may_start(connection) : connection_may_go_on(connection))) {
        if (set->requests != requests) {
            requests = set->requests;
            if (order_has_completions(set->service->order)) {
                connection->left_iteration = set->iteration;
                connection_postpone(connection);
                break;
            }
            if (time_slice_is_over(slice, connection->incoming.frame.body_bytes)) {
                break;
            }
        }
        bool is_header = connection->incoming.state == INCOMING_HEADER;
        taken += (is_header ? take_header : take_body)(connection, bytes + taken, count - taken);
        is_begun = is_header && connection->incoming.state == INCOMING_BODY_AHEAD;
        assert(taken <= count);
    }
    return taken;
}

/* ---- the loop library's callbacks ---- */

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;
    struct incoming *incoming = &connection->incoming;
    (void)suggested;
    assert(thread_is(THREAD_LOOP) && connection->backlog == NULL); /* what was read before goes first */
    if (incoming->state == INCOMING_BODY) {                        /* read to where it stays */
        *buffer = uv_buf_init((char *)incoming->body + incoming->body_bytes,
                              connection_take_body_share(connection));
    } else {
        *buffer = uv_buf_init((char *)connection->set->read_buffer, connection_take_share(connection));
    }
}

static void stop_reading(struct connection *connection)
{
    assert(connection->is_reading); /* not_reading counts it once */
    uv_read_stop((uv_stream_t *)&connection->pipe);
    connection->is_reading = false;
    connection->set->not_reading++;
}

/* Without memory for it the connection ends: what it sent behind that would be out of order. */
static void keep_backlog(struct connection *connection, const uint8_t *bytes, size_t count)
{
    assert(connection->backlog == NULL && count > 0); /* there is one, in the order it was sent */
    connection->backlog = memory_try_copy(bytes, count);
    if (connection->backlog != NULL) {
        connection->backlog_bytes = count;
    } else {
        event_frame_refused("the machine has no memory for what was sent", connection->incoming.frame.type);
        connection_close(connection);
    }
}

/* Starts the requests that the bytes hold. What has to be left is the backlog; if for the time, it waits for the next slice. */
static void take_all(struct connection *connection, const uint8_t *bytes, size_t count,
                     struct time_slice *slice)
{
    size_t taken = take(connection, bytes, count, slice);
    if (taken < count && connection->state == CONNECTION_OPEN) {
        keep_backlog(connection, bytes + taken, count - taken);
    }
    if (connection->state != CONNECTION_OPEN) {
        return;
    }
    if (slice->is_over) { /* between two requests */
        connection_cut(connection);
    }
    if (taken < count && connection->is_reading) {
        stop_reading(connection); /* at once, or the loop library would read more in this same poll */
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    if (count == 0 || count == UV_ENOBUFS) {
        return; /* there is nothing, or it has had its share: it goes on in the next iteration */
    }
    if (count < 0) {
        const struct incoming *incoming = &connection->incoming;
        if (incoming->state != INCOMING_HEADER || incoming->header_bytes > 0) {
            event_frame_cut(uv_strerror((int)count), incoming->frame.type);
        }
        connection_end_input(connection);
        return;
    }
    assert(thread_is(THREAD_LOOP) && (size_t)count <= buffer->len);
    bool is_more = (size_t)count == buffer->len;
    connection->is_bulk |= is_more;
    connection->set->now_us = thread_now_us(); /* the loop may have slept since the iteration began */
    connection_touch(connection);
    if (is_more && (size_t)count >= SCHEDULE_SHARE_BYTES_SYNCING &&
        connection->incoming.state != INCOMING_BODY) {
        connection_check(connection); /* of a peer that is gone much of what it left need not be done */
    }
    if (connection->incoming.state == INCOMING_BODY) {
        connection->incoming.body_bytes += (size_t)count;
        /* as on_allocate asked */
        assert(connection->incoming.body_bytes <= connection->incoming.frame.body_bytes);
        start_if_whole(connection);
        return;
    }
    struct time_slice slice = connection_fresh_slice(connection->set);
    take_all(connection, (const uint8_t *)buffer->base, (size_t)count, &slice);
}

/* Starts the requests of the backlog. What it has to leave is the backlog again. */
static void take_backlog(struct connection *connection, struct time_slice *slice)
{
    uint8_t *backlog = connection->backlog;
    size_t bytes = connection->backlog_bytes;
    assert(backlog != NULL || is_whole_ahead(connection));
    connection->backlog = NULL;
    connection->backlog_bytes = 0;
    take_all(connection, backlog != NULL ? backlog : (const uint8_t *)"", bytes, slice);
    free(backlog);
}

void connection_read_on(struct connection *connection)
{
    assert(thread_is(THREAD_LOOP) && connection->state != CONNECTION_CLOSED);
    if (connection_waits_for_nobody(connection)) {
        connection_close(connection);
        return;
    }
    bool has_left = connection->left_iteration == connection->set->iteration;
    bool has_more = connection->backlog != NULL || is_whole_ahead(connection);
    if (has_more && !has_left && connection_may_go_on(connection)) {
        struct time_slice slice = connection_fresh_slice(connection->set);
        take_backlog(connection, &slice);
    }
    bool wanted = connection->backlog == NULL && connection_may_go_on(connection);
    if (wanted && !connection->is_reading) {
        connection->is_reading = uv_read_start((uv_stream_t *)&connection->pipe, on_allocate, on_read) == 0;
        if (!connection->is_reading) {
            connection_close(connection);
            return;
        }
        assert(connection->set->not_reading > 0);
        connection->set->not_reading--;
    } else if (!wanted && connection->is_reading) {
        stop_reading(connection);
    }
}

void connection_serve_cut(struct connection_set *set)
{
    struct turns *turns = set->service->turns;
    uint64_t count = turns_count(turns, TURNS_SLICE);
    if (count == 0 || set->slice_iteration == set->iteration) {
        return;
    }
    set->slice_iteration = set->iteration;
    uint64_t now_us = thread_now_us();
    uint64_t end_us = now_us + CONNECTION_SLICE_US, share_us = CONNECTION_SLICE_US / count;
    for (; count > 0 && now_us < end_us; count--) {
        struct connection *connection = turns_first(turns, TURNS_SLICE);
        turns_take(turns, TURNS_SLICE, &connection->for_slice);
        connection_check(connection);
        if (connection_may_go_on(connection)) {
            struct time_slice slice = time_slice_until(now_us + share_us);
            take_backlog(connection, &slice);
        }
        connection_touch(connection);
        now_us = thread_now_us();
    }
}
