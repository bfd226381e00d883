/* Marks: what each write batch in RocksDB's log (WAL) says of the log before it. FORMAT.md has a mark's bytes.
 *
 * A mark is the first entry of its batch: log data, which RocksDB keeps in the log and does nothing with. It holds the sequence
 * number, RocksDB's own, up to which everything was on the device when the batch was written. So a batch that can be read
 * tells that what is missing before it was synced once, and is damage, or that it was not, and may be missing. A number that
 * each store draws for itself tells its marks from bytes that look like one, as in a log that somebody stored as a value.
 *
 * Pure. */
#ifndef DAEMON_WAL_MARK_H
#define DAEMON_WAL_MARK_H

#include "daemon/schema/slice.h"

struct wal_mark {
    uint64_t store;  /* the store's number */
    uint64_t synced; /* the sequence number up to which everything was synced */
};

enum {
    WAL_MARK_BYTES = 1 + 2 * 8,
    WAL_BATCH_HEAD_BYTES = 8 + 4,                                         /* sequence number, count */
    WAL_BATCH_SEEN_BYTES_MAX = WAL_BATCH_HEAD_BYTES + 2 + WAL_MARK_BYTES, /* of a batch, to read its mark */
};

void wal_mark_write(const struct wal_mark *mark, uint8_t *ret_bytes);

/* What the beginning of a batch says. */
struct wal_batch {
    uint64_t sequence; /* of its first entry; of a batch without entries, the one that the next entry gets */
    uint32_t count;    /* of entries, each with a sequence number; a mark has none */
    bool has_mark;
    struct wal_mark mark;
};

/* Reads the first WAL_BATCH_SEEN_BYTES_MAX bytes of a batch, or all if it has less. False: it is too short to be a batch. */
bool wal_batch_read(struct slice bytes, struct wal_batch *ret_batch);

#endif
