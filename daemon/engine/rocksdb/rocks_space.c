/* Space: compacting ranges whose keys were deleted, the paced deletion of the files that this frees, and metrics.
 *
 * rocks_reclaim takes as long as a compaction of the range does, and yields to what flushes and writes need. The files with
 * large values that it frees get a hard link beside the database before it begins, so that what RocksDB then deletes at once
 * goes from the device a piece at a time, by rocks_maintain. */
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

void rocks_metrics(struct engine *engine, engine_metric_fn *each, void *context)
{
    static const struct {
        const char *name;
        const char *property;
    } metrics[] = {
        {"engine.tables.bytes", "rocksdb.total-sst-files-size"},
        {"engine.values.bytes", "rocksdb.total-blob-file-size"},
        {"engine.values.live_bytes", "rocksdb.live-blob-file-size"},
        {"engine.buffers.bytes", "rocksdb.size-all-mem-tables"},
        {"engine.buffers.unflushed", "rocksdb.num-immutable-mem-table"},
        {"engine.cache.bytes", "rocksdb.block-cache-usage"},
        {"engine.cache.pinned_bytes", "rocksdb.block-cache-pinned-usage"},
        {"engine.points", "rocksdb.num-snapshots"},
        {"engine.flushes.running", "rocksdb.num-running-flushes"},
        {"engine.compactions.running", "rocksdb.num-running-compactions"},
        {"engine.compactions.pending_bytes", "rocksdb.estimate-pending-compaction-bytes"},
        {"engine.errors", "rocksdb.background-errors"},
    };
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        each(context, metrics[i].name, rocks_number(rocks_of(engine), metrics[i].property));
    }
}
