/* Memory that lives and dies together: many small pieces, one end. Zeroed is empty and ready. */
#ifndef TOOL_REGION_H
#define TOOL_REGION_H

#include <stddef.h>

struct region_block;

struct region {
    struct region_block *blocks; /* the newest first */
    size_t used, capacity;       /* of the newest */
};

/* Room for `count` things of `size` bytes, zeroed, fit for any of them. Never NULL: without memory the process ends. */
void *region_allocate(struct region *region, size_t count, size_t size);

/* Ends all pieces at once; the region is empty and ready. */
void region_close(struct region *region);

#endif
