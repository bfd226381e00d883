/* The watch over the data directory: whether what the daemon holds is still what a next start will find. All calls belong to the
 * loop; what they start runs on the pool. */
#ifndef DAEMON_WATCH_H
#define DAEMON_WATCH_H

#include "daemon/read/pool.h"

struct directory;
struct watch;

/* `directory` may be NULL: nothing is watched then. Both are borrowed until watch_is_idle holds after watch_stop. */
struct watch *watch_new(const struct directory *directory, struct pool *pool);

/* Accepts NULL. Nothing of it runs (watch_is_idle). */
void watch_free(struct watch *watch);

/* In each iteration of the loop: starts a look that is due. Returns in how many microseconds it wants to be called again; UINT64_MAX:
 * when something else happened. */
uint64_t watch_iterate(struct watch *watch, uint64_t now_us);

/* What was removed or replaced, and what to do: nothing may be acknowledged any more. NULL: nothing. */
const char *watch_error(const struct watch *watch);

/* From here on no look is started. */
void watch_stop(struct watch *watch);

/* Whether nothing of it is with the pool. */
bool watch_is_idle(const struct watch *watch);

#endif
