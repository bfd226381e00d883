/* A list of chunks; a piece that does not fit the last one opens the next. The list hangs on a global, so that nothing
 * kept counts as leaked. */
#include "tests/lib/kept.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 256 << 10 };

struct chunk {
    struct chunk *next;
    size_t bytes, used;
    _Alignas(16) uint8_t data[];
};

static struct chunk *chunks;

void *kept_alloc(size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    if (chunks == NULL || chunks->bytes - chunks->used < bytes) {
        size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        struct chunk *chunk = malloc(sizeof *chunk + room);
        if (chunk == NULL) {
            perror("kept_alloc");
            exit(2);
        }
        *chunk = (struct chunk){chunks, room, 0};
        chunks = chunk;
    }
    void *piece = chunks->data + chunks->used;
    chunks->used += bytes;
    return memset(piece, 0, bytes);
}

void *kept_copy(const void *data, size_t bytes)
{
    char *copy = kept_alloc(bytes + 1);
    if (bytes > 0) {
        memcpy(copy, data, bytes);
    }
    return copy;
}

void *kept_append(void *array, size_t *n, void *element)
{
    void **old = array;
    void **grown = old;
    if ((*n & (*n - 1)) == 0) { /* at a power of two the array is full */
        grown = kept_alloc((*n == 0 ? 1 : 2 * *n) * sizeof *grown);
        if (*n > 0) {
            memcpy(grown, old, *n * sizeof *grown);
        }
    }
    grown[(*n)++] = element;
    return grown;
}

char *kept_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text;
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        perror("kept_format");
        exit(2);
    }
    char *copy = kept_copy(text, (size_t)length);
    free(text);
    return copy;
}

static void *allocate(void *unused, size_t bytes)
{
    (void)unused;
    return kept_alloc(bytes);
}

static void release(void *unused, void *piece)
{
    (void)unused;
    (void)piece;
}

ProtobufCAllocator *kept_allocator(void)
{
    static ProtobufCAllocator allocator = {.alloc = allocate, .free = release};
    return &allocator;
}

void kept_clear(void)
{
    while (chunks != NULL && chunks->next != NULL) {
        struct chunk *next = chunks->next;
        free(chunks);
        chunks = next;
    }
    if (chunks != NULL) {
        chunks->used = 0;
    }
}
