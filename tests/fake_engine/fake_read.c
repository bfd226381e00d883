/* The fake engine's reads: every byte that is lent is a copy of its own, so that AddressSanitizer sees who reads it too
 * long. */
#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "tests/fake_engine/fake_engine_internal.h"

struct fake_value {
    struct fake_engine *engine;
    uint8_t bytes[];
};

struct fake_cursor {
    struct engine_cursor base;
    struct fake_pin pin; /* its own also with a point, for engine.c holds that only after the opening */
    struct slice from, to;
    bool is_reverse;
    bool is_used;              /* a thread is in one of its functions */
    enum engine_result result; /* ENGINE_OK while it can go on */
    bool has_key;
    bool repeats;       /* has_key: the next move gives it once more */
    struct slice key;   /* has_key: where it stands */
    struct slice value; /* lent with the key; empty once given back */
};

static struct slice copy_of(struct slice bytes)
{
    return slice_of(memory_copy(bytes.data, bytes.bytes), bytes.bytes);
}

static void copy_free(struct slice *copy)
{
    free((void *)(uintptr_t)copy->data);
    *copy = slice_of(NULL, 0);
}

/* ---- reading ---- */

static void value_release(struct engine_value *value)
{
    struct fake_value *own = value->owner;
    struct fake_engine *engine = own->engine;
    fake_disk_lock(engine->disk);
    assert(engine->values > 0);
    engine->values--;
    fake_disk_unlock(engine->disk);
    free(own);
}

static void value_lend(struct fake_engine *engine, const struct fake_version *version,
                       struct engine_value *ret_value)
{
    struct fake_value *own = memory_raw(sizeof *own + version->value_bytes);
    own->engine = engine;
    if (version->value_bytes > 0) {
        memcpy(own->bytes, version->value, version->value_bytes);
    }
    engine->values++;
    *ret_value = (struct engine_value){
        .bytes = slice_of(own->bytes, version->value_bytes),
        .release = value_release,
        .owner = own,
    };
}

enum engine_result fake_get(struct engine *base, struct engine_point *point, enum engine_reach reach,
                            struct slice key, struct engine_value *ret_value, struct failure *failure)
{
    struct fake_engine *engine = fake_of(base);
    struct fake_disk *disk = engine->disk;
    fake_disk_lock(disk);
    bool faults[FAKE_FAULTS];
    fake_disk_begin(disk, FAKE_GET, reach == ENGINE_NO_IO, faults);
    const struct fake_version *version = fake_map_find(&disk->map, fake_number_of(engine, point), key);
    enum engine_result result = version == NULL ? ENGINE_NOT_FOUND : ENGINE_OK;
    if (faults[FAKE_FAILS]) {
        failure_set(failure, STATUS_IO_ERROR, "reading a key of %zu bytes: fault injected", key.bytes);
        result = ENGINE_FAILED;
    } else if (reach == ENGINE_NO_IO && (faults[FAKE_BLOCKS] || fake_disk_is_cold(disk, key))) {
        result = ENGINE_WOULD_BLOCK;
    } else if (version != NULL) {
        value_lend(engine, version, ret_value);
    }
    fake_disk_end(disk, FAKE_GET);
    fake_disk_unlock(disk);
    return result;
}

/* ---- cursors ---- */

struct engine_cursor *fake_cursor_open(struct engine *base, struct engine_point *point,
                                       const struct engine_range *range)
{
    struct fake_engine *engine = fake_of(base);
    struct fake_cursor *cursor = memory_new(sizeof *cursor);
    cursor->from = copy_of(range->from);
    cursor->to = copy_of(range->to);
    cursor->is_reverse = range->is_reverse;
    cursor->result = ENGINE_OK;
    fake_disk_lock(engine->disk);
    fake_pin(engine, &cursor->pin, fake_number_of(engine, point));
    engine->cursors++;
    fake_disk_unlock(engine->disk);
    return &cursor->base;
}

static const struct fake_version *cursor_find(const struct fake_map *map, const struct fake_cursor *cursor)
{
    const struct fake_version *found;
    if (cursor->repeats) {
        return fake_map_find(map, cursor->pin.number, cursor->key);
    }
    if (cursor->is_reverse) {
        found = fake_map_before(map, cursor->pin.number, cursor->has_key ? cursor->key : cursor->to);
        bool is_inside =
            found != NULL && slice_compare(slice_of(found->key, found->key_bytes), cursor->from) >= 0;
        return is_inside ? found : NULL;
    }
    found = fake_map_from(map, cursor->pin.number, cursor->has_key ? cursor->key : cursor->from,
                          !cursor->has_key);
    bool is_inside = found != NULL && slice_compare(slice_of(found->key, found->key_bytes), cursor->to) < 0;
    return is_inside ? found : NULL;
}

/* Under the lock, as what follows. */
static void cursor_move(struct fake_disk *disk, struct fake_cursor *cursor, struct failure *failure)
{
    bool faults[FAKE_FAULTS];
    fake_disk_begin(disk, FAKE_NEXT, false, faults);
    if (faults[FAKE_FAILS]) {
        failure_set(failure, STATUS_IO_ERROR, "reading the next key: fault injected");
        cursor->result = ENGINE_FAILED;
        return;
    }
    const struct fake_version *found = cursor_find(&disk->map, cursor);
    assert(found != NULL || !cursor->repeats);
    cursor->repeats = false;
    if (found == NULL) {
        cursor->result = ENGINE_NOT_FOUND;
        return;
    }
    copy_free(&cursor->key);
    copy_free(&cursor->value);
    cursor->has_key = true;
    cursor->key = copy_of(slice_of(found->key, found->key_bytes));
    cursor->value = copy_of(slice_of(found->value, found->value_bytes));
    fake_disk_end(disk, FAKE_NEXT);
}

enum engine_result fake_cursor_next(struct engine_cursor *base, struct slice *ret_key,
                                    struct slice *ret_value, struct failure *failure)
{
    struct fake_cursor *cursor = (struct fake_cursor *)base;
    struct fake_disk *disk = fake_of(base->engine)->disk;
    fake_disk_lock(disk);
    assert(!cursor->is_used && cursor->result != ENGINE_FAILED);
    cursor->is_used = true;
    if (cursor->result == ENGINE_OK) {
        cursor_move(disk, cursor, failure);
    }
    cursor->is_used = false;
    fake_disk_unlock(disk);
    if (cursor->result == ENGINE_OK) {
        *ret_key = cursor->key;
        *ret_value = cursor->value;
    }
    return cursor->result;
}

/* Its place lies elsewhere from here on, so that who still reads what it lent is seen. */
void fake_cursor_park(struct engine_cursor *base, bool repeats)
{
    struct fake_cursor *cursor = (struct fake_cursor *)base;
    struct fake_disk *disk = fake_of(base->engine)->disk;
    fake_disk_lock(disk);
    assert(!cursor->is_used);
    fake_disk_unlock(disk);
    struct slice place = copy_of(cursor->key);
    copy_free(&cursor->key);
    copy_free(&cursor->value);
    cursor->key = place;
    cursor->repeats = cursor->has_key && (cursor->repeats || repeats);
}

void fake_cursor_close(struct engine_cursor *base)
{
    struct fake_cursor *cursor = (struct fake_cursor *)base;
    struct fake_engine *engine = fake_of(base->engine);
    fake_disk_lock(engine->disk);
    assert(!cursor->is_used && engine->cursors > 0);
    fake_unpin(&cursor->pin);
    engine->cursors--;
    fake_disk_unlock(engine->disk);
    copy_free(&cursor->from);
    copy_free(&cursor->to);
    copy_free(&cursor->key);
    copy_free(&cursor->value);
    free(cursor);
}
