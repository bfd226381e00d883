/* A block's life: it is taken here and freed with free(). A large one is mapped by itself and returns to the system at once.
 *
 * Way to fail: without memory the process says so on stderr, which log_start keeps from waiting for long, and aborts; recovery decides what
 * the store holds. */
#include "daemon/runtime/memory.h"

#include <assert.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/huge_pages.h"

/* A block from this size on is mapped by itself, so that free() returns it to the system; a map costs little beside filling so
 * much. With eight clients that commit blocks of 64 MB the daemon held 490 MiB so, and 931 MiB without. */
enum { MAPPED_BYTES_MIN = 8 << 20 };

/* Up to this malloc keeps freed blocks at hand for their thread. calloc() takes none of these before glibc 2.41; measured, of 200 bytes
 * cleared and freed: 400 instructions with it, 180 so. */
enum { CACHED_BYTES_MAX = 1024 };

void memory_init(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, 2 * MAPPED_BYTES_MIN);
}

static void *memory_or_abort(void *block, size_t bytes)
{
    if (block == NULL) {
        fprintf(stderr, "cairnd: out of memory: %zu bytes could not be allocated\n", bytes);
        abort();
    }
    return block;
}

void *memory_new(size_t bytes)
{
    assert(bytes <= PTRDIFF_MAX); /* a difference that went below zero is a mistake, not a lack of memory */
    if (bytes > CACHED_BYTES_MAX) {
        return memory_or_abort(calloc(1, bytes), bytes);
    }
    void *volatile block = malloc(bytes == 0 ? 1 : bytes); /* volatile: the compiler would make it calloc() */
    return memset(memory_or_abort(block, bytes), 0, bytes);
}

void *memory_try_raw(size_t bytes)
{
    assert(bytes <= PTRDIFF_MAX);
    void *block = malloc(bytes == 0 ? 1 : bytes);
    if (block != NULL) {
        huge_pages_prefer(block, bytes);
    }
    return block;
}

bool memory_has(size_t bytes)
{
    assert(bytes <= PTRDIFF_MAX);
    void *volatile block = malloc(bytes); /* volatile: the compiler must not take the pair for nothing */
    bool has = block != NULL;
    free(block);
    return has;
}

void *memory_raw(size_t bytes)
{
    return memory_or_abort(memory_try_raw(bytes), bytes);
}

void *memory_resize(void *block, size_t bytes)
{
    assert(bytes <= PTRDIFF_MAX);
    return memory_or_abort(realloc(block, bytes == 0 ? 1 : bytes), bytes);
}

void *memory_try_grow(void *list, size_t *capacity, size_t item_bytes)
{
    size_t wanted = *capacity == 0 ? 16 : 2 * *capacity;
    assert(item_bytes > 0 && wanted <= PTRDIFF_MAX / item_bytes);
    void *grown = realloc(list, wanted * item_bytes);
    *capacity = grown != NULL ? wanted : *capacity;
    return grown;
}

void *memory_try_copy(const void *source, size_t bytes)
{
    assert(source != NULL || bytes == 0); /* only nothing is copied from nowhere */
    void *copy = memory_try_raw(bytes);
    if (copy != NULL && bytes > 0) {
        memcpy(copy, source, bytes);
    }
    return copy;
}

void *memory_copy(const void *source, size_t bytes)
{
    return memory_or_abort(memory_try_copy(source, bytes), bytes);
}
