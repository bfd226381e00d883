/* Memory for many small pieces that are freed together. A region that is all zero is empty and ready. */
#ifndef TOOL_REGION_H
#define TOOL_REGION_H

#include <stddef.h>

struct region_block;

struct region {
    struct region_block *blocks; /* the newest first */
    size_t used, capacity;       /* of the newest, in bytes */
};

/* Zeroed memory for `count` elements of `size` bytes, aligned for any type. It lives until region_close(). Never NULL: without
 * memory it calls fatal(). */
void *region_allocate(struct region *region, size_t count, size_t size);

/* Frees all pieces; the region is empty and ready again. */
void region_close(struct region *region);

#endif
