/* Space: compacting ranges whose keys were deleted, the paced deletion of the files that this frees, and metrics.
 *
 * rocks_reclaim takes as long as a compaction of the range does, and yields to what flushes and writes need. A file with large
 * values goes when all in it is deleted; where much of it is, what lives is moved out of it. The files with large values are held before
 * that begins, so that what RocksDB then deletes at once goes from the device one file at a time, by rocks_maintain.
 *
 * While space is low writes wait for what is deleted: it goes at once, and where there is no room to move all that lives in such files,
 * that is done a few files at a time.
 *
 * Ways to fail: what finds no room is left for a later call. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "daemon/engine/rocksdb/rocks.h"
#include "daemon/engine/rocksdb/rocks_room.h"
#include "daemon/runtime/thread.h"

/* Chosen. */
enum {
    DELETIONS_MIN = 1024, /* a table with fewer is left as it is */
    DELETIONS_PART = 4,   /* and one in which they are a smaller part than one in so many */
    /* Garbage is deleted large values in files with live ones. It stays where it is less than a write buffer, */
    GARBAGE_PART = 3, /* or a smaller part of all than one in so many; */
    /* while nobody writes or space is low, where it is less than such a part of a write buffer, or of all, */
    GARBAGE_QUIET_BUFFER_PART = 4,
    GARBAGE_QUIET_PART = 20,
    /* of files with no more than that: a disk writes it in some ten seconds */
    GARBAGE_QUIET_ALL_MAX = 1 << 30,
    FILE_EXTRA_PART = 8,        /* of a file's size: what some have beside it */
    SHARE_UNITS = 1000000,      /* in one: a share of the files is told to RocksDB in these */
    STATE_INTERVAL_US = 500000, /* between two notes beside the log of how far it is synced */
};

/* The depth says what is done with tables that nothing lies below: RocksDB's numbers. */
enum depth {
    DEPTH_MERGED = 1, /* they are written anew where something above is merged into them */
    DEPTH_ALL = 3,    /* all are, but those that this compaction has written itself */
};

static void compact(struct rocks *rocks, const struct slice *from, const struct slice *to, enum depth depth)
{
    assert(atomic_load(&rocks->engine.is_reclaiming)); /* files that go are held for one range at a time */
    assert((from == NULL) == (to == NULL)); /* of one end alone all keys to the other would be merged */
    rocksdb_compactoptions_t *compact = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_exclusive_manual_compaction(compact, 0);
    rocksdb_compactoptions_set_bottommost_level_compaction(compact, (unsigned char)depth);
    rocksdb_compact_range_opt(rocks->db, compact, from != NULL ? (const char *)from->data : NULL,
                              from != NULL ? from->bytes : 0, to != NULL ? (const char *)to->data : NULL,
                              to != NULL ? to->bytes : 0);
    rocksdb_compactoptions_destroy(compact);
}

static struct slice later(struct slice left, struct slice right)
{
    return slice_compare(left, right) > 0 ? left : right;
}

static struct slice earlier(struct slice left, struct slice right)
{
    return slice_compare(left, right) < 0 ? left : right;
}

/* Writes tables of the range anew that hold little but deletions: RocksDB moves a table as it is where nothing lies below it, and
 * a walk over it passes each of them. */
static void drop_deletions(struct rocks *rocks, struct slice from, struct slice to)
{
    const rocksdb_livefiles_t *tables = rocksdb_livefiles(rocks->db);
    int count = rocksdb_livefiles_count(tables);
    for (int i = 0; i < count; i++) {
        uint64_t deletions = rocksdb_livefiles_deletions(tables, i);
        bool are_many =
            deletions >= DELETIONS_MIN && deletions >= rocksdb_livefiles_entries(tables, i) / DELETIONS_PART;
        size_t smallest_bytes = 0, largest_bytes = 0;
        const char *smallest = rocksdb_livefiles_smallestkey(tables, i, &smallest_bytes);
        const char *largest = rocksdb_livefiles_largestkey(tables, i, &largest_bytes);
        struct slice first = later(slice_of(smallest, smallest_bytes), from);
        struct slice last = earlier(slice_of(largest, largest_bytes), to);
        if (are_many && rocksdb_livefiles_level(tables, i) > 0 && slice_compare(first, last) < 0) {
            assert(slice_compare(from, first) <= 0 && slice_compare(last, to) <= 0); /* nothing besides */
            compact(rocks, &first, &last, DEPTH_ALL);
        }
    }
    rocksdb_livefiles_destroy(tables);
}

/* Of the files with large values, which share a compaction moves the live ones out of, from the oldest on. RocksDB notes options in its
 * manifest, which must not fail for want of space: without it the share stays. */
static void set_oldest_share(struct rocks *rocks, const char *share)
{
    assert(atomic_load(&rocks->engine.is_reclaiming)); /* another would set it back too early */
    char *error = NULL;
    if (strcmp(rocks->oldest_share, share) == 0 || !rocks_make_little_room(rocks)) {
        return;
    }
    rocksdb_set_options(rocks->db, 1, (const char *const[]){"blob_garbage_collection_age_cutoff"},
                        (const char *const[]){share}, &error);
    if (error == NULL) {
        snprintf(rocks->oldest_share, sizeof rocks->oldest_share, "%s", share);
    }
    rocksdb_free(error);
}

/* Bytes of large values, in files that hold at least one live. */
struct values {
    uint64_t all, live, garbage; /* which compactions have found deleted */
};

static struct values values_of(const struct rocks *rocks)
{
    uint64_t garbage = rocks_number(rocks, "rocksdb.live-blob-file-garbage-size");
    uint64_t all = rocks_number(rocks, "rocksdb.live-blob-file-size");
    uint64_t live = all > garbage ? all - garbage : 0; /* files may have gone between the two looks */
    return (struct values){all, live, garbage};
}

/* Whether moving the live large values out of their files gives back enough. It writes at most twice what it gives back; more while
 * nobody writes, or where writes wait for the space, and they are not too many for a minute. */
static bool garbage_is_worth_it(const struct rocks *rocks, bool is_quiet)
{
    struct values values = values_of(rocks);
    bool is_much = values.garbage >= rocks->write_buffer_bytes && values.garbage >= values.all / GARBAGE_PART;
    bool may_write_more = (is_quiet || rocks_is_low(rocks)) && values.all <= GARBAGE_QUIET_ALL_MAX;
    return is_much ||
           (may_write_more && values.garbage >= rocks->write_buffer_bytes / GARBAGE_QUIET_BUFFER_PART &&
            values.garbage >= values.all / GARBAGE_QUIET_PART);
}

/* Moves the live large values out of the oldest `count` of `all` files. */
static void move_from_oldest(struct rocks *rocks, uint64_t count, uint64_t all)
{
    char share[ROCKS_SHARE_BYTES]; /* rounded up, for RocksDB rounds down what it multiplies with it */
    assert(count > 0 && count <= all);
    snprintf(share, sizeof share, "%.6f", (double)((count * SHARE_UNITS + all - 1) / all) / SHARE_UNITS);
    set_oldest_share(rocks, share);
    compact(rocks, NULL, NULL, DEPTH_ALL);
}

/* Writes wait longer for its space than for the device. */
static void release_if_low(struct rocks *rocks)
{
    if (rocks_is_low(rocks)) {
        paced_deletion_release(rocks->deletion);
    }
}

/* Moves what lives out of as many of the oldest files as there is room for; while writes are taken half of that is left to them. Returns
 * how many; 0: there is no room for one. */
static uint64_t move_some(struct rocks *rocks, uint64_t files)
{
    uint64_t mean = values_of(rocks).all / files, each = rocks_blob_file_bytes(rocks->write_buffer_bytes);
    each = each < mean ? mean : each;
    each += each / FILE_EXTRA_PART;
    uint64_t room = rocks_room_to_move(rocks);
    uint64_t count = (rocks_is_low(rocks) ? room : room / 2) / each;
    count = count < files ? count : files;
    if (count == 0 || !rocks_make_room_to_move(rocks, count * each)) {
        return 0;
    }
    move_from_oldest(rocks, count, files);
    return count;
}

/* Moves the live large values out of files with much that is deleted: out of all at once, or where there is no room for that some files
 * at a time, from the oldest to the newest. What is moved lies in newer ones. False: there was no room. */
static bool collect_garbage(struct rocks *rocks, bool is_quiet)
{
    uint64_t files = rocks_number(rocks, "rocksdb.num-blob-files"), left = files, moved = files;
    while (left > 0 && moved > 0 && !atomic_load(&rocks->is_stopped) &&
           garbage_is_worth_it(rocks, is_quiet)) {
        moved = files = rocks_number(rocks, "rocksdb.num-blob-files");
        if (files > 0 && rocks_has_free(rocks, 2 * values_of(rocks).live)) {
            move_from_oldest(rocks, files, files);
        } else if (files > 0) {
            moved = move_some(rocks, files);
        }
        release_if_low(rocks);
        left = moved < left ? left - moved : 0;
    }
    return moved > 0 || files == 0;
}

static uint64_t files_bytes(const struct rocks *rocks)
{
    return rocks_number(rocks, "rocksdb.total-sst-files-size") +
           rocks_number(rocks, "rocksdb.total-blob-file-size");
}

static enum engine_result no_room(struct failure *failure)
{
    failure_set(failure, STATUS_NO_SPACE,
                "no room to move what lives out of files with much that is deleted");
    return ENGINE_FAILED;
}

/* One that found no room is worth another attempt. What else ended one is told by the writer, and does so again. */
static enum engine_result compaction_result(const struct rocks *rocks, uint64_t errors_before,
                                            struct failure *failure)
{
    struct failure found;
    uint64_t errors = rocks_number(rocks, "rocksdb.background-errors");
    if (errors == errors_before) {
        return ENGINE_OK;
    }
    rocks_background_describe(rocks, errors, "compacting tables", &found);
    if (found.status != STATUS_NO_SPACE) {
        return ENGINE_OK;
    }
    *failure = found;
    return ENGINE_FAILED;
}

enum engine_result rocks_reclaim(struct engine *engine, struct slice from, struct slice to, bool is_quiet,
                                 uint64_t *ret_freed_bytes, struct failure *failure)
{
    struct rocks *rocks = rocks_of(engine);
    uint64_t before_bytes = files_bytes(rocks);
    assert(atomic_load(&engine->is_reclaiming)); /* begin and end come in pairs */
    assert(to.data != NULL);                     /* RocksDB takes NULL for the end of all keys */
    if (atomic_load(&engine->has_ended)) {       /* a flush behind a failed write may abort */
        failure_set(failure, STATUS_IO_ERROR, "a write failed before deleted keys were dropped");
        return ENGINE_FAILED;
    }
    if (!rocks_has_room_to_compact(rocks)) {
        failure_set(failure, STATUS_NO_SPACE,
                    "no room to flush what lies in memory before deleted keys are dropped");
        return ENGINE_FAILED;
    }
    /* RocksDB does not say how a compaction ended; what ended it meets the next write. A flush says it, and is not begun where
     * it would have the compaction wait for ever. */
    if (atomic_load(&rocks->flushes_fail)) {
        failure_set(failure, STATUS_IO_ERROR, "compacting tables: flushes fail");
        return ENGINE_FAILED;
    }
    if (!rocks_close_write_buffer(rocks, failure)) {
        return ENGINE_FAILED;
    }
    uint64_t errors = rocks_number(rocks, "rocksdb.background-errors");
    paced_deletion_begin(rocks->deletion);
    /* while space is low, nobody looked whether there is room to move what lives */
    set_oldest_share(rocks, rocks_is_low(rocks) ? "0" : ROCKS_BLOB_GC_OLDEST);
    if (slice_compare(from, to) < 0) {
        compact(rocks, &from, &to, DEPTH_MERGED);
        drop_deletions(rocks, from, to);
    }
    release_if_low(rocks);
    bool has_room = collect_garbage(rocks, is_quiet);
    set_oldest_share(rocks, ROCKS_BLOB_GC_OLDEST);
    paced_deletion_end(rocks->deletion);
    uint64_t after_bytes = files_bytes(rocks);
    *ret_freed_bytes = before_bytes > after_bytes ? before_bytes - after_bytes : 0;
    return has_room || !rocks_is_low(rocks) ? compaction_result(rocks, errors, failure) : no_room(failure);
}

void rocks_maintain(struct engine *engine, uint64_t now_us, uint64_t *ret_next_us)
{
    assert(atomic_load(&engine->is_maintaining)); /* steps come one at a time */
    wal_state_advance(&rocks_of(engine)->wal, atomic_load(&rocks_of(engine)->synced));
    uint64_t next_us = paced_deletion_step(rocks_of(engine)->deletion, now_us);
    bool is_last = atomic_load(&rocks_of(engine)->is_stopped);
    *ret_next_us = next_us < STATE_INTERVAL_US || is_last ? next_us : STATE_INTERVAL_US;
}

void rocks_stop_maintenance(struct engine *engine)
{
    atomic_store(&rocks_of(engine)->is_stopped, true);
    rocksdb_disable_manual_compaction(rocks_of(engine)->db);
    paced_deletion_stop(rocks_of(engine)->deletion);
}

/* A compaction first flushes what lies in memory of its range. If that flush fails, RocksDB has the compaction wait until another one goes
 * well, or until RocksDB is told that the store is about to be closed, as here. What lies in memory is in the log. */
void rocks_end_maintenance(struct engine *engine)
{
    struct rocks *rocks = rocks_of(engine);
    assert(atomic_load(&rocks->is_stopped)); /* or the next reclaim would begin */
    if (rocks_flush_has_failed(rocks)) {
        rocksdb_cancel_all_background_work(rocks->db, false);
    }
}

/* clang-format off */
static const struct {
    struct metric metric;
    const char *property; /* RocksDB's name */
} rocks_numbers[] = {
    {{"engine.tables.bytes", METRIC_GAUGE, "bytes", "tables of keys and small values"}, "rocksdb.total-sst-files-size"},
    {{"engine.values.bytes", METRIC_GAUGE, "bytes", "files of large values"}, "rocksdb.total-blob-file-size"},
    {{"engine.buffers.bytes", METRIC_GAUGE, "bytes", "memory of write buffers"}, "rocksdb.size-all-mem-tables"},
    {{"engine.buffers.unflushed", METRIC_GAUGE, "", "full write buffers that wait for their flush"}, "rocksdb.num-immutable-mem-table"},
    {{"engine.cache.bytes", METRIC_GAUGE, "bytes", "memory of the cache"}, "rocksdb.block-cache-usage"},
    {{"engine.cache.pinned_bytes", METRIC_GAUGE, "bytes", "what of the cache is in use"}, "rocksdb.block-cache-pinned-usage"},
    {{"engine.points", METRIC_GAUGE, "", "read points that are held"}, "rocksdb.num-snapshots"},
    {{"engine.flushes.running", METRIC_GAUGE, "", "flushes at work"}, "rocksdb.num-running-flushes"},
    {{"engine.compactions.running", METRIC_GAUGE, "", "compactions at work"}, "rocksdb.num-running-compactions"},
    {{"engine.compactions.pending_bytes", METRIC_GAUGE, "bytes", "what compactions have before them"}, "rocksdb.estimate-pending-compaction-bytes"},
    {{"engine.errors", METRIC_COUNTER, "", "errors of flushes and compactions"}, "rocksdb.background-errors"},
};
/* clang-format on */

void rocks_metrics(struct engine *engine, metrics_fn *each, void *context)
{
    const struct rocks *rocks = rocks_of(engine);
    for (size_t i = 0; i < sizeof rocks_numbers / sizeof rocks_numbers[0]; i++) {
        each(context, &rocks_numbers[i].metric, rocks_number(rocks, rocks_numbers[i].property));
    }
    static const struct metric live = {"engine.values.live_bytes", METRIC_GAUGE, "bytes",
                                       "large values, but for those that compactions have found deleted"};
    static const struct metric torn = {"engine.log.torn_bytes", METRIC_GAUGE, "bytes",
                                       "cut off from the log at the start, as a torn tail"};
    each(context, &live, values_of(rocks).live);
    each(context, &torn, rocks->torn_bytes);
}
