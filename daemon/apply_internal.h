/* What apply.c shares with its two larger kinds of job, rollback.c and sweep.c. Nobody else includes this. */
#ifndef DAEMON_APPLY_INTERNAL_H
#define DAEMON_APPLY_INTERNAL_H

#include "daemon/apply.h"

/* Where clearing up behind a prune has come to. */
struct sweep {
    uint64_t through;    /* the heights it is for, up to and including; 0: none under way */
    bool headers_done;   /* then it goes through what was bound to heights */
    struct key position; /* the next key to look at */
};

/* What the writer knows of a chain. */
struct apply_chain {
    struct chain_marks marks;
    uint64_t blocks_highest; /* no block lies above it */
    struct sweep sweep;
};

struct apply {
    struct store *store;
    struct edit_set *edits;
    uint32_t chains_max;
    struct apply_chain *chains; /* by id */
    /* the job or group under way: what apply_written takes over */
    uint32_t chain; /* 0: none changes */
    struct apply_chain next;
};

/* What a name holds as of the edits; pruned counts as absent. The value lives until ret_value is released. */
enum status apply_read_metadata(struct apply *apply, uint32_t chain, struct slice name,
                                uint64_t blocks_pruned, struct metadata_value *ret_metadata,
                                struct store_value *ret_value, struct failure *failure) MUST_CHECK;

/* Edits the name's value. */
enum status apply_change_metadata(struct apply *apply, uint32_t chain, struct slice name,
                                  struct metadata_change change, uint64_t blocks_pruned,
                                  struct failure *failure) MUST_CHECK;

/* Edits what the job's own metadata operations do, one after the other. */
enum status apply_own_metadata(struct apply *apply, const struct job *job,
                               struct failure *failure) MUST_CHECK;

/* Edits the hash index: the entry goes if it leads to that height. */
enum status apply_drop_hash(struct apply *apply, uint32_t chain, struct slice hash, uint64_t height,
                            struct failure *failure) MUST_CHECK;

/* rollback.c: judges and edits, and changes apply->next. Sets job->counts. */
enum status apply_rollback(struct apply *apply, struct job *job, struct failure *failure) MUST_CHECK;

/* sweep.c: edits one slice of clearing up, and changes apply->next. Sets job->swept_all. */
enum status apply_sweep(struct apply *apply, struct job *job, struct failure *failure) MUST_CHECK;

#endif
