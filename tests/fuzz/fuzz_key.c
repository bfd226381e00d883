/* Any bytes as keys and records: never a byte read beyond the end, and what reads writes back to the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/schema/key.h"
#include "daemon/schema/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD_BYTES = 5 };

static uint32_t chain_of(struct slice key)
{
    return (uint32_t)key.data[0] << 24 | (uint32_t)key.data[1] << 16 | (uint32_t)key.data[2] << 8 |
           key.data[3];
}

/* Keys are made only of kinds that have such a part; those that are read may have any byte for a kind. */
static void check_same(struct key key, struct slice bytes)
{
    key.data[4] = bytes.data[4];
    assert(slice_equal(key_slice(&key), bytes));
}

static void check_key(struct slice bytes)
{
    struct slice name;
    uint64_t height;
    if (key_read_name(bytes, &name)) {
        assert(name.data + name.bytes == bytes.data + bytes.bytes);
        check_same(key_of_name(chain_of(bytes), KEY_METADATA, name), bytes);
    } else {
        assert(bytes.bytes < HEAD_BYTES || bytes.bytes > HEAD_BYTES + METADATA_NAME_BYTES_MAX);
    }
    if (key_read_height(bytes, &height)) {
        struct key key = key_of_height(chain_of(bytes), KEY_BOUND, height);
        struct key behind = key_behind_height(chain_of(bytes), KEY_BOUND, height);
        check_same(key, slice_of(bytes.data, HEAD_BYTES + 8));
        memcpy(key.data + HEAD_BYTES, bytes.data + HEAD_BYTES, bytes.bytes - HEAD_BYTES);
        key.bytes = bytes.bytes;
        assert(slice_compare(key_slice(&key), key_slice(&behind)) < 0);
    }
    if (key_read_bound(bytes, &height, &name) && name.bytes > 0) {
        check_same(key_of_bound(chain_of(bytes), height, name), bytes);
    }
}

static void check_header(struct slice bytes)
{
    struct header_record record;
    if (!record_read_header(bytes, &record)) {
        return;
    }
    assert(record.hash.bytes >= 1 && record.hash.bytes <= HASH_BYTES_MAX);
    assert(record_header_bytes(&record) == bytes.bytes);
    uint8_t *again = malloc(bytes.bytes);
    assert(again != NULL);
    record_write_header(&record, again);
    assert(memcmp(again, bytes.data, bytes.bytes) == 0);
    free(again);
}

static void check_records(struct slice bytes)
{
    struct chain_marks marks;
    if (record_read_marks(bytes, &marks)) {
        uint8_t again[RECORD_MARKS_BYTES];
        record_write_marks(&marks, again);
        assert(slice_equal(slice_of(again, sizeof again), bytes));
    }
    struct run_record run;
    if (record_read_run(bytes, &run)) {
        uint8_t again[RECORD_RUN_BYTES];
        record_write_run(&run, again);
        assert(slice_equal(slice_of(again, sizeof again), bytes));
    }
    uint64_t of_height;
    struct slice value;
    if (record_read_metadata(bytes, &of_height, &value)) {
        uint8_t head[RECORD_METADATA_HEAD_BYTES];
        record_put_u64(of_height, head);
        assert(memcmp(head, bytes.data, sizeof head) == 0);
        assert(value.data == bytes.data + sizeof head && value.bytes == bytes.bytes - sizeof head);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size + (size == 0)); /* so that a byte read behind it is found */
    assert(exact != NULL);
    if (size > 0) {
        memcpy(exact, data, size);
    }
    check_key(slice_of(exact, size));
    check_header(slice_of(exact, size));
    check_records(slice_of(exact, size));
    free(exact);
    return 0;
}
