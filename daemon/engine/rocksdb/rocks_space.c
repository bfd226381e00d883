/* Space: compacting ranges whose keys were deleted, the paced deletion of the files that this frees, and metrics.
 *
 * rocks_reclaim takes as long as a compaction of the range does, and yields to what flushes and writes need. The files with
 * large values are held before it begins, so that what RocksDB then deletes at once goes from the device one file at a time,
 * by rocks_maintain. */
#include <assert.h>

#include "daemon/engine/rocksdb/rocks.h"
#include "daemon/runtime/thread.h"

enum engine_result rocks_reclaim(struct engine *engine, struct slice from, struct slice to,
                                 struct failure *failure)
{
    struct rocks *rocks = rocks_of(engine);
    (void)failure; /* RocksDB does not say how a compaction ended; what ended it meets the next write */
    assert(atomic_load(&engine->is_reclaiming)); /* begin and end come in pairs */
    assert(to.data != NULL);                     /* RocksDB takes NULL for the end of all keys */
    paced_deletion_begin(rocks->deletion);
    rocksdb_compactoptions_t *compact = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_exclusive_manual_compaction(compact, 0);
    rocksdb_compact_range_opt(rocks->db, compact, (const char *)from.data, from.bytes, (const char *)to.data,
                              to.bytes);
    rocksdb_compactoptions_destroy(compact);
    paced_deletion_end(rocks->deletion);
    return ENGINE_OK;
}

void rocks_maintain(struct engine *engine, uint64_t now_us, uint64_t *ret_next_us)
{
    assert(atomic_load(&engine->is_maintaining)); /* steps come one at a time */
    *ret_next_us = paced_deletion_step(rocks_of(engine)->deletion, now_us);
}

void rocks_stop_maintenance(struct engine *engine)
{
    rocksdb_disable_manual_compaction(rocks_of(engine)->db);
    paced_deletion_stop(rocks_of(engine)->deletion);
}

/* clang-format off */
static const struct {
    struct metric metric;
    const char *property; /* RocksDB's name */
} rocks_numbers[] = {
    {{"engine.tables.bytes", METRIC_GAUGE, "bytes", "tables of keys and small values"}, "rocksdb.total-sst-files-size"},
    {{"engine.values.bytes", METRIC_GAUGE, "bytes", "files of large values"}, "rocksdb.total-blob-file-size"},
    {{"engine.values.live_bytes", METRIC_GAUGE, "bytes", "what of these is not deleted"}, "rocksdb.live-blob-file-size"},
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
    for (size_t i = 0; i < sizeof rocks_numbers / sizeof rocks_numbers[0]; i++) {
        each(context, &rocks_numbers[i].metric, rocks_number(rocks_of(engine), rocks_numbers[i].property));
    }
}
