/* Reading from RocksDB.
 *
 * - A read point is a snapshot of RocksDB's, with the read options that name it: a get makes none of its own. Each write takes a
 *   point, so the last one that was released is kept without its snapshot, and the next one is made of it.
 * - A value that was read stays pinned in RocksDB's memory until it is released.
 * - A cursor's life: opened, it holds its bounds and nothing of RocksDB's but a snapshot, if it was given no point. The first
 *   move makes the iterator. Parked, it gives the iterator back, and with it the write buffers and tables that this pins, and
 *   keeps a copy of the key it stood on; the next move makes another iterator there. At the end it stays at the end.
 *
 * Ways to fail: a key or a range that cannot be read, or whose checksum is wrong, is ENGINE_FAILED; that cursor fails from then
 * on, the store goes on. */
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

/* Only CURSOR_ON has an iterator. */
enum cursor_place {
    CURSOR_BEFORE,        /* it stands before the first key */
    CURSOR_ON,            /* the iterator stands on the key that was given last */
    CURSOR_PARKED_ON,     /* the next move gives the key of `position` again */
    CURSOR_PARKED_BEHIND, /* the next move gives the key behind `position` */
    CURSOR_AT_END,        /* each move says so */
    CURSOR_FAILED,        /* each move fails */
    CURSOR_PLACES,
};

/* Owned by the one thread that uses it. */
struct rocks_cursor {
    struct engine_cursor cursor; /* first */
    /* fixed after opening */
    rocksdb_readoptions_t *read;
    const rocksdb_snapshot_t *own; /* NULL: it goes by its point's */
    bool is_reverse;
    size_t from_bytes;
    size_t to_bytes;
    /* as it moves */
    enum cursor_place place; /* changed by cursor_move */
    rocksdb_iterator_t *iterator;
    char *position; /* the key it was parked on, with a zero byte behind it */
    size_t position_bytes;
    char bounds[]; /* fixed: from, then to; the read options borrow them */
};

static struct rocks_cursor *cursor_of(struct engine_cursor *cursor)
{
    return (struct rocks_cursor *)cursor; /* its first member */
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
    assert(atomic_load(&engine->is_writing)); /* no write comes between the writer's and the snapshot */
    assert(point->snapshot == NULL);          /* else one would never be released */
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

/* ---- cursors ---- */

static void cursor_move(struct rocks_cursor *cursor, enum cursor_place to)
{
    static const bool legal[CURSOR_PLACES][CURSOR_PLACES] = {
        [CURSOR_BEFORE] = {[CURSOR_ON] = true, [CURSOR_AT_END] = true, [CURSOR_FAILED] = true},
        [CURSOR_ON] = {[CURSOR_ON] = true,
                       [CURSOR_PARKED_ON] = true,
                       [CURSOR_PARKED_BEHIND] = true,
                       [CURSOR_AT_END] = true,
                       [CURSOR_FAILED] = true},
        [CURSOR_PARKED_ON] = {[CURSOR_ON] = true, [CURSOR_AT_END] = true, [CURSOR_FAILED] = true},
        [CURSOR_PARKED_BEHIND] = {[CURSOR_ON] = true, [CURSOR_AT_END] = true, [CURSOR_FAILED] = true},
        [CURSOR_AT_END] = {false},
        [CURSOR_FAILED] = {false},
    };
    assert(legal[cursor->place][to]);
    assert((to == CURSOR_ON) == (cursor->iterator != NULL)); /* else it would pin write buffers */
    cursor->place = to;
}

struct engine_cursor *rocks_cursor_open(struct engine *engine, struct engine_point *point,
                                        const struct engine_range *range)
{
    struct rocks_cursor *cursor = memory_new(sizeof *cursor + range->from.bytes + range->to.bytes);
    cursor->is_reverse = range->is_reverse;
    cursor->from_bytes = range->from.bytes;
    cursor->to_bytes = range->to.bytes;
    if (range->from.bytes > 0) {
        memcpy(cursor->bounds, range->from.data, range->from.bytes);
    }
    if (range->to.bytes > 0) {
        memcpy(cursor->bounds + range->from.bytes, range->to.data, range->to.bytes);
    }
    if (point == NULL) {
        cursor->own = rocksdb_create_snapshot(rocks_of(engine)->db);
    }
    const rocksdb_snapshot_t *snapshot = point != NULL ? point_of(point)->snapshot : cursor->own;
    assert(snapshot != NULL); /* without one each unparking would walk another state */
    cursor->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_background_purge_on_iterator_cleanup(cursor->read, 1); /* the loop may park it */
    rocksdb_readoptions_set_fill_cache(cursor->read, !range->is_long);
    rocksdb_readoptions_set_snapshot(cursor->read, snapshot);
    rocksdb_readoptions_set_iterate_lower_bound(cursor->read, cursor->bounds, cursor->from_bytes);
    rocksdb_readoptions_set_iterate_upper_bound(cursor->read, cursor->bounds + cursor->from_bytes,
                                                cursor->to_bytes);
    if (slice_compare(range->from, range->to) >= 0) {
        cursor_move(cursor, CURSOR_AT_END);
    }
    return &cursor->cursor;
}

/* Makes the iterator and puts it on the key to give next. */
static void unpark(struct rocks_cursor *cursor)
{
    assert(cursor->iterator == NULL); /* or it would keep its write buffers for good */
    assert(cursor->place == CURSOR_BEFORE || cursor->position != NULL); /* the place to find again */
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(rocks_of(cursor->cursor.engine)->db, cursor->read);
    cursor->iterator = iterator;
    bool is_behind = cursor->place == CURSOR_PARKED_BEHIND;
    if (cursor->place == CURSOR_BEFORE && cursor->is_reverse) {
        rocksdb_iter_seek_to_last(iterator);
    } else if (cursor->place == CURSOR_BEFORE) {
        rocksdb_iter_seek(iterator, cursor->bounds, cursor->from_bytes);
    } else if (cursor->is_reverse) {
        rocksdb_iter_seek_for_prev(iterator, cursor->position, cursor->position_bytes);
        if (is_behind && rocksdb_iter_valid(iterator)) {
            rocksdb_iter_prev(iterator); /* the snapshot still has the key that it was parked on */
        }
    } else { /* nothing lies between a key and the same with a zero byte behind it */
        rocksdb_iter_seek(iterator, cursor->position, cursor->position_bytes + is_behind);
    }
}

static void give_iterator_back(struct rocks_cursor *cursor)
{
    assert(atomic_load(&cursor->cursor.is_used)); /* no move is under way that goes by the iterator */
    if (cursor->iterator != NULL) {
        rocksdb_iter_destroy(cursor->iterator);
        cursor->iterator = NULL;
    }
}

enum engine_result rocks_cursor_next(struct engine_cursor *moved, struct slice *ret_key,
                                     struct slice *ret_value, struct failure *failure)
{
    struct rocks_cursor *cursor = cursor_of(moved);
    assert(atomic_load(&moved->is_used)); /* the iterator has no lock */
    if (cursor->place == CURSOR_AT_END) {
        return ENGINE_NOT_FOUND;
    }
    if (cursor->place == CURSOR_FAILED) {
        failure_set(failure, STATUS_IO_ERROR, "reading a range of keys: it failed before");
        return ENGINE_FAILED;
    }
    assert((cursor->place == CURSOR_ON) == (cursor->iterator != NULL)); /* it is moved, or made anew */
    if (cursor->place != CURSOR_ON) {
        unpark(cursor);
    } else if (cursor->is_reverse) {
        rocksdb_iter_prev(cursor->iterator);
    } else {
        rocksdb_iter_next(cursor->iterator);
    }
    if (!rocksdb_iter_valid(cursor->iterator)) {
        char *error = NULL;
        rocksdb_iter_get_error(cursor->iterator, &error);
        give_iterator_back(cursor);
        cursor_move(cursor, error == NULL ? CURSOR_AT_END : CURSOR_FAILED);
        if (error != NULL) {
            rocks_fail_read("reading a range of keys", error, failure);
            return ENGINE_FAILED;
        }
        return ENGINE_NOT_FOUND;
    }
    cursor_move(cursor, CURSOR_ON);
    size_t bytes = 0;
    const char *data = rocksdb_iter_key(cursor->iterator, &bytes);
    *ret_key = slice_of(data, bytes);
    data = rocksdb_iter_value(cursor->iterator, &bytes);
    *ret_value = slice_of(data, bytes);
    return ENGINE_OK;
}

void rocks_cursor_park(struct engine_cursor *parked, bool repeats)
{
    struct rocks_cursor *cursor = cursor_of(parked);
    assert(atomic_load(&parked->is_used)); /* the iterator has no lock */
    if (cursor->place == CURSOR_ON) {
        size_t bytes = 0;
        const char *key = rocksdb_iter_key(cursor->iterator, &bytes);
        cursor->position = memory_resize(cursor->position, bytes + 1);
        memcpy(cursor->position, key, bytes);
        cursor->position[bytes] = '\0';
        cursor->position_bytes = bytes;
        give_iterator_back(cursor);
        cursor_move(cursor, repeats ? CURSOR_PARKED_ON : CURSOR_PARKED_BEHIND);
    }
    assert(cursor->iterator == NULL); /* parked, it pins no write buffer */
}

void rocks_cursor_close(struct engine_cursor *closed)
{
    struct rocks_cursor *cursor = cursor_of(closed);
    assert((cursor->own != NULL) == (closed->point == NULL)); /* a point's snapshot is its own to release */
    assert((cursor->place == CURSOR_ON) == (cursor->iterator != NULL));
    give_iterator_back(cursor);
    rocksdb_readoptions_destroy(cursor->read);
    if (cursor->own != NULL) {
        rocksdb_release_snapshot(rocks_of(closed->engine)->db, cursor->own);
    }
    free(cursor->position);
    free(cursor);
}
