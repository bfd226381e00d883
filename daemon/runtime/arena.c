/* An arena's life: it starts with a budget and no memory, allocates chunks as pieces are asked for, and frees all of them in one
 * step. Nothing is moved or freed in between.
 *
 * Ways to fail: over budget, or malloc has none. Either way the call returns nothing and the arena stays as it was. */
#include "daemon/runtime/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>

struct arena_chunk {
    alignas(ARENA_ALIGNMENT) struct arena_chunk *older;
};

enum {
    CHUNK_BYTES_MIN = 1024, /* with its header; about the largest that malloc keeps in its per-thread lists */
    /* chunks double up to this; one for a larger piece is as large as it has to be */
    CHUNK_BYTES_MAX = 64 << 10,
};

static_assert(sizeof(struct arena_chunk) == ARENA_ALIGNMENT, "pieces behind the header are aligned");
static_assert(alignof(max_align_t) >= ARENA_ALIGNMENT, "malloc aligns chunks");

void arena_init(struct arena *arena, size_t budget)
{
    *arena = (struct arena){.budget = budget};
}

void arena_lend(struct arena *arena, void *memory, size_t bytes)
{
    assert(arena->next == NULL);                       /* or memory that is held would be out of reach */
    assert(arena->chunks == NULL && arena->used == 0); /* it is lent to start with */
    assert((uintptr_t)memory % ARENA_ALIGNMENT == 0);
    arena->next = memory;
    arena->end = arena->next + bytes;
}

static size_t budget_left(const struct arena *arena)
{
    assert(arena->held <= arena->budget); /* or the difference is nearly 2^64 */
    return arena->budget - arena->held;
}

size_t arena_room(const struct arena *arena)
{
    assert(arena->next <= arena->end);
    size_t here = (size_t)(arena->end - arena->next);
    size_t left = budget_left(arena);
    size_t fresh = left > sizeof(struct arena_chunk) ? left - sizeof(struct arena_chunk) : 0;
    return here > fresh ? here : fresh;
}

bool arena_reserve(struct arena *arena, size_t bytes)
{
    assert(arena->next <= arena->end); /* or the difference is a room of nearly 2^64 */
    if (bytes <= (size_t)(arena->end - arena->next)) {
        return true;
    }
    size_t left = budget_left(arena);
    if (left < sizeof(struct arena_chunk) || bytes > left - sizeof(struct arena_chunk)) {
        return false;
    }
    size_t chunk_bytes = sizeof(struct arena_chunk) + bytes;
    size_t wanted = arena->held < CHUNK_BYTES_MIN   ? CHUNK_BYTES_MIN
                    : arena->held > CHUNK_BYTES_MAX ? CHUNK_BYTES_MAX
                                                    : arena->held;
    if (chunk_bytes < wanted) {
        chunk_bytes = left < wanted ? left : wanted;
    }
    struct arena_chunk *chunk = malloc(chunk_bytes);
    if (chunk == NULL) {
        return false;
    }
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    arena->held += chunk_bytes;
    arena->next = (uint8_t *)(chunk + 1);
    arena->end = (uint8_t *)chunk + chunk_bytes;
    assert((size_t)(arena->end - arena->next) >= bytes && arena->held <= arena->budget);
    return true;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX - ARENA_ALIGNMENT) {
        return NULL;
    }
    size_t rounded =
        bytes == 0 ? ARENA_ALIGNMENT : (bytes + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
    if (rounded > (size_t)(arena->end - arena->next) && !arena_reserve(arena, rounded)) {
        return NULL;
    }
    uint8_t *piece = arena->next;
    assert((uintptr_t)piece % ARENA_ALIGNMENT == 0); /* callers store structs in it */
    arena->next += rounded;
    arena->used += rounded;
    return piece;
}

size_t arena_bytes(const struct arena *arena)
{
    assert(arena->held <= arena->budget);
    return arena->held;
}

void arena_close(struct arena *arena)
{
    if (arena == NULL) {
        return;
    }
    assert((arena->chunks == NULL) == (arena->held == 0)); /* all that was counted is freed here */
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct arena_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
    arena_init(arena, arena->budget);
}
