/* The bounds of the protocol that no setting changes. The settable ones are in daemon/config/options_table.c. */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

#include <assert.h>

enum {
    PROTOCOL_VERSION_MIN = 1,
    PROTOCOL_VERSION_MAX = 1,

    FEATURE_PRUNE_DRY_RUN = 1, /* bits of a hello's features, as cairn.proto has them */
    FEATURE_LISTS = 2,
    FEATURE_DELETES = 4,
    FEATURE_CLAIMS = 8,

    CHAIN_NAME_BYTES_MAX = 64,
    CLIENT_NAME_BYTES_MAX = 64,
    WRITER_NAME_BYTES_MAX = 64,
    HASH_BYTES_MAX = 64,
    METADATA_NAME_BYTES_MAX = 1024,
    STORE_ID_BYTES = 16,

    /* Of a frame's body: what the setting frame_bytes_max is at first and may be. */
    FRAME_BYTES_DEFAULT = 64 << 20,
    FRAME_BYTES_MIN = 64 << 10,
    FRAME_BYTES_MAX = 256 << 20,
    FRAME_BYTES_UNRESERVED = 64 << 10, /* no memory is set aside for a body up to this */

    QUEUED_VALUE_BYTES_MAX = 16 << 20,

    READ_ITEMS_MAX = 16384,   /* heights or names in one request */
    DELETE_RANGES_MAX = 1024, /* of names in one commit */

    WINDOW_BYTES_DEFAULT = 1 << 20,
    WINDOW_BYTES_MAX = 4 << 20,
    REPLIES_BYTES_PER_CLIENT = 8 << 20,
};

static_assert(WINDOW_BYTES_MAX < REPLIES_BYTES_PER_CLIENT, "a stream stops before its connection does");
static_assert(FRAME_BYTES_UNRESERVED <= FRAME_BYTES_MIN, "small frames fit every bound");
static_assert(PROTOCOL_VERSION_MIN <= PROTOCOL_VERSION_MAX, "there is a version to speak");

#endif
