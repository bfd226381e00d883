/* Ranges: which keys a write set has deleted as ranges, and behind which of its changes. Pure; the writer thread's.
 *
 * Each range comes at a number that is not below the one before. Where ranges overlap the latest counts, so that of each key one look
 * says whether what was put at some number is still there. */
#ifndef DAEMON_RANGES_H
#define DAEMON_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/schema/slice.h"

/* Keys from `from` to `to`, which is not in it; borrowed. */
struct range {
    struct slice from;
    struct slice to;
    uint64_t number; /* what was put at this number or before is deleted */
};

/* Zeroed it has none. */
struct ranges {
    struct range *added; /* in their order */
    size_t added_count;
    size_t added_capacity;
    struct range *parts; /* the same without overlaps, in the order of the keys */
    size_t part_count;
    size_t part_capacity;
};

/* The bytes are borrowed until it is taken back, cleared or closed. One without a key is only kept. */
void ranges_add(struct ranges *ranges, struct slice from, struct slice to, uint64_t number);

/* Takes back all but the first `count`. */
void ranges_take_back(struct ranges *ranges, size_t count);

/* Whether a range has the key; *ret_number is the latest one's. */
bool ranges_have(const struct ranges *ranges, struct slice key, uint64_t *ret_number);

/* Frees its memory; it is as zeroed behind this. */
void ranges_close(struct ranges *ranges);

#endif
