/* The server's life:
 *
 * - STARTING: the loop, all that serves, the writer's thread and the socket are made; what the machine refuses ends the start.
 * - SERVING: each iteration of the loop ends, before it sleeps, with server_iterate.
 * - STOPPING and LEAVING, by SIGTERM or SIGINT: server_stop.c. A second signal changes nothing.
 * - FAILED: the first failed write ends the process within a second, after what is in flight was told `io error`. A data directory
 *   that was found to be gone ends it at once.
 * - ENDED: everything is written and synced, and the loop ends once its handles are closed. */
#include "daemon/server.h"

#include <assert.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/host/notify.h"
#include "daemon/observe/event.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/signals.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/stream.h"
#include "daemon/server_internal.h"
#include "daemon/writer/schedule.h"

/* ---- sleeping ---- */

static void on_timer(uv_timer_t *timer)
{
    (void)timer; /* it only wakes the loop */
}

/* Sets the timer, unless it ends sooner already: the iteration after its end sets it anew. So few iterations set it. */
static void set_timer(struct server *server, uint64_t now_us, uint64_t next_us)
{
    bool is_never = next_us >= SCHEDULE_NEVER_US - now_us;
    if (is_never || (uv_is_active((uv_handle_t *)&server->timer) && server->timer_us <= now_us + next_us)) {
        return;
    }
    uv_update_time(&server->loop);
    int failed = uv_timer_start(&server->timer, on_timer, (next_us + 999) / 1000, 0);
    assert(!failed);
    server->timer_us = now_us + next_us;
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
    sched_yield(); /* lets other threads have this processor */
}

/* Learns how long after one another requests come, if some came since the last iteration. */
static void learn_requests(struct server *server, uint64_t now_ns)
{
    uint64_t requests = connection_requests(server->connections);
    assert(requests >= server->requests);
    if (requests != server->requests) {
        spin_learn(&server->request_spin, now_ns - server->requested_ns);
        server->requests = requests;
        server->requested_ns = now_ns;
    }
}

/* Whether the loop spins instead of sleeping. */
static bool spins(const struct server *server, uint64_t now_ns, uint64_t *ret_sleep_ns)
{
    const struct order *order = server->service.order;
    struct schedule_loop loop = {
        .has_completions = order_has_completions(order),
        .holds_replies = connection_set_has_postponed(server->connections),
        .has_jobs = order_has_jobs(order),
        .shares_groups = order_shares_groups(order, now_ns / 1000),
        .requests = &server->request_spin,
        .request_waited_ns = schedule_elapsed(server->requested_ns, now_ns),
    };
    loop.spins_for_jobs = order_expects_completions(order, now_ns, &loop.jobs_sleep_ns);
    return schedule_loop_spins(&loop, ret_sleep_ns);
}

/* Decides whether the loop spins or sleeps. Before it sleeps it sets is_asleep and looks for completions once more; the writer
 * thread wakes the loop for each completion that it hands back while is_asleep is set. So none is missed. */
static void decide_sleep(struct server *server)
{
    uint64_t now_ns = thread_now_ns();
    uint64_t sleep_ns;
    learn_requests(server, now_ns);
    bool stays = spins(server, now_ns, &sleep_ns);
    if (!stays) {
        atomic_store(&server->is_asleep, true);
        stays = order_has_completions(server->service.order);
    }
    int failed = 0;
    if (!stays && sleep_ns > 0) {
        assert(sleep_ns < 1000000000);
        struct itimerspec at = {.it_value.tv_nsec = (long)sleep_ns};
        failed |= timerfd_settime(server->sleep_fd, 0, &at, NULL);
    }
    failed |= stays ? uv_idle_start(&server->awake, on_idle) : uv_idle_stop(&server->awake);
    assert(!failed);
}

static void on_woken(uv_check_t *check)
{
    assert(thread_is(THREAD_LOOP));
    struct server *server = check->data;
    atomic_store(&server->is_asleep, false);
}

/* From the watchdog's thread: the loop begins an iteration. */
static void ping(void *context)
{
    struct server *server = context;
    assert(thread_is(THREAD_WATCHDOG));
    uv_async_send(&server->wake);
}

/* From the writer thread. */
static void wake(void *context)
{
    struct server *server = context;
    assert(thread_is(THREAD_WRITER));
    if (atomic_load(&server->is_asleep)) {
        uv_async_send(&server->wake);
    }
}

/* ---- an iteration ---- */

static uint64_t earlier(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

/* Serves the connections, and has the order hand over what is due, until the order's answers leave no connection to serve. */
static uint64_t serve_connections(struct server *server, uint64_t now_us)
{
    uint64_t next_us;
    do {
        next_us = connection_set_serve(server->connections, now_us);
        next_us = earlier(next_us, order_hand_over(server->service.order, now_us));
    } while (connection_set_is_touched(server->connections));
    return next_us;
}

/* Tells systemd which stages are stalled, and again what it had no room for. */
static void tell_stalled(struct server *server)
{
    unsigned stalled = heartbeats_stalled(server->service.heartbeats);
    if (stalled != server->told_stalled && server->state == SERVER_SERVING) {
        char text[HEARTBEAT_TEXT_BYTES];
        notify_status(stalled != 0 ? "stalled: %s" : "serving", heartbeat_text(stalled, text));
        server->told_stalled = stalled;
    }
    notify_go_on();
}

/* Shows the watchdog that the loop moves. */
static void beat(struct server *server, uint64_t now_us)
{
    struct heartbeats *heartbeats = server->service.heartbeats;
    bool waits_for_memory;
    uint64_t granted = connection_set_memory(server->connections, &waits_for_memory);
    heartbeat_show(&heartbeats->loop, true, ++server->iterations);
    heartbeat_show(&heartbeats->memory, waits_for_memory, granted);
    /* the watchdog pings the loop at intervals, so an iteration comes also where nothing else is due */
    if (now_us - server->told_us >= HEARTBEAT_LOOK_INTERVAL_US / 2) {
        server->told_us = now_us;
        tell_stalled(server);
    }
}

/* Each `next_us` says in how many microseconds something is due if nothing else happens. */
static void server_iterate(uv_prepare_t *prepare)
{
    struct server *server = prepare->data;
    uint64_t now_ns = thread_now_ns();
    uint64_t now_us = now_ns / 1000;
    assert(thread_is(THREAD_LOOP));
    assert(server->state != SERVER_STARTING && server->state != SERVER_ENDED);

    server_end_if_gone(server); /* before anything more is acknowledged */
    order_drain_completions(server->service.order, now_ns);
    connection_set_begin_iteration(server->connections, now_us);
    uint64_t next_us = serve_connections(server, now_us);
    next_us = earlier(next_us, reclaim_iterate(server->reclaim, now_us));
    next_us = earlier(next_us, watch_iterate(server->watch, now_us));
    next_us = earlier(next_us, space_watch_iterate(server->space_watch, now_us));
    next_us = earlier(next_us, stream_set_iterate(server->service.streams, now_us));
    next_us = earlier(next_us, pool_iterate(server->service.pool, now_us));
    next_us = earlier(next_us, server_go_on_ending(server, now_us));
    beat(server, now_us);
    if (server->state == SERVER_ENDED) {
        return;
    }
    set_timer(server, now_us, next_us);
    decide_sleep(server);
}

/* ---- from outside ---- */

static void on_connection(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    /* there are connections to take it, and somebody to close them */
    assert(server->state != SERVER_STARTING && server->state != SERVER_ENDED);
    if (status < 0) {
        event_accept_failed(uv_strerror(status));
        return;
    }
    connection_accept(server->connections, listener);
}

static void on_signals(uv_poll_t *signals, int status, int events)
{
    struct server *server = signals->data;
    int number;
    assert(thread_is(THREAD_LOOP)); /* no signal handler: the loop is at work */
    (void)status;
    (void)events;
    while (signals_next(&number)) {
        if (number != SIGHUP) {
            server_begin_stop(server);
        } else {
            server_reload(server);
        }
    }
}

/* ---- from start to end ---- */

static void serve(struct server *server)
{
    server_move(server, SERVER_SERVING);
    signals_take_hangups();
    event_ready(order_run(server->service.order), engine_traits(engine_default())->text);
    notify_ready();
    notify_status("serving");
    uv_run(&server->loop, UV_RUN_DEFAULT);
    assert(server->state == SERVER_ENDED);
    if (!server->reopens) {
        event_stopped(server->stop_operations);
    }
}

/* Closes what a start has made that then failed. */
static void undo_start(struct server *server)
{
    assert(server->state == SERVER_STARTING);
    server_move(server, SERVER_ENDED);
    server_close_handles(server);
    if (server->has_loop) {
        uv_run(&server->loop, UV_RUN_DEFAULT);
    }
}

enum server_end server_run(const struct server_config *config, struct failure *failure)
{
    static const struct server_callbacks callbacks = {
        .iterate = server_iterate,
        .on_woken = on_woken,
        .on_signals = on_signals,
        .on_connection = on_connection,
        .wake = wake,
        .ping = ping,
        .reopen = server_begin_reopening,
    };
    assert(config->roles != NULL); /* asked of the first connection, long after the start */
    assert(config->read_options != NULL && config->take_options != NULL); /* called at the first SIGHUP */
    struct server *server = memory_new(sizeof *server);
    server->config = config;
    thread_set_role(THREAD_LOOP);
    bool is_started = server_start(server, &callbacks, failure);
    if (is_started) {
        serve(server);
    } else {
        undo_start(server);
    }
    enum server_end end = !is_started ? SERVER_REFUSED : server->reopens ? SERVER_REOPENS : SERVER_STOPPED;
    server_free(server);
    return end;
}
