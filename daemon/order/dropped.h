/* What requests dropped of a chain since its space was last asked back, as far as it is worth asking: heights as a range, names
 * and hashes as a count. Pure; the loop's. */
#ifndef DAEMON_DROPPED_H
#define DAEMON_DROPPED_H

#include "daemon/lanes/job.h"

/* Heights from `first` to `last` had so much dropped; 0: nothing. */
struct dropped_heights {
    uint64_t count;
    uint64_t first;
    uint64_t last;
};

struct dropped {
    struct dropped_heights blocks;
    struct dropped_heights states;
    uint64_t names;   /* operations that may have replaced a value */
    uint64_t deleted; /* operations that deleted a name, or names that went with their heights */
    uint64_t ranges;  /* of names that were deleted, however many those were */
    uint64_t hashes;  /* entries of the hash index */
    bool is_rollback; /* one was among them */
};

/* The greatest heights that were ever written, as far as this run knows: a write at one of those below may replace. */
struct dropped_tops {
    uint64_t block;
    uint64_t state;
    bool has_state;
};

/* Adds what a job of the chain dropped that went well, and moves the tops on. */
void dropped_by_job(struct dropped *dropped, struct dropped_tops *tops, const struct job *job);

/* Adds what an operation on a name may have dropped. */
void dropped_by_name(struct dropped *dropped, enum metadata_kind kind);

/* How much it is, of any kind; 0: nothing. */
uint64_t dropped_count(const struct dropped *dropped);

/* Adds what another one holds. */
void dropped_add(struct dropped *dropped, const struct dropped *other);

#endif
