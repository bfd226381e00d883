/* The pool: threads for reads that may wait for the device. Point reads go before streams, and a read starts only while
 * there is room for what it may answer. Loop only, but for `run`. */
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

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
    struct pool *pool;
    enum pool_class work_class;
    struct pool_work *next;
    void *running; /* the loop library's own record */
};

/* loop            the uv_loop_t to run on
 * replies_bytes   what all replies waiting come to, kept by the caller
 * reply_bytes_max what one piece of work may add to them
 *
 * While the two would pass replies_bytes_max work waits, unless none runs. */
struct pool *pool_new(void *loop, const uint64_t *replies_bytes, uint64_t reply_bytes_max,
                      uint64_t replies_bytes_max);

/* When no work is left. */
void pool_free(struct pool *pool);

void pool_submit(struct pool *pool, struct pool_work *work, enum pool_class work_class);

/* Starts what may start; to be called after replies went out. */
void pool_turn(struct pool *pool);

#endif
