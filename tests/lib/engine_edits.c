#include "tests/lib/engine_edits.h"

#include <check.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"

enum { CACHE_BYTES = 8 << 20 };

/* Frees what a slice of a list has. */
static void slice_free(struct slice slice)
{
    union {
        const uint8_t *in;
        void *out;
    } pointer = {.in = slice.data};
    free(pointer.out);
}

static struct slice slice_copy(struct slice slice)
{
    return slice_of(memory_copy(slice.data, slice.bytes), slice.bytes);
}

static void add(struct engine_edits *edits, enum engine_edit_kind kind, struct slice key, struct slice value)
{
    if (edits->count == edits->capacity) {
        edits->capacity = edits->capacity == 0 ? 16 : 2 * edits->capacity;
        edits->list = memory_resize(edits->list, edits->capacity * sizeof edits->list[0]);
    }
    edits->list[edits->count++] = (struct engine_edit){kind, slice_copy(key), slice_copy(value)};
}

void engine_edits_put(struct engine_edits *edits, struct slice key, struct slice value)
{
    add(edits, ENGINE_PUT, key, value);
}

void engine_edits_delete(struct engine_edits *edits, struct slice key)
{
    add(edits, ENGINE_DELETE, key, slice_of(NULL, 0));
}

void engine_edits_delete_range(struct engine_edits *edits, struct slice from, struct slice to)
{
    add(edits, ENGINE_DELETE_RANGE, from, to);
}

void engine_edits_write(struct engine_edits *edits, struct engine *engine)
{
    struct failure failure;
    enum engine_outcome outcome = engine_write(engine, edits->list, edits->count, ENGINE_LOGGED, &failure);
    ck_assert_msg(outcome == ENGINE_DONE, "%s", failure.text);
    engine_edits_clear(edits);
}

void engine_edits_clear(struct engine_edits *edits)
{
    for (size_t i = 0; i < edits->count; i++) {
        slice_free(edits->list[i].key);
        slice_free(edits->list[i].value);
    }
    free(edits->list);
    *edits = (struct engine_edits){0};
}

struct engine *engine_opened(const char *path, bool create)
{
    struct engine_config config = {.path = path, .create = create, .cache_bytes_max = CACHE_BYTES};
    struct engine *engine = NULL;
    struct failure failure;
    ck_assert_msg(engine_open(engine_default(), &config, &engine, &failure) == ENGINE_OK, "%s", failure.text);
    return engine;
}
