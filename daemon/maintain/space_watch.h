/* The watch over space: it looks at the file system, tells the order, sets the reserve aside, and gives of it what flushes under way
 * lack. All calls belong to the loop; what they start runs on the pool. */
#ifndef DAEMON_SPACE_WATCH_H
#define DAEMON_SPACE_WATCH_H

#include "daemon/order/order_space.h"
#include "daemon/read/pool.h"

struct reserve;
struct space_watch;

struct space_watch_config {
    /* NULL: nothing is watched; all four are borrowed until space_watch_is_idle holds after the stop */
    struct reserve *reserve;
    struct engine *engine;
    struct order *order;
    struct pool *pool;
    uint64_t queue_bytes_max;
    uint64_t frame_bytes_max;
    /* Called on the loop, more than once, where the engine only reads: it can be opened for writing. NULL: it never only reads. */
    void (*reopen)(void *context);
    void *reopen_context;
};

/* Takes a first look, so that nothing is accepted without one. */
struct space_watch *space_watch_new(const struct space_watch_config *config);

/* Another queue_bytes_max from the next look on. */
void space_watch_set_queue_bytes(struct space_watch *watch, uint64_t queue_bytes_max);

/* Accepts NULL. Nothing of it runs (space_watch_is_idle). */
void space_watch_free(struct space_watch *watch);

/* In each iteration of the loop: starts a look that is due. Returns in how many microseconds it wants its next turn; UINT64_MAX:
 * when something else happened. */
uint64_t space_watch_iterate(struct space_watch *watch, uint64_t now_us);

/* From here on no look is started. */
void space_watch_stop(struct space_watch *watch);

/* Whether nothing of it is with the pool. */
bool space_watch_is_idle(const struct space_watch *watch);

#endif
