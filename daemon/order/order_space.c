/* What is refused for want of space: before it has a number, so that nothing of it is applied.
 *
 * - Each write that is accepted is counted with the bytes that it takes of the log, about.
 * - A look at the file system says what is free as of its begin; what was accepted since, or was in flight then, is added to what may
 *   still be taken. So a burst that is faster than the looks is refused in time.
 * - A refusal between two looks begins the state (order_space_state), although no look has found so little space. The next look keeps the
 *   state unless there is as much space as ends it.
 *
 * Failures: none of its own. Before the first look nothing is refused. */
#include <assert.h>

#include "daemon/observe/metrics.h"
#include "daemon/order/order_internal.h"
#include "daemon/runtime/thread.h"

/* Keys and records beside what the client gave, at most; from the layouts in FORMAT.md. */
enum {
    BLOCK_EXTRA_BYTES = 256, /* header, data and hash index */
    ENTRY_EXTRA_BYTES = 64,  /* a state, a name, or one that is deleted */
};

static uint64_t pending_space(const struct order *order)
{
    assert(order->accepted_bytes >= order->space_counted);
    return order->accepted_bytes - order->space_counted;
}

/* A look that begins now sees all that was accepted but what is still in flight, which is written only later. */
uint64_t order_space_counted(const struct order *order)
{
    uint64_t in_flight = order->job_bytes + pending_bytes(order->pending) +
                         pending_operations(order->pending) * ENTRY_EXTRA_BYTES;
    assert(thread_is(THREAD_LOOP));
    return order->accepted_bytes > in_flight ? order->accepted_bytes - in_flight : 0;
}

void order_note_space(struct order *order, const struct space_look *look, uint64_t counted)
{
    assert(thread_is(THREAD_LOOP));
    assert(counted <= order->accepted_bytes); /* it was read from there */
    order->space = *look;
    order->space_counted = counted;
    enum space_state before = order->space_state;
    before = before < order->space_refused ? order->space_refused : before;
    order->space_refused = SPACE_ENOUGH;
    order->space_state = space_judge(look, pending_space(order), before);
    order->space_spare = order->space_state == SPACE_ENOUGH ? space_spare(look) : 0;
    /* a sweep may have ended for want of it */
    if (before != SPACE_ENOUGH && order->space_state == SPACE_ENOUGH) {
        for (struct chain *chain = chain_first(order->chains); chain != NULL; chain = chain_next(chain)) {
            order_sweep_chain(order, chain);
        }
    }
}

enum space_state order_space_state(const struct order *order)
{
    assert(thread_is(THREAD_LOOP));
    return order->space_state;
}

/* Says from when on it is taken again, which is more than would have been enough before the first refusal. */
static bool refuse(struct order *order, const char *what, uint64_t bytes, enum space_state until,
                   struct failure *failure)
{
    metrics_add(METRIC_SPACE_REFUSED, 1);
    assert(until == SPACE_SOFT || until == SPACE_HARD);
    order->space_refused = order->space_refused < until ? until : order->space_refused;
    if (order->space_state == SPACE_NONE) {
        failure_set(
            failure, STATUS_NO_SPACE,
            "%s: the store could only be opened for reading, as there is no space on the file system of "
            "the data directory: free some, and it is opened for writing within a second",
            what);
        return false;
    }
    if (order->space.lacks_files) {
        failure_set(
            failure, STATUS_NO_SPACE,
            "%s: the file system of the data directory has next to no files (inodes) left: remove some "
            "there, or prune, or drop a chain; reads, and what fits into the log that is there, go on",
            what);
        return false;
    }
    if (order->space.is_refused) {
        failure_set(
            failure, STATUS_NO_SPACE,
            "%s: the file system of the data directory gives no more than %lu MiB of what is free, as behind "
            "a quota: raise that, or prune, or drop a chain; reads, prunes, rollbacks, drops and deletes go "
            "on",
            what, order->space.free_bytes >> 20);
        return false;
    }
    failure_set(failure, STATUS_NO_SPACE,
                "%s: %lu MiB are free for it on the file system of the data directory, and it is taken again "
                "from %lu on: free space there, "
                "or prune, or drop a chain; reads, prunes, rollbacks, drops and deletes go on",
                what, space_free(&order->space) >> 20, (space_wanted(&order->space, bytes, until) >> 20) + 1);
    return false;
}

/* ---- metadata ---- */

static bool only_deletes(const struct metadata_operation *operations, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (operations[i].kind != METADATA_DELETE && operations[i].kind != METADATA_DELETE_RANGE) {
            return false;
        }
    }
    return true;
}

static uint64_t request_bytes(struct pending_request request)
{
    return request.bytes + request.count * ENTRY_EXTRA_BYTES;
}

bool order_queue_lacks_room(const struct order *order)
{
    assert(thread_is(THREAD_LOOP));
    /* what found no room is still queued */
    assert(!order->queue_lacks_room || pending_operations(order->pending) > 0);
    return order->queue_lacks_room;
}

bool order_has_space_for(struct order *order, struct pending_request request, uint64_t resend_of,
                         struct failure *failure)
{
    uint64_t bytes = pending_space(order) + request_bytes(request);
    if (order_queue_lacks_room(order)) {
        metrics_add(METRIC_SPACE_REFUSED, 1);
        failure_set(
            failure, STATUS_NO_SPACE,
            "metadata is not taken, deletes neither: what was accepted before finds no room on the file "
            "system of the data directory, nor in what was set aside there: free space there");
        return false;
    }
    if (bytes < order->space_spare) {
        return true;
    }
    enum space_state state = space_judge(&order->space, bytes, order->space_state);
    bool passes = resend_of != 0 || only_deletes(request.operations, request.count);
    return state == SPACE_ENOUGH || (state != SPACE_NONE && passes) ||
           refuse(order, "metadata is not taken", bytes, SPACE_SOFT, failure);
}

void order_count_metadata(struct order *order, struct pending_request request)
{
    assert(thread_is(THREAD_LOOP));
    order->accepted_bytes += request_bytes(request);
}

/* ---- jobs ---- */

static uint64_t metadata_bytes(const struct metadata_operation *operations, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += operations[i].name.bytes + operations[i].value.bytes + ENTRY_EXTRA_BYTES;
    }
    return bytes;
}

static uint64_t commit_bytes(const struct job_commit *commit)
{
    uint64_t bytes = (commit->state_count + commit->delete_state_count) * ENTRY_EXTRA_BYTES +
                     (commit->block_count + commit->delete_block_count) * BLOCK_EXTRA_BYTES;
    for (size_t i = 0; i < commit->block_count; i++) {
        const struct job_block *block = &commit->blocks[i];
        bytes += block->header.bytes + block->data.bytes + block->signature.bytes + block->hash.bytes;
    }
    for (size_t i = 0; i < commit->state_count; i++) {
        bytes += commit->states[i].value.bytes;
    }
    return bytes;
}

static bool always_passes(const struct order *order, const struct job *job)
{
    assert(!job_is_own(job->kind)); /* the order's own are not asked about */
    const struct job_commit *commit = &job->commit;
    if (job->kind != JOB_COMMIT) {
        return job->kind != JOB_CREATE_CHAIN;
    }
    const struct chain *chain = chain_by_id(order->chains, job->chain);
    if (chain != NULL && chain_claim_may_have_applied(&chain->claim, job->number)) {
        return true; /* refused, it would be said not to be applied */
    }
    return commit->block_count == 0 && commit->state_count == 0 && commit->rise_to == 0 &&
           only_deletes(job->metadata, job->metadata_count);
}

bool order_admits(struct order *order, struct job *job, struct failure *failure)
{
    assert(thread_is(THREAD_LOOP));
    assert(job->sequence == 0); /* a refused one has used none */
    job->bytes = ENTRY_EXTRA_BYTES + metadata_bytes(job->metadata, job->metadata_count) +
                 (job->kind == JOB_COMMIT ? commit_bytes(&job->commit) : 0);
    uint64_t bytes = pending_space(order) + job->bytes;
    if (bytes < order->space_spare) {
        return true;
    }
    enum space_state state = space_judge(&order->space, bytes, order->space_state);
    return state < SPACE_HARD || (state != SPACE_NONE && always_passes(order, job)) ||
           refuse(order, "the write is not taken", bytes, SPACE_HARD, failure);
}
