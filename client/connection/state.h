/* The states of a connection and of a request, and the legal moves between them. Pure. */
#ifndef CLIENT_STATE_H
#define CLIENT_STATE_H

#include <stdbool.h>

enum connection_state {
    CONNECTION_LOST,       /* no socket; cairn_connection_process() has not reported it yet */
    CONNECTION_LOST_TOLD,  /* no socket, and that is reported */
    CONNECTION_CONNECTING, /* waits for the answer to the hello; requests are held */
    CONNECTION_READY,      /* the hello is answered: requests go out */
    CONNECTION_SUPERSEDED, /* another connection met a later run: what was received is still read, nothing else */
    CONNECTION_STATES,
};

enum request_state {
    REQUEST_NEW,       /* being made: its frame is in no queue */
    REQUEST_HELD,      /* its frame is in the connection's `held`: it may not be sent yet */
    REQUEST_QUEUED,    /* its frame is in the transport's `out`; the kernel may have a part of it */
    REQUEST_SENT,      /* the kernel has all of it; waits for the answer */
    REQUEST_STOPPED,   /* a stream that its caller ended early; waits for its last frame */
    REQUEST_ABANDONED, /* it timed out and has completed; its answer is still awaited, and discarded */
    REQUEST_ASIDE,     /* it outlived its connection: waits for the next one, and for what that says of it */
    REQUEST_ENDED,     /* it is in no list; it completes now unless it has completed */
    REQUEST_STATES,
};

static inline bool connection_state_is_lost(enum connection_state state)
{
    return state == CONNECTION_LOST || state == CONNECTION_LOST_TOLD;
}

bool connection_state_may_move(enum connection_state from, enum connection_state to);
bool request_state_may_move(enum request_state from, enum request_state to);

/* Every change of a state is made by these; they assert that the move is legal. */
void connection_state_move(enum connection_state *state, enum connection_state to);
void request_state_move(enum request_state *state, enum request_state to);

#endif
