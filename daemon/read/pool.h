/* The pool: threads for reads that may wait for the device. Point reads go before streams, and work starts only while
 * there is room for what it is going to answer. All calls belong to the loop, but for pool_prepare. Nothing here fails for the
 * caller: work that is submitted runs, sooner or later, and its `done` is called once, from the loop, never inside pool_submit.
 *
 * POOL_AT_ONCE reads are at work at a time. A read that has been at work for POOL_SLOW_US waits for the device, not for a processor, and
 * no longer counts: the next begins beside it, up to POOL_READS_MAX in all. So reads that hang, on a bad block for example, hold up
 * others only for that time. One owner (a client) has at most half of all places, and only one while half of them are slow. The bound
 * of this: when one owner's reads hang in half of the places, one hanging read each of as many further owners fills the other half. */
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/runtime/turns.h"

struct budget;
struct heartbeats;
struct pool;

/* Chosen, but for the first: as many as the loop library starts by itself. */
enum {
    POOL_AT_ONCE = 4,
    POOL_STREAMS_AT_ONCE = POOL_AT_ONCE / 2, /* the other places are left to point reads */
    POOL_READS_MAX = 24,                     /* slow ones among them */
    POOL_STREAMS_MAX = POOL_READS_MAX / 2,
    POOL_BACKGROUND_MAX = 4, /* pieces of background work that there are in the daemon */
    POOL_THREADS = POOL_READS_MAX + POOL_BACKGROUND_MAX,
    POOL_SLOW_US = 10000, /* above the time of a read of a megabyte from a disk that is well */
};

enum pool_class {
    POOL_POINT,      /* one answer somebody waits for */
    POOL_STREAM,     /* a step of a scan */
    POOL_BACKGROUND, /* nobody waits; it always finds a thread */
    POOL_CLASSES,
};

enum pool_state {
    POOL_IDLE,    /* not with the pool: its owner's */
    POOL_QUEUED,  /* waits; what it is for is still the loop's */
    POOL_RUNNING, /* what it is for is the pool thread's */
};

/* One piece of work; embedded in what it is for, which owns it. It is borrowed from pool_submit until `done` is
 * called. `run` is called on a thread of the pool, and behind it `done` on the loop: then the work is idle again, and may be
 * submitted or freed in that call. */
struct pool_work {
    /* the owner's, fixed once submitted */
    void (*run)(struct pool_work *work);
    void (*done)(struct pool_work *work);
    struct turns_member *member; /* on whose behalf, and whose turn it takes; NULL: no connection's */
    uint64_t bytes;              /* what it adds to the replies waiting, as far as known */
    bool may_take_minutes;       /* so nobody watches whether it hangs */
    /* the pool's */
    struct pool *pool;
    enum pool_class work_class;
    enum pool_state state; /* may be read on the loop */
    struct turn turn;      /* QUEUED */
    uint64_t started_us;   /* RUNNING: since when */
    unsigned place;        /* RUNNING: among those at work */
};

/* Before there are threads: tells the loop library how many the pool has. Without it reads that hang hold up others. */
void pool_prepare(void);

/* loop        the uv_loop_t to run on; borrowed, as are the next
 * budget      says whether what work is to read has room; work waits until it has
 * turns       say whose work is next
 * heartbeats  show what is at work; NULL: nobody watches
 *
 * Of one member, work of a class starts in the order it was submitted, but large work that waits for room holds up no small
 * work. */
struct pool *pool_new(void *loop, struct budget *budget, struct turns *turns, struct heartbeats *heartbeats);

/* Accepts NULL. All work is idle. */
void pool_free(struct pool *pool);

/* The work is idle. It may start before this returns, and ends later. */
void pool_submit(struct pool *pool, struct pool_work *work, enum pool_class work_class);

/* Starts what may start; to be called in each iteration, after replies went out and made room. Returns in how many microseconds
 * something may start though nothing else happens; UINT64_MAX: nothing. */
uint64_t pool_iterate(struct pool *pool, uint64_t now_us);

#endif
