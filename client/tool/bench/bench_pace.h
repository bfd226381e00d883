/* When the requests of an open loop are due: at even times; above 1,000 a second a burst each millisecond, so that a fast pace
 * needs no more wake-ups. What is due does not depend on what was answered. Pure. */
#ifndef TOOL_BENCH_PACE_H
#define TOOL_BENCH_PACE_H

#include <stdint.h>

struct bench_pace {
    uint64_t start_ns;
    double step_ns;  /* between bursts */
    double per_step; /* requests of a burst, on average; at least 1 */
    uint64_t steps;  /* bursts that are due */
    uint64_t due;    /* requests in these */
    uint64_t next_ns;

    uint64_t taken;      /* requests taken */
    uint64_t taken_step; /* the burst to which the next request belongs */
    uint64_t taken_end;  /* requests up to the end of that burst */
};

/* The first burst is due at the start. */
void bench_pace_init(struct bench_pace *pace, double requests_per_second, uint64_t start_ns);

/* Updates `due`, and `next_ns`, the time of the next burst. */
void bench_pace_advance(struct bench_pace *pace, uint64_t now_ns);

/* The time at which the next request to be taken is due. */
uint64_t bench_pace_time_ns(const struct bench_pace *pace);

/* Takes the next request. */
void bench_pace_take(struct bench_pace *pace);

#endif
