/* The pool: threads for reads that may wait for the device. Point reads go before streams, and work starts only while
 * there is room for what it is going to answer. Loop only, but for `run`. */
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

#include <stdbool.h>
#include <stdint.h>

struct budget;
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

/* One piece of work; embedded in what it is for. */
struct pool_work {
    void (*run)(struct pool_work *work); /* on a thread of the pool */
    void (*done)(
        struct pool_work *work); /* on the loop, after it: it is idle again, and may be submitted or freed */
    uint64_t bytes; /* what it adds to the replies waiting, as far as known; fixed once submitted */
    struct pool *pool;
    enum pool_class work_class;
    enum pool_state state; /* changed by pool.c */
    struct pool_work *next;
    uint64_t number; /* in the order of submission */
};

/* loop    the uv_loop_t to run on
 * budget  says whether what work is to read has room; work waits until it has
 *
 * In its class work starts in the order it was submitted, but large work that waits for room holds up no small work. */
struct pool *pool_new(void *loop, struct budget *budget);

/* When no work is left. */
void pool_free(struct pool *pool);

void pool_submit(struct pool *pool, struct pool_work *work, enum pool_class work_class);

/* Starts what may start; to be called after replies went out. */
void pool_turn(struct pool *pool);

#endif
