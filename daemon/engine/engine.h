/* The engine: an ordered map of bytes on disk, written by one thread and read by any. It is what cairn needs of a storage engine,
 * and nothing else: files, write buffers, batches and tiers are the engine's own affair.
 *
 * - A store is opened once, in a directory that the caller holds, and closed when all read points, values and cursors are
 *   gone.
 * - A read goes by a read point, which is the state after everything that was written before the point was taken. Without one
 *   (NULL) it goes by the newest state.
 * - A write is a list of edits, applied whole or not at all. The first that ends as ENGINE_UNKNOWN ends all writing: the
 *   caller makes no further write or sync and ends the process, and recovery decides.
 * - What goes wrong is a result, and a `failure` that says what was being done and why it failed. Nothing here logs or ends
 *   the process. `failure` is filled in where something failed; outputs stay untouched unless it went well.
 *
 * Threads: writes, syncs and taking read points belong to one thread at a time, the writer, or the loop before there is one.
 * Reads, and holding and releasing read points, are free to any. A cursor belongs to one thread at a time. engine_reclaim and
 * engine_maintain run beside all that on the pool, each one call at a time. engine.c asserts this. */
#ifndef DAEMON_ENGINE_H
#define DAEMON_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/observe/metrics.h"
#include "daemon/runtime/failure.h"
#include "daemon/schema/slice.h"

struct engine;
struct engine_type; /* engine_type.h: what an engine implements */
struct reserve;
struct engine_point;
struct engine_cursor;

enum engine_result {
    ENGINE_OK,
    ENGINE_NOT_FOUND,   /* the engine looked, and nothing is there; of a cursor: it is at the end */
    ENGINE_WOULD_BLOCK, /* only of a read with ENGINE_NO_IO: the answer takes I/O */
    ENGINE_FAILED, /* `failure` says what: of a read STATUS_DAMAGED, its bytes are wrong or missing, or STATUS_IO_ERROR */
};

/* ---- opening and closing ---- */

struct engine_config {
    const char *path;         /* of the store's directory; copied */
    const char *beside;       /* begins the paths of files outside of it; NULL: `path` does; copied */
    size_t files_spare;       /* descriptors that nobody else needs */
    bool create;              /* a store is made where there is none; else that fails */
    uint64_t cache_bytes_max; /* of what reads keep in memory */
    bool accept_loss;         /* a store that is damaged is opened without what is lost */
    uint64_t last_run;        /* the daemon's last run that began, as its own file has it; 0: not known */
    /* told, in a sentence each, what was cut off or given up; NULL: nobody is */
    void (*tell)(const char *text);
    /* room is made from it where the file system has none; NULL: there is none; borrowed */
    struct reserve *reserve;
};

/* The engine that stores are made with. */
const struct engine_type *engine_default(void);

struct engine_traits {
    const char *text;          /* its name, its version, and whose build it is; static */
    bool reads_without_io;     /* false: a read with ENGINE_NO_IO always is ENGINE_WOULD_BLOCK */
    uint64_t memory_bytes_max; /* of write buffers, besides the cache */
};

const struct engine_traits *engine_traits(const struct engine_type *type);

/* Whether the directory holds a store of that engine. Opens and changes nothing.
 * ENGINE_OK; ENGINE_NOT_FOUND: `failure` says what is missing; ENGINE_FAILED. */
enum engine_result engine_look(const struct engine_type *type, const char *path,
                               struct failure *failure) MUST_CHECK;

/* What an open store is good for: less than all only where its open found no space to write what an open writes. */
enum engine_access {
    ENGINE_WRITES,
    ENGINE_READS, /* all that is there is on the device; a write is ENGINE_NOT_APPLIED, STATUS_NO_SPACE */
    ENGINE_DOUBTS, /* the same, but what is there need not survive a power cut: there is nothing to sync it with */
};

/* Recovers what was written before, and brings it to the device, whichever durability it had asked for. Waits for the device.
 * ENGINE_OK: *ret_engine is to be closed, and engine_found says what it is good for. ENGINE_FAILED: nothing is held, and the store is as
 * it was; STATUS_DAMAGED: no further try will change that, as something is missing that was synced. */
enum engine_result engine_open(const struct engine_type *type, const struct engine_config *config,
                               struct engine **ret_engine, struct failure *failure) MUST_CHECK;

/* What the open found. */
struct engine_found {
    enum engine_access access;
    /* the daemon's last run that began before; 0: none is known */
    uint64_t last_run;
    /* A loss was accepted since that run began, by this open or by one before it that led to no run. Then what earlier runs were told is
     * durable may be gone. */
    bool has_lost;
};

/* The same from its opening to its close, which ends it. Any thread. */
const struct engine_found *engine_found(const struct engine *engine);

/* The daemon counts its runs in a file of its own; the engine keeps the number of the last one beside the store, so that an older copy
 * of either is noticed. At the start, before the writer runs. */
void engine_begin_run(struct engine *engine, uint64_t run);

enum engine_close {
    ENGINE_CLOSE_FAST, /* it waits for no background work, and may leave memory to the kernel: the process ends next */
    ENGINE_CLOSE_CLEAN, /* it waits, and ends all threads and frees all memory */
};

/* Syncs nothing. Accepts NULL. Read points, values and cursors have been given back, and no call is under way. */
void engine_close(struct engine *engine, enum engine_close how);

/* ---- read points ---- */

/* The state after everything that was written so far, held once; never NULL. Writer. */
struct engine_point *engine_point_take(struct engine *engine);
/* Holds it once more, and releases it: that accepts NULL, and the last release gives it back. Any thread. */
struct engine_point *engine_point_hold(struct engine_point *point);
void engine_point_release(struct engine_point *point);

/* ---- reading ---- */

enum engine_reach {
    ENGINE_NO_IO,     /* the read goes to memory only */
    ENGINE_MAY_BLOCK, /* the read may wait for the device */
};

/* Bytes that were read, valid until they are released. */
struct engine_value {
    struct slice bytes;
    void (*release)(struct engine_value *value); /* NULL: nothing is to be released */
    void *owner;                                 /* the engine's */
};

/* Accepts a zeroed one; it is as zeroed behind this. Any thread. */
static inline void engine_value_release(struct engine_value *value)
{
    if (value->release != NULL) {
        value->release(value);
    }
    *value = (struct engine_value){0};
}

/* The key is borrowed during the call. ENGINE_OK: *ret_value is to be released. ENGINE_NOT_FOUND, ENGINE_WOULD_BLOCK and
 * ENGINE_FAILED leave it untouched. Any thread. */
enum engine_result engine_get(struct engine *engine, struct engine_point *point, enum engine_reach reach,
                              struct slice key, struct engine_value *ret_value,
                              struct failure *failure) MUST_CHECK;

/* ---- cursors ---- */

struct engine_range {
    struct slice from; /* included */
    struct slice to;   /* excluded */
    bool is_reverse;   /* from the greatest key down */
    bool is_long;      /* the walk leaves the cache to what is read often */
};

/* A cursor that walks the keys of a range in byte order; never NULL. The bounds are copied, the point is held. Without a point
 * (NULL) it walks the state as of this call, parked or not. It stands before the first key. Never waits for the device. */
struct engine_cursor *engine_cursor_open(struct engine *engine, struct engine_point *point,
                                         const struct engine_range *range);

/* Moves on; may wait for the device. ENGINE_OK: key and value are valid until the cursor is next used. ENGINE_NOT_FOUND: it is at
 * the end, and stays there. ENGINE_FAILED: the walk cannot go on, and each further move fails. */
enum engine_result engine_cursor_next(struct engine_cursor *cursor, struct slice *ret_key,
                                      struct slice *ret_value, struct failure *failure) MUST_CHECK;

/* Parks the cursor: it gives back all that the engine keeps for it but its read point, and the next move finds the place again.
 * Never waits for the device. May be repeated. `repeats`: the next move gives the key once more that the last one gave. */
void engine_cursor_park(struct engine_cursor *cursor, bool repeats);
/* Accepts NULL. */
void engine_cursor_close(struct engine_cursor *cursor);

/* ---- writing ---- */

enum engine_edit_kind {
    ENGINE_PUT,
    ENGINE_DELETE,
    ENGINE_DELETE_RANGE, /* from `key` (included) to `value` (excluded) */
    ENGINE_DELETE_EACH, /* the keys that `value` has packed; `key` is empty. For very many: a key takes little more than its bytes */
};

/* A packed key is its length, 2 bytes, and its bytes. */
enum { ENGINE_PACKED_HEAD_BYTES = 2 };

/* Writes one, and returns where the next goes. */
static inline uint8_t *engine_pack_key(uint8_t *to, struct slice key)
{
    uint16_t bytes = (uint16_t)key.bytes;
    assert(key.bytes > 0 && key.bytes <= UINT16_MAX);
    memcpy(to, &bytes, sizeof bytes);
    memcpy(to + sizeof bytes, key.data, key.bytes);
    return to + sizeof bytes + key.bytes;
}

/* Takes the first one off what is packed; false: none is left. */
static inline bool engine_unpack_key(struct slice *packed, struct slice *ret_key)
{
    uint16_t bytes;
    if (packed->bytes == 0) {
        return false;
    }
    assert(packed->bytes > sizeof bytes);
    memcpy(&bytes, packed->data, sizeof bytes);
    assert(bytes > 0 && packed->bytes - sizeof bytes >= bytes);
    *ret_key = slice_of(packed->data + sizeof bytes, bytes);
    *packed = slice_of(packed->data + sizeof bytes + bytes, packed->bytes - sizeof bytes - bytes);
    return true;
}

struct engine_edit {
    enum engine_edit_kind kind;
    struct slice key;
    struct slice value;
};

enum engine_durability {
    ENGINE_LOGGED, /* survives the death of the process */
    ENGINE_SYNCED, /* with all that was written before it, survives a power cut */
};

enum engine_outcome {
    ENGINE_DONE,
    ENGINE_NOT_APPLIED, /* nothing of it is there, or ever will be; writing may go on. STATUS_BUSY: for want of memory */
    ENGINE_UNKNOWN, /* it may or may not be there after the next open; writing ends */
};

/* Applies the edits: ranges first, in any order, then the other edits, of which each key has one, packed or not. A range does not end before it
 * begins. The list and its bytes are borrowed during the call, and the list may be reordered. Writer. */
enum engine_outcome engine_write(struct engine *engine, struct engine_edit *edits, size_t count,
                                 enum engine_durability durability, struct failure *failure) MUST_CHECK;

/* Brings all that was written before to the device. ENGINE_DONE, or ENGINE_UNKNOWN: writing ends. Writer. */
enum engine_outcome engine_sync(struct engine *engine, struct failure *failure) MUST_CHECK;

/* Whether something that the engine does by itself, such as merging files, failed and was not told yet: STATUS_DAMAGED,
 * STATUS_IO_ERROR, or STATUS_NO_SPACE. It gives that up, and all else goes on. Known once a later write was made. Writer. */
bool engine_background_failed(struct engine *engine, struct failure *ret_failure) MUST_CHECK;

/* ---- space ---- */

struct engine_space {
    /* What the engine may still take of the file system, for what it was given so far and for itself. */
    uint64_t unflushed_bytes;  /* in the log only so far: they take as much again */
    uint64_t closed_bytes;     /* of these: what takes it now, whether anything is written meanwhile or not */
    uint64_t log_bytes;        /* of the next log, taken at once when it begins */
    uint64_t compaction_bytes; /* of a compaction, until what it replaces is gone */
    uint64_t start_bytes;      /* of a start, log included */
    bool is_making_files;      /* which fails where it finds no space */
    /* Numbers that rise with each write: that of the newest, and that of the newest which the oldest read point or cursor has seen;
     * without one it is the same. What was deleted behind that stays, even if its range is reclaimed. */
    uint64_t newest_write, oldest_read;
};

/* As it is now. Never waits for the device. Any thread. */
struct engine_space engine_space(struct engine *engine);

/* While space is LOW engine_reclaim gives back what it can; while it is TIGHT the engine begins no compaction by itself, too. Any thread. */
enum engine_pressure { ENGINE_EASY, ENGINE_LOW, ENGINE_TIGHT };
void engine_note_space(struct engine *engine, enum engine_pressure pressure);

/* Gives back the space of keys that were deleted from a range, which may be empty, and of what is left over from other ranges; may take
 * minutes, and yields to what writes need. `is_quiet`: nobody writes, so it may write several times what it gives back. ENGINE_OK:
 * *ret_freed_bytes says by how much all files of keys and values are smaller now, about; 0: they are not,
 * as when others wrote as much meanwhile. ENGINE_FAILED: some of the space is still taken, and a later call may try again. Pool. */
enum engine_result engine_reclaim(struct engine *engine, struct slice from, struct slice to, bool is_quiet,
                                  uint64_t *ret_freed_bytes, struct failure *failure) MUST_CHECK;

/* How many bytes the keys and values of a range take, about, whatever else is there: in time that does not depend on how many
 * they are. From 64 MiB on, once nothing is written any more and what was deleted is reclaimed, it is right to a factor of two. May wait for the device. ENGINE_OK,
 * ENGINE_FAILED. Pool. */
enum engine_result engine_range_bytes(struct engine *engine, struct slice from, struct slice to,
                                      uint64_t *ret_bytes, struct failure *failure) MUST_CHECK;

/* Takes one step of what the engine has to do from time to time; may wait for the device. now_us is thread_now_us. It is to be
 * called again *ret_next_us microseconds after its end; UINT64_MAX: when the next range of keys is deleted, or the next
 * engine_reclaim begins or ends. Pool. */
void engine_maintain(struct engine *engine, uint64_t now_us, uint64_t *ret_next_us);

/* From here on engine_reclaim and engine_maintain return soon, with their work not done. Any thread. */
void engine_stop_maintenance(struct engine *engine);

/* The caller has synced all that is to be kept. If engine_reclaim waits for tables that the engine could not write, it returns now, and no
 * tables are written from here on. Comes after engine_stop_maintenance, and is repeated while engine_reclaim has not returned, since that
 * may begin to wait later. Any thread. */
void engine_end_maintenance(struct engine *engine);

/* Calls back with each of the engine's numbers for people and monitoring, space among them, as metrics_each does with the
 * daemon's. Never waits for the device. Any thread. */
void engine_metrics(struct engine *engine, metrics_fn *each, void *context);

#endif
