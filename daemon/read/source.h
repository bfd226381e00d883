/* Source: the messages of one stream, one after the other, out of a view and what was queued at that instant. Made on the
 * loop; then any one thread at a time may ask for the next message. */
#ifndef DAEMON_SOURCE_H
#define DAEMON_SOURCE_H

#include "daemon/lanes/pending.h"
#include "daemon/read/fetch.h"

struct source;

/* What a stream is of. Slices and arrays are borrowed for the source's life. */
struct source_blocks {
    const uint64_t *heights; /* NULL: the range */
    size_t height_count;
    uint64_t first;
    uint64_t last;
    uint32_t parts;
};

struct source_list {
    struct slice prefix;
    struct slice start; /* empty: the first */
    uint64_t limit;     /* 0: none */
};

struct source *source_of_blocks(const struct fetch *fetch, const struct source_blocks *blocks);
struct source *source_of_names(const struct fetch *fetch, struct pending *pending, const struct slice *names,
                               size_t count);
struct source *source_of_list(const struct fetch *fetch, struct pending *pending,
                              const struct source_list *list);
/* On the loop. */
void source_free(struct source *source);

/* Memory it takes for what was queued, values apart: those are in pending_held_bytes. */
uint64_t source_bytes(const struct source *source);

enum source_result {
    SOURCE_MESSAGE, /* *ret_fetched is the next message, to be freed */
    SOURCE_END,     /* the last message was given before */
    SOURCE_NEEDS_ROOM, /* the next is a block whose data is larger than data_bytes_max: ret_fetched->body_bytes says how
                          large. It is given by a call with so much room */
    SOURCE_FAILED, /* it could not be read, or is damaged; `failure` says what. The source is only to be freed */
};

enum source_result source_next(struct source *source, uint64_t data_bytes_max, struct fetched *ret_fetched,
                               struct failure *failure) MUST_CHECK;

/* Parks its cursors, so that it keeps none of the engine's memory; the next message is found again. As source_next. */
void source_park(struct source *source);

#endif
