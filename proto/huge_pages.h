/* Memory for what is large: page by page, what the kernel does to give a large block costs more than to fill it. */
#ifndef PROTO_HUGE_PAGES_H
#define PROTO_HUGE_PAGES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

enum {
    HUGE_PAGE_BYTES = 2 << 20,
    HUGE_PAGES_FROM_BYTES = 2 * HUGE_PAGE_BYTES, /* a smaller block stays as it is */
};

/* Asks for huge pages under a block that was just allocated. Without them it is only slower. */
static inline void huge_pages_prefer(void *block, size_t bytes)
{
    if (bytes < HUGE_PAGES_FROM_BYTES) {
        return;
    }
    uint8_t *data = block;
    size_t before = (HUGE_PAGE_BYTES - (uintptr_t)data % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    (void)madvise(data + before, (bytes - before) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES, MADV_HUGEPAGE);
}

#endif
