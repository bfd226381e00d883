/* The sweep deletes what a prune could not reach by a range of heights, in slices so small that a commit behind one barely
 * notices. Its life:
 *
 * - A prune sets the mark `blocks_pruned`, by which readers go from then on, and deletes the ranges of data and states.
 * - First slices go through the header records of the pruned heights, and delete their entries of the hash index.
 * - Later slices go through the index of bound names, and delete the metadata bound to those heights.
 * - Then both kinds of records are deleted as ranges, and the mark `blocks_swept` follows `blocks_pruned`.
 *
 * A slice of a chain that was dropped meanwhile does nothing: a chain that is not there, and one that is made anew, has nothing to sweep.
 *
 * Failures: a slice that could not be read ends as STATUS_DAMAGED, and the chain's next job or the next start has it tried
 * again. After a restart, or a slice that the engine did not apply, the sweep begins again at `blocks_swept`. */
#include <assert.h>

#include "daemon/runtime/thread.h"
#include "daemon/writer/apply_internal.h"

enum { SWEEP_SLICE_KEYS = 1024 }; /* a slice reads no more, however quick; chosen */

static enum status sweep_header(struct apply *apply, struct job *job, struct slice key, struct slice value,
                                struct failure *failure)
{
    uint32_t chain = job->chain;
    uint64_t height;
    struct header_record record;
    assert(!apply->sweep.headers_done); /* the names bound to heights come behind them */
    if (!key_read_height(key, &height) || !record_read_header(value, &record)) {
        return apply_damaged(failure, "header record", chain);
    }
    job->counts.blocks++;
    return apply_drop_hash(apply, chain, record.hash, height, failure);
}

static enum status sweep_bound(struct apply *apply, struct job *job, struct slice key,
                               struct failure *failure)
{
    uint32_t chain = job->chain;
    assert(apply->sweep.headers_done); /* blocks go before what is bound to their heights */
    uint64_t height;
    struct slice name;
    struct metadata_value metadata;
    struct engine_value stored;
    if (!key_read_bound(key, &height, &name)) {
        return failure_set(failure, STATUS_DAMAGED, "damaged store: a bound name's key of %zu bytes",
                           key.bytes);
    }
    enum status status = apply_metadata_read(apply, chain, name, 0, &metadata, &stored, failure);
    if (status == STATUS_OK) {
        engine_value_release(&stored);
        if (metadata.present && metadata_is_pruned(metadata.of_height, apply->sweep.through)) {
            struct metadata_change change = {.kind = METADATA_DELETE};
            status = apply_metadata_change(apply, chain, name, change, 0, failure);
            job->counts.metadata++;
        }
    }
    return status;
}

static enum status set_position(struct sweep *sweep, struct slice key, struct failure *failure)
{
    if (key.bytes > sizeof sweep->position.data) {
        return failure_set(failure, STATUS_DAMAGED, "damaged store: a key of %zu bytes where blocks are",
                           key.bytes);
    }
    assert(slice_compare(key, key_slice(&sweep->position)) >= 0); /* a sweep never goes back, so it ends */
    sweep->position.bytes = key.bytes;
    memcpy(sweep->position.data, key.data, key.bytes);
    return STATUS_OK;
}

/* Sweeps keys of that kind from sweep->position on: at most a slice of them, and none once the slice's time is over. *ret_done
 * says whether it came to the last one. */
static enum status sweep_kind(struct apply *apply, struct job *job, enum key_kind kind, bool *ret_done,
                              struct failure *failure)
{
    assert(apply->sweep.position.bytes > 0); /* sweep_apply began the sweep or resumes it */
    uint32_t chain = job->chain;
    uint64_t until_ns = thread_now_ns() + job->sweep_ns;
    bool is_over = false;
    struct sweep *sweep = &apply->sweep;
    struct key to = key_behind_height(chain, kind, sweep->through);
    struct engine_range range = {.from = key_slice(&sweep->position), .to = key_slice(&to)};
    struct engine_cursor *cursor = engine_cursor_open(apply->engine, NULL, &range);
    struct slice key, value;
    enum engine_result result = apply_cursor_next(cursor, &key, &value, failure);
    enum status status = STATUS_OK;
    for (int i = 0; i < SWEEP_SLICE_KEYS && !is_over && result == ENGINE_OK && status == STATUS_OK; i++) {
        status = kind == KEY_HEADER ? sweep_header(apply, job, key, value, failure)
                                    : sweep_bound(apply, job, key, failure);
        if (status == STATUS_OK) {
            result = apply_cursor_next(cursor, &key, &value, failure);
        }
        is_over = thread_now_ns() >= until_ns;
    }
    *ret_done = result == ENGINE_NOT_FOUND;
    if (result == ENGINE_FAILED) {
        status = STATUS_DAMAGED;
    } else if (result == ENGINE_OK && status == STATUS_OK) {
        status = set_position(sweep, key, failure);
    }
    engine_cursor_close(cursor);
    return status;
}

static void finish(struct apply *apply, uint32_t chain)
{
    struct chain_marks *marks = &apply->next.marks;
    assert(apply->sweep.headers_done && apply->sweep.through <= marks->blocks_pruned);
    static const enum key_kind kinds[] = {KEY_HEADER, KEY_BOUND};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct key from = key_behind_height(chain, kinds[i], marks->blocks_swept);
        struct key to = key_behind_height(chain, kinds[i], apply->sweep.through);
        write_set_delete_range(apply->set, &from, &to);
    }
    marks->blocks_swept = apply->sweep.through;
    apply->sweep = (struct sweep){0};
}

enum status sweep_apply(struct apply *apply, struct job *job, struct failure *failure)
{
    assert(job->kind == JOB_SWEEP && job->metadata_count == 0);
    struct sweep *sweep = &apply->sweep;
    struct chain_marks *marks = &apply->next.marks;
    enum status status = STATUS_OK;
    bool done = false;
    job->counts = (struct job_counts){0};
    job->swept_all = marks->blocks_swept == marks->blocks_pruned;
    if (job->swept_all) { /* of a chain that was dropped since it was asked for */
        return STATUS_OK;
    }
    *sweep = apply->sweeps[job->chain];
    if (sweep->through == 0) {
        sweep->through = marks->blocks_pruned;
        sweep->headers_done = false;
        sweep->position = key_behind_height(job->chain, KEY_HEADER, marks->blocks_swept);
    }
    if (!sweep->headers_done) {
        status = sweep_kind(apply, job, KEY_HEADER, &done, failure);
        if (done) {
            sweep->headers_done = true;
            sweep->position = key_behind_height(job->chain, KEY_BOUND, marks->blocks_swept);
        }
    } else {
        status = sweep_kind(apply, job, KEY_BOUND, &done, failure);
        if (status == STATUS_OK && done) {
            finish(apply, job->chain);
        }
    }
    if (status == STATUS_OK) {
        apply->sweeps[job->chain] = *sweep;
    }
    job->swept_all = marks->blocks_swept == marks->blocks_pruned;
    return status;
}
