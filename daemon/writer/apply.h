/* Apply: judging jobs, and groups of metadata, at their places in the order, and turning them into one list of edits. Several
 * jobs may go into one.
 *
 * Writer thread only, but for apply_new and apply_load, which come before it starts. Nothing here writes: the writer
 * does. What was judged counts from then on for what is judged behind it, until the writer says what became of the edits. */
#ifndef DAEMON_APPLY_H
#define DAEMON_APPLY_H

#include "daemon/lanes/job.h"
#include "daemon/lanes/pending.h"
#include "daemon/writer/edit.h"

struct apply;

/* chains_max: chain ids are from 1 to it. */
struct apply *apply_new(struct engine *engine, uint32_t chains_max);
void apply_free(struct apply *apply);

/* Takes over an existing chain's marks, reading what else it needs to know of the chain. STATUS_OK, STATUS_IO_ERROR. */
enum status apply_load(struct apply *apply, uint32_t chain, const struct chain_marks *marks,
                       struct failure *failure) MUST_CHECK;

/* Judges the job and adds its effect, after the effect of the groups it carries (a list by `next`, oldest first; those up
 * to job->carry_through are taken). A prune or rollback is the first of its write.
 *
 * STATUS_OK  job->marks and job->counts are set; a dry run has no effect
 * other      refused, or (STATUS_IO_ERROR) not to be judged since reading failed: job->failure says why, no effect */
enum status apply_job(struct apply *apply, struct job *job, const struct metadata_group *carried) MUST_CHECK;

/* Adds the effect of a group, the only one of its write. STATUS_OK, STATUS_IO_ERROR: nothing can be judged any more. */
enum status apply_group(struct apply *apply, const struct metadata_group *group,
                        struct failure *failure) MUST_CHECK;

/* Keys and values that the write will have, so far. */
size_t apply_bytes(const struct apply *apply);

/* All that was added since the last write, as engine_write takes it; there may be none. It goes with one of the two below. */
struct engine_edit *apply_list(struct apply *apply, size_t *ret_count);

/* The edits were written, or never will be: those added since the last write are forgotten, and with them, unless they were
 * written, all that was judged since. */
void apply_written(struct apply *apply);
void apply_take_back(struct apply *apply);

#endif
