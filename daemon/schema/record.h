/* Records: the values of the store, as FORMAT.md describes. Pure.
 *
 * A write function fills the number of bytes that is named beside it. A read function returns false for bytes of another length
 * or layout, which is damage, and leaves its outputs untouched; its slices are borrowed from the bytes given. */
#ifndef DAEMON_RECORD_H
#define DAEMON_RECORD_H

#include "daemon/schema/slice.h"

/* 8 bytes, big-endian. */
void record_put_u64(uint64_t value, uint8_t *ret_bytes);
uint64_t record_get_u64(const uint8_t *bytes);

/* What is true of a chain as a whole. */
struct chain_marks {
    uint64_t height;        /* 0: none */
    uint64_t blocks_pruned; /* blocks up to and including it are pruned; 0: none */
    uint64_t states_from;   /* states below it are pruned; 0: none */
    uint64_t blocks_swept;  /* what pruned blocks left behind is deleted up to and including it; 0: none */
    uint64_t
        cut_sequence; /* number of the last rollback, or of what made the chain if that was later; 0: neither has one.
                            * What was written before it is not there any more, and is not taken again */
};

enum { RECORD_MARKS_BYTES = 5 * 8 };

void record_write_marks(const struct chain_marks *marks, uint8_t *ret_bytes);
bool record_read_marks(struct slice bytes, struct chain_marks *ret_marks);

/* The header record: everything of a block but its data. record_header_bytes gives the length of its record. */
struct header_record {
    uint64_t data_bytes; /* length of the data, which has a key of its own */
    struct slice hash;   /* 1 to HASH_BYTES_MAX bytes */
    struct slice header;
    struct slice signature;
};

size_t record_header_bytes(const struct header_record *record);
void record_write_header(const struct header_record *record, uint8_t *ret_bytes);
bool record_read_header(struct slice bytes, struct header_record *ret_record);

/* The metadata record is the height it is bound to (0: unbound) and the value. */
enum { RECORD_METADATA_HEAD_BYTES = 8 };

bool record_read_metadata(struct slice bytes, uint64_t *ret_of_height, struct slice *ret_value);

/* Format 1 only: what a run leaves for clients that reconnect to a later one. */
struct run_record {
    uint64_t first_sequence;   /* the first sequence number of the run */
    uint64_t metadata_on_disk; /* the greatest number of queued metadata that its start found on disk */
};

enum { RECORD_RUN_BYTES = 2 * 8 };

void record_write_run(const struct run_record *run, uint8_t *ret_bytes);
bool record_read_run(struct slice bytes, struct run_record *ret_run);

#endif
