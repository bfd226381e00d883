/* The order: what has which number, what is queued, and what is visible. Loop only.
 *
 * - A write is accepted here: it gets its number and joins the pending map or the commit lane.
 * - What the writer hands back is published here, in one step: the view, the chains' marks, and what leaves the pending map.
 * - A waiter for a number is told here when the number reaches its level.
 *
 * Times are of the monotonic clock. What is passed in is borrowed for the call, but for jobs and waiters, which are lent until
 * they are done. Failures: order.c. */
#ifndef DAEMON_ORDER_H
#define DAEMON_ORDER_H

#include "daemon/engine/engine.h"
#include "daemon/host/numbers.h"
#include "daemon/lanes/job.h"
#include "daemon/lanes/pending.h"
#include "daemon/observe/damage.h"
#include "daemon/observe/heartbeat.h"
#include "daemon/observe/stage.h"
#include "daemon/order/chain.h"
#include "daemon/order/record_cache.h"

struct order;

struct order_config {
    struct engine *engine;
    struct numbers *numbers; /* borrowed; open, and the order's from its opening to its close */
    uint64_t queue_operations_max;
    uint64_t queue_bytes_max;
    uint64_t flush_delay_us;
    uint64_t sync_interval_us;
    uint32_t chains_max;
    uint64_t now_us;       /* of the opening: claims are held from then on */
    uint64_t cache_bytes;  /* of the record cache */
    struct stages *stages; /* borrowed: learns how long jobs take */
    /* from the writer thread: order_drain_completions has something to do; must not block */
    void (*wake)(void *context);
    void *wake_context;
    struct heartbeat *writer_heartbeat; /* borrowed; NULL: nobody watches the writer */
};

struct order_counters {
    uint64_t commits;
    uint64_t refused; /* commits, prunes and rollbacks */
    uint64_t prunes;
    uint64_t rollbacks;
    uint64_t claims_decided; /* claims and releases, whatever became of them */
    uint64_t repeated;       /* numbered ones that had been applied before */
    uint64_t drops;          /* of chains */
    uint64_t sweeps;         /* that came to their end */
    uint64_t syncs;
    uint64_t groups;
    uint64_t metadata_accepted; /* operations */
    uint64_t metadata_written;  /* after folding */
};

/* Queued raises that were left out, since what they compare with could not be read. */
struct order_left_out {
    uint64_t raises;        /* in this run, after folding */
    uint64_t last_sequence; /* no later write is among them */
    struct failure failure; /* if there are any: why the last one was */
};

/* Waits until everything up to a number has reached a level. `done` is called once, from order_hand_over. */
struct order_waiter {
    uint64_t sequence;
    enum level level; /* LEVEL_WRITTEN or LEVEL_DURABLE */
    uint32_t chain;   /* of `operations` */
    /* the write that it waits for, which raises may be left out of; NULL: it waits for no one write */
    const struct metadata_operation *operations;
    size_t operation_count;
    /* The order's. Before `done`: STATUS_OK; STATUS_DAMAGED: of the operations some raises were left out; STATUS_IO_ERROR: a write
     * failed, and recovery decides. */
    enum status status;
    bool is_left_out;
    void (*done)(struct order_waiter *waiter);
    void *owner;
    struct order_waiter *next;
};

/* Reads what the store has of chains, numbers and runs, durably takes the next run and its numbers, and makes the chain
 * "default" if there is none. May block. What is submitted before the writer is started waits for it.
 *
 * STATUS_OK        *ret_order is to be closed
 * STATUS_IO_ERROR  the store could not be read, understood or written; nothing is held, as below
 * STATUS_INVALID   it has more chains than chains_max */
enum status order_open(const struct order_config *config, struct order **ret_order,
                       struct failure *failure) MUST_CHECK;

/* Other bounds of the queue, and other delays, from now on: those of order_config. What is queued stays, also above them. */
struct order_settings {
    uint64_t queue_operations_max;
    uint64_t queue_bytes_max;
    uint64_t flush_delay_us;
    uint64_t sync_interval_us;
};
void order_set(struct order *order, const struct order_settings *settings);

/* Starts the writer's thread. False: the machine gives no thread, `failure` says why, and the order is only to be closed. */
bool order_start_writer(struct order *order, struct failure *failure) MUST_CHECK;

/* Has the writer write and sync what it was given, and ends it; drops the completions. Accepts NULL. */
void order_close(struct order *order);

/* What becomes of metadata that asks to be accepted. */
enum order_acceptance {
    ORDER_ACCEPTED, /* *ret_sequence is their number, and they are visible */
    ORDER_NOT_YET, /* the queue has no room, or a rollback or drop in the commit lane decides: ask again in a later iteration */
    ORDER_REFUSED, /* for good; failure->status says why:
                     * STATUS_TOO_LARGE  an empty queue could not hold them
                     * STATUS_BUSY       the machine has no memory for large values
                     * STATUS_CONFLICT   the chain is being dropped; or re-sent, and it was rolled back, made, claimed or released since
                     * STATUS_NO_SPACE   order_space.h
                     * STATUS_IO_ERROR   a write failed before; the order is latched */
};

/* Accepts metadata operations as one write.
 *
 * operations  at least one; names and values are copied
 * resend_of   the number an earlier run gave them; 0: none */
enum order_acceptance order_metadata(struct order *order, struct chain *chain,
                                     const struct metadata_operation *operations, size_t count,
                                     uint64_t resend_of, uint64_t now_us, uint64_t *ret_sequence,
                                     struct failure *failure) MUST_CHECK;

/* Whether the chain takes writes: from the acceptance of its drop until that is done it does not. False: *failure is
 * STATUS_CONFLICT. */
bool order_takes_writes(const struct chain *chain, struct failure *failure) MUST_CHECK;
/* The same of a write with a number; 0: it has none. During a drop one that may have been applied before is taken all the same, so that its
 * client learns whether it was. */
bool order_takes_number(const struct chain *chain, uint64_t number, struct failure *failure) MUST_CHECK;

/* Accepts a job for the commit lane at that time, and numbers it; a claim's epoch gets that number too. The job and what it leads to are
 * lent until job->done, which is called once, from order_drain_completions. */
void order_submit(struct order *order, struct job *job, bool carry, uint64_t now_ns);

/* The space of the dropped chains with those numbers, both included, was asked back: their records are deleted, but for those of chains
 * that are dropped again. */
void order_forget_drops(struct order *order, uint32_t first, uint32_t last);

/* Begins to wait. The waiter is lent until its `done`; its number is no lower than that of any waiter before it, and was given. */
void order_wait(struct order *order, struct order_waiter *waiter);

/* Publishes what the writer did. At the beginning of each iteration of the loop, and nowhere else. */
void order_drain_completions(struct order *order, uint64_t now_ns);

/* Whether order_drain_completions has something to do. */
bool order_has_completions(const struct order *order);

/* Whether a commit ends within moments, so that sleeping is not worth it. If not, *ret_sleep_ns is how long a timed sleep is
 * worth it, for a commit that is known to take longer; 0: until woken. */
bool order_expects_completions(const struct order *order, uint64_t now_ns, uint64_t *ret_sleep_ns);

/* Whether commits come: some are in flight, or were a moment ago; and whether several share a commit group: those who wait
 * for it gain by more of them. */
bool order_is_committing(const struct order *order, uint64_t now_us);
bool order_shares_groups(const struct order *order, uint64_t now_us);

/* At the end of an iteration, behind all that it accepted: tells waiters, and hands over metadata that is due. Returns in how many
 * microseconds it has something to do if nothing else happens; UINT64_MAX: nothing. */
uint64_t order_hand_over(struct order *order, uint64_t now_us);

/* Whether a job of the commit lane is in flight. */
bool order_has_jobs(const struct order *order);

/* From here on everything that is queued is due, and nothing more is swept. */
void order_begin_stop(struct order *order);

/* Nothing is queued or in flight, and all is synced. */
bool order_is_idle(const struct order *order);

/* Whether what the start found is not known to be durable, nor can be made so: the engine only reads, behind a sync that failed. Then
 * durable_through stays 0, and nobody may wait for LEVEL_DURABLE. */
bool order_is_in_doubt(const struct order *order);

/* Metadata operations accepted and not yet written. */
uint64_t order_unwritten(const struct order *order);

/* The latched failure; NULL: none. */
const struct failure *order_failure(const struct order *order);

/* The view: the read point that reads go by now, held for the caller, who releases it. */
struct engine_point *order_view(struct order *order);

struct chain_set *order_chains(struct order *order);
struct pending *order_pending(const struct order *order);
struct record_cache *order_record_cache(const struct order *order); /* of the present view */
const struct order_counters *order_counters(const struct order *order);
const struct order_left_out *order_left_out(const struct order *order);
struct damage *order_damage(const struct order *order);

uint64_t order_sequence(const struct order *order); /* the last number given */
uint64_t order_written_through(const struct order *order);
uint64_t order_durable_through(const struct order *order);
uint64_t order_run(const struct order *order);
uint64_t order_run_random(const struct order *order); /* its bits */

/* Whether that is a run of this store, by its number and its bits, as far as the store remembers. */
bool order_knows_run(const struct order *order, uint64_t run, uint64_t random);

/* Highest metadata number on disk at the end of that run, as far as known (else 0); of run 0: when this run started. */
uint64_t order_metadata_on_disk(const struct order *order, uint64_t run);

#endif
