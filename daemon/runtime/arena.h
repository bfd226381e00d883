/* Memory for one request: many small pieces, freed together, never above a budget. An arena belongs to one thread at a time. */
#ifndef DAEMON_ARENA_H
#define DAEMON_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

enum { ARENA_ALIGNMENT = 16 };

struct arena_chunk;

/* Each piece takes its size rounded up to ARENA_ALIGNMENT; `used` is their sum. The budget bounds `held`: the chunks that
 * came from malloc, their headers and unused ends included. */
struct arena {
    size_t budget; /* bytes; fixed after arena_init */
    size_t held;   /* bytes */
    size_t used;   /* bytes */
    uint8_t *next; /* the free bytes of the newest chunk, or of the memory that was lent */
    uint8_t *end;
    struct arena_chunk *chunks; /* newest first */
};

/* Allocates nothing yet. */
void arena_init(struct arena *arena, size_t budget);

/* Lends it memory to start with, aligned to ARENA_ALIGNMENT: borrowed until arena_close, and not counted in the budget. To be
 * called directly after arena_init. */
void arena_lend(struct arena *arena, void *memory, size_t bytes);

/* Returns ARENA_ALIGNMENT-aligned memory, not cleared, that lives until arena_close; not NULL for 0 bytes. NULL when the
 * budget or malloc has no more; what was given out before stays. */
void *arena_alloc(struct arena *arena, size_t bytes) MUST_CHECK;

/* Makes sure that pieces of `bytes` in sum, each rounded up, can be given out without another chunk. False when the budget
 * or malloc has no more; arena_room tells which. */
bool arena_reserve(struct arena *arena, size_t bytes) MUST_CHECK;

/* How many bytes the budget allows to reserve now. */
size_t arena_room(const struct arena *arena);

/* Memory held from malloc. */
size_t arena_bytes(const struct arena *arena);

/* Frees everything at once; the arena is as after arena_init, with the same budget. Accepts NULL, zeroed and closed. */
void arena_close(struct arena *arena);

#endif
