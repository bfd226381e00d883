/* Reading a file of records in RocksDB's log format, which its logs and its manifests have: blocks of 32 KiB, in them pieces with a
 * checksum each, one or several to a record.
 *
 * - The file is given block by block, from its beginning to its end.
 * - As long as everything is whole, each record is handed out: RocksDB reads the same.
 * - The first byte that does not fit ends that, for good, or the receiver does, by refusing a record. From there on what can still
 *   be read is looked for, at every byte, and the beginning of each record that is found is handed out as found behind the end.
 *
 * Ways to fail: none. Whatever the bytes are, they are records, or they lie behind the end. Pure. */
#ifndef DAEMON_AUDIT_RECORD_H
#define DAEMON_AUDIT_RECORD_H

#include "daemon/schema/slice.h"

enum { AUDIT_BLOCK_BYTES = 32 << 10 };

struct audit_record {
    uint64_t from;      /* where in the file it begins, */
    uint64_t to;        /* and ends; of a record that is found behind the end, its first piece does */
    struct slice bytes; /* up to kept_bytes_max of its beginning; valid during the call */
};

/* What is done with records. `take` refuses a record by returning false: the file's whole part ends before it, and the record itself
 * is the first that is found behind the end. */
struct audit_receiver {
    bool (*take)(void *context, const struct audit_record *record);
    void (*find)(void *context, const struct audit_record *record);
    void *context;
    size_t kept_bytes_max;
};

struct audit_reader {
    struct audit_receiver receiver;
    uint64_t block_from;  /* where in the file the next block begins */
    bool has_ended;       /* something did not fit */
    uint64_t whole_to;    /* up to here all are whole records */
    uint64_t ended_at;    /* once it has ended: where the first byte is that does not fit */
    bool is_inside;       /* a record has begun and goes on: */
    uint64_t from;        /* where it did, */
    uint8_t *kept;        /* and its beginning, */
    size_t kept_bytes;    /* so much of it, */
    size_t kept_capacity; /* with room for so much */
    const char *reason;   /* why it ended, static; NULL: it did not */
};

void audit_reader_init(struct audit_reader *reader, const struct audit_receiver *receiver);
/* `block` has AUDIT_BLOCK_BYTES, but for the file's last one, which may have less. */
void audit_reader_take(struct audit_reader *reader, struct slice block);
/* The file is at its end. Frees what the reader holds; its results stay. */
void audit_reader_end(struct audit_reader *reader);

#endif
