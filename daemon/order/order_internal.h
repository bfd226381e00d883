/* What the parts of the order have in common. Nobody else includes this. Calls go one way: order.c (start, end, getters)
 * and order_accept.c (what goes to the writer) call order_publish.c (what comes back from it); all call order_number.c and
 * order_space.c. */
#ifndef DAEMON_ORDER_INTERNAL_H
#define DAEMON_ORDER_INTERNAL_H

#include "daemon/order/order_space.h"
#include "daemon/order/order_start.h"
#include "daemon/runtime/spin.h"
#include "daemon/writer/writer.h"

struct waiter_list {
    struct order_waiter *first;
    struct order_waiter **last;
};

struct order {
    /* fixed after start */
    struct order_config config;
    struct apply *apply;
    struct writer *writer;
    struct order_start start;
    bool is_in_doubt; /* what the start found is not known to be on the device, and is not brought there */
    /* loop only */
    struct chain_set *chains;
    struct pending *pending;
    struct record_cache *cache;
    struct engine_point *point; /* the view */
    /* loop only: numbers */
    uint64_t sequence; /* the last number given */
    uint64_t reserved_through;
    bool reserving;     /* `reserve` is with the writer */
    struct job reserve; /* asks for more */
    /* loop only: what is under way */
    struct job *oldest_job; /* of all in flight that have a number, by `younger` */
    struct job *youngest_job;
    uint64_t groups_posted; /* with the writer */
    uint64_t unwritten;     /* metadata operations that were accepted */
    uint64_t durable_through;
    bool sync_asked; /* of the writer, and not done */
    bool stopping;   /* everything is due */
    /* loop only: space */
    struct space_look space;        /* the last look */
    enum space_state space_state;   /* as of it */
    enum space_state space_refused; /* the worst that a refusal since has begun; SPACE_ENOUGH: none */
    uint64_t space_spare;       /* space_spare of the last look, while the state is SPACE_ENOUGH; else 0 */
    bool queue_lacks_room;      /* the last try to write queued metadata found no space */
    uint64_t space_counted;     /* the part of accepted_bytes that was written before the last look */
    uint64_t accepted_bytes;    /* of jobs and metadata, in all */
    uint64_t job_bytes;         /* of the jobs in flight */
    uint64_t lacking_logged_us; /* when the log was last told that the engine lacked space; 0: never */
    /* loop only: waiters */
    struct waiter_list waiters[LEVEL_DURABLE + 1]; /* by level, in order of their numbers */
    uint64_t waited_through;                       /* the greatest number anybody waited for */
    /* loop only: what the schedule goes by */
    uint64_t committed_us; /* when a job joined the lane last */
    uint64_t jobs_mean_8;  /* eight times the mean of jobs in a completion that had any */
    struct spin spin;      /* how long jobs take to be written */
    /* loop only: the latch */
    bool failed;
    uint64_t written_before_failure;
    struct failure failure;
    /* loop only */
    struct order_counters counters;
    struct order_left_out left_out;
    struct damage *damage;
};

/* ---- order_number.c ---- */

/* Gives the next number. Never waits. */
uint64_t order_next_sequence(struct order *order);

/* ---- order_space.c ---- */

/* Whether there is space for the metadata. False: *failure is STATUS_NO_SPACE. */
bool order_has_space_for(struct order *order, struct pending_request request, uint64_t resend_of,
                         struct failure *failure) MUST_CHECK;

/* Counts metadata that was accepted. */
void order_count_metadata(struct order *order, struct pending_request request);

/* ---- order_publish.c ---- */

/* Has the writer sweep behind a prune, a slice at a time, unless that is under way or nothing is left to do. */
void order_sweep_chain(struct order *order, struct chain *chain);

/* Drops what the writer still handed back after its end: nobody is left to see it. */
void order_drop_completions(struct order *order);

#endif
