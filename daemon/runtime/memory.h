/* Memory for our own small objects: there is none left means the process cannot go on, and the supervisor restarts it.
 * What a peer may size is bounded elsewhere before it comes here. */
#ifndef DAEMON_MEMORY_H
#define DAEMON_MEMORY_H

#include <stddef.h>

/* Whether a sanitizer watches: it wants to see everything freed when the process ends. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEMORY_IS_WATCHED = 1 };
#else
enum { MEMORY_IS_WATCHED = 0 };
#endif

/* Once, before all else: what is large goes back to the system as soon as it is freed, for the whole process. malloc would
 * keep more and more of it, as the first of them are freed. */
void memory_init(void);

/* Zeroed; never NULL. Free with free(). */
void *memory_new(size_t bytes);

/* Not zeroed; never NULL, also for 0 bytes. */
void *memory_raw(size_t bytes);

/* Never NULL. */
void *memory_resize(void *block, size_t bytes);

/* A copy of the bytes; never NULL. */
void *memory_copy(const void *source, size_t bytes);

#endif
