/* A connection's life:
 *
 * - OPEN: frames are read, a bounded share of them a turn, and started one after the other. Reading pauses while a request
 *   waits for room, a large frame waits for memory, too much is in flight, or too many replies wait for the peer.
 * - DRAINING: something that is no frame came, or hello was refused. Nothing is read any more; it closes once what was
 *   started has been answered and sent.
 * - CLOSING: the peer is gone, or all is said. Replies go nowhere; what was started is carried out.
 * - It is freed when the pipe is closed and its last request has ended.
 *
 * A peer that only stopped reading replies is not gone: what it sent before is read to its end. */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>

#include "daemon/connection_internal.h"
#include "daemon/dispatch.h"
#include "daemon/log.h"
#include "daemon/memory.h"
#include "daemon/read.h"
#include "daemon/stream.h"
#include "daemon/thread.h"
#include "proto/cairn.pb-c.h"

static struct connection *connection_of(struct session *session)
{
    return (struct connection *)session; /* its first member */
}

static void connection_move(struct connection *connection, enum connection_state to)
{
    static const bool legal[4][4] = {
        [CONNECTION_OPEN] = {[CONNECTION_DRAINING] = true, [CONNECTION_CLOSING] = true},
        [CONNECTION_DRAINING] = {[CONNECTION_CLOSING] = true},
        [CONNECTION_CLOSING] = {[CONNECTION_CLOSED] = true},
    };
    assert(legal[connection->state][to]);
    connection->state = to;
}

void connection_touch(struct connection *connection)
{
    if (!connection->is_touched) {
        connection->is_touched = true;
        connection->next_touched = connection->set->touched;
        connection->set->touched = connection;
    }
}

/* ---- the end ---- */

static void connection_free_if_done(struct connection *connection)
{
    if (connection->state != CONNECTION_CLOSED || connection->in_flight > 0 || connection->is_touched) {
        return;
    }
    struct connection_set *set = connection->set;
    if (connection->previous == NULL) {
        set->all = connection->next;
    } else {
        connection->previous->next = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    set->count--;
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

/* Gives back what reading holds; a request that waits stays, since its frame was whole. */
static void drop_frame(struct connection *connection)
{
    if (connection->waits_for_memory) {
        waiting_remove(&connection->set->for_memory, connection);
        connection->waits_for_memory = false;
    }
    connection_set_release(connection->set, connection);
    free(connection->body);
    connection->body = NULL;
    connection->body_bytes = 0;
    connection->head_bytes = 0;
    connection->has_frame = false;
}

void connection_close(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSING || connection->state == CONNECTION_CLOSED) {
        return;
    }
    connection_move(connection, CONNECTION_CLOSING);
    connection->session.is_closed = true;
    drop_frame(connection);
    free(connection->backlog);
    connection->backlog = NULL;
    connection->backlog_bytes = 0;
    output_drop(&connection->output);
    read_drop_all(&connection->session);
    stream_end_all(&connection->session, STATUS_OK, "");
    uv_close((uv_handle_t *)&connection->pipe, on_close);
}

/* The peer takes no replies any more; what it sent is still read. */
static void stop_replying(struct connection *connection)
{
    connection->session.is_closed = true;
    output_drop(&connection->output);
    read_drop_all(&connection->session);
    stream_end_all(&connection->session, STATUS_OK, "");
    if (connection->state == CONNECTION_DRAINING) {
        connection_close(connection);
    }
    connection_touch(connection);
}

/* ---- replies ---- */

/* A peer with many requests in flight, the only one at work, goes on while its further requests are carried out. */
static void flush_early(struct connection *connection)
{
    connection->replies_unsent++;
    if (connection->replies_unsent >= REPLIES_UNSENT_MAX && connection->set->is_one_at_work) {
        connection->replies_unsent = 0;
        output_flush(&connection->output);
    }
}

static void session_send(struct session *session, struct frame_reply *header, uint8_t *frame)
{
    struct connection *connection = connection_of(session);
    struct order *order = session->service->order;
    if (session->is_closed) {
        free(frame);
        return;
    }
    header->written_through = order_written_through(order);
    header->durable_through = order_durable_through(order);
    frame_reply_encode(header, frame);
    output_append(&connection->output, frame, FRAME_REPLY_BYTES + header->body_bytes);
    connection_touch(connection);
    flush_early(connection);
}

static void session_send_copy(struct session *session, struct frame_reply *header, const uint8_t *body)
{
    struct connection *connection = connection_of(session);
    struct order *order = session->service->order;
    uint8_t *place = output_place(&connection->output, FRAME_REPLY_BYTES + header->body_bytes);
    header->written_through = order_written_through(order);
    header->durable_through = order_durable_through(order);
    frame_reply_encode(header, place);
    if (header->body_bytes > 0) {
        memcpy(place + FRAME_REPLY_BYTES, body, header->body_bytes);
    }
    connection_touch(connection);
    flush_early(connection);
}

static bool session_has_room(const struct session *session, uint64_t bytes)
{
    const struct connection *connection = (const struct connection *)session; /* its first member */
    uint64_t waiting = output_bytes(&connection->output) + session->reading_bytes;
    return waiting == 0 || waiting + bytes < REPLIES_BYTES_PER_CLIENT;
}

static void session_ended(struct session *session, struct request *request)
{
    struct connection *connection = connection_of(session);
    (void)request;
    assert(connection->in_flight > 0);
    connection->in_flight--;
    connection->set->in_flight--;
    connection_touch(connection);
}

/* What went out makes room; the set's next turn goes on from there. */
static void on_sent(struct output *output, bool failed)
{
    struct connection *connection = output->owner;
    if (failed && connection->state != CONNECTION_CLOSING && connection->state != CONNECTION_CLOSED) {
        stop_replying(connection);
    }
    connection_touch(connection);
}

void connection_refuse(struct connection *connection, uint8_t type, uint64_t id, enum status status,
                       const char *text)
{
    Cairn__Error error = CAIRN__ERROR__INIT;
    uint8_t *copy = memory_copy(text, strlen(text));
    error.has_text = true;
    error.text = (ProtobufCBinaryData){strlen(text), copy};
    struct frame_reply header = {.type = type, .status = (uint8_t)status, .id = id};
    size_t body_bytes;
    uint8_t *frame = request_pack(&error.base, &body_bytes);
    header.body_bytes = (uint32_t)body_bytes;
    session_send(&connection->session, &header, frame);
    free(copy);
    connection_move(connection, CONNECTION_DRAINING);
    stream_end_all(&connection->session, STATUS_INVALID,
                   "the connection ends"); /* no credit can come any more */
}

static void refuse_frame(struct connection *connection, uint8_t type, uint64_t id, enum status status,
                         const char *text)
{
    connection->set->service->frames_bad++;
    log_event(LOG_LEVEL_WARNING, "connection refused a frame and closes", "reason=%s type=%u", text, type);
    connection_refuse(connection, type, id, status, text);
}

/* ---- reading ---- */

/* Waits for what all share. A frame whose room is set aside is read to its end. */
static bool is_held_up(const struct connection *connection)
{
    struct connection_set *set = connection->set;
    bool requests = connection->body == NULL && connection_set_requests_are_full(set);
    bool replies =
        connection_set_replies_are_full(set) && output_bytes(&connection->output) > UNREAD_BYTES_MAX;
    set->has_paused |= requests || replies;
    return requests || replies;
}

static bool may_go_on(const struct connection *connection)
{
    return connection->state == CONNECTION_OPEN && connection->waiting == NULL &&
           !connection->waits_for_memory && connection->in_flight < REQUESTS_IN_FLIGHT_MAX &&
           output_bytes(&connection->output) < REPLIES_BYTES_PER_CLIENT && !is_held_up(connection);
}

/* Starts the request that the frame is. The body lies in what was read; or, `taken`, it is the request's from here on. */
static void start_request(struct connection *connection, const uint8_t *body, uint8_t *taken)
{
    struct connection_set *set = connection->set;
    struct service *service = set->service;
    struct session *session = &connection->session;
    uint64_t bad_before = service->frames_bad;
    if (!session->is_greeted && connection->frame.type != FRAME_HELLO) {
        refuse_frame(connection, connection->frame.type, connection->frame.id, STATUS_INVALID,
                     "the first frame of a connection is hello");
        free(taken);
        return;
    }
    connection_set_release(set, connection);
    connection->in_flight++;
    set->in_flight++;
    struct request *request = request_new(session, &connection->frame, set->now_us);
    enum request_progress progress =
        taken != NULL ? request_start_taken(request, taken) : request_start(request, body);
    if (progress == REQUEST_WAITS) {
        connection->waiting = request;
        waiting_append(&set->for_room, connection);
        service->is_contended = true;
    }
    if (service->frames_bad != bad_before && !connection->is_bad_logged) {
        connection->is_bad_logged = true;
        log_event(LOG_LEVEL_WARNING, "connection sent a request that is none", "type=%u bytes=%u",
                  connection->frame.type, connection->frame.body_bytes);
    }
    if (!session->is_greeted && connection->state == CONNECTION_OPEN) {
        connection_move(connection, CONNECTION_DRAINING);
    }
}

static size_t take_head(struct connection *connection, const uint8_t *bytes, size_t count)
{
    size_t wanted = FRAME_REQUEST_BYTES - connection->head_bytes;
    size_t taken = count < wanted ? count : wanted;
    memcpy(connection->head + connection->head_bytes, bytes, taken);
    connection->head_bytes += taken;
    if (connection->head_bytes < FRAME_REQUEST_BYTES) {
        return taken;
    }
    connection->head_bytes = 0;
    if (frame_request_decode(connection->head, &connection->frame) != STATUS_OK) {
        refuse_frame(connection, FRAME_HELLO, 0, STATUS_INVALID, "the bytes are no frame of this protocol");
    } else if (connection->frame.body_bytes > connection->set->service->frame_bytes_max) {
        refuse_frame(connection, connection->frame.type, connection->frame.id, STATUS_TOO_LARGE,
                     "the frame is larger than frame_bytes_max, which hello tells: send less at once");
    } else if (connection->frame.body_bytes == 0) {
        start_request(connection, NULL, NULL);
    } else {
        connection->has_frame = true;
    }
    return taken;
}

static size_t take_body(struct connection *connection, const uint8_t *bytes, size_t count)
{
    size_t wanted = connection->frame.body_bytes - connection->body_bytes;
    size_t taken = count < wanted ? count : wanted;
    if (connection->body == NULL && taken == wanted) {
        connection->has_frame = false;
        start_request(connection, bytes, NULL); /* whole where it lies */
        return taken;
    }
    if (connection->body == NULL) {
        if (!connection_set_reserve(connection->set, connection)) {
            connection->waits_for_memory = true;
            waiting_append(&connection->set->for_memory, connection);
            return 0;
        }
        connection->body = memory_raw(connection->frame.body_bytes);
    }
    memcpy(connection->body + connection->body_bytes, bytes, taken);
    connection->body_bytes += taken;
    return taken;
}

static void start_if_whole(struct connection *connection)
{
    if (connection->body == NULL || connection->body_bytes < connection->frame.body_bytes) {
        return;
    }
    uint8_t *body = connection->body;
    connection->body = NULL;
    connection->body_bytes = 0;
    connection->has_frame = false;
    start_request(connection, NULL, body);
}

/* Starts what the bytes hold, as far as it may go on; says how many it took. */
static size_t take(struct connection *connection, const uint8_t *bytes, size_t count)
{
    size_t taken = 0;
    while (taken < count && may_go_on(connection)) {
        if (connection->has_frame) {
            taken += take_body(connection, bytes + taken, count - taken);
            start_if_whole(connection);
        } else {
            taken += take_head(connection, bytes + taken, count - taken);
        }
    }
    return taken;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;
    struct connection_set *set = connection->set;
    (void)suggested;
    if (connection->body != NULL) { /* straight to where it belongs */
        size_t rest = connection->frame.body_bytes - connection->body_bytes;
        *buffer = uv_buf_init((char *)connection->body + connection->body_bytes, (unsigned)rest);
    } else if (connection->read_turn != set->turn) {
        connection->read_turn = set->turn;
        *buffer = uv_buf_init((char *)set->read_buffer, (unsigned)set->read_share);
    } else {
        *buffer = uv_buf_init(NULL, 0); /* it had its share: others first */
    }
}

static void stop_reading(struct connection *connection)
{
    uv_read_stop((uv_stream_t *)&connection->pipe);
    connection->is_reading = false;
    connection->set->not_reading++;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    if (count == 0 || count == UV_ENOBUFS) {
        return; /* there is nothing, or more than its share: the next turn goes on */
    }
    if (count < 0) {
        if (connection->has_frame || connection->head_bytes > 0) {
            log_event(LOG_LEVEL_INFO, "connection ended inside a frame", "reason=%s type=%u",
                      uv_strerror((int)count), connection->frame.type);
        }
        connection_close(connection);
        return;
    }
    connection->set->now_us = thread_now_us(); /* it may have slept long since the turn began */
    connection_touch(connection);
    if (connection->body != NULL) {
        connection->body_bytes += (size_t)count;
        start_if_whole(connection);
        return;
    }
    const uint8_t *bytes = (const uint8_t *)buffer->base;
    size_t taken = take(connection, bytes, (size_t)count);
    if (taken < (size_t)count && connection->state == CONNECTION_OPEN) {
        assert(connection->backlog == NULL);
        connection->backlog_bytes = (size_t)count - taken;
        connection->backlog = memory_copy(bytes + taken, connection->backlog_bytes);
        stop_reading(connection); /* at once, or more would be read in this same poll */
    }
}

/* What was read and not looked at goes first; then reading goes on, or pauses. */
static void read_on(struct connection *connection)
{
    if (connection->backlog != NULL && may_go_on(connection)) {
        uint8_t *backlog = connection->backlog;
        size_t bytes = connection->backlog_bytes;
        connection->backlog = NULL;
        connection->backlog_bytes = 0;
        size_t taken = take(connection, backlog, bytes);
        if (taken < bytes && connection->state == CONNECTION_OPEN) {
            connection->backlog_bytes = bytes - taken;
            connection->backlog = memory_copy(backlog + taken, connection->backlog_bytes);
        }
        free(backlog);
    }
    bool wanted = connection->backlog == NULL && may_go_on(connection);
    if (wanted && !connection->is_reading) {
        connection->is_reading = uv_read_start((uv_stream_t *)&connection->pipe, on_allocate, on_read) == 0;
        if (!connection->is_reading) {
            connection_close(connection);
            return;
        }
        connection->set->not_reading--;
    } else if (!wanted && connection->is_reading) {
        stop_reading(connection);
    }
}

/* ---- for the set ---- */

struct connection *connection_new(struct connection_set *set)
{
    struct connection *connection = memory_new(sizeof *connection);
    connection->set = set;
    connection->session = (struct session){
        .service = set->service,
        .send = session_send,
        .send_copy = session_send_copy,
        .has_room = session_has_room,
        .ended = session_ended,
    };
    int failed = uv_pipe_init(set->loop, &connection->pipe, 0);
    assert(!failed);
    connection->pipe.data = connection;
    output_init(&connection->output, (uv_stream_t *)&connection->pipe, &set->service->replies_bytes, on_sent,
                connection);
    connection->next = set->all;
    if (set->all != NULL) {
        set->all->previous = connection;
    }
    set->all = connection;
    set->count++;
    set->not_reading++;
    set->service->connections++;
    return connection;
}

void connection_turn(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED) {
        connection_free_if_done(connection);
        return;
    }
    if (connection->state == CONNECTION_CLOSING) {
        return;
    }
    if (!connection->session.is_closed) {
        output_flush(&connection->output);
    }
    stream_go_on(&connection->session);
    read_go_on(&connection->session);
    read_on(connection);
    connection->replies_unsent = 0;
    bool had_room = session_has_room(&connection->session, 0);
    if (!connection->session.is_closed) {
        output_flush(&connection->output);
    }
    if (!had_room && session_has_room(&connection->session, 0)) {
        connection_touch(connection); /* the kernel took it at once: nobody else tells */
    }
    if (connection->state == CONNECTION_DRAINING && connection->in_flight == 0 &&
        output_bytes(&connection->output) == 0) {
        connection_close(connection);
    }
}

void connection_check(struct connection *connection)
{
    uv_os_fd_t fd;
    if (connection->state != CONNECTION_OPEN && connection->state != CONNECTION_DRAINING) {
        return;
    }
    if (connection->session.is_closed || uv_fileno((uv_handle_t *)&connection->pipe, &fd) != 0) {
        return;
    }
    struct pollfd look = {.fd = fd};
    if (poll(&look, 1, 0) == 1 && (look.revents & (POLLHUP | POLLERR)) != 0) {
        stop_replying(connection);
    }
}
