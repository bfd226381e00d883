/* An edit's life: it lies in the set's arena, in order; a later one of its key supersedes it and leads back to it, so that
 * edits can be taken back from the newest on. All go at once with edit_clear. */
#include "daemon/writer/edit.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/arena.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/name_hash.h"

struct edit {
    struct edit *next;     /* made later */
    struct edit *previous; /* made earlier */
    struct edit *older;    /* of the same key, superseded by this one; NULL: none */
    struct slice value;
    bool present;
    bool is_superseded;
    UT_hash_handle hh; /* unless superseded */
    struct key key;    /* last, so that only what it has is needed */
};

struct edit_range {
    struct key from;
    struct key to;
};

enum {
    EDIT_RANGES_MAX = 8,
    LIST_EDITS_KEPT = 4096, /* of memory that the next list finds */
};

struct edit_set {
    struct engine *engine;
    struct arena arena;
    struct edit *by_key;
    struct edit *first;
    struct edit *last;
    struct edit_range ranges[EDIT_RANGES_MAX];
    size_t range_count;
    size_t bytes;
    struct engine_edit *list;
    size_t list_capacity;
};

struct edit_set *edit_new(struct engine *engine)
{
    struct edit_set *edits = memory_new(sizeof *edits);
    edits->engine = engine;
    arena_init(&edits->arena, SIZE_MAX / 2);
    return edits;
}

void edit_free(struct edit_set *edits)
{
    if (edits == NULL) {
        return;
    }
    edit_clear(edits);
    free(edits->list);
    free(edits);
}

void edit_clear(struct edit_set *edits)
{
    HASH_CLEAR(hh, edits->by_key);
    arena_close(&edits->arena);
    edits->first = NULL;
    edits->last = NULL;
    edits->range_count = 0;
    edits->bytes = 0;
    if (edits->list_capacity > LIST_EDITS_KEPT) {
        free(edits->list);
        edits->list = NULL;
        edits->list_capacity = 0;
    }
}

static struct edit *find(const struct edit_set *edits, const struct key *key)
{
    struct edit *edit;
    HASH_FIND(hh, edits->by_key, key->data, key->bytes, edit);
    return edit;
}

enum status edit_get(struct edit_set *edits, const struct key *key, struct engine_value *ret_value,
                     struct failure *failure)
{
    const struct edit *edit = find(edits, key);
    if (edit != NULL && edit->present) {
        *ret_value = (struct engine_value){.bytes = edit->value};
        return STATUS_OK;
    }
    if (edit != NULL) {
        return STATUS_NOT_FOUND;
    }
    switch (engine_get(edits->engine, NULL, ENGINE_MAY_BLOCK, key_slice(key), ret_value, failure)) {
    case ENGINE_OK:
        return STATUS_OK;
    case ENGINE_NOT_FOUND:
        return STATUS_NOT_FOUND;
    default:
        failure->status = STATUS_IO_ERROR;
        return STATUS_IO_ERROR;
    }
}

bool edit_has(const struct edit_set *edits, const struct key *key)
{
    return find(edits, key) != NULL;
}

static void *edit_memory(struct edit_set *edits, size_t bytes)
{
    void *memory = arena_alloc(&edits->arena, bytes);
    return memory != NULL ? memory : memory_raw(SIZE_MAX / 2); /* says so and ends */
}

static void edit_add(struct edit_set *edits, const struct key *key, bool present, struct slice value)
{
    struct edit *edit = edit_memory(edits, offsetof(struct edit, key.data) + key->bytes);
    struct edit *older = find(edits, key);
    edit->next = NULL;
    edit->previous = edits->last;
    edit->older = older;
    edit->value = value;
    edit->present = present;
    edit->is_superseded = false;
    edit->key.bytes = key->bytes;
    memcpy(edit->key.data, key->data, key->bytes);
    if (older != NULL) {
        older->is_superseded = true;
        HASH_DELETE(hh, edits->by_key, older);
    }
    HASH_ADD(hh, edits->by_key, key.data[0], key->bytes, edit);
    if (edits->last == NULL) {
        edits->first = edit;
    } else {
        edits->last->next = edit;
    }
    edits->last = edit;
    edits->bytes += key->bytes + value.bytes;
}

void edit_put(struct edit_set *edits, const struct key *key, struct slice value)
{
    edit_add(edits, key, true, value);
}

uint8_t *edit_put_new(struct edit_set *edits, const struct key *key, size_t bytes)
{
    uint8_t *value = edit_memory(edits, bytes);
    edit_add(edits, key, true, slice_of(value, bytes));
    return value;
}

void edit_delete(struct edit_set *edits, const struct key *key)
{
    edit_add(edits, key, false, slice_of(NULL, 0));
}

void edit_delete_range(struct edit_set *edits, const struct key *from, const struct key *to)
{
    assert(edits->range_count < EDIT_RANGES_MAX);
    edits->ranges[edits->range_count++] = (struct edit_range){*from, *to};
}

struct edit_mark edit_mark(const struct edit_set *edits)
{
    return (struct edit_mark){edits->last, edits->range_count, edits->bytes};
}

void edit_take_back(struct edit_set *edits, struct edit_mark mark)
{
    while (edits->last != mark.last) {
        struct edit *edit = edits->last;
        HASH_DELETE(hh, edits->by_key, edit);
        if (edit->older != NULL) {
            struct edit *older = edit->older;
            older->is_superseded = false;
            HASH_ADD(hh, edits->by_key, key.data[0], older->key.bytes, older);
        }
        edits->last = edit->previous;
    }
    if (edits->last == NULL) {
        edits->first = NULL;
    } else {
        edits->last->next = NULL;
    }
    edits->range_count = mark.range_count;
    edits->bytes = mark.bytes;
}

size_t edit_bytes(const struct edit_set *edits)
{
    return edits->bytes;
}

void edit_each(struct edit_set *edits, edit_each_fn each, void *context)
{
    const struct edit *end = edits->last; /* of those that are there now */
    for (struct edit *edit = edits->first; edit != NULL; edit = edit == end ? NULL : edit->next) {
        if (!edit->is_superseded) {
            struct key key = {.bytes = edit->key.bytes};
            memcpy(key.data, edit->key.data, edit->key.bytes);
            each(context, &key, edit->present, edit->value);
        }
    }
}

static void make_room(struct edit_set *edits, size_t count)
{
    if (count > edits->list_capacity) {
        edits->list = memory_resize(edits->list, count * sizeof edits->list[0]);
        edits->list_capacity = count;
    }
}

struct engine_edit *edit_list(struct edit_set *edits, size_t *ret_count)
{
    size_t count = 0;
    make_room(edits, edits->range_count + HASH_COUNT(edits->by_key));
    for (size_t i = 0; i < edits->range_count; i++) {
        const struct edit_range *range = &edits->ranges[i];
        edits->list[count++] =
            (struct engine_edit){ENGINE_DELETE_RANGE, key_slice(&range->from), key_slice(&range->to)};
    }
    for (const struct edit *edit = edits->by_key; edit != NULL; edit = edit->hh.next) {
        edits->list[count++] = (struct engine_edit){edit->present ? ENGINE_PUT : ENGINE_DELETE,
                                                    key_slice(&edit->key), edit->value};
    }
    *ret_count = count;
    return edits->list;
}
