/* A connection's life (how frames are read is in connection_read.c):
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

#include "daemon/net/connection_internal.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/read.h"
#include "daemon/serve/stream.h"
#include "proto/cairn.pb-c.h"

void waiting_remove(struct waiting_list *list, struct connection *connection)
{
    for (struct connection **link = &list->first; *link != NULL; link = &(*link)->next_waiting) {
        if (*link == connection) {
            *link = connection->next_waiting;
            if (*link == NULL) {
                list->last = link;
            }
            connection->next_waiting = NULL;
            return;
        }
    }
}

void waiting_append(struct waiting_list *list, struct connection *connection)
{
    connection->next_waiting = NULL;
    *list->last = connection;
    list->last = &connection->next_waiting;
}

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

void connection_drain(struct connection *connection)
{
    connection_move(connection, CONNECTION_DRAINING);
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
    if (connection->state != CONNECTION_CLOSED || connection->in_flight > 0 || connection->is_touched ||
        connection->is_held) {
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
    budget_request_end(connection->set->service->budget, &connection->memory);
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
    if (connection->replies_unsent++ == 0) {
        connection->unsent_us = connection->set->now_us;
    }
    bool is_alone = connection->set->at_work <= 1 && !connection->set->is_hurried;
    if (connection->replies_unsent >= REPLIES_MANY && is_alone) {
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

/* ---- for the set ---- */

struct connection *connection_new(struct connection_set *set)
{
    struct connection *connection = memory_new(sizeof *connection);
    connection->set = set;
    connection->session = (struct session){
        .service = set->service,
        .send = session_send,
        .send_copy = session_send_copy,
        .ended = session_ended,
    };
    int failed = uv_pipe_init(set->loop, &connection->pipe, 0);
    assert(!failed);
    connection->pipe.data = connection;
    output_init(&connection->output, (uv_stream_t *)&connection->pipe, set->service->budget,
                &connection->session.client, on_sent, connection);
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

/* While commits come, replies to one that sends more than its share at once go together, now and then: each write wakes
 * the peer, which then is in the way of those who wait for a commit. */
static bool connection_holds(struct connection *connection)
{
    struct connection_set *set = connection->set;
    const struct session *session = &connection->session;
    bool is_many = connection->is_bulk && connection->replies_unsent >= REPLIES_MANY;
    bool is_young = set->now_us < connection->unsent_us + REPLIES_HELD_US;
    bool holds = set->is_hurried && is_many && is_young && !connection->is_express && !session->is_closed &&
                 connection->state == CONNECTION_OPEN && session->streams == NULL && session->reads == NULL;
    if (holds && !connection->is_held) {
        connection->is_held = true;
        connection->next_held = set->held;
        set->held = connection;
    }
    return holds;
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
    if (connection_holds(connection)) {
        connection_read_on(connection);
        return;
    }
    if (!connection->session.is_closed) {
        output_flush(&connection->output);
    }
    stream_go_on(&connection->session);
    read_go_on(&connection->session);
    connection_read_on(connection);
    connection->replies_unsent = 0;
    connection->is_bulk = false;
    const struct budget_client *client = &connection->session.client;
    bool had_room = budget_client_has_room(client, 0);
    bool might_send = budget_client_may_send(client);
    if (!connection->session.is_closed) {
        output_flush(&connection->output);
    }
    if ((!had_room && budget_client_has_room(client, 0)) || (!might_send && budget_client_may_send(client))) {
        connection_touch(connection); /* the kernel took it at once: nobody else tells */
    }
    if (connection->state == CONNECTION_DRAINING && connection->in_flight == 0 &&
        output_is_empty(&connection->output)) {
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
