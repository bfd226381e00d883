/* What connection.c, one connection, connection_read.c, how it reads, and connection_set.c, all of them, have in common.
 * Nobody else includes this. */
#ifndef DAEMON_CONNECTION_INTERNAL_H
#define DAEMON_CONNECTION_INTERNAL_H

#include "daemon/net/connection.h"
#include "daemon/net/output.h"
#include "daemon/serve/request.h"

enum {
    READ_BYTES = 64 << 10,           /* of one connection in a turn */
    READ_BYTES_HURRIED = 2 << 10,    /* while commits come */
    READ_BYTES_MEANWHILE = 16 << 10, /* while the commit under way is known to take */
    MEANWHILE_NS = 100000,           /* so long still */
    REPLIES_MANY = 16,     /* go at once to the only connection at work; while commits come they wait */
    REPLIES_HELD_US = 250, /* so long, if it sends more than its share at once, but no commits */
    REQUESTS_IN_FLIGHT_MAX = 4096, /* of one connection */
    HANG_UP_CHECK_US = 500000,     /* how often paused connections are looked at for a peer that is gone */
};

enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_DRAINING,
    CONNECTION_CLOSING,
    CONNECTION_CLOSED,
};

struct connection {
    struct session session; /* first: the handlers' part */
    struct connection_set *set;
    uv_pipe_t pipe;
    enum connection_state state;
    uint64_t in_flight;
    bool is_reading;
    bool is_express;     /* its last request was a commit */
    uint64_t asked_turn; /* the last in which it had something to read */
    uint64_t read_turn;  /* the last in which it had its share */
    bool is_bad_logged;
    /* the frame under way */
    uint8_t head[FRAME_REQUEST_BYTES];
    size_t head_bytes;
    bool has_frame; /* head is whole: `frame` is set */
    struct frame_request frame;
    uint8_t *body;
    size_t body_bytes;
    struct budget_request memory; /* set aside for it; its request's as soon as that starts */
    bool waits_for_memory;
    struct request *waiting; /* for room; nothing behind it is started */
    uint8_t *backlog;        /* read, not yet looked at */
    size_t backlog_bytes;
    struct output output;
    unsigned replies_unsent; /* since the last flush */
    uint64_t unsent_us;      /* when the first of them came */
    bool is_bulk;            /* it sent more than its share since then */
    /* in the set */
    bool is_touched; /* has something to do in this turn */
    struct connection *next_touched;
    struct connection *next_held;
    bool is_held;
    struct connection *next_waiting; /* for memory or room */
    struct connection *previous;
    struct connection *next;
};

struct waiting_list {
    struct connection *first;
    struct connection **last;
};

struct connection_set {
    uv_loop_t *loop;
    struct service *service;
    uint64_t connections_max;
    struct connection *all;
    uint64_t count;
    uint64_t in_flight;
    uint64_t requests; /* started */
    struct connection *touched;
    struct waiting_list for_memory; /* oldest first */
    struct waiting_list for_room;
    uint64_t at_work; /* connections that had something to do in this turn */
    uint64_t turn;    /* counted from 1 */
    bool is_hurried;  /* in this turn: commits come */
    bool has_time;    /* hurried, but a commit is known to take a while still: as last looked at */
    bool has_served;  /* hurried: a connection without commits had its share */
    bool had_served;  /* the same of the last turn */
    uint64_t asking;  /* hurried: connections without commits that have something to read, in this turn */
    uint64_t asked;   /* and in the last */
    struct connection *held; /* whose replies wait for more of them, by next_held */
    bool has_paused;         /* some connection waits for what all share */
    uint64_t not_reading;    /* connections: paused, or at their beginning or end */
    uint64_t next_check_us;  /* for peers that are gone */
    uint64_t now_us;         /* when the turn began, or of the last read */
    uint8_t read_buffer[READ_BYTES];
};

/* ---- connection.c ---- */

void waiting_append(struct waiting_list *list, struct connection *connection);
void waiting_remove(struct waiting_list *list, struct connection *connection);

/* A connection that reads nothing yet, in the set. */
struct connection *connection_new(struct connection_set *set);

/* Something changed: it has its turn once in this turn of the loop. */
void connection_touch(struct connection *connection);

/* Goes on with whatever it can: streams, what was read, reading, replies. Frees it if it is done. */
void connection_turn(struct connection *connection);

/* Looks whether the peer of a paused connection is gone, which reading would tell otherwise. */
void connection_check(struct connection *connection);

/* Ends it, whatever it is at. */
void connection_close(struct connection *connection);

/* A reply about the connection itself, with the end behind it. */
void connection_refuse(struct connection *connection, uint8_t type, uint64_t id, enum status status,
                       const char *text);

/* From here on nothing is read; it closes when what was started is answered. */
void connection_drain(struct connection *connection);

/* ---- connection_read.c ---- */

/* Goes on with what was read and not looked at, then reading goes on, or pauses. */
void connection_read_on(struct connection *connection);

/* ---- connection_set.c ---- */

/* Between two requests: what the writer did becomes visible, and is told at once where commits are waited for. */
void connection_set_completions(struct connection_set *set);

#endif
