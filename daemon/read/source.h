/* Source: a cursor over the answer of a stream. It gives one message after the other, out of a view and what was queued at
 * that instant.
 *
 * Threads: it is made and freed on the loop. In between it belongs to the pool thread that asks for messages, one at a time, or
 * to the loop, which may park it meanwhile. */
#ifndef DAEMON_SOURCE_H
#define DAEMON_SOURCE_H

#include "daemon/lanes/pending.h"
#include "daemon/read/fetch.h"

struct source;

/* What the answer is of: heights one by one, or all blocks of a range; names by prefix and bounds. Slices and arrays are borrowed for
 * the source's life. */
struct source_blocks {
    const uint64_t *heights; /* given in this order; NULL: the range */
    size_t height_count;
    uint64_t first; /* of the range, as is the next */
    uint64_t last;  /* included */
    uint32_t parts; /* fetch_parts_are_valid */
};

struct source_list {
    struct slice prefix;
    struct slice start; /* names before it in byte order are left out */
    bool has_end;
    struct slice end; /* so are this one and those behind it */
    bool is_reverse;  /* from the greatest name down */
    uint64_t limit;   /* of messages; 0: none */
    uint32_t parts;   /* fetch_metadata_parts_are_valid */
};

/* The fetch is copied; the engine, the point and `pending` are borrowed for the source's life. A height or name that is
 * listed and absent is given as a message that says so; in a range and a list only what is there is given. */
struct source *source_of_blocks(const struct fetch *fetch, const struct source_blocks *blocks);
struct source *source_of_names(const struct fetch *fetch, struct pending *pending, const struct slice *names,
                               size_t count, uint32_t parts);
struct source *source_of_list(const struct fetch *fetch, struct pending *pending,
                              const struct source_list *list);
/* Accepts NULL. Loop. */
void source_free(struct source *source);

/* The memory that its copy of the queue takes, values apart: those are in pending_held_bytes. */
uint64_t source_bytes(const struct source *source);

enum source_result {
    SOURCE_MESSAGE, /* *ret_fetched is the next message, to be freed */
    SOURCE_END,     /* the last message was given before */
    SOURCE_NEEDS_ROOM, /* the next is a block whose data is larger than data_bytes_max: ret_fetched->body_bytes says how
                          large. It is given by a call with so much room */
    SOURCE_FAILED, /* it could not be read, or is damaged; `failure` says what. The source is only to be freed */
};

/* Pool: it may wait for the device. */
enum source_result source_next(struct source *source, uint64_t data_bytes_max, struct fetched *ret_fetched,
                               struct failure *failure) MUST_CHECK;

/* Parks its cursors, so that it keeps none of the engine's memory but its read point; the next call finds the place again.
 * Never waits for the device. Loop or pool, while nobody else uses it. */
void source_park(struct source *source);

#endif
