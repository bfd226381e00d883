/* Fetch: reading one block, state or metadata value out of a view, into a reply that is ready to go. Any thread: it uses
 * nothing but what it is given. */
#ifndef DAEMON_FETCH_H
#define DAEMON_FETCH_H

#include <protobuf-c/protobuf-c.h>

#include "daemon/engine/engine.h"
#include "daemon/order/record_cache.h"
#include "daemon/schema/metadata.h"
#include "daemon/schema/record.h"

/* Block data above this is only read once there is room for it. */
enum { FETCH_BYTES_UNASKED = 256 << 10 };

/* Where to read: the store as of a view, and one chain's marks of the same instant. Borrowed. */
struct fetch {
    struct engine *engine;
    struct engine_point *point;
    enum engine_reach reach;
    struct record_cache *cache; /* on the loop, if the view is the present one; else NULL */
    uint64_t data_bytes_max;    /* of a block's data */
    uint32_t chain;
    struct chain_marks marks;
};

/* A packed message with FRAME_REPLY_BYTES in front, to be freed. */
struct fetched {
    uint8_t *frame;
    size_t body_bytes;
};

/* A mask of the parts a block has; and whether data is among them. */
bool fetch_parts_are_valid(uint32_t parts);
bool fetch_asks_for_data(uint32_t parts);

/* How a fetch ends. Only FETCH_FAILED fills in `failure`. */
enum fetch_result {
    FETCH_FOUND,  /* *ret_fetched is the reply's message, to be freed */
    FETCH_ABSENT, /* looked, and there is none: never stored, deleted or pruned */
    FETCH_WOULD_BLOCK, /* it takes I/O, and `reach` is ENGINE_NO_IO; body_bytes as for FETCH_NEEDS_ROOM, 0 if not known */
    FETCH_NEEDS_ROOM, /* a block's data is larger than data_bytes_max; ret_fetched->body_bytes says how large */
    FETCH_FAILED,     /* it could not be read, or is damaged: an I/O error */
};

enum fetch_result fetch_height_of_hash(const struct fetch *fetch, struct slice hash, uint64_t *ret_height,
                                       struct failure *failure) MUST_CHECK;
enum fetch_result fetch_block(const struct fetch *fetch, uint64_t height, uint32_t parts,
                              struct fetched *ret_fetched, struct failure *failure) MUST_CHECK;

/* As fetch_block, from the stored records already at hand; data empty if it is not asked for, or there is none. */
enum fetch_result fetch_block_of(const struct fetch *fetch, uint64_t height, uint32_t parts,
                                 struct slice header, struct slice data, struct fetched *ret_fetched,
                                 struct failure *failure) MUST_CHECK;
enum fetch_result fetch_state(const struct fetch *fetch, uint64_t height, struct fetched *ret_fetched,
                              struct failure *failure) MUST_CHECK;

/* `change` is what is queued for the name. `with_name`: the message names it, as in a stream. */
enum fetch_result fetch_metadata(const struct fetch *fetch, struct slice name, struct metadata_change change,
                                 bool with_name, struct fetched *ret_fetched,
                                 struct failure *failure) MUST_CHECK;

/* As fetch_metadata, from the stored record already at hand (empty: none is stored). */
enum fetch_result fetch_metadata_of(const struct fetch *fetch, struct slice name, struct slice record,
                                    struct metadata_change change, bool with_name,
                                    struct fetched *ret_fetched, struct failure *failure) MUST_CHECK;

/* The messages that say, in a stream, that there is none. */
struct fetched fetch_absent_block(uint64_t height);
struct fetched fetch_absent_metadata(struct slice name);

#endif
