/* The states of a connection and of a request on it, and the moves between them that are legal. Pure. */
#ifndef CLIENT_STATE_H
#define CLIENT_STATE_H

#include <stdbool.h>

enum connection_state {
    CONNECTION_LOST,       /* no socket; its user does not know yet */
    CONNECTION_LOST_TOLD,  /* no socket, and its user knows */
    CONNECTION_CONNECTING, /* the hello's answer is awaited, all else is held */
    CONNECTION_READY,
    CONNECTION_SUPERSEDED, /* a later run has been met: nothing more is received, what was is still read */
    CONNECTION_STATES,
};

enum request_state {
    REQUEST_NEW,       /* being made; no queue has its frame */
    REQUEST_HELD,      /* its frame is in the connection's `held`, not to be sent yet */
    REQUEST_QUEUED,    /* its frame is in the transport's `out`; the kernel may have a part of it */
    REQUEST_SENT,      /* the kernel has all of it; the answer is awaited */
    REQUEST_STOPPED,   /* a stream whose caller wants no more; its end is awaited */
    REQUEST_ABANDONED, /* its time is over and it has completed; nobody hears its answer */
    REQUEST_ENDED,     /* it is in no list, and completes now if it has not */
    REQUEST_STATES,
};

static inline bool connection_state_is_lost(enum connection_state state)
{
    return state == CONNECTION_LOST || state == CONNECTION_LOST_TOLD;
}

bool connection_state_may_move(enum connection_state from, enum connection_state to);
bool request_state_may_move(enum request_state from, enum request_state to);

/* All changes of a state are made here; an illegal one ends the process. */
void connection_state_move(enum connection_state *state, enum connection_state to);
void request_state_move(enum request_state *state, enum request_state to);

#endif
