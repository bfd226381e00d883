/* Patience: whether to stay awake for something that lately came within moments. Falling asleep and being woken costs a
 * thread more than such a moment; staying awake for anything longer would only burn a processor. */
#ifndef DAEMON_PATIENCE_H
#define DAEMON_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PATIENCE_NS_MAX = 100000,    /* what mostly takes longer is slept for */
    PATIENCE_LEARN_PARTS = 8,    /* of the mean, one part is the newest */
    PATIENCE_OUTLIER_FACTOR = 8, /* of PATIENCE_NS_MAX: longer counts as this */
};

struct patience {
    uint64_t mean_ns; /* how long it took lately */
};

static inline void patience_learn(struct patience *patience, uint64_t took_ns)
{
    const uint64_t most = (uint64_t)PATIENCE_NS_MAX * PATIENCE_OUTLIER_FACTOR;
    uint64_t counted_ns = took_ns < most ? took_ns : most;
    patience->mean_ns =
        (patience->mean_ns * (PATIENCE_LEARN_PARTS - 1) + counted_ns + PATIENCE_LEARN_PARTS - 1) /
        PATIENCE_LEARN_PARTS;
}

/* Whether to go on after waiting so long. */
static inline bool patience_holds(const struct patience *patience, uint64_t waited_ns)
{
    return patience->mean_ns <= PATIENCE_NS_MAX && waited_ns <= 2 * patience->mean_ns;
}

#endif
