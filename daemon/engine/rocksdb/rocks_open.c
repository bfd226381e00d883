/* RocksDB as an engine: its options, opening it, what a start reads from the log, and closing it.
 *
 * - A store is a directory with a CURRENT in it. Opening brings the logs to the device and recovers what they have: up to the
 *   first damaged record, for a torn tail is legal.
 * - Closed clean, flushes and compactions under way are waited for. Closed fast, nothing is: the next start does again what
 *   was cut short, and threads and memory end with the process.
 *
 * Ways to fail: RocksDB's errors are text. They end here, as a text that names what was being done. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/rocks.h"
#include "daemon/runtime/memory.h"

#ifndef ENGINE_BUILD
#define ENGINE_BUILD "distribution"
#endif
#ifndef ENGINE_VERSION
#define ENGINE_VERSION "unknown version"
#endif

enum {
    BLOB_BYTES_MIN = 4 << 10, /* values from here on stay out of compactions */
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

#define CURRENT_NAME "CURRENT" /* names the present manifest: without it there is no store */

const struct engine_type engine_rocksdb = {
    .traits =
        {
            .text = "RocksDB " ENGINE_VERSION ", " ENGINE_BUILD " build",
            .reads_without_io = true,
            .memory_bytes_max = (uint64_t)WRITE_BUFFERS * WRITE_BUFFER_BYTES,
        },
    .look = rocks_look,
    .open = rocks_open,
    .close = rocks_close,
    .point_take = rocks_point_take,
    .point_free = rocks_point_free,
    .get = rocks_get,
    .cursor_open = rocks_cursor_open,
    .cursor_next = rocks_cursor_next,
    .cursor_park = rocks_cursor_park,
    .cursor_close = rocks_cursor_close,
    .write = rocks_write,
    .sync = rocks_sync,
    .reclaim = rocks_reclaim,
    .maintain = rocks_maintain,
    .stop_maintenance = rocks_stop_maintenance,
    .metrics = rocks_metrics,
};

/* ---- options ---- */

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
        rocks_fail("setting the engine's options", error, failure);
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

static void set_options(rocksdb_options_t *options, bool create, uint64_t start_bytes, rocksdb_cache_t *cache)
{
    rocksdb_options_set_create_if_missing(options, create);
    rocksdb_options_set_paranoid_checks(options, 1);
    rocksdb_options_set_wal_recovery_mode(options,
                                          2); /* up to the first damaged record: a torn tail is legal */
    rocksdb_options_set_write_buffer_size(options, start_bytes);
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

/* ---- opening and closing ---- */

static struct rocks *rocks_new(const char *path, struct failure *failure)
{
    rocksdb_options_t *options = options_from_text(failure);
    if (options == NULL) {
        return NULL;
    }
    struct rocks *rocks = memory_new(sizeof *rocks);
    rocks->engine.type = &engine_rocksdb;
    rocks->options = options;
    rocks->write[ENGINE_LOGGED] = rocksdb_writeoptions_create();
    rocks->write[ENGINE_SYNCED] = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(rocks->write[ENGINE_SYNCED], 1);
    rocks->nothing = rocksdb_writebatch_create();
    rocksdb_writebatch_put_log_data(rocks->nothing, "sync", 4);
    rocks->batch = rocksdb_writebatch_create();
    rocks_make_read_options(rocks->read, NULL);
    rocks->deletion = paced_deletion_new(path);
    return rocks;
}

enum engine_result rocks_look(const char *path, struct failure *failure)
{
    char current[PATH_MAX];
    struct stat found;
    snprintf(current, sizeof current, "%s/" CURRENT_NAME, path);
    if (stat(current, &found) == 0) {
        return ENGINE_OK;
    }
    if (errno == ENOENT || errno == ENOTDIR) {
        failure_set(failure, STATUS_NOT_FOUND, "there is no %s", current);
        return ENGINE_NOT_FOUND;
    }
    failure_set(failure, STATUS_IO_ERROR, "%s: cannot be seen: %s", current, strerror(errno));
    return ENGINE_FAILED;
}

/* Each log that the run before left comes to the device before it is read: RocksDB syncs only what it writes itself, and what
 * lay behind a hole that a power cut leaves in an older log would be lost, synced or not. *ret_bytes: all of them. */
static bool sync_logs(const char *path, uint64_t *ret_bytes, struct failure *failure)
{
    uint64_t log_bytes = 0;
    bool is_synced = true;
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (is_synced && directory != NULL && (entry = readdir(directory)) != NULL) {
        const char *end = strrchr(entry->d_name, '.');
        if (end == NULL || strcmp(end, ".log") != 0) {
            continue;
        }
        struct stat found;
        int file = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC);
        is_synced = file >= 0 && fstat(file, &found) == 0 && fdatasync(file) == 0;
        if (is_synced) {
            log_bytes += (uint64_t)found.st_size;
        } else {
            failure_set(failure, STATUS_IO_ERROR, "%s/%s: cannot be synced before it is read: %s", path,
                        entry->d_name, strerror(errno));
        }
        if (file >= 0) {
            close(file);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    if (is_synced) {
        *ret_bytes = log_bytes;
    }
    return is_synced;
}

/* What a start reads from the log fits into one write buffer, so that nobody waits for it to be written to tables. */
static uint64_t write_buffer_bytes_of_start(uint64_t log_bytes)
{
    uint64_t bytes = log_bytes + log_bytes / 4; /* a write takes a little more there than in the log */
    return bytes > WRITE_BUFFER_BYTES ? bytes : WRITE_BUFFER_BYTES;
}

/* From here on write buffers have their size; a larger one is written to tables now, beside whatever comes. */
static bool end_start(struct rocks *rocks, struct failure *failure)
{
    char bytes[24];
    snprintf(bytes, sizeof bytes, "%d", WRITE_BUFFER_BYTES);
    char *error = NULL;
    rocksdb_set_options(rocks->db, 1, (const char *const[]){"write_buffer_size"},
                        (const char *const[]){bytes}, &error);
    if (error != NULL) {
        rocks_fail("setting the engine's options", error, failure);
        return false;
    }
    if (rocks_number(rocks, "rocksdb.cur-size-active-mem-table") < WRITE_BUFFER_BYTES) {
        return true;
    }
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(flush, 0);
    rocksdb_flush(rocks->db, flush, &error);
    rocksdb_flushoptions_destroy(flush);
    if (error != NULL) {
        rocks_fail("writing tables", error, failure);
    }
    return error == NULL;
}

enum engine_result rocks_open(const struct engine_config *config, struct engine **ret_engine,
                              struct failure *failure)
{
    uint64_t log_bytes;
    if (!sync_logs(config->path, &log_bytes, failure)) {
        return ENGINE_FAILED;
    }
    struct rocks *rocks = rocks_new(config->path, failure);
    if (rocks == NULL) {
        return ENGINE_FAILED;
    }
    uint64_t start_bytes = write_buffer_bytes_of_start(log_bytes);
    make_background_nicer();
    rocks->cache = cache_new(config->cache_bytes_max);
    set_options(rocks->options, config->create, start_bytes, rocks->cache);
    char *error = NULL;
    rocks->db = rocksdb_open(rocks->options, config->path, &error);
    if (error != NULL) {
        rocks_fail("opening the store", error, failure);
        goto fail;
    }
    if (start_bytes > WRITE_BUFFER_BYTES && !end_start(rocks, failure)) {
        goto fail;
    }
    paced_deletion_expect(rocks->deletion); /* the run before may have died over it */
    *ret_engine = &rocks->engine;
    return ENGINE_OK;

fail:
    rocks_close(&rocks->engine, ENGINE_CLOSE_CLEAN);
    return ENGINE_FAILED;
}

void rocks_close(struct engine *engine, enum engine_close how)
{
    struct rocks *rocks = rocks_of(engine);
    if (how == ENGINE_CLOSE_FAST && !MEMORY_IS_WATCHED) {
        return;
    }
    if (rocks->db != NULL) {
        rocksdb_close(rocks->db);
    }
    rocksdb_writebatch_destroy(rocks->batch);
    rocksdb_writebatch_destroy(rocks->nothing);
    rocks_destroy_read_options(rocks->read);
    rocksdb_writeoptions_destroy(rocks->write[ENGINE_LOGGED]);
    rocksdb_writeoptions_destroy(rocks->write[ENGINE_SYNCED]);
    rocksdb_options_destroy(rocks->options);
    rocksdb_cache_destroy(rocks->cache);
    paced_deletion_free(rocks->deletion);
    free(rocks);
}
