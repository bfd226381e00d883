/* Apply: validates jobs and metadata groups at their places in the order, and adds what they change to the write set. Several
 * jobs may share a write set.
 *
 * - A job that was applied counts for all that is validated behind it, though nothing of it is written yet.
 * - commit_group.c writes the set, and says here what became of it: apply_written or apply_take_back.
 *
 * Threads: the writer thread only, but for apply_new, apply_load and apply_free, which the loop calls before that thread
 * starts and after it ended. Nothing here writes.
 *
 * Failures: a refused job adds nothing. One that needs what cannot be read ends as STATUS_DAMAGED and adds nothing either. A
 * queued raise over a value that cannot be read is left out alone. */
#ifndef DAEMON_APPLY_H
#define DAEMON_APPLY_H

#include "daemon/lanes/job.h"
#include "daemon/lanes/pending.h"
#include "daemon/writer/write_set.h"

struct apply;

/* The engine is borrowed. Chain ids are from 1 to chains_max. NULL: the machine's OpenSSL has no SHA-256. */
struct apply *apply_new(struct engine *engine, uint32_t chains_max);
/* Accepts NULL. */
void apply_free(struct apply *apply);

/* Copies an existing chain's marks, and reads what else validation needs to know of it.
 * STATUS_OK; STATUS_DAMAGED: some could not be read or understood, and is looked up anew by each job that needs it. */
enum status apply_load(struct apply *apply, uint32_t chain, const struct chain_marks *marks,
                       struct failure *failure) MUST_CHECK;

/* The epoch of an existing chain's last claim, and the last number that was applied under it. Behind apply_load. */
void apply_load_epoch(struct apply *apply, uint32_t chain, struct epoch epoch, uint64_t last_number);

/* A start has made the chain, which is empty. */
void apply_made(struct apply *apply, uint32_t chain);

/* Validates the job and adds what it changes to the write set, behind what the groups change that it carries: of the list
 * `carried` (by `next`, oldest first) those up to job->carry_through. One that deletes ranges is the first job of its set. What
 * the job's slices lead to is borrowed until apply_written or apply_take_back.
 *
 * STATUS_OK        job->marks and job->counts are set; a dry run adds nothing, and one whose number was applied before only what it
 *                  carries
 * STATUS_CONFLICT, STATUS_INVALID, STATUS_TOO_LARGE  refused: job->failure says why, nothing was added
 * STATUS_DAMAGED   what it needs to read cannot be read or understood: likewise */
enum status apply_job(struct apply *apply, struct job *job, const struct metadata_group *carried) MUST_CHECK;

/* Whether a job with its number was applied before, by what was written or is in the write set: then it is repeated, whatever else it
 * says, and changes nothing. */
bool apply_has_applied(const struct apply *apply, const struct job *job);

/* Adds what a group changes to the write set, which has nothing else. */
void apply_group(struct apply *apply, const struct metadata_group *group);

/* Entries of the groups in the write set whose raises are left out, as what they compare with cannot be read: `failure` says
 * why of the last one. Borrowed until apply_written or apply_take_back. */
struct apply_left_out {
    const struct pending_entry **entries; /* grows */
    size_t count;
    size_t capacity;
    struct failure failure; /* if count > 0 */
};
const struct apply_left_out *apply_left_out(const struct apply *apply);

/* Keys and values in the write set so far, in bytes. */
size_t apply_bytes(const struct apply *apply);

/* The write set as engine_write takes it; *ret_count may be 0. Borrowed until one of the two calls below. */
struct engine_edit *apply_list(struct apply *apply, size_t *ret_count);

/* The write set was written, or nothing is written any more: it is emptied, and its jobs count as applied. */
void apply_written(struct apply *apply);
/* The engine did not apply the write set: it is emptied, and the chains are again as before its first job. */
void apply_take_back(struct apply *apply);

#endif
