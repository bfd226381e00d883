#include "tests/lib/wal_builder.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/engine/rocksdb/crc32c.h"
#include "daemon/runtime/memory.h"

enum { BLOCK_BYTES = 32768, HEADER_BYTES = 7 };

static void append(struct wal_builder *builder, const void *bytes, size_t n)
{
    if (builder->count + n > builder->capacity) {
        builder->capacity = 2 * (builder->count + n);
        builder->bytes = memory_resize(builder->bytes, builder->capacity);
    }
    if (n > 0) {
        memcpy(builder->bytes + builder->count, bytes, n);
    }
    builder->count += n;
}

static void put_little_endian(uint64_t value, size_t n, uint8_t *ret_bytes)
{
    for (size_t i = 0; i < n; i++) {
        ret_bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

static void add_piece(struct wal_builder *builder, uint8_t type, const uint8_t *bytes, size_t n)
{
    uint8_t header[HEADER_BYTES];
    uint32_t crc = crc32c_extend(crc32c_extend(0, &type, 1), bytes, n);
    put_little_endian(crc32c_masked(crc), 4, header);
    put_little_endian(n, 2, header + 4);
    header[6] = type;
    append(builder, header, sizeof header);
    append(builder, bytes, n);
}

void wal_builder_add(struct wal_builder *builder, const void *record, size_t bytes)
{
    static const uint8_t zeros[HEADER_BYTES];
    const uint8_t *at = record;
    bool is_first = true, is_last = false;
    while (!is_last) {
        size_t left = BLOCK_BYTES - builder->count % BLOCK_BYTES;
        if (left < HEADER_BYTES) {
            append(builder, zeros, left);
            left = BLOCK_BYTES;
        }
        size_t n = bytes < left - HEADER_BYTES ? bytes : left - HEADER_BYTES;
        is_last = n == bytes;
        add_piece(builder, is_first && is_last ? 1 : is_first ? 2 : is_last ? 4 : 3, at, n);
        is_first = false;
        at += n;
        bytes -= n;
    }
}

void wal_builder_add_batch(struct wal_builder *builder, uint64_t sequence, uint32_t entries,
                           const struct wal_mark *mark, size_t body_bytes)
{
    size_t head = WAL_BATCH_HEAD_BYTES + (mark != NULL ? 2 + (size_t)WAL_MARK_BYTES : 0);
    uint8_t *batch = memory_new(head + body_bytes);
    put_little_endian(sequence, 8, batch);
    put_little_endian(entries, 4, batch + 8);
    if (mark != NULL) {
        batch[WAL_BATCH_HEAD_BYTES] = 3; /* log data */
        batch[WAL_BATCH_HEAD_BYTES + 1] = WAL_MARK_BYTES;
        wal_mark_write(mark, batch + WAL_BATCH_HEAD_BYTES + 2);
    }
    memset(batch + head, 'e', body_bytes);
    wal_builder_add(builder, batch, head + body_bytes);
    free(batch);
}

void wal_builder_clear(struct wal_builder *builder)
{
    free(builder->bytes);
    *builder = (struct wal_builder){0};
}
