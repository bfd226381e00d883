/* The watchdog: a thread that looks at the heartbeats of loop, writer, pool and of the frames that wait for memory. What does not move
 * is logged and shown; systemd's watchdog is fed while all but the last move; and at a limit the process ends.
 *
 * watchdog_new and watchdog_free belong to main's thread, the other calls to any thread. */
#ifndef DAEMON_WATCHDOG_H
#define DAEMON_WATCHDOG_H

#include "daemon/observe/heartbeat.h"
#include "daemon/runtime/failure.h"

struct watchdog;

struct watchdog_config {
    struct heartbeats *heartbeats; /* borrowed */
    uint64_t limit_us;             /* the setting stall_timeout */
    void (*ping)(void *context);   /* from the thread: has the loop begin an iteration; must not block */
    void *context;
};

/* Starts the thread. NULL: the machine gives none, and `failure` says why. */
struct watchdog *watchdog_new(const struct watchdog_config *config, struct failure *failure) MUST_CHECK;

/* Ends the thread. Accepts NULL. */
void watchdog_free(struct watchdog *watchdog);

/* Another limit, from the next look on. */
void watchdog_set_limit(struct watchdog *watchdog, uint64_t limit_us);

#endif
