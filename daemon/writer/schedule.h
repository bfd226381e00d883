/* The schedule: every decision of when. When queued metadata is handed over, when a group gets its turn between commits,
 * when the sweep goes on, when to sync, how much a connection may read, when replies go out, and when a thread sleeps.
 *
 * - A caller that has to decide fills in times and counts, asks, and acts on the answer.
 * - Pure: no clock, no state, no I/O. So a test steps through any history, and every constant stands in one table here.
 * - All times are of one monotonic clock, in the unit that the name ends with. A `now` before the time that it is compared
 *   with counts as no time passed. SCHEDULE_NEVER_US is later than everything.
 *
 * A wrong answer costs time, never order or durability: those are kept by order and writer, whatever the schedule says. */
#ifndef DAEMON_SCHEDULE_H
#define DAEMON_SCHEDULE_H

#include "daemon/runtime/spin.h"

#define SCHEDULE_NEVER_US UINT64_MAX

/* ---- the table of constants: each with its origin and what measured it ---- */

enum {
    /* A queue that is one part in this many full goes to the writer at once. The promise on scheduling sets it. */
    SCHEDULE_QUEUE_DUE_PART = 4,
    /* A group behind unceasing commits gets its turn at this age, in flush delays. The promise on scheduling sets it. */
    SCHEDULE_STARVED_FLUSH_DELAYS = 20,
    /* Such turns take at most one part in this many of the writer's time. The promise on scheduling sets it. */
    SCHEDULE_STARVED_TIME_PART = 10,
    /* For how long another commit is expected after one. Measured with 2 and with 10 ms, in seven pairs of runs on a
     * busy machine, on tmpfs, beside 200 commits/s: 763,000 and 299,000 metadata/s accepted. Commits' p50 beside a sweep, in six
     * pairs: 0.99 and 0.49 ms. */
    SCHEDULE_COMMITTING_US = 2000,
    /* Commits share groups when more than this many, in the mean, are written together. Chosen: two clients that alternate
     * do not count (5ab2620). */
    SCHEDULE_SHARED_GROUP_JOBS = 2,

    /* After how long a metadata group that the engine did not apply is tried again. Chosen: space may be back by then, and a
     * full disk is not asked more than ten times a second. */
    SCHEDULE_REFUSED_GROUP_PAUSE_US = 100000,

    /* How long one slice of sweeping lasts. 2c0480f: commits' p99 2.1 times the idle one, 5.5 with slices twice as long and
     * twice as frequent (tmpfs, beside ingest and compaction). */
    SCHEDULE_SWEEP_SLICE_NS = 250000,
    /* While commits come, the next slice waits for this time, or for this many commit groups. Measured in 2c0480f as well:
     * fewer than one commit in a hundred waits for a slice. */
    SCHEDULE_SWEEP_PAUSE_US = 50000,
    SCHEDULE_SWEEP_PAUSE_GROUPS = 256,

    /* The loop spins for a commit's end up to this mean; a longer one is slept through until half of this before its end.
     * b58f69d: 1.2 times the rate on disk, the same on tmpfs. */
    SCHEDULE_COMMIT_SPIN_NS_MAX = 100000,
    /* The writer spins for the next submit up to this mean. 8f08de1; the value was chosen. */
    SCHEDULE_SUBMIT_SPIN_NS_MAX = 100000,
    /* The loop spins for the next request up to this mean. bffda9e: one request at a time 1.3 times the rate on tmpfs. */
    SCHEDULE_REQUEST_SPIN_NS_MAX = 50000,

    /* A connection's share of a loop iteration: without commits; while they come; while the one under way is known to take
     * this long still. 45c0ad4: beside 300,000 metadata/s on disk commits' p99 917 us without the third, 819 with it. The
     * first two were chosen (b1389f6): some 1,000 small requests, and some 30. */
    SCHEDULE_SHARE_BYTES = 64 << 10,
    SCHEDULE_SHARE_BYTES_COMMITTING = 2 << 10,
    SCHEDULE_SHARE_BYTES_SYNCING = 16 << 10,
    SCHEDULE_SYNCING_NS = 100000,

    /* So many replies go at once to the only connection at work; fewer are never held for more of them. Chosen. */
    SCHEDULE_REPLIES_MANY = 16,
    /* How long coalesced replies are held while commits come. 9b7d678, with the loop asleep in a sync: p99.9 of commits
     * 13.5 ms before, 1.2 ms after. */
    SCHEDULE_REPLIES_HELD_US = 250,

    /* Stopping: for reads and streams to end by themselves once writes are done; for last replies to go out, also after a
     * failure; how often to look. Chosen: together well below the second within which a failed write ends the process. */
    SCHEDULE_STOP_READS_US = 1000000,
    SCHEDULE_STOP_REPLIES_US = 500000,
    SCHEDULE_STOP_LOOK_US = 10000,
};

/* How long after `from` it is; 0 before it. */
static inline uint64_t schedule_elapsed(uint64_t from, uint64_t now)
{
    return now > from ? now - from : 0;
}

/* ---- queued metadata, order's side ---- */

struct schedule_queue {
    /* when the oldest operation that the writer does not have was accepted; SCHEDULE_NEVER_US: none */
    uint64_t oldest_us;
    uint64_t operations;
    uint64_t operations_max;
    uint64_t bytes;
    uint64_t bytes_max;
    uint64_t flush_delay_us;
    bool is_waited_for; /* by a barrier or a write that asked for more than accepted */
    bool is_stopping;
};

/* In how many microseconds the queue is due; 0: it is. SCHEDULE_NEVER_US: nothing is queued. */
uint64_t schedule_flush_in_us(const struct schedule_queue *queue, uint64_t now_us);

/* Whether a queue that is due gives the open group away too. While the writer has groups, it can still take more. */
bool schedule_closes_open_group(uint64_t groups_with_writer);

/* ---- the writer's turns ---- */

/* Whether the oldest group has waited too long behind commits, and the share of such turns allows one now. */
bool schedule_group_is_starved(uint64_t opened_us, uint64_t next_turn_us, uint64_t flush_delay_us,
                               uint64_t now_us);

/* The earliest next turn of a starved group, after one that lasted from `start_us` to `end_us`. */
uint64_t schedule_next_starved_turn_us(uint64_t start_us, uint64_t end_us);

/* Whether another commit is expected after the last one; last_us 0: there was none. */
bool schedule_expects_commit(uint64_t last_us, uint64_t now_us);

/* The mean of jobs in a commit group, times eight, after a group of so many; and whether they share groups by it. */
uint64_t schedule_learn_group_jobs(uint64_t jobs_mean_8, uint64_t jobs);
bool schedule_shares_groups(uint64_t jobs_mean_8);

struct schedule_sweep {
    uint64_t ended_us;      /* when the last slice ended; 0: there was none */
    uint64_t commit_groups; /* written since */
    uint64_t committed_us;  /* when the last of them was; 0: none ever */
};

/* When the next slice may begin, if nothing else is to do: 0 for now. */
uint64_t schedule_sweep_from_us(const struct schedule_sweep *sweep, uint64_t now_us);

/* Whether the sweep has waited too long behind commits and metadata that leave no gap. */
bool schedule_sweep_is_starved(const struct schedule_sweep *sweep, uint64_t flush_delay_us, uint64_t now_us);

/* When what is unsynced since then is due; SCHEDULE_NEVER_US if all is synced (0). */
uint64_t schedule_sync_at_us(uint64_t unsynced_since_us, uint64_t sync_interval_us);

/* Somebody waits for the device. */
struct schedule_sync {
    uint64_t waited_for; /* the lowest number that somebody waits to be durable; 0: nobody does */
    uint64_t written_through;
    uint64_t durable_through;
    uint64_t last_sequence; /* that was given: who stops waits for it */
    bool is_stopping;
    bool is_asked; /* for a sync that is not done yet */
};

/* Whether to ask for a sync now: all that is waited for is written, and not all of it is synced. */
bool schedule_asks_sync(const struct schedule_sync *sync);

/* ---- what connections share in a loop iteration ---- */

/* How much commits press on everything else. */
enum schedule_pressure {
    SCHEDULE_PRESSURE_NONE,    /* none come: shares are large */
    SCHEDULE_PRESSURE_SYNCING, /* the one under way takes a while still: middle shares, for all */
    SCHEDULE_PRESSURE_COMMITTING, /* small shares; of the contenders, one an iteration has its own, in rotation */
};

/* commit_rest_ns: how long the commit under way is known to take still; 0: not known, or about to end. */
enum schedule_pressure schedule_pressure(bool is_committing, uint64_t commit_rest_ns);
uint32_t schedule_share_bytes(enum schedule_pressure pressure);

/* A contender is a connection that brings no commits and has something to read under SCHEDULE_PRESSURE_COMMITTING. */
struct schedule_contender {
    uint64_t contenders; /* in the last iteration */
    uint64_t iterations; /* since this one had its share: 1 if that was in the last */
    bool has_served;     /* a contender had its share in this iteration */
    bool had_served;     /* and in the last */
};

/* Whether it has its share in this iteration. */
bool schedule_contender_reads(const struct schedule_contender *contender);

/* Coalesced replies of a connection, not yet given to the kernel. */
struct schedule_replies {
    uint64_t count;
    uint64_t accepted; /* of these, replies that say of a write only that it is accepted */
    uint64_t oldest_us;
    bool is_commit_about_to_end; /* the writer has one, and it is not known to take a while still */
    bool is_committing;          /* commits come */
    bool is_express;             /* the connection brings commits itself */
    bool is_bulk;                /* it has sent more than its share since the oldest of these replies */
};

/* Whether they are held: each write wakes the peer, which is then in the way of who waits for a commit. Those that
 * only say that a write is accepted are held while a commit is about to end; others if they are many, of a bulk sender. */
bool schedule_holds_replies(const struct schedule_replies *replies, uint64_t now_us);

/* Whether they go at once, before the connection's further requests are carried out. */
bool schedule_sends_replies_early(uint64_t count, uint64_t connections_at_work, bool is_committing);

/* ---- a stop ---- */

/* How long a stop waits for peers that may be stuck: `most_us`, and half of what is left until the stop's end at most. */
uint64_t schedule_stop_wait_us(uint64_t most_us, uint64_t stop_until_us, uint64_t now_us);

/* ---- whether the loop sleeps ---- */

struct schedule_loop {
    bool has_completions;
    bool holds_replies;
    bool has_jobs;               /* in flight, that somebody waits for */
    bool shares_groups;          /* to sleep gathers more commits into the next group */
    bool spins_for_jobs;         /* the oldest job ends within moments, or else ... */
    uint64_t jobs_sleep_ns;      /* ... how long sleeping is worth it; 0: until woken */
    const struct spin *requests; /* how requests followed on one another */
    uint64_t request_waited_ns;  /* since the last one */
};

/* Whether the loop spins. If not, *ret_sleep_ns is how long it sleeps; 0: until woken or until its timer. */
bool schedule_loop_spins(const struct schedule_loop *loop, uint64_t *ret_sleep_ns);

#endif
