/* The files that the store has by its manifest, which is a list of RocksDB's version edits: each is a record of what was added or removed.
 *
 * - Each record is taken in the file's order. What it says of files is only noted.
 * - audit_manifest_end draws the sum: the files that have to be there, and from which log on logs count.
 *
 * Ways to fail: a record that is no version edit, or one of a kind that this does not know. Pure. */
#ifndef DAEMON_AUDIT_MANIFEST_H
#define DAEMON_AUDIT_MANIFEST_H

#include "daemon/schema/slice.h"

/* One note of a file, and, behind audit_manifest_end, a file that has to be there. */
struct audit_file {
    uint64_t number;
    uint64_t bytes;  /* of a table or blob file: its size; of a log: how much of it was synced */
    uint64_t oldest; /* of a table: the number of the oldest blob file that it refers to, 0 for none */
    uint64_t count;  /* of a blob file: how many values it holds, */
    uint64_t dead;   /* and how many of them are garbage */
    uint64_t note;   /* in which order the notes came */
    bool has_gone;   /* the note says that a table was deleted */
};

struct audit_files {
    struct audit_file *list; /* by number, behind audit_manifest_end */
    size_t count;
    size_t capacity;
};

struct audit_manifest {
    struct audit_files tables;
    struct audit_files blobs;
    struct audit_files logs; /* those of which it is noted that they were synced, and how far */
    uint64_t logs_from;      /* logs below this number are not read any more */
    /* what `logs` says of logs below this number is not required: they are gone, or their loss was accepted */
    uint64_t logs_told_from;
    uint64_t sequence;  /* the greatest sequence number that tables have */
    bool has_sequence;  /* it says so at all, */
    bool has_next_file; /* and which number the next file gets: the first edits of any store do */
};

/* NULL, or why the record cannot be understood; static. */
const char *audit_manifest_take(struct audit_manifest *manifest, struct slice record);
void audit_manifest_end(struct audit_manifest *manifest);
/* Accepts a zeroed one. */
void audit_manifest_free(struct audit_manifest *manifest);

#endif
