/* The engine: an ordered map of bytes on disk, written by one thread and read by any. What cairn needs of a storage engine,
 * and nothing else; files, write buffers, batches and tiers are the engine's own affair.
 *
 * - A store is opened once, in a directory that the caller holds, and closed when all read points, values and cursors are
 *   gone.
 * - A read goes by a read point, the state after everything that was written when the point was taken, or (NULL) by the
 *   newest state.
 * - A write is a list of edits, applied whole or not at all. The first that ends as ENGINE_UNKNOWN ends all writing: the
 *   caller stops acknowledging and ends, and the next open decides.
 * - What goes wrong is a result and a text that says what was done and why it failed; nothing here logs or ends the process.
 *
 * Threads: writes, syncs and taking read points belong to one thread, the writer. Reads, and holding and releasing read
 * points, are free to any. A cursor belongs to one thread at a time. engine_reclaim and engine_maintain run beside all that, one call at
 * a time each. */
#ifndef DAEMON_ENGINE_H
#define DAEMON_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/runtime/failure.h"
#include "daemon/schema/slice.h"

struct engine;
struct engine_type; /* engine_type.h: what an engine implements */
struct engine_point;
struct engine_cursor;

enum engine_result {
    ENGINE_OK,
    ENGINE_NOT_FOUND,   /* looked, and nothing is there; of a cursor: the end */
    ENGINE_WOULD_BLOCK, /* only of a read with ENGINE_NO_IO: the device is needed to say */
    ENGINE_FAILED,      /* it could not be read, or its bytes are damaged; `failure` says what */
};

/* ---- opening and closing ---- */

struct engine_config {
    const char *path;         /* copied */
    bool create;              /* make the store where there is none; else a missing one fails */
    uint64_t cache_bytes_max; /* what reads may keep in memory */
};

/* The engine that stores are made with. */
const struct engine_type *engine_default(void);

/* What an engine is and can do. */
struct engine_traits {
    const char *text;          /* name, version, and whose build it is */
    bool reads_without_io;     /* ENGINE_NO_IO can be answered; else it is always ENGINE_WOULD_BLOCK */
    uint64_t memory_bytes_max; /* besides the cache: buffers of what is written and not yet in its place */
};

const struct engine_traits *engine_traits(const struct engine_type *type);

/* Whether the directory holds a store of that engine. Opens and changes nothing.
 * ENGINE_OK; ENGINE_NOT_FOUND: `failure` says what is missing; ENGINE_FAILED. */
enum engine_result engine_look(const struct engine_type *type, const char *path,
                               struct failure *failure) MUST_CHECK;

/* Recovers what was written before, and brings it to the device, whichever durability it had asked for.
 * ENGINE_OK: *ret_engine is to be closed. ENGINE_FAILED: nothing is held. */
enum engine_result engine_open(const struct engine_type *type, const struct engine_config *config,
                               struct engine **ret_engine, struct failure *failure) MUST_CHECK;

enum engine_close {
    ENGINE_CLOSE_FAST, /* the process ends right behind it: waits for no background work, and may leave memory to the kernel */
    ENGINE_CLOSE_CLEAN, /* all threads are ended and all memory is freed */
};

/* Syncs nothing. Accepts NULL. */
void engine_close(struct engine *engine, enum engine_close how);

/* ---- read points ---- */

/* The state after everything written so far, held once. Writer. */
struct engine_point *engine_point_take(struct engine *engine);
struct engine_point *engine_point_hold(struct engine_point *point);
/* Accepts NULL. The last release gives it back. */
void engine_point_release(struct engine_point *point);

/* ---- reading ---- */

enum engine_reach {
    ENGINE_NO_IO,     /* only what memory can answer */
    ENGINE_MAY_BLOCK, /* may wait for the device */
};

/* Bytes that were read, valid until they are released by their own function (NULL: nothing is to be done). */
struct engine_value {
    struct slice bytes;
    void (*release)(struct engine_value *value);
    void *owner;
};

static inline void engine_value_release(struct engine_value *value)
{
    if (value->release != NULL) {
        value->release(value);
    }
    *value = (struct engine_value){0};
}

/* ENGINE_OK: *ret_value is to be released. */
enum engine_result engine_get(struct engine *engine, struct engine_point *point, enum engine_reach reach,
                              struct slice key, struct engine_value *ret_value,
                              struct failure *failure) MUST_CHECK;

/* ---- cursors ---- */

struct engine_range {
    struct slice from; /* included */
    struct slice to;   /* excluded */
    bool is_reverse;   /* from the greatest key down */
    bool is_long;      /* must not drive out of the cache what is read often */
};

/* Walks the keys of a range in byte order. The bounds are copied, the point is held; without one (NULL) it walks the state as
 * of this call, parked or not. It stands before the first key. */
struct engine_cursor *engine_cursor_open(struct engine *engine, struct engine_point *point,
                                         const struct engine_range *range);

/* Moves on. ENGINE_OK: key and value are valid until the cursor is next used. ENGINE_NOT_FOUND: it is at the end, and stays
 * there. ENGINE_FAILED: the walk cannot go on. */
enum engine_result engine_cursor_next(struct engine_cursor *cursor, struct slice *ret_key,
                                      struct slice *ret_value, struct failure *failure) MUST_CHECK;

/* Lets go of all that the engine keeps for it but its read point; the next move finds the place again. Any number of times.
 * Never waits for the device. `repeats`: the next move gives the key once more that the last one gave. */
void engine_cursor_park(struct engine_cursor *cursor, bool repeats);
/* Accepts NULL. */
void engine_cursor_close(struct engine_cursor *cursor);

/* ---- writing ---- */

enum engine_edit_kind {
    ENGINE_PUT,
    ENGINE_DELETE,
    ENGINE_DELETE_RANGE, /* from `key` (included) to `value` (excluded) */
};

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
    ENGINE_NOT_APPLIED, /* nothing of it is there, or ever will be; writing may go on */
    ENGINE_UNKNOWN,     /* it may or may not be there after the next open; writing ends */
};

/* Applies the edits, whole or not at all: ranges first, in any order, then the rest, of which each key has one. The edits
 * and what they lead to are borrowed during the call; the list may be reordered. */
enum engine_outcome engine_write(struct engine *engine, struct engine_edit *edits, size_t count,
                                 enum engine_durability durability, struct failure *failure) MUST_CHECK;

/* Brings all that was written before to the device. */
enum engine_outcome engine_sync(struct engine *engine, struct failure *failure) MUST_CHECK;

/* ---- space ---- */

/* Says that keys of that range were deleted by the gigabyte, perhaps, and gives their space back; takes as long as it takes. */
enum engine_result engine_reclaim(struct engine *engine, struct slice from, struct slice to,
                                  struct failure *failure) MUST_CHECK;

/* One step of whatever the engine has to do from time to time, and when to call again: *ret_next_us microseconds after this one's
 * end; UINT64_MAX: not before the next range of keys is deleted, or the next engine_reclaim begins or ends. */
void engine_maintain(struct engine *engine, uint64_t now_us, uint64_t *ret_next_us);

/* Reclaiming and maintenance end early, and soon, from here on. Any thread. */
void engine_stop_maintenance(struct engine *engine);

/* Numbers for people and monitoring, by name: space among them. The names are static. Never waits for the device. Any
 * thread. */
typedef void engine_metric_fn(void *context, const char *name, uint64_t value);
void engine_metrics(struct engine *engine, engine_metric_fn *each, void *context);

#endif
