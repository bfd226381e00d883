/* What the library's files share: the client, its connections and their requests. All of it belongs to the thread that uses the
 * client.
 *
 * From low to high: clock, failure, fork_mark, keep, state and transport know nothing of requests; hold says when writes go out; request
 * moves requests from state to state; aside, claim and resend send again what a lost connection or daemon left open; reply uses all of
 * these, connection calls all of them, and wait waits for connections. */
#ifndef CLIENT_INTERNAL_H
#define CLIENT_INTERNAL_H

#include "client/cairn.h"
#include "client/connection/claimed.h"
#include "client/connection/failure.h"
#include "client/connection/fork_mark.h"
#include "client/connection/keep.h"
#include "client/connection/state.h"
#include "client/connection/transport.h"
#include "client/message/decode.h"
#include "proto/limits.h"

enum {
    /* Defaults of cairn_client_options, which cairn.h states. All numbers here are chosen. */
    IN_FLIGHT_DEFAULT = 16384,
    IN_FLIGHT_BYTES_DEFAULT = 64 << 20,
    KEPT_BYTES_DEFAULT = 64 << 20,

    /* in one cairn_connection_process(): then it sends, and its caller polls others */
    RECEIVE_BYTES_MAX = 1 << 20,
    RESEND_REQUESTS_MAX = 256,  /* sent again and not answered */
    RESEND_BYTES_MAX = 8 << 20, /* in these */
    SPARE_REQUESTS_MAX = 256,   /* ended requests that a connection keeps for reuse */
};
#define TIMEOUT_US_DEFAULT (30 * UINT64_C(1000000))
#define RESEND_PAUSE_US    UINT64_C(100000) /* after a refusal for now */

struct cairn_client {
    struct cairn_client_options options; /* fixed; defaults are filled in, strings are owned */
    struct fork_mark *fork_mark;         /* fixed */
    struct failure failure;              /* of the last call on the client itself that failed */
    struct cairn_connection *connections;
    size_t waits; /* how often there were more of them than one poll() takes */
    bool store_known;
    uint8_t store_id[STORE_ID_BYTES];
    uint64_t run;        /* the one met last; 0: none */
    uint64_t run_random; /* its bits; 0: none */
    bool store_changed;  /* the socket led to another store when a connection looked last */
    uint64_t written_through, durable_through;

    struct claim *claims;
    uint64_t stamp; /* the last one given */
    size_t again;   /* requests of all connections that are to be sent again */

    struct kept_list kept;
    struct cairn_connection *resender; /* the connection that sends kept metadata again; NULL: none does */
    size_t resends;                    /* requests of it that are not answered */
    size_t resend_bytes;               /* their frames */
    bool resend_refused;     /* one was refused for now: wait for the answers to the others, then pause */
    uint64_t resend_next_us; /* send nothing again before this time */
    uint64_t resent_operations, dropped_operations;

    /* above 0: callbacks may be on the stack, so that nothing is freed and no call waits */
    unsigned in_callback;
    bool free_wanted; /* some connection has free_wanted set */
};

struct request {
    struct request *next, *previous; /* in the connection's list, in the order submitted */

    /* Fixed when it is added. */
    uint64_t id;
    uint8_t type; /* enum frame_type */
    enum cairn_request_kind kind;
    bool ordered;   /* a write or barrier: it waits while kept metadata is sent again */
    bool internal;  /* the library's own: it sends kept metadata again, or presents a claim */
    uint64_t stamp; /* of an ordered one: its place among all of the client */
    /* of a write: the client's claim of its chain, when it was submitted; NULL: none, or it is replaced */
    struct claim *claim;
    bool numbered;     /* it has a number under that claim, once it is queued */
    bool survives;     /* it outlives its connection */
    uint64_t features; /* bits without which the daemon would take it for something else */
    bool carries;      /* its success means that all metadata accepted before it is written */
    cairn_completion completion;
    cairn_block_item block_item;
    cairn_metadata_item metadata_item;
    void *context;
    uint64_t timeout_us; /* relative; NEVER_US: none */
    size_t bytes;        /* of its frame */
    size_t body_bytes;   /* of a metadata write: the part of the body that is kept */
    size_t operations;   /* of metadata */

    /* Its life. */
    enum request_state state;
    uint64_t deadline_us; /* absolute; NEVER_US: it has none, or is abandoned */
    /* While it is held or queued, the frame that is in that queue. Later only a metadata write has one, and owns it until its
     * acceptance is recorded, and one that survives, which owns it until it ends. NULL: it is freed, or belongs to the queue alone. */
    struct frame_out *frame;
    struct kept *kept;  /* of an internal one: what it sends; NULL: the answer no longer matters */
    uint64_t number;    /* of a numbered one; 0: it has none yet, or no more */
    uint64_t overtaken; /* accepted metadata sent behind a numbered one that is not answered; 0: none */
    bool is_doomed;     /* one before it was refused, so that the daemon will refuse it */
    bool again;         /* it outlived its connection, and is not queued again yet */
    bool is_uncertain;  /* it was sent on a connection that is lost, and may have been applied */

    /* Its answer so far. */
    struct decode_expected expected;
    uint64_t items; /* delivered */
    uint64_t window, window_left,
        credit_due;   /* of a stream, in bytes; left and due add up to it; 0: not a stream */
    uint8_t *message; /* the bodies of continued frames */
    size_t message_bytes, message_capacity;
};

/* A reply that outlives its completion, with the memory that it borrows. */
struct blocking_reply {
    struct cairn_reply reply;
    struct decoded decoded;
    char text[TEXT_BYTES_MAX];
};

struct cairn_connection {
    struct cairn_connection *next;
    struct cairn_client *client;
    enum connection_state state;
    struct transport transport;
    uint64_t run;        /* the daemon's run that it is connected to; 0: not known yet */
    uint64_t resume_run; /* the run that its hello asked about */
    uint64_t features;   /* bits in force; known while it is ready */
    uint64_t hello_deadline_us;
    enum cairn_status lost_status; /* why it was lost last */
    struct failure failure;        /* of the last call that failed, or why it was lost */
    bool free_wanted;              /* freed when processing ends */
    bool closing;                  /* cairn_close() runs, and frees it */
    bool raises_left_out; /* a barrier of the library's own was told so; cairn_close() passes it on */
    /* the last write that was only accepted here; 0: a barrier has answered for all */
    uint64_t accepted_sequence;

    struct claim *present_next; /* while ready: whose Present is not granted; till then no write under a claim
                                   goes out here, and nothing is sent again. NULL: all are presented */
    uint64_t present_at_us;     /* the daemon refused it for now: again at this time; 0: it did not */
    struct frame_queue held;    /* frames of held requests */
    size_t held_unordered;      /* how many of these wait only for the hello */
    struct request *first, *last;      /* all requests, in the order submitted */
    size_t in_flight, in_flight_bytes; /* requests that have not completed, without internal ones */
    size_t abandoned;                  /* requests in that state */
    size_t again;                      /* requests that are to be sent again */
    uint64_t next_deadline_us;         /* no request has an earlier one */

    struct request *spare; /* ended requests, linked by `next` */
    uint32_t spare_count;
    struct request **slots; /* requests, by the low half of the id */
    uint32_t slot_count;
    uint32_t *slots_free; /* the numbers of free slots */
    uint32_t slot_free_count;
    uint32_t generation; /* the high half of the last id */

    struct decoded *delivering;        /* memory of the reply whose completion runs; NULL: none runs */
    struct blocking_reply blocking[2]; /* of the last blocking call, and of the one before */
    unsigned blocking_last;            /* which of the two is the last */
};

#endif
