/* A connection's life (how frames are read is in connection_read.c):
 *
 * - OPEN: frames are read, a bounded share of them an iteration, and started one after the other. Reading pauses while a request
 *   waits for room, a large frame waits for memory, it waits for its turn to read on, too much is in flight, or too many replies
 *   wait for the peer.
 * - DRAINING: the peer ended its sending side, sent bytes that are no frame, or hello was refused. Nothing is read any more; it
 *   closes once what was started has been answered and sent.
 * - CLOSING: the peer is gone, or the last reply was sent. Replies are dropped; what was started is carried out.
 * - CLOSED: the pipe is closed. It is freed when its last request has ended.
 *
 * A peer that says no hello, does not finish a frame, or takes nothing of the replies that wait for it, is given up after the time
 * that the set's limits say; in the first two cases it is told.
 *
 * From a peer that takes no replies any more no reads are started, and its replies are dropped; what it sends to change the store is
 * carried out. If it is gone, that is what it had sent whole, as far as there is room at once: where it would have to wait, that and
 * all behind it is dropped. */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>

#include "daemon/net/connection_set_internal.h"
#include "daemon/observe/event.h"
#include "daemon/observe/metrics.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/epochs.h"
#include "daemon/serve/read.h"
#include "daemon/serve/stream.h"
#include "proto/cairn.pb-c.h"

/* The tables of legal moves: from a row to its columns. */
static void connection_move(struct connection *connection, enum connection_state to)
{
    static const bool legal[CONNECTION_CLOSED + 1][CONNECTION_CLOSED + 1] = {
        [CONNECTION_OPEN] = {[CONNECTION_DRAINING] = true, [CONNECTION_CLOSING] = true},
        [CONNECTION_DRAINING] = {[CONNECTION_CLOSING] = true},
        [CONNECTION_CLOSING] = {[CONNECTION_CLOSED] = true},
    };
    assert(thread_is(THREAD_LOOP) && legal[connection->state][to]);
    connection->state = to;
}

void incoming_move(struct incoming *incoming, enum incoming_state to)
{
    static const bool legal[INCOMING_BODY + 1][INCOMING_BODY + 1] = {
        [INCOMING_HEADER] = {[INCOMING_BODY_AHEAD] = true},
        [INCOMING_BODY_AHEAD] = {[INCOMING_HEADER] = true, /* it was whole where it lay, or is dropped */
                                 [INCOMING_WAITS_MEMORY] = true,
                                 [INCOMING_BODY] = true},
        [INCOMING_WAITS_MEMORY] = {[INCOMING_BODY] = true, [INCOMING_HEADER] = true},
        [INCOMING_BODY] = {[INCOMING_HEADER] = true},
    };
    assert(thread_is(THREAD_LOOP) && legal[incoming->state][to]);
    incoming->state = to;
}

void connection_wait_for_memory(struct connection *connection, const struct budget_request *memory)
{
    enum turns_list list = memory->is_write ? TURNS_WRITE_MEMORY : TURNS_READ_MEMORY;
    turns_wait(connection->set->service->turns, list, &connection->session.member, &connection->for_memory,
               connection);
}

void connection_wait(struct connection *connection, struct request *request, enum request_progress progress)
{
    struct connection_set *set = connection->set;
    assert(connection->waiting == NULL && progress != REQUEST_TAKEN);
    if (progress == REQUEST_UNPACKS) {
        connection->is_unpacking = true;
        return;
    }
    /* so that its close drops the request */
    assert(connection->state == CONNECTION_OPEN || connection->state == CONNECTION_DRAINING);
    connection->waiting = request;
    if (progress == REQUEST_WAITS_MEMORY) {
        connection_wait_for_memory(connection, &request->memory);
        return;
    }
    if (progress == REQUEST_WAITS_CLAIM) {
        connection->waits_for_claim = true;
        set->waiting_for_claims++;
    } else {
        turns_wait(set->service->turns, TURNS_ROOM, &connection->session.member, &connection->for_room,
                   connection);
        set->service->is_contended = true;
    }
    if (request->deadline_us != 0 && request->deadline_us < set->late_us) {
        set->late_us = request->deadline_us;
    }
}

void connection_wait_no_claim(struct connection *connection)
{
    assert(connection->waits_for_claim && connection->set->waiting_for_claims > 0);
    connection->waits_for_claim = false;
    connection->set->waiting_for_claims--;
}

void connection_drain(struct connection *connection)
{
    connection_move(connection, CONNECTION_DRAINING);
}

void connection_touch(struct connection *connection)
{
    assert(thread_is(THREAD_LOOP)); /* the list has no lock */
    if (!connection->is_touched) {
        connection->is_touched = true;
        connection->next_touched = connection->set->touched;
        connection->set->touched = connection;
    }
}

void connection_postpone(struct connection *connection)
{
    assert(connection->state != CONNECTION_CLOSED); /* it would be freed before the next iteration */
    if (!connection->is_postponed) {
        connection->is_postponed = true;
        connection->next_postponed = connection->set->postponed;
        connection->set->postponed = connection;
    }
}

/* ---- the end ---- */

void connection_free_if_done(struct connection *connection)
{
    if (connection->state != CONNECTION_CLOSED || connection->in_flight > 0 || connection->is_touched ||
        connection->is_postponed) {
        return;
    }
    struct connection_set *set = connection->set;
    assert(connection->waiting == NULL && connection->session.streams == NULL && set->count > 0);
    assert(connection->backlog == NULL && connection->incoming.body == NULL); /* closing gave them back, */
    assert(!connection->unread_timeout.is_running && !connection->frame_timeout.is_running &&
           !connection->hello_timeout.is_running); /* and left the lists, which go on without it */
    assert(connection->is_reading || set->not_reading > 0);
    if (connection->previous == NULL) {
        set->all = connection->next;
    } else {
        connection->previous->next = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    set->count--;
    epochs_leave(&connection->session, thread_now_us()); /* no request of it is left to be judged by them */
    turns_leave(set->service->turns, &connection->session.member);
    set->not_reading -= !connection->is_reading;
    set->service->connections--;
    free(connection);
}

static void on_close(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    connection_move(connection, CONNECTION_CLOSED);
    connection_touch(connection);
}

/* Gives back what reading holds. */
static void drop_frame(struct connection *connection)
{
    struct incoming *incoming = &connection->incoming;
    struct turns *turns = connection->set->service->turns;
    /* a request owns it from its start on */
    assert((incoming->state == INCOMING_BODY) == (incoming->body != NULL));
    if (incoming->state == INCOMING_WAITS_MEMORY) {
        enum turns_list list = incoming->memory.is_write ? TURNS_WRITE_MEMORY : TURNS_READ_MEMORY;
        turns_drop(turns, list, &connection->for_memory);
    }
    if (turn_waits(&connection->for_requests)) {
        turns_drop(turns, TURNS_REQUESTS, &connection->for_requests);
    }
    if (turn_waits(&connection->for_replies)) {
        turns_drop(turns, TURNS_REPLIES, &connection->for_replies);
    }
    if (incoming->state != INCOMING_HEADER) {
        incoming_move(incoming, INCOMING_HEADER);
    }
    timeout_stop(&connection->set->frame_timeouts, &connection->frame_timeout);
    budget_request_end(connection->set->service->budget, &incoming->memory);
    free(incoming->body);
    incoming->body = NULL;
    incoming->body_bytes = 0;
    incoming->header_bytes = 0;
}

static void drop_backlog(struct connection *connection)
{
    if (turn_waits(&connection->for_slice)) {
        turns_drop(connection->set->service->turns, TURNS_SLICE, &connection->for_slice);
    }
    assert(connection->backlog != NULL || connection->backlog_bytes == 0);
    free(connection->backlog);
    connection->backlog = NULL;
    connection->backlog_bytes = 0;
}

/* Ends the request that waits, undone and without an answer. */
static void drop_waiting(struct connection *connection)
{
    struct request *request = connection->waiting;
    struct turns *turns = connection->set->service->turns;
    assert(connection->session.is_closed); /* its reply would go nowhere */
    if (request == NULL) {
        return;
    }
    if (connection->waits_for_claim) {
        connection_wait_no_claim(connection);
    } else if (turn_waits(&connection->for_room)) {
        turns_drop(turns, TURNS_ROOM, &connection->for_room);
    } else {
        enum turns_list list = request->memory.is_write ? TURNS_WRITE_MEMORY : TURNS_READ_MEMORY;
        turns_drop(turns, list, &connection->for_memory);
    }
    connection->waiting = NULL;
    request_end(request);
}

void connection_close(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSING || connection->state == CONNECTION_CLOSED) {
        return;
    }
    struct connection_set *set = connection->set;
    connection_move(connection, CONNECTION_CLOSING);
    connection->session.is_closed = true;
    drop_frame(connection);
    drop_backlog(connection);
    timeout_stop(&set->hello_timeouts, &connection->hello_timeout);
    timeout_stop(&set->unread_timeouts, &connection->unread_timeout);
    assert(set->held > 0 || !connection->is_held);
    set->held -= connection->is_held;
    connection->is_held = false;
    drop_waiting(connection);
    output_drop(&connection->output);
    read_drop_all(&connection->session);
    stream_end_all(&connection->session, STATUS_OK, "");
    assert(!uv_is_closing((uv_handle_t *)&connection->pipe)); /* on_close comes once */
    uv_close((uv_handle_t *)&connection->pipe, on_close);
}

/* The peer takes no more replies; what it sent is still read and carried out. */
static void stop_replying(struct connection *connection)
{
    assert(connection->state == CONNECTION_OPEN || connection->state == CONNECTION_DRAINING);
    if (!connection->session.is_closed) {
        connection->session.is_closed = true;
        output_drop(&connection->output);
        read_drop_all(&connection->session);
        stream_end_all(&connection->session, STATUS_OK, "");
        if (turn_waits(&connection->for_replies)) { /* it has none to wait for */
            turns_drop(connection->set->service->turns, TURNS_REPLIES, &connection->for_replies);
        }
    }
    if (connection->state == CONNECTION_DRAINING) {
        connection_close(connection);
    }
    connection_touch(connection);
}

void connection_check(struct connection *connection)
{
    uv_os_fd_t fd;
    bool is_open = connection->state == CONNECTION_OPEN || connection->state == CONNECTION_DRAINING;
    if (!is_open || connection->is_gone || uv_fileno((uv_handle_t *)&connection->pipe, &fd) != 0) {
        return;
    }
    struct pollfd look = {.fd = fd};
    if (poll(&look, 1, 0) == 1 && (look.revents & (POLLHUP | POLLERR)) != 0) {
        connection->is_gone = true;
        stop_replying(connection);
    }
    assert(!connection->is_gone || connection->session.is_closed);
}

void connection_end_input(struct connection *connection)
{
    struct session *session = &connection->session;
    connection_check(connection);
    if (session->is_closed) {
        connection_close(connection);
        return;
    }
    drop_frame(connection);
    session->is_input_ended = true;
    timeout_stop(&connection->set->hello_timeouts, &connection->hello_timeout);
    assert(connection->state == CONNECTION_OPEN || connection->state == CONNECTION_DRAINING);
    if (connection->state == CONNECTION_OPEN) {
        connection_move(connection, CONNECTION_DRAINING);
    }
    (void)stream_go_on(session, UINT64_MAX); /* those without credit end */
    connection_touch(connection);
}

/* ---- replies ---- */

void connection_note_flush(struct connection *connection)
{
    assert(connection->accepted_flushed <= connection->session.accepted_replies); /* it only rises */
    connection->replies_unsent = 0;
    connection->accepted_flushed = connection->session.accepted_replies;
}

/* Sends replies before the iteration's end if the schedule says so: a peer with many requests in flight, and the only one served,
 * takes the first replies while its further requests are carried out. */
static void flush_early(struct connection *connection)
{
    assert(!connection->session.is_closed); /* what is flushed was not dropped */
    if (connection->replies_unsent++ == 0) {
        connection->unsent_us = connection->set->now_us;
    }
    const struct connection_set *set = connection->set;
    if (schedule_sends_replies_early(connection->replies_unsent, set->at_work, set->is_committing)) {
        connection_note_flush(connection);
        output_flush(&connection->output);
    }
}

static void session_send(struct session *session, struct frame_reply *header, uint8_t *frame)
{
    struct connection *connection = connection_of(session);
    struct order *order = session->service->order;
    assert(thread_is(THREAD_LOOP));
    if (session->is_closed) {
        free(frame);
        return;
    }
    header->written_through = order_written_through(order);
    header->durable_through = order_durable_through(order);
    assert(header->durable_through <= header->written_through); /* what is durable is written */
    frame_reply_encode(header, frame);
    output_append(&connection->output, frame, FRAME_REPLY_BYTES + header->body_bytes);
    connection_touch(connection);
    flush_early(connection);
}

static void session_send_copy(struct session *session, struct frame_reply *header, const uint8_t *body)
{
    struct connection *connection = connection_of(session);
    struct order *order = session->service->order;
    assert(!session->is_closed); /* as session.h asks: the output is dropped with it */
    uint8_t *place = output_place(&connection->output, FRAME_REPLY_BYTES + header->body_bytes);
    header->written_through = order_written_through(order);
    header->durable_through = order_durable_through(order);
    assert(header->durable_through <= header->written_through);
    frame_reply_encode(header, place);
    if (header->body_bytes > 0) {
        memcpy(place + FRAME_REPLY_BYTES, body, header->body_bytes);
    }
    connection_touch(connection);
    flush_early(connection);
}

static void session_end(struct session *session)
{
    connection_close(connection_of(session));
}

static void session_ended(struct session *session, struct request *request)
{
    struct connection *connection = connection_of(session);
    assert(connection->in_flight > 0 && connection->set->in_flight > 0);
    connection->in_flight--;
    connection->set->in_flight--;
    assert(connection->writes_in_flight > 0 || !request_type_changes(request->type));
    connection->writes_in_flight -= request_type_changes(request->type);
    connection_touch(connection);
}

/* What went out has made room: the connection goes on in the next iteration. */
static void on_sent(struct output *output, bool failed)
{
    struct connection *connection = output->owner;
    if (failed && connection->state != CONNECTION_CLOSING && connection->state != CONNECTION_CLOSED) {
        stop_replying(connection);
        connection_check(connection);
    }
    connection_touch(connection);
}

void connection_refuse(struct connection *connection, uint8_t type, uint64_t id, enum status status,
                       const char *text)
{
    /* it is the last that the peer is told */
    assert(connection->state == CONNECTION_OPEN && status != STATUS_OK);
    Cairn__Error error = CAIRN__ERROR__INIT;
    error.has_text = true;
    error.text = request_binary(text, strlen(text));
    struct frame_reply header = {.type = type, .status = (uint8_t)status, .id = id};
    size_t body_bytes;
    uint8_t *frame = request_pack(&error.base, &body_bytes);
    header.body_bytes = (uint32_t)body_bytes;
    session_send(&connection->session, &header, frame);
    connection_move(connection, CONNECTION_DRAINING);
    /* No credit can come any more. */
    stream_end_all(&connection->session, STATUS_INVALID, "the connection ends");
}

void connection_time_out(struct connection *connection, enum status status, const char *text)
{
    const struct incoming *incoming = &connection->incoming;
    bool has_header = incoming->state != INCOMING_HEADER;
    uint8_t type = has_header ? incoming->frame.type : FRAME_HELLO;
    uint64_t id = has_header ? incoming->frame.id : 0;
    event_connection_timed_out(text, type);
    metrics_add(METRIC_CONNECTIONS_TIMED_OUT, 1);
    drop_frame(connection);
    drop_backlog(connection);
    connection_refuse(connection, type, id, status, text);
    connection_touch(connection);
}

/* ---- for the set ---- */

struct connection *connection_new(struct connection_set *set,
                                  void (*unpacked)(struct session *session, struct request *request))
{
    struct connection *connection = memory_new(sizeof *connection);
    connection->set = set;
    connection->session = (struct session){
        .service = set->service,
        .send = session_send,
        .send_copy = session_send_copy,
        .end = session_end,
        .ended = session_ended,
        .unpacked = unpacked,
    };
    if (uv_pipe_init(set->loop, &connection->pipe, 0) != 0) {
        free(connection);
        return NULL;
    }
    connection->pipe.data = connection;
    connection->hello_timeout.owner = connection;
    connection->frame_timeout.owner = connection;
    connection->unread_timeout.owner = connection;
    output_init(&connection->output, (uv_stream_t *)&connection->pipe, set->service->budget,
                &connection->session.client, on_sent, connection);
    connection->next = set->all;
    if (set->all != NULL) {
        set->all->previous = connection;
    }
    set->all = connection;
    assert(connection->state == CONNECTION_OPEN && !connection->is_reading);
    set->count++;
    set->not_reading++;
    set->service->connections++;
    return connection;
}
