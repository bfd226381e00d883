/* A completion's life, on the writer thread:
 *
 * 1. what waits in the lanes is moved to the thread's own lists, under the mutex;
 * 2. commits are judged one by one and written in one list of edits, with a sync for all; or one group is written; or a
 *    slice of clearing up is;
 * 3. a read point is taken, and the completion is handed back.
 *
 * Failures: a refused job changes nothing and the completion goes on. A write that the engine did not apply refuses its jobs; what it
 * had of the queue stays there, and is tried again after a pause. A write or sync in doubt is latched. A group that cannot
 * be judged because reading failed is latched too, since it can neither be skipped nor be written. */
#include "daemon/writer/writer.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "daemon/lanes/lane.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/spin.h"
#include "daemon/runtime/thread.h"

enum {
    STARVED_FLUSH_DELAYS = 20, /* a group this many flush delays old gets its turn among commits */
    STARVED_TURN_SHARE = 10,   /* such turns take at most one part in this many of the thread's time */
    COMMITTING_US = 10000,     /* so long after a commit another is expected */
    SWEEP_NS = 250000,         /* of a slice of background work; while commits come the next waits */
    SWEEP_PAUSE_US = 50000,    /* so long, */
    SWEEP_PAUSE_ROUNDS = 256,  /* or for so many completions of them: not one commit in a hundred meets one */
    SUBMIT_PATIENCE_NS = 100000, /* between commits that follow on one another */
    WRITE_BYTES_MAX = 1 << 20,   /* of several commits; a larger one has a write of its own */
    REFUSED_PAUSE_US = 100000,   /* behind a group that the engine did not apply */
};

struct completion_list {
    struct completion *first;
    struct completion **last;
};

struct writer {
    /* fixed after start */
    struct writer_config config;
    pthread_t thread;
    struct mutex mutex;
    /* under mutex */
    struct job_list commit_lane;
    struct job_list background_lane;
    struct group_list metadata_lane;
    struct completion_list completions;
    bool sync_wanted;
    bool stopping;
    /* changed under mutex, read by the other side without it */
    atomic_uint submits;
    atomic_bool has_completions;
    /* writer thread only */
    struct job_list commits;
    struct job_list background;
    struct group_list groups;
    struct job_list done;       /* of the completion under way */
    struct job **unwritten;     /* the link to the first of them whose write is still to come */
    uint64_t carried_through;   /* the next write has the groups up to this; 0: none */
    uint64_t group_us;          /* no group before this */
    uint64_t unsynced_since_us; /* 0: all is synced */
    uint64_t starved_turn_us;   /* no turn for a starved group before this */
    uint64_t background_us;     /* when the last slice of it ended */
    uint64_t background_rounds; /* of commits since then */
    uint64_t committed_us;      /* when commits were written last */
    struct spin spin;           /* for the next submit */
    bool failed;
    struct failure failure;
};

/* ---- writing, on the writer thread ---- */

static void writer_thread_fail(struct writer *writer, const struct failure *failure)
{
    if (!writer->failed) {
        writer->failed = true;
        writer->failure = *failure;
        writer->failure.status = STATUS_IO_ERROR;
    }
}

/* The groups that a write took along are done with it. */
static void writer_thread_carried(struct writer *writer, struct completion *completion, uint64_t through)
{
    struct group_list done = {.last = &completion->groups};
    while (*done.last != NULL) {
        done.last = &(*done.last)->next;
    }
    while (writer->groups.first != NULL && writer->groups.first->last_sequence <= through) {
        struct metadata_group *group = group_take(&writer->groups);
        *done.last = group;
        done.last = &group->next;
    }
}

/* The jobs from `job` on that were judged well end with the failure; a dry run wrote nothing and stays as it is. */
static void writer_thread_end_jobs(struct job *job, const struct failure *failure)
{
    for (; job != NULL; job = job->next) {
        if (job->status == STATUS_OK && !job_is_dry_run(job)) {
            job->status = failure->status;
            job->failure = *failure;
        }
    }
}

/* Writes what was judged since the last write, if that is anything. */
static void writer_thread_write(struct writer *writer, struct completion *completion, bool sync)
{
    struct apply *apply = writer->config.apply;
    struct failure failure;
    size_t count;
    struct engine_edit *edits = apply_list(apply, &count);
    enum engine_outcome outcome = ENGINE_DONE;
    if (count > 0 && !writer->failed) {
        enum engine_durability durability = sync ? ENGINE_SYNCED : ENGINE_LOGGED;
        uint64_t from_ns = thread_now_ns();
        outcome = engine_write(writer->config.engine, edits, count, durability, &failure);
        if (outcome == ENGINE_DONE) {
            if (sync || writer->unsynced_since_us == 0) {
                writer->unsynced_since_us = sync ? 0 : thread_now_us();
            }
            *(sync ? &completion->sync_ns : &completion->engine_ns) = thread_now_ns() - from_ns;
            completion->syncs += sync;
        }
    }
    if (outcome == ENGINE_NOT_APPLIED) {
        failure.status = STATUS_NO_SPACE;
        apply_take_back(apply);
        writer_thread_end_jobs(*writer->unwritten, &failure);
    } else if (outcome == ENGINE_UNKNOWN) {
        writer_thread_fail(writer, &failure);
    } else if (!writer->failed) {
        writer_thread_carried(writer, completion, writer->carried_through);
    }
    apply_written(apply);
    writer->carried_through = 0;
    writer->unwritten = writer->done.last;
}

static void writer_thread_sync(struct writer *writer, struct completion *completion)
{
    struct failure failure;
    if (writer->unsynced_since_us == 0 || writer->failed) {
        return;
    }
    uint64_t from_ns = thread_now_ns();
    if (engine_sync(writer->config.engine, &failure) != ENGINE_DONE) {
        writer_thread_fail(writer, &failure);
        return;
    }
    completion->sync_ns = thread_now_ns() - from_ns;
    writer->unsynced_since_us = 0;
    completion->syncs++;
}

/* Judges the job; what it does goes into the next write. */
static void writer_thread_judge(struct writer *writer, struct job *job)
{
    job_append(&writer->done, job);
    if (writer->failed) {
        job->status = STATUS_IO_ERROR;
        job->failure = writer->failure;
        return;
    }
    job->judged_from_ns = thread_now_ns();
    job->status = apply_job(writer->config.apply, job, writer->groups.first);
    job->judged_ns = thread_now_ns();
    if (job->status == STATUS_OK && !job_is_dry_run(job) && job->carry_through > writer->carried_through) {
        writer->carried_through = job->carry_through;
    }
}

/* What ranges of keys or queued metadata it takes must not meet what others of the write do. */
static bool writer_thread_is_alone(const struct writer *writer, const struct job *job)
{
    const struct metadata_group *oldest = writer->groups.first;
    bool carries = oldest != NULL && oldest->last_sequence <= job->carry_through;
    return carries || job->kind == JOB_PRUNE || job->kind == JOB_ROLLBACK;
}

static bool writer_thread_has_commit(const struct writer *writer, uint64_t before)
{
    return writer->commits.first != NULL && writer->commits.first->sequence < before;
}

/* The jobs numbered below `before`, in as few writes as may be, all under one sync. */
static void writer_thread_commits(struct writer *writer, struct completion *completion, uint64_t before)
{
    bool durable = false;
    while (writer_thread_has_commit(writer, before)) {
        struct job *job = job_take(&writer->commits);
        bool is_alone = writer_thread_is_alone(writer, job);
        if (is_alone) {
            writer_thread_write(writer, completion, false);
        }
        durable |= job->level == LEVEL_DURABLE;
        writer_thread_judge(writer, job);
        bool is_full = is_alone || apply_bytes(writer->config.apply) >= WRITE_BYTES_MAX;
        if (is_full && writer_thread_has_commit(writer, before)) {
            writer_thread_write(writer, completion, false);
        }
    }
    writer_thread_write(writer, completion, durable);
    if (durable) {
        writer_thread_sync(writer, completion);
    }
}

/* Whether there is one to write, and it may be. */
static bool writer_thread_has_group(const struct writer *writer, uint64_t now_us)
{
    return writer->groups.first != NULL && !writer->failed && now_us >= writer->group_us;
}

static void writer_thread_group(struct writer *writer, struct completion *completion)
{
    struct failure failure;
    const struct metadata_group *group = writer->groups.first;
    if (apply_group(writer->config.apply, group, &failure) != STATUS_OK) {
        writer_thread_fail(writer, &failure);
        return;
    }
    writer->carried_through = group->last_sequence;
    writer_thread_write(writer, completion, false);
    if (writer->groups.first != group) {
        completion->groups_written++;
    } else {
        writer->group_us = thread_now_us() + REFUSED_PAUSE_US;
    }
}

/* A slice of background work. */
static void writer_thread_background(struct writer *writer, struct completion *completion)
{
    struct job *job = job_take(&writer->background);
    job->sweep_ns = SWEEP_NS;
    writer_thread_judge(writer, job);
    writer_thread_write(writer, completion, job->level == LEVEL_DURABLE);
    writer->background_us = thread_now_us();
    writer->background_rounds = 0;
}

/* Whether it has waited too long behind commits and metadata that leave no gap. */
static bool writer_thread_is_background_starved(const struct writer *writer)
{
    return writer->background.first != NULL && !writer->failed &&
           thread_now_us() >= writer->background_us + STARVED_FLUSH_DELAYS * writer->config.flush_delay_us;
}

/* When background work may go on: 0 for now. */
static uint64_t writer_thread_background_us(const struct writer *writer, uint64_t now_us)
{
    uint64_t turn_us = writer->background_us + SWEEP_PAUSE_US;
    bool waits = now_us < writer->committed_us + COMMITTING_US && now_us < turn_us &&
                 writer->background_rounds < SWEEP_PAUSE_ROUNDS;
    return waits && !writer->failed ? turn_us : 0;
}

/* Whether the oldest group has waited too long behind commits, and the share of such turns allows one. */
static bool writer_thread_is_starved(const struct writer *writer, uint64_t now_us)
{
    return writer_thread_has_group(writer, now_us) && now_us >= writer->starved_turn_us &&
           now_us - writer->groups.first->opened_us >= STARVED_FLUSH_DELAYS * writer->config.flush_delay_us;
}

static bool writer_thread_is_sync_due(const struct writer *writer)
{
    return writer->unsynced_since_us != 0 &&
           thread_now_us() >= writer->unsynced_since_us + writer->config.sync_interval_us;
}

static void writer_thread_round(struct writer *writer, struct completion *completion, bool sync_wanted)
{
    uint64_t now_us = thread_now_us();
    writer->done = (struct job_list){.last = &writer->done.first};
    writer->unwritten = &writer->done.first;
    if (writer->commits.first != NULL && writer_thread_is_starved(writer, now_us)) {
        writer_thread_commits(writer, completion, writer->groups.first->last_sequence);
        if (writer_thread_has_group(writer, now_us)) {
            uint64_t start_us = thread_now_us();
            writer_thread_group(writer, completion);
            uint64_t end_us = thread_now_us();
            writer->starved_turn_us = end_us + (STARVED_TURN_SHARE - 1) * (end_us - start_us);
        }
    } else if (writer->commits.first != NULL) {
        writer_thread_commits(writer, completion, UINT64_MAX);
        writer->committed_us = thread_now_us();
        writer->background_rounds++;
    } else if (writer_thread_has_group(writer, now_us)) {
        writer_thread_group(writer, completion);
    } else if (writer->background.first != NULL && writer_thread_background_us(writer, now_us) == 0) {
        writer_thread_background(writer, completion);
    }
    bool did_something = writer->done.first != NULL || completion->groups != NULL;
    if (did_something && writer_thread_is_background_starved(writer)) {
        writer_thread_background(writer, completion);
    }
    if (sync_wanted || writer_thread_is_sync_due(writer)) {
        writer_thread_sync(writer, completion);
    }
    if (writer->failed) { /* in doubt is also what was written before it, for it is not synced */
        writer_thread_end_jobs(writer->done.first, &writer->failure);
    }
    completion->jobs = writer->done.first;
    completion->written_ns = thread_now_ns();
    completion->synced = writer->unsynced_since_us == 0 && !writer->failed;
    completion->failed = writer->failed;
    completion->failure = writer->failure;
    if (!writer->failed && (completion->jobs != NULL || completion->groups != NULL)) {
        completion->point = engine_point_take(writer->config.engine);
    }
}

/* ---- the thread ---- */

static bool writer_thread_has_work(const struct writer *writer, uint64_t now_us)
{
    bool can_sweep = writer->background.first != NULL && !writer->stopping &&
                     writer_thread_background_us(writer, now_us) == 0;
    return writer->commits.first != NULL || writer_thread_has_group(writer, now_us) || can_sweep;
}

/* Stays awake for the next submit as long as patience says. Mutex held, but not meanwhile. */
static void writer_thread_linger(struct writer *writer, uint64_t from_ns)
{
    unsigned seen = atomic_load(&writer->submits);
    mutex_unlock(&writer->mutex);
    while (atomic_load(&writer->submits) == seen && spin_holds(&writer->spin, thread_now_ns() - from_ns)) {
        sched_yield(); /* whoever wants this processor has it */
    }
    mutex_lock(&writer->mutex);
}

/* Moves what waits in the lanes to the thread's own lists; waits until there is something to do. Says what else is
 * wanted. Mutex held. */
static void writer_thread_take(struct writer *writer, bool *ret_sync_wanted, bool *ret_stop)
{
    uint64_t from_ns = 0; /* when it found nothing to do */
    for (;;) {
        job_move_all(&writer->commit_lane, &writer->commits);
        job_move_all(&writer->background_lane, &writer->background);
        group_append_all(&writer->groups, writer->metadata_lane.first);
        writer->metadata_lane = (struct group_list){.last = &writer->metadata_lane.first};
        *ret_sync_wanted = writer->sync_wanted;
        uint64_t now_us = thread_now_us();
        bool has_work = writer_thread_has_work(writer, now_us);
        *ret_stop = writer->stopping && !has_work; /* what is left to sweep, the next run sweeps */
        if (has_work || writer->sync_wanted || writer->stopping) {
            writer->sync_wanted = false;
            break;
        }
        if (from_ns == 0) {
            from_ns = thread_now_ns();
            writer_thread_linger(writer, from_ns);
            continue;
        }
        uint64_t until_us = 0;
        if (writer->unsynced_since_us != 0 && !writer->failed) {
            until_us = writer->unsynced_since_us + writer->config.sync_interval_us;
            if (now_us >= until_us) {
                return;
            }
        }
        uint64_t background_us =
            writer->background.first != NULL ? writer_thread_background_us(writer, now_us) : 0;
        if (background_us != 0 && (until_us == 0 || background_us < until_us)) {
            until_us = background_us;
        }
        if (writer->groups.first != NULL && !writer->failed &&
            (until_us == 0 || writer->group_us < until_us)) {
            until_us = writer->group_us;
        }
        mutex_wait(&writer->mutex, until_us);
    }
    if (from_ns != 0) {
        spin_learn(&writer->spin, thread_now_ns() - from_ns);
    }
}

static void *writer_thread_main(void *argument)
{
    struct writer *writer = argument;
    thread_set_role(THREAD_WRITER);
    bool stop = false;
    while (!stop) {
        bool sync_wanted;
        mutex_lock(&writer->mutex);
        writer_thread_take(writer, &sync_wanted, &stop);
        mutex_unlock(&writer->mutex);

        struct completion *completion = memory_new(sizeof *completion);
        writer_thread_round(writer, completion, sync_wanted || stop);

        mutex_lock(&writer->mutex);
        *writer->completions.last = completion;
        writer->completions.last = &completion->next;
        atomic_store(&writer->has_completions, true);
        mutex_unlock(&writer->mutex);
        writer->config.wake(writer->config.wake_context);
    }
    return NULL;
}

/* ---- the loop's side ---- */

struct writer *writer_start(const struct writer_config *config)
{
    struct writer *writer = memory_new(sizeof *writer);
    writer->config = *config;
    writer->commit_lane.last = &writer->commit_lane.first;
    writer->background_lane.last = &writer->background_lane.first;
    writer->metadata_lane.last = &writer->metadata_lane.first;
    writer->completions.last = &writer->completions.first;
    writer->commits.last = &writer->commits.first;
    writer->background.last = &writer->background.first;
    writer->groups.last = &writer->groups.first;
    writer->spin.spin_ns_max = SUBMIT_PATIENCE_NS;
    mutex_init(&writer->mutex);
    int failed = pthread_create(&writer->thread, NULL, writer_thread_main, writer);
    assert(!failed);
    return writer;
}

void writer_submit(struct writer *writer, struct job *job)
{
    assert(!thread_is(THREAD_WRITER));
    mutex_lock(&writer->mutex);
    assert(!writer->stopping);
    job_append(job->kind == JOB_SWEEP ? &writer->background_lane : &writer->commit_lane, job);
    atomic_fetch_add(&writer->submits, 1);
    mutex_unlock_and_signal(&writer->mutex);
}

void writer_submit_groups(struct writer *writer, struct metadata_group *groups)
{
    assert(!thread_is(THREAD_WRITER));
    mutex_lock(&writer->mutex);
    assert(!writer->stopping);
    group_append_all(&writer->metadata_lane, groups);
    atomic_fetch_add(&writer->submits, 1);
    mutex_unlock_and_signal(&writer->mutex);
}

void writer_submit_sync(struct writer *writer)
{
    assert(!thread_is(THREAD_WRITER));
    mutex_lock(&writer->mutex);
    writer->sync_wanted = true;
    atomic_fetch_add(&writer->submits, 1);
    mutex_unlock_and_signal(&writer->mutex);
}

bool writer_has_completions(struct writer *writer)
{
    return atomic_load(&writer->has_completions);
}

struct completion *writer_drain_completions(struct writer *writer)
{
    assert(!thread_is(THREAD_WRITER));
    if (!writer_has_completions(writer)) {
        return NULL;
    }
    mutex_lock(&writer->mutex);
    struct completion *first = writer->completions.first;
    writer->completions.first = NULL;
    writer->completions.last = &writer->completions.first;
    atomic_store(&writer->has_completions, false);
    mutex_unlock(&writer->mutex);
    return first;
}

void writer_stop(struct writer *writer)
{
    assert(!thread_is(THREAD_WRITER));
    mutex_lock(&writer->mutex);
    writer->stopping = true;
    atomic_fetch_add(&writer->submits, 1);
    mutex_unlock_and_signal(&writer->mutex);
    int failed = pthread_join(writer->thread, NULL);
    assert(!failed);
}

void writer_free(struct writer *writer)
{
    if (writer == NULL) {
        return;
    }
    mutex_close(&writer->mutex);
    free(writer);
}
