/* Reads reply bodies and judges them: nothing a daemon can send is trusted. Pure. */
#ifndef CLIENT_DECODE_H
#define CLIENT_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cairn.h"
#include "proto/limits.h"

/* What the request says about a right answer. */
struct decode_expected {
    unsigned parts; /* of blocks */
    bool in_range;  /* READ_BLOCKS by range: heights rise, from `first` to `last` */
    uint64_t first, last;
    bool exact;         /* a stream that ends well has exactly items_max items */
    uint64_t items_max; /* of a stream */
    bool dry_run;
    enum cairn_level level; /* asked for; a success reaches it */
};

/* What the decoded values point into, beside the body. */
struct decoded {
    void *message; /* protobuf */
    void *array;
    void *bytes; /* copied out of the body */
};

void decoded_free(struct decoded *decoded);

/* Copies what the reply shows of its body, which may go then. False: no memory, nothing is changed. */
bool decoded_own(struct decoded *decoded, struct cairn_reply *reply) __attribute__((warn_unused_result));

/* The reply to a request of `kind` that ended well, not a stream: fills in its part of *ret_reply, which points into the body
 * and into *ret_decoded. False: malformed. */
bool decode_reply(enum cairn_request_kind kind, const struct decode_expected *expected, const uint8_t *body,
                  size_t bytes, struct cairn_reply *ret_reply, struct decoded *ret_decoded)
    __attribute__((warn_unused_result));

/* An item of a stream; points into the body. False: malformed. `expected` moves on with a range. */
bool decode_block_item(struct decode_expected *expected, const uint8_t *body, size_t bytes,
                       struct cairn_block *ret_block) __attribute__((warn_unused_result));
bool decode_metadata_item(bool may_be_absent, const uint8_t *body, size_t bytes,
                          struct cairn_metadata *ret_metadata) __attribute__((warn_unused_result));

/* The text of an Error body, cut to the buffer, control characters replaced; of none "". False: malformed. */
bool decode_error(const uint8_t *body, size_t bytes, char *ret_text, size_t text_bytes)
    __attribute__((warn_unused_result));

struct hello {
    uint8_t store_id[STORE_ID_BYTES];
    uint64_t run;
    uint64_t metadata_on_disk;
    uint64_t frame_bytes_max;
};

/* False: malformed, or another version than asked for. */
bool decode_hello(const uint8_t *body, size_t bytes, struct hello *ret_hello)
    __attribute__((warn_unused_result));

#endif
