/* Each call goes to the engine's own function. Who holds a read point is counted here, for all engines
 * alike. */
#include "daemon/engine/engine.h"

#include <assert.h>

#include "daemon/engine/engine_type.h"

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
    return type->look(path, failure);
}

enum engine_result engine_open(const struct engine_type *type, const struct engine_config *config,
                               struct engine **ret_engine, struct failure *failure)
{
    enum engine_result result = type->open(config, ret_engine, failure);
    assert(result != ENGINE_OK || (*ret_engine)->type == type);
    return result;
}

void engine_close(struct engine *engine, enum engine_close how)
{
    if (engine != NULL) {
        engine->type->close(engine, how);
    }
}

struct engine_point *engine_point_take(struct engine *engine)
{
    struct engine_point *point = engine->type->point_take(engine);
    point->engine = engine;
    atomic_init(&point->holders, 1);
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
        point->engine->type->point_free(point);
    }
}

enum engine_result engine_get(struct engine *engine, struct engine_point *point, enum engine_reach reach,
                              struct slice key, struct engine_value *ret_value, struct failure *failure)
{
    enum engine_result result = engine->type->get(engine, point, reach, key, ret_value, failure);
    assert(result != ENGINE_WOULD_BLOCK || reach == ENGINE_NO_IO); /* who may block gets an answer */
    return result;
}

struct engine_cursor *engine_cursor_open(struct engine *engine, struct engine_point *point,
                                         const struct engine_range *range)
{
    struct engine_cursor *cursor = engine->type->cursor_open(engine, point, range);
    cursor->engine = engine;
    cursor->point = point == NULL ? NULL : engine_point_hold(point);
    return cursor;
}

enum engine_result engine_cursor_next(struct engine_cursor *cursor, struct slice *ret_key,
                                      struct slice *ret_value, struct failure *failure)
{
    return cursor->engine->type->cursor_next(cursor, ret_key, ret_value, failure);
}

void engine_cursor_park(struct engine_cursor *cursor, bool repeats)
{
    cursor->engine->type->cursor_park(cursor, repeats);
}

void engine_cursor_close(struct engine_cursor *cursor)
{
    if (cursor != NULL) {
        struct engine_point *point = cursor->point;
        cursor->engine->type->cursor_close(cursor);
        engine_point_release(point);
    }
}

enum engine_outcome engine_write(struct engine *engine, struct engine_edit *edits, size_t count,
                                 enum engine_durability durability, struct failure *failure)
{
    return engine->type->write(engine, edits, count, durability, failure);
}

enum engine_outcome engine_sync(struct engine *engine, struct failure *failure)
{
    return engine->type->sync(engine, failure);
}

enum engine_result engine_reclaim(struct engine *engine, struct slice from, struct slice to,
                                  struct failure *failure)
{
    return engine->type->reclaim(engine, from, to, failure);
}

void engine_maintain(struct engine *engine, uint64_t now_us, uint64_t *ret_next_us)
{
    engine->type->maintain(engine, now_us, ret_next_us);
}

void engine_stop_maintenance(struct engine *engine)
{
    engine->type->stop_maintenance(engine);
}

void engine_metrics(struct engine *engine, engine_metric_fn *each, void *context)
{
    engine->type->metrics(engine, each, context);
}
