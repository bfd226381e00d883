/* A histogram's life: zeroed, added to one value at a time by its owner, merged into another, asked for percentiles. Nothing here
 * can fail: a value beyond the last bucket counts there. */
#include "proto/histogram.h"

#include <assert.h>

enum { STEPS = 1 << HISTOGRAM_STEP_BITS };

/* Below 2^6 each value has a bucket of its own; from there each doubling has 2^6 buckets of equal width. */
static unsigned bucket_of(uint64_t value_ns)
{
    const uint64_t max = ((uint64_t)1 << HISTOGRAM_VALUE_BITS) - 1;
    uint64_t value = value_ns < max ? value_ns : max;
    if (value < STEPS) {
        return (unsigned)value;
    }
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    unsigned bucket = ((shift + 1) << HISTOGRAM_STEP_BITS) + (unsigned)(value >> shift) - STEPS;
    assert(bucket < HISTOGRAM_BUCKETS);
    return bucket;
}

/* The greatest value of the bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < STEPS) {
        return bucket;
    }
    unsigned shift = (bucket >> HISTOGRAM_STEP_BITS) - 1;
    uint64_t first = (uint64_t)(bucket & (STEPS - 1)) + STEPS;
    return ((first + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value_ns)
{
    histogram->count++;
    histogram->buckets[bucket_of(value_ns)]++;
    if (value_ns > histogram->max_ns) {
        histogram->max_ns = value_ns;
    }
}

void histogram_merge(struct histogram *histogram, const struct histogram *from)
{
    histogram->count += from->count;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        histogram->buckets[i] += from->buckets[i];
    }
    if (from->max_ns > histogram->max_ns) {
        histogram->max_ns = from->max_ns;
    }
}

uint64_t histogram_percentile_ns(const struct histogram *histogram, uint32_t parts_per_million)
{
    assert(parts_per_million <= 1000000); /* the rank is at most the count */
    if (histogram->count == 0) {
        return 0;
    }
    /* rank rounded up, split so that no count overflows */
    uint64_t whole = histogram->count / 1000000 * parts_per_million;
    uint64_t rest = (histogram->count % 1000000 * parts_per_million + 999999) / 1000000;
    uint64_t rank = whole + rest > 0 ? whole + rest : 1;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= rank) {
            uint64_t end = bucket_end(i);
            return end < histogram->max_ns ? end : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}
