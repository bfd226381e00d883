/* A list merges two ordered runs: what the store has, and what was queued, held and sorted when the source was made.
 * A name in both is said once, as what is queued makes of what is stored. */
#include "daemon/source.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/key.h"
#include "daemon/memory.h"

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
    struct store_iterator *iterator;
    struct store_iterator
        *data; /* of a range of blocks whose data is asked for: beside the iterator of headers */
};

static struct source *source_new(const struct fetch *fetch)
{
    struct source *source = memory_new(sizeof *source);
    source->fetch = *fetch;
    source->fetch.reach = STORE_DEVICE;
    source->fetch.data_bytes_max = UINT64_MAX;
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

uint64_t source_bytes(const struct source *source)
{
    return source->bytes;
}

enum status source_next(struct source *source, struct fetched *ret_fetched, struct failure *failure)
{
    return source->next(source, ret_fetched, failure);
}

/* ---- blocks ---- */

static enum status next_listed(struct source *source, struct fetched *ret_fetched, struct failure *failure)
{
    if (source->position == source->blocks.height_count) {
        return STATUS_NOT_FOUND;
    }
    uint64_t height = source->blocks.heights[source->position++];
    enum status status = fetch_block(&source->fetch, height, source->blocks.parts, ret_fetched, failure);
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
    if (!fetch_asks_for_data(source->blocks.parts)) {
        return STATUS_OK;
    }
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
        uint64_t pruned = source->fetch.marks.blocks_pruned;
        uint64_t first = source->blocks.first > pruned ? source->blocks.first : pruned + 1;
        struct key from = key_of_height(source->fetch.chain, KEY_HEADER, first);
        struct key to = key_behind_height(source->fetch.chain, KEY_HEADER, source->blocks.last);
        if (first > source->blocks.last) {
            return STATUS_NOT_FOUND;
        }
        source->iterator = store_iterator_new_long(source->fetch.store, source->fetch.snapshot,
                                                   key_slice(&from), key_slice(&to));
    } else {
        store_iterator_next(source->iterator);
    }
    if (!store_iterator_valid(source->iterator)) {
        enum status status = store_iterator_status(source->iterator, failure);
        source->blocks.last = 0; /* asked again, it ends again */
        return status == STATUS_OK ? STATUS_NOT_FOUND : status;
    }
    uint64_t height;
    if (!key_read_height(store_iterator_key(source->iterator), &height)) {
        return failure_set(failure, STATUS_IO_ERROR, "damaged store: a block's key cannot be understood");
    }
    struct slice data;
    enum status status = data_at(source, height, &data, failure);
    if (status != STATUS_OK) {
        return status;
    }
    return fetch_block_of(&source->fetch, height, source->blocks.parts,
                          store_iterator_value(source->iterator), data, ret_fetched, failure);
}

struct source *source_of_blocks(const struct fetch *fetch, const struct source_blocks *blocks)
{
    struct source *source = source_new(fetch);
    source->blocks = *blocks;
    source->next = blocks->heights != NULL ? next_listed : next_in_range;
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
        struct key from = key_of_name(source->fetch.chain, KEY_METADATA, list_from(&source->list));
        struct key to = behind_prefix(source->fetch.chain, source->list.prefix);
        source->iterator =
            store_iterator_new(source->fetch.store, source->fetch.snapshot, key_slice(&from), key_slice(&to));
    }
    enum status status;
    do {
        status = next_merged(source, ret_fetched, failure);
    } while (status == STATUS_BUSY);
    if (!store_iterator_valid(source->iterator) &&
        store_iterator_status(source->iterator, failure) != STATUS_OK) {
        if (status == STATUS_OK) {
            free(ret_fetched->frame);
        }
        return STATUS_IO_ERROR;
    }
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
    while (source->queued_position < source->queued_count &&
           slice_compare(queued_name(&source->queued[source->queued_position]), from) < 0) {
        source->queued_position++;
    }
    return source;
}
