/* What apply.c, its two larger kinds of job, rollback.c and sweep.c, and what they all use, change.c, have in common.
 * Nobody else includes this. */
#ifndef DAEMON_APPLY_INTERNAL_H
#define DAEMON_APPLY_INTERNAL_H

#include <openssl/evp.h>

#include "daemon/writer/apply.h"

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
};

/* A chain as it was before the edits that are not yet written. */
struct apply_before {
    uint32_t chain;
    struct apply_chain known;
};

struct apply {
    struct engine *engine;
    struct edit_set *edits;
    EVP_MD *sha256;
    uint32_t chains_max;
    struct apply_chain *chains; /* by id */
    struct sweep *sweeps;       /* by id */
    struct apply_before
        *befores; /* of the chains changed since the last write, in the order of the changes */
    size_t before_count;
    size_t before_capacity;
    struct sweep sweep;      /* of the slice under way: taken over if it goes well */
    struct apply_chain next; /* of the chain of the job under way */
};

/* rollback.c: judges and edits, and changes apply->next. Sets job->counts. */
enum status rollback_apply(struct apply *apply, struct job *job, struct failure *failure) MUST_CHECK;

/* sweep.c: edits one slice of clearing up, and changes apply->next. Sets job->swept_all. */
enum status sweep_apply(struct apply *apply, struct job *job, struct failure *failure) MUST_CHECK;

#endif
