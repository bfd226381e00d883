/* How many bytes a range takes, about. RocksDB knows how much of its tables a range is, but not what large values are in it, nor what
 * of the write buffers. So a bounded part of the range is walked:
 *
 * - The range is cut into segments that are equally large in the tables, so that what lies together, and is alike, is looked at in
 *   each of them.
 * - Each segment is walked from its begin until it ends or its share of keys and bytes is used up.
 * - What was walked counts as it is. For what was not, it is scaled by the bytes of tables; those of few keys RocksDB does not tell
 *   apart, so there the keys and small values that were walked stand for them.
 * - The sum is held between what the tables say and what all tables, write buffers and files of large values can hold.
 *
 * Ways to fail: what cannot be read ends it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine/rocksdb/rocks.h"
#include "daemon/observe/heartbeat.h"

enum {
    SEGMENTS_MAX = 16,
    SEGMENT_TABLE_BYTES = 256 << 10, /* tables, with blocks of 4 KiB, do not tell smaller ones apart well */

    /* Keys and bytes that are walked of a range. All chosen: it takes some hundred milliseconds, a second on a cold disk. */
    WALK_KEYS = 16384,
    WALK_BYTES = 64 << 20,
    /* Of a range that is one segment: few of its keys have left the write buffers, and all of these are walked. */
    WALK_KEYS_ONE = 1 << 20,
    WALK_BYTES_ONE = 256 << 20,
    /* what walked keys have of tables; if it is less, RocksDB does not tell how much */
    TABLES_TOLD_BYTES = 64 << 10,

    LARGE_ENTRY_BYTES = 16, /* what a table has of a large value: RocksDB's own */
    CUT_STEPS = 48,         /* of a search for a place between two keys */
    CUT_PART = 32,          /* a place is found once it is right to a part of the segment */
};

/* A key that is no longer than a search between two keys needs. */
struct place {
    size_t bytes;
    uint8_t data[256];
};

struct segment {
    struct slice from;
    struct slice to;
};

/* Bytes of what was walked. */
struct tally {
    double small;   /* keys and small values, */
    double large;   /* and large values */
    double entries; /* keys and small values, and what tables have of large ones */
    double tables;  /* what RocksDB says that this takes */
};

struct usage {
    struct rocks *rocks;
    uint64_t keys_max;
    uint64_t bytes_max;
    struct tally whole;  /* of segments that were walked to their ends */
    struct tally walked; /* of the others */
    double open_bytes;   /* of tables, of those */
};

static bool table_bytes(const struct rocks *rocks, struct slice from, struct slice to, double *ret_bytes,
                        struct failure *failure)
{
    uint64_t bytes = 0;
    char *error = NULL;
    const char *first = (const char *)from.data, *behind = (const char *)to.data;
    rocksdb_approximate_sizes(rocks->db, 1, &first, &from.bytes, &behind, &to.bytes, &bytes, &error);
    if (error != NULL) {
        rocks_fail_read("estimating the size of a range", error, failure);
        return false;
    }
    *ret_bytes = (double)bytes;
    return true;
}

/* ---- cutting ---- */

static struct place place_of(struct slice key)
{
    struct place place = {.bytes = key.bytes < sizeof place.data ? key.bytes : sizeof place.data};
    memcpy(place.data, key.data, place.bytes);
    return place;
}

static struct slice place_slice(const struct place *place)
{
    return slice_of(place->data, place->bytes);
}

/* Eight bytes from there on as a number; behind the end there are zeros. */
static uint64_t number_at(const struct place *place, size_t at)
{
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof number; i++) {
        number = number << 8 | (at + i < place->bytes ? place->data[at + i] : 0);
    }
    return number;
}

/* The place in the middle between two. False: there is none that is shorter than a place may be. */
static bool middle_of(const struct place *low, const struct place *high, struct place *ret_middle)
{
    size_t same = 0;
    while (same < low->bytes && same < high->bytes && low->data[same] == high->data[same]) {
        same++;
    }
    uint64_t below = number_at(low, same), above = number_at(high, same), half = (above - below) / 2;
    if (above <= below || half == 0 || same + sizeof above > sizeof ret_middle->data) {
        return false;
    }
    struct place middle = {.bytes = same + sizeof above};
    memcpy(middle.data, low->data, same);
    for (size_t i = 0; i < sizeof above; i++) {
        middle.data[same + i] = (uint8_t)((below + half) >> (8 * (sizeof above - 1 - i)));
    }
    *ret_middle = middle;
    return true;
}

/* The place before which the range has so many bytes of tables, about. */
static bool cut_at(const struct rocks *rocks, struct slice from, struct slice to, double wanted,
                   double tolerance, struct place *ret_place, struct failure *failure)
{
    struct place low = place_of(from), high = place_of(to), middle;
    double bytes;
    for (int i = 0; i < CUT_STEPS && middle_of(&low, &high, &middle); i++) {
        if (!table_bytes(rocks, from, place_slice(&middle), &bytes, failure)) {
            return false;
        }
        if (bytes >= wanted - tolerance && bytes <= wanted + tolerance) {
            *ret_place = middle;
            return true;
        }
        *(bytes < wanted ? &low : &high) = middle;
    }
    *ret_place = low;
    return true;
}

/* ---- walking ---- */

static void add_entry(struct tally *tally, size_t key_bytes, size_t value_bytes)
{
    bool is_large = value_bytes >= ROCKS_LARGE_BYTES;
    tally->large += is_large ? (double)value_bytes : 0;
    tally->small += (double)key_bytes + (is_large ? 0 : (double)value_bytes);
    tally->entries += (double)key_bytes + (is_large ? LARGE_ENTRY_BYTES : (double)value_bytes);
}

static void add(struct tally *to, const struct tally *tally)
{
    to->tables += tally->tables;
    to->small += tally->small;
    to->large += tally->large;
    to->entries += tally->entries;
}

/* Walks a segment from its begin. ENGINE_NOT_FOUND: to its end; ENGINE_OK: until its share was used up, and *ret_reached is the last key;
 * ENGINE_FAILED. */
static enum engine_result walk(const struct usage *usage, rocksdb_iterator_t *iterator,
                               const struct segment *segment, struct tally *tally, struct place *ret_reached,
                               struct failure *failure)
{
    rocksdb_iter_seek(iterator, (const char *)segment->from.data, segment->from.bytes);
    for (uint64_t keys = 0; rocksdb_iter_valid(iterator); keys++) {
        if (keys == usage->keys_max || tally->small + tally->large >= (double)usage->bytes_max) {
            return ENGINE_OK;
        }
        size_t key_bytes = 0, value_bytes = 0;
        const char *key = rocksdb_iter_key(iterator, &key_bytes);
        (void)rocksdb_iter_value(iterator, &value_bytes);
        add_entry(tally, key_bytes, value_bytes);
        *ret_reached = place_of(slice_of(key, key_bytes));
        rocksdb_iter_next(iterator);
        heartbeat_go_on();
    }
    char *error = NULL;
    rocksdb_iter_get_error(iterator, &error);
    if (error != NULL) {
        rocks_fail_read("reading a range of keys", error, failure);
        return ENGINE_FAILED;
    }
    return ENGINE_NOT_FOUND;
}

/* Notes what is in a segment. */
static bool look_at(struct usage *usage, const struct segment *segment, struct failure *failure)
{
    struct tally tally = {0};
    struct place reached = place_of(segment->from);
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(read, 0); /* it is for what is read often */
    rocksdb_readoptions_set_iterate_upper_bound(read, (const char *)segment->to.data, segment->to.bytes);
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(usage->rocks->db, read);
    enum engine_result result = walk(usage, iterator, segment, &tally, &reached, failure);
    rocksdb_iter_destroy(iterator);
    rocksdb_readoptions_destroy(read);
    if (result == ENGINE_NOT_FOUND) {
        add(&usage->whole, &tally);
        return true;
    }
    double open_bytes;
    if (result == ENGINE_FAILED ||
        !table_bytes(usage->rocks, segment->from, place_slice(&reached), &tally.tables, failure) ||
        !table_bytes(usage->rocks, segment->from, segment->to, &open_bytes, failure)) {
        return false;
    }
    add(&usage->walked, &tally);
    usage->open_bytes += open_bytes;
    return true;
}

/* ---- the sum ---- */

static double between(double value, double least, double most)
{
    double raised = value < least ? least : value;
    return raised > most ? most : raised;
}

static uint64_t sum(const struct usage *usage, double tables)
{
    const struct tally *walked = &usage->walked;
    const struct rocks *rocks = usage->rocks;
    if (walked->entries == 0) {
        return (uint64_t)(usage->whole.small + usage->whole.large); /* all of it was walked */
    }
    double buffers = (double)rocks_number(rocks, "rocksdb.cur-size-all-mem-tables");
    double files = (double)rocks_number(rocks, "rocksdb.live-blob-file-size");
    double part = walked->tables >= TABLES_TOLD_BYTES ? walked->tables : walked->entries;
    double times = usage->open_bytes > part ? usage->open_bytes / part : 1;
    double small = usage->whole.small + walked->small * times;
    double large = usage->whole.large + walked->large * times;
    return (uint64_t)(between(small, tables, tables + buffers) + between(large, 0, files + buffers));
}

enum engine_result rocks_range_bytes(struct engine *engine, struct slice from, struct slice to,
                                     uint64_t *ret_bytes, struct failure *failure)
{
    struct usage usage = {.rocks = rocks_of(engine)};
    struct place cuts[SEGMENTS_MAX];
    double tables;
    if (!table_bytes(usage.rocks, from, to, &tables, failure)) {
        return ENGINE_FAILED;
    }
    size_t count = (size_t)between(tables / SEGMENT_TABLE_BYTES, 1, SEGMENTS_MAX);
    usage.keys_max = count == 1 ? WALK_KEYS_ONE : WALK_KEYS / count;
    usage.bytes_max = count == 1 ? WALK_BYTES_ONE : WALK_BYTES / count;
    struct segment segment = {.from = from};
    for (size_t i = 0; i < count; i++) {
        segment.to = to;
        if (i + 1 < count) {
            double each = tables / (double)count;
            if (!cut_at(usage.rocks, from, to, each * (double)(i + 1), each / CUT_PART, &cuts[i], failure)) {
                return ENGINE_FAILED;
            }
            segment.to = place_slice(&cuts[i]);
        }
        if (slice_compare(segment.from, segment.to) < 0) {
            if (!look_at(&usage, &segment, failure)) {
                return ENGINE_FAILED;
            }
            segment.from = segment.to;
        }
    }
    *ret_bytes = sum(&usage, tables);
    return ENGINE_OK;
}
