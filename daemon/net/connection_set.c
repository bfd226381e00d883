/* All connections: who waits for room or memory, and whose turn it is. */
#include <assert.h>
#include <stdlib.h>

#include "daemon/net/connection_internal.h"
#include "daemon/runtime/log.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/dispatch.h"
#include "daemon/serve/stream.h"

struct connection_set *connection_set_new(uv_loop_t *loop, struct service *service, uint64_t connections_max)
{
    struct connection_set *set = memory_new(sizeof *set);
    set->loop = loop;
    set->service = service;
    set->connections_max = connections_max;
    set->turn = 1;
    set->now_us = thread_now_us();
    set->for_memory.last = &set->for_memory.first;
    set->for_room.last = &set->for_room.first;
    return set;
}

void connection_set_free(struct connection_set *set)
{
    if (set != NULL) {
        assert(set->all == NULL);
        free(set);
    }
}

void connection_accept(struct connection_set *set, uv_stream_t *listener)
{
    struct connection *connection = connection_new(set);
    if (uv_accept(listener, (uv_stream_t *)&connection->pipe) != 0) {
        connection_close(connection);
    } else if (set->count > set->connections_max) {
        set->service->connections_refused++;
        log_event(LOG_LEVEL_WARNING, "connection refused: there are as many as connections_max allows",
                  "connections_max=%ju", (uintmax_t)set->connections_max);
        connection_refuse(connection, FRAME_HELLO, 0, STATUS_BUSY,
                          "there are as many connections as connections_max allows: try again later");
    }
    connection_touch(connection);
}

/* Requests that wait for room start again, oldest first; those whose deadline is over are answered wherever they stand. */
static void start_waiting(struct connection_set *set, uint64_t now_us)
{
    bool is_blocked = false;
    for (struct connection *connection = set->for_room.first; connection != NULL;) {
        struct connection *next = connection->next_waiting;
        struct request *request = connection->waiting;
        bool is_late = request->deadline_us != 0 && now_us >= request->deadline_us;
        set->service->is_contended = false;
        if ((!is_blocked || is_late || set->service->draining) &&
            request_start_again(request, now_us) == REQUEST_TAKEN) {
            connection->waiting = NULL;
            waiting_remove(&set->for_room, connection);
            connection_touch(connection);
        } else {
            is_blocked = true;
        }
        connection = next;
    }
    set->service->is_contended = set->for_room.first != NULL;
}

/* Frames that wait for memory get it, oldest first. */
static void grant_memory(struct connection_set *set)
{
    enum budget_answer answer = BUDGET_GRANTED;
    for (struct connection *connection = set->for_memory.first;
         connection != NULL && answer != BUDGET_WAITS;) {
        struct connection *next = connection->next_waiting;
        answer = budget_request_reserve(set->service->budget, &connection->memory);
        if (answer == BUDGET_GRANTED) {
            waiting_remove(&set->for_memory, connection);
            connection->waits_for_memory = false;
            connection->body = memory_raw(connection->frame.body_bytes);
            connection_touch(connection);
        }
        connection = next;
    }
}

/* Connections that pause for what all share go on when it is there again. */
static void touch_paused(struct connection_set *set)
{
    const struct budget *budget = set->service->budget;
    if (!set->has_paused || budget_requests_are_full(budget) || budget_replies_are_full(budget)) {
        return;
    }
    set->has_paused = false;
    for (struct connection *connection = set->all; connection != NULL; connection = connection->next) {
        connection_touch(connection);
    }
}

/* Paused connections are looked at now and then. */
static void check_paused(struct connection_set *set, uint64_t now_us)
{
    if (set->not_reading == 0 || now_us < set->next_check_us) {
        return;
    }
    for (struct connection *connection = set->all; connection != NULL; connection = connection->next) {
        if (!connection->is_reading) {
            connection_check(connection);
        }
    }
    set->next_check_us = now_us + HANG_UP_CHECK_US;
}

/* In how many microseconds a deadline ends, paused connections are to be looked at. */
static uint64_t next_due(const struct connection_set *set, uint64_t now_us)
{
    uint64_t at_us = set->not_reading > 0 ? set->next_check_us : UINT64_MAX;
    for (const struct connection *connection = set->for_room.first; connection != NULL;
         connection = connection->next_waiting) {
        uint64_t deadline_us = connection->waiting->deadline_us;
        at_us = deadline_us != 0 && deadline_us < at_us ? deadline_us : at_us;
    }
    return at_us == UINT64_MAX ? UINT64_MAX : at_us > now_us ? at_us - now_us : 0;
}

/* They are looked at again in this turn. */
static void release_held(struct connection_set *set)
{
    while (set->held != NULL) {
        struct connection *connection = set->held;
        set->held = connection->next_held;
        connection->is_held = false;
        connection_touch(connection);
    }
}

void connection_set_begin_turn(struct connection_set *set, uint64_t now_us)
{
    set->turn++;
    set->now_us = now_us;
    set->is_hurried = order_is_committing(set->service->order, now_us);
    set->had_served = set->has_served;
    set->has_served = false;
    set->asked = set->asking;
    set->asking = 0;
    set->at_work = 0;
    release_held(set);
}

uint64_t connection_set_turn(struct connection_set *set, uint64_t now_us)
{
    start_waiting(set, now_us);
    grant_memory(set);
    check_paused(set, now_us);
    while (set->touched != NULL) {
        set->at_work++;
        struct connection *connection = set->touched;
        set->touched = connection->next_touched;
        connection->is_touched = false;
        connection_turn(connection);
    }
    touch_paused(set);
    return next_due(set, now_us);
}

void connection_set_completions(struct connection_set *set)
{
    order_drain_completions(set->service->order, thread_now_ns());
    for (struct connection *connection = set->touched; connection != NULL;
         connection = connection->next_touched) {
        if (connection->is_express && !connection->session.is_closed) {
            output_flush(&connection->output);
        }
    }
}

bool connection_set_holds_replies(const struct connection_set *set)
{
    return set->held != NULL;
}

bool connection_set_is_touched(const struct connection_set *set)
{
    return set->touched != NULL;
}

uint64_t connection_requests(const struct connection_set *set)
{
    return set->requests;
}

uint64_t connection_count(const struct connection_set *set)
{
    return set->count;
}

bool connection_set_has_waiting(const struct connection_set *set)
{
    return set->for_room.first != NULL;
}

bool connection_set_is_idle(const struct connection_set *set)
{
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
    for (struct connection *connection = set->all; connection != NULL; connection = connection->next) {
        stream_end_all(&connection->session, STATUS_SHUTTING_DOWN,
                       "the daemon stops before the stream's end");
    }
}

void connection_close_all(struct connection_set *set)
{
    for (struct connection *connection = set->all; connection != NULL;) {
        struct connection *next = connection->next;
        connection_close(connection);
        connection = next;
    }
}
