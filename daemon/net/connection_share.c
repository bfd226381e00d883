/* Whether a connection may go on, and how much of an iteration of the loop it has: bytes to read, and time for what it reads.
 *
 * - Whether: not while one of its requests waits, while too many of them or of their replies are on the way, or where the budgets that all
 *   share are used up. In the last case who asks gets a turn (runtime/turns), and goes on with that.
 * - Bytes: it asks once an iteration. While commits come the share is small, and contenders have theirs in rotation (writer/schedule).
 * - Time: what all have started in an iteration takes CONNECTION_SLICE_US, twice at most: once for what was cut before, and once for what is
 *   read, of which each connection starts one request at least. One whose slice is over is cut: its backlog waits, and slices are
 *   given by turns (runtime/turns). So who sends one request at a time waits for no longer than that, whatever others send. */
#include <assert.h>

#include "daemon/net/connection_set_internal.h"
#include "daemon/runtime/thread.h"

/* Chosen. */
enum {
    /* small requests between two readings of the clock, which costs a small part of one request */
    SLICE_UNCLOCKED_MAX = 4,
    SLICE_UNCLOCKED_BYTES_MAX = 4096, /* a request is small up to this length of its body */
    /* of a frame's body, while there is time in the iteration: 0.2 ms of copying */
    BODY_SHARE_BYTES = 512 << 10,
    BODY_SHARE_BYTES_LATE = 32 << 10, /* and when it is over */
};

/* ---- whether it may go on ---- */

static void pause_for(struct connection *connection, enum turns_list list, struct turn *turn)
{
    connection->has_turn = false;
    turns_wait(connection->set->service->turns, list, &connection->session.member, turn, connection);
}

/* Whether what the peer sent may be looked at. Where the shared budget for replies is in the way, it waits for its turn from here on. */
static bool may_look(struct connection *connection)
{
    const struct budget_client *client = &connection->session.client;
    bool may = connection->state == CONNECTION_OPEN && connection->waiting == NULL &&
               !connection->is_unpacking && !turn_waits(&connection->for_slice) &&
               connection->incoming.state != INCOMING_WAITS_MEMORY && budget_client_may_send(client);
    if (!may || turn_waits(&connection->for_requests) || turn_waits(&connection->for_replies)) {
        return false;
    }
    if (!connection->is_gone && budget_client_must_pause(connection->set->service->budget, client)) {
        pause_for(connection, TURNS_REPLIES, &connection->for_replies);
        return false;
    }
    return true;
}

/* Whether a first frame has to wait until what its process sent over connections that it left is carried out. */
static bool is_held_back(struct connection *connection)
{
    bool is_held = !connection->session.is_greeted && connection_has_predecessor(connection);
    assert(connection->session.is_greeted || connection->incoming.frame.type == FRAME_HELLO);
    assert(connection->set->held > 0 || !connection->is_held); /* each hello that waits is counted once */
    connection->set->held += is_held;
    connection->set->held -= connection->is_held;
    connection->is_held = is_held;
    return is_held;
}

bool connection_may_start(struct connection *connection)
{
    const struct service *service = connection->set->service;
    assert(connection->incoming.state == INCOMING_BODY_AHEAD);
    if (request_type_is_about_stream(connection->incoming.frame.type)) {
        return true;
    }
    if (connection->in_flight >= REQUESTS_IN_FLIGHT_MAX ||
        connection->session.reads_waiting >= READS_WAITING_MAX || is_held_back(connection)) {
        return false;
    }
    bool others_wait = turns_count(service->turns, TURNS_REQUESTS) > 0;
    if (budget_requests_are_full(service->budget) || (others_wait && !connection->has_turn)) {
        pause_for(connection, TURNS_REQUESTS, &connection->for_requests);
        return false;
    }
    return true;
}

bool connection_may_go_on(struct connection *connection)
{
    return may_look(connection) &&
           (connection->incoming.state != INCOMING_BODY_AHEAD || connection_may_start(connection));
}

bool connection_waits_for_nobody(const struct connection *connection)
{
    bool waits = connection->waiting != NULL || connection->incoming.state == INCOMING_WAITS_MEMORY ||
                 turn_waits(&connection->for_requests);
    assert(!connection->is_gone || connection->session.is_closed);
    return connection->is_gone && waits;
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

enum schedule_pressure connection_pressure(const struct connection_set *set)
{
    return schedule_pressure(set->is_committing, set->is_committing ? commit_remaining_ns(set) : 0);
}

uint32_t connection_take_share(struct connection *connection)
{
    struct connection_set *set = connection->set;
    if (connection->asked_iteration == set->iteration) {
        return 0;
    }
    assert(connection->asked_iteration < set->iteration);
    connection->asked_iteration = set->iteration;
    enum schedule_pressure pressure = connection_pressure(set);
    bool is_contender = pressure == SCHEDULE_PRESSURE_COMMITTING && !connection->is_express;
    if (is_contender && !take_contenders_share(connection)) {
        return 0;
    }
    connection->read_iteration = set->iteration;
    return schedule_share_bytes(pressure);
}

uint32_t connection_take_body_share(struct connection *connection)
{
    struct connection_set *set = connection->set;
    const struct incoming *incoming = &connection->incoming;
    if (connection->body_iteration == set->iteration) {
        return 0;
    }
    connection->body_iteration = set->iteration;
    assert(incoming->state == INCOMING_BODY && incoming->body_bytes < incoming->frame.body_bytes);
    bool is_late = set->fresh_iteration == set->iteration && thread_now_us() >= set->fresh_until_us;
    uint64_t missing_bytes = incoming->frame.body_bytes - incoming->body_bytes;
    uint64_t share_bytes = is_late ? BODY_SHARE_BYTES_LATE : BODY_SHARE_BYTES;
    return (uint32_t)(missing_bytes < share_bytes ? missing_bytes : share_bytes);
}

/* ---- slices of time ---- */

struct time_slice time_slice_until(uint64_t until_us)
{
    return (struct time_slice){.until_us = until_us, .unclocked = SLICE_UNCLOCKED_MAX};
}

bool time_slice_is_over(struct time_slice *slice, uint64_t body_bytes)
{
    assert(!slice->is_over);
    if (body_bytes <= SLICE_UNCLOCKED_BYTES_MAX && slice->unclocked++ < SLICE_UNCLOCKED_MAX) {
        return false;
    }
    slice->unclocked = 0;
    slice->is_over = thread_now_us() >= slice->until_us;
    return slice->is_over;
}

struct time_slice connection_fresh_slice(struct connection_set *set)
{
    /* the loop has slept since the first slice was given */
    bool has_slept = set->now_us >= set->fresh_until_us + CONNECTION_SLICE_US;
    if (set->fresh_iteration != set->iteration || has_slept) {
        set->fresh_iteration = set->iteration;
        set->fresh_until_us = set->now_us + CONNECTION_SLICE_US;
    }
    uint64_t until_us =
        set->now_us + CONNECTION_SLICE_US / (1 + turns_count(set->service->turns, TURNS_SLICE));
    assert(set->fresh_until_us >= CONNECTION_SLICE_US);
    return time_slice_until(until_us < set->fresh_until_us ? until_us : set->fresh_until_us);
}

void connection_cut(struct connection *connection)
{
    assert(connection->state == CONNECTION_OPEN);
    /* so that its next slice has something to start */
    assert(connection->backlog != NULL || connection->incoming.state == INCOMING_BODY_AHEAD);
    turns_wait(connection->set->service->turns, TURNS_SLICE, &connection->session.member,
               &connection->for_slice, connection);
}
