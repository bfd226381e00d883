/* What server.c, the loop's iteration, server_start.c and server_stop.c have in common. Nobody else includes this. */
#ifndef DAEMON_SERVER_INTERNAL_H
#define DAEMON_SERVER_INTERNAL_H

#include <stdatomic.h>
#include <uv.h>

#include "daemon/maintain/reclaim.h"
#include "daemon/maintain/space_watch.h"
#include "daemon/maintain/watch.h"
#include "daemon/maintain/watchdog.h"
#include "daemon/net/connection.h"
#include "daemon/runtime/spin.h"
#include "daemon/serve/request.h"
#include "daemon/server.h"

enum server_state {
    SERVER_STARTING,
    SERVER_SERVING,
    SERVER_STOPPING, /* what was accepted is written and synced; reads and streams have a moment more */
    SERVER_LEAVING,  /* last replies go out, connections close */
    SERVER_FAILED,   /* a write failed: who waits is told, then the process ends */
    SERVER_ENDED,    /* the loop runs only until its handles are closed */
    SERVER_STATES,
};

struct server {
    /* fixed after start */
    const struct server_config *config;
    /* loop only */
    enum server_state state;
    uv_loop_t loop;
    bool has_loop;
    uv_pipe_t listener;
    uv_async_t wake;
    uv_prepare_t prepare; /* before the loop sleeps: an iteration of ours */
    uv_check_t woken;     /* after the loop's sleep */
    uv_timer_t timer;
    uint64_t timer_us;     /* when it ends, while it runs */
    uv_idle_t awake;       /* while active the loop does not sleep */
    uv_poll_t timed_sleep; /* of sleep_fd, whose steps are finer than the timer's */
    int sleep_fd;          /* -1: none */
    uv_poll_t signals;     /* of the descriptor that is readable once a signal is noted */
    struct service service;
    struct connection_set *connections;
    struct reclaim *reclaim;
    struct watch *watch;
    struct space_watch *space_watch;
    struct watchdog *watchdog;
    struct {
        struct pool_work work;
        bool is_wanted; /* once more, behind the one that runs */
    } reload;
    bool reopens;              /* it stops so that the process opens the store anew */
    uint64_t iterations;       /* of the loop: its heartbeat */
    unsigned told_stalled;     /* what systemd's status line says to be stalled */
    uint64_t told_us;          /* when that was looked at last */
    uint64_t requests;         /* of all connections, when some came last, */
    uint64_t requested_ns;     /* and when that was */
    struct spin request_spin;  /* for the next request */
    uint64_t stop_operations;  /* accepted and unwritten when STOPPING began, */
    uint64_t stop_connections; /* and how many connections there were */
    uint64_t stop_until_us;    /* STOPPING, LEAVING: when to give up */
    uint64_t reads_until_us;   /* STOPPING: when reads and streams end; 0: writes are not done yet */
    uint64_t leave_until_us;   /* LEAVING, FAILED: when to stop sending */
    /* written by the loop, read by the writer thread */
    atomic_bool is_asleep; /* or about to: the writer thread has to wake it */
};

/* Moves on, which has to be legal. */
void server_move(struct server *server, enum server_state to);

/* ---- server_start.c ---- */

/* What the loop, the writer thread and the watchdog call. */
struct server_callbacks {
    uv_prepare_cb iterate;
    uv_check_cb on_woken;
    uv_poll_cb on_signals;
    uv_connection_cb on_connection;
    void (*wake)(void *server);
    void (*ping)(void *server); /* the watchdog */
    void (*reopen)(void *server);
};

/* Makes the loop, its handles, all that serves, and the writer's thread, and listens. False: `failure` says what the machine
 * or the store refused; what was made until then is there for server_close_handles and server_free. */
bool server_start(struct server *server, const struct server_callbacks *callbacks,
                  struct failure *failure) MUST_CHECK;

struct connection_limits server_connection_limits(const struct options *options);

/* Ends the writer, which wakes the loop, and closes all handles: the loop ends once they are closed. */
void server_close_handles(struct server *server);

/* Once the loop has ended. */
void server_free(struct server *server);

/* ---- server_reload.c ---- */

/* SIGHUP: begins to read the configuration again, if it serves. */
void server_reload(struct server *server);

/* Whether nothing of it is with the pool. */
bool server_reload_is_idle(const struct server *server);

/* ---- server_stop.c ---- */

/* SIGTERM: begins to stop, unless it has begun. */
void server_begin_stop(struct server *server);

/* The same, so that the store is opened anew; for space_watch. */
void server_begin_reopening(void *server);

/* First in an iteration: ends the process if the data directory was found to be gone. */
void server_end_if_gone(const struct server *server);

/* Part of an iteration: goes on with stopping, or with the end after a failure, if one of them is under way. Returns in how
 * many microseconds to look again; UINT64_MAX: neither is. */
uint64_t server_go_on_ending(struct server *server, uint64_t now_us);

#endif
