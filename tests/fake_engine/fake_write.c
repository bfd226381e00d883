/* The fake engine's writes: what they ask of their callers is asserted, and each is a number that reads go by. */
#include <assert.h>
#include <stdlib.h>

#include "tests/fake_engine/fake_engine_internal.h"

/* Versions are looked through when there are so many times what was left the last time, and some. */
enum { COLLECT_PARTS = 2, COLLECT_MIN = 256 };

static int by_kind_and_key(const void *left_, const void *right_)
{
    const struct engine_edit *left = left_, *right = right_;
    int is_left_range = left->kind == ENGINE_DELETE_RANGE,
        is_right_range = right->kind == ENGINE_DELETE_RANGE;
    int order = is_right_range - is_left_range;
    return order != 0 ? order : slice_compare(left->key, right->key);
}

/* Ranges first. Asserts what engine_write asks of a list. */
static void edits_sort(struct engine_edit *edits, size_t count)
{
    if (count > 0) {
        qsort(edits, count, sizeof *edits, by_kind_and_key);
    }
    for (size_t i = 0; i < count; i++) {
        bool is_range = edits[i].kind == ENGINE_DELETE_RANGE;
        assert(!is_range || slice_compare(edits[i].key, edits[i].value) <= 0);
        bool is_packed = edits[i].kind == ENGINE_DELETE_EACH;
        assert(is_range || is_packed || edits[i].kind == ENGINE_PUT || edits[i].kind == ENGINE_DELETE);
        assert(i == 0 || is_range || is_packed || edits[i - 1].kind == ENGINE_DELETE_RANGE ||
               !slice_equal(edits[i - 1].key, edits[i].key));
    }
}

static void delete_each(struct fake_map *map, uint64_t number, struct slice packed)
{
    for (struct slice key; engine_unpack_key(&packed, &key);) {
        fake_map_delete(map, number, key);
    }
}

static void edits_apply(struct fake_map *map, uint64_t number, const struct engine_edit *edits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        switch (edits[i].kind) {
        case ENGINE_PUT:
            fake_map_put(map, number, edits[i].key, edits[i].value);
            break;
        case ENGINE_DELETE:
            fake_map_delete(map, number, edits[i].key);
            break;
        case ENGINE_DELETE_RANGE:
            fake_map_delete_range(map, number, edits[i].key, edits[i].value);
            break;
        case ENGINE_DELETE_EACH:
            delete_each(map, number, edits[i].value);
            break;
        }
    }
}

/* The list may be reordered, so it is: nobody relies on its order by accident. */
static void edits_shuffle(struct random_source *random, struct engine_edit *edits, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t with = random_below(random, i);
        struct engine_edit edit = edits[i - 1];
        edits[i - 1] = edits[with];
        edits[with] = edit;
    }
}

static void writing_begin(struct fake_engine *engine)
{
    assert(!engine->is_writing && !engine->is_told);
    engine->is_writing = true;
}

static enum engine_outcome writing_end(struct fake_engine *engine, enum engine_outcome outcome)
{
    assert(engine->is_writing);
    engine->is_writing = false;
    engine->disk->is_over = engine->disk->is_over || outcome == ENGINE_UNKNOWN;
    engine->is_told = engine->is_told || outcome == ENGINE_UNKNOWN;
    return outcome;
}

enum engine_outcome fake_write(struct engine *base, struct engine_edit *edits, size_t count,
                               enum engine_durability durability, struct failure *failure)
{
    struct fake_engine *engine = fake_of(base);
    struct fake_disk *disk = engine->disk;
    edits_sort(edits, count);
    fake_disk_lock(disk);
    writing_begin(engine);
    bool faults[FAKE_FAULTS];
    fake_disk_begin(disk, FAKE_WRITE, false, faults);
    enum engine_outcome outcome = ENGINE_DONE;
    if (disk->is_over) {
        failure_set(failure, STATUS_IO_ERROR, "writing %zu edits: the run has ended", count);
        outcome = ENGINE_UNKNOWN;
    } else if (faults[FAKE_FAILS] || faults[FAKE_LACKS_MEMORY]) {
        failure_set(failure, faults[FAKE_FAILS] ? STATUS_NO_SPACE : STATUS_BUSY,
                    "writing %zu edits: fault injected, nothing was written", count);
        outcome = ENGINE_NOT_APPLIED;
    } else {
        edits_apply(&disk->map, ++disk->logged, edits, count);
        if (faults[FAKE_IN_DOUBT]) {
            failure_set(failure, STATUS_IO_ERROR, "writing %zu edits: fault injected, some are in the log",
                        count);
            outcome = ENGINE_UNKNOWN;
        } else {
            disk->written = disk->logged;
            disk->synced = durability == ENGINE_SYNCED ? disk->logged : disk->synced;
        }
    }
    edits_shuffle(&disk->random[FAKE_WRITE], edits, count);
    if (disk->map.count >= COLLECT_MIN + COLLECT_PARTS * engine->versions_collected) {
        fake_collect(engine);
    }
    fake_disk_end(disk, FAKE_WRITE);
    outcome = writing_end(engine, outcome);
    fake_disk_unlock(disk);
    return outcome;
}

enum engine_outcome fake_sync(struct engine *base, struct failure *failure)
{
    struct fake_engine *engine = fake_of(base);
    struct fake_disk *disk = engine->disk;
    fake_disk_lock(disk);
    writing_begin(engine);
    bool faults[FAKE_FAULTS];
    fake_disk_begin(disk, FAKE_SYNC, false, faults);
    enum engine_outcome outcome = ENGINE_DONE;
    if (disk->is_over || faults[FAKE_IN_DOUBT]) {
        const char *why = disk->is_over ? "the run has ended" : "fault injected";
        failure_set(failure, STATUS_IO_ERROR, "syncing the log: %s", why);
        outcome = ENGINE_UNKNOWN;
    } else {
        disk->synced = disk->written;
    }
    fake_disk_end(disk, FAKE_SYNC);
    outcome = writing_end(engine, outcome);
    fake_disk_unlock(disk);
    return outcome;
}
