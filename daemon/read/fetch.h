/* Fetch: reads one block, state or metadata value as of a view, and packs it into a reply that is ready to go. It uses nothing but
 * what it is given, so any thread may fetch; on the loop only without I/O. */
#ifndef DAEMON_FETCH_H
#define DAEMON_FETCH_H

#include <protobuf-c/protobuf-c.h>

#include "daemon/engine/engine.h"
#include "daemon/order/record_cache.h"
#include "daemon/schema/metadata.h"
#include "daemon/schema/record.h"

/* Chosen: block data up to this size is read before the budget is asked for its room. */
enum { FETCH_BYTES_UNASKED = 256 << 10 };

/* Where to read: the store as of a view, and one chain's marks of the same instant. Borrowed during each call. */
struct fetch {
    struct engine *engine;
    struct engine_point *point;
    enum engine_reach reach;
    /* the loop's, of the present view; NULL on any other thread, and for an older view */
    struct record_cache *cache;
    uint64_t data_bytes_max; /* of a block's data: what there is room for */
    uint32_t chain;
    struct chain_marks marks;
};

/* A packed message. The callers' are zeroed, and are only changed as the result says. */
struct fetched {
    uint8_t *frame;    /* FRAME_REPLY_BYTES for the header, then the message; to be freed */
    size_t body_bytes; /* of the message */
};

/* Whether the mask names only parts that a block has; and whether data is among them. */
bool fetch_parts_are_valid(uint32_t parts);
bool fetch_asks_for_data(uint32_t parts);

/* How a fetch ends. Only FETCH_FAILED fills in `failure`. */
enum fetch_result {
    FETCH_FOUND,  /* *ret_fetched is the reply's message, to be freed */
    FETCH_ABSENT, /* looked, and there is none: never stored, deleted or pruned */
    FETCH_WOULD_BLOCK, /* it takes I/O, and `reach` is ENGINE_NO_IO; body_bytes as for FETCH_NEEDS_ROOM, 0 if not known */
    FETCH_NEEDS_ROOM, /* a block's data is larger than data_bytes_max; ret_fetched->body_bytes says how large */
    FETCH_FAILED, /* STATUS_DAMAGED: it is damaged; STATUS_IO_ERROR: it could not be read; STATUS_BUSY: there is no memory */
};

/* The height that was last committed with the hash, of 1 to HASH_BYTES_MAX bytes. FETCH_FOUND: *ret_height is set. */
enum fetch_result fetch_height_of_hash(const struct fetch *fetch, struct slice hash, uint64_t *ret_height,
                                       struct failure *failure) MUST_CHECK;
/* The block at the height, with the parts that are asked for (fetch_parts_are_valid). */
enum fetch_result fetch_block(const struct fetch *fetch, uint64_t height, uint32_t parts,
                              struct fetched *ret_fetched, struct failure *failure) MUST_CHECK;

/* As fetch_block, from the stored records already at hand; data is empty if it is not asked for, or there is none. FETCH_FOUND or
 * FETCH_FAILED. */
enum fetch_result fetch_block_of(const struct fetch *fetch, uint64_t height, uint32_t parts,
                                 struct slice header, struct slice data, struct fetched *ret_fetched,
                                 struct failure *failure) MUST_CHECK;
/* The state at the height. */
enum fetch_result fetch_state(const struct fetch *fetch, uint64_t height, struct fetched *ret_fetched,
                              struct failure *failure) MUST_CHECK;

/* What a message says of a name. */
struct fetch_metadata_asked {
    uint32_t parts; /* fetch_metadata_parts_are_valid; 0: nothing but that it is there */
    bool with_name; /* it names it, as in a stream */
};

/* Whether the mask names only parts that metadata has; and what an answer has where no mask is given. */
bool fetch_metadata_parts_are_valid(uint32_t parts);
uint32_t fetch_metadata_parts_default(void);
bool fetch_asks_for_value(uint32_t parts);

/* The value of a checked name; `change` is what is queued for it. */
enum fetch_result fetch_metadata(const struct fetch *fetch, struct slice name, struct metadata_change change,
                                 struct fetch_metadata_asked asked, struct fetched *ret_fetched,
                                 struct failure *failure) MUST_CHECK;

/* As fetch_metadata, from the stored record already at hand; empty: none is stored. FETCH_FOUND, FETCH_ABSENT or FETCH_FAILED. */
enum fetch_result fetch_metadata_of(const struct fetch *fetch, struct slice name, struct slice record,
                                    struct metadata_change change, struct fetch_metadata_asked asked,
                                    struct fetched *ret_fetched, struct failure *failure) MUST_CHECK;

/* The messages that say, in a stream, that a block or name is absent. */
struct fetched fetch_absent_block(uint64_t height);
struct fetched fetch_absent_metadata(struct slice name);

#endif
