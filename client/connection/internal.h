/* What the library's files share: the client, its connections, their requests. All of it belongs to the one thread that
 * uses the client.
 *
 * Low to high: clock, failure, keep, state and transport know nothing of requests; request has their states; resend and reply use
 * it; connection drives them all. */
#ifndef CLIENT_INTERNAL_H
#define CLIENT_INTERNAL_H

#include "client/cairn.h"
#include "client/connection/failure.h"
#include "client/connection/keep.h"
#include "client/connection/state.h"
#include "client/connection/transport.h"
#include "client/message/decode.h"
#include "proto/limits.h"

enum {
    IN_FLIGHT_DEFAULT = 16384,
    IN_FLIGHT_BYTES_DEFAULT = 64 << 20,
    KEPT_BYTES_DEFAULT = 64 << 20,
    RECEIVE_BYTES_MAX = 1 << 20, /* in one cairn_connection_process() */
    RESEND_REQUESTS_MAX = 256,   /* under way at once */
    RESEND_BYTES_MAX = 8 << 20,
    SPARE_REQUESTS_MAX = 256, /* of a connection */
};
#define TIMEOUT_US_DEFAULT (30 * UINT64_C(1000000))
#define RESEND_PAUSE_US    UINT64_C(100000)

struct cairn_client {
    struct cairn_client_options options; /* fixed; defaults filled in, texts owned */
    struct cairn_connection *connections;

    bool store_known;
    uint8_t store_id[STORE_ID_BYTES];
    uint64_t run; /* met last; 0: none */
    uint64_t written_through, durable_through;

    struct kept_list kept;
    struct cairn_connection *resender; /* sends kept metadata again; NULL: nobody does */
    size_t resends;                    /* of it under way */
    size_t resend_bytes;
    bool resend_refused;     /* one was refused for now: wait for the others' answers, then pause */
    uint64_t resend_next_us; /* not before */
    uint64_t resent_operations, dropped_operations;

    unsigned in_callback; /* callbacks may be on the stack: nothing is freed, nobody waits */
    bool free_wanted;     /* some connection's is set */
};

struct request {
    struct request *next, *previous; /* of the connection's, in the order submitted */

    /* Fixed once it is added. */
    uint64_t id;
    uint8_t type; /* enum frame_type */
    enum cairn_request_kind kind;
    bool ordered;  /* a write or barrier: waits while kept metadata is sent again */
    bool internal; /* sends kept metadata again */
    bool carries;  /* a success writes all metadata accepted before it */
    cairn_completion completion;
    cairn_block_item block_item;
    cairn_metadata_item metadata_item;
    void *context;
    uint64_t timeout_us; /* relative; NEVER_US: none */
    size_t bytes;        /* of the frame */
    size_t body_bytes;   /* of a metadata write: the part that is kept */
    size_t operations;   /* of a metadata write */

    /* Its life. */
    enum request_state state;
    uint64_t deadline_us; /* absolute; NEVER_US: none, or none any more */
    struct frame_out
        *frame; /* held and queued: in that queue. Later only a metadata write has it, as its own, until its
                                acceptance is recorded: then it is kept. NULL: gone, or going on alone */
    struct kept *kept; /* internal only; NULL: the answer no longer matters */

    /* What has come of its answer. */
    struct decode_expected expected;
    uint64_t items;
    uint64_t window, window_left, credit_due; /* of a stream; a window of 0: it is none */
    uint8_t *message;                         /* continued frames so far */
    size_t message_bytes, message_capacity;
};

struct cairn_connection {
    struct cairn_connection *next;
    struct cairn_client *client;
    enum connection_state state;
    struct transport transport;
    uint64_t run;        /* that it is connected to */
    uint64_t resume_run; /* that its hello asked about */
    uint64_t hello_deadline_us;
    enum cairn_status lost_status; /* why it is lost */
    struct failure failure;        /* of the last call, or why it is lost */
    bool free_wanted;              /* by a callback: freed when processing ends */
    bool closing;                  /* cairn_close() frees it, nobody else */

    struct frame_queue held;           /* submitted, not to be sent yet */
    size_t held_unordered;             /* of them that wait for the hello only */
    struct request *first, *last;      /* all, in the order submitted */
    size_t in_flight, in_flight_bytes; /* not completed, internal ones apart */
    size_t abandoned;
    uint64_t next_deadline_us; /* no request's is earlier */

    struct request *spare; /* ended ones, linked by `next` */
    uint32_t spare_count;
    struct request **slots; /* by the low half of the id */
    uint32_t slot_count;
    uint32_t *slots_free;
    uint32_t slot_free_count;
    uint32_t generation; /* high half of the next id */

    struct decoded *delivering; /* the reply whose completion runs */
    struct decoded blocking;    /* behind the last blocking call's reply */
    struct cairn_reply blocking_reply;
    char blocking_text[TEXT_BYTES_MAX];
};

#endif
