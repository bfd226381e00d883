/* Patience: whether to stay awake for something that lately came within moments. Falling asleep and being woken costs a
 * thread tens of microseconds, which somebody waits for; staying awake for long would only burn a processor. What is known to
 * take longer may be slept for until shortly before it is due. */
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

/* Whether to go on, awake, after waiting so long. */
static inline bool patience_holds(const struct patience *patience, uint64_t waited_ns)
{
    return patience->mean_ns <= patience->most_ns && waited_ns <= 2 * patience->mean_ns;
}

/* The same for what comes for certain: what mostly takes longer is slept for until shortly before it is due, then waited for
 * awake. If it is not to be awake, `ret_nap_ns` says how long to sleep; 0: until woken. */
static inline bool patience_holds_from_nap(const struct patience *patience, uint64_t waited_ns,
                                           uint64_t *ret_nap_ns)
{
    uint64_t mean_ns = patience->mean_ns, most_ns = patience->most_ns;
    bool is_long = mean_ns > most_ns;
    bool is_known = mean_ns < most_ns * PATIENCE_OUTLIER_FACTOR;
    uint64_t awake_from_ns = is_long ? mean_ns - most_ns / 2 : 0;
    bool is_nap = is_known && waited_ns < awake_from_ns;
    *ret_nap_ns = is_nap ? awake_from_ns - waited_ns : 0;
    return is_long ? is_known && !is_nap && waited_ns <= mean_ns + most_ns
                   : patience_holds(patience, waited_ns);
}

#endif
