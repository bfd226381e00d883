/* A list merges two ordered runs: what the store has, and what was queued, held and sorted when the source was made.
 * A name in both is said once, as what is queued makes of what is stored. */
#include "daemon/read/source.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/schema/key.h"

/* What was queued for a name: the name is a copy, the value is held. */
struct queued {
    uint8_t *name;
    size_t name_bytes;
    struct metadata_change change;
};

struct source {
    struct fetch fetch;
    struct pending *pending; /* whose values it holds; the loop's */
    enum status (*next)(struct source *source, struct fetched *ret_fetched, struct failure *failure);
    struct source_blocks blocks;
    struct source_list list;
    const struct slice *names;
    size_t name_count;
    size_t position;       /* in heights or names */
    uint64_t said;         /* of a list with a limit */
    struct queued *queued; /* sorted for a list; in the order of the names otherwise */
    size_t queued_count;
    size_t queued_capacity;
    size_t queued_position;
    uint64_t bytes;
    /* of a range of blocks, or a list: what is left of it */
    struct key from;
    struct key to;
    /* NULL while it rests */
    struct store_iterator *iterator; /* on the next to be said */
    struct store_iterator *data;     /* of a range of blocks whose data is asked for */
};

static struct source *source_new(const struct fetch *fetch)
{
    struct source *source = memory_new(sizeof *source);
    source->fetch = *fetch;
    source->fetch.reach = STORE_DEVICE;
    return source;
}

void source_free(struct source *source)
{
    if (source == NULL) {
        return;
    }
    for (size_t i = 0; i < source->queued_count; i++) {
        pending_value_release(source->pending, source->queued[i].change.value);
        free(source->queued[i].name);
    }
    free(source->queued);
    store_iterator_free(source->iterator);
    store_iterator_free(source->data);
    free(source);
}

/* What is left begins where the iterator stands. */
static void set_from(struct source *source)
{
    source->from = source->to;
    if (store_iterator_valid(source->iterator)) {
        struct slice key = store_iterator_key(source->iterator);
        memcpy(source->from.data, key.data, key.bytes);
        source->from.bytes = key.bytes;
    }
}

void source_rest(struct source *source)
{
    if (source->iterator != NULL) {
        set_from(source);
        store_iterator_free(source->iterator);
        store_iterator_free(source->data);
        source->iterator = NULL;
        source->data = NULL;
    }
}

uint64_t source_bytes(const struct source *source)
{
    return source->bytes;
}

enum status source_next(struct source *source, uint64_t data_bytes_max, struct fetched *ret_fetched,
                        struct failure *failure)
{
    source->fetch.data_bytes_max = data_bytes_max;
    return source->next(source, ret_fetched, failure);
}

/* The status, unless the iterator failed when it moved on: then the message goes with it. */
static enum status after_move(const struct source *source, enum status status, struct fetched *fetched,
                              struct failure *failure)
{
    if (store_iterator_valid(source->iterator) ||
        store_iterator_status(source->iterator, failure) == STATUS_OK) {
        return status;
    }
    if (status == STATUS_OK) {
        free(fetched->frame);
    }
    return STATUS_IO_ERROR;
}

/* ---- blocks ---- */

static enum status next_listed(struct source *source, struct fetched *ret_fetched, struct failure *failure)
{
    if (source->position == source->blocks.height_count) {
        return STATUS_NOT_FOUND;
    }
    uint64_t height = source->blocks.heights[source->position];
    enum status status = fetch_block(&source->fetch, height, source->blocks.parts, ret_fetched, failure);
    source->position += status != STATUS_BUSY;
    if (status == STATUS_NOT_FOUND) {
        *ret_fetched = fetch_absent_block(height);
        return STATUS_OK;
    }
    return status;
}

/* The data of that height, empty if there is none; heights rise from call to call. */
static enum status data_at(struct source *source, uint64_t height, struct slice *ret_data,
                           struct failure *failure)
{
    *ret_data = slice_of(NULL, 0);
    if (source->data == NULL) {
        struct key from = key_of_height(source->fetch.chain, KEY_DATA, height);
        struct key to = key_behind_height(source->fetch.chain, KEY_DATA, source->blocks.last);
        source->data = store_iterator_new_long(source->fetch.store, source->fetch.snapshot, key_slice(&from),
                                               key_slice(&to));
    }
    while (store_iterator_valid(source->data)) {
        uint64_t at;
        if (!key_read_height(store_iterator_key(source->data), &at)) {
            return failure_set(failure, STATUS_IO_ERROR,
                               "damaged store: a key of block data cannot be understood");
        }
        if (at >= height) {
            *ret_data = at == height ? store_iterator_value(source->data) : *ret_data;
            return STATUS_OK;
        }
        store_iterator_next(source->data);
    }
    return store_iterator_status(source->data, failure);
}

static enum status next_in_range(struct source *source, struct fetched *ret_fetched, struct failure *failure)
{
    if (source->iterator == NULL) {
        source->iterator = store_iterator_new_long(source->fetch.store, source->fetch.snapshot,
                                                   key_slice(&source->from), key_slice(&source->to));
    }
    if (!store_iterator_valid(source->iterator)) {
        return after_move(source, STATUS_NOT_FOUND, NULL, failure);
    }
    uint64_t height;
    if (!key_read_height(store_iterator_key(source->iterator), &height)) {
        return failure_set(failure, STATUS_IO_ERROR, "damaged store: a block's key cannot be understood");
    }
    struct header_record record; /* one that cannot be understood is found out below */
    bool has_data = fetch_asks_for_data(source->blocks.parts) &&
                    record_read_header(store_iterator_value(source->iterator), &record) &&
                    record.data_bytes > 0;
    if (has_data && record.data_bytes > source->fetch.data_bytes_max) {
        ret_fetched->body_bytes = record.data_bytes;
        return STATUS_BUSY;
    }
    struct slice data = {0};
    enum status status = has_data ? data_at(source, height, &data, failure) : STATUS_OK;
    if (status != STATUS_OK) {
        return status;
    }
    status = fetch_block_of(&source->fetch, height, source->blocks.parts,
                            store_iterator_value(source->iterator), data, ret_fetched, failure);
    store_iterator_next(source->iterator);
    return after_move(source, status, ret_fetched, failure);
}

struct source *source_of_blocks(const struct fetch *fetch, const struct source_blocks *blocks)
{
    struct source *source = source_new(fetch);
    source->blocks = *blocks;
    source->next = blocks->heights != NULL ? next_listed : next_in_range;
    uint64_t pruned = fetch->marks.blocks_pruned;
    source->from = blocks->first > pruned ? key_of_height(fetch->chain, KEY_HEADER, blocks->first)
                                          : key_behind_height(fetch->chain, KEY_HEADER, pruned);
    source->to = key_behind_height(fetch->chain, KEY_HEADER, blocks->last);
    return source;
}

/* ---- names ---- */

static void take_queued(void *context, struct slice name, struct metadata_change change)
{
    struct source *source = context;
    if (source->queued_count == source->queued_capacity) {
        source->queued_capacity = source->queued_capacity == 0 ? 16 : 2 * source->queued_capacity;
        source->queued = memory_resize(source->queued, source->queued_capacity * sizeof source->queued[0]);
    }
    pending_value_hold(source->pending, change.value);
    source->queued[source->queued_count++] = (struct queued){
        .name = name.bytes == 0 ? NULL : memory_copy(name.data, name.bytes),
        .name_bytes = name.bytes,
        .change = change,
    };
    source->bytes += sizeof(struct queued) + name.bytes;
}

static struct slice queued_name(const struct queued *queued)
{
    return slice_of(queued->name, queued->name_bytes);
}

static enum status next_named(struct source *source, struct fetched *ret_fetched, struct failure *failure)
{
    if (source->position == source->name_count) {
        return STATUS_NOT_FOUND;
    }
    struct slice name = source->names[source->position];
    struct metadata_change change = source->queued[source->position].change;
    source->position++;
    enum status status = fetch_metadata(&source->fetch, name, change, true, ret_fetched, failure);
    if (status == STATUS_NOT_FOUND) {
        *ret_fetched = fetch_absent_metadata(name);
        return STATUS_OK;
    }
    return status;
}

struct source *source_of_names(const struct fetch *fetch, struct pending *pending, const struct slice *names,
                               size_t count)
{
    struct source *source = source_new(fetch);
    source->pending = pending;
    source->names = names;
    source->name_count = count;
    source->next = next_named;
    for (size_t i = 0; i < count; i++) {
        take_queued(source, slice_of(NULL, 0), pending_change(pending, fetch->chain, names[i]));
    }
    return source;
}

/* ---- a list ---- */

static int compare_queued(const void *left, const void *right)
{
    return slice_compare(queued_name(left), queued_name(right));
}

static struct slice list_from(const struct source_list *list)
{
    return slice_compare(list->start, list->prefix) > 0 ? list->start : list->prefix;
}

/* The first key behind all names with the prefix. */
static struct key behind_prefix(uint32_t chain, struct slice prefix)
{
    struct key key = key_of_name(chain, KEY_METADATA, prefix);
    while (key.data[key.bytes - 1] == 0xFF) {
        key.bytes--; /* ends at the kind's byte at the latest */
    }
    key.data[key.bytes - 1]++;
    return key;
}

/* The stored name the iterator stands on; false at the end. */
static bool stored_name(const struct source *source, struct slice *ret_name)
{
    return store_iterator_valid(source->iterator) &&
           key_read_name(store_iterator_key(source->iterator), ret_name);
}

/* Says the next name that is there, if either run has one; moves on in both that had it. */
static enum status next_merged(struct source *source, struct fetched *ret_fetched, struct failure *failure)
{
    struct slice stored = {0};
    bool has_stored = stored_name(source, &stored);
    const struct queued *queued =
        source->queued_position < source->queued_count ? &source->queued[source->queued_position] : NULL;
    if (!has_stored && queued == NULL) {
        return STATUS_NOT_FOUND;
    }
    int order = !has_stored ? 1 : queued == NULL ? -1 : slice_compare(stored, queued_name(queued));
    struct slice record = order <= 0 ? store_iterator_value(source->iterator) : slice_of(NULL, 0);
    struct metadata_change change = order >= 0 ? queued->change : (struct metadata_change){0};
    struct slice name = order <= 0 ? stored : queued_name(queued);
    enum status status = fetch_metadata_of(&source->fetch, name, record, change, true, ret_fetched, failure);
    source->queued_position += order >= 0;
    if (order <= 0) {
        store_iterator_next(source->iterator);
    }
    /* a name that is deleted or pruned is passed over by the caller */
    return status == STATUS_NOT_FOUND ? STATUS_BUSY : status;
}

static enum status next_in_list(struct source *source, struct fetched *ret_fetched, struct failure *failure)
{
    if (source->list.limit != 0 && source->said == source->list.limit) {
        return STATUS_NOT_FOUND;
    }
    if (source->iterator == NULL) {
        source->iterator = store_iterator_new(source->fetch.store, source->fetch.snapshot,
                                              key_slice(&source->from), key_slice(&source->to));
    }
    enum status status;
    do {
        status = next_merged(source, ret_fetched, failure);
    } while (status == STATUS_BUSY);
    status = after_move(source, status, ret_fetched, failure);
    source->said += status == STATUS_OK;
    return status;
}

struct source *source_of_list(const struct fetch *fetch, struct pending *pending,
                              const struct source_list *list)
{
    struct source *source = source_new(fetch);
    source->pending = pending;
    source->list = *list;
    source->next = next_in_list;
    pending_each(pending, fetch->chain, list->prefix, take_queued, source);
    if (source->queued_count > 0) {
        qsort(source->queued, source->queued_count, sizeof source->queued[0], compare_queued);
    }
    struct slice from = list_from(list);
    source->from = key_of_name(fetch->chain, KEY_METADATA, from);
    source->to = behind_prefix(fetch->chain, list->prefix);
    while (source->queued_position < source->queued_count &&
           slice_compare(queued_name(&source->queued[source->queued_position]), from) < 0) {
        source->queued_position++;
    }
    return source;
}
