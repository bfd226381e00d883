/* Random numbers in a few nanoseconds: splitmix64. Any state is good, 0 too. */
#ifndef TOOL_BENCH_RANDOM_H
#define TOOL_BENCH_RANDOM_H

#include <stdint.h>

static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

/* A number below `bound`, which must be above 0. */
static inline uint64_t bench_random_below(uint64_t *state, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)bench_random(state) * bound >> 64);
}

#endif
