/* Memory that lives as long as the test: what a reply was unpacked into, what a request is built from. Nobody frees a
 * piece of it; kept_clear frees all. One thread only. */
#ifndef TESTS_LIB_KEPT_H
#define TESTS_LIB_KEPT_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/* Zeroed; ends the process when there is none left. */
void *kept_alloc(size_t bytes);
/* A copy of n bytes, and a NUL behind them. */
void *kept_copy(const void *data, size_t bytes);
/* An array of *n pointers with one more; the old array stays valid. */
void *kept_append(void *array, size_t *n, void *element);
char *kept_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For protobuf-c's unpack functions. */
ProtobufCAllocator *kept_allocator(void);

void kept_clear(void);

#endif
