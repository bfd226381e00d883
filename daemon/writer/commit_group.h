/* A step of the writer, and what it writes. That is one of
 *
 * - a commit group: the jobs that wait in the commit lane, validated one by one, in as few writes as may be, under one
 *   sync for all;
 * - a metadata group, as it was closed;
 * - a slice of sweeping behind a prune.
 *
 * Which of them goes next is decided here, by the schedule. A step ends with a read point, and what it did is a completion.
 *
 * Failures: a refused job changes nothing and the step goes on. A write that the engine did not apply refuses its jobs as
 * STATUS_NO_SPACE or STATUS_BUSY; the metadata groups in it stay, and are tried again after a pause. The first write or sync of which nobody
 * knows whether it was applied is latched: all jobs from there on end as STATUS_IO_ERROR and nothing is written any more. What
 * cannot be read is never latched: a job that needs it is refused as STATUS_DAMAGED, and a queued raise is left out.
 *
 * It has no thread and no lock of its own: its caller is the writer thread, or a test that takes its role. Decisions go by the time that is
 * passed in; the clock is read only to measure how long stages take. */
#ifndef DAEMON_COMMIT_GROUP_H
#define DAEMON_COMMIT_GROUP_H

#include "daemon/host/numbers.h"
#include "daemon/lanes/completion.h"
#include "daemon/writer/apply.h"

struct commit_group_config {
    struct engine *engine;   /* borrowed */
    struct apply *apply;     /* borrowed */
    struct numbers *numbers; /* borrowed; NULL: no JOB_RESERVE comes */
    uint64_t flush_delay_us;
    uint64_t sync_interval_us;
};

struct commit_group;

struct commit_group *commit_group_new(const struct commit_group_config *config);
/* Accepts NULL. Jobs and groups that still wait are not freed: their owners have them. */
void commit_group_free(struct commit_group *group);

/* Other delays from the next step on. */
void commit_group_set_delays(struct commit_group *group, uint64_t flush_delay_us, uint64_t sync_interval_us);

/* What waits to be written. The caller moves new jobs and groups in here before a step. */
struct lanes *commit_group_lanes(struct commit_group *group);

/* What is wanted beside what waits. */
struct commit_group_wants {
    bool sync;
    bool stop; /* sweep nothing more; once nothing else waits, sync and end */
};

/* One step at `now_us`, which is also when the step before ended: they follow on one another, or there was nothing to do.
 * NULL: nothing is due. *ret_is_last says whether nothing can follow, since a stop is wanted and nothing is left. */
struct completion *commit_group_step(struct commit_group *group, const struct commit_group_wants *wants,
                                     uint64_t now_us, bool *ret_is_last);

/* After a step that returned NULL: when the next is due though nothing joins; SCHEDULE_NEVER_US: not before. */
uint64_t commit_group_due_us(const struct commit_group *group, uint64_t now_us);

#endif
