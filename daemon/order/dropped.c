/* Its life: the order adds what each job and each metadata group dropped, when it is published; reclaim takes it with what it starts
 * on and begins a new one. What a run does not come to, the next one asks for of each chain as a whole. */
#include "daemon/order/dropped.h"

#include <assert.h>

static void add_heights(struct dropped_heights *heights, uint64_t first, uint64_t last, uint64_t count)
{
    assert(first <= last);
    if (count == 0) {
        return;
    }
    bool is_first = heights->count == 0;
    heights->first = is_first || first < heights->first ? first : heights->first;
    heights->last = is_first || last > heights->last ? last : heights->last;
    heights->count += count;
    assert(heights->first <= heights->last); /* the range that is asked for */
}

uint64_t dropped_count(const struct dropped *dropped)
{
    return dropped->blocks.count + dropped->states.count + dropped->names + dropped->deleted +
           dropped->ranges + dropped->hashes;
}

void dropped_add(struct dropped *dropped, const struct dropped *other)
{
    add_heights(&dropped->blocks, other->blocks.first, other->blocks.last, other->blocks.count);
    add_heights(&dropped->states, other->states.first, other->states.last, other->states.count);
    dropped->names += other->names;
    dropped->deleted += other->deleted;
    dropped->ranges += other->ranges;
    dropped->hashes += other->hashes;
    dropped->is_rollback |= other->is_rollback;
}

void dropped_by_name(struct dropped *dropped, enum metadata_kind kind)
{
    dropped->deleted += kind == METADATA_DELETE;
    dropped->ranges += kind == METADATA_DELETE_RANGE;
    dropped->names += kind != METADATA_DELETE && kind != METADATA_DELETE_RANGE;
}

static void by_commit(struct dropped *dropped, struct dropped_tops *tops, const struct job_commit *commit)
{
    for (size_t i = 0; i < commit->block_count; i++) {
        uint64_t height = commit->blocks[i].height;
        bool replaces = height <= tops->block;
        add_heights(&dropped->blocks, height, height, replaces);
        dropped->hashes += replaces;
        tops->block = replaces ? tops->block : height;
    }
    for (size_t i = 0; i < commit->delete_block_count; i++) {
        add_heights(&dropped->blocks, commit->delete_blocks[i], commit->delete_blocks[i], 1);
        dropped->hashes++;
    }
    for (size_t i = 0; i < commit->state_count; i++) {
        uint64_t height = commit->states[i].height;
        bool replaces = tops->has_state && height <= tops->state;
        add_heights(&dropped->states, height, height, replaces);
        tops->state = replaces ? tops->state : height;
        tops->has_state = true;
    }
    for (size_t i = 0; i < commit->delete_state_count; i++) {
        add_heights(&dropped->states, commit->delete_states[i], commit->delete_states[i], 1);
    }
}

static void by_rollback(struct dropped *dropped, struct dropped_tops *tops, const struct job *job)
{
    const struct job_counts *counts = &job->counts;
    uint64_t above = job->rollback.to + 1;
    if (above == 0) {
        return; /* nothing lies above the greatest height */
    }
    add_heights(&dropped->blocks, above, UINT64_MAX, counts->blocks + counts->metadata);
    add_heights(&dropped->states, above, UINT64_MAX, counts->states);
    dropped->hashes += counts->blocks;
    dropped->deleted += counts->metadata;
    dropped->is_rollback |= counts->blocks + counts->states + counts->metadata > 0;
    tops->block = job->rollback.to < tops->block ? job->rollback.to : tops->block;
    tops->state = job->rollback.to < tops->state ? job->rollback.to : tops->state;
}

void dropped_by_job(struct dropped *dropped, struct dropped_tops *tops, const struct job *job)
{
    assert(job->status == STATUS_OK); /* a refused one dropped nothing */
    for (size_t i = 0; i < job->metadata_count; i++) {
        dropped_by_name(dropped, job->metadata[i].kind);
    }
    switch (job->kind) {
    case JOB_COMMIT:
        by_commit(dropped, tops, &job->commit);
        return;
    case JOB_ROLLBACK:
        by_rollback(dropped, tops, job);
        return;
    case JOB_SWEEP:
        dropped->hashes += job->counts.blocks;
        dropped->deleted += job->counts.metadata;
        return;
    case JOB_PRUNE: /* the chain's marks say what it dropped */
    case JOB_CREATE_CHAIN:
    case JOB_CLAIM:
    case JOB_PRESENT:
    case JOB_RELEASE:
    case JOB_DROP_CHAIN: /* its number says it */
    case JOB_FORGET_DROPS:
    case JOB_RESERVE:
        return;
    }
    assert(false);
}
