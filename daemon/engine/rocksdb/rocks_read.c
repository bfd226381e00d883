/* Reading from RocksDB.
 *
 * - A read point is a snapshot of RocksDB's, with the read options that name it: a get makes none of its own. Each write takes a
 *   point, so the last one that was released is kept without its snapshot, and the next one is made of it.
 * - A value that was read stays pinned in RocksDB's memory until it is released.
 * - A walk has an iterator from its opening to its close, and with it the write buffers and tables that this pins. Its bounds are the
 *   iterator's, so the first move goes to the one or the other end.
 *
 * Ways to fail: a key or a range that cannot be read, or whose checksum is wrong, is ENGINE_FAILED; the store goes on. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine/rocksdb/rocks.h"
#include "daemon/runtime/memory.h"

#define INCOMPLETE                                                                                           \
    "Result incomplete" /* how RocksDB's text begins for a read without I/O that would take some */

struct rocks_point {
    struct engine_point point; /* first */
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *read[2]; /* by reach */
};

struct rocks_walk {
    rocksdb_readoptions_t *read;
    rocksdb_iterator_t *iterator;
    bool is_reverse;
    bool has_begun; /* the iterator stands on the key that was given last */
};

static struct rocks_walk *walk_of(struct engine_walk *walk)
{
    return (struct rocks_walk *)walk;
}

static struct rocks_point *point_of(struct engine_point *point)
{
    return (struct rocks_point *)point; /* its first member */
}

/* ---- read points ---- */

void rocks_make_read_options(rocksdb_readoptions_t **ret_read)
{
    static_assert(ENGINE_NO_IO == 0 && ENGINE_MAY_BLOCK == 1, "a reach is an index");
    for (int reach = ENGINE_NO_IO; reach <= ENGINE_MAY_BLOCK; reach++) {
        assert(ret_read[reach] == NULL); /* made once, as they are destroyed once */
        ret_read[reach] = rocksdb_readoptions_create();
        rocksdb_readoptions_set_read_tier(ret_read[reach], reach == ENGINE_NO_IO ? 1 : 0);
    }
}

void rocks_destroy_read_options(rocksdb_readoptions_t **read)
{
    assert(read[ENGINE_NO_IO] != read[ENGINE_MAY_BLOCK]); /* each is freed once */
    rocksdb_readoptions_destroy(read[ENGINE_NO_IO]);
    rocksdb_readoptions_destroy(read[ENGINE_MAY_BLOCK]);
}

static void free_point(struct rocks_point *point)
{
    if (point != NULL) {
        assert(point->snapshot == NULL); /* it was released: RocksDB must have none when it closes */
        rocks_destroy_read_options(point->read);
        free(point);
    }
}

struct engine_point *rocks_point_take(struct engine *engine)
{
    struct rocks *rocks = rocks_of(engine);
    struct rocks_point *point = atomic_exchange(&rocks->spare_point, NULL);
    if (point == NULL) {
        point = memory_new(sizeof *point);
        rocks_make_read_options(point->read);
    }
    assert(point->snapshot == NULL); /* else one would never be released */
    point->snapshot = rocksdb_create_snapshot(rocks->db);
    assert(point->snapshot != NULL); /* without one its reads would go by the newest state */
    rocksdb_readoptions_set_snapshot(point->read[ENGINE_NO_IO], point->snapshot);
    rocksdb_readoptions_set_snapshot(point->read[ENGINE_MAY_BLOCK], point->snapshot);
    return &point->point;
}

void rocks_point_free(struct engine_point *released)
{
    struct rocks_point *point = point_of(released);
    struct rocks *rocks = rocks_of(released->engine);
    assert(atomic_load(&released->holders) == 0); /* nobody reads by the snapshot any more */
    rocksdb_release_snapshot(rocks->db, point->snapshot);
    point->snapshot = NULL;
    free_point(atomic_exchange(&rocks->spare_point, point));
}

void rocks_free_spare_point(struct rocks *rocks)
{
    free_point(atomic_exchange(&rocks->spare_point, NULL));
}

/* ---- one key ---- */

static void release_pinned(struct engine_value *value)
{
    assert(value->owner != NULL); /* released twice, it would be freed twice */
    rocksdb_pinnableslice_destroy(value->owner);
}

enum engine_result rocks_get(struct engine *engine, struct engine_point *point, enum engine_reach reach,
                             struct slice key, struct engine_value *ret_value, struct failure *failure)
{
    struct rocks *rocks = rocks_of(engine);
    assert(reach == ENGINE_NO_IO || reach == ENGINE_MAY_BLOCK); /* an index of the read options */
    const rocksdb_readoptions_t *read = point != NULL ? point_of(point)->read[reach] : rocks->read[reach];
    char *error = NULL;
    rocksdb_pinnableslice_t *pinned =
        rocksdb_get_pinned(rocks->db, read, (const char *)key.data, key.bytes, &error);
    if (error != NULL) {
        if (reach == ENGINE_NO_IO && strncmp(error, INCOMPLETE, strlen(INCOMPLETE)) == 0) {
            rocksdb_free(error);
            return ENGINE_WOULD_BLOCK;
        }
        rocks_fail_read("reading a key", error, failure);
        return ENGINE_FAILED;
    }
    if (pinned == NULL) {
        return ENGINE_NOT_FOUND;
    }
    size_t bytes = 0;
    const char *data = rocksdb_pinnableslice_value(pinned, &bytes);
    if (reach == ENGINE_NO_IO && bytes == 0) {
        /* RocksDB also answers with an empty value where it would have to open a table to know */
        rocksdb_pinnableslice_destroy(pinned);
        return ENGINE_WOULD_BLOCK;
    }
    assert(data != NULL || bytes == 0);
    *ret_value = (struct engine_value){slice_of(data, bytes), release_pinned, pinned};
    return ENGINE_OK;
}

/* ---- walks ---- */

struct engine_walk *rocks_walk_open(struct engine *engine, struct engine_point *point,
                                    const struct engine_range *range)
{
    struct rocks_walk *walk = memory_new(sizeof *walk);
    assert(point != NULL &&
           point_of(point)->snapshot != NULL); /* or each walk of a cursor saw another state */
    assert(slice_compare(range->from, range->to) < 0);
    walk->is_reverse = range->is_reverse;
    walk->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_background_purge_on_iterator_cleanup(walk->read, 1); /* the loop may park it */
    rocksdb_readoptions_set_fill_cache(walk->read, !range->is_long);
    rocksdb_readoptions_set_snapshot(walk->read, point_of(point)->snapshot);
    rocksdb_readoptions_set_iterate_lower_bound(walk->read, (const char *)range->from.data,
                                                range->from.bytes);
    rocksdb_readoptions_set_iterate_upper_bound(walk->read, (const char *)range->to.data, range->to.bytes);
    walk->iterator = rocksdb_create_iterator(rocks_of(engine)->db, walk->read);
    return (struct engine_walk *)walk;
}

enum engine_result rocks_walk_next(struct engine_walk *moved, struct slice *ret_key, struct slice *ret_value,
                                   struct failure *failure)
{
    struct rocks_walk *walk = walk_of(moved);
    if (walk->is_reverse) {
        (walk->has_begun ? rocksdb_iter_prev : rocksdb_iter_seek_to_last)(walk->iterator);
    } else {
        (walk->has_begun ? rocksdb_iter_next : rocksdb_iter_seek_to_first)(walk->iterator);
    }
    walk->has_begun = true;
    if (!rocksdb_iter_valid(walk->iterator)) {
        char *error = NULL;
        rocksdb_iter_get_error(walk->iterator, &error);
        if (error != NULL) {
            rocks_fail_read("reading a range of keys", error, failure);
            return ENGINE_FAILED;
        }
        return ENGINE_NOT_FOUND;
    }
    size_t bytes = 0;
    const char *data = rocksdb_iter_key(walk->iterator, &bytes);
    *ret_key = slice_of(data, bytes);
    data = rocksdb_iter_value(walk->iterator, &bytes);
    *ret_value = slice_of(data, bytes);
    return ENGINE_OK;
}

void rocks_walk_close(struct engine_walk *closed)
{
    struct rocks_walk *walk = walk_of(closed);
    rocksdb_iter_destroy(walk->iterator);
    rocksdb_readoptions_destroy(walk->read);
    free(walk);
}
