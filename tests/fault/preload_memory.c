/* A library to be preloaded: has chosen allocations fail, as on a machine without memory.
 *
 * $CAIRN_MEMORY names a file of two 64-bit numbers that is shared with the test: how many allocations were made, and which of them
 * fails (0: none). $CAIRN_MEMORY_LASTS: so do all behind it. Counted are malloc, calloc and realloc of more than 0 bytes. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

/* The C library's own. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);

static _Atomic uint64_t *counts; /* NULL: nothing fails */
static bool lasts;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("CAIRN_MEMORY");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *map = file < 0 ? MAP_FAILED : mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file >= 0) {
        close(file);
    }
    lasts = getenv("CAIRN_MEMORY_LASTS") != NULL;
    counts = map == MAP_FAILED ? NULL : map;
}

static bool fails(size_t bytes)
{
    if (counts == NULL || bytes == 0) {
        return false;
    }
    uint64_t number = atomic_fetch_add(&counts[0], 1) + 1;
    uint64_t chosen = atomic_load(&counts[1]);
    bool is_chosen = chosen != 0 && (number == chosen || (lasts && number > chosen));
    if (is_chosen) {
        errno = ENOMEM;
    }
    return is_chosen;
}

EXPORTED void *malloc(size_t bytes)
{
    return fails(bytes) ? NULL : __libc_malloc(bytes);
}

EXPORTED void *calloc(size_t count, size_t bytes)
{
    return fails(count * bytes) ? NULL : __libc_calloc(count, bytes);
}

EXPORTED void *realloc(void *block, size_t bytes)
{
    return fails(bytes) ? NULL : __libc_realloc(block, bytes);
}
