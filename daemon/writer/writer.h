/* The writer: the one thread that writes to the store, and the two lanes that lead to it.
 *
 * - The loop puts jobs into the commit lane and closed groups into the metadata lane, and is free again.
 * - The thread takes what waits and writes it step by step; commit_group.h says what a step is. After each it hands a
 *   completion back, and wakes the loop.
 * - The loop drains the completions; what a step did becomes visible only then.
 * - writer_stop has the thread write all it was given, sync, and end.
 *
 * Failures: the first write or sync of which nobody knows whether it was applied is latched: every completion from there on
 * says so, nothing is written any more, and the process is to end. One that the engine did not apply refuses its jobs.
 * A thread that cannot be created is a failure of writer_start.
 *
 * One mutex stands between the two, for the lanes and the completions; it is never held during I/O. A thread that is about to
 * sleep, or spins for a moment, looks without it whether the other has put something there.
 *
 * A test needs no thread: without writer_start it takes the writer's role itself, and calls writer_step. */
#ifndef DAEMON_WRITER_H
#define DAEMON_WRITER_H

#include "daemon/host/numbers.h"
#include "daemon/lanes/completion.h"
#include "daemon/observe/heartbeat.h"
#include "daemon/writer/apply.h"

struct writer;

struct writer_config {
    struct engine *engine;   /* borrowed */
    struct apply *apply;     /* borrowed; the writer thread's from start to stop */
    struct numbers *numbers; /* borrowed, as apply; NULL: no JOB_RESERVE comes */
    uint64_t flush_delay_us;
    uint64_t sync_interval_us;
    void (*wake)(void *context); /* from the writer thread: there are completions now; must not block */
    void *wake_context;
    struct heartbeat *heartbeat; /* borrowed; NULL: nobody watches */
};

/* ---- the loop's side ---- */

struct writer *writer_new(const struct writer_config *config);

/* Starts the thread. False: the machine gives none, `failure` says why, and no thread runs: writer_stop and writer_free are left. */
bool writer_start(struct writer *writer, struct failure *failure) MUST_CHECK;

/* Hands over a job, or a list of closed groups (by `next`). */
void writer_submit(struct writer *writer, struct job *job);
void writer_submit_groups(struct writer *writer, struct metadata_group *groups);

/* Asks for a sync of what was submitted before; answered by a completion that says `synced`. */
void writer_submit_sync(struct writer *writer);

/* Other delays from the thread's next step on, which comes at once. */
void writer_set_delays(struct writer *writer, uint64_t flush_delay_us, uint64_t sync_interval_us);

/* Whether there are completions to drain. Without the lock. */
bool writer_has_completions(const struct writer *writer);

/* All completions so far, oldest first; free each with completion_free. */
struct completion *writer_drain_completions(struct writer *writer);

/* Nothing is submitted from here on. Waits until the thread, if there is one, has written and synced what it was given, and
 * has ended. Completions may come of it. */
void writer_stop(struct writer *writer);

/* After writer_stop and the last writer_drain_completions. Accepts NULL. */
void writer_free(struct writer *writer);

/* ---- the writer thread's side ---- */

enum writer_progress {
    WRITER_STEPPED, /* a completion was handed back; there may be more to do */
    WRITER_IDLE,    /* nothing is due */
    WRITER_ENDED,   /* the last completion was handed back: everything is written and synced, or failed */
};

/* Does what is due next: takes from the lanes, writes one step, hands the completion back and wakes the loop. `now_us` never
 * goes back. */
enum writer_progress writer_step(struct writer *writer, uint64_t now_us);

#endif
