/* The thread's life:
 *
 * - It steps while there is something to do.
 * - Then it spins for the next submit, for as long as submits lately followed on one another.
 * - Then it sleeps until one comes, or until a sync, the sweep or a metadata group is due.
 * - After the step that says it is the last one, it ends.
 *
 * Failures: a thread that cannot be created ends the start. What a write ends with is commit_group.c's; here a failed
 * completion is handed back as any other. */
#include "daemon/writer/writer.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lanes/lane.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/spin.h"
#include "daemon/runtime/thread.h"
#include "daemon/writer/commit_group.h"
#include "daemon/writer/schedule.h"

struct writer {
    /* fixed after start */
    struct writer_config config;
    struct mutex mutex;
    /* loop only */
    pthread_t thread; /* if is_started */
    bool is_started;
    /* under mutex */
    struct lanes lanes;
    struct completion *completions;
    struct completion **last_completion;
    bool sync_wanted;
    bool stopping;
    uint64_t flush_delay_us;
    uint64_t sync_interval_us;
    /* changed under mutex, read by the other side without it */
    atomic_uint submits;
    atomic_bool has_completions;
    /* writer thread only */
    struct commit_group *group;
    unsigned submits_taken; /* `submits` when the lanes were emptied last */
    struct spin spin;       /* for the next submit */
};

/* ---- the writer thread's side ---- */

/* Moves what waits in the lanes to the thread's own. Mutex held. */
static void writer_thread_take(struct writer *writer, struct commit_group_wants *ret_wants)
{
    mutex_assert_held(&writer->mutex);
    lanes_move_all(&writer->lanes, commit_group_lanes(writer->group));
    *ret_wants = (struct commit_group_wants){.sync = writer->sync_wanted, .stop = writer->stopping};
    writer->sync_wanted = false;
    commit_group_set_delays(writer->group, writer->flush_delay_us, writer->sync_interval_us);
    writer->submits_taken = atomic_load(&writer->submits);
    if (writer->config.heartbeat != NULL) {
        heartbeat_take(writer->config.heartbeat);
    }
}

/* Mutex held. */
static void writer_thread_hand_back(struct writer *writer, struct completion *completion)
{
    mutex_assert_held(&writer->mutex);
    assert(completion->next == NULL);
    assert(*writer->last_completion == NULL); /* else what follows there would be lost */
    *writer->last_completion = completion;
    writer->last_completion = &completion->next;
    atomic_store(&writer->has_completions, true);
}

enum writer_progress writer_step(struct writer *writer, uint64_t now_us)
{
    assert(thread_is(THREAD_WRITER));
    struct commit_group_wants wants;
    mutex_lock(&writer->mutex);
    writer_thread_take(writer, &wants);
    mutex_unlock(&writer->mutex);

    bool is_last;
    heartbeat_enter(writer->config.heartbeat);
    struct completion *completion = commit_group_step(writer->group, &wants, now_us, &is_last);
    heartbeat_leave();
    if (completion == NULL) {
        return WRITER_IDLE;
    }
    mutex_lock(&writer->mutex);
    writer_thread_hand_back(writer, completion);
    mutex_unlock(&writer->mutex);
    writer->config.wake(writer->config.wake_context);
    return is_last ? WRITER_ENDED : WRITER_STEPPED;
}

static bool writer_thread_has_submits(const struct writer *writer)
{
    assert(thread_is(THREAD_WRITER));
    return atomic_load(&writer->submits) != writer->submits_taken;
}

/* Nothing was due at `from_ns`: waits until something is submitted or due. */
static void writer_thread_wait(struct writer *writer, uint64_t from_ns)
{
    while (!writer_thread_has_submits(writer) && spin_holds(&writer->spin, thread_now_ns() - from_ns)) {
        sched_yield(); /* lets other threads have this processor */
    }
    uint64_t due_us = commit_group_due_us(writer->group, from_ns / 1000);
    mutex_lock(&writer->mutex);
    while (!writer_thread_has_submits(writer) && thread_now_us() < due_us) {
        mutex_wait(&writer->mutex, due_us == SCHEDULE_NEVER_US ? 0 : due_us);
    }
    mutex_unlock(&writer->mutex);
    if (writer_thread_has_submits(writer)) {
        spin_learn(&writer->spin, thread_now_ns() - from_ns);
    }
}

static void *writer_thread_main(void *argument)
{
    struct writer *writer = argument;
    assert(thread_is(THREAD_OTHER)); /* fresh */
    thread_set_role(THREAD_WRITER);
    enum writer_progress progress = WRITER_STEPPED;
    while (progress != WRITER_ENDED) {
        uint64_t now_ns = thread_now_ns();
        progress = writer_step(writer, now_ns / 1000);
        if (progress == WRITER_IDLE) {
            writer_thread_wait(writer, now_ns);
        }
    }
    return NULL;
}

/* ---- the loop's side ---- */

struct writer *writer_new(const struct writer_config *config)
{
    assert(thread_is(THREAD_LOOP));
    assert(config->wake != NULL);
    struct writer *writer = memory_new(sizeof *writer);
    writer->config = *config;
    writer->flush_delay_us = config->flush_delay_us;
    writer->sync_interval_us = config->sync_interval_us;
    lanes_init(&writer->lanes);
    writer->last_completion = &writer->completions;
    writer->group = commit_group_new(&(struct commit_group_config){
        .engine = config->engine,
        .apply = config->apply,
        .numbers = config->numbers,
        .flush_delay_us = config->flush_delay_us,
        .sync_interval_us = config->sync_interval_us,
    });
    writer->spin.spin_ns_max = SCHEDULE_SUBMIT_SPIN_NS_MAX;
    mutex_init(&writer->mutex);
    return writer;
}

bool writer_start(struct writer *writer, struct failure *failure)
{
    assert(thread_is(THREAD_LOOP));
    assert(!writer->is_started && !writer->stopping);
    int error = pthread_create(&writer->thread, NULL, writer_thread_main, writer);
    if (error != 0) {
        failure_set(failure, STATUS_BUSY,
                    "the thread that writes cannot be created: %s: raise the limit on threads or memory",
                    strerror(error));
        return false;
    }
    (void)pthread_setname_np(writer->thread, "cairn-writer"); /* for people who look at threads */
    writer->is_started = true;
    return true;
}

/* Counts the submit, which is in place, unlocks, and wakes the thread. */
static void end_submit(struct writer *writer)
{
    mutex_assert_held(&writer->mutex);
    atomic_fetch_add(&writer->submits, 1);
    if (writer->config.heartbeat != NULL) {
        heartbeat_ask(writer->config.heartbeat);
    }
    mutex_unlock_and_signal(&writer->mutex);
}

void writer_submit(struct writer *writer, struct job *job)
{
    assert(thread_is(THREAD_LOOP));
    assert(job_is_own(job->kind) == (job->sequence == 0)); /* nobody waits for the daemon's own jobs */
    mutex_lock(&writer->mutex);
    assert(!writer->stopping);
    job_append(job->kind == JOB_SWEEP ? &writer->lanes.sweeps : &writer->lanes.commits, job);
    end_submit(writer);
}

void writer_submit_groups(struct writer *writer, struct metadata_group *groups)
{
    assert(thread_is(THREAD_LOOP));
    assert(groups != NULL);
    mutex_lock(&writer->mutex);
    assert(!writer->stopping);
    group_append_all(&writer->lanes.groups, groups);
    end_submit(writer);
}

void writer_submit_sync(struct writer *writer)
{
    assert(thread_is(THREAD_LOOP));
    mutex_lock(&writer->mutex);
    assert(!writer->stopping);
    writer->sync_wanted = true;
    end_submit(writer);
}

void writer_set_delays(struct writer *writer, uint64_t flush_delay_us, uint64_t sync_interval_us)
{
    assert(thread_is(THREAD_LOOP));
    mutex_lock(&writer->mutex);
    assert(!writer->stopping);
    writer->flush_delay_us = flush_delay_us;
    writer->sync_interval_us = sync_interval_us;
    end_submit(writer);
}

bool writer_has_completions(const struct writer *writer)
{
    assert(thread_is(THREAD_LOOP));
    return atomic_load(&writer->has_completions);
}

struct completion *writer_drain_completions(struct writer *writer)
{
    assert(thread_is(THREAD_LOOP));
    if (!writer_has_completions(writer)) {
        return NULL;
    }
    mutex_lock(&writer->mutex);
    struct completion *first = writer->completions;
    assert(first != NULL); /* the flag that was read without the mutex agrees with the list */
    writer->completions = NULL;
    writer->last_completion = &writer->completions;
    atomic_store(&writer->has_completions, false);
    mutex_unlock(&writer->mutex);
    return first;
}

void writer_stop(struct writer *writer)
{
    assert(thread_is(THREAD_LOOP));
    mutex_lock(&writer->mutex);
    writer->stopping = true;
    end_submit(writer);
    if (writer->is_started) {
        int failed = pthread_join(writer->thread, NULL);
        assert(!failed);
        writer->is_started = false;
    }
}

void writer_free(struct writer *writer)
{
    if (writer == NULL) {
        return;
    }
    assert(thread_is(THREAD_LOOP));
    assert(!writer->is_started);
    assert(writer->completions == NULL); /* their points would outlive the engine */
    commit_group_free(writer->group);
    mutex_close(&writer->mutex);
    free(writer);
}
