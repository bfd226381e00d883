#include "daemon/runtime/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/huge_pages.h"

enum {
    MAPPED_BYTES = 8 << 20,
};

void memory_init(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, 2 * MAPPED_BYTES);
}

static void *memory_or_abort(void *block, size_t bytes)
{
    if (block == NULL) {
        fprintf(stderr, "cairnd: out of memory: %zu bytes could not be had\n", bytes);
        abort();
    }
    return block;
}

void *memory_new(size_t bytes)
{
    return memory_or_abort(calloc(1, bytes == 0 ? 1 : bytes), bytes);
}

void *memory_raw(size_t bytes)
{
    void *block = memory_or_abort(malloc(bytes == 0 ? 1 : bytes), bytes);
    huge_pages_prefer(block, bytes);
    return block;
}

void *memory_resize(void *block, size_t bytes)
{
    return memory_or_abort(realloc(block, bytes == 0 ? 1 : bytes), bytes);
}

void *memory_copy(const void *source, size_t bytes)
{
    void *copy = memory_raw(bytes);
    if (bytes > 0) {
        memcpy(copy, source, bytes);
    }
    return copy;
}
