/* A histogram of durations, as the daemon keeps of its stages and the tool of its measurements: counts in buckets whose
 * width grows with the value, so that every percentile is right to one part in 64. Pure; recording takes a few
 * nanoseconds and never fails. Zeroed is empty and ready. */
#ifndef PROTO_HISTOGRAM_H
#define PROTO_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_STEP_BITS = 6,   /* buckets to each doubling: 2^6 */
    HISTOGRAM_VALUE_BITS = 42, /* values from 2^42 ns, more than an hour, count as the greatest below */
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS,
};

struct histogram {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value_ns);

/* Adds all that `from` holds. */
void histogram_merge(struct histogram *histogram, const struct histogram *from);

/* The value that so many parts in a million of the values do not pass; 0 if there is none. 1,000,000 gives the greatest. */
uint64_t histogram_percentile_ns(const struct histogram *histogram, uint32_t parts_per_million);

#endif
