/* Makes request frames out of the structs of cairn.h. Pure. The frames carry id 0 until they are given one.
 *
 * All: CAIRN_OK, and *ret_encoded's frame is the caller's. CAIRN_USAGE: a value that no message can carry, CAIRN_TOO_LARGE:
 * longer than any frame may be, CAIRN_NO_MEMORY; *ret_encoded is untouched.
 * `timeout_us` is what the request's came to with the client's default, CAIRN_NO_TIMEOUT for none. */
#ifndef CLIENT_ENCODE_H
#define CLIENT_ENCODE_H

#include "client/cairn.h"
#include "client/message/frame_out.h"

struct encoded {
    struct frame_out *frame;
    size_t body_bytes; /* WRITE_METADATA: chain and operations, the part to keep */
};

#define ENCODE(name, request_type)                                                                           \
    enum cairn_status encode_##name(const struct request_type *request, struct encoded *ret_encoded)         \
        MUST_CHECK
#define ENCODE_WRITE(name, request_type)                                                                     \
    enum cairn_status encode_##name(const struct request_type *request, uint64_t timeout_us,                 \
                                    struct encoded *ret_encoded) MUST_CHECK

enum cairn_status encode_hello(const char *name, uint64_t resume_run, struct encoded *ret_encoded) MUST_CHECK;
enum cairn_status encode_empty(uint8_t type,
                               struct encoded *ret_encoded) MUST_CHECK; /* PING, STATUS, CHAINS, CANCEL */
enum cairn_status encode_credit(uint64_t bytes, struct encoded *ret_encoded) MUST_CHECK;
ENCODE(create_chain, cairn_create_chain);
ENCODE(height, cairn_read_height);
ENCODE(block, cairn_read_block);
ENCODE(blocks, cairn_read_blocks);
ENCODE(state, cairn_read_state);
ENCODE(get, cairn_get);
ENCODE(get_many, cairn_get_many);
ENCODE(list, cairn_list);
ENCODE(barrier, cairn_barrier);
ENCODE_WRITE(write_metadata, cairn_write_metadata);
ENCODE_WRITE(commit, cairn_commit);
ENCODE_WRITE(prune, cairn_prune);
ENCODE_WRITE(rollback, cairn_rollback);

/* A metadata write once more: the part of it that was kept, under its old number, with no deadline. */
enum cairn_status encode_resend(const uint8_t *kept, size_t kept_bytes, uint64_t resend_of,
                                struct encoded *ret_encoded) MUST_CHECK;

#undef ENCODE
#undef ENCODE_WRITE

#endif
