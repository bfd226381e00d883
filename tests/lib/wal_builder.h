/* Builds files of RocksDB's log format in memory: records as its logs have them, with as many pieces as their length takes. */
#ifndef TESTS_LIB_WAL_BUILDER_H
#define TESTS_LIB_WAL_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/rocksdb/wal_mark.h"

/* Zeroed: an empty file. */
struct wal_builder {
    uint8_t *bytes;
    size_t count;
    size_t capacity;
};

void wal_builder_add(struct wal_builder *builder, const void *record, size_t bytes);

/* A batch of `entries` entries, which together take body_bytes, and a mark; NULL: none. */
void wal_builder_add_batch(struct wal_builder *builder, uint64_t sequence, uint32_t entries,
                           const struct wal_mark *mark, size_t body_bytes);

/* Accepts a zeroed one; it is as zeroed afterwards. */
void wal_builder_clear(struct wal_builder *builder);

#endif
