/* Stages: how long each part of a request's way takes, in histograms that are always on. Loop only; what the writer thread
 * measured comes with its rounds. */
#ifndef DAEMON_STAGE_H
#define DAEMON_STAGE_H

#include <stdbool.h>

#include "proto/histogram.h"

/* In the order of a commit's way, with the name that the status page gives each. */
#define STAGE_LIST(X)                                                                                        \
    X(DECODE, "decode") /* a request's body to a message; one request in STAGE_SAMPLE */                     \
    X(READ, "read")     /* a read that memory answers; likewise */                                           \
    X(ENCODE, "encode") /* a reply to bytes; likewise */                                                     \
    X(QUEUE, "queue")   /* a commit, prune or rollback waits in its lane */                                  \
    X(APPLY, "apply")   /* it is judged and becomes part of a batch */                                       \
    X(ENGINE, "engine") /* a batch is written to the log and memory, without a sync */                       \
    X(SYNC, "sync")     /* a batch is written and all of the log synced, or only synced */                   \
    X(SHOW, "show")     /* from there until the loop has made it visible */                                  \
    X(COMMIT, "commit") /* a commit, prune or rollback from joining its lane to its reply */

#define STAGE_ENUM(name, text) STAGE_##name,
enum stage { STAGE_LIST(STAGE_ENUM) STAGES };
#undef STAGE_ENUM

enum { STAGE_SAMPLE = 16 }; /* of the stages that every request has, one in so many is timed */

struct stages {
    uint32_t requests; /* to choose those that are timed */
    struct histogram histograms[STAGES];
};

const char *stage_text(enum stage stage);

static inline void stage_add(struct stages *stages, enum stage stage, uint64_t took_ns)
{
    histogram_add(&stages->histograms[stage], took_ns);
}

/* Whether to time the request at hand. */
static inline bool stage_is_sampled(struct stages *stages)
{
    return stages->requests++ % STAGE_SAMPLE == 0;
}

#endif
