/* A borrowed run of bytes. A function that returns one states how long the bytes live. Pure. */
#ifndef DAEMON_SLICE_H
#define DAEMON_SLICE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t bytes;
};

static inline struct slice slice_of(const void *data, size_t bytes)
{
    assert(data != NULL || bytes == 0);
    return (struct slice){data, bytes};
}

static inline bool slice_equal(struct slice left, struct slice right)
{
    return left.bytes == right.bytes && (left.bytes == 0 || memcmp(left.data, right.data, left.bytes) == 0);
}

/* Below, above or equal to 0 in byte order; a prefix comes first. */
static inline int slice_compare(struct slice left, struct slice right)
{
    size_t shorter = left.bytes < right.bytes ? left.bytes : right.bytes;
    int order = shorter == 0 ? 0 : memcmp(left.data, right.data, shorter);
    if (order != 0) {
        return order;
    }
    return (left.bytes > right.bytes) - (left.bytes < right.bytes);
}

static inline bool slice_has_prefix(struct slice whole, struct slice prefix)
{
    return prefix.bytes <= whole.bytes && slice_equal(slice_of(whole.data, prefix.bytes), prefix);
}

#endif
