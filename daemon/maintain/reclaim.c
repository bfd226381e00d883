/* Reclaiming gives back the disk space of keys that a prune or a sweep deleted; maintenance is what the engine itself has to do
 * from time to time. Both run on the pool, one piece of each at a time:
 *
 * - A chain whose marks moved since its space was last reclaimed is due. The loop copies its marks and hands one chain to
 *   the pool; when that is back it notes the marks and takes the next chain, each in its turn.
 *   When no chain is due, nothing is looked at for RECLAIM_INTERVAL_US. Reclaiming takes long and delays nobody: the
 *   engine yields to what writes need.
 * - After a start every chain is due once, since the run before may have ended before it came to it.
 * - The engine's maintenance runs when the engine asked to be called again, and at once when keys were deleted, or when
 *   reclaiming began or ended.
 *
 * Ways to fail: a range that could not be reclaimed leaves its chain due. That is logged, and reclaiming goes on
 * RECLAIM_RETRY_US later, with the next chain in turn. */
#include "daemon/maintain/reclaim.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/observe/event.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

/* Chosen: nobody waits for any of this. */
enum {
    RECLAIM_INTERVAL_US = 15000000, /* from when no chain was due to when prunes are looked for again */
    RECLAIM_RETRY_US = 30000000,    /* from a failure to the next attempt */
    MAINTAIN_INTERVAL_US = 5000000, /* the longest time between two steps while reclaiming runs */
};

/* The engine's maintenance. */
struct maintenance {
    struct pool_work work; /* first */
    /* fixed after start */
    struct engine *engine;
    /* loop only */
    bool is_wanted;  /* it is to run at once, whatever due_us says */
    uint64_t due_us; /* UINT64_MAX: only when it is wanted */
    /* the pool's while it runs */
    uint64_t next_us; /* from the end of this run to the next; UINT64_MAX: as above */
};

struct reclaim {
    struct pool_work work; /* first */
    /* fixed after start */
    struct engine *engine;
    struct order *order;
    struct pool *pool;
    /* loop only */
    bool is_stopped;
    uint64_t deletes_seen;     /* prunes, sweeps and rollbacks at the last turn; UINT64_MAX: there was none */
    uint64_t prunes_reclaimed; /* prunes and sweeps when no chain was due; UINT64_MAX: that never was */
    uint64_t due_us;           /* no chain is taken before this */
    uint64_t failures;         /* ranges that could not be reclaimed since the start */
    struct maintenance maintenance;
    /* what runs, or ran last; the pool's while it runs */
    uint32_t chain_id;       /* 0: none ran */
    uint64_t blocks_from;    /* the first block is the one above it */
    uint64_t blocks_through; /* the last block */
    uint64_t states_from;    /* the states below it; 0: none */
    enum engine_result result;
    struct failure failure;
};

struct reclaim *reclaim_new(struct engine *engine, struct order *order, struct pool *pool)
{
    assert(thread_is(THREAD_LOOP)); /* as order and pool are */
    struct reclaim *reclaim = memory_new(sizeof *reclaim);
    reclaim->engine = engine;
    reclaim->maintenance.engine = engine;
    reclaim->order = order;
    reclaim->pool = pool;
    reclaim->deletes_seen = reclaim->prunes_reclaimed = UINT64_MAX;
    return reclaim;
}

bool reclaim_is_idle(const struct reclaim *reclaim)
{
    assert(thread_is(THREAD_LOOP)); /* which alone moves work to and from the pool */
    return reclaim->work.state == POOL_IDLE && reclaim->maintenance.work.state == POOL_IDLE;
}

void reclaim_free(struct reclaim *reclaim)
{
    if (reclaim == NULL) {
        return;
    }
    assert(reclaim_is_idle(reclaim)); /* or the pool would go on in freed memory */
    free(reclaim);
}

/* ---- on the pool ---- */

static enum engine_result reclaim_range(struct reclaim *reclaim, enum key_kind kind, uint64_t from,
                                        uint64_t through)
{
    assert(from <= through); /* the engine takes no range that ends before it begins */
    struct key first = key_of_height(reclaim->chain_id, kind, from);
    struct key behind = key_behind_height(reclaim->chain_id, kind, through);
    return engine_reclaim(reclaim->engine, key_slice(&first), key_slice(&behind), &reclaim->failure);
}

static void reclaim_run(struct pool_work *work)
{
    static const enum key_kind block_kinds[] = {KEY_DATA, KEY_HEADER, KEY_BOUND};
    struct reclaim *reclaim = (struct reclaim *)work; /* its first member */
    assert(thread_is(THREAD_POOL) && reclaim->chain_id != 0);
    enum engine_result result = ENGINE_OK;
    if (reclaim->blocks_through > reclaim->blocks_from) {
        for (size_t i = 0; i < sizeof block_kinds / sizeof block_kinds[0] && result == ENGINE_OK; i++) {
            result =
                reclaim_range(reclaim, block_kinds[i], reclaim->blocks_from + 1, reclaim->blocks_through);
        }
    }
    if (reclaim->states_from > 0 && result == ENGINE_OK) {
        result = reclaim_range(reclaim, KEY_STATE, 0, reclaim->states_from - 1);
    }
    reclaim->result = result;
}

/* ---- one chain after the other ---- */

static void note_failure(struct reclaim *reclaim)
{
    reclaim->failures++;
    reclaim->due_us = thread_now_us() + RECLAIM_RETRY_US;
    event_reclaim_failed(reclaim->failure.text, reclaim->chain_id, reclaim->failures,
                         RECLAIM_RETRY_US / 1000000);
}

static void reclaim_done(struct pool_work *work)
{
    struct reclaim *reclaim = (struct reclaim *)work;
    assert(thread_is(THREAD_LOOP) && work->state == POOL_IDLE); /* what ran is the loop's again */
    reclaim->maintenance.is_wanted = true;
    if (reclaim->result != ENGINE_OK) {
        note_failure(reclaim);
        return;
    }
    struct chain *chain = chain_by_id(order_chains(reclaim->order), reclaim->chain_id);
    if (chain != NULL) {
        assert(chain->blocks_reclaimed <= reclaim->blocks_through); /* no other run went further */
        chain->blocks_reclaimed = reclaim->blocks_through;
        if (reclaim->states_from > 0) {
            chain->states_reclaimed = reclaim->states_from;
        }
    }
}

static bool chain_is_due(const struct chain *chain)
{
    return chain->visible && (chain->marks.blocks_swept > chain->blocks_reclaimed ||
                              chain->marks.states_from > chain->states_reclaimed);
}

/* The chain that is due and comes next behind the one that ran last, round and round; NULL: none is due. */
static const struct chain *next_due(const struct reclaim *reclaim)
{
    struct chain_set *chains = order_chains(reclaim->order);
    const struct chain *last = chain_by_id(chains, reclaim->chain_id);
    const struct chain *chain = last;
    for (uint32_t count = chain_count(chains); count > 0; count--) {
        chain = chain == NULL ? NULL : chain_next(chain);
        chain = chain == NULL ? chain_first(chains) : chain;
        assert(chain != NULL); /* the set has so many */
        if (chain_is_due(chain)) {
            return chain;
        }
    }
    return NULL;
}

static void start_on(struct reclaim *reclaim, const struct chain *chain)
{
    assert(!reclaim->is_stopped && reclaim->work.state == POOL_IDLE); /* the pool reads what is set here */
    bool has_states = chain->marks.states_from > chain->states_reclaimed;
    reclaim->chain_id = chain->id;
    reclaim->blocks_from = chain->blocks_reclaimed;
    reclaim->blocks_through = chain->marks.blocks_swept;
    reclaim->states_from = has_states ? chain->marks.states_from : 0;
    reclaim->work.run = reclaim_run;
    reclaim->work.done = reclaim_done;
    pool_submit(reclaim->pool, &reclaim->work, POOL_STREAM);
    reclaim->maintenance.is_wanted = true;
}

/* Starts on the next chain, if one is due and none runs. Returns in how many microseconds to look again. */
static uint64_t reclaim_chains(struct reclaim *reclaim, uint64_t prunes, uint64_t now_us)
{
    if (reclaim->work.state != POOL_IDLE || reclaim->prunes_reclaimed == prunes) {
        return UINT64_MAX;
    }
    if (now_us < reclaim->due_us) {
        return reclaim->due_us - now_us;
    }
    const struct chain *chain = next_due(reclaim);
    if (chain != NULL) {
        start_on(reclaim, chain);
    } else {
        reclaim->prunes_reclaimed = prunes;
        reclaim->due_us = now_us + RECLAIM_INTERVAL_US;
    }
    return UINT64_MAX;
}

/* ---- maintenance ---- */

static void maintain_run(struct pool_work *work)
{
    struct maintenance *maintenance = (struct maintenance *)work; /* its first member */
    assert(thread_is(THREAD_POOL));                               /* the engine may take its time */
    engine_maintain(maintenance->engine, thread_now_us(), &maintenance->next_us);
}

static void maintain_done(struct pool_work *work)
{
    struct maintenance *maintenance = (struct maintenance *)work;
    assert(thread_is(THREAD_LOOP) && work->state == POOL_IDLE); /* next_us is the loop's again */
    uint64_t now_us = thread_now_us();
    maintenance->due_us =
        maintenance->next_us < UINT64_MAX - now_us ? now_us + maintenance->next_us : UINT64_MAX;
}

static uint64_t maintain_turn(struct reclaim *reclaim, uint64_t now_us)
{
    struct maintenance *maintenance = &reclaim->maintenance;
    if (maintenance->work.state != POOL_IDLE) {
        return UINT64_MAX;
    }
    bool is_reclaiming = reclaim->work.state != POOL_IDLE;
    if (is_reclaiming && maintenance->due_us > now_us + MAINTAIN_INTERVAL_US) {
        maintenance->due_us = now_us + MAINTAIN_INTERVAL_US;
    }
    if (!maintenance->is_wanted && maintenance->due_us > now_us) {
        return maintenance->due_us == UINT64_MAX ? UINT64_MAX : maintenance->due_us - now_us;
    }
    assert(!reclaim->is_stopped); /* a stop waits for what runs, and nothing new may begin */
    maintenance->is_wanted = false;
    maintenance->work.run = maintain_run;
    maintenance->work.done = maintain_done;
    pool_submit(reclaim->pool, &maintenance->work, POOL_STREAM);
    return UINT64_MAX;
}

uint64_t reclaim_turn(struct reclaim *reclaim, uint64_t now_us)
{
    assert(thread_is(THREAD_LOOP)); /* the chains' marks and the order's counters are the loop's */
    if (reclaim->is_stopped) {
        return UINT64_MAX;
    }
    const struct order_counters *counters = order_counters(reclaim->order);
    uint64_t prunes = counters->prunes + counters->sweeps;
    uint64_t deletes = prunes + counters->rollbacks;
    if (reclaim->deletes_seen != deletes) {
        reclaim->deletes_seen = deletes;
        reclaim->maintenance.is_wanted = true;
    }
    uint64_t reclaim_us = reclaim_chains(reclaim, prunes, now_us);
    uint64_t maintain_us = maintain_turn(reclaim, now_us);
    return reclaim_us < maintain_us ? reclaim_us : maintain_us;
}

void reclaim_stop(struct reclaim *reclaim)
{
    assert(thread_is(THREAD_LOOP)); /* no turn is under way that could still start something */
    reclaim->is_stopped = true;
    engine_stop_maintenance(reclaim->engine);
}
