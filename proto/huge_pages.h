/* Huge pages for large blocks: given page by page, a large block costs the kernel more time than it takes to fill it. */
#ifndef PROTO_HUGE_PAGES_H
#define PROTO_HUGE_PAGES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

enum {
    HUGE_PAGE_BYTES = 2 << 20,
    HUGE_PAGES_BYTES_MIN = 2 * HUGE_PAGE_BYTES, /* a smaller block need not contain a whole huge page */
};

/* Asks for huge pages under a block that was just allocated. If the kernel refuses, only time is lost. */
static inline void huge_pages_prefer(void *block, size_t bytes)
{
    if (bytes < HUGE_PAGES_BYTES_MIN) {
        return;
    }
    uint8_t *data = block;
    size_t before = (HUGE_PAGE_BYTES - (uintptr_t)data % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    (void)madvise(data + before, (bytes - before) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES, MADV_HUGEPAGE);
}

#endif
