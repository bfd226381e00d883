/* Memory for the daemon's own objects. When the machine has none left the process ends with a text, as a kill -9 would end it, and
 * the supervisor starts it again. What a peer may size is bounded before it comes here, and memory_try_raw refuses it. Any thread. */
#ifndef DAEMON_MEMORY_H
#define DAEMON_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/status.h"

/* Whether a sanitizer watches: it wants to see everything freed when the process ends. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEMORY_IS_WATCHED = 1 };
#else
enum { MEMORY_IS_WATCHED = 0 };
#endif

/* Once, before all else: from here on large blocks return to the system as soon as they are freed. malloc left alone raises its
 * threshold with each large block that is freed, and keeps more and more of them. */
void memory_init(void);

/* Zeroed; never NULL, also for 0 bytes. The caller frees this and each block below with free(). */
void *memory_new(size_t bytes);

/* Not zeroed; never NULL, also for 0 bytes. */
void *memory_raw(size_t bytes);

/* The same for a size that a peer chose: NULL if the machine has none left, and the request is refused. */
void *memory_try_raw(size_t bytes) MUST_CHECK;

/* Whether the machine has that much at this moment: for who is about to give a large value to a library that ends the process
 * where it has not. */
bool memory_has(size_t bytes) MUST_CHECK;

/* Never NULL. The block is taken, and as it was up to the smaller size; NULL is a new one, not zeroed. */
void *memory_resize(void *block, size_t bytes);

/* A list of items with about twice the room, for one whose length a peer chose; *capacity is in items. NULL: the machine has no memory
 * for it, and list and capacity are as they were. */
void *memory_try_grow(void *list, size_t *capacity, size_t item_bytes) MUST_CHECK;

/* A copy of the bytes; never NULL. */
void *memory_copy(const void *source, size_t bytes);

/* The same of one of many that a peer chose: NULL if the machine has no memory for it. */
void *memory_try_copy(const void *source, size_t bytes) MUST_CHECK;

#endif
