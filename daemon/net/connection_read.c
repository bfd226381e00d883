/* How a connection reads. The life of a frame:
 *
 * - Its header is read. One that is malformed, too large or out of place is refused, and the connection drains.
 * - A body that is whole in what was read is started from there. Another gets memory of its own, which a large one may have to
 *   wait for, and is read into it.
 * - It becomes a request, which is started before the next frame is looked at.
 *
 * In an iteration of the loop a connection has its share; what is beyond that stays with the kernel. While commits come, the
 * share is small, connections that bring commits read first, and of the contenders, all others with something to read, one an
 * iteration has its share, in rotation: a commit is seen soon however much is sent beside it. writer/schedule decides.
 *
 * Completions are drained at the beginning of an iteration only. So while some wait, a connection that has started a request
 * leaves what else it read, its backlog, for the next iteration: each connection starts at least one request, and the reply to a
 * commit waits for no more than one request of each.
 *
 * A peer that ends inside a frame loses that frame, and the connection closes; requests started before are carried out. */
#include <assert.h>
#include <stdlib.h>

#include "daemon/net/connection_set_internal.h"
#include "daemon/observe/event.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/dispatch.h"

static void refuse_frame(struct connection *connection, uint8_t type, uint64_t id, enum status status,
                         const char *text)
{
    assert(connection->incoming.state == INCOMING_HEADER); /* nothing is held for the frame */
    connection->set->service->frames_bad++;
    event_frame_refused(text, type);
    connection_refuse(connection, type, id, status, text);
}

/* Whether memory for requests is used up, or others wait for it and were before this one. A frame whose room is set aside is read
 * to its end. */
static bool is_held_up(const struct connection *connection)
{
    const struct service *service = connection->set->service;
    bool others_wait = turns_count(service->turns, TURNS_REQUESTS) > 0;
    return connection->incoming.state != INCOMING_BODY &&
           (budget_requests_are_full(service->budget) || (others_wait && !connection->has_turn));
}

static void pause_for(struct connection *connection, enum turns_list list, struct turn *turn)
{
    connection->has_turn = false;
    turns_wait(connection->set->service->turns, list, &connection->session.member, turn, connection);
}

/* Whether it may read, or start what it has read. Where only the shared budget is in the way, it waits for its turn from here on. */
static bool go_on(struct connection *connection)
{
    const struct budget *budget = connection->set->service->budget;
    const struct budget_client *client = &connection->session.client;
    bool may = connection->state == CONNECTION_OPEN && connection->waiting == NULL &&
               connection->incoming.state != INCOMING_WAITS_MEMORY &&
               connection->in_flight < REQUESTS_IN_FLIGHT_MAX && budget_client_may_send(client);
    if (!may || turn_waits(&connection->for_requests) || turn_waits(&connection->for_replies)) {
        return false;
    }
    if (budget_client_must_pause(budget, client)) {
        pause_for(connection, TURNS_REPLIES, &connection->for_replies);
        return false;
    }
    if (is_held_up(connection)) {
        pause_for(connection, TURNS_REQUESTS, &connection->for_requests);
        return false;
    }
    return true;
}

/* Starts the request of a whole frame. The body is copied; or, if `taken` is not NULL, that is the body, and taken. */
static void start_request(struct connection *connection, const uint8_t *body, uint8_t *taken)
{
    struct connection_set *set = connection->set;
    struct service *service = set->service;
    struct session *session = &connection->session;
    uint64_t bad_before = service->frames_bad;
    struct incoming *incoming = &connection->incoming;
    assert(connection->waiting == NULL &&
           incoming->state == INCOMING_HEADER); /* it is started in the order it was sent */
    connection->is_express = incoming->frame.type == FRAME_COMMIT;
    timeout_stop(&set->hello_timeouts, &connection->hello_timeout);
    connection->has_turn = false;
    connection->in_flight++;
    set->in_flight++;
    set->requests++;
    struct request *request = request_new(session, &incoming->frame, &incoming->memory, set->now_us);
    incoming->memory = (struct budget_request){0};
    enum request_progress progress =
        taken != NULL ? request_start_taken(request, taken) : request_start(request, body);
    if (progress != REQUEST_TAKEN) {
        connection_wait(connection, request, progress);
    }
    if (service->frames_bad != bad_before && !connection->is_bad_logged) {
        connection->is_bad_logged = true;
        event_request_malformed(incoming->frame.type, incoming->frame.body_bytes);
    }
    if (!session->is_greeted && connection->state == CONNECTION_OPEN) {
        connection_drain(connection);
    }
}

/* The header is whole: what has no body is started at once. */
static void begin_frame(struct connection *connection)
{
    struct incoming *incoming = &connection->incoming;
    const struct frame_request *frame = &incoming->frame;
    assert(frame->body_bytes <=
           connection->set->service->frame_bytes_max); /* the budget has room for such a one */
    incoming->memory = budget_request_of(request_type_is_write(frame->type), frame->body_bytes);
    if (frame->body_bytes == 0) {
        start_request(connection, NULL, NULL);
    } else {
        incoming_move(incoming, INCOMING_BODY_AHEAD);
    }
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
    if (incoming->state != INCOMING_BODY || incoming->body_bytes < incoming->frame.body_bytes) {
        return;
    }
    uint8_t *body = incoming->body;
    assert(body != NULL &&
           incoming->body_bytes == incoming->frame.body_bytes); /* nothing was read beyond it */
    incoming->body = NULL;
    incoming->body_bytes = 0;
    incoming_move(incoming, INCOMING_HEADER);
    timeout_stop(&connection->set->frame_timeouts, &connection->frame_timeout);
    start_request(connection, NULL, body);
}

static size_t take_body(struct connection *connection, const uint8_t *bytes, size_t count)
{
    struct incoming *incoming = &connection->incoming;
    assert(incoming->body_bytes < incoming->frame.body_bytes); /* else it would have been started */
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

/* Starts the requests that the bytes hold, as far as the connection may go on; returns how many bytes it took. While completions
 * wait to be drained it stops between two requests, and goes on in the next iteration. */
static size_t take(struct connection *connection, const uint8_t *bytes, size_t count)
{
    const struct connection_set *set = connection->set;
    uint64_t requests_before = set->requests;
    size_t taken = 0;
    while (taken < count && go_on(connection)) {
        if (set->requests != requests_before && order_has_completions(set->service->order)) {
            connection->left_iteration = set->iteration;
            connection_postpone(connection);
            break;
        }
        if (connection->incoming.state == INCOMING_HEADER) {
            taken += take_header(connection, bytes + taken, count - taken);
        } else {
            taken += take_body(connection, bytes + taken, count - taken);
        }
        assert(taken <= count);
    }
    return taken;
}

/* ---- shares of an iteration ---- */

/* Takes a contender's share of this iteration, if it is the one to have it. */
static bool take_contenders_share(struct connection *connection)
{
    struct connection_set *set = connection->set;
    const struct schedule_contender contender = {
        .contenders = set->contenders_before,
        .iterations = set->iteration - connection->read_iteration,
        .has_served = set->has_served,
        .had_served = set->had_served,
    };
    assert(set->iteration > connection->read_iteration); /* it asks once an iteration */
    set->contenders++;
    bool reads = schedule_contender_reads(&contender);
    set->has_served |= reads;
    return reads;
}

/* How long the commit under way is known to take from now on; 0: not known, or about to end. */
static uint64_t commit_remaining_ns(const struct connection_set *set)
{
    uint64_t sleep_ns;
    return order_expects_completions(set->service->order, thread_now_ns(), &sleep_ns) ? 0 : sleep_ns;
}

/* How many bytes a connection that has something to read may read now. It is asked once an iteration: 0 is its answer to every
 * later call in it. */
static uint32_t take_share(struct connection *connection)
{
    struct connection_set *set = connection->set;
    if (connection->asked_iteration == set->iteration) {
        return 0;
    }
    assert(connection->asked_iteration < set->iteration);
    connection->asked_iteration = set->iteration;
    enum schedule_pressure pressure =
        schedule_pressure(set->is_committing, set->is_committing ? commit_remaining_ns(set) : 0);
    bool is_contender = pressure == SCHEDULE_PRESSURE_COMMITTING && !connection->is_express;
    if (is_contender && !take_contenders_share(connection)) {
        return 0;
    }
    connection->read_iteration = set->iteration;
    return schedule_share_bytes(pressure);
}

/* ---- the loop library's callbacks ---- */

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;
    struct incoming *incoming = &connection->incoming;
    (void)suggested;
    assert(thread_is(THREAD_LOOP) && connection->backlog == NULL); /* what was read before goes first */
    if (incoming->state == INCOMING_BODY) {                        /* read to where it stays */
        size_t missing_bytes = incoming->frame.body_bytes - incoming->body_bytes;
        *buffer = uv_buf_init((char *)incoming->body + incoming->body_bytes, (unsigned)missing_bytes);
    } else {
        *buffer = uv_buf_init((char *)connection->set->read_buffer, take_share(connection));
    }
}

static void stop_reading(struct connection *connection)
{
    assert(connection->is_reading); /* not_reading counts it once */
    uv_read_stop((uv_stream_t *)&connection->pipe);
    connection->is_reading = false;
    connection->set->not_reading++;
}

static void keep_backlog(struct connection *connection, const uint8_t *bytes, size_t count)
{
    assert(connection->backlog == NULL && count > 0); /* there is one, in the order it was sent */
    connection->backlog = memory_copy(bytes, count);
    connection->backlog_bytes = count;
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
        connection_close(connection);
        return;
    }
    connection->is_bulk |= (size_t)count == buffer->len;
    connection->set->now_us = thread_now_us(); /* the loop may have slept since the iteration began */
    connection_touch(connection);
    if (connection->incoming.state == INCOMING_BODY) {
        connection->incoming.body_bytes += (size_t)count;
        assert(connection->incoming.body_bytes <=
               connection->incoming.frame.body_bytes); /* as on_allocate asked */
        start_if_whole(connection);
        return;
    }
    const uint8_t *bytes = (const uint8_t *)buffer->base;
    size_t taken = take(connection, bytes, (size_t)count);
    if (taken < (size_t)count && connection->state == CONNECTION_OPEN) {
        keep_backlog(connection, bytes + taken, (size_t)count - taken);
        stop_reading(connection); /* at once, or the loop library would read more in this same poll */
    }
}

/* Starts the requests of the backlog. What it has to leave is the backlog again. */
static void take_backlog(struct connection *connection)
{
    assert(connection->backlog != NULL && !connection->is_reading);
    uint8_t *backlog = connection->backlog;
    size_t bytes = connection->backlog_bytes;
    connection->backlog = NULL;
    connection->backlog_bytes = 0;
    size_t taken = take(connection, backlog, bytes);
    if (taken < bytes && connection->state == CONNECTION_OPEN) {
        keep_backlog(connection, backlog + taken, bytes - taken);
    }
    free(backlog);
}

void connection_read_on(struct connection *connection)
{
    assert(thread_is(THREAD_LOOP) && connection->state != CONNECTION_CLOSED);
    bool has_left = connection->left_iteration == connection->set->iteration;
    if (connection->backlog != NULL && !has_left && go_on(connection)) {
        take_backlog(connection);
    }
    bool wanted = connection->backlog == NULL && go_on(connection);
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
