/* Patience: whether to stay awake for something that lately came within moments. Falling asleep and being woken costs a
 * thread tens of microseconds, which somebody waits for; staying awake for long would only burn a processor. */
#ifndef DAEMON_PATIENCE_H
#define DAEMON_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PATIENCE_LEARN_PARTS = 8,    /* of the mean, one part is the newest */
    PATIENCE_OUTLIER_FACTOR = 8, /* of most_ns: longer counts as this */
};

struct patience {
    uint64_t most_ns; /* fixed: what mostly takes longer is slept for */
    uint64_t mean_ns; /* how long it took lately */
};

static inline void patience_learn(struct patience *patience, uint64_t took_ns)
{
    uint64_t most_ns = patience->most_ns * PATIENCE_OUTLIER_FACTOR;
    uint64_t counted_ns = took_ns < most_ns ? took_ns : most_ns;
    uint64_t before_ns = patience->mean_ns * (PATIENCE_LEARN_PARTS - 1);
    patience->mean_ns = (before_ns + counted_ns + PATIENCE_LEARN_PARTS - 1) / PATIENCE_LEARN_PARTS;
}

/* Whether to go on after waiting so long. */
static inline bool patience_holds(const struct patience *patience, uint64_t waited_ns)
{
    return patience->mean_ns <= patience->most_ns && waited_ns <= 2 * patience->mean_ns;
}

#endif
