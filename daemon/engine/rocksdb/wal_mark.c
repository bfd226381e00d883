/* The bytes of marks, and as much of RocksDB's own bytes of a batch as leads to them. */
#include "daemon/engine/rocksdb/wal_mark.h"

#include <assert.h>

#include "daemon/engine/rocksdb/coding.h"
#include "daemon/schema/record.h"

enum {
    MARK_VERSION = 1,
    ENTRY_LOG_DATA = 3, /* RocksDB's kTypeLogData: its length and bytes follow */
};

void wal_mark_write(const struct wal_mark *mark, uint8_t *ret_bytes)
{
    ret_bytes[0] = MARK_VERSION;
    record_put_u64(mark->store, ret_bytes + 1);
    record_put_u64(mark->synced, ret_bytes + 9);
}

static bool read_mark(struct slice entries, struct wal_mark *ret_mark)
{
    static_assert(WAL_MARK_BYTES < 0x80, "its length is one byte");
    if (entries.bytes < 2 + WAL_MARK_BYTES || entries.data[0] != ENTRY_LOG_DATA ||
        entries.data[1] != WAL_MARK_BYTES || entries.data[2] != MARK_VERSION) {
        return false;
    }
    *ret_mark = (struct wal_mark){record_get_u64(entries.data + 3), record_get_u64(entries.data + 11)};
    return true;
}

bool wal_batch_read(struct slice bytes, struct wal_batch *ret_batch)
{
    struct wal_batch batch = {0};
    uint64_t count;
    if (!coding_take_fixed(&bytes, 8, &batch.sequence) || !coding_take_fixed(&bytes, 4, &count)) {
        return false;
    }
    assert(count <= UINT32_MAX); /* 4 bytes */
    batch.count = (uint32_t)count;
    batch.has_mark = read_mark(bytes, &batch.mark);
    *ret_batch = batch;
    return true;
}
