/* What the files of the fake engine share. */
#ifndef TESTS_FAKE_ENGINE_INTERNAL_H
#define TESTS_FAKE_ENGINE_INTERNAL_H

#include "tests/fake_engine/fake_disk_internal.h"
#include "tests/fake_engine/fake_engine.h"

/* All under the disk's lock, but what is fixed. */
struct fake_engine {
    struct engine base;
    struct fake_disk *disk;    /* fixed */
    struct fake_pin *pins;     /* what points keep */
    unsigned values, walks;    /* not given back */
    bool is_writing;           /* somebody is in a write or a sync */
    bool is_reclaiming;        /* somebody is in engine_reclaim */
    bool is_maintaining;       /* somebody is in engine_maintain */
    bool is_stopped;           /* engine_stop_maintenance was called */
    bool is_told;              /* a write or sync ended as ENGINE_UNKNOWN: none may follow */
    uint64_t maintain_steps;   /* left of the last reclaim */
    size_t versions_collected; /* what the last collection left */
};

/* Reads as of `number` are still to come. In the engine's list. */
struct fake_pin {
    uint64_t number;
    struct fake_pin *next, **link;
};

struct fake_engine *fake_of(struct engine *engine);

/* Under the disk's lock. */
void fake_pin(struct fake_engine *engine, struct fake_pin *pin, uint64_t number);
void fake_unpin(struct fake_pin *pin);
/* What a read with that point, or NULL, goes by. */
uint64_t fake_number_of(const struct fake_engine *engine, struct engine_point *point);
/* Forgets what nobody can read any more. */
void fake_collect(struct fake_engine *engine);

/* fake_read.c */
enum engine_result fake_get(struct engine *base, struct engine_point *point, enum engine_reach reach,
                            struct slice key, struct engine_value *ret_value, struct failure *failure);
struct engine_walk *fake_walk_open(struct engine *base, struct engine_point *point,
                                   const struct engine_range *range);
enum engine_result fake_walk_next(struct engine_walk *base, struct slice *ret_key, struct slice *ret_value,
                                  struct failure *failure);
void fake_walk_close(struct engine_walk *base);

/* fake_write.c */
enum engine_outcome fake_write(struct engine *base, struct engine_edit *edits, size_t count,
                               enum engine_durability durability, struct failure *failure);
enum engine_outcome fake_sync(struct engine *base, struct failure *failure);

#endif
