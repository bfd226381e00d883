/* Reclaim: the disk space of what was pruned comes back, in the background, one chain at a time; and the engine's maintenance
 * runs when it is due. All calls belong to the loop; what they start runs on the pool. Nothing here fails for the caller: a
 * range that could not be reclaimed is logged and tried again. */
#ifndef DAEMON_RECLAIM_H
#define DAEMON_RECLAIM_H

#include "daemon/engine/engine.h"
#include "daemon/order/order.h"
#include "daemon/read/pool.h"

struct reclaim;

/* All three are borrowed until reclaim_is_idle holds after reclaim_stop. */
struct reclaim *reclaim_new(struct engine *engine, struct order *order, struct pool *pool);

/* Accepts NULL. Nothing of it runs (reclaim_is_idle). */
void reclaim_free(struct reclaim *reclaim);

/* In each iteration of the loop: starts what is due. Returns in how many microseconds it wants to be called again; UINT64_MAX:
 * when something else happened. */
uint64_t reclaim_iterate(struct reclaim *reclaim, uint64_t now_us);

/* From here on nothing more is started, and what runs ends soon, unless the engine cannot write what lies in memory. */
void reclaim_stop(struct reclaim *reclaim);

/* Behind reclaim_stop, and once all is synced: what runs ends also where the engine cannot write what lies in memory. Called until
 * reclaim_is_idle. */
void reclaim_end(struct reclaim *reclaim);

/* Whether nothing of it is with the pool. */
bool reclaim_is_idle(const struct reclaim *reclaim);

#endif
