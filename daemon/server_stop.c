/* A server ends in one of three ways: it is asked to stop, the store is to be opened anew, or a write fails.
 *
 * - A stop, by a signal or a drain request, accepts no more connections, finishes what is in flight, and writes and syncs the queue.
 *   Then reads and streams have SCHEDULE_STOP_READS_US to end, the last replies go out, connections close, and the loop ends. At
 *   stop_timeout the process ends all the same, and logs what was not written.
 * - A store that could only be opened for reading stops in the same way once there is space. Then the process executes itself anew, with
 *   the same pid, and opens the store for writing.
 * - A failed write ends the process within a second. Clients that wait for a write were told `io error`, and have that long to read it.
 *
 * After each of the first two the engine is closed, which notes how far its log is synced. That has a watchdog of its own, so that a
 * disk which hangs ends the process then too. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/host/notify.h"
#include "daemon/observe/event.h"
#include "daemon/runtime/exit_code.h"
#include "daemon/runtime/log.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/drain.h"
#include "daemon/server_internal.h"
#include "daemon/writer/schedule.h"

void server_move(struct server *server, enum server_state to)
{
    static const bool legal[SERVER_STATES][SERVER_STATES] = {
        [SERVER_STARTING] = {[SERVER_SERVING] = true, [SERVER_ENDED] = true},
        [SERVER_SERVING] = {[SERVER_STOPPING] = true, [SERVER_FAILED] = true},
        [SERVER_STOPPING] = {[SERVER_LEAVING] = true, [SERVER_FAILED] = true},
        [SERVER_LEAVING] = {[SERVER_ENDED] = true, [SERVER_FAILED] = true},
        [SERVER_FAILED] = {false}, /* the process ends */
        [SERVER_ENDED] = {false},
    };
    assert(thread_is(THREAD_LOOP));
    assert(legal[server->state][to]);
    server->state = to;
}

/* ---- after a failed write ---- */

static void fail(struct server *server, const struct failure *failure, uint64_t now_us)
{
    assert(failure->status == STATUS_IO_ERROR); /* waiting clients were told `io error` */
    server_move(server, SERVER_FAILED);
    server->leave_until_us = now_us + SCHEDULE_STOP_REPLIES_US;
    event_write_failed(failure->text);
    notify_status("a write failed: %s", failure->text);
    notify_stopping();
}

/* The replies say `io error`. A client that has not read them by leave_until_us sees the connection end. */
static void end_after_failure(const struct server *server, uint64_t now_us)
{
    assert(server->state == SERVER_FAILED);
    bool all_told = !order_has_jobs(server->service.order) && connection_set_is_flushed(server->connections);
    if (now_us >= server->leave_until_us || all_told) {
        log_stop();
        _exit(EXIT_CODE_WRITE_FAILED);
    }
}

/* Ends the process with what is in flight unanswered, so that its outcome is unknown: the last writes may be gone already. */
void server_end_if_gone(const struct server *server)
{
    assert(thread_is(THREAD_LOOP)); /* no completion is drained meanwhile */
    const char *error = watch_error(server->watch);
    if (error != NULL) {
        event_directory_gone(error);
        notify_status("%s", error);
        notify_stopping();
        log_stop();
        _exit(EXIT_CODE_WRITE_FAILED);
    }
}

/* ---- stopping ---- */

static void begin_stop(struct server *server)
{
    assert(server->state == SERVER_SERVING);
    server_move(server, SERVER_STOPPING);
    assert(!server->service.draining);
    server->stop_until_us = thread_now_us() + server->config->options->stop_timeout_us;
    server->stop_operations = order_unwritten(server->service.order);
    server->stop_connections = connection_count(server->connections);
    server->service.draining = true;
    order_begin_stop(server->service.order);
    reclaim_stop(server->reclaim);
    uv_close((uv_handle_t *)&server->listener, NULL);
}

void server_begin_stop(struct server *server)
{
    assert(thread_is(THREAD_LOOP));
    bool begins = server->state == SERVER_SERVING;
    if (begins) {
        begin_stop(server);
    }
    if (begins || server->reopens) {
        server->reopens = false; /* who asks for a stop gets one */
        event_stopping(server->stop_connections, server->stop_operations);
        notify_stopping();
    }
}

void server_begin_reopening(void *context)
{
    struct server *server = context;
    assert(thread_is(THREAD_LOOP));
    if (server->state == SERVER_SERVING) {
        server->reopens = true;
        notify_reloading(); /* until the next READY=1, which comes from the same process */
        begin_stop(server);
    }
}

static void give_up(const struct server *server)
{
    assert(server->state == SERVER_STOPPING || server->state == SERVER_LEAVING);
    event_stop_timed_out(order_unwritten(server->service.order));
    log_stop();
    _exit(EXIT_CODE_FAILED);
}

/* Waits for all that was accepted to be written; then reads and streams have SCHEDULE_STOP_READS_US more. */
static void finish_work(struct server *server, uint64_t now_us)
{
    assert(server->service.draining); /* what is idle now stays idle */
    if (!order_is_idle(server->service.order) || connection_set_has_waiting(server->connections)) {
        return;
    }
    drain_end(&server->service, server->stop_operations, server->stop_connections);
    if (server->reads_until_us == 0) {
        server->reads_until_us =
            now_us + schedule_stop_wait_us(SCHEDULE_STOP_READS_US, server->stop_until_us, now_us);
    }
    if (connection_set_is_idle(server->connections) || now_us >= server->reads_until_us) {
        server_move(server, SERVER_LEAVING);
        server->leave_until_us =
            now_us + schedule_stop_wait_us(SCHEDULE_STOP_REPLIES_US, server->stop_until_us, now_us);
        connection_end_streams(server->connections);
    }
}

static void leave(struct server *server, uint64_t now_us)
{
    assert(server->leave_until_us != 0); /* else replies would have no time to go out */
    if (!connection_set_is_flushed(server->connections) && now_us < server->leave_until_us) {
        return;
    }
    connection_close_all(server->connections);
    watch_stop(server->watch);
    space_watch_stop(server->space_watch);
    reclaim_end(server->reclaim); /* the order was idle before the server began to leave */
    if (connection_count(server->connections) == 0 && reclaim_is_idle(server->reclaim) &&
        watch_is_idle(server->watch) && space_watch_is_idle(server->space_watch) &&
        server_reload_is_idle(server)) {
        server_move(server, SERVER_ENDED);
        server_close_handles(server);
    }
}

uint64_t server_go_on_ending(struct server *server, uint64_t now_us)
{
    assert(server->state != SERVER_STARTING && server->state != SERVER_ENDED); /* the order is there */
    const struct failure *failure = order_failure(server->service.order);
    if (failure != NULL && server->state != SERVER_FAILED) {
        fail(server, failure, now_us);
    }
    if (server->state == SERVER_SERVING && drain_is_wanted(&server->service)) {
        server_begin_stop(server);
    }
    if (server->state == SERVER_SERVING) {
        return SCHEDULE_NEVER_US;
    }
    if (server->state == SERVER_FAILED) {
        end_after_failure(server, now_us);
        return SCHEDULE_STOP_LOOK_US;
    }
    assert(server->stop_until_us > 0); /* or the stop would be over when it begins */
    if (now_us >= server->stop_until_us) {
        give_up(server);
    }
    if (server->state == SERVER_STOPPING) {
        finish_work(server, now_us);
    }
    if (server->state == SERVER_LEAVING) {
        leave(server, now_us);
    }
    return SCHEDULE_STOP_LOOK_US;
}

/* ---- behind the loop ---- */

static void ping_nobody(void *context)
{
    (void)context; /* there is no loop any more */
}

void server_close_engine(const struct options *options, struct engine *engine)
{
    struct failure failure;
    assert(options->stall_timeout_us > 0); /* a watchdog needs a limit */
    struct heartbeats *heartbeats = memory_new(sizeof *heartbeats);
    struct watchdog_config config = {
        .heartbeats = heartbeats,
        .limit_us = options->stall_timeout_us,
        .ping = ping_nobody,
    };
    struct watchdog *watchdog =
        watchdog_new(&config, &failure); /* NULL, for want of a thread: nothing watches the close */
    heartbeat_enter(&heartbeats->writer);
    engine_close(engine, ENGINE_CLOSE_FAST);
    heartbeat_leave();
    watchdog_free(watchdog);
    free(heartbeats);
}
