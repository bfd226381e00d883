/* What order.c, accepting and telling, and order_finish.c, what the writer did, have in common. Nobody else includes this. */
#ifndef DAEMON_ORDER_INTERNAL_H
#define DAEMON_ORDER_INTERNAL_H

#include "daemon/order/order.h"
#include "daemon/order/order_start.h"
#include "daemon/runtime/spin.h"
#include "daemon/writer/writer.h"

enum {
    ORDER_COMMITTING_US = 2000, /* so long after a commit another is expected */
    ORDER_PATIENCE_NS = 100000, /* for a commit: a longer one is slept through until shortly before its end */
};

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
    uint64_t jobs_of_eight;                        /* eight times the mean of a completion that had any */
    struct spin spin;                              /* for what jobs come to */
    bool sync_asked;
    bool draining;
    bool failed;
    uint64_t written_before_failure;
    struct failure failure;
    struct order_counters counters;
};

/* ---- order_finish.c ---- */

/* One step: whatever the completion did is visible after it. */
void order_publish_completion(struct order *order, struct completion *completion);

/* Has the writer clear up behind a prune, a slice at a time. */
void order_sweep_chain(struct order *order, struct chain *chain);

#endif
