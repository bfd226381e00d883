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

/* What a claim is known by: its sequence number and its random bits, of which no other claim has both. */
struct epoch {
    uint64_t sequence; /* 0: none */
    uint64_t random;   /* never 0 in one that was given */
};

static inline bool epoch_equal(struct epoch left, struct epoch right)
{
    return left.sequence == right.sequence && left.random == right.random;
}

/* The claim record: a chain's last claim. record_claim_bytes gives the length of its record. */
struct claim_record {
    struct epoch epoch;
    uint64_t released; /* sequence number of its release; 0: it was not released */
    uint32_t uid;      /* of who claimed, as the kernel said it, and the pid; 0: of another namespace */
    uint32_t pid;
    struct slice name; /* of the writer, 1 to WRITER_NAME_BYTES_MAX bytes */
};

enum { RECORD_CLAIM_HEAD_BYTES = 5 * 8 };

size_t record_claim_bytes(const struct claim_record *record);
void record_write_claim(const struct claim_record *record, uint8_t *ret_bytes);
bool record_read_claim(struct slice bytes, struct claim_record *ret_record);

/* The epoch record: what is known of one of a chain's epochs, by its sequence number. */
struct epoch_record {
    uint64_t random;
    uint64_t last_number; /* of the numbered writes that were applied under it; 0: none was */
};

enum { RECORD_EPOCH_BYTES = 2 * 8 };

void record_write_epoch(const struct epoch_record *record, uint8_t *ret_bytes);
bool record_read_epoch(struct slice bytes, struct epoch_record *ret_record);

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
