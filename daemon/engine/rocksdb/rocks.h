/* The engine on RocksDB, as its files see it: rocks_open.c opens and closes, rocks_recover.c looks at what an open finds,
 * rocks_read.c has read points, gets and walks, rocks_write.c turns edits into write batches, rocks_room.c sees that there is room
 * for them, rocks_space.c gives space back. Nobody else includes this.
 *
 * RocksDB's own functions begin with rocksdb_, ours with rocks_. */
#ifndef DAEMON_ROCKS_H
#define DAEMON_ROCKS_H

#include <rocksdb/c.h>

#include "daemon/engine/engine_type.h"
#include "daemon/engine/rocksdb/paced_deletion.h"
#include "daemon/engine/rocksdb/rocks_background.h"
#include "daemon/engine/rocksdb/rocks_info_log.h"
#include "daemon/engine/rocksdb/wal_state.h"
#include "daemon/host/reserve.h"

/* Both chosen; their product is the memory that engine_traits states. */
enum {
    WRITE_BUFFER_BYTES = 64 << 20, /* RocksDB's own default; less on a small file system */
    ROCKS_LARGE_BYTES = 4 << 10,   /* values from this size on lie in files of their own */
    WRITE_BUFFERS = 4,             /* so many a burst of writes fills before it waits for the device */
};

/* Shares of the files with large values, chosen: blocks are never changed, so moving live values would gain nothing. Live ones
 * move out of the oldest tenth only, and all of that at once when half of it is deleted. */
#define ROCKS_BLOB_GC_OLDEST  "0.1"
#define ROCKS_BLOB_GC_GARBAGE 0.5

enum { ROCKS_SHARE_BYTES = 16 }; /* of such a share as text */

/* An engine_type's engine; what opened it is fixed from then on. */
struct rocks {
    struct engine engine; /* first */
    /* fixed after start */
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write[2]; /* by durability */
    rocksdb_readoptions_t *read[2];   /* by reach: the newest state */
    uint64_t torn_bytes;              /* cut off from the logs when it was opened */
    uint64_t renew_bytes;             /* of logs that the next start is to write anew; 0: none */
    char path[PACED_DELETION_PATH_BYTES_MAX + 1];
    uint64_t write_buffer_bytes; /* of one, but for those of a start */
    struct rocks_info_log info_log;
    struct reserve *reserve; /* NULL: there is none */
    /* the reclaiming thread's */
    char oldest_share[ROCKS_SHARE_BYTES]; /* as it was set last */
    /* writer thread only */
    rocksdb_writebatch_t *batch;
    struct rocks_background background;
    uint64_t noted_us;             /* when it was last noted outside the log how far that is synced */
    uint64_t deletions;            /* of keys, since the active write buffer began, or more */
    rocksdb_writebatch_t *nothing; /* writes no key; synced, a barrier */
    /* any thread */
    /* of the write buffer that the start filled, until it is flushed; 0: none */
    _Atomic uint64_t start_buffer_bytes;
    struct wal_state wal;
    _Atomic uint64_t synced; /* the writer's: RocksDB's sequence number up to which everything is synced */
    _Atomic(struct rocks_point *) spare_point; /* released, for the next one that is taken; NULL: none */
    struct paced_deletion *deletion;           /* any thread, by the rules in its header */
    atomic_bool is_stopped;                    /* any thread: maintenance is */
    atomic_bool cannot_flush;                  /* any thread: a write buffer could not be closed */
    atomic_bool flushes_fail;                  /* the writer's, read by any thread */
    _Atomic(enum engine_pressure) pressure;    /* any thread */
};

/* ---- rocks_open.c ---- */

enum engine_result rocks_look(const char *path, struct failure *failure);
enum engine_result rocks_open(const struct engine_config *config, struct engine **ret_engine,
                              struct failure *failure);
void rocks_close(struct engine *engine, enum engine_close how);
void rocks_begin_run(struct engine *engine, uint64_t run);

static inline struct rocks *rocks_of(struct engine *engine)
{
    return (struct rocks *)engine; /* its first member */
}

/* ---- rocks_recover.c ---- */

/* What an open found. */
struct rocks_recovered {
    uint64_t log_bytes;
    size_t log_count;
    uint64_t torn_bytes;  /* what was behind the end of the logs, and is cut off */
    bool has_lost;        /* there was damage, and the loss is accepted */
    bool is_in_doubt;     /* a sync failed before, and there is no space to write the logs anew, */
    uint64_t renew_bytes; /* which takes so much */
};

/* Looks at what the run before left, and brings its log to the device; holds what the open will delete. False: it is damaged, and
 * untouched, or could not be read or synced. */
bool rocks_recover(const struct engine_config *config, struct rocks *rocks,
                   struct rocks_recovered *ret_recovered, struct failure *failure) MUST_CHECK;

/* ---- rocks.c ---- */

/* Takes RocksDB's text and frees it; `failure` then says what was being done, and the text. */
void rocks_fail(const char *doing, char *text, struct failure *failure);
/* The same of a read: STATUS_DAMAGED for bytes that are wrong or missing, STATUS_IO_ERROR for a device that does not read. */
void rocks_fail_read(const char *doing, char *text, struct failure *failure);
void rocks_fail_text(const char *doing, const char *text, struct failure *failure); /* borrows the text */
/* Whether the text says that the file system has no space, or none for this user. */
bool rocks_is_no_space(const char *text);

/* A property of RocksDB's that is a number; 0 if it has none of that name. */
uint64_t rocks_number(const struct rocks *rocks, const char *property);
/* How many tables lie where flushes put them. */
uint64_t rocks_young_tables(const struct rocks *rocks);

/* ---- rocks_read.c ---- */

struct engine_point *rocks_point_take(struct engine *engine);
void rocks_point_free(struct engine_point *point);
void rocks_free_spare_point(struct rocks *rocks); /* once all points are released */
enum engine_result rocks_get(struct engine *engine, struct engine_point *point, enum engine_reach reach,
                             struct slice key, struct engine_value *ret_value, struct failure *failure);
struct engine_walk *rocks_walk_open(struct engine *engine, struct engine_point *point,
                                    const struct engine_range *range);
enum engine_result rocks_walk_next(struct engine_walk *walk, struct slice *ret_key, struct slice *ret_value,
                                   struct failure *failure);
void rocks_walk_close(struct engine_walk *walk);

/* Makes read options for each reach, which go by the newest state. */
void rocks_make_read_options(rocksdb_readoptions_t **ret_read);
void rocks_destroy_read_options(rocksdb_readoptions_t **read);

/* ---- rocks_write.c ---- */

enum engine_outcome rocks_write(struct engine *engine, struct engine_edit *edits, size_t count,
                                enum engine_durability durability, struct failure *failure);
enum engine_outcome rocks_sync(struct engine *engine, struct failure *failure);

/* ---- rocks_space.c ---- */

enum engine_result rocks_reclaim(struct engine *engine, struct slice from, struct slice to, bool is_quiet,
                                 uint64_t *ret_freed_bytes, struct failure *failure);
void rocks_maintain(struct engine *engine, uint64_t now_us, uint64_t *ret_next_us);
void rocks_stop_maintenance(struct engine *engine);
void rocks_end_maintenance(struct engine *engine);
void rocks_metrics(struct engine *engine, metrics_fn *each, void *context);

/* ---- rocks_usage.c ---- */

enum engine_result rocks_range_bytes(struct engine *engine, struct slice from, struct slice to,
                                     uint64_t *ret_bytes, struct failure *failure);

#endif
