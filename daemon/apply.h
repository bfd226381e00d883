/* Apply: judging one job, or one group of metadata, at its place in the order, and turning it into one WriteBatch.
 *
 * Writer thread only, but for apply_new and apply_load, which come before it starts. Nothing here writes: the writer
 * writes the batch and then says apply_written, or says apply_refused and nothing has changed. */
#ifndef DAEMON_APPLY_H
#define DAEMON_APPLY_H

#include "daemon/edit.h"
#include "daemon/job.h"
#include "daemon/pending.h"

struct apply;

/* chains_max: chain ids are from 1 to it. */
struct apply *apply_new(struct store *store, uint32_t chains_max);
void apply_free(struct apply *apply);

/* Takes over an existing chain's marks, reading what else it needs to know of the chain. STATUS_OK, STATUS_IO_ERROR. */
enum status apply_load(struct apply *apply, uint32_t chain, const struct chain_marks *marks,
                       struct failure *failure) MUST_CHECK;

/* Judges the job and fills the batch with its effect, after the effect of the segments it carries (a list by `next`, oldest
 * first; those up to job->carry_through are taken).
 *
 * STATUS_OK  the batch is to be written, unless it is empty; job->marks and job->counts are set
 * other      refused, or (STATUS_IO_ERROR) not to be judged since reading failed: job->failure says why */
enum status apply_job(struct apply *apply, struct job *job, const struct pending_segment *carried,
                      struct store_batch *batch) MUST_CHECK;

/* Fills the batch with a group. STATUS_OK, STATUS_IO_ERROR. */
enum status apply_group(struct apply *apply, const struct pending_segment *segment, struct store_batch *batch,
                        struct failure *failure) MUST_CHECK;

/* What was filled in last is written; or it is not going to be. */
void apply_written(struct apply *apply);
void apply_refused(struct apply *apply);

#endif
