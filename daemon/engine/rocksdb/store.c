/* The store on RocksDB: one column family, its log on, one writer.
 *
 * - A write is in the log before it can be read. With `sync` the log is on the device before it can be read.
 * - A failed write or sync leaves the process in doubt: RocksDB's own recovery from it is not used. The caller stops
 *   writing, ends, and the next open decides.
 * - RocksDB's errors are text. They end here, as a status and a text that names the operation. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/engine/rocksdb/store_internal.h"
#include "daemon/runtime/memory.h"

enum {
    WRITE_BUFFERS_BYTES_MAX = WRITE_BUFFERS / 2 * WRITE_BUFFER_BYTES, /* with a large batch */
    LARGE_BATCH_BYTES = 8 << 20,
    FLUSH_LOOK_NS = 500000,
    LOOKS_MAX = 120000,
    KEPT_LOOKS_MAX = 100,  /* of them, at what is written and still not free */
    TABLES_YOUNG_MAX = 16, /* RocksDB holds up a flush that is asked for when there are some more */
};

struct store_snapshot {
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *read[2]; /* by reach */
};

struct store_iterator {
    rocksdb_iterator_t *iterator;
    rocksdb_readoptions_t *read;
    size_t to_bytes;
    uint8_t to[];
};

enum status store_fail(const char *doing, char *text, struct failure *failure)
{
    failure_set(failure, STATUS_IO_ERROR, "%s: %s", doing, text);
    rocksdb_free(text);
    return STATUS_IO_ERROR;
}

uint64_t store_number(struct store *store, const char *property)
{
    uint64_t value = 0;
    (void)rocksdb_property_int(store->db, property, &value);
    return value;
}

void store_make_read_options(rocksdb_readoptions_t **ret_read, const rocksdb_snapshot_t *snapshot)
{
    for (int reach = STORE_MEMORY; reach <= STORE_DEVICE; reach++) {
        ret_read[reach] = rocksdb_readoptions_create();
        rocksdb_readoptions_set_read_tier(ret_read[reach], reach == STORE_MEMORY ? 1 : 0);
        rocksdb_readoptions_set_snapshot(ret_read[reach], snapshot);
    }
}

void store_destroy_read_options(rocksdb_readoptions_t **read)
{
    rocksdb_readoptions_destroy(read[STORE_MEMORY]);
    rocksdb_readoptions_destroy(read[STORE_DEVICE]);
}

/* ---- reading ---- */

enum status store_get(struct store *store, const struct store_snapshot *snapshot, enum store_reach reach,
                      struct slice key, struct store_value *ret_value, struct failure *failure)
{
    const rocksdb_readoptions_t *read = snapshot != NULL ? snapshot->read[reach] : store->read[reach];
    char *error = NULL;
    rocksdb_pinnableslice_t *pinned =
        rocksdb_get_pinned(store->db, read, (const char *)key.data, key.bytes, &error);
    if (error != NULL) {
        if (reach == STORE_MEMORY && strncmp(error, "Result incomplete", 17) == 0) {
            rocksdb_free(error);
            return STATUS_BUSY;
        }
        return store_fail("reading a key", error, failure);
    }
    if (pinned == NULL) {
        return STATUS_NOT_FOUND;
    }
    size_t bytes = 0;
    const char *data = rocksdb_pinnableslice_value(pinned, &bytes);
    if (reach == STORE_MEMORY && bytes == 0) {
        /* RocksDB also answers so where it would have to open a table to know */
        rocksdb_pinnableslice_destroy(pinned);
        return STATUS_BUSY;
    }
    *ret_value = (struct store_value){slice_of(data, bytes), pinned};
    return STATUS_OK;
}

void store_value_release(struct store_value *value)
{
    if (value->pinned != NULL) {
        rocksdb_pinnableslice_destroy(value->pinned);
    }
    *value = (struct store_value){0};
}

static struct store_iterator *iterator_new(struct store *store, const struct store_snapshot *snapshot,
                                           struct slice from, struct slice to, bool fills_cache)
{
    struct store_iterator *iterator = memory_new(sizeof *iterator + to.bytes);
    memcpy(iterator->to, to.data, to.bytes);
    iterator->to_bytes = to.bytes;
    iterator->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_background_purge_on_iterator_cleanup(iterator->read,
                                                                 1); /* the loop may free it */
    rocksdb_readoptions_set_fill_cache(iterator->read, fills_cache);
    rocksdb_readoptions_set_snapshot(iterator->read, snapshot != NULL ? snapshot->snapshot : NULL);
    rocksdb_readoptions_set_iterate_upper_bound(iterator->read, (const char *)iterator->to,
                                                iterator->to_bytes);
    iterator->iterator = rocksdb_create_iterator(store->db, iterator->read);
    rocksdb_iter_seek(iterator->iterator, (const char *)from.data, from.bytes);
    return iterator;
}

struct store_iterator *store_iterator_new(struct store *store, const struct store_snapshot *snapshot,
                                          struct slice from, struct slice to)
{
    return iterator_new(store, snapshot, from, to, true);
}

struct store_iterator *store_iterator_new_long(struct store *store, const struct store_snapshot *snapshot,
                                               struct slice from, struct slice to)
{
    return iterator_new(store, snapshot, from, to, false);
}

void store_iterator_free(struct store_iterator *iterator)
{
    if (iterator == NULL) {
        return;
    }
    rocksdb_iter_destroy(iterator->iterator);
    rocksdb_readoptions_destroy(iterator->read);
    free(iterator);
}

bool store_iterator_valid(const struct store_iterator *iterator)
{
    return rocksdb_iter_valid(iterator->iterator);
}

void store_iterator_next(struct store_iterator *iterator)
{
    assert(store_iterator_valid(iterator));
    rocksdb_iter_next(iterator->iterator);
}

struct slice store_iterator_key(const struct store_iterator *iterator)
{
    size_t bytes = 0;
    const char *data = rocksdb_iter_key(iterator->iterator, &bytes);
    return slice_of(data, bytes);
}

struct slice store_iterator_value(const struct store_iterator *iterator)
{
    size_t bytes = 0;
    const char *data = rocksdb_iter_value(iterator->iterator, &bytes);
    return slice_of(data, bytes);
}

enum status store_iterator_status(const struct store_iterator *iterator, struct failure *failure)
{
    char *error = NULL;
    rocksdb_iter_get_error(iterator->iterator, &error);
    return error == NULL ? STATUS_OK : store_fail("reading a range of keys", error, failure);
}

enum status store_last_key(struct store *store, struct slice from, struct slice to, uint8_t *ret_key,
                           size_t ret_key_bytes_max, size_t *ret_key_bytes, struct failure *failure)
{
    struct store_iterator *iterator = store_iterator_new(store, NULL, from, to);
    rocksdb_iter_seek_to_last(iterator->iterator);
    enum status status = STATUS_NOT_FOUND;
    if (store_iterator_valid(iterator)) {
        struct slice key = store_iterator_key(iterator);
        if (slice_compare(key, from) >= 0) {
            assert(key.bytes <= ret_key_bytes_max);
            memcpy(ret_key, key.data, key.bytes);
            *ret_key_bytes = key.bytes;
            status = STATUS_OK;
        }
    } else if (store_iterator_status(iterator, failure) != STATUS_OK) {
        status = STATUS_IO_ERROR;
    }
    store_iterator_free(iterator);
    return status;
}

struct store_snapshot *store_snapshot_take(struct store *store)
{
    struct store_snapshot *snapshot = memory_new(sizeof *snapshot);
    snapshot->snapshot = rocksdb_create_snapshot(store->db);
    store_make_read_options(snapshot->read, snapshot->snapshot);
    return snapshot;
}

void store_snapshot_release(struct store *store, struct store_snapshot *snapshot)
{
    rocksdb_release_snapshot(store->db, snapshot->snapshot);
    store_destroy_read_options(snapshot->read);
    free(snapshot);
}

/* ---- writing ---- */

/* A batch is RocksDB's own; the type of ours only names it. */
static rocksdb_writebatch_t *batch_of(struct store_batch *batch)
{
    return (rocksdb_writebatch_t *)batch;
}

struct store_batch *store_batch_new(void)
{
    return (struct store_batch *)rocksdb_writebatch_create();
}

void store_batch_free(struct store_batch *batch)
{
    if (batch != NULL) {
        rocksdb_writebatch_destroy(batch_of(batch));
    }
}

void store_batch_clear(struct store_batch *batch)
{
    rocksdb_writebatch_clear(batch_of(batch));
}

bool store_batch_is_empty(struct store_batch *batch)
{
    return rocksdb_writebatch_count(batch_of(batch)) == 0;
}

void store_batch_put(struct store_batch *batch, struct slice key, struct slice value)
{
    rocksdb_writebatch_put(batch_of(batch), (const char *)key.data, key.bytes, (const char *)value.data,
                           value.bytes);
}

void store_batch_delete(struct store_batch *batch, struct slice key)
{
    rocksdb_writebatch_delete(batch_of(batch), (const char *)key.data, key.bytes);
}

void store_batch_delete_range(struct store_batch *batch, struct slice from, struct slice to)
{
    rocksdb_writebatch_delete_range(batch_of(batch), (const char *)from.data, from.bytes,
                                    (const char *)to.data, to.bytes);
}

/* The active write buffer is closed, and the next begun, if that can be had without waiting for a compaction. */
static void close_write_buffer(struct store *store)
{
    char *error = NULL;
    char *tables = rocksdb_property_value(store->db, "rocksdb.num-files-at-level0");
    bool are_many = tables != NULL && strtoul(tables, NULL, 10) > TABLES_YOUNG_MAX;
    rocksdb_free(tables);
    if (are_many) {
        return;
    }
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(flush, 0);
    rocksdb_flush(store->db, flush, &error);
    rocksdb_flushoptions_destroy(flush);
    rocksdb_free(error); /* the write that follows meets it too */
}

/* RocksDB bounds the number of its write buffers; each is larger by what was written to it last. So before a large batch
 * one that would grow beyond its size is closed, and those closed are waited for until they are written and free, so that
 * what else there is in RocksDB's hands still fits into their bytes. A read may keep one: it is not waited for long. */
static void make_room_for(struct store *store, struct store_batch *batch)
{
    size_t bytes = 0;
    (void)rocksdb_writebatch_data(batch_of(batch), &bytes);
    if (bytes < LARGE_BATCH_BYTES) {
        return;
    }
    uint64_t active = store_number(store, "rocksdb.cur-size-active-mem-table");
    if (active >= LARGE_BATCH_BYTES && active + bytes > WRITE_BUFFER_BYTES) {
        close_write_buffer(store);
    }
    int kept_looks = 0;
    for (int looks = 0; looks < LOOKS_MAX && kept_looks < KEPT_LOOKS_MAX; looks++) {
        uint64_t all = store_number(store, "rocksdb.size-all-mem-tables");
        active = store_number(store, "rocksdb.cur-size-active-mem-table");
        if (all <= active || all + bytes <= WRITE_BUFFERS_BYTES_MAX ||
            store_number(store, "rocksdb.background-errors") > 0) {
            return;
        }
        kept_looks += store_number(store, "rocksdb.num-immutable-mem-table") == 0;
        (void)nanosleep(&(struct timespec){.tv_nsec = FLUSH_LOOK_NS}, NULL);
    }
}

enum status store_write(struct store *store, struct store_batch *batch, bool sync, struct failure *failure)
{
    char *error = NULL;
    make_room_for(store, batch);
    rocksdb_write(store->db, sync ? store->write_sync : store->write, batch_of(batch), &error);
    return error == NULL ? STATUS_OK : store_fail("writing the log", error, failure);
}

enum status store_sync(struct store *store, struct failure *failure)
{
    char *error = NULL;
    rocksdb_write(store->db, store->write_sync, store->nothing, &error);
    return error == NULL ? STATUS_OK : store_fail("syncing the log", error, failure);
}

const char *store_path(const struct store *store)
{
    return store->path;
}

void store_reclaim(struct store *store, struct slice from, struct slice to)
{
    rocksdb_compactoptions_t *compact = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_exclusive_manual_compaction(compact, 0);
    rocksdb_compact_range_opt(store->db, compact, (const char *)from.data, from.bytes, (const char *)to.data,
                              to.bytes);
    rocksdb_compactoptions_destroy(compact);
}

void store_stop_reclaiming(struct store *store)
{
    rocksdb_disable_manual_compaction(store->db);
}
