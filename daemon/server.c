/* The server's life:
 *
 * - SERVING: each turn of the loop ends, before it sleeps, with server_turn: what the writer did becomes visible, requests
 *   that waited start, replies go out, and the timer is set for what is due next.
 * - STOPPING, by SIGTERM or SIGINT: nobody is accepted, new requests are refused, what is in flight is finished, the queue
 *   is written and synced. A second signal changes nothing. At stop_timeout the process ends, saying what was not written.
 * - LEAVING: reads that are left are ended, replies go out for a moment, connections close, the loop ends.
 *
 * Failure: the first failed write ends the process within a second, after what is in flight was told `io error`. */
#include "daemon/server.h"

#include <assert.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/host/notify.h"
#include "daemon/maintain/reclaim.h"
#include "daemon/net/connection.h"
#include "daemon/runtime/log.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/spin.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/request.h"
#include "daemon/serve/stream.h"

enum {
    READS_GRACE_US = 1000000,    /* for reads and streams to end by themselves, once writes are done */
    FLUSH_GRACE_US = 500000,     /* for last replies to go out */
    REQUEST_PATIENCE_NS = 50000, /* between requests that follow on one another */
};

enum server_state {
    SERVER_SERVING,
    SERVER_STOPPING,
    SERVER_LEAVING,
    SERVER_ENDED,
};

struct server {
    const struct server_config *config;
    uv_loop_t loop;
    uv_pipe_t listener;
    uv_async_t wake;
    uv_prepare_t prepare;
    uv_timer_t timer;
    uv_idle_t awake; /* while active the loop does not sleep */
    uv_check_t woken;
    uv_poll_t nap; /* of nap_fd: the loop sleeps until news is about to come */
    int nap_fd;
    uint64_t requests;     /* of all connections, when some came last, */
    uint64_t requested_ns; /* and when that was */
    struct spin spin;      /* for the next request */
    atomic_bool is_asleep; /* or about to: the writer thread has to wake it */
    uv_signal_t signals[3];
    struct service service;
    struct connection_set *connections;
    struct reclaim *reclaim;
    enum server_state state;
    uint64_t stop_until_us;  /* STOPPING: when to give up */
    uint64_t reads_until_us; /* STOPPING: 0 until writes are done */
    uint64_t leave_until_us; /* LEAVING, or the last failure's: when to stop sending */
};

/* ---- failure ---- */

/* Replies said `io error` before; whoever has not read them by now sees the connection end. */
static void end_after_failure(struct server *server, uint64_t now_us)
{
    const struct failure *failure = order_failure(server->service.order);
    if (server->leave_until_us == 0) {
        server->leave_until_us = now_us + FLUSH_GRACE_US;
        log_event(
            LOG_LEVEL_ERROR,
            "a write failed: nothing is acknowledged any more, the process ends, the next start decides",
            "error=%s", failure->text);
        notify_status("a write failed: %s", failure->text);
        notify_stopping();
    }
    bool all_told = !order_has_jobs(server->service.order) && connection_set_is_flushed(server->connections);
    if (now_us >= server->leave_until_us || all_told) {
        _exit(SERVER_EXIT_IO_ERROR);
    }
}

/* ---- stopping ---- */

static void give_up(struct server *server)
{
    log_event(LOG_LEVEL_ERROR, "stopping took longer than stop_timeout: accepted operations were not written",
              "operations=%ju", (uintmax_t)order_unwritten(server->service.order));
    _exit(EXIT_FAILURE);
}

static void begin_stop(struct server *server)
{
    uint64_t now_us = thread_now_us();
    if (server->state != SERVER_SERVING) {
        return;
    }
    server->state = SERVER_STOPPING;
    server->stop_until_us = now_us + server->config->options->stop_timeout_us;
    log_message(LOG_LEVEL_INFO, "stopping");
    notify_stopping();
    server->service.draining = true;
    order_begin_stop(server->service.order);
    reclaim_stop(server->reclaim);
    uv_close((uv_handle_t *)&server->listener, NULL);
}

/* The writer ends first: it wakes the loop. */
static void end_loop(struct server *server)
{
    server->state = SERVER_ENDED;
    order_close(server->service.order);
    server->service.order = NULL;
    uv_close((uv_handle_t *)&server->wake, NULL);
    uv_close((uv_handle_t *)&server->prepare, NULL);
    uv_close((uv_handle_t *)&server->timer, NULL);
    uv_close((uv_handle_t *)&server->awake, NULL);
    uv_close((uv_handle_t *)&server->woken, NULL);
    uv_close((uv_handle_t *)&server->nap, NULL);
    close(server->nap_fd);
    for (size_t i = 0; i < sizeof server->signals / sizeof server->signals[0]; i++) {
        uv_close((uv_handle_t *)&server->signals[i], NULL);
    }
}

/* Writes are what stopping waits for; reads and streams have a moment more. */
static void stop_writes(struct server *server, uint64_t now_us)
{
    bool is_done = order_is_idle(server->service.order) && !connection_set_has_waiting(server->connections);
    if (!is_done) {
        return;
    }
    if (server->reads_until_us == 0) {
        server->reads_until_us = now_us + READS_GRACE_US;
    }
    if (connection_set_is_idle(server->connections) || now_us >= server->reads_until_us) {
        server->state = SERVER_LEAVING;
        server->leave_until_us = now_us + FLUSH_GRACE_US;
        connection_end_streams(server->connections);
    }
}

/* Returns in how many microseconds to look again. */
static uint64_t stop_turn(struct server *server, uint64_t now_us)
{
    if (now_us >= server->stop_until_us) {
        give_up(server);
    }
    if (server->state == SERVER_STOPPING) {
        stop_writes(server, now_us);
    }
    bool is_flushed = connection_set_is_flushed(server->connections);
    if (server->state == SERVER_LEAVING && (is_flushed || now_us >= server->leave_until_us)) {
        connection_close_all(server->connections);
        if (connection_count(server->connections) == 0 && reclaim_is_idle(server->reclaim)) {
            end_loop(server);
        }
    }
    return 10000;
}

/* ---- turns ---- */

static void on_timer(uv_timer_t *timer)
{
    (void)timer; /* it only wakes the loop */
}

static void set_timer(struct server *server, uint64_t next_us)
{
    if (server->state == SERVER_ENDED) {
        return;
    }
    if (next_us == UINT64_MAX) {
        uv_timer_stop(&server->timer);
        return;
    }
    uv_update_time(&server->loop);
    int failed = uv_timer_start(&server->timer, on_timer, (next_us + 999) / 1000, 0);
    assert(!failed);
}

static uint64_t earlier(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
    sched_yield(); /* whoever wants this processor has it */
}

static void on_woken(uv_check_t *check)
{
    struct server *server = check->data;
    atomic_store(&server->is_asleep, false);
}

/* Whether requests came lately within moments of one another, so that the next may. */
static bool expects_request(struct server *server)
{
    uint64_t requests = connection_requests(server->connections);
    uint64_t now_ns = thread_now_ns();
    if (requests != server->requests) {
        spin_learn(&server->spin, now_ns - server->requested_ns);
        server->requests = requests;
        server->requested_ns = now_ns;
    }
    return !order_has_jobs(server->service.order) &&
           !order_shares_groups(server->service.order, now_ns / 1000) &&
           spin_holds(&server->spin, now_ns - server->requested_ns);
}

/* Says to the writer thread that the loop is to be woken, unless it need not sleep: for news that is there or will be
 * within moments. News that comes behind the last look finds it said. */
static void fall_asleep(struct server *server)
{
    struct order *order = server->service.order;
    uint64_t nap_ns = 0;
    bool stays = expects_request(server);
    stays |= connection_set_holds_replies(server->connections);
    stays |= order != NULL &&
             (order_has_completions(order) || order_expects_completions(order, thread_now_ns(), &nap_ns));
    if (!stays) {
        atomic_store(&server->is_asleep, true);
        stays = order != NULL && order_has_completions(order);
    }
    int failed = 0;
    if (!stays && nap_ns > 0) {
        struct itimerspec at = {.it_value.tv_nsec = (long)nap_ns};
        failed |= timerfd_settime(server->nap_fd, 0, &at, NULL);
    }
    failed |= stays ? uv_idle_start(&server->awake, on_idle) : uv_idle_stop(&server->awake);
    assert(!failed);
}

static void server_turn(uv_prepare_t *prepare)
{
    struct server *server = prepare->data;
    uint64_t now_us = thread_now_us();
    uint64_t next_us;
    order_drain_completions(server->service.order, thread_now_ns());
    connection_set_begin_turn(server->connections, now_us);
    do { /* what one accepts or answers, the other may have to hand over or send */
        next_us = connection_set_turn(server->connections, now_us);
        next_us = earlier(next_us, order_hand_over(server->service.order, now_us));
    } while (connection_set_is_touched(server->connections));
    next_us = earlier(next_us, reclaim_turn(server->reclaim, now_us));
    next_us = earlier(next_us, stream_turn(server->service.streams, now_us));
    pool_turn(server->service.pool);
    if (order_failure(server->service.order) != NULL) {
        end_after_failure(server, now_us);
        next_us = earlier(next_us, 10000);
    } else if (server->state != SERVER_SERVING) {
        next_us = earlier(next_us, stop_turn(server, now_us));
    }
    set_timer(server, next_us);
    if (server->state != SERVER_ENDED) {
        fall_asleep(server);
    }
}

/* From the writer thread. */
static void wake(void *context)
{
    struct server *server = context;
    if (atomic_load(&server->is_asleep)) {
        uv_async_send(&server->wake);
    }
}

static void on_wake(uv_async_t *async)
{
    (void)async; /* server_turn comes before the loop sleeps again */
}

static void on_nap(uv_poll_t *nap, int status, int events)
{
    const struct server *server = nap->data;
    uint64_t expirations;
    (void)status;
    (void)events;
    (void)!read(server->nap_fd, &expirations,
                sizeof expirations); /* for it to be silent until it is set again */
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    if (status < 0) {
        log_event(LOG_LEVEL_WARNING, "a connection could not be accepted", "reason=%s", uv_strerror(status));
        return;
    }
    connection_accept(server->connections, listener);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    if (number != SIGHUP) {
        begin_stop(server);
    } else if (server->state == SERVER_SERVING) {
        notify_reloading();
        server->config->reload(server->config->options);
        notify_ready();
    }
}

/* ---- start ---- */

static void start_handles(struct server *server)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    int failed = uv_async_init(&server->loop, &server->wake, on_wake);
    failed |= uv_prepare_init(&server->loop, &server->prepare);
    failed |= uv_timer_init(&server->loop, &server->timer);
    failed |= uv_prepare_start(&server->prepare, server_turn);
    failed |= uv_idle_init(&server->loop, &server->awake);
    failed |= uv_check_init(&server->loop, &server->woken);
    server->nap_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    failed |= server->nap_fd < 0;
    failed |= uv_poll_init(&server->loop, &server->nap, server->nap_fd);
    server->nap.data = server;
    failed |= uv_poll_start(&server->nap, UV_READABLE, on_nap);
    failed |= uv_check_start(&server->woken, on_woken);
    server->prepare.data = server;
    server->woken.data = server;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        failed |= uv_signal_init(&server->loop, &server->signals[i]);
        server->signals[i].data = server;
        failed |= uv_signal_start(&server->signals[i], on_signal, numbers[i]);
    }
    assert(!failed);
}

static enum status start_listening(struct server *server, struct failure *failure)
{
    struct listener *listener = server->config->listener;
    int error = uv_pipe_init(&server->loop, &server->listener, 0);
    assert(!error);
    server->listener.data = server;
    error = uv_pipe_open(&server->listener, listener->fd);
    if (error == 0) {
        listener->fd = -1; /* the loop's now */
        error = uv_listen((uv_stream_t *)&server->listener, LISTENER_BACKLOG, on_connection);
    }
    if (error != 0) {
        return failure_set(failure, STATUS_INVALID, "the socket cannot be listened at: %s",
                           uv_strerror(error));
    }
    return STATUS_OK;
}

static enum status start_service(struct server *server, struct failure *failure)
{
    const struct options *options = server->config->options;
    struct service *service = &server->service;
    *service = (struct service){
        .engine = server->config->engine,
        .frame_bytes_max = options->frame_bytes_max,
        .replies_bytes_max = options->replies_bytes_max,
        .queue_operations_max = options->queue_operations_max,
        .queue_bytes_max = options->queue_bytes_max,
        .started_us = thread_now_us(),
        .stages = memory_new(sizeof *service->stages),
    };
    memcpy(service->store_id, server->config->store_id, STORE_ID_BYTES);
    struct order_config order = {
        .engine = server->config->engine,
        .queue_operations_max = options->queue_operations_max,
        .queue_bytes_max = options->queue_bytes_max,
        .flush_delay_us = options->flush_delay_us,
        .sync_interval_us = options->sync_interval_us,
        .chains_max = (uint32_t)options->chains_max,
        .cache_bytes = options->cache_bytes / OPTIONS_RECORD_CACHE_PART,
        .stages = service->stages,
        .wake = wake,
        .wake_context = server,
    };
    struct connection_limits limits = {
        .connections_max = options->connections_max,
        .requests_bytes_max = options->requests_bytes_max,
    };
    if (order_open(&order, &service->order, failure) != STATUS_OK) {
        return failure->status;
    }
    service->pool = pool_new(&server->loop, &service->replies_bytes, &service->streams_bytes,
                             &service->sources_bytes, options->replies_bytes_max);
    service->streams = stream_set_new(service, options->streams_max);
    server->connections = connection_set_new(&server->loop, service, &limits);
    server->reclaim = reclaim_new(service->engine, service->order, service->pool);
    return STATUS_OK;
}

static void server_close(struct server *server)
{
    reclaim_free(server->reclaim);
    connection_set_free(server->connections);
    stream_set_free(server->service.streams);
    pool_free(server->service.pool);
    free(server->service.stages);
    int failed = uv_loop_close(&server->loop);
    assert(!failed);
    free(server);
}

enum status server_run(const struct server_config *config, struct failure *failure)
{
    struct server *server = memory_new(sizeof *server);
    server->spin.spin_ns_max = REQUEST_PATIENCE_NS;
    server->config = config;
    thread_set_role(THREAD_LOOP);
    int failed = uv_loop_init(&server->loop);
    assert(!failed);
    start_handles(server);
    enum status status = start_service(server, failure);
    if (status == STATUS_OK) {
        status = start_listening(server, failure);
        server->state = SERVER_SERVING;
        if (status != STATUS_OK) {
            uv_close((uv_handle_t *)&server->listener, NULL);
        }
    }
    if (status == STATUS_OK) {
        log_event(LOG_LEVEL_INFO, "ready", "pid=%d run=%ju engine=%s", (int)getpid(),
                  (uintmax_t)order_run(server->service.order), engine_traits(engine_default())->text);
        notify_ready();
        notify_status("serving");
        uv_run(&server->loop, UV_RUN_DEFAULT);
        log_message(LOG_LEVEL_INFO, "stopped: all that was accepted is written and synced");
    } else {
        uv_prepare_stop(&server->prepare);
        end_loop(server);
        uv_run(&server->loop, UV_RUN_DEFAULT);
    }
    server_close(server);
    return status;
}
