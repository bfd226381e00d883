/* A connection's states form a cycle: lost, connecting, ready, and lost again. A request's states have an order, and it passes
 * each at most once for each connection that it outlives; abandoned and ended, at which it completes, it never leaves for another
 * but ended. So it completes once, whatever a daemon sends. */
#include "client/connection/state.h"

#include <assert.h>

/* For each state, the bits of the states that may follow it. */
static const unsigned connection_moves[CONNECTION_STATES] = {
    [CONNECTION_LOST] = 1u << CONNECTION_LOST_TOLD | 1u << CONNECTION_CONNECTING,
    [CONNECTION_LOST_TOLD] = 1u << CONNECTION_CONNECTING,
    [CONNECTION_CONNECTING] = 1u << CONNECTION_READY | 1u << CONNECTION_LOST,
    [CONNECTION_READY] = 1u << CONNECTION_SUPERSEDED | 1u << CONNECTION_LOST,
    [CONNECTION_SUPERSEDED] = 1u << CONNECTION_LOST,
};

static const unsigned request_moves[REQUEST_STATES] = {
    [REQUEST_NEW] = 1u << REQUEST_HELD | 1u << REQUEST_QUEUED,
    [REQUEST_HELD] = 1u << REQUEST_QUEUED | 1u << REQUEST_ASIDE | 1u << REQUEST_ENDED,
    [REQUEST_QUEUED] =
        1u << REQUEST_SENT | 1u << REQUEST_ABANDONED | 1u << REQUEST_ASIDE | 1u << REQUEST_ENDED,
    [REQUEST_SENT] =
        1u << REQUEST_STOPPED | 1u << REQUEST_ABANDONED | 1u << REQUEST_ASIDE | 1u << REQUEST_ENDED,
    [REQUEST_STOPPED] = 1u << REQUEST_ABANDONED | 1u << REQUEST_ENDED,
    [REQUEST_ABANDONED] = 1u << REQUEST_ENDED,
    [REQUEST_ASIDE] = 1u << REQUEST_HELD | 1u << REQUEST_ABANDONED | 1u << REQUEST_ENDED,
    [REQUEST_ENDED] = 0,
};

bool connection_state_may_move(enum connection_state from, enum connection_state to)
{
    assert((unsigned)from < CONNECTION_STATES && (unsigned)to < CONNECTION_STATES);
    return connection_moves[from] & 1u << to;
}

bool request_state_may_move(enum request_state from, enum request_state to)
{
    assert((unsigned)from < REQUEST_STATES && (unsigned)to < REQUEST_STATES);
    return request_moves[from] & 1u << to;
}

void connection_state_move(enum connection_state *state, enum connection_state to)
{
    assert(connection_state_may_move(*state, to));
    *state = to;
}

void request_state_move(enum request_state *state, enum request_state to)
{
    assert(request_state_may_move(*state, to));
    *state = to;
}
