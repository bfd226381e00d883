/* What the parts of the order have in common. Nobody else includes this. Calls go one way: order.c, start, end and what is
 * there to be asked, and order_accept.c, what goes to the writer, use order_publish.c, what comes back from it; all use
 * order_number.c. */
#ifndef DAEMON_ORDER_INTERNAL_H
#define DAEMON_ORDER_INTERNAL_H

#include "daemon/order/order.h"
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
    /* loop only */
    struct chain_set *chains;
    struct pending *pending;
    struct record_cache *cache;
    struct engine_point *point; /* the view */
    uint64_t sequence;          /* the last number given */
    uint64_t reserved_through;
    bool reserving;
    struct job reserve;
    struct job *oldest_job; /* of all in flight that have a number, by `younger` */
    struct job *youngest_job;
    uint64_t groups_posted; /* with the writer */
    uint64_t durable_through;
    uint64_t unwritten;                            /* metadata operations */
    struct waiter_list waiters[LEVEL_DURABLE + 1]; /* by level, in order of their numbers */
    uint64_t waited_through;                       /* the greatest number anybody waited for */
    uint64_t committed_us;                         /* when a job joined the lane last */
    uint64_t jobs_mean_8;                          /* eight times the mean of a completion that had any */
    struct spin spin;                              /* for what jobs come to */
    bool sync_asked;
    bool stopping; /* everything is due */
    bool failed;
    uint64_t written_before_failure;
    struct failure failure;
    struct order_counters counters;
};

/* ---- order_number.c ---- */

/* Gives the next number. Never waits. */
uint64_t order_next_sequence(struct order *order);

/* ---- order_publish.c ---- */

/* Has the writer sweep behind a prune, a slice at a time, unless that is under way or nothing is left to do. */
void order_sweep_chain(struct order *order, struct chain *chain);

/* Drops what the writer still handed back after its end: nobody is left to see it. */
void order_drop_completions(struct order *order);

#endif
