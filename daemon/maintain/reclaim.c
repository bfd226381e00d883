/* A prune leaves marks that ranges of keys are gone; the space is taken until compaction meets them. Now and then, if
 * something was pruned since, the ranges are compacted on the pool, which takes long and is in nobody's way: the store
 * yields to what flushes and commits need. After a start the ranges are looked at once, since the last run may have died
 * before it came to them. What the engine deletes for it goes from the disk by trash.h. */
#include "daemon/maintain/reclaim.h"

#include <stdlib.h>

#include "daemon/engine/rocksdb/trash.h"
#include "daemon/runtime/memory.h"

enum { RECLAIM_INTERVAL_US = 15000000 };

struct reclaim {
    struct pool_work work; /* first */
    /* fixed after start */
    struct store *store;
    struct order *order;
    struct pool *pool;
    struct trash *trash;
    /* loop only */
    uint64_t noticed; /* prunes and sweeps, in the last turn */
    uint64_t seen;    /* the same when all was reclaimed */
    uint64_t next_us; /* not before this */
    bool is_running;
    bool is_stopped;
    struct chain *chain; /* where it has come to */
    /* fixed while it runs */
    uint32_t chain_id;
    uint64_t blocks_from;
    uint64_t blocks_through;
    uint64_t states_from;
};

struct reclaim *reclaim_new(struct store *store, struct order *order, struct pool *pool)
{
    struct reclaim *reclaim = memory_new(sizeof *reclaim);
    reclaim->store = store;
    reclaim->order = order;
    reclaim->pool = pool;
    reclaim->trash = trash_new(store_path(store), pool);
    reclaim->noticed = reclaim->seen = UINT64_MAX; /* nothing yet */
    return reclaim;
}

void reclaim_free(struct reclaim *reclaim)
{
    if (reclaim == NULL) {
        return;
    }
    trash_free(reclaim->trash);
    free(reclaim);
}

static void reclaim_kind(const struct reclaim *reclaim, enum key_kind kind, uint64_t from, uint64_t through)
{
    struct key first = key_of_height(reclaim->chain_id, kind, from);
    struct key behind = key_behind_height(reclaim->chain_id, kind, through);
    store_reclaim(reclaim->store, key_slice(&first), key_slice(&behind));
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
            return true;
        }
    }
    return false;
}

/* Compacts what is to be. */
static uint64_t compact_turn(struct reclaim *reclaim, uint64_t seen, uint64_t now_us)
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

uint64_t reclaim_turn(struct reclaim *reclaim, uint64_t now_us)
{
    uint64_t seen = seen_now(reclaim);
    if (reclaim->is_stopped) {
        return UINT64_MAX;
    }
    if (reclaim->is_running || reclaim->noticed != seen) {
        reclaim->noticed = seen;
        trash_expect(reclaim->trash, now_us);
    }
    uint64_t trash_us = trash_turn(reclaim->trash, now_us); /* second names before the engine deletes */
    uint64_t compact_us = compact_turn(reclaim, seen, now_us);
    return compact_us < trash_us ? compact_us : trash_us;
}

void reclaim_stop(struct reclaim *reclaim)
{
    reclaim->is_stopped = true;
    store_stop_reclaiming(reclaim->store);
}

bool reclaim_is_idle(const struct reclaim *reclaim)
{
    return !reclaim->is_running && trash_is_idle(reclaim->trash);
}
