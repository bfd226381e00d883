/* The life of the watchdog, on a thread of its own since it watches the loop too:
 *
 * - Each HEARTBEAT_LOOK_INTERVAL_US it looks. Before that it has pinged the loop, which may be asleep and would not beat.
 * - What has not moved for HEARTBEAT_STALLED_US is logged, counted and shown by the status page; when it moves, so is that.
 * - While loop, writer and pool move, systemd is told so. A wait for memory is some client's doing, and no restart helps.
 * - When one of these three has not moved for stall_timeout, the process ends: whatever hangs, a kernel that waits for a disk
 *   say, is not waited for, and neither is the log.
 *
 * Ways to fail: a thread that cannot be created ends the start. It touches no disk itself; if it is held up all the same, systemd is
 * not fed. */
#include "daemon/maintain/watchdog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/host/notify.h"
#include "daemon/observe/event.h"
#include "daemon/observe/metrics.h"
#include "daemon/runtime/exit_code.h"
#include "daemon/runtime/log.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

/* The stages of which a restart may end a stall. */
static const unsigned restart_helps = 1U << HEARTBEAT_LOOP | 1U << HEARTBEAT_WRITER | 1U << HEARTBEAT_POOL;

struct watchdog {
    /* fixed after start */
    struct watchdog_config config;
    uint64_t interval_us;
    uint64_t feed_interval_us; /* 0: systemd does not watch */
    pthread_t thread;
    struct mutex mutex;
    /* under mutex */
    bool stopping;
    /* written by any thread */
    _Atomic(uint64_t) limit_us;
    /* its thread only */
    struct heartbeats_watch watch;
    uint64_t looked_us;
    uint64_t fed_us;
};

static void tell(const struct heartbeats_seen *seen)
{
    char text[HEARTBEAT_TEXT_BYTES];
    assert((seen->began & seen->ended) == 0); /* of each stage one thing is told */
    for (unsigned stage = 0; stage < HEARTBEAT_STAGES; stage++) {
        uint64_t lasted_ms = seen->lasted_us[stage] / 1000;
        if ((seen->began >> stage & 1) != 0) {
            metrics_add(METRIC_STALLS, 1);
            event_stalled(heartbeat_text(1U << stage, text), lasted_ms);
        } else if ((seen->ended >> stage & 1) != 0) {
            event_moves_again(heartbeat_text(1U << stage, text), lasted_ms);
        }
    }
}

static void end_at_limit(const struct watchdog *watchdog, const struct heartbeats_seen *seen)
{
    char text[HEARTBEAT_TEXT_BYTES];
    unsigned hung = 0;
    for (unsigned stage = 0; stage < HEARTBEAT_STAGES; stage++) {
        bool is_over = seen->lasted_us[stage] >= atomic_load(&watchdog->limit_us);
        hung |= (unsigned)is_over << stage & seen->stalled & restart_helps;
    }
    if (hung != 0) {
        event_stall_timed_out(heartbeat_text(hung, text), atomic_load(&watchdog->limit_us) / 1000);
        log_stop();
        _exit(EXIT_CODE_STALLED);
    }
}

static void look(struct watchdog *watchdog, uint64_t now_us)
{
    assert(thread_is(THREAD_WATCHDOG) && now_us >= watchdog->looked_us);
    struct heartbeats *heartbeats = watchdog->config.heartbeats;
    struct heartbeats_seen seen = heartbeats_look(&watchdog->watch, heartbeats, now_us - watchdog->looked_us);
    watchdog->looked_us = now_us;
    tell(&seen);
    if ((seen.stalled & restart_helps) == 0 && watchdog->feed_interval_us > 0 &&
        now_us - watchdog->fed_us >= watchdog->feed_interval_us) {
        notify_alive();
        watchdog->fed_us = now_us;
    }
    end_at_limit(watchdog, &seen);
    watchdog->config.ping(watchdog->config.context); /* it has until the next look */
}

static void *watchdog_thread_main(void *argument)
{
    struct watchdog *watchdog = argument;
    assert(watchdog->interval_us > 0 && watchdog->interval_us <= HEARTBEAT_LOOK_INTERVAL_US);
    thread_set_role(THREAD_WATCHDOG);
    watchdog->looked_us = thread_now_us();
    mutex_lock(&watchdog->mutex);
    while (!watchdog->stopping) {
        uint64_t now_us = thread_now_us(), due_us = watchdog->looked_us + watchdog->interval_us;
        if (now_us < due_us) {
            mutex_wait(&watchdog->mutex, due_us);
            continue;
        }
        mutex_unlock(&watchdog->mutex);
        look(watchdog, now_us);
        mutex_lock(&watchdog->mutex);
    }
    mutex_unlock(&watchdog->mutex);
    return NULL;
}

struct watchdog *watchdog_new(const struct watchdog_config *config, struct failure *failure)
{
    assert(thread_is(THREAD_LOOP) || thread_is(THREAD_OTHER)); /* main's, before it serves */
    assert(config->limit_us > 0 && config->ping != NULL);
    struct watchdog *watchdog = memory_new(sizeof *watchdog);
    watchdog->config = *config;
    watchdog->feed_interval_us = notify_alive_interval_us();
    watchdog->interval_us = HEARTBEAT_LOOK_INTERVAL_US;
    if (watchdog->feed_interval_us > 0 && watchdog->feed_interval_us < watchdog->interval_us) {
        watchdog->interval_us = watchdog->feed_interval_us;
    }
    atomic_init(&watchdog->limit_us, config->limit_us);
    mutex_init(&watchdog->mutex);
    int error = pthread_create(&watchdog->thread, NULL, watchdog_thread_main, watchdog);
    if (error != 0) {
        failure_set(failure, STATUS_BUSY,
                    "the watchdog's thread cannot be created: %s: raise the limit on threads or memory",
                    strerror(error));
        mutex_close(&watchdog->mutex);
        free(watchdog);
        return NULL;
    }
    (void)pthread_setname_np(watchdog->thread, "cairn-watchdog"); /* for people who look at threads */
    return watchdog;
}

void watchdog_free(struct watchdog *watchdog)
{
    if (watchdog == NULL) {
        return;
    }
    assert(thread_is(THREAD_LOOP) || thread_is(THREAD_OTHER));
    mutex_lock(&watchdog->mutex);
    watchdog->stopping = true;
    mutex_unlock_and_signal(&watchdog->mutex);
    int failed = pthread_join(watchdog->thread, NULL);
    assert(!failed);
    mutex_close(&watchdog->mutex);
    free(watchdog);
}

void watchdog_set_limit(struct watchdog *watchdog, uint64_t limit_us)
{
    assert(limit_us > 0);
    atomic_store(&watchdog->limit_us, limit_us);
}
