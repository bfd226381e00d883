/* How a connection reads: bytes become frames, frames requests, each started before the next is looked at.
 *
 * In a turn of the loop a connection has its share: what is beyond it stays with the kernel. While commits come, the share
 * is small, those that bring commits go first, and of all others one a turn has its share, in rotation: a commit is seen
 * soon however much is sent beside it. While a commit is known to take long still, in the sync of a disk, all have larger
 * shares: another one would have to wait for it anyway. */
#include <assert.h>
#include <stdlib.h>

#include "daemon/net/connection_internal.h"
#include "daemon/runtime/log.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/dispatch.h"

static void refuse_frame(struct connection *connection, uint8_t type, uint64_t id, enum status status,
                         const char *text)
{
    connection->set->service->frames_bad++;
    log_event(LOG_LEVEL_WARNING, "connection refused a frame and closes", "reason=%s type=%u", text, type);
    connection_refuse(connection, type, id, status, text);
}

/* Waits for what all share. A frame whose room is set aside is read to its end. */
static bool is_held_up(const struct connection *connection)
{
    struct connection_set *set = connection->set;
    const struct budget *budget = set->service->budget;
    bool requests = connection->body == NULL && budget_requests_are_full(budget);
    bool replies = budget_client_must_pause(budget, &connection->session.client);
    set->has_paused |= requests || replies;
    return requests || replies;
}

static bool may_go_on(const struct connection *connection)
{
    return connection->state == CONNECTION_OPEN && connection->waiting == NULL &&
           !connection->waits_for_memory && connection->in_flight < REQUESTS_IN_FLIGHT_MAX &&
           budget_client_may_send(&connection->session.client) && !is_held_up(connection);
}

/* Starts the request that the frame is. The body lies in what was read; or, `taken`, it is the request's from here on. */
static void start_request(struct connection *connection, const uint8_t *body, uint8_t *taken)
{
    struct connection_set *set = connection->set;
    struct service *service = set->service;
    struct session *session = &connection->session;
    uint64_t bad_before = service->frames_bad;
    connection->is_express = connection->frame.type == FRAME_COMMIT;
    connection->in_flight++;
    set->in_flight++;
    set->requests++;
    struct request *request = request_new(session, &connection->frame, &connection->memory, set->now_us);
    connection->memory = (struct budget_request){0};
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
        connection_drain(connection);
    }
    if (order_has_completions(service->order)) {
        connection_set_completions(set);
    }
}

static void begin_frame(struct connection *connection)
{
    const struct frame_request *frame = &connection->frame;
    connection->memory = budget_request_of(request_type_is_write(frame->type), frame->body_bytes);
    connection->has_frame = frame->body_bytes > 0;
    if (!connection->has_frame) {
        start_request(connection, NULL, NULL);
    }
}

/* Sets memory aside for the frame, unless others wait for some; then it waits behind them. */
static bool reserve(struct connection *connection)
{
    struct connection_set *set = connection->set;
    if (budget_request_is_large(&connection->memory) &&
        (set->for_memory.first != NULL ||
         budget_request_reserve(set->service->budget, &connection->memory) != BUDGET_GRANTED)) {
        connection->waits_for_memory = true;
        waiting_append(&set->for_memory, connection);
        return false;
    }
    return true;
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
    } else if (!connection->session.is_greeted && connection->frame.type != FRAME_HELLO) {
        refuse_frame(connection, connection->frame.type, connection->frame.id, STATUS_INVALID,
                     "the first frame of a connection is hello");
    } else if (connection->frame.body_bytes > connection->set->service->frame_bytes_max) {
        refuse_frame(connection, connection->frame.type, connection->frame.id, STATUS_TOO_LARGE,
                     "the frame is larger than frame_bytes_max, which hello tells: send less at once");
    } else {
        begin_frame(connection);
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
        if (!reserve(connection)) {
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

/* Whether the commit under way is known to take a while still. */
static bool has_time(const struct connection_set *set)
{
    uint64_t nap_ns;
    return !order_expects_completions(set->service->order, thread_now_ns(), &nap_ns) &&
           nap_ns >= MEANWHILE_NS;
}

/* Whether the connection, which has something to read, may do so now. Asked again in the same turn: no more. */
static bool takes_share(struct connection *connection)
{
    struct connection_set *set = connection->set;
    bool is_first = connection->asked_turn != set->turn;
    connection->asked_turn = set->turn;
    if (!is_first) {
        return false;
    }
    set->has_time = set->is_hurried && has_time(set);
    if (set->is_hurried && !set->has_time && !connection->is_express) {
        set->asking++;
        bool had_turn = set->had_served && set->turn - connection->read_turn < set->asked;
        if (set->has_served || had_turn) {
            return false;
        }
        set->has_served = true;
    }
    connection->read_turn = set->turn;
    return true;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;
    struct connection_set *set = connection->set;
    (void)suggested;
    if (connection->body != NULL) { /* straight to where it belongs */
        size_t rest = connection->frame.body_bytes - connection->body_bytes;
        *buffer = uv_buf_init((char *)connection->body + connection->body_bytes, (unsigned)rest);
    } else if (takes_share(connection)) {
        unsigned share = !set->is_hurried ? READ_BYTES
                         : set->has_time  ? READ_BYTES_MEANWHILE
                                          : READ_BYTES_HURRIED;
        *buffer = uv_buf_init((char *)set->read_buffer, share);
    } else {
        *buffer = uv_buf_init(NULL, 0); /* others first */
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
    connection->is_bulk |= (size_t)count == buffer->len;
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
void connection_read_on(struct connection *connection)
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
