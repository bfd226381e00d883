#include "tests/fake_engine/fake_engine.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/runtime/memory.h"
#include "tests/fake_engine/fake_engine_internal.h"

enum {
    MAINTAIN_STEPS_MAX = 3, /* after a reclaim */
    MAINTAIN_STEP_US = 1000,
};

struct fake_point {
    struct engine_point base;
    struct fake_pin pin;
};

struct fake_engine *fake_of(struct engine *engine)
{
    /* the fake, or a test's copy of it with calls of its own */
    assert(engine->type->open == engine_fake.open);
    return (struct fake_engine *)engine;
}

void fake_pin(struct fake_engine *engine, struct fake_pin *pin, uint64_t number)
{
    *pin = (struct fake_pin){.number = number, .next = engine->pins, .link = &engine->pins};
    if (pin->next != NULL) {
        pin->next->link = &pin->next;
    }
    engine->pins = pin;
}

void fake_unpin(struct fake_pin *pin)
{
    *pin->link = pin->next;
    if (pin->next != NULL) {
        pin->next->link = pin->link;
    }
}

/* Reads as of this number and above are all that can come, of this run and of one after a cut. */
static uint64_t oldest_number(const struct fake_engine *engine)
{
    uint64_t oldest = engine->disk->synced;
    for (const struct fake_pin *pin = engine->pins; pin != NULL; pin = pin->next) {
        oldest = pin->number < oldest ? pin->number : oldest;
    }
    return oldest;
}

void fake_collect(struct fake_engine *engine)
{
    fake_map_collect(&engine->disk->map, oldest_number(engine));
    engine->versions_collected = engine->disk->map.count;
}

/* ---- opening and closing ---- */

static enum engine_result fake_look(const char *path, struct failure *failure)
{
    struct fake_disk *disk = fake_disk_of(path, false);
    if (disk == NULL) {
        failure_set(failure, STATUS_IO_ERROR, "looking for a store in %s: nothing was ever written there",
                    path);
        return ENGINE_NOT_FOUND;
    }
    fake_disk_lock(disk);
    bool faults[FAKE_FAULTS];
    fake_disk_begin(disk, FAKE_LOOK, false, faults);
    enum engine_result result = ENGINE_OK;
    if (!disk->has_store) {
        failure_set(failure, STATUS_IO_ERROR, "looking for a store in %s: none was ever made there", path);
        result = ENGINE_NOT_FOUND;
    }
    if (faults[FAKE_FAILS]) {
        failure_set(failure, STATUS_IO_ERROR, "looking for a store in %s: fault injected", path);
        result = ENGINE_FAILED;
    }
    fake_disk_end(disk, FAKE_LOOK);
    fake_disk_unlock(disk);
    return result;
}

static enum engine_result open_disk(struct fake_disk *disk, bool create, struct engine **ret_engine,
                                    struct failure *failure)
{
    bool faults[FAKE_FAULTS];
    fake_disk_begin(disk, FAKE_OPEN, false, faults);
    if (faults[FAKE_FAILS]) {
        failure_set(failure, STATUS_IO_ERROR, "opening the store in %s: fault injected", disk->path);
        return ENGINE_FAILED;
    }
    if (disk->engine != NULL) {
        failure_set(failure, STATUS_IO_ERROR, "opening the store in %s: it is open", disk->path);
        return ENGINE_FAILED;
    }
    if (!disk->has_store && !create) {
        failure_set(failure, STATUS_IO_ERROR, "opening the store in %s: there is none", disk->path);
        return ENGINE_FAILED;
    }
    disk->has_store = true;
    fake_disk_recover(disk);
    struct fake_engine *engine = memory_new(sizeof *engine);
    engine->base.type = &engine_fake;
    engine->base.found.last_run = disk->run;
    engine->disk = disk;
    disk->engine = &engine->base;
    *ret_engine = &engine->base;
    fake_disk_end(disk, FAKE_OPEN);
    return ENGINE_OK;
}

static enum engine_result fake_open(const struct engine_config *config, struct engine **ret_engine,
                                    struct failure *failure)
{
    bool is_directory = access(config->path, W_OK) == 0;
    struct fake_disk *disk = fake_disk_of(config->path, config->create && is_directory);
    if (disk == NULL) {
        failure_set(failure, STATUS_IO_ERROR, "opening the store in %s: there is none", config->path);
        return ENGINE_FAILED;
    }
    fake_disk_lock(disk);
    enum engine_result result = open_disk(disk, config->create, ret_engine, failure);
    fake_disk_unlock(disk);
    return result;
}

static void fake_close(struct engine *base, enum engine_close how)
{
    (void)how;
    struct fake_engine *engine = fake_of(base);
    struct fake_disk *disk = engine->disk;
    fake_disk_lock(disk);
    assert(disk->engine == base);
    assert(engine->pins == NULL && engine->values == 0 && engine->walks == 0);
    assert(!engine->is_writing && !engine->is_reclaiming && !engine->is_maintaining);
    disk->engine = NULL;
    fake_disk_unlock(disk);
    free(engine);
}

/* ---- read points ---- */

static struct engine_point *fake_point_take(struct engine *base)
{
    struct fake_engine *engine = fake_of(base);
    struct fake_point *point = memory_new(sizeof *point);
    fake_disk_lock(engine->disk);
    fake_pin(engine, &point->pin, engine->disk->written);
    fake_disk_unlock(engine->disk);
    return &point->base;
}

static void fake_point_free(struct engine_point *base)
{
    struct fake_point *point = (struct fake_point *)base;
    struct fake_disk *disk = fake_of(base->engine)->disk;
    fake_disk_lock(disk);
    fake_unpin(&point->pin);
    fake_disk_unlock(disk);
    free(point);
}

uint64_t fake_number_of(const struct fake_engine *engine, struct engine_point *point)
{
    assert(point == NULL || point->engine == &engine->base);
    return point == NULL ? engine->disk->written : ((struct fake_point *)point)->pin.number;
}

static bool fake_background_failed(struct engine *base, struct failure *ret_failure)
{
    struct fake_disk *disk = fake_of(base)->disk;
    fake_disk_lock(disk);
    enum status status = disk->background_failure;
    bool has_failed = status != STATUS_OK;
    disk->background_failure = STATUS_OK;
    fake_disk_unlock(disk);
    if (has_failed) {
        failure_set(ret_failure, status, "merging what was written: fault injected");
    }
    return has_failed;
}

/* ---- space ---- */

/* It has no files: what it forgets counts as a byte each. */
static enum engine_result fake_reclaim(struct engine *base, struct slice from, struct slice to, bool is_quiet,
                                       uint64_t *ret_freed_bytes, struct failure *failure)
{
    (void)is_quiet; /* it collects all that nobody sees */
    struct fake_engine *engine = fake_of(base);
    struct fake_disk *disk = engine->disk;
    assert(slice_compare(from, to) <= 0);
    fake_disk_lock(disk);
    assert(!engine->is_reclaiming);
    engine->is_reclaiming = true;
    enum engine_result result = ENGINE_OK;
    uint64_t before = disk->map.count;
    if (!engine->is_stopped) {
        bool faults[FAKE_FAULTS];
        fake_disk_begin(disk, FAKE_RECLAIM, false, faults);
        if (faults[FAKE_FAILS]) {
            failure_set(failure, STATUS_IO_ERROR, "giving space back: fault injected");
            result = ENGINE_FAILED;
        } else {
            fake_collect(engine);
        }
        engine->maintain_steps = random_below(&disk->random[FAKE_RECLAIM], MAINTAIN_STEPS_MAX + 1);
        fake_disk_end(disk, FAKE_RECLAIM);
    }
    if (result == ENGINE_OK) {
        *ret_freed_bytes = before > disk->map.count ? before - disk->map.count : 0;
    }
    engine->is_reclaiming = false;
    fake_disk_unlock(disk);
    return result;
}

/* It lies in memory, and takes nothing of the file system. */
static struct engine_space fake_space(struct engine *base)
{
    struct fake_engine *engine = fake_of(base);
    fake_disk_lock(engine->disk);
    uint64_t newest = engine->disk->written, oldest = newest;
    for (const struct fake_pin *pin = engine->pins; pin != NULL; pin = pin->next) {
        oldest = pin->number < oldest ? pin->number : oldest;
    }
    fake_disk_unlock(engine->disk);
    return (struct engine_space){.newest_write = newest, .oldest_read = oldest};
}

/* It knows all of them, and need not guess. */
static enum engine_result fake_range_bytes(struct engine *base, struct slice from, struct slice to,
                                           uint64_t *ret_bytes, struct failure *failure)
{
    struct fake_disk *disk = fake_of(base)->disk;
    uint64_t bytes = 0;
    fake_disk_lock(disk);
    bool faults[FAKE_FAULTS];
    fake_disk_begin(disk, FAKE_NEXT, false, faults);
    const struct fake_version *found = fake_map_from(&disk->map, disk->written, from, true);
    while (found != NULL && slice_compare(slice_of(found->key, found->key_bytes), to) < 0) {
        bytes += found->key_bytes + found->value_bytes;
        found = fake_map_from(&disk->map, disk->written, slice_of(found->key, found->key_bytes), false);
    }
    if (faults[FAKE_FAILS]) {
        failure_set(failure, STATUS_IO_ERROR, "estimating a range: fault injected");
    } else {
        *ret_bytes = bytes;
    }
    fake_disk_end(disk, FAKE_NEXT);
    fake_disk_unlock(disk);
    return faults[FAKE_FAILS] ? ENGINE_FAILED : ENGINE_OK;
}

static void fake_maintain(struct engine *base, uint64_t now_us, uint64_t *ret_next_us)
{
    (void)now_us;
    struct fake_engine *engine = fake_of(base);
    struct fake_disk *disk = engine->disk;
    fake_disk_lock(disk);
    assert(!engine->is_maintaining);
    engine->is_maintaining = true;
    *ret_next_us = UINT64_MAX;
    if (!engine->is_stopped) {
        bool faults[FAKE_FAULTS];
        fake_disk_begin(disk, FAKE_MAINTAIN, false, faults);
        if (engine->maintain_steps > 0) {
            engine->maintain_steps--;
            *ret_next_us = MAINTAIN_STEP_US;
        }
        fake_disk_end(disk, FAKE_MAINTAIN);
    }
    engine->is_maintaining = false;
    fake_disk_unlock(disk);
}

static void fake_stop_maintenance(struct engine *base)
{
    struct fake_engine *engine = fake_of(base);
    fake_disk_lock(engine->disk);
    engine->is_stopped = true;
    for (int moment = 0; moment < FAKE_MOMENTS; moment++) {
        fake_disk_wake(engine->disk, FAKE_RECLAIM, moment);
        fake_disk_wake(engine->disk, FAKE_MAINTAIN, moment);
    }
    fake_disk_unlock(engine->disk);
}

static void fake_end_maintenance(struct engine *base)
{
    assert(fake_of(base)->is_stopped); /* what waited has gone on since */
}

static void fake_begin_run(struct engine *base, uint64_t run)
{
    fake_of(base)->disk->run = run;
}

static void fake_note_space(struct engine *base, enum engine_pressure pressure)
{
    (void)fake_of(base);
    (void)pressure; /* nothing is merged here */
}

static void fake_metrics(struct engine *base, metrics_fn *each, void *context)
{
    static const struct metric metrics[] = {
        {"keys", METRIC_GAUGE, "", "keys that are there"},
        {"value_bytes", METRIC_GAUGE, "bytes", "their values"},
        {"versions", METRIC_GAUGE, "", "all that was ever written and may still be read"},
        {"unsynced_writes", METRIC_GAUGE, "", "writes that a power cut may lose"},
    };
    struct fake_engine *engine = fake_of(base);
    struct fake_disk *disk = engine->disk;
    fake_disk_lock(disk);
    uint64_t bytes;
    uint64_t keys = fake_map_keys(&disk->map, disk->written, &bytes);
    uint64_t versions = disk->map.count;
    uint64_t unsynced = disk->written - disk->synced;
    fake_disk_unlock(disk);
    each(context, &metrics[0], keys);
    each(context, &metrics[1], bytes);
    each(context, &metrics[2], versions);
    each(context, &metrics[3], unsynced);
}

const struct engine_type engine_fake = {
    .traits = {.text = "fake engine, in memory, for tests", .reads_without_io = true},
    .look = fake_look,
    .open = fake_open,
    .close = fake_close,
    .begin_run = fake_begin_run,
    .point_take = fake_point_take,
    .point_free = fake_point_free,
    .get = fake_get,
    .walk_open = fake_walk_open,
    .walk_next = fake_walk_next,
    .walk_close = fake_walk_close,
    .write = fake_write,
    .sync = fake_sync,
    .background_failed = fake_background_failed,
    .space = fake_space,
    .note_space = fake_note_space,
    .reclaim = fake_reclaim,
    .range_bytes = fake_range_bytes,
    .maintain = fake_maintain,
    .stop_maintenance = fake_stop_maintenance,
    .end_maintenance = fake_end_maintenance,
    .metrics = fake_metrics,
};
