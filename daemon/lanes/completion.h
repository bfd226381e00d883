/* A completion: what the writer did in one step, on its way back to the loop.
 *
 * - The writer thread fills it in and hands it back; from then on it is the loop's, which publishes and frees it.
 * - Completions are published in the order in which they were handed back, each in one step. */
#ifndef DAEMON_COMPLETION_H
#define DAEMON_COMPLETION_H

#include <stdlib.h>

#include "daemon/engine/engine.h"
#include "daemon/lanes/lane.h"

struct completion {
    struct job *jobs;              /* done, by `next` */
    struct metadata_group *groups; /* written, oldest first, by `next` */
    /* entries of these groups whose raises were left out; freed with it */
    const struct pending_entry **left_out;
    size_t left_out_count;
    struct failure left_out_failure; /* if there are any: why the last one was */
    uint64_t syncs;
    uint64_t groups_written; /* by themselves, not carried by a job */
    uint64_t engine_ns;      /* how long its last write without a sync took; 0: none */
    uint64_t sync_ns;        /* and its last with a sync */
    uint64_t written_ns;     /* when it was done with writing */
    bool lacks_room; /* a metadata group was not written for want of space; it stays, and is tried again */
    bool synced;     /* all written up to here, this step included, is on the device */
    bool failed;     /* latched: `failure` says why */
    struct failure failure;
    bool has_background_failure; /* the engine gave something up by itself, and goes on */
    struct failure background_failure;
    struct engine_point *point; /* after the step; NULL if it wrote nothing. The loop's to release */
    struct completion *next;
};

/* Jobs, groups and point belong to others by then. */
static inline void completion_free(struct completion *completion)
{
    free(completion->left_out);
    free(completion);
}

#endif
