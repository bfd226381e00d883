/* The start: the loop and its handles, all that serves, the writer's thread, the socket. What the machine refuses, a thread or
 * a descriptor, is a failure with a text; what was made until then is closed as after serving. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/signals.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/decode.h"
#include "daemon/serve/stream.h"
#include "daemon/server_internal.h"
#include "daemon/writer/schedule.h"

/* ---- the loop and its handles ---- */

/* Sets the failure. Memory and threads may be there for the next start; a limit on descriptors stays as it is. */
static bool refused(struct failure *failure, int error)
{
    failure_set(failure, error == UV_EMFILE ? STATUS_INVALID : STATUS_BUSY,
                "the event loop cannot be set up: %s: raise the limits on open files, threads and memory",
                uv_strerror(error));
    return false;
}

/* libuv aborts if it cannot make its pipe for signals: tries to make one first. */
static int look_for_descriptors(void)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return uv_translate_sys_error(errno);
    }
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void *end_when_unlocked(void *lock)
{
    int failed = pthread_mutex_lock(lock);
    failed |= pthread_mutex_unlock(lock);
    assert(!failed);
    return NULL;
}

/* libuv aborts at the pool's first work if it cannot start the pool's threads: tries to start as many first, all at a time. */
static int look_for_threads(void)
{
    pthread_t threads[POOL_THREADS];
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int made = 0, error = 0;
    int failed = pthread_mutex_lock(&lock);
    while (made < POOL_THREADS && error == 0) {
        error = pthread_create(&threads[made], NULL, end_when_unlocked, &lock);
        made += error == 0;
    }
    failed |= pthread_mutex_unlock(&lock);
    while (made > 0) {
        failed |= pthread_join(threads[--made], NULL);
    }
    assert(!failed);
    return uv_translate_sys_error(error);
}

static void on_wake(uv_async_t *async)
{
    (void)async; /* an iteration comes before the loop sleeps again */
}

static void on_timed_sleep(uv_poll_t *timed_sleep, int status, int events)
{
    const struct server *server = timed_sleep->data;
    assert(server->sleep_fd >= 0);
    uint64_t expirations;
    (void)status;
    (void)events;
    (void)!read(server->sleep_fd, &expirations, sizeof expirations); /* silent until it is set again */
}

static int start_signals(struct server *server, uv_poll_cb on_signals)
{
    int fd = signals_note();
    if (fd < 0) {
        return uv_translate_sys_error(errno);
    }
    int error = uv_poll_init(&server->loop, &server->signals, fd);
    server->signals.data = server;
    return error != 0 ? error : uv_poll_start(&server->signals, UV_READABLE, on_signals);
}

static int start_timed_sleep(struct server *server)
{
    assert(server->sleep_fd < 0); /* else nobody would close it */
    server->sleep_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (server->sleep_fd < 0) {
        return uv_translate_sys_error(errno);
    }
    int error = uv_poll_init(&server->loop, &server->timed_sleep, server->sleep_fd);
    if (error == 0) {
        server->timed_sleep.data = server;
        error = uv_poll_start(&server->timed_sleep, UV_READABLE, on_timed_sleep);
    }
    return error;
}

static int start_handles(struct server *server, const struct server_callbacks *callbacks)
{
    uv_loop_t *loop = &server->loop;
    assert(server->has_loop); /* it closes with what was made */
    int error = uv_async_init(loop, &server->wake, on_wake);
    error = error != 0 ? error : uv_timer_init(loop, &server->timer);
    error = error != 0 ? error : uv_idle_init(loop, &server->awake);
    error = error != 0 ? error : uv_check_init(loop, &server->woken);
    error = error != 0 ? error : uv_prepare_init(loop, &server->prepare);
    error = error != 0 ? error : uv_pipe_init(loop, &server->listener, 0);
    error = error != 0 ? error : start_timed_sleep(server);
    error = error != 0 ? error : start_signals(server, callbacks->on_signals);
    if (error != 0) {
        return error;
    }
    server->prepare.data = server;
    server->woken.data = server;
    server->listener.data = server;
    error = uv_check_start(&server->woken, callbacks->on_woken);
    return error != 0 ? error : uv_prepare_start(&server->prepare, callbacks->iterate);
}

/* ---- what serves ---- */

static bool start_order(struct server *server, void (*wake)(void *server), struct failure *failure)
{
    const struct options *options = server->config->options;
    assert(options->chains_max >= 1 && options->chains_max <= UINT32_MAX); /* ids of chains are 32 bits */
    assert(server->service.order == NULL);                                 /* else nobody would close it */
    struct order_config config = {
        .engine = server->config->engine,
        .numbers = server->config->numbers,
        .queue_operations_max = options->queue_operations_max,
        .queue_bytes_max = options->queue_bytes_max,
        .flush_delay_us = options->flush_delay_us,
        .sync_interval_us = options->sync_interval_us,
        .chains_max = (uint32_t)options->chains_max,
        .now_us = thread_now_us(),
        .cache_bytes = options->cache_bytes / OPTIONS_RECORD_CACHE_PART,
        .stages = server->service.stages,
        .wake = wake,
        .wake_context = server,
        .writer_heartbeat = &server->service.heartbeats->writer,
    };
    return order_open(&config, &server->service.order, failure) == STATUS_OK;
}

static bool start_watchdog(struct server *server, void (*ping)(void *server), struct failure *failure)
{
    assert(server->watchdog == NULL && server->service.heartbeats != NULL);
    struct watchdog_config config = {
        .heartbeats = server->service.heartbeats,
        .limit_us = server->config->options->stall_timeout_us,
        .ping = ping,
        .context = server,
    };
    server->watchdog = watchdog_new(&config, failure);
    return server->watchdog != NULL;
}

struct connection_limits server_connection_limits(const struct options *options)
{
    assert(options->connections_max > 0);
    return (struct connection_limits){
        .connections_max = options->connections_max,
        .hello_timeout_us = options->hello_timeout_us,
        .frame_timeout_us = options->frame_timeout_us,
        .stream_timeout_us = options->stream_timeout_us,
    };
}

static struct space_watch *make_space_watch(struct server *server, void (*reopen)(void *server))
{
    const struct service *service = &server->service;
    const struct options *options = server->config->options;
    assert(service->order != NULL && service->pool != NULL); /* it tells the one, and looks on the other */
    return space_watch_new(&(struct space_watch_config){
        .reserve = server->config->reserve,
        .engine = service->engine,
        .order = service->order,
        .pool = service->pool,
        .queue_bytes_max = options->queue_bytes_max,
        .frame_bytes_max = options->frame_bytes_max,
        .reopen = reopen,
        .reopen_context = server,
    });
}

static bool start_service(struct server *server, const struct server_callbacks *callbacks,
                          struct failure *failure)
{
    const struct options *options = server->config->options;
    assert(options->requests_bytes_max / 2 >= options->frame_bytes_max); /* the budget's sums rely on it */
    struct service *service = &server->service;
    *service = (struct service){
        .engine = server->config->engine,
        .frame_bytes_max = options->frame_bytes_max,
        .value_bytes_max = decode_value_bytes_max(options->frame_bytes_max, options->queue_bytes_max),
        .queue_operations_max = options->queue_operations_max,
        .queue_bytes_max = options->queue_bytes_max,
        .claim_grace_us = options->claim_grace_us,
        .started_us = thread_now_us(),
        .stages = memory_new(sizeof *service->stages),
        .heartbeats = memory_new(sizeof *service->heartbeats),
        .roles = server->config->roles,
    };
    memcpy(service->store_id, server->config->store_id, STORE_ID_BYTES);
    struct budget_limits limits = {
        .frame_bytes_max = options->frame_bytes_max,
        .requests_bytes_max = options->requests_bytes_max,
        .replies_bytes_max = options->replies_bytes_max,
    };
    if (!start_order(server, callbacks->wake, failure)) {
        return false;
    }
    service->budget = budget_new(&limits);
    service->turns = turns_new();
    service->pool = pool_new(&server->loop, service->budget, service->turns, service->heartbeats);
    service->streams = stream_set_new(service, options->streams_max, options->stream_timeout_us);
    struct connection_limits connection_limits = server_connection_limits(options);
    server->connections = connection_set_new(&server->loop, service, &connection_limits);
    server->reclaim = reclaim_new(service->engine, service->order, service->pool);
    server->watch = watch_new(server->config->directory, service->pool);
    server->space_watch = make_space_watch(server, callbacks->reopen);
    return order_start_writer(service->order, failure) && start_watchdog(server, callbacks->ping, failure);
}

static bool start_listening(struct server *server, uv_connection_cb on_connection, struct failure *failure)
{
    struct listener *listener = server->config->listener;
    assert(server->service.order != NULL); /* connections are served from here on */
    if (listener->fd < 0 && server->config->listen(server->config->options, listener, failure) != STATUS_OK) {
        return false;
    }
    assert(listener->fd >= 0); /* main adopted it, or it was opened now */
    int error = uv_pipe_open(&server->listener, listener->fd);
    if (error == 0) {
        listener->fd = -1; /* the loop's now */
        error = uv_listen((uv_stream_t *)&server->listener, LISTENER_BACKLOG, on_connection);
    }
    if (error != 0) {
        failure_set(failure, STATUS_INVALID, "the socket cannot be listened at: %s", uv_strerror(error));
    }
    return error == 0;
}

bool server_start(struct server *server, const struct server_callbacks *callbacks, struct failure *failure)
{
    assert(thread_is(THREAD_LOOP));
    assert(server->state == SERVER_STARTING);
    server->sleep_fd = -1;
    server->request_spin.spin_ns_max = SCHEDULE_REQUEST_SPIN_NS_MAX;
    int error = look_for_descriptors();
    error = error != 0 ? error : look_for_threads();
    error = error != 0 ? error : uv_loop_init(&server->loop);
    if (error != 0) {
        return refused(failure, error);
    }
    server->has_loop = true;
    error = start_handles(server, callbacks);
    if (error != 0) {
        return refused(failure, error);
    }
    return start_service(server, callbacks, failure) &&
           start_listening(server, callbacks->on_connection, failure);
}

/* ---- the end of what was started ---- */

/* Accepts a handle that was never made, or that is being closed. */
static void close_handle(uv_handle_t *handle)
{
    if (uv_handle_get_type(handle) != UV_UNKNOWN_HANDLE && !uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

void server_close_handles(struct server *server)
{
    assert(thread_is(THREAD_LOOP));
    assert(server->state == SERVER_ENDED);
    order_close(server->service.order); /* the watchdog sees to it that this ends */
    server->service.order = NULL;
    watchdog_free(server->watchdog);
    server->watchdog = NULL;
    close_handle((uv_handle_t *)&server->listener);
    close_handle((uv_handle_t *)&server->wake);
    close_handle((uv_handle_t *)&server->prepare);
    close_handle((uv_handle_t *)&server->woken);
    close_handle((uv_handle_t *)&server->timer);
    close_handle((uv_handle_t *)&server->awake);
    close_handle((uv_handle_t *)&server->timed_sleep);
    close_handle((uv_handle_t *)&server->signals);
    if (server->sleep_fd >= 0) {
        close(server->sleep_fd);
    }
}

void server_free(struct server *server)
{
    assert(server->service.order == NULL); /* the writer thread has ended: nobody wakes this loop any more */
    assert(server->watchdog == NULL);      /* nor does its thread look at the heartbeats */
    space_watch_free(server->space_watch);
    watch_free(server->watch);
    reclaim_free(server->reclaim);
    connection_set_free(server->connections);
    stream_set_free(server->service.streams);
    pool_free(server->service.pool);
    turns_free(server->service.turns);
    budget_free(server->service.budget);
    free(server->service.stages);
    free(server->service.heartbeats);
    if (server->has_loop) {
        int failed = uv_loop_close(&server->loop);
        assert(!failed);
    }
    free(server);
}
