/* RocksDB as an engine: its options, opening it, and closing it.
 *
 * - A store is a directory with a CURRENT in it. Before RocksDB opens it rocks_recover.c sees that its logs are whole and on the
 *   device. Once it is open, all that it has is synced, and that is written beside it, before anybody reads.
 * - Where the file system has no space for what RocksDB writes at an open, it is opened for reading, which writes nothing.
 * - Closed clean, flushes and compactions under way are waited for. Closed fast, nothing is: the next start does again what
 *   was cut short, and threads and memory end with the process.
 *
 * Ways to fail: each failed open holds nothing and leaves what is on disk to the next. RocksDB's errors are text; what is
 * reported is that text behind what was being done. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/rocks.h"
#include "daemon/engine/rocksdb/rocks_room.h"
#include "daemon/runtime/exit_code.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

#ifndef ENGINE_BUILD
#define ENGINE_BUILD "distribution"
#endif
#ifndef ENGINE_VERSION
#define ENGINE_VERSION "unknown version"
#endif

/* Chosen, but where it says otherwise. Values from ROCKS_LARGE_BYTES on stay out of compactions: measured, ingest of 20 kB blocks then
 * fell to 6,900 a second instead of 4,900. */
enum {
    LOGS_MANY = 4,                /* a start that read so many has them flushed */
    OPENS_MAX = 5,                /* of one start, where each is interrupted */
    HELD_FILES_MIN = 256,         /* descriptors of deleted files that are there in any case */
    OPEN_FILES_MAX = 512,         /* tables and blob files that RocksDB keeps open */
    WRITE_BACK_BYTES = 512 << 10, /* written back each time, so that a sync finds little left to do */
    LEVELS = 7,                   /* RocksDB's own default */
    LEVELS_YOUNG = 2,             /* from 0 on: not compressed */
    LEVEL_BASE_BUFFERS = 4,       /* RocksDB's own: what level 1 holds, in write buffers */
    MANIFEST_PART = 16,           /* RocksDB's own: of a write buffer, allocated for the manifest at a time */
    BACKGROUND_NICE = 10,         /* how much nicer RocksDB's own threads are than ours */
    BACKGROUND_JOBS = 2,          /* flushes and compactions at a time */
    CACHE_SHARD_BITS = 1,         /* two shards: see cache_new */
    FILTER_BITS_PER_KEY = 10,     /* one in a hundred absent keys passes the filter */
    FILTER_BLOOM_LEVELS = 2, /* from 0 on: Bloom filters, made faster; below them ribbon filters, smaller */
    TABLE_FORMAT = 5,        /* the newest that all supported versions of RocksDB read */
    RECOVERY_MODE = 2,       /* RocksDB's kPointInTimeRecovery: up to the first damaged record */
};

static_assert(LEVELS_YOUNG < LEVELS, "what is old is compressed");

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
    .begin_run = rocks_begin_run,
    .point_take = rocks_point_take,
    .point_free = rocks_point_free,
    .get = rocks_get,
    .walk_open = rocks_walk_open,
    .walk_next = rocks_walk_next,
    .walk_close = rocks_walk_close,
    .write = rocks_write,
    .sync = rocks_sync,
    .background_failed = rocks_background_failed,
    .space = rocks_space,
    .note_space = rocks_note_space,
    .reclaim = rocks_reclaim,
    .range_bytes = rocks_range_bytes,
    .maintain = rocks_maintain,
    .stop_maintenance = rocks_stop_maintenance,
    .end_maintenance = rocks_end_maintenance,
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
    assert(cache != NULL); /* RocksDB would make one of its own, beside what is bounded */
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_filterpolicy_t *filter =
        rocksdb_filterpolicy_create_ribbon_hybrid(FILTER_BITS_PER_KEY, FILTER_BLOOM_LEVELS);
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    rocksdb_block_based_options_set_filter_policy(table, filter); /* takes the filter */
    rocksdb_block_based_options_set_format_version(table, TABLE_FORMAT);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
}

/* What has no setter in the C interface goes through RocksDB's own option text. */
#define OPTIONS_TEXT                                                                                         \
    "max_bgerror_resume_count=0;"                                                                            \
    "verify_sst_unique_id_in_manifest=true;"                                                                 \
    "avoid_flush_during_recovery=true;" /* a start shall be quick */                                         \
    "force_consistency_checks=true;"

/* has_lost: RocksDB must not ask for logs that its manifest names, as their loss was accepted. */
static rocksdb_options_t *options_from_text(bool has_lost, struct failure *failure)
{
    const char *text = has_lost ? OPTIONS_TEXT "track_and_verify_wals_in_manifest=false"
                                : OPTIONS_TEXT "track_and_verify_wals_in_manifest=true";
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

/* What RocksDB allocates at once, and what lies in its levels, is in proportion to a write buffer, as its own defaults are. A log is
 * allocated for one of usual size during a start too. */
static void set_sizes(rocksdb_options_t *options, uint64_t write_buffer_bytes, uint64_t start_bytes)
{
    assert(start_bytes >= write_buffer_bytes);        /* end_start only ever makes write buffers smaller */
    assert(write_buffer_bytes <= WRITE_BUFFER_BYTES); /* what engine_traits states goes by that */
    rocksdb_options_set_write_buffer_size(options, start_bytes);
    rocksdb_options_set_max_write_buffer_number(options, WRITE_BUFFERS);
    rocksdb_options_set_max_total_wal_size(options, rocks_log_bytes(write_buffer_bytes));
    rocksdb_options_set_target_file_size_base(options, write_buffer_bytes);
    rocksdb_options_set_blob_file_size(options, rocks_blob_file_bytes(write_buffer_bytes));
    rocksdb_options_set_max_bytes_for_level_base(options, LEVEL_BASE_BUFFERS * write_buffer_bytes);
    rocksdb_options_set_manifest_preallocation_size(options, write_buffer_bytes / MANIFEST_PART);
}

static void set_options(rocksdb_options_t *options, bool create, rocksdb_cache_t *cache)
{
    rocksdb_options_set_create_if_missing(options, create);
    rocksdb_options_set_paranoid_checks(options, 0); /* rocks_background.c says why */
    rocksdb_options_set_wal_recovery_mode(options, RECOVERY_MODE);
    rocksdb_options_set_max_open_files(options, OPEN_FILES_MAX);
    rocksdb_options_set_max_background_jobs(options, BACKGROUND_JOBS);
    rocksdb_options_set_allow_concurrent_memtable_write(options, 0); /* one thread writes */
    rocksdb_options_set_enable_write_thread_adaptive_yield(options, 0);
    rocksdb_options_set_bytes_per_sync(options, WRITE_BACK_BYTES);
    rocksdb_options_set_wal_bytes_per_sync(options, WRITE_BACK_BYTES);
    set_compression(options);
    rocksdb_options_set_enable_blob_files(options, 1);
    rocksdb_options_set_min_blob_size(options, ROCKS_LARGE_BYTES);
    rocksdb_options_set_enable_blob_gc(options, 1);
    rocksdb_options_set_blob_gc_age_cutoff(options, strtod(ROCKS_BLOB_GC_OLDEST, NULL));
    rocksdb_options_set_blob_gc_force_threshold(options, ROCKS_BLOB_GC_GARBAGE);
    rocksdb_options_set_blob_cache(options, cache);
    set_table_options(options, cache);
}

static void *start_background(void *unused)
{
    (void)unused;
    assert(thread_is(THREAD_OTHER)); /* a thread that ends here: it keeps the priority that it gets */
    int nice_now = getpriority(PRIO_PROCESS, 0);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice_now + BACKGROUND_NICE); /* one may always be nicer */
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_increase_parallelism(options, 1); /* a thread of each priority, of the whole process */
    rocksdb_options_destroy(options);
    return NULL;
}

/* Makes RocksDB's own threads yield to those that somebody waits for. A thread inherits the priority of the one that starts it,
 * and only a privileged one could take its own back: so a thread of its own starts them, and ends. False: the system
 * has no thread for that. */
static bool make_background_nicer(struct failure *failure)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, start_background, NULL);
    if (error != 0) {
        failure_set(failure, STATUS_IO_ERROR, "opening the store: no thread could be started: %s",
                    strerror(error));
        return false;
    }
    error = pthread_join(thread, NULL);
    assert(error == 0); /* behind this nobody starts threads at its priority */
    return true;
}

/* ---- opening and closing ---- */

/* Whether the names of all files that are made for a path fit into the system's bound: cut short, they would be others'. */
static bool path_fits(const char *path, struct failure *failure)
{
    bool fits = strlen(path) <= PACED_DELETION_PATH_BYTES_MAX;
    if (!fits) {
        failure_set(failure, STATUS_IO_ERROR, "the store's path has %zu bytes; at most %d", strlen(path),
                    PACED_DELETION_PATH_BYTES_MAX);
    }
    return fits;
}

static struct rocks *rocks_new(const struct engine_config *config, const char *beside)
{
    struct rocks *rocks = memory_new(sizeof *rocks);
    snprintf(rocks->oldest_share, sizeof rocks->oldest_share, "%s", ROCKS_BLOB_GC_OLDEST);
    rocks->engine.type = &engine_rocksdb;
    rocks->wal.directory_fd = -1;
    rocks->info_log.fd = rocks->info_log.text_fd = -1;
    assert(strlen(config->path) < sizeof rocks->path); /* cut short, it would be another's */
    snprintf(rocks->path, sizeof rocks->path, "%s", config->path);
    rocks->write[ENGINE_LOGGED] = rocksdb_writeoptions_create();
    rocks->write[ENGINE_SYNCED] = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(rocks->write[ENGINE_SYNCED], 1);
    rocks->nothing = rocksdb_writebatch_create();
    rocks->batch = rocksdb_writebatch_create();
    rocks_make_read_options(rocks->read);
    rocks->deletion = paced_deletion_new(config->path, beside, HELD_FILES_MIN + config->files_spare);
    return rocks;
}

static bool has_manifest(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry = NULL;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (strncmp(entry->d_name, "MANIFEST-", strlen("MANIFEST-")) == 0) {
            break;
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return entry != NULL;
}

enum engine_result rocks_look(const char *path, struct failure *failure)
{
    char current[PATH_MAX];
    struct stat found;
    if (!path_fits(path, failure)) {
        return ENGINE_FAILED;
    }
    assert(strlen(path) + sizeof "/" CURRENT_NAME <= sizeof current); /* path_fits left room */
    snprintf(current, sizeof current, "%s/" CURRENT_NAME, path);
    if (stat(current, &found) == 0) {
        return ENGINE_OK;
    }
    if (errno == ENOENT && has_manifest(path)) {
        return ENGINE_OK; /* a damaged one: the open says so */
    }
    if (errno == ENOENT || errno == ENOTDIR) {
        failure_set(failure, STATUS_NOT_FOUND, "there is no %s", current);
        return ENGINE_NOT_FOUND;
    }
    failure_set(failure, exit_code_status_of_errno(errno), "%s: cannot be seen: %s%s", current,
                strerror(errno), exit_code_cure_of_errno(errno));
    return ENGINE_FAILED;
}

/* How large write buffers are during the start: what is read from the logs fits into one, so that the start does not wait until
 * tables are written. In the buffer it takes a little more than in the log. If the disk is too full to flush it, deletes still have room
 * in the same buffer. */
static uint64_t write_buffer_bytes_of_start(uint64_t write_buffer_bytes, uint64_t log_bytes)
{
    uint64_t bytes = log_bytes + log_bytes / 4;
    return bytes > write_buffer_bytes ? bytes + log_bytes / 4 + write_buffer_bytes : write_buffer_bytes;
}

/* The size of the file system that the path lies in; 0: the system does not say. */
static uint64_t all_bytes(const char *path)
{
    struct statvfs found;
    return statvfs(path, &found) == 0 ? (uint64_t)found.f_blocks * found.f_frsize : 0;
}

/* RocksDB's text of why it did not open the store; NULL: it did. Where there is no space for what an open writes, the store is opened
 * for reading: that writes nothing. */
static char *open_or_read(const struct engine_config *config, const struct rocks_recovered *recovered,
                          bool has_room, struct rocks *rocks)
{
    char *error = NULL;
    bool is_full = recovered->is_in_doubt || !has_room;
    assert(!is_full || recovered->renew_bytes == 0 || recovered->is_in_doubt);
    bool may_open = !is_full || config->create;
    while (may_open) {
        rocksdb_free(error);
        error = NULL;
        rocks->db = rocksdb_open(rocks->options, config->path, &error);
        is_full = error != NULL && rocks_is_no_space(error);
        may_open = is_full && rocks->reserve != NULL && reserve_give(rocks->reserve);
    }
    if (is_full && !config->create) {
        rocksdb_free(error);
        error = NULL;
        rocks->engine.found.access = recovered->is_in_doubt ? ENGINE_DOUBTS : ENGINE_READS;
        rocks->renew_bytes = recovered->renew_bytes;
        rocks->db = rocksdb_open_for_read_only(rocks->options, config->path, 0, &error);
    }
    assert((rocks->db != NULL) == (error == NULL)); /* RocksDB gives a store or an error */
    return error;
}

/* Opens RocksDB on what was recovered. */
static bool open_recovered(const struct engine_config *config, const struct rocks_recovered *recovered,
                           bool has_room, struct rocks *rocks, struct failure *failure)
{
    assert(rocks->db == NULL && rocks->options == NULL); /* rocks_close frees one of each */
    uint64_t start_bytes = write_buffer_bytes_of_start(rocks->write_buffer_bytes, recovered->log_bytes);
    rocks->options = options_from_text(recovered->has_lost, failure);
    if (rocks->options == NULL || !make_background_nicer(failure)) {
        return false;
    }
    rocks->cache = cache_new(config->cache_bytes_max);
    set_options(rocks->options, config->create, rocks->cache);
    set_sizes(rocks->options, rocks->write_buffer_bytes, start_bytes);
    rocks_info_log_place(rocks->options, &rocks->info_log);
    char *error = open_or_read(config, recovered, has_room, rocks);
    rocks_info_log_remove(&rocks->info_log);
    if (error != NULL) {
        rocks_fail_read("opening the store", error, failure);
        if (failure->status == STATUS_DAMAGED) {
            struct failure found = *failure;
            failure_set(failure, STATUS_DAMAGED, "%.*s; restore a copy", (int)sizeof found.text - 32,
                        found.text);
        }
        return false;
    }
    if (rocks->engine.found.access != ENGINE_WRITES) {
        return true;
    }
    if (!rocks_has_free(rocks, 0)) { /* what follows waits longer for the space than for the device */
        paced_deletion_release(rocks->deletion);
    }
    rocks_background_begin(rocks);
    bool has_many_logs = recovered->log_count >= LOGS_MANY; /* else each start would leave one more */
    if (start_bytes <= rocks->write_buffer_bytes && !has_many_logs) {
        return true;
    }
    rocks->start_buffer_bytes = start_bytes > rocks->write_buffer_bytes ? start_bytes : 0;
    return !rocks_has_free(rocks, 0) || rocks_end_start(rocks, has_many_logs, failure);
}

static enum engine_result open_once(const struct engine_config *config, struct engine **ret_engine,
                                    struct failure *failure)
{
    const char *beside = config->beside != NULL ? config->beside : config->path;
    struct rocks_recovered recovered;
    if (!path_fits(config->path, failure) || !path_fits(beside, failure)) {
        return ENGINE_FAILED;
    }
    struct rocks *rocks = rocks_new(config, beside);
    rocks->reserve = config->reserve;
    rocks->write_buffer_bytes = rocks_write_buffer_bytes(all_bytes(config->path));
    bool has_room = rocks_make_start_room(rocks);
    if (!wal_state_open(beside, &rocks->wal, failure) || !rocks_recover(config, rocks, &recovered, failure) ||
        !open_recovered(config, &recovered, has_room, rocks, failure)) {
        goto fail;
    }
    uint64_t sequence = rocksdb_get_latest_sequence_number(rocks->db);
    if (rocks->engine.found.access == ENGINE_WRITES && !wal_state_renew(&rocks->wal, sequence, failure)) {
        goto fail;
    }
    atomic_init(&rocks->synced, sequence);
    rocks->torn_bytes = recovered.torn_bytes;
    rocks->engine.found.last_run = rocks->wal.record.run;
    rocks->engine.found.has_lost = rocks->wal.record.has_lost;
    assert(rocks->start_buffer_bytes == 0 || rocks->start_buffer_bytes > rocks->write_buffer_bytes);
    paced_deletion_expect(rocks->deletion); /* the run before may have ended in the middle of deleting */
    *ret_engine = &rocks->engine;
    return ENGINE_OK;

fail:
    rocks_close(&rocks->engine, ENGINE_CLOSE_CLEAN);
    return ENGINE_FAILED;
}

/* A sync that was interrupted is not asked for again, since its pages may be clean and not on the device: all begins anew, as in the next
 * start, which looks at what is there, and writes the logs anew if it was a log whose sync was interrupted. */
enum engine_result rocks_open(const struct engine_config *config, struct engine **ret_engine,
                              struct failure *failure)
{
    enum engine_result result = ENGINE_FAILED;
    bool was_interrupted = true;
    for (int tries = 0; tries < OPENS_MAX && was_interrupted; tries++) {
        result = open_once(config, ret_engine, failure);
        was_interrupted = result == ENGINE_FAILED && strstr(failure->text, strerror(EINTR)) != NULL;
    }
    return result;
}

void rocks_begin_run(struct engine *engine, uint64_t run)
{
    wal_state_begin_run(&rocks_of(engine)->wal, run);
}

void rocks_close(struct engine *engine, enum engine_close how)
{
    assert(how == ENGINE_CLOSE_FAST || how == ENGINE_CLOSE_CLEAN);
    struct rocks *rocks = rocks_of(engine);
    if (rocks->db != NULL) {
        wal_state_advance(&rocks->wal, atomic_load(&rocks->synced));
    }
    if (how == ENGINE_CLOSE_FAST && !MEMORY_IS_WATCHED) {
        return;
    }
    if (rocks->db != NULL) {
        assert(rocks_number(rocks, "rocksdb.num-snapshots") == 0); /* they are released before */
        rocksdb_close(rocks->db);
    }
    rocks_free_spare_point(rocks);
    rocksdb_writebatch_destroy(rocks->batch);
    rocksdb_writebatch_destroy(rocks->nothing);
    rocks_destroy_read_options(rocks->read);
    rocksdb_writeoptions_destroy(rocks->write[ENGINE_LOGGED]);
    rocksdb_writeoptions_destroy(rocks->write[ENGINE_SYNCED]);
    if (rocks->options != NULL) {
        rocksdb_options_destroy(rocks->options);
    }
    if (rocks->cache != NULL) {
        rocksdb_cache_destroy(rocks->cache);
    }
    rocks_info_log_close(&rocks->info_log);
    paced_deletion_free(rocks->deletion);
    wal_state_close(&rocks->wal);
    free(rocks);
}
