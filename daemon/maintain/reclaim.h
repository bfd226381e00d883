/* Reclaim: the disk space of what was pruned comes back, in the background, one chain at a time; and the engine's maintenance
 * is called when it is due. Loop only. */
#ifndef DAEMON_RECLAIM_H
#define DAEMON_RECLAIM_H

#include "daemon/engine/engine.h"
#include "daemon/order/order.h"
#include "daemon/read/pool.h"

struct reclaim;

struct reclaim *reclaim_new(struct engine *engine, struct order *order, struct pool *pool);
void reclaim_free(struct reclaim *reclaim);

/* In each turn of the loop. Returns in how many microseconds it has something to do; UINT64_MAX: nothing. */
uint64_t reclaim_turn(struct reclaim *reclaim, uint64_t now_us);

/* Starts no more, and what runs ends soon. */
void reclaim_stop(struct reclaim *reclaim);

/* Nothing runs. */
bool reclaim_is_idle(const struct reclaim *reclaim);

#endif
