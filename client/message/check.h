/* Whether a request of cairn.h can be encoded at all. What only the daemon can judge (heights, names, chains) is not looked at.
 * Pure.
 *
 *   CAIRN_OK         every pointer, level, kind and mask is one, no length is beyond any frame, and `reserved` is zero
 *   CAIRN_USAGE      *ret_why says which field breaks which rule
 *   CAIRN_TOO_LARGE  *ret_why says which length or count is beyond any frame
 * *ret_why is a static string; after CAIRN_OK it is untouched. */
#ifndef CLIENT_CHECK_H
#define CLIENT_CHECK_H

#include "client/cairn.h"
#include "proto/frame.h"

#define CHECK(name)                                                                                          \
    enum cairn_status check_##name(const struct cairn_##name##_request *request, const char **ret_why)       \
        MUST_CHECK

CHECK(ping);
CHECK(status_page);
CHECK(chains);
CHECK(create_chain);
CHECK(drop_chain);
CHECK(drain);
CHECK(claim);
CHECK(release);
CHECK(read_usage);
CHECK(read_height);
CHECK(read_block);
CHECK(read_blocks);
CHECK(read_state);
CHECK(get);
CHECK(get_many);
CHECK(list);
CHECK(write_metadata);
CHECK(commit);
CHECK(prune);
CHECK(rollback);
CHECK(barrier);

#undef CHECK

/* Whether the words that later versions may use are zero. */
bool reserved_is_zero(const uint64_t *words, size_t count) MUST_CHECK;

#define RESERVED_IS_ZERO(of) reserved_is_zero((of)->reserved, sizeof(of)->reserved / sizeof *(of)->reserved)

#endif
