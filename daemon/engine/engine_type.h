/* What an engine implements: a function for each of engine.h's, with the promises that stand there. In place of cursors it has walks, of which
 * engine.c makes them. Engines and engine.c include this, and nobody else in the daemon.
 *
 * An engine's own structs begin with the structs below and are zeroed when they are made: engine.c keeps in them what it asserts
 * for every engine alike. The engine sets `engine.type` and `engine.found`, and nothing else in them. */
#ifndef DAEMON_ENGINE_TYPE_H
#define DAEMON_ENGINE_TYPE_H

#include <stdatomic.h>

#include "daemon/engine/engine.h"

struct engine_walk; /* the engine's */

struct engine_type {
    struct engine_traits traits;
    enum engine_result (*look)(const char *path, struct failure *failure);
    enum engine_result (*open)(const struct engine_config *config, struct engine **ret_engine,
                               struct failure *failure);
    void (*close)(struct engine *engine, enum engine_close how);
    void (*begin_run)(struct engine *engine, uint64_t run);
    struct engine_point *(*point_take)(struct engine *engine); /* any thread */
    void (*point_free)(struct engine_point *point);            /* after the last release; any thread */
    enum engine_result (*get)(struct engine *engine, struct engine_point *point, enum engine_reach reach,
                              struct slice key, struct engine_value *ret_value, struct failure *failure);
    /* A walk is what a cursor does between two parkings. The point is held and the range, which is not empty, stays until its close.
     * It may wait for the device from its opening on, not at its close, and is not moved once it has ended. */
    struct engine_walk *(*walk_open)(struct engine *engine, struct engine_point *point,
                                     const struct engine_range *range);
    enum engine_result (*walk_next)(struct engine_walk *walk, struct slice *ret_key, struct slice *ret_value,
                                    struct failure *failure);
    void (*walk_close)(struct engine_walk *walk);
    enum engine_outcome (*write)(struct engine *engine, struct engine_edit *edits, size_t count,
                                 enum engine_durability durability, struct failure *failure);
    enum engine_outcome (*sync)(struct engine *engine, struct failure *failure);
    bool (*background_failed)(struct engine *engine, struct failure *ret_failure);
    struct engine_space (*space)(struct engine *engine);
    void (*note_space)(struct engine *engine, enum engine_pressure pressure);
    enum engine_result (*reclaim)(struct engine *engine, struct slice from, struct slice to, bool is_quiet,
                                  uint64_t *ret_freed_bytes, struct failure *failure);
    enum engine_result (*range_bytes)(struct engine *engine, struct slice from, struct slice to,
                                      uint64_t *ret_bytes, struct failure *failure);
    void (*maintain)(struct engine *engine, uint64_t now_us, uint64_t *ret_next_us);
    void (*stop_maintenance)(struct engine *engine);
    void (*end_maintenance)(struct engine *engine);
    void (*metrics)(struct engine *engine, metrics_fn *each, void *context);
};

struct engine {
    /* fixed after start */
    const struct engine_type *type;
    struct engine_found
        found; /* if access is less than ENGINE_WRITES, engine.c passes on neither writes nor syncs */
    /* engine.c's, any thread */
    atomic_uint borrowed;       /* read points and cursors that are not given back */
    atomic_bool is_writing;     /* somebody is in a call that belongs to the writer, */
    atomic_bool is_reclaiming;  /* in engine_reclaim, */
    atomic_bool is_maintaining; /* in engine_maintain */
    atomic_bool has_ended;      /* a write or sync ended as ENGINE_UNKNOWN */
};

struct engine_point {
    struct engine *engine; /* set by engine.c, as what follows */
    atomic_uint holders;
};

/* The engines of the daemon; tests bring another. */
extern const struct engine_type engine_rocksdb;

#endif
