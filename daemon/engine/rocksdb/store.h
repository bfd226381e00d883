/* The store: an ordered map of bytes on disk. The only module that knows RocksDB; another engine goes behind these calls.
 *
 * Any thread may read. Only one thread writes, so a snapshot taken by it is exactly what it wrote until then. */
#ifndef DAEMON_STORE_H
#define DAEMON_STORE_H

#include "daemon/runtime/failure.h"
#include "daemon/schema/slice.h"

struct store;
struct store_batch;
struct store_iterator;
struct store_snapshot;

/* What runs behind this module: name, version, and whose build it is. Static. */
const char *store_engine_text(void);

/* Opens the store in that directory, recovering what was written before.
 *
 * create       make it if it is not there
 * cache_bytes  what reads may keep in memory
 *
 * STATUS_OK        *ret_store is to be closed
 * STATUS_IO_ERROR  the text says what and where; nothing is held */
enum status store_open(const char *path, bool create, uint64_t cache_bytes, struct store **ret_store,
                       struct failure *failure) MUST_CHECK;

/* Accepts NULL. All snapshots, values and iterators are gone by then. */
void store_close(struct store *store);

/* As given to store_open. */
const char *store_path(const struct store *store);

/* ---- reading ---- */

enum store_reach {
    STORE_MEMORY, /* only what memory can answer */
    STORE_DEVICE, /* may wait for the device */
};

/* A value that was read; `bytes` is valid until store_value_release. */
struct store_value {
    struct slice bytes;
    void *pinned;
};

/* Reads one key, as of the snapshot or (NULL) as of now.
 *
 * STATUS_OK         *ret_value is to be released
 * STATUS_NOT_FOUND  it is not there
 * STATUS_BUSY       only with STORE_MEMORY: the device is needed to say
 * STATUS_IO_ERROR   it could not be read, or its bytes are damaged */
enum status store_get(struct store *store, const struct store_snapshot *snapshot, enum store_reach reach,
                      struct slice key, struct store_value *ret_value, struct failure *failure) MUST_CHECK;

/* Accepts a zeroed value. */
void store_value_release(struct store_value *value);

/* Walks the keys from `from` (inclusive) to `to` (exclusive) in byte order, as of the snapshot or (NULL) as of now.
 * Stands on the first key. `to` is copied. */
struct store_iterator *store_iterator_new(struct store *store, const struct store_snapshot *snapshot,
                                          struct slice from, struct slice to);
/* The same for a long walk, which must not drive out of the cache what is read often. */
struct store_iterator *store_iterator_new_long(struct store *store, const struct store_snapshot *snapshot,
                                               struct slice from, struct slice to);
void store_iterator_free(struct store_iterator *iterator);

/* Whether it stands on a key; key and value are valid until it moves. Once false, store_iterator_status says whether the
 * end was reached (STATUS_OK) or reading failed (STATUS_IO_ERROR). */
bool store_iterator_valid(const struct store_iterator *iterator);
void store_iterator_next(struct store_iterator *iterator);
struct slice store_iterator_key(const struct store_iterator *iterator);
struct slice store_iterator_value(const struct store_iterator *iterator);
enum status store_iterator_status(const struct store_iterator *iterator, struct failure *failure) MUST_CHECK;

/* The greatest key from `from` (inclusive) to `to` (exclusive), copied to *ret_key (of ret_key_bytes_max bytes).
 * STATUS_OK, STATUS_NOT_FOUND, STATUS_IO_ERROR. */
enum status store_last_key(struct store *store, struct slice from, struct slice to, uint8_t *ret_key,
                           size_t ret_key_bytes_max, size_t *ret_key_bytes,
                           struct failure *failure) MUST_CHECK;

/* The state after everything written so far; release it before the store closes. Any thread may release it. */
struct store_snapshot *store_snapshot_take(struct store *store);
void store_snapshot_release(struct store *store, struct store_snapshot *snapshot);

/* ---- writing: one thread ---- */

/* A batch is all or nothing. Its parts take effect in the order they were put; what is put is copied. */
struct store_batch *store_batch_new(void);
void store_batch_free(struct store_batch *batch);
void store_batch_clear(struct store_batch *batch);
bool store_batch_is_empty(struct store_batch *batch);
void store_batch_put(struct store_batch *batch, struct slice key, struct slice value);
void store_batch_delete(struct store_batch *batch, struct slice key);
void store_batch_delete_range(struct store_batch *batch, struct slice from, struct slice to);

/* Writes the batch to the log, and with `sync` to the device, with all that was written before it.
 *
 * STATUS_OK        done
 * STATUS_IO_ERROR  it may or may not be there after the next open; nothing may be written any more */
enum status store_write(struct store *store, struct store_batch *batch, bool sync,
                        struct failure *failure) MUST_CHECK;

/* Brings all that was written before to the device. As store_write. */
enum status store_sync(struct store *store, struct failure *failure) MUST_CHECK;

/* ---- any thread but the writing one ---- */

/* Gives the space of deleted keys in that range back; takes as long as it takes. */
void store_reclaim(struct store *store, struct slice from, struct slice to);

/* store_reclaim ends early, and soon, from here on. */
void store_stop_reclaiming(struct store *store);

#endif
