/* What an engine implements. Included by engines and by engine.c alone; the promises are engine.h's.
 *
 * An engine's own structs begin with these, so that engine.c finds the functions. */
#ifndef DAEMON_ENGINE_TYPE_H
#define DAEMON_ENGINE_TYPE_H

#include <stdatomic.h>

#include "daemon/engine/engine.h"

struct engine_type {
    struct engine_traits traits;
    enum engine_result (*look)(const char *path, struct failure *failure);
    enum engine_result (*open)(const struct engine_config *config, struct engine **ret_engine,
                               struct failure *failure);
    void (*close)(struct engine *engine, enum engine_close how);
    struct engine_point *(*point_take)(struct engine *engine);
    void (*point_free)(struct engine_point *point); /* after the last release; any thread */
    enum engine_result (*get)(struct engine *engine, struct engine_point *point, enum engine_reach reach,
                              struct slice key, struct engine_value *ret_value, struct failure *failure);
    struct engine_cursor *(*cursor_open)(struct engine *engine, struct engine_point *point,
                                         const struct engine_range *range);
    enum engine_result (*cursor_next)(struct engine_cursor *cursor, struct slice *ret_key,
                                      struct slice *ret_value, struct failure *failure);
    void (*cursor_park)(struct engine_cursor *cursor, bool repeats);
    void (*cursor_close)(struct engine_cursor *cursor);
    enum engine_outcome (*write)(struct engine *engine, struct engine_edit *edits, size_t count,
                                 enum engine_durability durability, struct failure *failure);
    enum engine_outcome (*sync)(struct engine *engine, struct failure *failure);
    enum engine_result (*reclaim)(struct engine *engine, struct slice from, struct slice to,
                                  struct failure *failure);
    void (*maintain)(struct engine *engine, uint64_t now_us, uint64_t *ret_next_us);
    void (*stop_maintenance)(struct engine *engine);
    void (*metrics)(struct engine *engine, engine_metric_fn *each, void *context);
};

struct engine {
    const struct engine_type *type;
};

struct engine_point {
    struct engine *engine;
    atomic_uint holders;
};

struct engine_cursor {
    struct engine *engine;
    struct engine_point *point; /* held by engine.c; NULL: as of its opening, which the engine sees to */
};

/* The engines there are. */
extern const struct engine_type engine_rocksdb;

#endif
