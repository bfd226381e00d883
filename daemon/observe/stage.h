/* Stages: how long each part of a request's way takes, in histograms that are always on. On the loop; what the writer thread
 * measured comes with what it hands back. */
#ifndef DAEMON_STAGE_H
#define DAEMON_STAGE_H

#include <assert.h>
#include <stdbool.h>

#include "proto/histogram.h"

/* In the order of a commit's way, with the name that the status page gives each. */
#define STAGE_LIST(X)                                                                                        \
    X(DECODE, "decode")   /* a request's body to a message; one request in STAGE_SAMPLE */                   \
    X(READ, "read")       /* a read that memory answers; likewise */                                         \
    X(ENCODE, "encode")   /* a reply to bytes; likewise */                                                   \
    X(QUEUE, "queue")     /* a commit, prune or rollback waits in its lane */                                \
    X(APPLY, "apply")     /* it is validated and becomes part of a write batch */                            \
    X(ENGINE, "engine")   /* a write batch goes to the log and memory, without a sync */                     \
    X(SYNC, "sync")       /* a write batch goes there and all of the log is synced, or it is only synced */  \
    X(PUBLISH, "publish") /* from there until the loop has published it */                                   \
    X(COMMIT, "commit")   /* a commit, prune or rollback from joining its lane to its reply */

#define STAGE_ENUM(name, text) STAGE_##name,
enum stage { STAGE_LIST(STAGE_ENUM) STAGES };
#undef STAGE_ENUM

enum { STAGE_SAMPLE = 16 }; /* requests of which one is timed, in the stages that every request has */

struct stages {
    uint32_t requests; /* seen so far, wraps: chooses those that are timed */
    struct histogram histograms[STAGES];
};

/* The name that the status page gives the stage, static. */
const char *stage_text(enum stage stage);

/* Counts one duration. */
static inline void stage_add(struct stages *stages, enum stage stage, uint64_t took_ns)
{
    assert(stage < STAGES);
    histogram_add(&stages->histograms[stage], took_ns);
}

/* Whether to time the present request: true once in STAGE_SAMPLE calls. */
static inline bool stage_is_sampled(struct stages *stages)
{
    return stages->requests++ % STAGE_SAMPLE == 0;
}

#endif
