#include "daemon/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    return memory_or_abort(malloc(bytes == 0 ? 1 : bytes), bytes);
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
