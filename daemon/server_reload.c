/* The life of a reload:
 *
 * - SIGHUP begins it: systemd is told, and the pool reads the configuration, which may lie on a disk that is slow.
 * - The loop takes over what may change while the daemon runs, and tells systemd. Once stopping has begun nothing is taken over.
 * - A signal meanwhile has it begin once more behind that: the file may have changed since it was read.
 *
 * Ways to fail: a configuration that is wrong changes nothing, and the log says why. */
#include <assert.h>

#include "daemon/host/notify.h"
#include "daemon/runtime/thread.h"
#include "daemon/serve/decode.h"
#include "daemon/serve/stream.h"
#include "daemon/server_internal.h"

static struct server *server_of(struct pool_work *work)
{
    return (struct server *)((char *)work - offsetof(struct server, reload.work));
}

/* Gives the settings that may change to those who go by them. */
static void apply(struct server *server)
{
    const struct options *options = server->config->options;
    struct service *service = &server->service;
    struct order_settings order_settings = {
        .queue_operations_max = options->queue_operations_max,
        .queue_bytes_max = options->queue_bytes_max,
        .flush_delay_us = options->flush_delay_us,
        .sync_interval_us = options->sync_interval_us,
    };
    struct connection_limits limits = server_connection_limits(options);
    assert(options->replies_bytes_max >= options->frame_bytes_max); /* or the reload was refused */
    service->queue_operations_max = options->queue_operations_max;
    service->queue_bytes_max = options->queue_bytes_max;
    service->claim_grace_us = options->claim_grace_us;
    atomic_store(&service->value_bytes_max,
                 decode_value_bytes_max(options->frame_bytes_max, options->queue_bytes_max));
    order_set(service->order, &order_settings);
    budget_set_replies_bytes_max(service->budget, options->replies_bytes_max);
    connection_set_limit(server->connections, &limits);
    stream_set_timeout(service->streams, options->stream_timeout_us);
    space_watch_set_queue_bytes(server->space_watch, options->queue_bytes_max);
    watchdog_set_limit(server->watchdog, options->stall_timeout_us);
}

static void reload_run(struct pool_work *work)
{
    assert(thread_is(THREAD_POOL)); /* it may wait for the disk */
    server_of(work)->config->read_options();
}

static void reload_done(struct pool_work *work)
{
    struct server *server = server_of(work);
    assert(thread_is(THREAD_LOOP) && server->reload.work.state == POOL_IDLE);
    if (server->state == SERVER_SERVING) {
        server->config->take_options(server->config->options);
        apply(server);
        notify_ready();
    }
    if (server->reload.is_wanted) {
        server->reload.is_wanted = false;
        server_reload(server);
    }
}

void server_reload(struct server *server)
{
    assert(thread_is(THREAD_LOOP));
    if (server->state != SERVER_SERVING) {
        return;
    }
    if (server->reload.work.state != POOL_IDLE) {
        server->reload.is_wanted = true;
        return;
    }
    notify_reloading();
    server->reload.work.run = reload_run;
    server->reload.work.done = reload_done;
    server->reload.work.may_take_minutes = true; /* its file need not be on the store's disk */
    pool_submit(server->service.pool, &server->reload.work, POOL_BACKGROUND);
}

bool server_reload_is_idle(const struct server *server)
{
    assert(thread_is(THREAD_LOOP));
    return server->reload.work.state == POOL_IDLE;
}
