#include "daemon/edit.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/memory.h"
#include "daemon/name_hash.h"

struct edit {
    struct slice value;
    uint8_t *taken; /* what value lies in, if it is ours */
    bool present;
    UT_hash_handle hh;
    struct key key;
};

struct edit_range {
    struct key from;
    struct key to;
};

enum { EDIT_RANGES_MAX = 8 };

struct edit_set {
    struct store *store;
    struct edit *edits; /* by key, and in order of first edit */
    struct edit_range ranges[EDIT_RANGES_MAX];
    size_t range_count;
};

struct edit_set *edit_new(struct store *store)
{
    struct edit_set *edits = memory_new(sizeof *edits);
    edits->store = store;
    return edits;
}

void edit_free(struct edit_set *edits)
{
    if (edits == NULL) {
        return;
    }
    edit_clear(edits);
    free(edits);
}

void edit_clear(struct edit_set *edits)
{
    struct edit *edit;
    struct edit *next;
    HASH_ITER(hh, edits->edits, edit, next)
    {
        HASH_DEL(edits->edits, edit);
        free(edit->taken);
        free(edit);
    }
    edits->range_count = 0;
}

static struct edit *find(const struct edit_set *edits, const struct key *key)
{
    struct edit *edit;
    HASH_FIND(hh, edits->edits, key->data, key->bytes, edit);
    return edit;
}

enum status edit_get(struct edit_set *edits, const struct key *key, struct store_value *ret_value,
                     struct failure *failure)
{
    const struct edit *edit = find(edits, key);
    if (edit == NULL) {
        return store_get(edits->store, NULL, STORE_DEVICE, key_slice(key), ret_value, failure);
    }
    if (!edit->present) {
        return STATUS_NOT_FOUND;
    }
    *ret_value = (struct store_value){edit->value, NULL};
    return STATUS_OK;
}

bool edit_has(const struct edit_set *edits, const struct key *key)
{
    return find(edits, key) != NULL;
}

static void edit_set_value(struct edit_set *edits, const struct key *key, bool present, struct slice value,
                           uint8_t *taken)
{
    struct edit *edit = find(edits, key);
    if (edit == NULL) {
        /* the key lies last, so that only what it has is needed */
        edit = memory_raw(sizeof *edit - sizeof edit->key.data + key->bytes);
        edit->key.bytes = key->bytes;
        memcpy(edit->key.data, key->data, key->bytes);
        edit->taken = NULL;
        HASH_ADD(hh, edits->edits, key.data[0], key->bytes, edit);
    }
    free(edit->taken);
    edit->present = present;
    edit->value = value;
    edit->taken = taken;
}

void edit_put(struct edit_set *edits, const struct key *key, struct slice value)
{
    edit_set_value(edits, key, true, value, NULL);
}

void edit_put_taken(struct edit_set *edits, const struct key *key, uint8_t *value, size_t bytes)
{
    edit_set_value(edits, key, true, slice_of(value, bytes), value);
}

void edit_delete(struct edit_set *edits, const struct key *key)
{
    edit_set_value(edits, key, false, slice_of(NULL, 0), NULL);
}

void edit_delete_range(struct edit_set *edits, const struct key *from, const struct key *to)
{
    assert(edits->range_count < EDIT_RANGES_MAX);
    edits->ranges[edits->range_count++] = (struct edit_range){*from, *to};
}

void edit_each(struct edit_set *edits, edit_each_fn each, void *context)
{
    for (struct edit *edit = edits->edits; edit != NULL; edit = edit->hh.next) {
        struct key key = {.bytes = edit->key.bytes};
        memcpy(key.data, edit->key.data, edit->key.bytes);
        each(context, &key, edit->present, edit->value);
    }
}

void edit_build(const struct edit_set *edits, struct store_batch *batch)
{
    for (size_t i = 0; i < edits->range_count; i++) {
        store_batch_delete_range(batch, key_slice(&edits->ranges[i].from), key_slice(&edits->ranges[i].to));
    }
    for (const struct edit *edit = edits->edits; edit != NULL; edit = edit->hh.next) {
        if (edit->present) {
            store_batch_put(batch, key_slice(&edit->key), edit->value);
        } else {
            store_batch_delete(batch, key_slice(&edit->key));
        }
    }
}
