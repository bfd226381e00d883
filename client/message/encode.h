/* Makes request frames out of the structs of cairn.h, which check.h has found good. Pure. A frame has id 0 until
 * frame_out_set_id().
 *
 *   CAIRN_OK         the frame in *ret_encoded belongs to the caller
 *   CAIRN_TOO_LARGE  the request is longer than any frame may be
 *   CAIRN_NO_MEMORY
 * After any status but CAIRN_OK, *ret_encoded is untouched.
 *
 * `timeout_us` is the request's timeout after the client's default was filled in: never 0; CAIRN_NO_TIMEOUT for none. */
#ifndef CLIENT_ENCODE_H
#define CLIENT_ENCODE_H

#include <stdbool.h>

#include "client/cairn.h"
#include "client/message/frame_out.h"
#include "proto/limits.h"

struct encoded {
    struct frame_out *frame;
    size_t body_bytes; /* of a metadata write only chain and operations: the part that is kept */
};

#define ENCODE(name, request_type)                                                                           \
    enum cairn_status encode_##name(const struct request_type *request, struct encoded *ret_encoded)         \
        MUST_CHECK
#define ENCODE_WRITE(name, request_type)                                                                     \
    enum cairn_status encode_##name(const struct request_type *request, uint64_t timeout_us,                 \
                                    struct encoded *ret_encoded) MUST_CHECK

/* The feature bits that requests of this library may need; a hello asks for them. */
enum { FEATURES_KNOWN = FEATURE_PRUNE_DRY_RUN | FEATURE_LISTS | FEATURE_DELETES | FEATURE_CLAIMS };

/* resume_random: 0: the run has none, as of an older daemon. */
enum cairn_status encode_hello(const char *name, uint64_t resume_run, uint64_t resume_random,
                               struct encoded *ret_encoded) MUST_CHECK;

/* A request without fields: FRAME_PING, FRAME_STATUS, FRAME_CHAINS, FRAME_DRAIN or FRAME_CANCEL. */
enum cairn_status encode_empty(uint8_t type, struct encoded *ret_encoded) MUST_CHECK;

enum cairn_status encode_credit(uint64_t bytes, struct encoded *ret_encoded) MUST_CHECK;
ENCODE(create_chain, cairn_create_chain_request);
ENCODE(drop_chain, cairn_drop_chain_request);
ENCODE(release, cairn_release_request);
ENCODE(usage, cairn_read_usage_request);
ENCODE(height, cairn_read_height_request);
ENCODE(block, cairn_read_block_request);
ENCODE(blocks, cairn_read_blocks_request);
ENCODE(state, cairn_read_state_request);
ENCODE(get, cairn_get_request);
ENCODE(get_many, cairn_get_many_request);
ENCODE(list, cairn_list_request);
ENCODE(barrier, cairn_barrier_request);
ENCODE_WRITE(write_metadata, cairn_write_metadata_request);
ENCODE_WRITE(claim, cairn_claim_request);
ENCODE_WRITE(commit, cairn_commit_request);
ENCODE_WRITE(prune, cairn_prune_request);
ENCODE_WRITE(rollback, cairn_rollback_request);

/* Makes the frame that sends a metadata write again: the part that was kept, with its old number, without a deadline. */
enum cairn_status encode_resend(const uint8_t *kept, size_t kept_bytes, uint64_t resend_of,
                                struct encoded *ret_encoded) MUST_CHECK;

/* An epoch, for this connection's writes to the chain; `chain` is not empty. */
enum cairn_status encode_present(struct cairn_slice chain, uint64_t epoch_sequence, uint64_t epoch_random,
                                 bool for_numbers, struct encoded *ret_encoded) MUST_CHECK;

#undef ENCODE
#undef ENCODE_WRITE

#endif
