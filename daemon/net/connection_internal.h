/* What the files of connections have in common; connection_set_internal.h has what they share of all connections. Each file calls those
 * before it: output.c, connection.c (a peer's state, replies, end), connection_late.c (peers that take too long, or are gone),
 * connection_share.c (whether and how far one may go on), connection_read.c, connection_set.c. Nobody else includes this. Loop only. */
#ifndef DAEMON_CONNECTION_INTERNAL_H
#define DAEMON_CONNECTION_INTERNAL_H

#include "daemon/net/connection.h"
#include "daemon/net/output.h"
#include "daemon/runtime/timeout.h"
#include "daemon/serve/request.h"
#include "daemon/writer/schedule.h"

enum {
    REQUESTS_IN_FLIGHT_MAX = 4096, /* of one connection; chosen */
    READS_WAITING_MAX = 256,       /* reads of one that wait for room among its replies, 360 KB; chosen */
    CONNECTIONS_KEPT_MAX = 32,     /* the last of connections_max, kept for uids that have none yet */
    CONNECTIONS_KEPT_PART = 4,     /* one part in so many of connections_max is kept at most; chosen */
    HANG_UP_CHECK_US = 100000, /* how often paused connections are checked for a peer that is gone; chosen */
};

/* What each means stands at the head of connection.c. */
enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_DRAINING,
    CONNECTION_CLOSING,
    CONNECTION_CLOSED,
};

/* How far the frame has come that a connection reads. */
enum incoming_state {
    INCOMING_HEADER,       /* its header is being read */
    INCOMING_BODY_AHEAD,   /* its header is whole, and there is no memory for its body yet */
    INCOMING_WAITS_MEMORY, /* the same, and the connection waits for its turn */
    INCOMING_BODY,         /* its body is read into memory of its own */
};

struct incoming {
    enum incoming_state state; /* changed by incoming_move */
    uint8_t header[FRAME_REQUEST_BYTES];
    size_t header_bytes;
    struct frame_request frame;   /* once its header is whole */
    struct budget_request memory; /* set aside for it; its request's as soon as that starts */
    uint8_t *body;                /* INCOMING_BODY: room for all of it */
    size_t body_bytes;            /* how much of it is there */
};

struct connection {
    struct session session; /* first: the handlers' part */
    struct connection_set *set;
    uv_pipe_t pipe;
    enum connection_state state; /* changed by connection_move */
    bool is_gone;                /* both directions are closed by its peer */
    uint64_t in_flight;
    uint64_t writes_in_flight; /* of them change the store */
    bool is_bad_logged;
    /* reading */
    bool is_reading; /* libuv reads for it */
    struct incoming incoming;
    struct request *waiting; /* for room in the queue, or memory; nothing behind it is started */
    struct turn for_room;    /* of `waiting` */
    bool waits_for_claim;    /* `waiting` does, without a turn: it is started again when a claim is decided */
    struct turn for_memory;  /* for `waiting`, or for the frame in INCOMING_WAITS_MEMORY */
    struct turn for_requests, for_replies; /* it pauses until the shared budget has room for these */
    bool is_unpacking;     /* its last request's body is with the pool; nothing behind that is started */
    struct turn for_slice; /* its slice is over: it is cut, and its backlog waits for the next one */
    bool has_turn;         /* it may start one request before those that wait in TURNS_REQUESTS */
    uint8_t *backlog;      /* read from the kernel, and not yet taken apart; NULL: nothing */
    size_t backlog_bytes;
    bool is_held;             /* its hello waits for connections that its process has left */
    bool is_express;          /* its last request was a commit */
    uint64_t asked_iteration; /* the last in which it had something to read */
    uint64_t read_iteration;  /* the last in which it had its share */
    uint64_t body_iteration;  /* the last in which it read to where a body stays */
    uint64_t left_iteration;  /* the last in which it left requests that it had read */
    /* replies */
    struct output output;
    uint64_t replies_unsent;   /* since the last flush */
    uint64_t unsent_us;        /* when the first of them came */
    uint64_t accepted_flushed; /* of the session's accepted_replies, those before that flush */
    bool is_bulk;              /* it sent more than its share since then */
    /* what it may take no longer for than its limit: each runs in the set's list */
    struct timeout hello_timeout;     /* until its first frame is whole */
    struct timeout frame_timeout;     /* INCOMING_BODY */
    struct timeout unread_timeout;    /* while replies wait for the peer */
    struct output_progress unread_at; /* how far they had gone out when it started */
    /* in the set's lists */
    bool is_touched; /* it has something to do in this iteration */
    struct connection *next_touched;
    bool is_postponed; /* it has something to do in the next one */
    struct connection *next_postponed;
    struct connection *previous; /* accepted later */
    struct connection *next;     /* accepted before */
};

/* ---- connection.c ---- */

/* A connection that reads nothing yet, in the set; NULL if the loop library fails. `unpacked` is its session's. */
struct connection *connection_new(struct connection_set *set,
                                  void (*unpacked)(struct session *session, struct request *request));

/* Something changed: it is served in this iteration of the loop, or in the next; once, however often it is called. */
void connection_touch(struct connection *connection);
void connection_postpone(struct connection *connection);
/* All its replies so far are flushed, or about to be. */
void connection_note_flush(struct connection *connection);

/* Frees it if it is closed and nothing refers to it any more. */
void connection_free_if_done(struct connection *connection);

/* Checks whether the peer is gone, and drops what nobody is there for any more. */
void connection_check(struct connection *connection);

/* The peer has ended its sending side, inside a frame or not: what was started is answered, streams go as far as their credit, and
 * then it closes; at once if the peer is gone. */
void connection_end_input(struct connection *connection);

/* Closes it in any state: replies are dropped, what was started is carried out. Does nothing if it is closing already. */
void connection_close(struct connection *connection);

/* From here on nothing is read; it closes when what was started is answered. The second sends a reply about the connection itself
 * before that; the text is copied. */
void connection_drain(struct connection *connection);
void connection_refuse(struct connection *connection, uint8_t type, uint64_t id, enum status status,
                       const char *text);

/* The peer took too long for what it reads or sends: the frame that is being read is dropped, and the connection refused with that
 * status and text. */
void connection_time_out(struct connection *connection, enum status status, const char *text);

/* The connection waits for memory for the frame that it reads; for what its request needs, as `progress` says; and no longer for a claim. */
void connection_wait_for_memory(struct connection *connection, const struct budget_request *memory);
void connection_wait(struct connection *connection, struct request *request, enum request_progress progress);
void connection_wait_no_claim(struct connection *connection);

/* Moves the frame that is read to that state; a move that the table does not have fails an assert. */
void incoming_move(struct incoming *incoming, enum incoming_state to);

/* ---- connection_read.c ---- */

/* Goes on with the backlog, then starts reading, or stops it. May close the connection. */
void connection_read_on(struct connection *connection);

/* session->unpacked: its last request goes on, and so does the connection. */
void connection_unpacked(struct session *session, struct request *request);

/* Memory was set aside for the frame that waited for it: its body is read from here on. Where the machine has none the frame is
 * refused, and the connection drained. */
void connection_read_granted(struct connection *connection);

#endif
