/* The store on RocksDB: one column family, its log on, one writer.
 *
 * - A write is in the log before it can be read. With `sync` the log is on the device before it can be read.
 * - A failed write or sync leaves the process in doubt: RocksDB's own recovery from it is not used. The caller stops
 *   writing, ends, and the next open decides.
 * - RocksDB's errors are text. They end here, as a status and a text that names the operation. */
#include "daemon/store.h"

#include <assert.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "daemon/memory.h"

#ifndef ENGINE_BUILD
#define ENGINE_BUILD "distribution"
#endif
#ifndef ENGINE_VERSION
#define ENGINE_VERSION "unknown version"
#endif

enum {
    BLOB_BYTES_MIN = 4 << 10, /* values from here on stay out of compactions */
    WRITE_BUFFER_BYTES = 64 << 20,
    WRITE_BUFFERS = 4, /* a burst fills them before it waits for the device */
    WRITE_BUFFERS_BYTES_MAX = WRITE_BUFFERS / 2 * WRITE_BUFFER_BYTES, /* with a large batch */
    LARGE_BATCH_BYTES = 1 << 20,
    FLUSH_LOOK_NS = 500000,
    INFO_LOG_BYTES_MAX = 4 << 20,
    INFO_LOG_COUNT_MAX = 2,
    OPEN_FILES_MAX = 512,
    WRITE_BACK_BYTES = 512 << 10, /* the kernel begins with so much, so that a sync finds little left to do */
    LEVELS = 7,
    LEVELS_YOUNG = 2,     /* not compressed */
    BACKGROUND_NICE = 10, /* RocksDB's own threads are so much nicer than ours */
    CACHE_SHARD_BITS = 1,
};

/* Blocks are never changed, so moving them about would be for nothing; what outlives its neighbours still frees them. */
#define BLOB_GC_OLDEST  0.1
#define BLOB_GC_GARBAGE 0.5

struct store {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write;
    rocksdb_writeoptions_t *write_sync;
    rocksdb_writebatch_t *nothing;  /* writes no key; with sync, a barrier */
    rocksdb_readoptions_t *read[2]; /* by reach: as of now */
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

const char *store_engine_text(void)
{
    return "RocksDB " ENGINE_VERSION ", " ENGINE_BUILD " build";
}

/* Takes RocksDB's text. */
static enum status fail(const char *doing, char *text, struct failure *failure)
{
    failure_set(failure, STATUS_IO_ERROR, "%s: %s", doing, text);
    rocksdb_free(text);
    return STATUS_IO_ERROR;
}

/* Few shards: a table's whole filter must fit into one of them, or each look-up reads and checks it anew. */
static rocksdb_cache_t *cache_new(uint64_t bytes)
{
    rocksdb_lru_cache_options_t *options = rocksdb_lru_cache_options_create();
    rocksdb_lru_cache_options_set_capacity(options, bytes);
    rocksdb_lru_cache_options_set_num_shard_bits(options, CACHE_SHARD_BITS);
    rocksdb_cache_t *cache = rocksdb_cache_create_lru_opts(options);
    rocksdb_lru_cache_options_destroy(options);
    return cache;
}

static void set_table_options(rocksdb_options_t *options, rocksdb_cache_t *cache)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_filterpolicy_t *filter = rocksdb_filterpolicy_create_ribbon_hybrid(10, 2);
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    rocksdb_block_based_options_set_filter_policy(table, filter); /* takes the filter */
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
}

/* What has no setter in the C interface goes through RocksDB's own option text. */
static rocksdb_options_t *options_from_text(struct failure *failure)
{
    static const char text[] = "track_and_verify_wals_in_manifest=true;"
                               "max_bgerror_resume_count=0;"
                               "verify_sst_unique_id_in_manifest=true;"
                               "avoid_flush_during_recovery=true;" /* a start shall be quick */
                               "force_consistency_checks=true";
    rocksdb_options_t *base = rocksdb_options_create();
    rocksdb_options_t *options = rocksdb_options_create();
    char *error = NULL;
    rocksdb_get_options_from_string(base, text, options, &error);
    rocksdb_options_destroy(base);
    if (error != NULL) {
        (void)fail("setting the engine's options", error, failure);
        rocksdb_options_destroy(options);
        return NULL;
    }
    return options;
}

/* What is young is written again soon, or pruned: compressing it would only take a processor from commits. */
static void set_compression(rocksdb_options_t *options)
{
    int levels[LEVELS];
    for (int level = 0; level < LEVELS; level++) {
        levels[level] = level < LEVELS_YOUNG ? rocksdb_no_compression : rocksdb_lz4_compression;
    }
    rocksdb_options_set_num_levels(options, LEVELS);
    rocksdb_options_set_compression_per_level(options, levels, LEVELS);
}

static void set_options(rocksdb_options_t *options, bool create, rocksdb_cache_t *cache)
{
    rocksdb_options_set_create_if_missing(options, create);
    rocksdb_options_set_paranoid_checks(options, 1);
    rocksdb_options_set_wal_recovery_mode(options,
                                          2); /* up to the first damaged record: a torn tail is legal */
    rocksdb_options_set_write_buffer_size(options, WRITE_BUFFER_BYTES);
    rocksdb_options_set_max_write_buffer_number(options, WRITE_BUFFERS);
    rocksdb_options_set_max_open_files(options, OPEN_FILES_MAX);
    rocksdb_options_set_max_background_jobs(options, 2);
    rocksdb_options_set_allow_concurrent_memtable_write(options, 0); /* one thread writes */
    rocksdb_options_set_enable_write_thread_adaptive_yield(options, 0);
    rocksdb_options_set_bytes_per_sync(options, WRITE_BACK_BYTES);
    rocksdb_options_set_wal_bytes_per_sync(options, WRITE_BACK_BYTES);
    rocksdb_options_set_info_log_level(options, 2); /* warnings */
    rocksdb_options_set_max_log_file_size(options, INFO_LOG_BYTES_MAX);
    rocksdb_options_set_keep_log_file_num(options, INFO_LOG_COUNT_MAX);
    set_compression(options);
    rocksdb_options_set_enable_blob_files(options, 1);
    rocksdb_options_set_min_blob_size(options, BLOB_BYTES_MIN);
    rocksdb_options_set_enable_blob_gc(options, 1);
    rocksdb_options_set_blob_gc_age_cutoff(options, BLOB_GC_OLDEST); /* live ones move only from there, */
    rocksdb_options_set_blob_gc_force_threshold(options,
                                                BLOB_GC_GARBAGE); /* and at once if so much is dead */
    rocksdb_options_set_blob_cache(options, cache);
    set_table_options(options, cache);
}

static void make_read_options(rocksdb_readoptions_t **ret_read, const rocksdb_snapshot_t *snapshot)
{
    for (int reach = STORE_MEMORY; reach <= STORE_DEVICE; reach++) {
        ret_read[reach] = rocksdb_readoptions_create();
        rocksdb_readoptions_set_read_tier(ret_read[reach], reach == STORE_MEMORY ? 1 : 0);
        rocksdb_readoptions_set_snapshot(ret_read[reach], snapshot);
    }
}

static void destroy_read_options(rocksdb_readoptions_t **read)
{
    rocksdb_readoptions_destroy(read[STORE_MEMORY]);
    rocksdb_readoptions_destroy(read[STORE_DEVICE]);
}

static void *start_background(void *unused)
{
    (void)unused;
    int nice_now = getpriority(PRIO_PROCESS, 0);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice_now + BACKGROUND_NICE); /* one may always be nicer */
    rocksdb_env_t *env = rocksdb_create_default_env();
    rocksdb_env_set_low_priority_background_threads(env, 1);
    rocksdb_env_set_high_priority_background_threads(env, 1);
    rocksdb_env_destroy(env); /* the process's own stays */
    return NULL;
}

/* RocksDB's own threads yield to those that somebody waits for. A thread inherits its priority from whoever starts it, and
 * only a privileged one could take its own back: so a thread of their own starts them. */
static void make_background_nicer(void)
{
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, start_background, NULL);
    assert(!failed);
    failed = pthread_join(thread, NULL);
    assert(!failed);
}

static struct store *store_new(struct failure *failure)
{
    rocksdb_options_t *options = options_from_text(failure);
    if (options == NULL) {
        return NULL;
    }
    struct store *store = memory_new(sizeof *store);
    store->options = options;
    store->write = rocksdb_writeoptions_create();
    store->write_sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(store->write_sync, 1);
    store->nothing = rocksdb_writebatch_create();
    rocksdb_writebatch_put_log_data(store->nothing, "sync", 4);
    make_read_options(store->read, NULL);
    return store;
}

enum status store_open(const char *path, bool create, uint64_t cache_bytes, struct store **ret_store,
                       struct failure *failure)
{
    struct store *store = store_new(failure);
    if (store == NULL) {
        return failure->status;
    }
    make_background_nicer();
    store->cache = cache_new(cache_bytes);
    set_options(store->options, create, store->cache);
    char *error = NULL;
    store->db = rocksdb_open(store->options, path, &error);
    if (error != NULL) {
        (void)fail("opening the store", error, failure);
        store_close(store);
        return STATUS_IO_ERROR;
    }
    *ret_store = store;
    return STATUS_OK;
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    if (store->db != NULL) {
        rocksdb_close(store->db);
    }
    rocksdb_writebatch_destroy(store->nothing);
    destroy_read_options(store->read);
    rocksdb_writeoptions_destroy(store->write);
    rocksdb_writeoptions_destroy(store->write_sync);
    rocksdb_options_destroy(store->options);
    rocksdb_cache_destroy(store->cache);
    free(store);
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
        return fail("reading a key", error, failure);
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

struct store_iterator *store_iterator_new(struct store *store, const struct store_snapshot *snapshot,
                                          struct slice from, struct slice to)
{
    struct store_iterator *iterator = memory_new(sizeof *iterator + to.bytes);
    memcpy(iterator->to, to.data, to.bytes);
    iterator->to_bytes = to.bytes;
    iterator->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_background_purge_on_iterator_cleanup(iterator->read,
                                                                 1); /* the loop may free it */
    rocksdb_readoptions_set_snapshot(iterator->read, snapshot != NULL ? snapshot->snapshot : NULL);
    rocksdb_readoptions_set_iterate_upper_bound(iterator->read, (const char *)iterator->to,
                                                iterator->to_bytes);
    iterator->iterator = rocksdb_create_iterator(store->db, iterator->read);
    rocksdb_iter_seek(iterator->iterator, (const char *)from.data, from.bytes);
    return iterator;
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
    return error == NULL ? STATUS_OK : fail("reading a range of keys", error, failure);
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
    make_read_options(snapshot->read, snapshot->snapshot);
    return snapshot;
}

void store_snapshot_release(struct store *store, struct store_snapshot *snapshot)
{
    rocksdb_release_snapshot(store->db, snapshot->snapshot);
    destroy_read_options(snapshot->read);
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

static uint64_t number(struct store *store, const char *property)
{
    uint64_t value = 0;
    (void)rocksdb_property_int(store->db, property, &value);
    return value;
}

/* RocksDB bounds the number of its write buffers; each is larger by what was written to it last. Before a large batch they
 * are waited for to be flushed, so that what else there is in RocksDB's hands still fits into their bytes. */
static void wait_for_write_buffers(struct store *store, struct store_batch *batch)
{
    size_t bytes = 0;
    (void)rocksdb_writebatch_data(batch_of(batch), &bytes);
    if (bytes < LARGE_BATCH_BYTES) {
        return;
    }
    while (number(store, "rocksdb.num-immutable-mem-table") > 0 &&
           number(store, "rocksdb.background-errors") == 0 &&
           number(store, "rocksdb.cur-size-all-mem-tables") + bytes > WRITE_BUFFERS_BYTES_MAX) {
        (void)nanosleep(&(struct timespec){.tv_nsec = FLUSH_LOOK_NS}, NULL);
    }
}

enum status store_write(struct store *store, struct store_batch *batch, bool sync, struct failure *failure)
{
    char *error = NULL;
    wait_for_write_buffers(store, batch);
    rocksdb_write(store->db, sync ? store->write_sync : store->write, batch_of(batch), &error);
    return error == NULL ? STATUS_OK : fail("writing the log", error, failure);
}

enum status store_sync(struct store *store, struct failure *failure)
{
    char *error = NULL;
    rocksdb_write(store->db, store->write_sync, store->nothing, &error);
    return error == NULL ? STATUS_OK : fail("syncing the log", error, failure);
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
