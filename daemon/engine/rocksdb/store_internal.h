/* What store_open.c, opening and closing, and store.c, reading and writing, have in common. Nobody else includes this. */
#ifndef DAEMON_STORE_INTERNAL_H
#define DAEMON_STORE_INTERNAL_H

#include <rocksdb/c.h>

#include "daemon/engine/rocksdb/store.h"

enum {
    WRITE_BUFFER_BYTES = 64 << 20,
    WRITE_BUFFERS = 4, /* a burst fills them before it waits for the device */
};

struct store {
    rocksdb_t *db;
    char *path;
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write;
    rocksdb_writeoptions_t *write_sync;
    rocksdb_writebatch_t *nothing;  /* writes no key; with sync, a barrier */
    rocksdb_readoptions_t *read[2]; /* by reach: as of now */
};

/* ---- store.c ---- */

/* Takes RocksDB's text. */
enum status store_fail(const char *doing, char *text, struct failure *failure);

/* A property of RocksDB's that is a number. */
uint64_t store_number(struct store *store, const char *property);

/* Of each reach, as of the snapshot; NULL: as of now. */
void store_make_read_options(rocksdb_readoptions_t **ret_read, const rocksdb_snapshot_t *snapshot);
void store_destroy_read_options(rocksdb_readoptions_t **read);

#endif
