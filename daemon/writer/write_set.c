/* A change's life: it lies in the set's arena, in order; a later one of its key supersedes it and leads back to it, so that
 * changes can be taken back from the newest on. All go at once with write_set_clear. The index by key has the newest change of
 * each key.
 *
 * The engine deletes ranges before it puts anything. So a change that a later range deletes is left out of the list, and the range
 * goes into it once, whatever comes before or behind it. */
#include "daemon/writer/write_set.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/arena.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/name_hash.h"
#include "daemon/runtime/thread.h"
#include "daemon/writer/ranges.h"

struct write_set_change {
    struct write_set_change *next;     /* made later */
    struct write_set_change *previous; /* made earlier */
    struct write_set_change *older;    /* of the same key, superseded by this one; NULL: none */
    struct slice value;
    uint64_t number; /* of all in the set, from 1 */
    bool present;
    bool is_superseded;
    UT_hash_handle hh; /* unless superseded */
    struct key key;    /* last: a change takes no more memory than its key has bytes */
};

/* Keys that are dropped, packed as engine_write takes them. */
struct write_set_drops {
    struct write_set_drops *previous; /* full */
    size_t bytes;
    uint8_t packed[];
};

enum {
    DROPS_BYTES = 256 << 10, /* of packed keys at a time */
    /* Changes: memory for a list of up to so many is kept for the next one. Chosen: 200 KiB. */
    LIST_KEPT_MAX = 4096,
};

struct write_set {
    /* fixed after start */
    struct engine *engine;
    /* writer thread only */
    struct arena arena;
    struct write_set_change *by_key;
    struct write_set_change *first; /* of all, by `next` */
    struct write_set_change *last;
    uint64_t change_count;
    struct ranges ranges;
    struct write_set_drops *drops; /* the last ones; NULL: none */
    size_t drops_count;
    size_t bytes;
    struct engine_edit *list;
    size_t list_capacity;
};

struct write_set *write_set_new(struct engine *engine)
{
    struct write_set *set = memory_new(sizeof *set);
    set->engine = engine;
    arena_init(&set->arena, SIZE_MAX / 2);
    return set;
}

void write_set_free(struct write_set *set)
{
    if (set == NULL) {
        return;
    }
    write_set_clear(set);
    ranges_close(&set->ranges);
    free(set->list);
    free(set);
}

void write_set_clear(struct write_set *set)
{
    assert(set->list != NULL || set->list_capacity == 0);
    HASH_CLEAR(hh, set->by_key);
    arena_close(&set->arena);
    set->first = NULL;
    set->last = NULL;
    set->change_count = 0;
    ranges_take_back(&set->ranges, 0);
    set->drops = NULL;
    set->drops_count = 0;
    set->bytes = 0;
    if (set->list_capacity > LIST_KEPT_MAX) {
        free(set->list);
        set->list = NULL;
        set->list_capacity = 0;
    }
}

static struct write_set_change *find_hashed(const struct write_set *set, const struct key *key, unsigned hash)
{
    struct write_set_change *change;
    HASH_FIND_BYHASHVALUE(hh, set->by_key, key->data, key->bytes, hash, change);
    return change;
}

static struct write_set_change *find(const struct write_set *set, const struct key *key)
{
    return find_hashed(set, key, name_hash(key->data, key->bytes));
}

/* Whether a range deletes what the change did; of no change (NULL), what the store has of the key. */
static bool is_deleted(const struct write_set *set, const struct key *key,
                       const struct write_set_change *change)
{
    uint64_t number;
    return set->ranges.added_count > 0 && ranges_have(&set->ranges, key_slice(key), &number) &&
           (change == NULL || change->number <= number);
}

enum status write_set_get(struct write_set *set, const struct key *key, struct engine_value *ret_value,
                          struct failure *failure)
{
    assert(thread_is(THREAD_WRITER)); /* it may wait for the device */
    const struct write_set_change *change = find(set, key);
    if (is_deleted(set, key, change) || (change != NULL && !change->present)) {
        return STATUS_NOT_FOUND;
    }
    if (change != NULL) {
        *ret_value = (struct engine_value){.bytes = change->value};
        return STATUS_OK;
    }
    switch (engine_get(set->engine, NULL, ENGINE_MAY_BLOCK, key_slice(key), ret_value, failure)) {
    case ENGINE_OK:
        return STATUS_OK;
    case ENGINE_NOT_FOUND:
        return STATUS_NOT_FOUND;
    default:
        return failure->status = STATUS_DAMAGED; /* whatever kept it from being read: nothing is changed */
    }
}

bool write_set_has(const struct write_set *set, const struct key *key)
{
    return find(set, key) != NULL;
}

static void *set_memory(struct write_set *set, size_t bytes)
{
    void *memory = arena_alloc(&set->arena, bytes);
    return memory != NULL ? memory : memory_raw(SIZE_MAX / 2); /* says so and ends */
}

static void add(struct write_set *set, const struct key *key, bool present, struct slice value)
{
    assert(thread_is(THREAD_WRITER));
    assert(key->bytes > 0 && key->bytes <= sizeof key->data);
    struct write_set_change *change =
        set_memory(set, offsetof(struct write_set_change, key.data) + key->bytes);
    unsigned hash = name_hash(key->data, key->bytes);
    struct write_set_change *older = find_hashed(set, key, hash);
    assert(older == NULL || !older->is_superseded); /* the index has the newest only */
    change->next = NULL;
    change->previous = set->last;
    change->older = older;
    change->value = value;
    change->number = ++set->change_count;
    change->present = present;
    change->is_superseded = false;
    change->key.bytes = key->bytes;
    memcpy(change->key.data, key->data, key->bytes);
    if (older != NULL) {
        older->is_superseded = true;
        HASH_DELETE(hh, set->by_key, older);
    }
    HASH_ADD_BYHASHVALUE(hh, set->by_key, key.data[0], key->bytes, hash, change);
    if (set->last == NULL) {
        set->first = change;
    } else {
        set->last->next = change;
    }
    set->last = change;
    set->bytes += key->bytes + value.bytes;
}

void write_set_put(struct write_set *set, const struct key *key, struct slice value)
{
    add(set, key, true, value);
}

uint8_t *write_set_put_new(struct write_set *set, const struct key *key, size_t bytes)
{
    uint8_t *value = set_memory(set, bytes);
    add(set, key, true, slice_of(value, bytes));
    return value;
}

void write_set_delete(struct write_set *set, const struct key *key)
{
    add(set, key, false, slice_of(NULL, 0));
}

void write_set_drop(struct write_set *set, const struct key *key)
{
    struct write_set_drops *drops = set->drops;
    assert(thread_is(THREAD_WRITER) && !write_set_has(set, key));
    if (drops == NULL || drops->bytes + ENGINE_PACKED_HEAD_BYTES + key->bytes > DROPS_BYTES) {
        drops = set_memory(set, offsetof(struct write_set_drops, packed) + DROPS_BYTES);
        drops->previous = set->drops;
        drops->bytes = 0;
        set->drops = drops;
        set->drops_count++;
    }
    assert(drops->bytes + ENGINE_PACKED_HEAD_BYTES + key->bytes <= DROPS_BYTES); /* the copy fits */
    uint8_t *end = engine_pack_key(drops->packed + drops->bytes, key_slice(key));
    drops->bytes = (size_t)(end - drops->packed);
    set->bytes += key->bytes;
}

static struct slice copy_of(struct write_set *set, const struct key *key)
{
    uint8_t *bytes = set_memory(set, key->bytes);
    memcpy(bytes, key->data, key->bytes);
    return slice_of(bytes, key->bytes);
}

void write_set_delete_range(struct write_set *set, const struct key *from, const struct key *to)
{
    assert(thread_is(THREAD_WRITER));
    ranges_add(&set->ranges, copy_of(set, from), copy_of(set, to), set->change_count);
    set->bytes += from->bytes + to->bytes;
}

struct write_set_mark write_set_mark(const struct write_set *set)
{
    size_t drop_bytes = set->drops != NULL ? set->drops->bytes : 0;
    return (struct write_set_mark){set->last,  set->change_count,       set->drops,
                                   drop_bytes, set->ranges.added_count, set->bytes};
}

void write_set_take_back(struct write_set *set, struct write_set_mark mark)
{
    assert(mark.change_count <= set->change_count && mark.bytes <= set->bytes); /* it was taken before */
    while (set->last != mark.last) {
        struct write_set_change *change = set->last;
        /* the mark is further back, and the index leads here */
        assert(change != NULL && !change->is_superseded);
        HASH_DELETE(hh, set->by_key, change);
        if (change->older != NULL) {
            struct write_set_change *older = change->older;
            older->is_superseded = false;
            HASH_ADD_BYHASHVALUE(hh, set->by_key, key.data[0], older->key.bytes, older->hh.hashv, older);
        }
        set->last = change->previous;
    }
    if (set->last == NULL) {
        set->first = NULL;
    } else {
        set->last->next = NULL;
    }
    while (set->drops != mark.drops) {
        assert(set->drops != NULL); /* the mark is further back */
        set->drops = set->drops->previous;
        set->drops_count--;
    }
    if (set->drops != NULL) {
        set->drops->bytes = mark.drop_bytes;
    }
    set->change_count = mark.change_count;
    ranges_take_back(&set->ranges, mark.range_count);
    set->bytes = mark.bytes;
}

size_t write_set_bytes(const struct write_set *set)
{
    return set->bytes;
}

size_t write_set_memory(const struct write_set *set)
{
    return arena_bytes(&set->arena);
}

void write_set_each(struct write_set *set, write_set_each_fn each, void *context)
{
    assert(thread_is(THREAD_WRITER));
    const struct write_set_change *end = set->last; /* of those that are there now */
    for (struct write_set_change *change = set->first; change != NULL;
         change = change == end ? NULL : change->next) {
        if (!change->is_superseded && !is_deleted(set, &change->key, change)) {
            struct key key = {.bytes = change->key.bytes};
            memcpy(key.data, change->key.data, change->key.bytes);
            each(context, &key, change->present, change->value);
        }
    }
}

static void make_room(struct write_set *set, size_t count)
{
    if (count > set->list_capacity) {
        set->list = memory_resize(set->list, count * sizeof set->list[0]);
        set->list_capacity = count;
    }
}

struct engine_edit *write_set_list(struct write_set *set, size_t *ret_count)
{
    size_t count = 0;
    make_room(set, set->ranges.added_count + set->drops_count + HASH_COUNT(set->by_key));
    for (size_t i = 0; i < set->ranges.added_count; i++) {
        const struct range *range = &set->ranges.added[i];
        set->list[count++] = (struct engine_edit){ENGINE_DELETE_RANGE, range->from, range->to};
    }
    for (const struct write_set_drops *drops = set->drops; drops != NULL; drops = drops->previous) {
        set->list[count++] =
            (struct engine_edit){.kind = ENGINE_DELETE_EACH, .value = slice_of(drops->packed, drops->bytes)};
    }
    for (const struct write_set_change *change = set->by_key; change != NULL; change = change->hh.next) {
        if (!is_deleted(set, &change->key, change)) {
            set->list[count++] = (struct engine_edit){change->present ? ENGINE_PUT : ENGINE_DELETE,
                                                      key_slice(&change->key), change->value};
        }
    }
    assert(count <= set->list_capacity); /* the index has as many as it counts */
    *ret_count = count;
    return set->list;
}
