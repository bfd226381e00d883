/* The pool: threads for reads that may wait for the device. Point reads go before streams, and work starts only while
 * there is room for what it is going to answer. All calls belong to the loop. Nothing here fails for the caller: work that is
 * submitted runs, sooner or later, and its `done` is called once, from the loop, never inside pool_submit. */
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

#include <stdbool.h>
#include <stdint.h>

struct budget;
enum { POOL_THREADS = 4 }; /* how many threads the loop library starts unless it is told otherwise */

struct pool;

enum pool_class {
    POOL_POINT,  /* one answer somebody waits for */
    POOL_STREAM, /* a step of a scan: at most half of the threads */
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
    uint64_t bytes; /* what it adds to the replies waiting, as far as known */
    /* the pool's */
    struct pool *pool;
    enum pool_class work_class;
    enum pool_state state; /* may be read on the loop */
    struct pool_work *next;
    uint64_t number; /* in the order of submission */
};

/* loop    the uv_loop_t to run on; borrowed, as is the next
 * budget  says whether what work is to read has room; work waits until it has
 *
 * In its class work starts in the order it was submitted, but large work that waits for room holds up no small work. */
struct pool *pool_new(void *loop, struct budget *budget);

/* Accepts NULL. All work is idle. */
void pool_free(struct pool *pool);

/* The work is idle. It may start before this returns, and ends later. */
void pool_submit(struct pool *pool, struct pool_work *work, enum pool_class work_class);

/* Starts what may start; to be called in each iteration, after replies went out and made room. */
void pool_turn(struct pool *pool);

#endif
