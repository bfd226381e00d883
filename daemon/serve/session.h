/* Where requests come from: the service, which all share, and the session that each belongs to. Loop only. */
#ifndef DAEMON_SESSION_H
#define DAEMON_SESSION_H

#include <sys/types.h>

#include "daemon/host/roles.h"
#include "daemon/order/order.h"
#include "daemon/read/pool.h"
#include "daemon/runtime/budget.h"
#include "proto/frame.h"

struct dry_run;
struct presented;
struct read;
struct request;
struct stream;
struct stream_set;

/* What all requests share: one a daemon. */
struct service {
    /* fixed after start */
    struct engine *engine;
    struct order *order;
    struct budget *budget; /* of the memory that clients size */
    struct pool *pool;
    struct turns *turns; /* whose turn it is of those who wait */
    struct stream_set *streams;
    struct stages *stages;
    const struct roles *roles;     /* who may what */
    struct heartbeats *heartbeats; /* what moves, and what is stalled; NULL: nobody watches */
    uint64_t frame_bytes_max;
    uint8_t store_id[STORE_ID_BYTES];
    uint64_t started_us;
    /* set by the loop, read by the pool too */
    _Atomic uint64_t value_bytes_max; /* of a queued value */
    /* loop only */
    uint64_t queue_operations_max;
    uint64_t queue_bytes_max;
    uint64_t claim_grace_us; /* how long a claim is held behind the last session that presented its epoch */
    struct chain *default_chain;       /* looked up once, by the first request that names no chain */
    bool draining;                     /* new requests are refused */
    struct request *drain;             /* asked for that, and is told when it is done */
    struct presented *ending;          /* epochs whose sessions end with them; epochs.h */
    uint32_t epochs_shared;            /* that sessions have presented beyond their own share; epochs.c */
    struct unpacking *unpacking_first; /* large bodies: the first is with the pool, the others wait for it */
    struct unpacking *unpacking_last;
    bool is_contended;        /* a write waits for room in the queue: later ones queue behind it */
    struct dry_run *dry_run;  /* the one at work */
    struct dry_run *dry_runs; /* that wait, oldest first */
    const struct session *dry_run_session; /* whose turn was last; only compared */
    uint64_t frames_bad;
    uint64_t connections;
    uint64_t connections_refused;
};

/* What requests of one connection share; part of the connection. */
struct session {
    struct service *service;
    pid_t peer_pid; /* as the kernel says, from when it connected; 0: of another namespace */
    uid_t peer_uid;
    enum role role;             /* what the peer may do */
    struct turns_member member; /* as who it waits */
    struct stream *streams;     /* open or waiting */
    uint64_t stream_count;
    struct presented *presented; /* epochs, by chain; epochs.h */
    uint64_t left_out_told;      /* of the raises that were left out in this run, those that it knows of */
    bool is_greeted;             /* hello was taken: without it the connection ends after its first frame */
    bool is_closed;              /* its replies are dropped, and no more reads start */
    bool is_input_ended;         /* no request, and so no credit, can come any more */
    /* Takes a frame, FRAME_REPLY_BYTES for the header, which is filled in here, and header->body_bytes of body. */
    void (*send)(struct session *session, struct frame_reply *header, uint8_t *frame);
    /* The same for a small reply: the body is borrowed, and copied. Not called while is_closed. */
    void (*send_copy)(struct session *session, struct frame_reply *header, const uint8_t *body);
    uint64_t accepted_replies;   /* so far, replies that say of a write only that it is accepted */
    struct read *reads;          /* those that wait for room among its replies, oldest first */
    uint64_t reads_waiting;      /* how many */
    struct read **last_read;     /* where the next one is linked; valid while reads is not NULL */
    struct budget_client client; /* what its replies and reads take */
    /* Closes the connection, which may be closed already. */
    void (*end)(struct session *session);
    /* A request of this session that said REQUEST_UNPACKS is to be gone on with, by request_start_unpacked. Its session may have
     * closed meanwhile. */
    void (*unpacked)(struct session *session, struct request *request);
    /* A request of this session has ended and is freed right after. */
    void (*ended)(struct session *session, struct request *request);
};

#endif
