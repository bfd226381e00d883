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

struct fake_walk {
    struct fake_engine *engine;
    uint64_t number; /* it is as of that */
    struct slice from, to;
    bool is_reverse;
    bool is_used;              /* a thread is in one of its functions */
    enum engine_result result; /* ENGINE_OK while it can go on */
    bool has_key;
    struct slice key; /* has_key: where it stands; lent, as the value */
    struct slice value;
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

/* ---- walks ---- */

struct engine_walk *fake_walk_open(struct engine *base, struct engine_point *point,
                                   const struct engine_range *range)
{
    struct fake_engine *engine = fake_of(base);
    struct fake_walk *walk = memory_new(sizeof *walk);
    assert(slice_compare(range->from, range->to) < 0);
    walk->engine = engine;
    walk->from = copy_of(range->from);
    walk->to = copy_of(range->to);
    walk->is_reverse = range->is_reverse;
    walk->result = ENGINE_OK;
    fake_disk_lock(engine->disk);
    walk->number = fake_number_of(engine, point);
    engine->walks++;
    fake_disk_unlock(engine->disk);
    return (struct engine_walk *)walk;
}

static const struct fake_version *walk_find(const struct fake_map *map, const struct fake_walk *walk)
{
    const struct fake_version *found;
    if (walk->is_reverse) {
        found = fake_map_before(map, walk->number, walk->has_key ? walk->key : walk->to);
        bool is_inside =
            found != NULL && slice_compare(slice_of(found->key, found->key_bytes), walk->from) >= 0;
        return is_inside ? found : NULL;
    }
    found = fake_map_from(map, walk->number, walk->has_key ? walk->key : walk->from, !walk->has_key);
    bool is_inside = found != NULL && slice_compare(slice_of(found->key, found->key_bytes), walk->to) < 0;
    return is_inside ? found : NULL;
}

/* Under the lock. */
static void walk_move(struct fake_disk *disk, struct fake_walk *walk, struct failure *failure)
{
    bool faults[FAKE_FAULTS];
    fake_disk_begin(disk, FAKE_NEXT, false, faults);
    if (faults[FAKE_FAILS]) {
        failure_set(failure, STATUS_IO_ERROR, "reading the next key: fault injected");
        walk->result = ENGINE_FAILED;
        return;
    }
    const struct fake_version *found = walk_find(&disk->map, walk);
    if (found == NULL) {
        walk->result = ENGINE_NOT_FOUND;
        return;
    }
    copy_free(&walk->key);
    copy_free(&walk->value);
    walk->has_key = true;
    walk->key = copy_of(slice_of(found->key, found->key_bytes));
    walk->value = copy_of(slice_of(found->value, found->value_bytes));
    fake_disk_end(disk, FAKE_NEXT);
}

enum engine_result fake_walk_next(struct engine_walk *base, struct slice *ret_key, struct slice *ret_value,
                                  struct failure *failure)
{
    struct fake_walk *walk = (struct fake_walk *)base;
    struct fake_disk *disk = walk->engine->disk;
    fake_disk_lock(disk);
    assert(!walk->is_used && walk->result == ENGINE_OK);
    walk->is_used = true;
    walk_move(disk, walk, failure);
    walk->is_used = false;
    fake_disk_unlock(disk);
    if (walk->result == ENGINE_OK) {
        *ret_key = walk->key;
        *ret_value = walk->value;
    }
    return walk->result;
}

void fake_walk_close(struct engine_walk *base)
{
    struct fake_walk *walk = (struct fake_walk *)base;
    struct fake_engine *engine = walk->engine;
    fake_disk_lock(engine->disk);
    assert(!walk->is_used && engine->walks > 0);
    engine->walks--;
    fake_disk_unlock(engine->disk);
    copy_free(&walk->from);
    copy_free(&walk->to);
    copy_free(&walk->key);
    copy_free(&walk->value);
    free(walk);
}
