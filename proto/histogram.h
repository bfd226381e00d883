/* A histogram of durations, which the daemon keeps of its stages and the tool of its measurements: counts in buckets whose width
 * grows with the value, so that every percentile is exact to one part in 64. Pure; adding a value takes a few nanoseconds
 * and never fails. A zeroed one is empty. It belongs to one thread at a time. */
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

/* Counts one value. */
void histogram_add(struct histogram *histogram, uint64_t value_ns);

/* Adds the counts of `from`, which stays as it is. */
void histogram_merge(struct histogram *histogram, const struct histogram *from);

/* The value that this many parts in a million of the values do not exceed; 0 if there are no values. 1,000,000 gives the
 * greatest, exactly. */
uint64_t histogram_percentile_ns(const struct histogram *histogram, uint32_t parts_per_million);

#endif
