/* A prune leaves marks that ranges of keys are gone; the space is taken until the engine gives it back. Now and then, if
 * something was pruned since, the ranges are reclaimed on the pool, which takes long and is in nobody's way: the engine
 * yields to what writes need. After a start the ranges are looked at once, since the last run may have died before it came
 * to them.
 *
 * Beside that the pool runs the engine's maintenance, a step at a time, when the engine asked to be called again, and
 * whenever something was pruned, or reclaiming began or ended.
 *
 * Ways to fail: what could not be reclaimed is left to the next start. */
#include "daemon/maintain/reclaim.h"

#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

enum {
    RECLAIM_INTERVAL_US = 15000000,
    MAINTAIN_INTERVAL_US = 5000000, /* at most, while reclaiming runs */
};

/* The engine's maintenance. */
struct maintenance {
    struct pool_work work; /* first */
    /* fixed after start */
    struct engine *engine;
    /* loop only */
    bool is_running;
    bool is_wanted; /* at once, whatever was said last */
    uint64_t at_us; /* when it is due; UINT64_MAX: when it is wanted */
    /* the pool's while it runs */
    uint64_t next_us;
};

struct reclaim {
    struct pool_work work; /* first */
    /* fixed after start */
    struct engine *engine;
    struct order *order;
    struct pool *pool;
    /* loop only */
    uint64_t noticed; /* whatever deleted ranges, in the last turn */
    uint64_t seen;    /* prunes and sweeps when all was reclaimed */
    uint64_t next_us; /* not before this */
    bool is_running;
    bool is_stopped;
    struct chain *chain; /* where it has come to */
    struct maintenance maintenance;
    /* fixed while it runs */
    uint32_t chain_id;
    uint64_t blocks_from;
    uint64_t blocks_through;
    uint64_t states_from;
};

struct reclaim *reclaim_new(struct engine *engine, struct order *order, struct pool *pool)
{
    struct reclaim *reclaim = memory_new(sizeof *reclaim);
    reclaim->engine = engine;
    reclaim->maintenance.engine = engine;
    reclaim->order = order;
    reclaim->pool = pool;
    reclaim->noticed = reclaim->seen = UINT64_MAX; /* nothing yet */
    return reclaim;
}

void reclaim_free(struct reclaim *reclaim)
{
    free(reclaim);
}

static void reclaim_kind(const struct reclaim *reclaim, enum key_kind kind, uint64_t from, uint64_t through)
{
    struct key first = key_of_height(reclaim->chain_id, kind, from);
    struct key behind = key_behind_height(reclaim->chain_id, kind, through);
    struct failure failure;
    (void)!engine_reclaim(reclaim->engine, key_slice(&first), key_slice(&behind), &failure);
}

static void reclaim_run(struct pool_work *work)
{
    const struct reclaim *reclaim = (const struct reclaim *)work; /* its first member */
    if (reclaim->blocks_through > reclaim->blocks_from) {
        reclaim_kind(reclaim, KEY_DATA, reclaim->blocks_from + 1, reclaim->blocks_through);
        reclaim_kind(reclaim, KEY_HEADER, reclaim->blocks_from + 1, reclaim->blocks_through);
        reclaim_kind(reclaim, KEY_BOUND, reclaim->blocks_from + 1, reclaim->blocks_through);
    }
    if (reclaim->states_from > 0) {
        reclaim_kind(reclaim, KEY_STATE, 0, reclaim->states_from - 1);
    }
}

static void reclaim_done(struct pool_work *work)
{
    struct reclaim *reclaim = (struct reclaim *)work;
    reclaim->is_running = false;
    reclaim->maintenance.is_wanted = true;
    reclaim->chain->blocks_reclaimed = reclaim->blocks_through;
    if (reclaim->states_from > 0) {
        reclaim->chain->states_reclaimed = reclaim->states_from;
    }
}

static uint64_t seen_now(const struct reclaim *reclaim)
{
    const struct order_counters *counters = order_counters(reclaim->order);
    return counters->prunes + counters->sweeps;
}

/* Starts on the next chain that has something; false: none has. */
static bool start_next(struct reclaim *reclaim)
{
    for (struct chain *chain = chain_first(order_chains(reclaim->order)); chain != NULL;
         chain = chain_next(chain)) {
        const struct chain_marks *marks = &chain->marks;
        bool has_blocks = marks->blocks_swept > chain->blocks_reclaimed;
        bool has_states = marks->states_from > chain->states_reclaimed;
        if (chain->visible && (has_blocks || has_states)) {
            reclaim->chain = chain;
            reclaim->chain_id = chain->id;
            reclaim->blocks_from = chain->blocks_reclaimed;
            reclaim->blocks_through = marks->blocks_swept;
            reclaim->states_from = has_states ? marks->states_from : 0;
            reclaim->is_running = true;
            reclaim->work.run = reclaim_run;
            reclaim->work.done = reclaim_done;
            pool_submit(reclaim->pool, &reclaim->work, POOL_STREAM);
            reclaim->maintenance.is_wanted = true;
            return true;
        }
    }
    return false;
}

/* Reclaims what is to be. */
static uint64_t reclaim_chains(struct reclaim *reclaim, uint64_t seen, uint64_t now_us)
{
    if (reclaim->is_running || reclaim->seen == seen) {
        return UINT64_MAX;
    }
    if (now_us < reclaim->next_us) {
        return reclaim->next_us - now_us;
    }
    if (!start_next(reclaim)) {
        reclaim->seen = seen;
        reclaim->next_us = now_us + RECLAIM_INTERVAL_US;
    }
    return UINT64_MAX;
}

/* ---- maintenance ---- */

static void maintain_run(struct pool_work *work)
{
    struct maintenance *maintenance = (struct maintenance *)work; /* its first member */
    engine_maintain(maintenance->engine, thread_now_us(), &maintenance->next_us);
}

static void maintain_done(struct pool_work *work)
{
    struct maintenance *maintenance = (struct maintenance *)work;
    uint64_t now_us = thread_now_us();
    maintenance->is_running = false;
    maintenance->at_us =
        maintenance->next_us < UINT64_MAX - now_us ? now_us + maintenance->next_us : UINT64_MAX;
}

static uint64_t maintain_turn(struct reclaim *reclaim, uint64_t now_us)
{
    struct maintenance *maintenance = &reclaim->maintenance;
    if (maintenance->is_running) {
        return UINT64_MAX;
    }
    if (reclaim->is_running && maintenance->at_us > now_us + MAINTAIN_INTERVAL_US) {
        maintenance->at_us = now_us + MAINTAIN_INTERVAL_US;
    }
    if (!maintenance->is_wanted && maintenance->at_us > now_us) {
        return maintenance->at_us == UINT64_MAX ? UINT64_MAX : maintenance->at_us - now_us;
    }
    maintenance->is_running = true;
    maintenance->is_wanted = false;
    maintenance->work.run = maintain_run;
    maintenance->work.done = maintain_done;
    pool_submit(reclaim->pool, &maintenance->work, POOL_STREAM);
    return UINT64_MAX;
}

uint64_t reclaim_turn(struct reclaim *reclaim, uint64_t now_us)
{
    uint64_t seen = seen_now(reclaim);
    if (reclaim->is_stopped) {
        return UINT64_MAX;
    }
    uint64_t deleted = seen + order_counters(reclaim->order)->rollbacks;
    if (reclaim->noticed != deleted) {
        reclaim->noticed = deleted;
        reclaim->maintenance.is_wanted = true;
    }
    uint64_t reclaim_us = reclaim_chains(reclaim, seen, now_us);
    uint64_t maintain_us = maintain_turn(reclaim, now_us);
    return reclaim_us < maintain_us ? reclaim_us : maintain_us;
}

void reclaim_stop(struct reclaim *reclaim)
{
    reclaim->is_stopped = true;
    engine_stop_maintenance(reclaim->engine);
}

bool reclaim_is_idle(const struct reclaim *reclaim)
{
    return !reclaim->is_running && !reclaim->maintenance.is_running;
}
