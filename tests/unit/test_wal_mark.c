/* Marks and the beginnings of batches, as RocksDB lays them out. */
#include <check.h>
#include <rocksdb/c.h>

#include "daemon/engine/rocksdb/wal_mark.h"
#include "tests/lib/suite.h"

static const struct wal_mark mark = {.store = 0x1122334455667788, .synced = 0x99aabbccddeeff01};

START_TEST(a_mark_in_a_batch_of_rocksdb_is_read)
{
    uint8_t bytes[WAL_MARK_BYTES];
    struct wal_batch batch;
    size_t size;
    wal_mark_write(&mark, bytes);
    rocksdb_writebatch_t *written = rocksdb_writebatch_create();
    rocksdb_writebatch_put_log_data(written, (const char *)bytes, sizeof bytes);
    rocksdb_writebatch_put(written, "key", 3, "value", 5);
    rocksdb_writebatch_delete(written, "other", 5);
    const char *data = rocksdb_writebatch_data(written, &size);
    ck_assert(wal_batch_read(slice_of(data, size), &batch));
    ck_assert_uint_eq(batch.sequence, 0);
    ck_assert_uint_eq(batch.count, 2);
    ck_assert(batch.has_mark);
    ck_assert_uint_eq(batch.mark.store, mark.store);
    ck_assert_uint_eq(batch.mark.synced, mark.synced);
    ck_assert(wal_batch_read(slice_of(data, WAL_BATCH_SEEN_BYTES_MAX), &batch) && batch.has_mark);
    ck_assert(wal_batch_read(slice_of(data, WAL_BATCH_SEEN_BYTES_MAX - 1), &batch) && !batch.has_mark);
    rocksdb_writebatch_destroy(written);
}
END_TEST

START_TEST(a_batch_without_a_mark_is_one_all_the_same)
{
    struct wal_batch batch;
    size_t size;
    rocksdb_writebatch_t *written = rocksdb_writebatch_create();
    rocksdb_writebatch_put_log_data(written, "sync", 4); /* as stores of before have it */
    const char *data = rocksdb_writebatch_data(written, &size);
    ck_assert(wal_batch_read(slice_of(data, size), &batch));
    ck_assert(batch.count == 0 && !batch.has_mark);
    rocksdb_writebatch_destroy(written);
}
END_TEST

START_TEST(what_is_too_short_is_no_batch)
{
    static const uint8_t bytes[WAL_BATCH_HEAD_BYTES] = {7, 1, 0, 0, 0, 0, 0, 0, 3};
    struct wal_batch batch = {0};
    for (size_t n = 0; n < sizeof bytes; n++) {
        ck_assert(!wal_batch_read(slice_of(bytes, n), &batch));
    }
    ck_assert(wal_batch_read(slice_of(bytes, sizeof bytes), &batch));
    ck_assert_uint_eq(batch.sequence, 263);
    ck_assert_uint_eq(batch.count, 3);
}
END_TEST

START_TEST(what_is_no_mark_of_this_version_is_none)
{
    uint8_t bytes[WAL_BATCH_SEEN_BYTES_MAX] = {7, 0, 0, 0, 0, 0, 0, 0, 1};
    uint8_t *entry = bytes + WAL_BATCH_HEAD_BYTES;
    struct wal_batch batch;
    entry[0] = 3; /* log data, of a mark's length */
    entry[1] = WAL_MARK_BYTES;
    wal_mark_write(&mark, entry + 2);
    ck_assert(wal_batch_read(slice_of(bytes, sizeof bytes), &batch) && batch.has_mark);
    for (size_t i = 0; i < 3; i++) {
        entry[i]++;
        ck_assert(wal_batch_read(slice_of(bytes, sizeof bytes), &batch) && !batch.has_mark);
        entry[i]--;
    }
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("wal_mark", 20, &tests);
    tcase_add_test(tests, a_mark_in_a_batch_of_rocksdb_is_read);
    tcase_add_test(tests, a_batch_without_a_mark_is_one_all_the_same);
    tcase_add_test(tests, what_is_too_short_is_no_batch);
    tcase_add_test(tests, what_is_no_mark_of_this_version_is_none);
    return suite_run(suite, true);
}
