/* An ordered map that remembers: each key with what every write made of it. Life:
 *
 * - Writes are numbered, rising. A write sets keys to values or to nothing; what was there before stays beside it.
 * - A read is as of a number: it sees the newest of each key that is not above it.
 * - fake_map_collect forgets what no read can see any more; fake_map_drop_above undoes the newest writes.
 *
 * A sorted array, for it is simpler than it is slow. Pure; nothing fails but memory, which ends the process. */
#ifndef TESTS_FAKE_MAP_H
#define TESTS_FAKE_MAP_H

#include "daemon/schema/slice.h"

struct fake_version {
    uint8_t *key; /* its own, of exactly so many bytes, so that AddressSanitizer sees who reads beyond */
    size_t key_bytes;
    uint64_t number; /* of the write that made it */
    bool is_deleted;
    uint8_t *value;
    size_t value_bytes;
};

/* Zeroed is empty. */
struct fake_map {
    struct fake_version *versions; /* by key, then by number */
    size_t count;
    size_t capacity;
};

/* Forgets all; zeroed and closed are fine. */
void fake_map_close(struct fake_map *map);
/* A map of its own with the same in it. */
struct fake_map fake_map_copy(const struct fake_map *map);

/* No write above `number` is there yet. Within one write the later call for a key counts. */
void fake_map_put(struct fake_map *map, uint64_t number, struct slice key, struct slice value);
void fake_map_delete(struct fake_map *map, uint64_t number, struct slice key);
/* All keys from `from` (included) to `to` (excluded). */
void fake_map_delete_range(struct fake_map *map, uint64_t number, struct slice from, struct slice to);

/* The key as of `number`; NULL: it is not there. Valid until the map is changed. */
const struct fake_version *fake_map_find(const struct fake_map *map, uint64_t number, struct slice key);
/* The first that is there from `from` on, `from` itself included if `is_included`; the last before `to`. NULL: none. */
const struct fake_version *fake_map_from(const struct fake_map *map, uint64_t number, struct slice from,
                                         bool is_included);
const struct fake_version *fake_map_before(const struct fake_map *map, uint64_t number, struct slice to);

/* Forgets what reads as of `number` and above do not see. */
void fake_map_collect(struct fake_map *map, uint64_t number);
/* Forgets what writes above `number` did. */
void fake_map_drop_above(struct fake_map *map, uint64_t number);

/* How many keys are there as of `number`, and the bytes of their values. */
size_t fake_map_keys(const struct fake_map *map, uint64_t number, uint64_t *ret_bytes);

#endif
