/* Decodes and checks reply bodies. Nothing that a daemon sends is trusted. Pure. */
#ifndef CLIENT_DECODE_H
#define CLIENT_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cairn.h"
#include "proto/limits.h"

/* What a correct answer to a request looks like. */
struct decode_expected {
    unsigned parts;         /* of blocks: mask of enum cairn_part; of metadata: of enum cairn_metadata_part */
    bool in_range;          /* READ_BLOCKS by range: heights rise, and are from `first` to `last` */
    uint64_t first, last;   /* if in_range; `first` moves on with each item */
    bool exact;             /* a stream that ends with OK has exactly items_max items */
    uint64_t items_max;     /* of a stream */
    bool dry_run;           /* of a prune or rollback: its reply has no number */
    enum cairn_level level; /* the least level that a success reaches */
};

/* Memory that decoded values point into, besides the body, and what no caller is shown. All zero is empty. */
struct decoded {
    void *message;                         /* made by protobuf-c */
    void *array;                           /* the entries of a list */
    void *bytes;                           /* copied out of the body */
    uint64_t epoch_sequence, epoch_random; /* of a Claim */
    uint64_t last_number;                  /* of a Present */
};

/* The kind of a Present, which the library alone makes. */
#define KIND_PRESENT ((enum cairn_request_kind)0x7fff)

/* Frees the memory, and leaves it empty. */
void decoded_free(struct decoded *decoded);

/* Copies what the reply borrows from the body, which may be freed then. False: no memory, and nothing is changed. */
bool decoded_own(struct decoded *decoded, struct cairn_reply *reply) __attribute__((warn_unused_result));

/* Decodes the last or only frame of an answer with status OK: fills in the part of *ret_reply that belongs to `kind`, which
 * points into the body and into *ret_decoded. *ret_decoded must be empty, and is the caller's to free. False: malformed. */
bool decode_reply(enum cairn_request_kind kind, const struct decode_expected *expected, const uint8_t *body,
                  size_t bytes, struct cairn_reply *ret_reply, struct decoded *ret_decoded)
    __attribute__((warn_unused_result));

/* Decodes an item of a stream, which points into the body. False: malformed, or not asked for. */
bool decode_block_item(struct decode_expected *expected, const uint8_t *body, size_t bytes,
                       struct cairn_block *ret_block) __attribute__((warn_unused_result));
bool decode_metadata_item(const struct decode_expected *expected, bool may_be_absent, const uint8_t *body,
                          size_t bytes, struct cairn_metadata *ret_metadata)
    __attribute__((warn_unused_result));

/* What an Error says besides its text. */
struct decoded_error {
    enum cairn_reason reason; /* CAIRN_REASON_NONE: it says none */
    bool has_last_number;
    uint64_t last_number; /* of a Present: the last number applied under its epoch */
};

/* Copies the text of an Error body, cut to `text_bytes` with its NUL; control characters become '?'. False: malformed. */
bool decode_error(const uint8_t *body, size_t bytes, char *ret_text, size_t text_bytes,
                  struct decoded_error *ret_error) __attribute__((warn_unused_result));

struct hello {
    uint8_t store_id[STORE_ID_BYTES];
    uint64_t run;
    uint64_t run_random; /* 0: an older daemon, which has none */
    uint64_t features;   /* feature bits in force */
    bool store_changed;  /* the store does not know the run that the client was connected to */
    uint64_t metadata_on_disk;
    uint64_t frame_bytes_max;
};

/* Decodes the reply to a hello. False: malformed, or of a protocol version that was not offered. */
bool decode_hello(const uint8_t *body, size_t bytes, struct hello *ret_hello)
    __attribute__((warn_unused_result));

#endif
