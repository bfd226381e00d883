/* What the writer did, made visible: completions are published in the order in which they were handed back, each in one step.
 * One that failed latches: what it wrote is in doubt, and nothing is acknowledged from there on. */
#include <assert.h>
#include <stdlib.h>

#include "daemon/observe/event.h"
#include "daemon/observe/metrics.h"
#include "daemon/order/order_internal.h"
#include "daemon/runtime/thread.h"
#include "daemon/writer/schedule.h"

/* Chosen. */
enum {
    SPACE_LACKING_LOG_US = 60000000, /* between two lines of the log about the same want of space */
    RANGES_LOOKED_FOR_MAX = 8,       /* in the record cache, of one job */
};

static void sweep_done(struct job *job)
{
    struct order *order = job->owner;
    struct chain *chain = (struct chain *)((char *)job - offsetof(struct chain, sweep));
    assert(chain->sweeping); /* it is free for the next slice */
    chain->sweeping = false;
    if (chain->is_removed) {
        chain_free_removed(order->chains, chain);
    } else if (job->status == STATUS_OK) {
        order_sweep_chain(order, chain);
    }
}

void order_sweep_chain(struct order *order, struct chain *chain)
{
    if (chain->sweeping || order->stopping || order->failed ||
        chain->marks.blocks_swept >= chain->marks.blocks_pruned) {
        return;
    }
    chain->sweeping = true;
    chain->sweep = (struct job){
        .kind = JOB_SWEEP,
        .level = LEVEL_WRITTEN,
        .chain = chain->id,
        .done = sweep_done,
        .owner = order,
    };
    writer_submit(order->writer, &chain->sweep);
}

static void count_job(struct order_counters *counters, const struct job *job)
{
    bool is_refused = job->status != STATUS_OK;
    counters->refused += is_refused && job->sequence != 0;
    counters->claims_decided += job->kind == JOB_CLAIM || job->kind == JOB_RELEASE;
    counters->repeated += job->is_repeated && !is_refused;
    is_refused |= job->is_repeated; /* it is counted by that alone */
    counters->commits += job->kind == JOB_COMMIT && !is_refused;
    counters->prunes += job->kind == JOB_PRUNE && !is_refused;
    counters->sweeps += job->kind == JOB_SWEEP && !is_refused && job->swept_all;
    counters->rollbacks += job->kind == JOB_ROLLBACK && !is_refused;
    counters->drops += job->kind == JOB_DROP_CHAIN && !is_refused;
}

static void forget_names(struct order *order, uint32_t chain, const struct metadata_operation *operation)
{
    struct key key;
    key_set_name(&key, chain, KEY_METADATA, operation->name);
    if (operation->kind != METADATA_DELETE_RANGE) {
        record_cache_forget(order->cache, &key);
        return;
    }
    struct key to = operation->has_to ? key_of_name(chain, KEY_METADATA, operation->to)
                                      : key_behind_kind(chain, KEY_METADATA);
    record_cache_forget_range(order->cache, &key, &to);
}

static void forget_block(struct order *order, uint32_t chain, uint64_t height)
{
    struct key header, data;
    key_set_height(&header, chain, KEY_HEADER, height);
    key_set_height(&data, chain, KEY_DATA, height);
    record_cache_forget(order->cache, &header);
    record_cache_forget(order->cache, &data);
}

/* The cache forgets what a job wrote by itself. A rollback or drop does not say what it dropped, and many ranges take long to look for,
 * so the cache forgets all. */
static void forget_written(struct order *order, const struct job *job)
{
    assert(job->status == STATUS_OK);
    bool has_many =
        job->kind == JOB_COMMIT && job->commit.deletes_names && job->metadata_count > RANGES_LOOKED_FOR_MAX;
    if (job->kind == JOB_ROLLBACK || job->kind == JOB_DROP_CHAIN || has_many) {
        record_cache_clear(order->cache);
        return;
    }
    for (size_t i = 0; i < job->metadata_count; i++) {
        forget_names(order, job->chain, &job->metadata[i]);
    }
    for (size_t i = 0; job->kind == JOB_COMMIT && i < job->commit.block_count; i++) {
        forget_block(order, job->chain, job->commit.blocks[i].height);
    }
    for (size_t i = 0; job->kind == JOB_COMMIT && i < job->commit.delete_block_count; i++) {
        forget_block(order, job->chain, job->commit.delete_blocks[i]);
    }
}

/* Takes back what join_lane noted on the chain, whatever became of the job. */
static void leave_lane(struct chain *chain, const struct job *job)
{
    if (job->kind == JOB_ROLLBACK) {
        assert(chain->rollbacks_queued > 0);
        chain->rollbacks_queued--;
    } else if (job->kind == JOB_CREATE_CHAIN) {
        assert(chain->creations_queued > 0);
        chain->creations_queued--;
    } else if (job->kind == JOB_DROP_CHAIN) {
        assert(chain->is_dropping);
        chain->is_dropping = false;
    } else if (job->kind == JOB_CLAIM || job->kind == JOB_RELEASE) {
        assert(chain->claim.changes_queued > 0);
        chain->claim.changes_queued--;
    }
}

/* Begins or ends the claim. The session that claimed presents the epoch a little later, when its reply is made. */
static void publish_claim(struct chain *chain, const struct job *job, uint64_t now_us)
{
    if (job->kind == JOB_CLAIM) {
        chain_claim_begin(&chain->claim, &job->claim, 0, now_us);
    } else if (job->kind == JOB_RELEASE && job->claim.epoch.sequence != 0) {
        chain_claim_end(&chain->claim, job->sequence);
    }
}

/* Publishes what the job did to its chain, which may be freed. */
static void publish_chain(struct order *order, struct chain *chain, const struct job *job, uint64_t now_us)
{
    assert(job->status == STATUS_OK && !job->is_repeated);
    forget_written(order, job);
    if (job->kind == JOB_DROP_CHAIN && !job->drop.makes_anew) {
        chain_remove(order->chains, chain);
        return;
    }
    if (job->kind == JOB_DROP_CHAIN) {
        chain_renew(order->chains, chain);
    } else {
        chain->tops.block = chain->marks.height > chain->tops.block ? chain->marks.height : chain->tops.block;
        dropped_by_job(&chain->dropped, &chain->tops, job);
    }
    publish_claim(chain, job, now_us);
    bool is_new = job->kind == JOB_DROP_CHAIN || !chain->visible;
    chain->made_sequence = is_new ? job->marks.cut_sequence : chain->made_sequence;
    chain->marks = job->marks;
    chain->visible = true;
    order_sweep_chain(order, chain);
}

/* The chain that the job is of; NULL: it is of none, or of one that was dropped since, whose number may be another's. */
static struct chain *chain_of(const struct order *order, const struct job *job)
{
    if (job->is_behind_drop) {
        return NULL;
    }
    struct chain *chain = chain_by_id(order->chains, job->chain);
    assert(chain != NULL || job->sequence == 0); /* a chain is dropped behind all that was accepted for it */
    return job->kind == JOB_SWEEP && (chain == NULL || job != &chain->sweep) ? NULL : chain;
}

static void publish_job(struct order *order, struct job *job, uint64_t now_us)
{
    struct chain *chain = chain_of(order, job);
    count_job(&order->counters, job);
    if (job->status == STATUS_DAMAGED) {
        damage_note(order->damage, job->sequence != 0 ? DAMAGE_WRITE : DAMAGE_BACKGROUND, &job->failure);
    }
    if (job->sequence != 0) {
        assert(job == order->oldest_job); /* jobs come back in the order of their numbers */
        assert(order->job_bytes >= job->bytes);
        order->job_bytes -= job->bytes;
        order->oldest_job = job->younger;
        if (order->oldest_job == NULL) {
            order->youngest_job = NULL;
        }
    }
    if (chain == NULL) {
        return;
    }
    leave_lane(chain, job);
    if (job->status == STATUS_OK && !job->is_repeated) {
        publish_chain(order, chain, job, now_us);
    } else if (!chain->visible && chain->creations_queued == 0) {
        chain_remove(order->chains, chain); /* it was not made: its name and its place are free */
    }
}

/* How long it took, by stages; of jobs that were validated and are waited for. */
static void time_completion(struct order *order, const struct completion *completion, uint64_t now_ns)
{
    struct stages *stages = order->config.stages;
    for (const struct job *job = completion->jobs; job != NULL; job = job->next) {
        if (job->sequence != 0 && job->validated_ns != 0) {
            stage_add(stages, STAGE_QUEUE, schedule_elapsed(job->submitted_ns, job->validate_from_ns));
            stage_add(stages, STAGE_APPLY, schedule_elapsed(job->validate_from_ns, job->validated_ns));
            stage_add(stages, STAGE_COMMIT, schedule_elapsed(job->submitted_ns, now_ns));
            spin_learn(&order->spin, schedule_elapsed(job->submitted_ns, completion->written_ns));
        }
    }
    if (completion->engine_ns != 0) {
        stage_add(stages, STAGE_ENGINE, completion->engine_ns);
    }
    if (completion->sync_ns != 0) {
        stage_add(stages, STAGE_SYNC, completion->sync_ns);
    }
    if (completion->engine_ns != 0 || completion->sync_ns != 0) {
        stage_add(stages, STAGE_PUBLISH, schedule_elapsed(completion->written_ns, now_ns));
    }
}

static bool has_raise(const struct order_waiter *waiter, struct slice name)
{
    for (size_t i = 0; i < waiter->operation_count; i++) {
        const struct metadata_operation *operation = &waiter->operations[i];
        if (operation->kind == METADATA_RAISE && slice_equal(operation->name, name)) {
            return true;
        }
    }
    return false;
}

/* The raises of that name in that group were left out: those who wait for them are told so. */
static void mark_waiters(struct order *order, const struct pending_entry *entry)
{
    const struct metadata_group *group = pending_entry_group(entry);
    struct slice name = pending_entry_name(entry);
    assert(group->first_sequence <= group->last_sequence); /* each waiter of the group lies between them */
    for (int level = LEVEL_WRITTEN; level <= LEVEL_DURABLE; level++) {
        for (struct order_waiter *waiter = order->waiters[level].first; waiter != NULL;
             waiter = waiter->next) {
            bool is_of_group =
                waiter->sequence >= group->first_sequence && waiter->sequence <= group->last_sequence;
            if (is_of_group && waiter->chain == pending_entry_chain(entry) && has_raise(waiter, name)) {
                waiter->is_left_out = true;
            }
        }
    }
}

/* Counts and reports the raises that were left out, while their groups are still in the pending map. */
static void publish_left_out(struct order *order, const struct completion *completion)
{
    struct order_left_out *left_out = &order->left_out;
    for (size_t i = 0; i < completion->left_out_count; i++) {
        const struct pending_entry *entry = completion->left_out[i];
        assert(pending_entry_change(entry).kind == METADATA_NONE); /* nothing but raises is left out */
        left_out->last_sequence = pending_entry_group(entry)->last_sequence;
        left_out->failure = completion->left_out_failure;
        damage_note(order->damage, DAMAGE_RAISE, &completion->left_out_failure);
        mark_waiters(order, entry);
    }
    if (completion->left_out_count > 0) {
        left_out->raises += completion->left_out_count;
        record_cache_clear(order->cache); /* or a later update would raise the names that it knows */
        event_raises_left_out(left_out->failure.text, completion->left_out_count, left_out->last_sequence);
    }
}

static void publish_groups(struct order *order, struct metadata_group *groups)
{
    while (groups != NULL) {
        struct metadata_group *next = groups->next;
        for (const struct pending_entry *entry = groups->first; entry != NULL;
             entry = pending_entry_next(entry)) {
            struct metadata_change change = pending_entry_change(entry);
            struct chain *chain = chain_by_id(order->chains, pending_entry_chain(entry));
            record_cache_written(order->cache, chain->id, pending_entry_name(entry), change);
            dropped_by_name(&chain->dropped, change.kind);
        }
        order->counters.metadata_written += groups->count;
        assert(order->groups_posted > 0 && order->unwritten >= groups->operations);
        order->unwritten -= groups->operations;
        order->groups_posted--;
        pending_remove_group(order->pending, groups);
        groups = next;
    }
}

/* What the completion wrote is in doubt: nothing of it becomes visible, and nothing is acknowledged from here on. */
static void latch(struct order *order, const struct completion *completion)
{
    assert(completion->point == NULL); /* nobody would release it */
    assert(completion->failure.status == STATUS_IO_ERROR);
    if (!order->failed) {
        order->written_before_failure = order_written_through(order);
        order->failed = true;
        order->failure = completion->failure;
    }
}

/* The view moves on and what was queued leaves the queue, in one step. */
static void publish_view(struct order *order, const struct completion *completion)
{
    assert(completion->point != NULL || (completion->groups == NULL && completion->jobs == NULL));
    if (completion->point != NULL) {
        engine_point_release(order->point);
        order->point = completion->point;
    }
    publish_left_out(order, completion);
    publish_groups(order, completion->groups);
}

static void publish_jobs(struct order *order, const struct completion *completion, uint64_t now_us)
{
    uint64_t jobs = 0;
    for (struct job *job = completion->jobs; job != NULL; job = job->next) {
        publish_job(order, job, now_us);
        jobs++;
    }
    if (jobs > 0) {
        order->jobs_mean_8 = schedule_learn_group_jobs(order->jobs_mean_8, jobs);
    }
}

/* Everything is as it is to be seen when the first `done` is called. */
static void tell_owners(struct job *jobs)
{
    for (struct job *job = jobs; job != NULL;) {
        struct job *next = job->next;
        job->done(job);
        job = next;
    }
}

/* What the engine gave up by itself: damage, or for want of space. That lasts, so it is counted each time and logged at intervals. */
static void note_background(struct order *order, const struct failure *failure, uint64_t now_us)
{
    if (failure->status != STATUS_NO_SPACE) {
        damage_note(order->damage, DAMAGE_BACKGROUND, failure);
        return;
    }
    metrics_add(METRIC_SPACE_LACKING, 1);
    if (now_us >= order->lacking_logged_us + SPACE_LACKING_LOG_US || order->lacking_logged_us == 0) {
        order->lacking_logged_us = now_us;
        event_space_lacking(failure->text, metrics_get(METRIC_SPACE_LACKING));
    }
}

static void publish(struct order *order, struct completion *completion, uint64_t now_ns)
{
    order->counters.syncs += completion->syncs;
    order->counters.groups += completion->groups_written;
    if (completion->groups != NULL || completion->lacks_room) { /* it wrote some, or tried in vain */
        order->queue_lacks_room = completion->lacks_room;
    }
    if (completion->has_background_failure) {
        note_background(order, &completion->background_failure, now_ns / 1000);
    }
    if (completion->failed) {
        latch(order, completion);
    } else {
        assert(!order->failed); /* the writer's failure is latched too */
        publish_view(order, completion);
    }
    publish_jobs(order, completion, now_ns / 1000);
    time_completion(order, completion, now_ns);
    if (completion->synced && !order->is_in_doubt) {
        assert(order_written_through(order) >= order->durable_through);
        order->durable_through = order_written_through(order);
        order->sync_asked = false;
    }
    tell_owners(completion->jobs);
}

void order_drain_completions(struct order *order, uint64_t now_ns)
{
    assert(thread_is(THREAD_LOOP));
    for (struct completion *completion = writer_drain_completions(order->writer); completion != NULL;) {
        struct completion *next = completion->next;
        publish(order, completion, now_ns);
        completion_free(completion);
        completion = next;
    }
}

/* Ends the jobs that free themselves; chain, order or request has the memory of the others. */
static void free_own(struct job *jobs)
{
    while (jobs != NULL) {
        struct job *next = jobs->next;
        if (jobs->kind == JOB_FORGET_DROPS) {
            jobs->done(jobs);
        }
        jobs = next;
    }
}

void order_drop_completions(struct order *order)
{
    assert(thread_is(THREAD_LOOP));
    for (struct completion *completion = writer_drain_completions(order->writer); completion != NULL;) {
        struct completion *next = completion->next;
        engine_point_release(completion->point);
        free_own(completion->jobs);
        completion_free(completion);
        completion = next;
    }
}
