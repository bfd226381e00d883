/* A preview's life:
 *
 * - It is made on the loop, with a copy of what is queued for the chain at that instant: names are copied, values are held.
 * - Steps on the pool first judge it, as the writer would: a prune by the chain's marks, a rollback by them, by the state at its
 *   target and by each guard. Then it is known which heights would go.
 * - Further steps count what lies at these: blocks, states, names that are bound there on disk, and names that the queue
 *   binds there. The index of bound names also holds bindings that were replaced since: a name counts where its own record
 *   says it is bound, so that each counts once. A guard that would be lowered stays.
 * - It is freed on the loop, where the held values are given back.
 *
 * Ways to fail: what stands against the job, or cannot be read or understood, ends it with a text. */
#include "daemon/read/preview.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/lanes/prune_rule.h"
#include "daemon/lanes/rollback_rule.h"
#include "daemon/read/queue_copy.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/schema/key.h"

enum { STEP_KEYS = 2048 }; /* chosen: some milliseconds where memory has them */

enum stage {
    STAGE_TARGET,
    STAGE_GUARDS,
    STAGE_BLOCKS,
    STAGE_STATES,
    STAGE_BOUND,
    STAGE_QUEUED,
    STAGE_OVER,
};

/* Heights that would go, both included. */
struct preview_heights {
    bool any;
    uint64_t first;
    uint64_t last;
};

struct preview {
    /* fixed once made */
    struct fetch fetch;
    const struct job *job;
    const struct job_guard *guards; /* of a rollback */
    size_t guard_count;
    struct queue_copy queue; /* by name */
    /* one thread at a time: the pool while a step runs, else the loop */
    enum stage stage;
    struct preview_heights blocks; /* known behind the first stage, and what is bound to these goes too */
    struct preview_heights states; /* likewise */
    size_t position;               /* in the guards, or in what is queued */
    struct slice *lowered;         /* names of guards that would be lowered; by name once all are judged */
    struct engine_cursor *cursor;
    struct job_counts counts;
};

static int compare_names(const void *left, const void *right)
{
    return slice_compare(*(const struct slice *)left, *(const struct slice *)right);
}

/* ---- life ---- */

static void take_queued(void *context, struct slice name, struct metadata_change change)
{
    struct preview *preview = context;
    queue_copy_add(&preview->queue, name, change);
}

struct preview *preview_new(const struct fetch *fetch, struct pending *pending, const struct job *job)
{
    assert(job->kind == JOB_PRUNE || job->kind == JOB_ROLLBACK); /* which members of its union are set */
    assert(thread_is(THREAD_LOOP));                              /* the queue that it copies is the loop's */
    assert(fetch->cache == NULL);                                /* that is the loop's, and the pool reads */
    assert(fetch->chain > 0); /* keys of chain 0 are the daemon's own, no client's */
    struct preview *preview = memory_new(sizeof *preview);
    preview->fetch = *fetch;
    preview->queue.pending = pending;
    preview->job = job;
    if (job->kind == JOB_ROLLBACK) {
        preview->guards = job->rollback.guards;
        preview->guard_count = job->rollback.guard_count;
    }
    preview->lowered = memory_try_raw(preview->guard_count * sizeof preview->lowered[0]);
    pending_each(pending, fetch->chain, slice_of(NULL, 0), take_queued, preview);
    queue_copy_sort(&preview->queue, false);
    return preview;
}

void preview_free(struct preview *preview)
{
    if (preview == NULL) {
        return;
    }
    queue_copy_close(&preview->queue);
    free(preview->lowered);
    engine_cursor_close(preview->cursor);
    free(preview);
}

uint64_t preview_bytes(const struct preview *preview)
{
    return preview->queue.bytes;
}

/* ---- reading ---- */

static enum status damaged(const struct preview *preview, const char *what, struct failure *failure)
{
    return failure_set(failure, STATUS_DAMAGED, "damaged store: a %s of chain number %u cannot be understood",
                       what, preview->fetch.chain);
}

/* STATUS_OK, STATUS_NOT_FOUND or STATUS_DAMAGED. */
static enum status get(const struct preview *preview, const struct key *key, struct engine_value *ret_value,
                       struct failure *failure)
{
    assert(thread_is(THREAD_POOL)); /* it may wait for the device */
    switch (engine_get(preview->fetch.engine, preview->fetch.point, ENGINE_MAY_BLOCK, key_slice(key),
                       ret_value, failure)) {
    case ENGINE_OK:
        return STATUS_OK;
    case ENGINE_NOT_FOUND:
        return STATUS_NOT_FOUND;
    default:
        failure->status = STATUS_DAMAGED;
        return STATUS_DAMAGED;
    }
}

/* A name's value, and the memory that it lies in. */
struct held_value {
    struct metadata_value value;
    struct engine_value stored; /* to be released */
    uint8_t number[8];
};

/* What the name holds on disk, with the change on top of it. */
static enum status read_name(const struct preview *preview, struct slice name, struct metadata_change change,
                             struct held_value *ret_held, struct failure *failure)
{
    struct metadata_value before = {0};
    uint64_t pruned = preview->fetch.marks.blocks_pruned;
    assert(change.kind != METADATA_RAISE); /* it is folded into change.raise */
    ret_held->stored = (struct engine_value){0};
    if (change.kind == METADATA_NONE) {
        struct key key;
        key_set_name(&key, preview->fetch.chain, KEY_METADATA, name);
        enum status status = get(preview, &key, &ret_held->stored, failure);
        if (status == STATUS_DAMAGED) {
            return status;
        }
        before.present = status == STATUS_OK;
        if (before.present &&
            !record_read_metadata(ret_held->stored.bytes, &before.of_height, &before.value)) {
            engine_value_release(&ret_held->stored);
            return damaged(preview, "metadata record", failure);
        }
    }
    ret_held->value = metadata_after(change, before, pruned, ret_held->number);
    return STATUS_OK;
}

/* ---- judging ---- */

static enum status has_any_state(const struct preview *preview, bool *ret_has, struct failure *failure)
{
    struct key from = key_of_height(preview->fetch.chain, KEY_STATE, preview->fetch.marks.states_from);
    struct key to = key_behind_kind(preview->fetch.chain, KEY_STATE);
    struct engine_range range = {.from = key_slice(&from), .to = key_slice(&to)};
    struct engine_cursor *cursor = engine_cursor_open(preview->fetch.engine, preview->fetch.point, &range);
    struct slice key, value;
    enum engine_result result = engine_cursor_next(cursor, &key, &value, failure);
    engine_cursor_close(cursor);
    *ret_has = result == ENGINE_OK;
    if (result == ENGINE_FAILED) {
        failure->status = STATUS_DAMAGED;
        return STATUS_DAMAGED;
    }
    return STATUS_OK;
}

static enum status judge_target(const struct preview *preview, uint64_t to, struct failure *failure)
{
    enum status status = rollback_rule_target(&preview->fetch.marks, to, failure);
    if (status != STATUS_OK) {
        return status;
    }
    struct key key = key_of_height(preview->fetch.chain, KEY_STATE, to);
    struct engine_value state = {0};
    bool has_any;
    status = get(preview, &key, &state, failure);
    engine_value_release(&state);
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    status = has_any_state(preview, &has_any, failure);
    return status == STATUS_OK ? rollback_rule_no_state(has_any, to, failure) : status;
}

static enum status judge_prune(struct preview *preview, struct failure *failure)
{
    const struct chain_marks *marks = &preview->fetch.marks;
    const struct job_prune *prune = &preview->job->prune;
    enum status status = prune_rule(marks, prune, failure);
    if (status == STATUS_OK) {
        preview->blocks.any = prune_rule_blocks(marks, prune, &preview->blocks.first, &preview->blocks.last);
        preview->states.any = prune_rule_states(marks, prune, &preview->states.first, &preview->states.last);
    }
    return status;
}

/* Validates all but the guards, and finds which heights would go. */
static enum status judge(struct preview *preview, struct failure *failure)
{
    if (preview->job->kind == JOB_PRUNE) {
        return judge_prune(preview, failure);
    }
    uint64_t to = preview->job->rollback.to;
    if (to < UINT64_MAX) {
        preview->blocks = preview->states = (struct preview_heights){true, to + 1, UINT64_MAX};
    }
    return judge_target(preview, to, failure);
}

static enum status judge_guard(struct preview *preview, const struct job_guard *guard,
                               struct failure *failure)
{
    const struct queue_copy_entry *queued = queue_copy_find(&preview->queue, guard->name);
    struct metadata_change change = queued != NULL ? queued->change : (struct metadata_change){0};
    struct held_value held;
    bool is_above;
    enum status status = read_name(preview, guard->name, change, &held, failure);
    if (status != STATUS_OK) {
        return status;
    }
    status = rollback_rule_guard(guard, held.value, preview->job->rollback.to, &is_above, failure);
    engine_value_release(&held.stored);
    if (status == STATUS_OK && is_above) {
        assert(preview->counts.lowered < preview->guard_count); /* each guard adds one at most */
        preview->lowered[preview->counts.lowered++] = guard->name;
    }
    return status;
}

/* Sorts the lowered names and keeps each once: several guards may have the same name. */
static void sort_lowered(struct preview *preview)
{
    uint64_t count = 0, all = preview->counts.lowered;
    assert(all <= preview->guard_count && preview->stage == STAGE_GUARDS);
    if (all > 0) {
        qsort(preview->lowered, all, sizeof preview->lowered[0], compare_names);
    }
    for (uint64_t i = 0; i < all; i++) {
        if (count == 0 || !slice_equal(preview->lowered[count - 1], preview->lowered[i])) {
            preview->lowered[count++] = preview->lowered[i];
        }
    }
    preview->counts.lowered = count;
}

static bool is_lowered(const struct preview *preview, struct slice name)
{
    assert(preview->stage > STAGE_GUARDS); /* they are sorted */
    return preview->counts.lowered > 0 &&
           bsearch(&name, preview->lowered, preview->counts.lowered, sizeof name, compare_names) != NULL;
}

/* ---- counting ---- */

/* A name that the queue changes is counted with the queue. */
static enum status count_bound(struct preview *preview, struct slice key, struct failure *failure)
{
    uint64_t height;
    struct slice name;
    struct held_value held;
    if (!key_read_bound(key, &height, &name)) {
        return damaged(preview, "bound name's key", failure);
    }
    if (queue_copy_find(&preview->queue, name) != NULL || is_lowered(preview, name)) {
        return STATUS_OK;
    }
    enum status status = read_name(preview, name, (struct metadata_change){0}, &held, failure);
    if (status == STATUS_OK) {
        preview->counts.metadata += held.value.present && held.value.of_height == height;
        engine_value_release(&held.stored);
    }
    return status;
}

static enum status count_queued(struct preview *preview, const struct queue_copy_entry *queued,
                                struct failure *failure)
{
    struct held_value held;
    struct slice name = queue_copy_name(queued);
    if (is_lowered(preview, name)) {
        return STATUS_OK;
    }
    enum status status = read_name(preview, name, queued->change, &held, failure);
    if (status == STATUS_OK) {
        preview->counts.metadata += held.value.present && held.value.of_height >= preview->blocks.first &&
                                    held.value.of_height <= preview->blocks.last;
        engine_value_release(&held.stored);
    }
    return status;
}

static enum status count_block(struct preview *preview, struct slice key, struct slice value,
                               struct failure *failure)
{
    uint64_t height;
    struct header_record record;
    if (!key_read_height(key, &height) || !record_read_header(value, &record)) {
        return damaged(preview, "header record", failure);
    }
    preview->counts.blocks++;
    return STATUS_OK;
}

static enum status count_key(struct preview *preview, struct slice key, struct slice value,
                             struct failure *failure)
{
    switch (preview->stage) {
    case STAGE_BLOCKS:
        return count_block(preview, key, value, failure);
    case STAGE_STATES:
        preview->counts.states++;
        return STATUS_OK;
    default:
        assert(preview->stage == STAGE_BOUND);
        return count_bound(preview, key, failure);
    }
}

/* Walks on over what lies at those heights of that kind; at its end the next stage begins. */
static enum status walk(struct preview *preview, enum key_kind kind, const struct preview_heights *heights,
                        struct failure *failure)
{
    assert(preview->stage >= STAGE_BLOCKS && preview->stage <= STAGE_BOUND); /* one behind the other */
    if (!heights->any) {
        preview->stage++;
        return STATUS_OK;
    }
    if (preview->cursor == NULL) {
        struct key from = key_of_height(preview->fetch.chain, kind, heights->first);
        struct key to = key_behind_height(preview->fetch.chain, kind, heights->last);
        struct engine_range range = {.from = key_slice(&from), .to = key_slice(&to), .is_long = true};
        preview->cursor = engine_cursor_open(preview->fetch.engine, preview->fetch.point, &range);
    }
    enum engine_result result = ENGINE_OK;
    enum status status = STATUS_OK;
    struct slice key, value;
    for (int i = 0; i < STEP_KEYS && status == STATUS_OK && result == ENGINE_OK; i++) {
        result = engine_cursor_next(preview->cursor, &key, &value, failure);
        if (result == ENGINE_OK) {
            status = count_key(preview, key, value, failure);
        }
    }
    if (result == ENGINE_FAILED) {
        failure->status = status = STATUS_DAMAGED;
    } else if (result == ENGINE_NOT_FOUND) {
        engine_cursor_close(preview->cursor);
        preview->cursor = NULL;
        preview->stage++;
    } else {
        engine_cursor_park(preview->cursor, false);
    }
    return status;
}

static enum status go_on_with_guards(struct preview *preview, struct failure *failure)
{
    assert(preview->position <= preview->guard_count);
    enum status status = STATUS_OK;
    for (int i = 0; i < STEP_KEYS && preview->position < preview->guard_count; i++) {
        status = judge_guard(preview, &preview->guards[preview->position++], failure);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (preview->position == preview->guard_count) {
        sort_lowered(preview);
        preview->position = 0;
        preview->stage = STAGE_BLOCKS;
    }
    return STATUS_OK;
}

static enum status go_on_with_queued(struct preview *preview, struct failure *failure)
{
    assert(preview->position <= preview->queue.count && preview->cursor == NULL); /* no walk is left open */
    enum status status = STATUS_OK;
    size_t count = preview->blocks.any ? preview->queue.count : 0;
    for (int i = 0; i < STEP_KEYS && preview->position < count && status == STATUS_OK; i++) {
        status = count_queued(preview, &preview->queue.entries[preview->position++], failure);
    }
    if (preview->position == count) {
        preview->stage = STAGE_OVER;
    }
    return status;
}

static enum status go_on(struct preview *preview, struct failure *failure)
{
    switch (preview->stage) {
    case STAGE_TARGET:
        preview->stage = STAGE_GUARDS;
        return judge(preview, failure);
    case STAGE_GUARDS:
        return go_on_with_guards(preview, failure);
    case STAGE_BLOCKS:
        return walk(preview, KEY_HEADER, &preview->blocks, failure);
    case STAGE_STATES:
        return walk(preview, KEY_STATE, &preview->states, failure);
    case STAGE_BOUND:
        return walk(preview, KEY_BOUND, &preview->blocks, failure);
    case STAGE_QUEUED:
        return go_on_with_queued(preview, failure);
    case STAGE_OVER:
        assert(false); /* the step that came here said that it is done */
    }
    return STATUS_INVALID;
}

enum preview_result preview_step(struct preview *preview, struct job_counts *ret_counts,
                                 struct failure *failure)
{
    assert(thread_is(THREAD_POOL));
    if (preview->lowered == NULL || preview->queue.is_short) {
        failure_set(failure, STATUS_BUSY, "there is no memory for the names in question: try again later");
        return PREVIEW_REFUSED;
    }
    if (go_on(preview, failure) != STATUS_OK) {
        return PREVIEW_REFUSED;
    }
    if (preview->stage != STAGE_OVER) {
        return PREVIEW_GOES_ON;
    }
    *ret_counts = preview->counts;
    return PREVIEW_DONE;
}
