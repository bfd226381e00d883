/* A step's life:
 *
 * - choose_turn says what it writes. Its jobs are validated one by one into a write set, and listed in `done`.
 * - write_set writes what was validated since the last write; `unwritten` marks the first job for which that is still to come.
 * - The groups that a write held move to the completion; then, if the level or the interval asks for it, the log is synced.
 *
 * Failures: a write that the engine did not apply ends the jobs of its write set, also those that were refused for what the others
 * changed, and takes them back. A write or sync in doubt is latched, and all other jobs of the step end as STATUS_IO_ERROR, since
 * nobody synced those before it. */
#include "daemon/writer/commit_group.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/writer/schedule.h"

enum {
    /* Keys and values of jobs that share a write; one that reaches this ends it. Chosen: beside a sync, one more write of a
     * megabyte costs little. */
    WRITE_BYTES_MAX = 1 << 20,
};

/* What a step writes. */
enum turn {
    TURN_NONE,
    TURN_COMMITS,
    TURN_COMMITS_FIRST, /* only the commits that were accepted before the oldest metadata group, which is starved */
    TURN_STARVED_GROUP,
    TURN_GROUP,
    TURN_SWEEP,
};

struct commit_group {
    /* writer thread only */
    struct commit_group_config config;
    struct lanes waiting;
    struct job_list done;          /* of the step under way */
    struct job **unwritten;        /* the link to the first of them whose write is still to come */
    uint64_t carried_through;      /* the next write has the metadata groups up to this; 0: none */
    uint64_t groups_from_us;       /* no metadata group before this: the engine did not apply the oldest */
    uint64_t unsynced_since_us;    /* 0: all is synced */
    uint64_t next_starved_turn_us; /* no turn for a starved metadata group before this */
    struct schedule_sweep sweep;
    enum turn last_turn;
    uint64_t stepped_us; /* when the last step began */
    bool failed;
    struct failure failure;
};

struct commit_group *commit_group_new(const struct commit_group_config *config)
{
    struct commit_group *group = memory_new(sizeof *group);
    group->config = *config;
    lanes_init(&group->waiting);
    return group;
}

void commit_group_set_delays(struct commit_group *group, uint64_t flush_delay_us, uint64_t sync_interval_us)
{
    assert(flush_delay_us > 0 && sync_interval_us > 0);
    group->config.flush_delay_us = flush_delay_us;
    group->config.sync_interval_us = sync_interval_us;
}

void commit_group_free(struct commit_group *group)
{
    free(group);
}

struct lanes *commit_group_lanes(struct commit_group *group)
{
    assert(thread_is(THREAD_WRITER));
    return &group->waiting;
}

/* ---- writing ---- */

static void latch(struct commit_group *group, const struct failure *failure)
{
    assert(failure->text[0] != '\0'); /* it is what clients, log and operator are told */
    if (!group->failed) {
        group->failed = true;
        group->failure = *failure;
        group->failure.status = STATUS_IO_ERROR;
    }
}

/* The metadata groups up to there are written, by themselves or carried by a job. */
static void complete_groups(struct commit_group *group, struct completion *completion, uint64_t through)
{
    assert(!group->failed);
    struct group_list done = {.last = &completion->groups};
    while (*done.last != NULL) {
        done.last = &(*done.last)->next;
    }
    struct group_list *waiting = &group->waiting.groups;
    while (waiting->first != NULL && waiting->first->last_sequence <= through) {
        struct metadata_group *written = group_take(waiting);
        *done.last = written;
        done.last = &written->next;
    }
}

/* Notes the raises that a write of metadata groups left out. */
static void complete_left_out(struct commit_group *group, struct completion *completion)
{
    const struct apply_left_out *left_out = apply_left_out(group->config.apply);
    if (left_out->count == 0) {
        return;
    }
    assert(group->carried_through > 0); /* only groups that were written leave something out */
    size_t count = completion->left_out_count + left_out->count;
    completion->left_out = memory_resize(completion->left_out, count * sizeof completion->left_out[0]);
    memcpy(completion->left_out + completion->left_out_count, left_out->entries,
           left_out->count * sizeof left_out->entries[0]);
    completion->left_out_count = count;
    completion->left_out_failure = left_out->failure;
}

/* Whether the job keeps its status though the write failed: what it needs could not be read, or it was in an earlier write of the step,
 * which was not applied. A job whose number an earlier write has applied keeps it too, for `not applied` would be wrong. */
static bool is_decided(const struct commit_group *group, const struct job *job)
{
    bool is_repeated = job->is_repeated && !group->failed && apply_has_applied(group->config.apply, job);
    return is_repeated || job->status == STATUS_DAMAGED || job->status == STATUS_NO_SPACE ||
           job->status == STATUS_BUSY;
}

/* The jobs from `job` on that were validated end with the failure, and so do those that were refused behind one of them: they were
 * judged by changes that are not there. */
static void end_jobs(const struct commit_group *group, struct job *job, const struct failure *failure)
{
    bool is_behind = false;
    assert(failure->status != STATUS_OK);
    for (; job != NULL; job = job->next) {
        if (is_decided(group, job)) {
            continue;
        }
        is_behind |= job->status == STATUS_OK;
        if (is_behind) {
            job->status = failure->status;
            job->failure = *failure;
        }
    }
}

static enum engine_outcome write_edits(struct commit_group *group, struct completion *completion, bool sync,
                                       struct failure *failure)
{
    assert(thread_is(THREAD_WRITER)); /* it waits for the device */
    size_t count;
    struct engine_edit *edits = apply_list(group->config.apply, &count);
    if (count == 0 || group->failed) {
        return ENGINE_DONE;
    }
    uint64_t from_ns = thread_now_ns();
    enum engine_outcome outcome =
        engine_write(group->config.engine, edits, count, sync ? ENGINE_SYNCED : ENGINE_LOGGED, failure);
    if (outcome == ENGINE_DONE) {
        if (sync || group->unsynced_since_us == 0) {
            group->unsynced_since_us = sync ? 0 : group->stepped_us;
        }
        *(sync ? &completion->sync_ns : &completion->engine_ns) = thread_now_ns() - from_ns;
        completion->syncs += sync;
    }
    return outcome;
}

/* Writes the write set of what was validated since the last write, if that is anything. STATUS_NO_SPACE or STATUS_BUSY: it was not
 * applied. */
static enum status write_set(struct commit_group *group, struct completion *completion, bool sync)
{
    struct failure failure = {.status = STATUS_OK};
    switch (write_edits(group, completion, sync, &failure)) {
    case ENGINE_DONE:
        if (!group->failed) {
            complete_groups(group, completion, group->carried_through);
            complete_left_out(group, completion);
        }
        break;
    case ENGINE_NOT_APPLIED:
        assert(!group->failed); /* a latched group writes nothing that could be refused */
        failure.status = failure.status == STATUS_BUSY ? STATUS_BUSY : STATUS_NO_SPACE;
        apply_take_back(group->config.apply);
        end_jobs(group, *group->unwritten, &failure);
        break;
    case ENGINE_UNKNOWN:
        latch(group, &failure);
        break;
    }
    apply_written(group->config.apply);
    assert(apply_bytes(group->config.apply) == 0); /* the next write set begins empty */
    group->carried_through = 0;
    group->unwritten = group->done.last;
    return failure.status;
}

static void write_sync(struct commit_group *group, struct completion *completion)
{
    struct failure failure;
    if (group->unsynced_since_us == 0 || group->failed) {
        return;
    }
    assert(apply_bytes(group->config.apply) == 0); /* all that the sync is for is written */
    uint64_t from_ns = thread_now_ns();
    if (engine_sync(group->config.engine, &failure) != ENGINE_DONE) {
        latch(group, &failure);
        return;
    }
    completion->sync_ns = thread_now_ns() - from_ns;
    group->unsynced_since_us = 0;
    completion->syncs++;
}

/* Numbers are kept outside the log, in a file that is synced by itself. */
static void reserve(struct commit_group *group, struct job *job)
{
    assert(group->config.numbers != NULL);
    if (!numbers_reserve(group->config.numbers, job->reserve_through, &job->failure)) {
        job->status = STATUS_IO_ERROR;
        latch(group, &job->failure);
    }
}

/* Validates the job; what it changes goes into the next write set. */
static void validate(struct commit_group *group, struct job *job)
{
    job_append(&group->done, job);
    assert(*group->unwritten != NULL); /* the job ends with the write that is to come */
    if (group->failed) {
        job->status = STATUS_IO_ERROR;
        job->failure = group->failure;
        return;
    }
    if (job->kind == JOB_RESERVE) {
        reserve(group, job);
        return;
    }
    job->validate_from_ns = thread_now_ns();
    job->status = apply_job(group->config.apply, job, group->waiting.groups.first);
    job->validated_ns = thread_now_ns();
    if (job->status == STATUS_OK && job->carry_through > group->carried_through) {
        group->carried_through = job->carry_through;
    }
}

/* ---- what a step writes ---- */

/* Whether the job needs a write set of its own: ranges of keys that it deletes, and queued metadata that it carries, must not
 * meet the changes of other jobs. */
static bool is_alone(const struct commit_group *group, const struct job *job)
{
    /* it carries what came before it */
    assert(job->sequence > job->carry_through || job->carry_through == 0);
    const struct metadata_group *oldest = group->waiting.groups.first;
    bool carries = oldest != NULL && oldest->last_sequence <= job->carry_through;
    return carries || job_deletes_ranges(job);
}

static bool has_commit(const struct commit_group *group, uint64_t before)
{
    const struct job *oldest = group->waiting.commits.first;
    return oldest != NULL && oldest->sequence < before;
}

/* The jobs numbered below `before`, in as few writes as may be, all under one sync. */
static void write_commits(struct commit_group *group, struct completion *completion, uint64_t before)
{
    bool durable = false;
    uint64_t last_sequence = 0;
    while (has_commit(group, before)) {
        struct job *job = job_take(&group->waiting.commits);
        assert(job->sequence == 0 || job->sequence > last_sequence); /* commits reach the disk in order */
        last_sequence = job->sequence != 0 ? job->sequence : last_sequence;
        bool alone = is_alone(group, job);
        if (alone) {
            write_set(group, completion, false);
        }
        durable |= job->level == LEVEL_DURABLE;
        validate(group, job);
        bool is_full = alone || apply_bytes(group->config.apply) >= WRITE_BYTES_MAX;
        if (is_full && has_commit(group, before)) {
            write_set(group, completion, false);
        }
    }
    write_set(group, completion, durable);
    assert(*group->unwritten == NULL); /* every job's write was tried, so its outcome is known */
    if (durable) {
        write_sync(group, completion);
    }
    group->sweep.commit_groups++;
}

static void write_metadata(struct commit_group *group, struct completion *completion)
{
    const struct metadata_group *oldest = group->waiting.groups.first;
    assert(!group->failed && oldest != NULL);
    /* metadata never overtakes a commit accepted before it */
    assert(!has_commit(group, oldest->last_sequence));
    apply_group(group->config.apply, oldest);
    group->carried_through = oldest->last_sequence;
    enum status status = write_set(group, completion, false);
    if (group->waiting.groups.first != oldest) {
        completion->groups_written++;
    } else {
        completion->lacks_room = status == STATUS_NO_SPACE;
        group->groups_from_us = group->stepped_us + SCHEDULE_REFUSED_GROUP_PAUSE_US;
    }
}

static void write_sweep(struct commit_group *group, struct completion *completion)
{
    struct job *job = job_take(&group->waiting.sweeps);
    assert(job->kind == JOB_SWEEP);
    job->sweep_ns = SCHEDULE_SWEEP_SLICE_NS;
    validate(group, job);
    write_set(group, completion, job->level == LEVEL_DURABLE);
}

/* ---- a step ---- */

/* Takes note of what the last turn has cost, now that it is over. */
static void end_last_turn(struct commit_group *group, uint64_t now_us)
{
    switch (group->last_turn) {
    case TURN_COMMITS:
    case TURN_COMMITS_FIRST:
        group->sweep.committed_us = now_us;
        return;
    case TURN_STARVED_GROUP:
        group->next_starved_turn_us = schedule_next_starved_turn_us(group->stepped_us, now_us);
        return;
    case TURN_SWEEP:
        group->sweep.ended_us = now_us;
        group->sweep.commit_groups = 0;
        return;
    case TURN_GROUP:
    case TURN_NONE:
        return;
    }
    assert(false);
}

static bool is_group_starved(const struct commit_group *group, uint64_t now_us)
{
    return schedule_group_is_starved(group->waiting.groups.first->opened_us, group->next_starved_turn_us,
                                     group->config.flush_delay_us, now_us);
}

/* Commits first; metadata in their gaps, or once it is starved; the sweep in the gaps of both, or once it is starved. */
static enum turn choose_turn(const struct commit_group *group, bool is_stopping, uint64_t now_us)
{
    bool has_commits = group->waiting.commits.first != NULL;
    bool has_group = group->waiting.groups.first != NULL && !group->failed && now_us >= group->groups_from_us;
    bool has_sweep = group->waiting.sweeps.first != NULL && !is_stopping;
    bool is_sweep_starved = has_sweep && !group->failed && group->last_turn != TURN_SWEEP &&
                            schedule_sweep_is_starved(&group->sweep, group->config.flush_delay_us, now_us);
    if (is_sweep_starved) {
        return TURN_SWEEP;
    }
    if (has_commits && has_group && is_group_starved(group, now_us)) {
        bool waits = has_commit(group, group->waiting.groups.first->last_sequence);
        return waits ? TURN_COMMITS_FIRST : TURN_STARVED_GROUP;
    }
    if (has_commits) {
        return TURN_COMMITS;
    }
    if (has_group) {
        return TURN_GROUP;
    }
    bool sweeps = has_sweep && (group->failed || schedule_sweep_from_us(&group->sweep, now_us) == 0);
    return sweeps ? TURN_SWEEP : TURN_NONE;
}

static void write_turn(struct commit_group *group, struct completion *completion, enum turn turn)
{
    switch (turn) {
    case TURN_COMMITS:
        write_commits(group, completion, UINT64_MAX);
        return;
    case TURN_COMMITS_FIRST:
        write_commits(group, completion, group->waiting.groups.first->last_sequence);
        return;
    case TURN_STARVED_GROUP:
    case TURN_GROUP:
        write_metadata(group, completion);
        return;
    case TURN_SWEEP:
        write_sweep(group, completion);
        return;
    case TURN_NONE:
        return;
    }
    assert(false);
}

struct completion *commit_group_step(struct commit_group *group, const struct commit_group_wants *wants,
                                     uint64_t now_us, bool *ret_is_last)
{
    assert(thread_is(THREAD_WRITER));
    assert(now_us >= group->stepped_us);
    /* the last step left nothing */
    assert(apply_bytes(group->config.apply) == 0 && group->carried_through == 0);
    end_last_turn(group, now_us);
    enum turn turn = choose_turn(group, wants->stop, now_us);
    bool is_last = wants->stop && turn == TURN_NONE; /* what is left to sweep, the next run sweeps */
    uint64_t sync_us = schedule_sync_at_us(group->unsynced_since_us, group->config.sync_interval_us);
    bool is_sync_due = now_us >= sync_us && !group->failed;
    group->last_turn = turn;
    group->stepped_us = now_us;
    *ret_is_last = is_last;
    if (turn == TURN_NONE && !wants->sync && !is_last && !is_sync_due) {
        return NULL;
    }
    struct completion *completion = memory_new(sizeof *completion);
    group->done = (struct job_list){.last = &group->done.first};
    group->unwritten = &group->done.first;
    write_turn(group, completion, turn);
    if (wants->sync || is_last || is_sync_due) {
        write_sync(group, completion);
    }
    if (group->failed) { /* nobody synced the writes before the one in doubt */
        end_jobs(group, group->done.first, &group->failure);
    }
    /* each write set was written, or nothing is any more */
    assert(group->carried_through == 0 || group->failed);
    completion->jobs = group->done.first;
    completion->written_ns = thread_now_ns();
    completion->synced = group->unsynced_since_us == 0 && !group->failed;
    completion->failed = group->failed;
    completion->failure = group->failure;
    completion->has_background_failure =
        engine_background_failed(group->config.engine, &completion->background_failure);
    if (!group->failed && (completion->jobs != NULL || completion->groups != NULL)) {
        completion->point = engine_point_take(group->config.engine);
    }
    return completion;
}

uint64_t commit_group_due_us(const struct commit_group *group, uint64_t now_us)
{
    uint64_t sync_us = schedule_sync_at_us(group->unsynced_since_us, group->config.sync_interval_us);
    assert(thread_is(THREAD_WRITER));
    assert(group->failed || group->waiting.commits.first == NULL); /* they are due at once */
    bool has_sweep = group->waiting.sweeps.first != NULL;
    uint64_t sweep_us = has_sweep ? schedule_sweep_from_us(&group->sweep, now_us) : SCHEDULE_NEVER_US;
    uint64_t group_us = group->waiting.groups.first != NULL ? group->groups_from_us : SCHEDULE_NEVER_US;
    if (group->failed) {
        return SCHEDULE_NEVER_US;
    }
    uint64_t write_us = sweep_us < group_us ? sweep_us : group_us;
    return sync_us < write_us ? sync_us : write_us;
}
