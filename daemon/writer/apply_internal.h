/* What the parts of apply have in common. Nobody else includes this. Calls go one way: apply.c uses apply_commit.c,
 * apply_claim.c, rollback.c and sweep.c, its larger kinds of job, and all of them use apply_metadata.c. Writer thread only. */
#ifndef DAEMON_APPLY_INTERNAL_H
#define DAEMON_APPLY_INTERNAL_H

#include <openssl/evp.h>

#include "daemon/writer/apply.h"

/* How far the sweep behind a prune has come. */
struct sweep {
    uint64_t through;    /* it is for the heights up to this one; 0: none is under way */
    bool headers_done;   /* header records are swept, and names bound to heights come next */
    struct key position; /* the next key to look at */
};

/* What the writer knows of a chain. */
struct apply_chain {
    bool is_there; /* else it was never made, or dropped, and the other fields are zero */
    struct chain_marks marks;
    uint64_t block_height_max; /* no block lies above it */
    struct epoch epoch;        /* of its last claim, released or not */
    uint64_t last_number;      /* that was applied under it */
};

/* A chain as it was before changes that are not yet written. */
struct apply_before {
    uint32_t chain;
    struct apply_chain known;
};

struct apply {
    /* fixed after start */
    struct engine *engine;
    EVP_MD *sha256;
    uint32_t chains_max;
    /* writer thread only, but for apply_load before it starts */
    struct write_set *set;
    struct apply_chain *chains;   /* by id */
    struct sweep *sweeps;         /* by id */
    struct apply_before *befores; /* of chains changed since the last write, in the order of the changes */
    size_t before_count;
    size_t before_capacity;
    struct apply_left_out left_out;
    struct sweep sweep; /* of the slice under way; replaces that in `sweeps` once the slice is applied */
    /* of the chain of the job under way; replaces that in `chains` once the job is applied */
    struct apply_chain next;
};

/* ---- apply_metadata.c: names, the hash index, and what reading them can end with ---- */

/* What a name holds, changes of the write set included; pruned counts as absent. The value lives until ret_value is released.
 * STATUS_OK, also if it is absent; STATUS_DAMAGED: nothing is to be released. */
enum status apply_metadata_read(struct apply *apply, uint32_t chain, struct slice name,
                                uint64_t blocks_pruned, struct metadata_value *ret_metadata,
                                struct engine_value *ret_value, struct failure *failure) MUST_CHECK;

/* Changes what the name holds. The change's slices are copied. STATUS_OK, STATUS_DAMAGED. */
enum status apply_metadata_change(struct apply *apply, uint32_t chain, struct slice name,
                                  struct metadata_change change, uint64_t blocks_pruned,
                                  struct failure *failure) MUST_CHECK;

/* Applies the job's own metadata operations, one after the other. STATUS_OK, STATUS_DAMAGED. */
enum status apply_metadata_own(struct apply *apply, const struct job *job,
                               struct failure *failure) MUST_CHECK;

/* The key of the hash index's entry, and whether that leads to the height. STATUS_OK, STATUS_DAMAGED. */
enum status apply_find_hash(struct apply *apply, uint32_t chain, struct slice hash, uint64_t height,
                            struct key *ret_key, bool *ret_leads, struct failure *failure) MUST_CHECK;

/* Drops the hash index's entry if it leads to that height. STATUS_OK, STATUS_DAMAGED. */
enum status apply_drop_hash(struct apply *apply, uint32_t chain, struct slice hash, uint64_t height,
                            struct failure *failure) MUST_CHECK;

/* Moves a cursor on. ENGINE_OK; ENGINE_NOT_FOUND: it is at the end; ENGINE_FAILED: failure->status is STATUS_DAMAGED. */
enum engine_result apply_cursor_next(struct engine_cursor *cursor, struct slice *ret_key,
                                     struct slice *ret_value, struct failure *failure) MUST_CHECK;

/* The store holds something that cannot be understood: STATUS_DAMAGED. */
enum status apply_damaged(struct failure *failure, const char *what, uint32_t chain);

/* ---- apply_commit.c ---- */

/* Validates and applies, and changes apply->next. STATUS_OK, STATUS_CONFLICT, STATUS_DAMAGED. */
enum status apply_commit(struct apply *apply, const struct job *job, struct failure *failure) MUST_CHECK;

/* ---- apply_claim.c: each changes apply->next ---- */

void apply_claim_take(struct apply *apply, const struct job *job);
void apply_claim_release(struct apply *apply, const struct job *job);

/* Reads what is known of the epoch that is presented. STATUS_OK, STATUS_DAMAGED. */
enum status apply_claim_present(struct apply *apply, struct job *job, struct failure *failure) MUST_CHECK;

/* Notes the job's number, which was not applied yet, if it is the next one. What is noted is taken back with all else if the job is
 * refused. STATUS_OK, STATUS_CONFLICT. */
enum status apply_claim_number(struct apply *apply, const struct job *job,
                               struct failure *failure) MUST_CHECK;

/* ---- rollback.c ---- */

/* Validates and applies, and changes apply->next. Sets job->counts. */
enum status rollback_apply(struct apply *apply, struct job *job, struct failure *failure) MUST_CHECK;

/* ---- sweep.c ---- */

/* Applies one slice, and changes apply->next. Sets job->swept_all. */
enum status sweep_apply(struct apply *apply, struct job *job, struct failure *failure) MUST_CHECK;

#endif
