/* The auditor: it looks at a database before RocksDB opens it, since an open cuts logs off where they end for it, and deletes what
 * its manifest does not name. It only reads.
 *
 * - It reads which manifest is the present one, and from it which tables and blob files there have to be, and whether they are there,
 *   in their sizes.
 * - It reads the logs that count, one behind the other, as one run of records. Each follows the one before it, from what the tables
 *   hold on, or the run ends there.
 * - What lies behind that end is a torn tail, which a power cut may leave, as long as nothing says that it was synced: neither a
 *   mark in what can still be read (wal_mark.h), nor the state beside the database (wal_state.h), nor the manifest.
 * - Else it is damage, as is a file that is missing or has another size.
 * - The manifest is synced with each edit, and nothing says how far. Its torn tail may have a hole: a page that was not written before a
 *   later one. Such a tail is cut off if the store is whole without it; anything else that cannot be read before a whole record is damage.
 *
 * What it finds torn audit_cut cuts off, so that RocksDB reads up to there and no further: by itself it would skip zeros, and go on
 * behind the end of one log with the next. */
#ifndef DAEMON_AUDIT_H
#define DAEMON_AUDIT_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/runtime/failure.h"

/* How RocksDB names its files, by their numbers. */
#define AUDIT_LOG_FORMAT      "%06" PRIu64 ".log"
#define AUDIT_TABLE_FORMAT    "%06" PRIu64 ".sst"
#define AUDIT_BLOB_FORMAT     "%06" PRIu64 ".blob"
#define AUDIT_MANIFEST_FORMAT "MANIFEST-%06" PRIu64

enum {
    AUDIT_NAME_BYTES = 32, /* with its NUL, as the next */
    /* a failure's text has room for it and for what is to be done */
    AUDIT_TEXT_BYTES = 168
};

enum audit_verdict {
    AUDIT_WHOLE,
    AUDIT_TORN,
    AUDIT_DAMAGED, /* something is missing that was synced; RocksDB opens the rest, once the logs are cut off */
    AUDIT_BROKEN, /* it does not: the manifest or a table is missing or damaged */
};

/* A log or manifest of `bytes`, whose whole records end at `whole_to`; or a blob file that is missing or has another size than `whole_to`. */
struct audit_log {
    uint64_t number;
    uint64_t bytes;
    uint64_t whole_to;
};

/* What is known from outside of the database. */
struct audit_known {
    bool is_known;
    uint64_t store;  /* the number in the store's marks */
    uint64_t synced; /* everything up to this sequence number was synced */
};

struct audit {
    enum audit_verdict verdict;
    char text[AUDIT_TEXT_BYTES]; /* unless all is whole: the file, the bytes, why, and the sequence numbers */
    uint64_t sequence;           /* up to this number all is there */
    uint64_t torn_bytes;         /* behind the ends of logs and manifest */
    uint64_t log_bytes;          /* of whole records */
    struct audit_log *logs;      /* those that count, by number */
    size_t log_count;
    struct audit_log manifest;
    struct audit_log *blobs; /* that are missing or have another size */
    size_t blob_count;
    uint64_t *named; /* the numbers of all files that an open needs, rising; it deletes the others */
    size_t named_count;
};

/* Looks at the database. False: something could not be read, and `failure` says what; nothing is to be freed. */
bool audit_look(int directory_fd, const struct audit_known *known, struct audit *ret_audit,
                struct failure *failure) MUST_CHECK;

/* Cuts off what lies behind the whole records of each file, the last log first, and gives files of large values their sizes: with zeros, in
 * which no value is found, so that a loss that was accepted refuses no later start. All of it is brought to the device. A death meanwhile
 * leaves what the next look judges alike. False: a file could not be changed. */
bool audit_cut(int directory_fd, const struct audit *audit, struct failure *failure) MUST_CHECK;

/* Accepts a zeroed one. */
void audit_free(struct audit *audit);

#endif
