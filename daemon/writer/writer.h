/* The writer: the one thread that writes to the store, and the two lanes that lead to it.
 *
 * - The loop puts jobs into the commit lane and closed groups into the metadata lane, and is free again.
 * - The thread takes what waits, commits first, in completions: several commits share one write and one sync, a group is a
 *   completion of its own. After each completion it takes a read point and hands the completion back, and wakes the loop.
 * - The loop takes the completions; what a completion did becomes visible only then.
 * - The first write or sync of which nobody knows whether it was applied is latched: everything from there on ends as
 *   STATUS_IO_ERROR, nothing is written any more, and the process is to end.
 * - A write that the engine did not apply refuses its jobs as STATUS_NO_SPACE; its groups stay and are tried again.
 *
 * One mutex stands between the two, for the lanes and the completions; it is never held during I/O. A thread that is about to
 * sleep, or stays awake for a moment, looks without it whether the other has put something there. */
#ifndef DAEMON_WRITER_H
#define DAEMON_WRITER_H

#include "daemon/engine/engine.h"
#include "daemon/lanes/job.h"
#include "daemon/lanes/pending.h"
#include "daemon/writer/apply.h"

struct writer;

struct writer_config {
    struct engine *engine;
    struct apply *apply; /* borrowed; the writer thread's from start to stop */
    uint64_t flush_delay_us;
    uint64_t sync_interval_us;
    void (*wake)(void *context); /* from the writer thread: there are completions now; must not block */
    void *wake_context;
};

/* What the thread did in one turn. */
struct completion {
    struct job *jobs;              /* done, by `next` */
    struct metadata_group *groups; /* written, oldest first, by `next` */
    uint64_t syncs;
    uint64_t groups_written;
    uint64_t engine_ns;  /* how long its last write without a sync took; 0: none */
    uint64_t sync_ns;    /* and its last with a sync */
    uint64_t written_ns; /* when it was done with writing */
    bool synced;         /* all written up to here, this completion included, is on the device */
    bool failed;         /* latched: `failure` says why */
    struct failure failure;
    struct engine_point *point; /* after the completion; NULL if it wrote nothing. The loop's to release */
    struct completion *next;
};

struct writer *writer_start(const struct writer_config *config);

/* Loop. Hands over a numbered job, or a list of groups (by `next`). */
void writer_submit(struct writer *writer, struct job *job);
void writer_submit_groups(struct writer *writer, struct metadata_group *groups);

/* Loop. Asks for a sync of what was submitted before; answered by a completion that says `synced`. */
void writer_submit_sync(struct writer *writer);

/* Loop. Whether there are completions to take. */
bool writer_has_completions(struct writer *writer);

/* Loop. All completions that are done, oldest first; free each with free(). */
struct completion *writer_drain_completions(struct writer *writer);

/* Loop. Ends the thread after what it was given, syncing what is unsynced. Rounds may come of it. */
void writer_stop(struct writer *writer);

/* After writer_stop and the last writer_drain_completions. */
void writer_free(struct writer *writer);

#endif
