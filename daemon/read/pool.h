/* The pool: threads for reads that may wait for the device. Point reads go before streams, and work starts only while
 * there is room for what it is going to answer. Loop only, but for `run`. */
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

#include <stdbool.h>
#include <stdint.h>

struct pool;

enum pool_class {
    POOL_POINT,  /* one answer somebody waits for */
    POOL_STREAM, /* a step of a scan: at most half of the threads */
};

/* One piece of work; embedded in what it is for. */
struct pool_work {
    void (*run)(struct pool_work *work);  /* on a thread of the pool */
    void (*done)(struct pool_work *work); /* on the loop, after it */
    uint64_t bytes; /* what it adds to the replies waiting, as far as known; fixed once submitted */
    struct pool *pool;
    enum pool_class work_class;
    struct pool_work *next;
    uint64_t number; /* in the order of submission */
    void *running;   /* the loop library's own record; NULL while it waits */
};

/* loop           the uv_loop_t to run on
 * replies_bytes  what all replies waiting come to, and
 * streams_bytes  what streams hold to send, and
 * sources_bytes  what their sources keep of the queue: kept by the caller
 *
 * Work waits while it would pass replies_bytes_max with them and with what runs, unless nothing of that but
 * sources_bytes is there. What runs counts twice: the engine has the same bytes until it is done. In its class work
 * starts in the order it was submitted, but large work that waits for room holds up no small work. */
struct pool *pool_new(void *loop, const uint64_t *replies_bytes, const uint64_t *streams_bytes,
                      const uint64_t *sources_bytes, uint64_t replies_bytes_max);

/* When no work is left. */
void pool_free(struct pool *pool);

void pool_submit(struct pool *pool, struct pool_work *work, enum pool_class work_class);

/* Whether submitted work is not the loop's alone any more; false while it waits. */
bool pool_has_begun(const struct pool_work *work);

/* What all replies waiting come to, with what streams hold and what runs: the bound is for this. */
uint64_t pool_bytes(const struct pool *pool);

/* Starts what may start; to be called after replies went out. */
void pool_turn(struct pool *pool);

#endif
