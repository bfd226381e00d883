/* A region's life: blocks of a fixed size are added as they fill; a piece too large for one gets a block of its own; all blocks
 * are freed at once. Without memory the process ends. */
#include "client/tool/region.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "client/tool/fatal.h"

enum {
    BLOCK_BYTES = 1 << 20, /* chosen: the values of nearly every command line fit one */
};

struct region_block {
    struct region_block *next;
    alignas(max_align_t) unsigned char memory[];
};

static void block_add(struct region *region, size_t size)
{
    size_t capacity = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    struct region_block *block = calloc(1, sizeof *block + capacity);
    if (block == NULL) {
        fatal("not enough memory");
    }
    assert(region->used <= region->capacity); /* what is left of the block before it is given up */
    block->next = region->blocks;
    region->blocks = block;
    region->used = 0;
    region->capacity = capacity;
}

void *region_allocate(struct region *region, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total) || total > SIZE_MAX / 4) {
        fatal("not enough memory");
    }
    total = (total + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    if (region->blocks == NULL || region->capacity - region->used < total) {
        block_add(region, total);
    }
    assert(region->used % alignof(max_align_t) == 0 && region->used + total <= region->capacity);
    void *piece = region->blocks->memory + region->used;
    region->used += total;
    return piece;
}

void region_close(struct region *region)
{
    while (region->blocks != NULL) {
        struct region_block *next = region->blocks->next;
        free(region->blocks);
        region->blocks = next;
    }
    *region = (struct region){0};
}
