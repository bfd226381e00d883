/* Reclaiming gives back the disk space of what requests dropped; maintenance is what the engine itself has to do from time to
 * time. Both run on the pool, one piece of each at a time:
 *
 * - A chain is due when something was dropped since its space was last asked back. What a prune, a sweep or a rollback dropped, and
 *   much of anything, is at once; else the daemon has to be quiet, and a chain that gave back little waits longer for the next
 *   time. A range of names may hold much: it is due without quiet, but waits as long. The loop takes what is due into ranges, one chain
 *   after the other, each in its turn. When no chain is due, nothing is looked at for RECLAIM_INTERVAL_US. Reclaiming takes long and delays
 *   nobody: the engine yields to what writes need.
 * - While space is low, names that may have replaced many values are due without quiet too, and the waits are shorter: what these
 *   values take may be all that keeps writes refused.
 * - What a chain gave back while others were writing leaves a rest, for moving what lives out of its files would write much: it is due
 *   once more when the daemon is quiet.
 * - The numbers of chains that were dropped, in this run or before it, are due at once, those in a row as one range, in turn with
 *   the chains. Their records on disk are deleted behind that.
 * - A read that still sees what was dropped keeps it. So the ranges go to the pool when all reads that began before they were
 *   taken have ended.
 * - After a start every chain is due once, since the run before may have ended before it came to it: for what its marks say,
 *   what lies above its height, and its states and names.
 * - The engine's maintenance runs when the engine asked to be called again, and at once when keys were deleted, or when
 *   reclaiming began or ended.
 *
 * Ways to fail: a range that could not be reclaimed leaves its chain, or those numbers, due. That is logged, and reclaiming goes on
 * RECLAIM_RETRY_US later, with the next chain in turn. */
#include "daemon/maintain/reclaim.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/observe/event.h"
#include "daemon/order/order_space.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

/* Chosen: nobody waits for any of this, and the space of all that was dropped is back within a minute of quiet. */
enum {
    RECLAIM_INTERVAL_US = 15000000, /* from when no chain was due to when one is looked for again */
    RECLAIM_RETRY_US = 30000000,    /* from a failure to the next attempt */
    RECLAIM_HELD_US = 1000000,      /* between two looks whether a read still keeps what is due */
    RECLAIM_LOW_US = 1000000,       /* between two looks while space is low, and */
    LOW_WAIT_PART = 16,             /* how much shorter a chain waits: two seconds at least */
    QUIET_US = 3000000,             /* without a write the daemon is quiet */
    DROPPED_MANY = 4096,            /* with so many a chain is due at once */
    FREED_BYTES_MIN = 16 << 20,     /* a chain that gave back less waits twice as long the next time, */
    WAIT_US_MIN = 30000000,         /* at least, */
    WAIT_US_MAX = 600000000,        /* and at most */
    MAINTAIN_INTERVAL_US = 5000000, /* the longest time between two steps while reclaiming runs */
    RANGES_MAX = 13, /* of one chain: four of a prune, four of heights above, states, names, hashes */
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

struct key_range {
    struct key from;
    struct key to; /* not in it */
};

struct reclaim {
    struct pool_work work; /* first */
    /* fixed after start */
    struct engine *engine;
    struct order *order;
    struct pool *pool;
    /* loop only */
    bool is_stopped;
    /* prunes, sweeps, rollbacks and drops at the last call; UINT64_MAX: there was none */
    uint64_t deletes_seen;
    uint64_t writes_seen; /* of all kinds, when some were seen last, */
    uint64_t written_us;  /* and when that was */
    uint64_t due_us;      /* no chain is taken before this */
    uint64_t taken_us;    /* when the last one was */
    uint64_t due_number;  /* of the newest write, when the ranges were taken; 0: there are none */
    bool is_quiet;        /* and whether nobody wrote then */
    bool was_low;         /* space, at the last look */
    uint64_t failures;    /* ranges that could not be reclaimed since the start */
    struct maintenance maintenance;
    /* what runs, or ran last; the pool's while it runs */
    uint32_t chain_id; /* 0: none ran */
    uint64_t serial;   /* of the chain; 0: it was the space of chains that were dropped, of these numbers */
    uint32_t gone_first;
    uint32_t gone_last;
    struct chain_marks marks;
    struct dropped dropped; /* what the chain had, and gets back if it fails */
    uint64_t freed_bytes;
    struct key_range ranges[RANGES_MAX];
    size_t range_count;
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
    reclaim->deletes_seen = reclaim->writes_seen = UINT64_MAX;
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

static void reclaim_run(struct pool_work *work)
{
    struct reclaim *reclaim = (struct reclaim *)work; /* its first member */
    assert(thread_is(THREAD_POOL));
    reclaim->result = ENGINE_OK;
    reclaim->freed_bytes = 0;
    for (size_t i = 0; i < reclaim->range_count; i++) { /* one may give the room that another lacked */
        const struct key_range *range = &reclaim->ranges[i];
        uint64_t freed_bytes = 0;
        if (engine_reclaim(reclaim->engine, key_slice(&range->from), key_slice(&range->to), reclaim->is_quiet,
                           &freed_bytes, &reclaim->failure) != ENGINE_OK) {
            reclaim->result = ENGINE_FAILED;
        }
        reclaim->freed_bytes += freed_bytes;
    }
}

/* ---- which ranges ---- */

static void add_range(struct reclaim *reclaim, struct key from, struct key to)
{
    assert(reclaim->range_count < RANGES_MAX);
    /* the engine takes none that ends before it begins */
    assert(slice_compare(key_slice(&from), key_slice(&to)) <= 0);
    reclaim->ranges[reclaim->range_count++] = (struct key_range){from, to};
}

static void add_kind(struct reclaim *reclaim, enum key_kind kind)
{
    add_range(reclaim, key_of_kind(reclaim->chain_id, kind), key_behind_kind(reclaim->chain_id, kind));
}

static void add_heights(struct reclaim *reclaim, enum key_kind kind, uint64_t first, uint64_t last)
{
    assert(first <= last);
    add_range(reclaim, key_of_height(reclaim->chain_id, kind, first),
              key_behind_height(reclaim->chain_id, kind, last));
}

static void add_blocks(struct reclaim *reclaim, uint64_t first, uint64_t last)
{
    add_heights(reclaim, KEY_DATA, first, last);
    add_heights(reclaim, KEY_HEADER, first, last);
    add_heights(reclaim, KEY_BOUND, first, last);
}

/* What the chain's marks say since the last time, and what requests dropped besides. */
static void add_chain(struct reclaim *reclaim, const struct chain *chain)
{
    const struct chain_marks *marks = &chain->marks;
    const struct dropped *dropped = &chain->dropped;
    bool is_first = !chain->is_looked_through;
    assert(reclaim->chain_id == chain->id && reclaim->range_count == 0);
    if (marks->blocks_swept > chain->blocks_reclaimed) {
        add_blocks(reclaim, chain->blocks_reclaimed + 1, marks->blocks_swept);
    }
    if (marks->states_from > chain->states_reclaimed) {
        add_heights(reclaim, KEY_STATE, 0, marks->states_from - 1);
    }
    if (is_first && marks->height < UINT64_MAX) {
        add_blocks(reclaim, marks->height + 1, UINT64_MAX);
    }
    if (dropped->blocks.count > 0) {
        add_blocks(reclaim, dropped->blocks.first, dropped->blocks.last);
    }
    if (is_first) {
        add_kind(reclaim, KEY_STATE);
    } else if (dropped->states.count > 0) {
        add_heights(reclaim, KEY_STATE, dropped->states.first, dropped->states.last);
    }
    if (is_first || dropped->names + dropped->deleted + dropped->ranges > 0) {
        add_kind(reclaim, KEY_METADATA);
    }
    if (dropped->hashes >= DROPPED_MANY) {
        add_kind(reclaim, KEY_HASH);
    }
    if (reclaim->range_count == 0) { /* there is only a rest, of no keys */
        struct key none = key_of_kind(chain->id, KEY_MARKS);
        add_range(reclaim, none, none);
    }
}

/* ---- one chain after the other ---- */

static void note_failure(struct reclaim *reclaim)
{
    reclaim->failures++;
    reclaim->due_us = thread_now_us() + RECLAIM_RETRY_US;
    event_reclaim_failed(reclaim->failure.text,
                         reclaim->serial != 0 ? reclaim->chain_id : reclaim->gone_first, reclaim->failures,
                         RECLAIM_RETRY_US / 1000000);
}

/* How long what is dropped of the chain next waits for more, as long as that is little. */
static uint64_t next_wait_us(uint64_t wait_us, uint64_t freed_bytes)
{
    assert(wait_us <= WAIT_US_MAX); /* it was given here, or is 0 */
    uint64_t longer_us = wait_us < WAIT_US_MIN ? WAIT_US_MIN : 2 * wait_us;
    longer_us = longer_us < WAIT_US_MAX ? longer_us : WAIT_US_MAX;
    return freed_bytes >= FREED_BYTES_MIN ? WAIT_US_MIN : longer_us;
}

static void reclaim_done(struct pool_work *work)
{
    struct reclaim *reclaim = (struct reclaim *)work;
    assert(thread_is(THREAD_LOOP) && work->state == POOL_IDLE); /* what ran is the loop's again */
    struct chain_set *chains = order_chains(reclaim->order);
    reclaim->maintenance.is_wanted = true;
    if (reclaim->is_stopped) {
        return; /* it was cut short: the next start has it due again */
    }
    if (reclaim->result != ENGINE_OK) {
        note_failure(reclaim);
    }
    if (reclaim->serial == 0) {
        if (reclaim->result != ENGINE_OK) {
            gone_add(chain_gone(chains), reclaim->gone_first, reclaim->gone_last);
        } else {
            order_forget_drops(reclaim->order, reclaim->gone_first, reclaim->gone_last);
        }
        return;
    }
    struct chain *chain = chain_by_id(chains, reclaim->chain_id);
    if (chain == NULL || chain->serial != reclaim->serial) {
        return; /* it was dropped meanwhile: all of its space is asked back */
    }
    if (reclaim->result != ENGINE_OK) {
        dropped_add(&chain->dropped, &reclaim->dropped);
        return;
    }
    assert(chain->blocks_reclaimed <= reclaim->marks.blocks_swept); /* no other run went further */
    chain->blocks_reclaimed = reclaim->marks.blocks_swept;
    chain->states_reclaimed = reclaim->marks.states_from;
    chain->is_looked_through = true;
    chain->has_rest = !reclaim->is_quiet;
    if (dropped_count(&reclaim->dropped) > 0) {
        chain->dropped_us = reclaim->taken_us;
        chain->dropped_wait_us = next_wait_us(chain->dropped_wait_us, reclaim->freed_bytes);
    }
}

static bool daemon_is_quiet(const struct reclaim *reclaim, uint64_t now_us)
{
    return now_us >= reclaim->written_us + QUIET_US;
}

static bool space_is_low(const struct reclaim *reclaim)
{
    enum space_state state = order_space_state(reclaim->order);
    return state == SPACE_SOFT || state == SPACE_HARD;
}

struct circumstances {
    bool is_quiet;
    bool is_low; /* space */
    uint64_t now_us;
};

static bool chain_is_due(const struct chain *chain, struct circumstances now)
{
    const struct dropped *dropped = &chain->dropped;
    bool is_marked = chain->marks.blocks_swept > chain->blocks_reclaimed ||
                     chain->marks.states_from > chain->states_reclaimed;
    bool is_much = dropped->is_rollback || dropped_count(dropped) - dropped->names >= DROPPED_MANY;
    uint64_t wait_us = chain->dropped_wait_us / (now.is_low ? LOW_WAIT_PART : 1);
    bool has_waited = chain->dropped_us == 0 || now.now_us >= chain->dropped_us + wait_us;
    bool may_be_much =
        has_waited && (dropped->ranges > 0 || (now.is_low && dropped_count(dropped) >= DROPPED_MANY));
    bool is_due_when_quiet =
        !chain->is_looked_through || chain->has_rest || (dropped_count(dropped) > 0 && has_waited);
    return chain->visible && (is_marked || is_much || may_be_much || (now.is_quiet && is_due_when_quiet));
}

/* The chain that is due and comes next behind the one that ran last, round and round; NULL: none is due. */
static struct chain *next_due(const struct reclaim *reclaim, uint64_t now_us)
{
    struct chain_set *chains = order_chains(reclaim->order);
    struct chain *chain = chain_by_id(chains, reclaim->chain_id);
    struct circumstances now = {daemon_is_quiet(reclaim, now_us), space_is_low(reclaim), now_us};
    for (uint32_t count = chain_count(chains); count > 0; count--) {
        chain = chain == NULL ? NULL : chain_next(chain);
        chain = chain == NULL ? chain_first(chains) : chain;
        assert(chain != NULL); /* the set has so many */
        if (chain_is_due(chain, now)) {
            return chain;
        }
    }
    return NULL;
}

/* Takes what is due of the chain, as of now. */
static void take_chain(struct reclaim *reclaim, struct chain *chain, uint64_t now_us)
{
    assert(reclaim->work.state == POOL_IDLE && reclaim->due_number == 0);
    assert(chain->visible); /* of one that is being made, requests have dropped nothing */
    reclaim->chain_id = chain->id;
    reclaim->serial = chain->serial;
    reclaim->taken_us = now_us;
    reclaim->is_quiet = daemon_is_quiet(reclaim, now_us);
    reclaim->marks = chain->marks;
    reclaim->range_count = 0;
    add_chain(reclaim, chain);
    reclaim->dropped = chain->dropped;
    chain->dropped = (struct dropped){0};
    reclaim->due_number = engine_space(reclaim->engine).newest_write;
}

/* Takes what chains that were dropped have left. False: nothing. */
static bool take_gone(struct reclaim *reclaim)
{
    struct gone *gone = chain_gone(order_chains(reclaim->order));
    assert(reclaim->work.state == POOL_IDLE && reclaim->due_number == 0);
    if (!gone_take(gone, &reclaim->gone_first, &reclaim->gone_last)) {
        return false;
    }
    reclaim->serial = 0;
    reclaim->range_count = 0;
    add_range(reclaim, key_of_chain(reclaim->gone_first), key_behind_chain(reclaim->gone_last));
    reclaim->due_number = engine_space(reclaim->engine).newest_write;
    return true;
}

/* Takes what is due, of a chain or of those that were dropped: the one after the other, if both are. */
static void take_due(struct reclaim *reclaim, uint64_t now_us)
{
    bool was_chain = reclaim->serial != 0;
    if (was_chain && take_gone(reclaim)) {
        return;
    }
    struct chain *chain = next_due(reclaim, now_us);
    if (chain != NULL) {
        take_chain(reclaim, chain, now_us);
    } else if (!was_chain) {
        (void)take_gone(reclaim);
    }
}

/* Whether a read that began before the ranges were taken goes on: it keeps what it sees. */
static bool is_held_by_a_read(const struct reclaim *reclaim)
{
    struct engine_space space = engine_space(reclaim->engine);
    assert(space.newest_write >= reclaim->due_number);
    return space.oldest_read < reclaim->due_number;
}

static void start(struct reclaim *reclaim)
{
    assert(!reclaim->is_stopped && reclaim->work.state == POOL_IDLE); /* the pool reads what was set */
    reclaim->due_number = 0;
    reclaim->work.run = reclaim_run;
    reclaim->work.done = reclaim_done;
    reclaim->work.may_take_minutes = true; /* a compaction */
    pool_submit(reclaim->pool, &reclaim->work, POOL_BACKGROUND);
    reclaim->maintenance.is_wanted = true;
}

/* Starts on the next chain, if one is due and none runs. Returns in how many microseconds to look again. */
static uint64_t reclaim_chains(struct reclaim *reclaim, uint64_t now_us)
{
    if (reclaim->work.state != POOL_IDLE || engine_found(reclaim->engine)->access != ENGINE_WRITES) {
        return UINT64_MAX;
    }
    bool is_low = space_is_low(reclaim);
    reclaim->due_us = is_low && !reclaim->was_low ? now_us : reclaim->due_us;
    reclaim->was_low = is_low;
    if (now_us < reclaim->due_us) {
        return reclaim->due_us - now_us;
    }
    if (reclaim->due_number == 0) {
        take_due(reclaim, now_us);
    }
    bool is_held = reclaim->due_number != 0 && is_held_by_a_read(reclaim);
    if (reclaim->due_number != 0 && !is_held) {
        start(reclaim);
        return UINT64_MAX;
    }
    uint64_t wait_us = is_held ? RECLAIM_HELD_US : is_low ? RECLAIM_LOW_US : RECLAIM_INTERVAL_US;
    reclaim->due_us = now_us + wait_us;
    return wait_us;
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

static uint64_t maintain_iterate(struct reclaim *reclaim, uint64_t now_us)
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
    pool_submit(reclaim->pool, &maintenance->work, POOL_BACKGROUND);
    return UINT64_MAX;
}

uint64_t reclaim_iterate(struct reclaim *reclaim, uint64_t now_us)
{
    assert(thread_is(THREAD_LOOP)); /* the chains' marks and the order's counters are the loop's */
    if (reclaim->is_stopped) {
        return UINT64_MAX;
    }
    const struct order_counters *counters = order_counters(reclaim->order);
    uint64_t deletes = counters->prunes + counters->sweeps + counters->rollbacks + counters->drops;
    uint64_t writes = deletes + counters->commits + counters->metadata_accepted;
    if (reclaim->deletes_seen != deletes) {
        reclaim->deletes_seen = deletes;
        reclaim->maintenance.is_wanted = true;
    }
    if (reclaim->writes_seen != writes) {
        reclaim->writes_seen = writes;
        reclaim->written_us = now_us;
    }
    uint64_t reclaim_us = reclaim_chains(reclaim, now_us);
    uint64_t maintain_us = maintain_iterate(reclaim, now_us);
    return reclaim_us < maintain_us ? reclaim_us : maintain_us;
}

void reclaim_stop(struct reclaim *reclaim)
{
    /* no call of reclaim_iterate is under way that could still start something */
    assert(thread_is(THREAD_LOOP));
    reclaim->is_stopped = true;
    engine_stop_maintenance(reclaim->engine);
}

void reclaim_end(struct reclaim *reclaim)
{
    assert(thread_is(THREAD_LOOP) && reclaim->is_stopped);
    if (reclaim->work.state != POOL_IDLE) {
        engine_end_maintenance(reclaim->engine);
    }
}
