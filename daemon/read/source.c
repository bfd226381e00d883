/* A source's life:
 *
 * - It is made on the loop, with a copy of what is queued at that instant: names are copied, values are held. Its answer is
 *   of the view it was made with and of that copy, whatever is written meanwhile.
 * - A range of blocks walks the headers and, beside them, the data. A list of names merges two sorted runs, the stored and the
 *   queued one, both upwards or both downwards: a name in both is given once, as what the queued change makes of the stored value. Listed
 *   heights and names are read one by one.
 * - A walk stands on one key until that is given. Parked, its cursor gives the engine's memory back; the next call finds the
 *   same key again.
 * - It is freed on the loop, where the held values are given back.
 *
 * Ways to fail: what cannot be read, or is no key or record of ours, is SOURCE_FAILED; the source is then only to be freed. */
#include "daemon/read/source.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/read/queue_copy.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/schema/key.h"

/* A cursor, and the key it stands on until that was given. */
struct walk {
    struct engine_cursor *cursor; /* NULL: this source does not need the walk */
    bool has_current;             /* key and value are valid, and not given yet */
    struct slice key;
    struct slice value;
};

struct source {
    /* fixed once made, but for data_bytes_max */
    struct fetch fetch;
    enum source_result (*next)(struct source *source, struct fetched *ret_fetched, struct failure *failure);
    struct source_blocks blocks;
    struct source_list list;
    const struct slice *names;
    size_t name_count;
    struct fetch_metadata_asked asked; /* of names and lists */
    struct queue_copy queue; /* of a list: in its order; else one entry a name, in the order of `names` */
    /* one thread at a time: the pool while a step runs, else the loop */
    size_t position;        /* in heights or names: of the next message */
    size_t queued_position; /* in a list's queued names: of the next that was not given */
    uint64_t given;         /* messages of a list */
    bool has_failed;
    struct walk walk; /* of a range's headers, or a list's stored names */
    struct walk data; /* of a range's data, if that is asked for */
};

static struct source *source_new(const struct fetch *fetch)
{
    assert(thread_is(THREAD_LOOP)); /* the queue that it copies is the loop's */
    assert(fetch->cache == NULL);   /* that is the loop's, and the pool fetches */
    assert(fetch->chain > 0);       /* keys of chain 0 are the daemon's own, no client's */
    struct source *source = memory_new(sizeof *source);
    source->fetch = *fetch;
    source->fetch.reach = ENGINE_MAY_BLOCK;
    return source;
}

void source_free(struct source *source)
{
    if (source == NULL) {
        return;
    }
    queue_copy_close(&source->queue);
    engine_cursor_close(source->walk.cursor);
    engine_cursor_close(source->data.cursor);
    free(source);
}

/* ---- walks ---- */

/* As in struct engine_range. */
struct walk_kind {
    bool is_reverse;
    bool is_long;
};

static void walk_open(struct source *source, struct walk *walk, const struct key *from, const struct key *to,
                      struct walk_kind kind)
{
    assert(walk->cursor == NULL); /* or that one would never be closed */
    struct engine_range range = {
        .from = key_slice(from), .to = key_slice(to), .is_reverse = kind.is_reverse, .is_long = kind.is_long};
    walk->cursor = engine_cursor_open(source->fetch.engine, source->fetch.point, &range);
}

/* Puts the walk on the next key that was not given. ENGINE_NOT_FOUND: the walk is at its end. */
static enum engine_result walk_look(struct walk *walk, struct failure *failure)
{
    if (walk->has_current) {
        return ENGINE_OK;
    }
    enum engine_result result = engine_cursor_next(walk->cursor, &walk->key, &walk->value, failure);
    walk->has_current = result == ENGINE_OK;
    return result;
}

/* The key it stands on is given, or passed over: the next look moves on. */
static void walk_pass(struct walk *walk)
{
    assert(walk->has_current); /* or a key would be left out */
    walk->has_current = false;
}

static void walk_park(struct walk *walk)
{
    if (walk->cursor != NULL) {
        engine_cursor_park(walk->cursor, walk->has_current);
        walk->has_current = false; /* key and value are the engine's: the next look reads them again */
    }
}

void source_park(struct source *source)
{
    assert(thread_is(THREAD_LOOP) || thread_is(THREAD_POOL));
    walk_park(&source->walk);
    walk_park(&source->data);
}

/* A stored key that no store of ours has; it is never copied to a buffer of a key's size. */
static enum source_result damaged(struct slice key, const char *what, struct failure *failure)
{
    failure_set(failure, STATUS_DAMAGED, "damaged store: %s has a key of %zu bytes", what, key.bytes);
    return SOURCE_FAILED;
}

/* What a fetch of the next message means for the source. The pool reads it, so it never is FETCH_WOULD_BLOCK. */
static enum source_result source_result_of(enum fetch_result result)
{
    assert(result == FETCH_FOUND || result == FETCH_NEEDS_ROOM || result == FETCH_FAILED);
    return result == FETCH_FOUND        ? SOURCE_MESSAGE
           : result == FETCH_NEEDS_ROOM ? SOURCE_NEEDS_ROOM
                                        : SOURCE_FAILED;
}

uint64_t source_bytes(const struct source *source)
{
    return source->queue.bytes;
}

enum source_result source_next(struct source *source, uint64_t data_bytes_max, struct fetched *ret_fetched,
                               struct failure *failure)
{
    assert(thread_is(THREAD_POOL)); /* it may wait for the device */
    assert(!source->has_failed);    /* its walks may have left something out */
    if (source->queue.is_short) {
        failure_set(failure, STATUS_BUSY,
                    "there is no memory for the names that are queued: try again later");
        source->has_failed = true;
        return SOURCE_FAILED;
    }
    source->fetch.data_bytes_max = data_bytes_max;
    enum source_result result = source->next(source, ret_fetched, failure);
    source->has_failed = result == SOURCE_FAILED;
    return result;
}

/* ---- blocks ---- */

static enum source_result next_listed(struct source *source, struct fetched *ret_fetched,
                                      struct failure *failure)
{
    assert(source->position <= source->blocks.height_count);
    if (source->position == source->blocks.height_count) {
        return SOURCE_END;
    }
    uint64_t height = source->blocks.heights[source->position];
    enum fetch_result result =
        fetch_block(&source->fetch, height, source->blocks.parts, ret_fetched, failure);
    source->position += result != FETCH_NEEDS_ROOM;
    if (result == FETCH_ABSENT) {
        *ret_fetched = fetch_absent_block(height);
        return SOURCE_MESSAGE;
    }
    return source_result_of(result);
}

/* SOURCE_MESSAGE: *ret_data is the data of that height, empty if there is none; else SOURCE_FAILED. Heights rise from call to
 * call. */
static enum source_result data_at(struct source *source, uint64_t height, struct slice *ret_data,
                                  struct failure *failure)
{
    struct walk *data = &source->data;
    assert(fetch_asks_for_data(source->blocks.parts)); /* or the walk was never opened */
    enum engine_result result;
    *ret_data = slice_of(NULL, 0);
    while ((result = walk_look(data, failure)) == ENGINE_OK) {
        uint64_t at;
        if (!key_read_height(data->key, &at)) {
            return damaged(data->key, "a block's data", failure);
        }
        if (at >= height) {
            *ret_data = at == height ? data->value : *ret_data;
            return SOURCE_MESSAGE;
        }
        walk_pass(data); /* its block has no header */
    }
    return result == ENGINE_NOT_FOUND ? SOURCE_MESSAGE : SOURCE_FAILED;
}

static enum source_result next_in_range(struct source *source, struct fetched *ret_fetched,
                                        struct failure *failure)
{
    struct walk *headers = &source->walk;
    enum engine_result look = walk_look(headers, failure);
    if (look != ENGINE_OK) {
        return look == ENGINE_NOT_FOUND ? SOURCE_END : SOURCE_FAILED;
    }
    uint64_t height;
    if (!key_read_height(headers->key, &height)) {
        return damaged(headers->key, "a block", failure);
    }
    struct header_record record; /* fetch_block_of reports one that cannot be understood */
    bool has_data = fetch_asks_for_data(source->blocks.parts) &&
                    record_read_header(headers->value, &record) && record.data_bytes > 0;
    if (has_data && record.data_bytes > source->fetch.data_bytes_max) {
        ret_fetched->body_bytes = record.data_bytes;
        return SOURCE_NEEDS_ROOM;
    }
    struct slice data = {0};
    if (has_data && data_at(source, height, &data, failure) != SOURCE_MESSAGE) {
        return SOURCE_FAILED;
    }
    assert(data.bytes == 0 || source->data.has_current); /* the bytes are valid until the walk moves on */
    walk_pass(headers);
    return source_result_of(fetch_block_of(&source->fetch, height, source->blocks.parts, headers->value, data,
                                           ret_fetched, failure));
}

/* Opens a walk over the blocks of the range that are not pruned. */
static void open_range(struct source *source, enum key_kind kind, struct walk *walk)
{
    const struct fetch *fetch = &source->fetch;
    assert(source->blocks.heights == NULL); /* listed heights are not in order: no walk gives them */
    uint64_t first = source->blocks.first, pruned = fetch->marks.blocks_pruned;
    struct key from = first > pruned ? key_of_height(fetch->chain, kind, first)
                                     : key_behind_height(fetch->chain, kind, pruned);
    struct key to = key_behind_height(fetch->chain, kind, source->blocks.last);
    walk_open(source, walk, &from, &to, (struct walk_kind){.is_long = true});
}

struct source *source_of_blocks(const struct fetch *fetch, const struct source_blocks *blocks)
{
    assert(fetch_parts_are_valid(blocks->parts));
    struct source *source = source_new(fetch);
    source->blocks = *blocks;
    source->next = blocks->heights != NULL ? next_listed : next_in_range;
    if (blocks->heights != NULL) {
        return source;
    }
    open_range(source, KEY_HEADER, &source->walk);
    if (fetch_asks_for_data(blocks->parts)) {
        open_range(source, KEY_DATA, &source->data);
    }
    return source;
}

/* ---- names ---- */

static enum source_result next_named(struct source *source, struct fetched *ret_fetched,
                                     struct failure *failure)
{
    assert(source->position <= source->name_count && source->queue.count == source->name_count);
    if (source->position == source->name_count) {
        return SOURCE_END;
    }
    struct slice name = source->names[source->position];
    struct metadata_change change = source->queue.entries[source->position].change;
    source->position++;
    enum fetch_result result =
        fetch_metadata(&source->fetch, name, change, source->asked, ret_fetched, failure);
    if (result == FETCH_ABSENT) {
        *ret_fetched = fetch_absent_metadata(name);
        return SOURCE_MESSAGE;
    }
    return source_result_of(result);
}

struct source *source_of_names(const struct fetch *fetch, struct pending *pending, const struct slice *names,
                               size_t count, uint32_t parts)
{
    assert(fetch_metadata_parts_are_valid(parts));
    struct source *source = source_new(fetch);
    source->asked = (struct fetch_metadata_asked){parts, true};
    source->queue.pending = pending;
    source->names = names;
    source->name_count = count;
    source->next = next_named;
    for (size_t i = 0; i < count; i++) {
        queue_copy_add(&source->queue, slice_of(NULL, 0), pending_change(pending, fetch->chain, names[i]));
    }
    assert(source->queue.count == count ||
           source->queue.is_short); /* each name has its change at its own place */
    return source;
}

/* ---- a list ---- */

/* The least name that the list may have. */
static struct slice list_from(const struct source_list *list)
{
    return slice_compare(list->start, list->prefix) > 0 ? list->start : list->prefix;
}

/* The queue is asked by prefix. */
static void take_listed(void *context, struct slice name, struct metadata_change change)
{
    struct source *source = context;
    const struct source_list *list = &source->list;
    if (slice_compare(name, list->start) >= 0 && (!list->has_end || slice_compare(name, list->end) < 0)) {
        queue_copy_add(&source->queue, name, change);
    }
}

/* The first key behind all names with the prefix. */
static struct key behind_prefix(uint32_t chain, struct slice prefix)
{
    struct key key = key_of_name(chain, KEY_METADATA, prefix);
    while (key.data[key.bytes - 1] == 0xFF) {
        key.bytes--; /* ends at the kind's byte at the latest, which is a letter */
        assert(key.bytes > 0);
    }
    key.data[key.bytes - 1]++;
    return key;
}

/* The first key behind all names that the list may have. */
static struct key list_behind(uint32_t chain, const struct source_list *list)
{
    struct key behind = behind_prefix(chain, list->prefix);
    if (list->has_end) {
        struct key end = key_of_name(chain, KEY_METADATA, list->end);
        behind = slice_compare(key_slice(&end), key_slice(&behind)) < 0 ? end : behind;
    }
    return behind;
}

/* Looks at the next name of both runs: *ret_stored is that of the stored run, unless that is at its end (ENGINE_NOT_FOUND), and
 * *ret_queued that of the queued run, NULL at its end. */
static enum engine_result look_at_both(struct source *source, struct slice *ret_stored,
                                       const struct queue_copy_entry **ret_queued, struct failure *failure)
{
    assert(source->queued_position <= source->queue.count); /* it moves by one, and stops there */
    bool has_queued = source->queued_position < source->queue.count;
    *ret_queued = has_queued ? &source->queue.entries[source->queued_position] : NULL;
    enum engine_result result = walk_look(&source->walk, failure);
    if (result == ENGINE_OK && source->walk.value.bytes == 0) { /* an empty one would be taken for none */
        failure_set(failure, STATUS_DAMAGED, "damaged store: a metadata record of no bytes");
        return ENGINE_FAILED;
    }
    bool is_name =
        result != ENGINE_OK || (key_read_name(source->walk.key, ret_stored) && ret_stored->bytes > 0);
    if (!is_name) {
        (void)damaged(source->walk.key, "a name", failure);
        return ENGINE_FAILED;
    }
    return result;
}

/* Takes the next name from the runs, from both if both have it. A name that is deleted or pruned gives no message:
 * *ret_is_left_out. */
static enum source_result next_merged(struct source *source, bool *ret_is_left_out,
                                      struct fetched *ret_fetched, struct failure *failure)
{
    struct slice stored = {0};
    const struct queue_copy_entry *queued;
    enum engine_result look = look_at_both(source, &stored, &queued, failure);
    bool has_stored = look == ENGINE_OK;
    *ret_is_left_out = false;
    if (look == ENGINE_FAILED || (!has_stored && queued == NULL)) {
        return look == ENGINE_FAILED ? SOURCE_FAILED : SOURCE_END;
    }
    int order = !has_stored ? 1 : queued == NULL ? -1 : slice_compare(stored, queue_copy_name(queued));
    order = has_stored && queued != NULL && source->list.is_reverse ? -order : order;
    struct slice record = order <= 0 ? source->walk.value : slice_of(NULL, 0);
    struct metadata_change change = order >= 0 ? queued->change : (struct metadata_change){0};
    struct slice name = order <= 0 ? stored : queue_copy_name(queued);
    enum fetch_result result =
        fetch_metadata_of(&source->fetch, name, record, change, source->asked, ret_fetched, failure);
    source->queued_position += order >= 0;
    assert(source->queued_position <= source->queue.count);
    if (order <= 0) {
        walk_pass(&source->walk);
    }
    *ret_is_left_out = result == FETCH_ABSENT;
    return *ret_is_left_out ? SOURCE_MESSAGE : source_result_of(result);
}

static enum source_result next_in_list(struct source *source, struct fetched *ret_fetched,
                                       struct failure *failure)
{
    assert(source->list.limit == 0 || source->given <= source->list.limit);
    if (source->list.limit != 0 && source->given == source->list.limit) {
        return SOURCE_END;
    }
    enum source_result result;
    bool is_left_out;
    do {
        result = next_merged(source, &is_left_out, ret_fetched, failure);
    } while (is_left_out);
    source->given += result == SOURCE_MESSAGE;
    return result;
}

struct source *source_of_list(const struct fetch *fetch, struct pending *pending,
                              const struct source_list *list)
{
    assert(list->prefix.bytes <= METADATA_NAME_BYTES_MAX && list->start.bytes <= METADATA_NAME_BYTES_MAX &&
           list->end.bytes <= METADATA_NAME_BYTES_MAX);
    assert(fetch_metadata_parts_are_valid(list->parts));
    struct source *source = source_new(fetch);
    source->queue.pending = pending;
    source->list = *list;
    source->asked = (struct fetch_metadata_asked){list->parts, true};
    source->next = next_in_list;
    pending_each(pending, fetch->chain, list->prefix, take_listed, source);
    queue_copy_sort(&source->queue, list->is_reverse);
    struct key first = key_of_name(fetch->chain, KEY_METADATA, list_from(list));
    struct key behind = list_behind(fetch->chain, list);
    if (slice_compare(key_slice(&behind), key_slice(&first)) < 0) {
        behind = first; /* there is no name between the bounds */
    }
    walk_open(source, &source->walk, &first, &behind,
              (struct walk_kind){
                  .is_reverse = list->is_reverse,
                  .is_long = !fetch_asks_for_value(list->parts), /* large values are read all the same */
              });
    return source;
}
