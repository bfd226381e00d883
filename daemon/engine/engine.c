/* Each call goes to the engine's own function. Cursors are the exception: an engine has walks, which cannot be parked, and a cursor is made
 * of them here. What engine.h asks of its callers is asserted here, for every engine alike: who holds a read point, what is given back
 * before the close, which calls exclude each other, and that nothing is written once writing has ended. And each call that may have waited for the device is a heartbeat of the piece of work that it is part of. */
#include "daemon/engine/engine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine/engine_type.h"
#include "daemon/observe/heartbeat.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

/* Asserts that one thread at a time is in the calls that belong to one thread, as these have no lock. It notices a second thread only
 * while the first is inside. */
static void enter(atomic_bool *is_inside)
{
    assert(!atomic_load_explicit(is_inside, memory_order_relaxed));
    atomic_store_explicit(is_inside, true, memory_order_relaxed);
}

static void leave(atomic_bool *is_inside)
{
    assert(atomic_load_explicit(is_inside, memory_order_relaxed)); /* else another has left meanwhile */
    atomic_store_explicit(is_inside, false, memory_order_relaxed);
}

static void give_back(struct engine *engine)
{
    unsigned before = atomic_fetch_sub(&engine->borrowed, 1);
    assert(before > 0);
}

/* ---- opening and closing ---- */

const struct engine_type *engine_default(void)
{
    return &engine_rocksdb;
}

const struct engine_traits *engine_traits(const struct engine_type *type)
{
    return &type->traits;
}

enum engine_result engine_look(const struct engine_type *type, const char *path, struct failure *failure)
{
    enum engine_result result = type->look(path, failure);
    assert(result != ENGINE_WOULD_BLOCK); /* a start has no other way to find out */
    return result;
}

enum engine_result engine_open(const struct engine_type *type, const struct engine_config *config,
                               struct engine **ret_engine, struct failure *failure)
{
    enum engine_result result = type->open(config, ret_engine, failure);
    assert(result == ENGINE_OK || result == ENGINE_FAILED);
    assert(result != ENGINE_OK ||
           ((*ret_engine)->type == type && (*ret_engine)->found.access <= ENGINE_DOUBTS));
    return result;
}

const struct engine_found *engine_found(const struct engine *engine)
{
    return &engine->found;
}

void engine_begin_run(struct engine *engine, uint64_t run)
{
    assert(!thread_is(THREAD_WRITER) && !thread_is(THREAD_POOL));
    assert(run > engine->found.last_run); /* an older copy of what counts them was refused */
    engine->type->begin_run(engine, run);
}

void engine_close(struct engine *engine, enum engine_close how)
{
    if (engine == NULL) {
        return;
    }
    assert(atomic_load(&engine->borrowed) == 0); /* or a release would come to memory that is freed */
    assert(!atomic_load(&engine->is_writing) && !atomic_load(&engine->is_reclaiming) &&
           !atomic_load(&engine->is_maintaining));
    engine->type->close(engine, how);
}

/* ---- read points ---- */

static struct engine_point *take_point(struct engine *engine)
{
    struct engine_point *point = engine->type->point_take(engine);
    point->engine = engine;
    atomic_init(&point->holders, 1);
    atomic_fetch_add(&engine->borrowed, 1);
    return point;
}

struct engine_point *engine_point_take(struct engine *engine)
{
    assert(!thread_is(THREAD_POOL)); /* no write may come between the writer's and this */
    enter(&engine->is_writing);
    struct engine_point *point = take_point(engine);
    leave(&engine->is_writing);
    return point;
}

struct engine_point *engine_point_hold(struct engine_point *point)
{
    unsigned before = atomic_fetch_add(&point->holders, 1);
    assert(before > 0); /* else its last holder has given it back */
    return point;
}

void engine_point_release(struct engine_point *point)
{
    if (point == NULL) {
        return;
    }
    unsigned before = atomic_fetch_sub(&point->holders, 1);
    assert(before > 0);
    if (before == 1) {
        struct engine *engine = point->engine;
        engine->type->point_free(point);
        give_back(engine);
    }
}

/* Whether reads of the engine may go by the point: it is this engine's, and held. */
static bool is_readable(const struct engine *engine, struct engine_point *point)
{
    return point == NULL || (point->engine == engine && atomic_load(&point->holders) > 0);
}

/* ---- reading ---- */

enum engine_result engine_get(struct engine *engine, struct engine_point *point, enum engine_reach reach,
                              struct slice key, struct engine_value *ret_value, struct failure *failure)
{
    assert(is_readable(engine, point));
    enum engine_result result = engine->type->get(engine, point, reach, key, ret_value, failure);
    heartbeat_go_on();
    assert(result != ENGINE_WOULD_BLOCK || reach == ENGINE_NO_IO); /* who may block gets an answer */
    return result;
}

/* ---- cursors ---- */

/* A cursor's life:
 *
 * - Opened, it holds its bounds and its point, one of its own if it was given none.
 * - The first move opens a walk. Parked, it closes that, and what is left of its range begins or ends at the key it stood on; the next
 *   move opens another walk there.
 * - At the end, or where a move failed, it has no walk any more, and each further move says the same. */
struct engine_cursor {
    /* fixed after opening */
    struct engine *engine;
    struct engine_point *point; /* held */
    /* of the thread that uses it */
    atomic_bool is_used;       /* somebody is in one of its calls */
    enum engine_result result; /* of its last move: ENGINE_OK while it can go on */
    struct engine_walk *walk;  /* NULL: it has not begun, is parked, or has ended */
    struct slice key;          /* that the walk gave last */
    struct engine_range rest;  /* of the next walk; its bounds lie in what follows */
    uint8_t *position; /* the key it was parked on last, with a zero byte behind it; NULL: it never was */
    uint8_t bounds[];  /* of the whole */
};

static struct slice copy_bound(uint8_t *to, struct slice bound)
{
    if (bound.bytes > 0) {
        memcpy(to, bound.data, bound.bytes);
    }
    return slice_of(to, bound.bytes);
}

struct engine_cursor *engine_cursor_open(struct engine *engine, struct engine_point *point,
                                         const struct engine_range *range)
{
    assert(is_readable(engine, point));
    struct engine_cursor *cursor = memory_new(sizeof *cursor + range->from.bytes + range->to.bytes);
    cursor->engine = engine;
    cursor->point = point == NULL ? take_point(engine) : engine_point_hold(point);
    cursor->rest = *range;
    cursor->rest.from = copy_bound(cursor->bounds, range->from);
    cursor->rest.to = copy_bound(cursor->bounds + range->from.bytes, range->to);
    atomic_fetch_add(&engine->borrowed, 1);
    return cursor;
}

static void close_walk(struct engine_cursor *cursor)
{
    assert(atomic_load(&cursor->is_used)); /* no move is under way that goes by it */
    if (cursor->walk != NULL) {
        cursor->engine->type->walk_close(cursor->walk);
        cursor->walk = NULL;
    }
}

static enum engine_result move(struct engine_cursor *cursor, struct slice *ret_key, struct slice *ret_value,
                               struct failure *failure)
{
    const struct engine_type *type = cursor->engine->type;
    if (cursor->walk == NULL) {
        if (slice_compare(cursor->rest.from, cursor->rest.to) >= 0) {
            return ENGINE_NOT_FOUND;
        }
        cursor->walk = type->walk_open(cursor->engine, cursor->point, &cursor->rest);
    }
    enum engine_result result = type->walk_next(cursor->walk, &cursor->key, ret_value, failure);
    assert(result != ENGINE_WOULD_BLOCK); /* callers know no such end of a move */
    if (result == ENGINE_OK) {
        *ret_key = cursor->key;
    } else {
        close_walk(cursor);
    }
    return result;
}

enum engine_result engine_cursor_next(struct engine_cursor *cursor, struct slice *ret_key,
                                      struct slice *ret_value, struct failure *failure)
{
    enter(&cursor->is_used);
    enum engine_result result = cursor->result;
    if (result == ENGINE_OK) {
        result = cursor->result = move(cursor, ret_key, ret_value, failure);
        heartbeat_go_on();
    } else if (result == ENGINE_FAILED) {
        failure_set(failure, STATUS_IO_ERROR, "reading a range of keys: it failed before");
    }
    leave(&cursor->is_used);
    return result;
}

void engine_cursor_park(struct engine_cursor *cursor, bool repeats)
{
    enter(&cursor->is_used);
    if (cursor->walk != NULL) {
        assert(cursor->result == ENGINE_OK); /* else the walk was closed */
        size_t bytes = cursor->key.bytes;
        uint8_t *position = memory_new(bytes + 1);
        (void)copy_bound(position, cursor->key);
        close_walk(cursor);
        free(cursor->position);
        cursor->position = position;
        if (cursor->rest
                .is_reverse) { /* nothing lies between a key and the same with a zero byte behind it */
            cursor->rest.to = slice_of(position, bytes + repeats);
        } else {
            cursor->rest.from = slice_of(position, bytes + !repeats);
        }
    }
    leave(&cursor->is_used);
}

void engine_cursor_close(struct engine_cursor *cursor)
{
    if (cursor == NULL) {
        return;
    }
    struct engine *engine = cursor->engine;
    enter(&cursor->is_used);
    close_walk(cursor);
    engine_point_release(cursor->point);
    free(cursor->position);
    free(cursor);
    give_back(engine);
}

/* ---- writing ---- */

static enum engine_outcome end_writing(struct engine *engine, enum engine_outcome outcome)
{
    heartbeat_go_on();
    if (outcome == ENGINE_UNKNOWN) {
        atomic_store(&engine->has_ended, true);
    }
    leave(&engine->is_writing);
    return outcome;
}

static enum engine_outcome refuse_to_write(struct failure *failure)
{
    failure_set(failure, STATUS_NO_SPACE,
                "the store could only be opened for reading, as there is no space on its file system: free "
                "some, and it is opened for writing");
    return ENGINE_NOT_APPLIED;
}

enum engine_outcome engine_write(struct engine *engine, struct engine_edit *edits, size_t count,
                                 enum engine_durability durability, struct failure *failure)
{
    assert(!thread_is(THREAD_POOL));
    assert(!atomic_load(&engine->has_ended)); /* after a write of unknown outcome nothing more is written */
    if (engine->found.access != ENGINE_WRITES) {
        return refuse_to_write(failure);
    }
    enter(&engine->is_writing);
    return end_writing(engine, engine->type->write(engine, edits, count, durability, failure));
}

enum engine_outcome engine_sync(struct engine *engine, struct failure *failure)
{
    assert(!thread_is(THREAD_POOL));
    assert(!atomic_load(&engine->has_ended)); /* a sync behind a failed one succeeds and means nothing */
    if (engine->found.access != ENGINE_WRITES) {
        assert(engine->found.access == ENGINE_READS); /* nobody may take the other one for a success */
        return ENGINE_DONE;
    }
    enter(&engine->is_writing);
    enum engine_outcome outcome = end_writing(engine, engine->type->sync(engine, failure));
    assert(outcome != ENGINE_NOT_APPLIED); /* a sync has nothing that could be left out */
    return outcome;
}

bool engine_background_failed(struct engine *engine, struct failure *ret_failure)
{
    assert(!thread_is(THREAD_POOL));
    bool has_failed = engine->type->background_failed(engine, ret_failure);
    assert(!has_failed || ret_failure->status == STATUS_DAMAGED || ret_failure->status == STATUS_IO_ERROR ||
           ret_failure->status == STATUS_NO_SPACE);
    return has_failed;
}

/* ---- space ---- */

struct engine_space engine_space(struct engine *engine)
{
    struct engine_space space = engine->type->space(engine);
    assert(space.closed_bytes <= space.unflushed_bytes); /* they are part of them */
    assert(space.oldest_read <= space.newest_write);     /* nobody reads what is not written yet */
    return space;
}

void engine_note_space(struct engine *engine, enum engine_pressure pressure)
{
    engine->type->note_space(engine, pressure);
}

enum engine_result engine_reclaim(struct engine *engine, struct slice from, struct slice to, bool is_quiet,
                                  uint64_t *ret_freed_bytes, struct failure *failure)
{
    assert(!thread_is(THREAD_LOOP) && !thread_is(THREAD_WRITER)); /* it may take minutes */
    assert(slice_compare(from, to) <= 0);
    assert(engine->found.access == ENGINE_WRITES); /* it writes what is left anew */
    enter(&engine->is_reclaiming);
    enum engine_result result = engine->type->reclaim(engine, from, to, is_quiet, ret_freed_bytes, failure);
    assert(result == ENGINE_OK || result == ENGINE_FAILED);
    leave(&engine->is_reclaiming);
    return result;
}

enum engine_result engine_range_bytes(struct engine *engine, struct slice from, struct slice to,
                                      uint64_t *ret_bytes, struct failure *failure)
{
    assert(!thread_is(THREAD_LOOP) && !thread_is(THREAD_WRITER)); /* it waits for the device */
    assert(slice_compare(from, to) <= 0);
    enum engine_result result = engine->type->range_bytes(engine, from, to, ret_bytes, failure);
    assert(result == ENGINE_OK || result == ENGINE_FAILED);
    return result;
}

void engine_maintain(struct engine *engine, uint64_t now_us, uint64_t *ret_next_us)
{
    assert(!thread_is(THREAD_LOOP) && !thread_is(THREAD_WRITER)); /* it waits for the device */
    enter(&engine->is_maintaining);
    engine->type->maintain(engine, now_us, ret_next_us);
    leave(&engine->is_maintaining);
}

void engine_stop_maintenance(struct engine *engine)
{
    engine->type->stop_maintenance(engine);
}

void engine_end_maintenance(struct engine *engine)
{
    engine->type->end_maintenance(engine);
}

void engine_metrics(struct engine *engine, metrics_fn *each, void *context)
{
    engine->type->metrics(engine, each, context);
}
