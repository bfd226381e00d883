/* Preview: what a prune or a rollback would drop, or what stands against it, as of a view and of what was queued at that instant. It changes
 * nothing, and takes the same memory however much would go.
 *
 * Threads: it is made and freed on the loop. In between it belongs to the pool thread that takes a step. */
#ifndef DAEMON_PREVIEW_H
#define DAEMON_PREVIEW_H

#include "daemon/lanes/job.h"
#include "daemon/lanes/pending.h"
#include "daemon/read/fetch.h"

struct preview;

/* The fetch is copied; its engine and point, `pending`, and the job, a prune or a rollback with its guards, are borrowed for the
 * preview's life. */
struct preview *preview_new(const struct fetch *fetch, struct pending *pending, const struct job *job);
/* Accepts NULL. Loop. */
void preview_free(struct preview *preview);

/* The memory that its copy of the queue takes, values apart: those are in pending_held_bytes. */
uint64_t preview_bytes(const struct preview *preview);

enum preview_result {
    PREVIEW_GOES_ON, /* take the next step */
    PREVIEW_DONE,    /* *ret_counts is what would go */
    PREVIEW_REFUSED, /* something stands against it, or it cannot be read (STATUS_DAMAGED): `failure` says what */
};

/* Looks at a bounded number of further keys, some milliseconds where memory has them, and parks its cursor. Pool: it may wait for the
 * device. */
enum preview_result preview_step(struct preview *preview, struct job_counts *ret_counts,
                                 struct failure *failure) MUST_CHECK;

#endif
