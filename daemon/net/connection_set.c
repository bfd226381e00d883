/* All connections in an iteration of the loop:
 *
 * - It begins when completions were drained: replies to commits among them go out first. Then postponed connections are touched.
 * - Requests that waited for room start again. Connections that were cut go on, in turn.
 * - Each connection that was touched, by a reply, by room or by what was read, is served: streams, reads, reading, replies.
 * - Frames get the memory they waited for, and connections that paused may start one request each.
 * - Between iterations the loop library reads for connections, which starts requests.
 *
 * What several wait for is given by turns (runtime/turns). A connection pauses when the shared budget is used up, or while others
 * wait for it to have room again.
 *
 * A connection above connections_max is told `busy` and closes; the last few are for uids that have none. */
#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "daemon/net/connection_set_internal.h"
#include "daemon/observe/event.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/dispatch.h"
#include "daemon/serve/read.h"
#include "daemon/serve/stream.h"

struct connection_set *connection_set_new(uv_loop_t *loop, struct service *service,
                                          const struct connection_limits *limits)
{
    assert(limits->connections_max > 0); /* or each is refused */
    struct connection_set *set = memory_new(sizeof *set);
    set->loop = loop;
    set->service = service;
    set->connections_max = limits->connections_max;
    connection_set_limit(set, limits);
    set->iteration = 1;
    set->now_us = thread_now_us();
    set->late_us = UINT64_MAX;
    return set;
}

void connection_set_limit(struct connection_set *set, const struct connection_limits *limits)
{
    assert(limits->connections_max == set->connections_max);
    set->hello_timeouts.length_us = limits->hello_timeout_us;
    set->frame_timeouts.length_us = limits->frame_timeout_us;
    set->unread_timeouts.length_us = limits->stream_timeout_us;
}

void connection_set_free(struct connection_set *set)
{
    if (set != NULL) {
        assert(set->all == NULL && set->in_flight == 0); /* they refer to it */
        free(set);
    }
}

/* Asks the kernel who the peer is, joins the turns of its uid and process, and finds its role. False: it has none. */
static bool meet_peer(struct connection *connection)
{
    struct service *service = connection->set->service;
    struct session *session = &connection->session;
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t bytes = sizeof peer;
    uv_os_fd_t fd = -1;
    assert(session->peer_pid == 0);
    (void)uv_fileno((uv_handle_t *)&connection->pipe, &fd);
    (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes);
    session->peer_pid = peer.pid;
    session->peer_uid = peer.uid;
    turns_join(service->turns, &session->member, peer.uid, (uint64_t)peer.pid);
    session->role = roles_of_peer(service->roles, fd);
    if (session->role == ROLE_NONE) {
        service->connections_refused++;
        event_peer_refused(peer.uid);
    }
    return session->role != ROLE_NONE;
}

/* How many connections there may be with this one: the last are for uids that have no other. */
static uint64_t connections_max_for(const struct connection_set *set, const struct connection *connection)
{
    uint64_t kept = set->connections_max / CONNECTIONS_KEPT_PART;
    kept = kept < CONNECTIONS_KEPT_MAX ? kept : CONNECTIONS_KEPT_MAX;
    assert(kept < set->connections_max); /* or a uid that has one could have no second at all */
    return turns_of_uid(&connection->session.member) > 1 ? set->connections_max - kept : set->connections_max;
}

void connection_accept(struct connection_set *set, uv_stream_t *listener)
{
    assert(thread_is(THREAD_LOOP));
    struct connection *connection = connection_new(set, connection_unpacked);
    if (connection == NULL) { /* the listener keeps it, and tells of no other until it is taken */
        event_accepting_stopped();
        return;
    }
    if (uv_accept(listener, (uv_stream_t *)&connection->pipe) != 0) {
        connection_close(connection);
    } else {
        if (!meet_peer(connection)) { /* before a byte of it is read */
            connection_refuse(connection, FRAME_HELLO, 0, STATUS_PERMISSION,
                              "this user is in none of the settings readers, writers and admins");
        } else if (set->count > connections_max_for(set, connection)) {
            set->service->connections_refused++;
            event_connection_refused(set->connections_max);
            connection_refuse(connection, FRAME_HELLO, 0, STATUS_BUSY,
                              "there are as many connections as connections_max allows: try again later");
        } else {
            timeout_start(&set->hello_timeouts, &connection->hello_timeout);
        }
    }
    connection_touch(connection);
}

/* Notes what became of a request that was started again: it may wait for something else now. */
static void go_on(struct connection *connection, struct request *request, enum request_progress progress)
{
    assert(!turn_waits(&connection->for_room) && !connection->waits_for_claim);
    connection->waiting = NULL;
    if (progress == REQUEST_TAKEN) {
        connection_touch(connection);
    } else {
        connection_wait(connection, request, progress);
    }
}

/* Starts the waiting request again; the caller has taken it out of what it waited in. */
static void start_again(struct connection *connection, uint64_t now_us)
{
    struct request *request = connection->waiting;
    assert(request != NULL && connection->in_flight > 0); /* so the connection is still there */
    go_on(connection, request, request_start_again(request, now_us));
}

/* Starts the waiting requests whose deadlines are over, which refuses them; finds the next deadline. */
static void refuse_late(struct connection_set *set, uint64_t now_us)
{
    if (now_us < set->late_us) {
        return;
    }
    set->late_us = UINT64_MAX;
    for (struct connection *connection = set->all; connection != NULL; connection = connection->next) {
        uint64_t deadline_us = connection->waiting != NULL ? connection->waiting->deadline_us : 0;
        if (deadline_us != 0 && deadline_us <= now_us) {
            if (connection->waits_for_claim) {
                connection_wait_no_claim(connection);
            } else {
                turns_drop(set->service->turns, TURNS_ROOM, &connection->for_room);
            }
            start_again(connection, now_us);
            assert(connection->waiting == NULL); /* it was refused */
        } else if (deadline_us != 0 && deadline_us < set->late_us) {
            set->late_us = deadline_us;
        }
    }
}

/* Starts all requests that wait for a claim once any claim was decided: there are seldom any, and few. */
static void start_claims(struct connection_set *set, uint64_t now_us)
{
    uint64_t decided = order_counters(set->service->order)->claims_decided;
    if (set->waiting_for_claims == 0 || (decided == set->claims_decided && !set->service->draining)) {
        return;
    }
    set->claims_decided = decided;
    for (struct connection *connection = set->all; connection != NULL; connection = connection->next) {
        if (connection->waits_for_claim) {
            connection_wait_no_claim(connection);
            start_again(connection, now_us);
        }
    }
}

/* Starts the request again whose turn it is. False: there still is no room for it, and it keeps its turn. */
static bool start_first(struct connection_set *set, struct connection *connection, uint64_t now_us)
{
    struct request *request = connection->waiting;
    assert(request != NULL && connection->in_flight > 0); /* so the connection is still there */
    set->service->is_contended = false;
    enum request_progress progress = request_start_again(request, now_us);
    if (progress == REQUEST_WAITS) {
        return false;
    }
    turns_take(set->service->turns, TURNS_ROOM, &connection->for_room);
    go_on(connection, request, progress);
    return true;
}

/* Requests that wait for room start again, by turns, up to one that still finds none. */
static void start_waiting(struct connection_set *set, uint64_t now_us)
{
    struct turns *turns = set->service->turns;
    struct connection *connection;
    refuse_late(set, now_us);
    start_claims(set, now_us);
    while ((connection = turns_first(turns, TURNS_ROOM)) != NULL && start_first(set, connection, now_us)) {
    }
    set->service->is_contended = connection != NULL;
}

/* Asks for the memory of the frame, or of the request that could not be unpacked, whose turn it is in that list. */
static enum budget_answer ask_for_first(struct connection_set *set, enum turns_list list)
{
    struct connection *connection = turns_first(set->service->turns, list);
    if (connection == NULL) {
        return BUDGET_PASSED_OVER;
    }
    struct request *request = connection->waiting;
    assert(request != NULL || connection->incoming.state == INCOMING_WAITS_MEMORY);
    enum budget_answer answer =
        request != NULL ? request_ask_memory(request)
                        : budget_request_reserve(set->service->budget, &connection->incoming.memory);
    if (answer != BUDGET_GRANTED) {
        return answer;
    }
    turns_take(set->service->turns, list, &connection->for_memory);
    set->granted++;
    if (request == NULL) {
        connection_read_granted(connection);
    } else {
        connection->waiting = NULL;
        enum request_progress progress = request_start_again(request, set->now_us);
        if (progress != REQUEST_TAKEN) {
            connection_wait(connection, request, progress);
        }
    }
    connection_touch(connection);
    return answer;
}

/* Frames that wait for memory get it, by turns, large writes and large reads alternately; a read that finds no room holds up no
 * write. */
static void grant_memory(struct connection_set *set)
{
    enum budget_answer answer;
    do {
        enum turns_list list = set->is_reads_turn ? TURNS_READ_MEMORY : TURNS_WRITE_MEMORY;
        answer = ask_for_first(set, list);
        if (answer == BUDGET_PASSED_OVER) {
            list = set->is_reads_turn ? TURNS_WRITE_MEMORY : TURNS_READ_MEMORY;
            answer = ask_for_first(set, list);
        }
        if (answer == BUDGET_GRANTED) {
            set->is_reads_turn = list == TURNS_WRITE_MEMORY;
        }
    } while (answer == BUDGET_GRANTED);
}

/* Whether a connection pauses for memory that the shared budget has again. */
static bool may_resume(const struct connection_set *set, enum turns_list list)
{
    assert(list == TURNS_REPLIES || list == TURNS_REQUESTS); /* the two that connections pause for */
    const struct service *service = set->service;
    return turns_count(service->turns, list) > 0 &&
           (list == TURNS_REPLIES ? !budget_replies_are_full(service->budget)
                                  : !budget_requests_are_full(service->budget));
}

/* Has each connection whose hello waits look again whether its predecessors' writes are carried out. */
static void touch_held(struct connection_set *set)
{
    assert(set->held <= set->count);
    for (struct connection *connection = set->all; connection != NULL && set->held > 0;
         connection = connection->next) {
        if (connection->is_held) {
            connection_touch(connection);
        }
    }
}

/* In how many microseconds something is due; UINT64_MAX: nothing is. */
static uint64_t next_due(const struct connection_set *set, uint64_t now_us)
{
    uint64_t at_us = set->not_reading > 0 ? set->next_check_us : UINT64_MAX;
    at_us = set->late_us < at_us ? set->late_us : at_us;
    if (may_resume(set, TURNS_REQUESTS) || may_resume(set, TURNS_REPLIES)) {
        return 0; /* there were more than one iteration gives */
    }
    return at_us == UINT64_MAX ? UINT64_MAX : at_us > now_us ? at_us - now_us : 0;
}

/* Whether its replies are held in this iteration, to be coalesced with later ones. */
static bool holds_replies(const struct connection *connection)
{
    const struct session *session = &connection->session;
    bool is_commit_under_way = order_has_jobs(session->service->order);
    const struct schedule_replies replies = {
        .count = connection->replies_unsent,
        .oldest_us = connection->unsent_us,
        .accepted = session->accepted_replies - connection->accepted_flushed,
        .is_commit_about_to_end =
            is_commit_under_way && connection_pressure(connection->set) == SCHEDULE_PRESSURE_COMMITTING,
        .is_committing = connection->set->is_committing,
        .is_express = connection->is_express,
        .is_bulk = connection->is_bulk,
    };
    return connection->state == CONNECTION_OPEN && !session->is_closed && session->streams == NULL &&
           session->reads == NULL && schedule_holds_replies(&replies, connection->set->now_us);
}

/* Serves a connection: streams, reads, reading and replies go on as far as they can. Frees it if it is closed and done. */
static void connection_serve(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED) {
        connection_free_if_done(connection);
        return;
    }
    if (connection->state == CONNECTION_CLOSING) {
        return;
    }
    /* its pipe is open */
    assert(connection->state == CONNECTION_OPEN || connection->state == CONNECTION_DRAINING);
    if (holds_replies(connection)) {
        connection_postpone(connection);
        connection_read_on(connection);
        return;
    }
    if (!connection->session.is_closed) {
        output_flush(&connection->output);
    }
    if (connection->session.streams != NULL &&
        !stream_go_on(&connection->session, thread_now_us() + CONNECTION_SLICE_US)) {
        connection_postpone(connection);
    }
    read_go_on(&connection->session);
    connection_read_on(connection);
    connection_note_flush(connection);
    connection->is_bulk = false;
    const struct budget_client *client = &connection->session.client;
    bool had_room = budget_client_has_room(client, 0);
    bool might_send = budget_client_may_send(client);
    if (!connection->session.is_closed) {
        output_flush(&connection->output);
    }
    if ((!had_room && budget_client_has_room(client, 0)) || (!might_send && budget_client_may_send(client))) {
        connection_touch(connection); /* the kernel took replies at once: no callback comes for them */
    }
    connection_watch_unread(connection);
    if (connection->state == CONNECTION_DRAINING && connection->in_flight == 0 &&
        output_is_empty(&connection->output)) {
        connection_close(connection);
    }
}

/* Sends replies to commits before anything is read. */
static void flush_express(struct connection_set *set)
{
    for (struct connection *connection = set->touched; connection != NULL;
         connection = connection->next_touched) {
        assert(connection->is_touched);
        if (connection->is_express && !connection->session.is_closed) {
            output_flush(&connection->output);
        }
    }
}

void connection_set_begin_iteration(struct connection_set *set, uint64_t now_us)
{
    assert(thread_is(THREAD_LOOP));
    set->iteration++;
    set->now_us = now_us;
    set->is_committing = order_is_committing(set->service->order, now_us);
    set->had_served = set->has_served;
    set->has_served = false;
    set->contenders_before = set->contenders;
    set->contenders = 0;
    set->at_work = 0;
    flush_express(set);
    while (set->postponed != NULL) {
        struct connection *connection = set->postponed;
        assert(connection->is_postponed);
        set->postponed = connection->next_postponed;
        connection->is_postponed = false;
        connection_touch(connection);
    }
}

static void serve_touched(struct connection_set *set)
{
    while (set->touched != NULL) {
        set->at_work++;
        struct connection *connection = set->touched;
        assert(connection->is_touched); /* so it is not freed while it stands in the list */
        set->touched = connection->next_touched;
        connection->is_touched = false;
        connection_serve(connection);
    }
}

/* Connections that paused for the shared budget go on, one after the other; while others wait for memory for requests, each with one
 * request. */
static void resume(struct connection_set *set, enum turns_list list)
{
    struct turns *turns = set->service->turns;
    for (uint64_t waiting = turns_count(turns, list); waiting > 0 && may_resume(set, list); waiting--) {
        struct connection *connection = turns_first(turns, list);
        turns_take(turns, list, list == TURNS_REPLIES ? &connection->for_replies : &connection->for_requests);
        connection->has_turn = list == TURNS_REQUESTS;
        connection_touch(connection);
        serve_touched(set);
    }
}

uint64_t connection_set_serve(struct connection_set *set, uint64_t now_us)
{
    assert(thread_is(THREAD_LOOP));
    start_waiting(set, now_us);
    connection_check_paused(set, now_us);
    connection_serve_cut(set);
    touch_held(set);
    serve_touched(set);
    resume(set, TURNS_REPLIES);
    resume(set, TURNS_REQUESTS);
    grant_memory(set);
    uint64_t end_us = connection_end_late(set, now_us);
    uint64_t due_us = next_due(set, now_us);
    return due_us < end_us ? due_us : end_us;
}

bool connection_set_has_postponed(const struct connection_set *set)
{
    return set->postponed != NULL || turns_count(set->service->turns, TURNS_SLICE) > 0;
}

bool connection_set_is_touched(const struct connection_set *set)
{
    return set->touched != NULL;
}

uint64_t connection_requests(const struct connection_set *set)
{
    assert(set->in_flight <= set->requests); /* each that is in flight was started */
    return set->requests;
}

uint64_t connection_count(const struct connection_set *set)
{
    assert((set->count == 0) == (set->all == NULL)); /* 0 says that the set may be freed */
    return set->count;
}

/* While frames wait for memory, small requests that need none go on. */
uint64_t connection_set_memory(const struct connection_set *set, bool *ret_waits)
{
    assert(thread_is(THREAD_LOOP));
    const struct turns *turns = set->service->turns;
    bool frames_wait =
        turns_count(turns, TURNS_WRITE_MEMORY) > 0 || turns_count(turns, TURNS_READ_MEMORY) > 0;
    *ret_waits = frames_wait || turns_count(turns, TURNS_REQUESTS) > 0;
    return frames_wait ? set->granted : set->requests;
}

bool connection_set_has_waiting(const struct connection_set *set)
{
    uint64_t waiting = turns_count(set->service->turns, TURNS_ROOM) + set->waiting_for_claims;
    assert(waiting <= set->in_flight);
    return waiting > 0;
}

bool connection_set_is_idle(const struct connection_set *set)
{
    assert(set->in_flight > 0 || !connection_set_has_waiting(set)); /* a request that waits is in flight */
    return set->in_flight == 0;
}

bool connection_set_is_flushed(const struct connection_set *set)
{
    for (const struct connection *connection = set->all; connection != NULL; connection = connection->next) {
        if (!output_is_empty(&connection->output)) {
            return false;
        }
    }
    return true;
}

void connection_end_streams(struct connection_set *set)
{
    assert(set->service->draining); /* no stream starts after it */
    for (struct connection *connection = set->all; connection != NULL; connection = connection->next) {
        stream_end_all(&connection->session, STATUS_SHUTTING_DOWN,
                       "the daemon stops before the stream's end");
    }
}

void connection_close_all(struct connection_set *set)
{
    assert(thread_is(THREAD_LOOP));
    for (struct connection *connection = set->all; connection != NULL;) {
        struct connection *next = connection->next;
        connection_close(connection);
        connection = next;
    }
}
