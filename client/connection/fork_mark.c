/* The page holds one byte that is not zero. MADV_WIPEONFORK (Linux 4.14) gives a child a page of zeroes in its place, so that a read
 * of memory tells the two apart; asking for the process id would cost each submit a system call.
 *
 * Ways to fail: no memory for the page. A kernel without MADV_WIPEONFORK leaves the page as it is: a child then passes for its
 * parent, as it would without a mark. */
#include "client/connection/fork_mark.h"

#include <assert.h>
#include <stddef.h>
#include <sys/mman.h>

struct fork_mark {
    volatile unsigned char ours;
};

struct fork_mark *fork_mark_new(void)
{
    void *page =
        mmap(NULL, sizeof(struct fork_mark), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(page, sizeof(struct fork_mark), MADV_WIPEONFORK);
    struct fork_mark *mark = page;
    mark->ours = 1;
    return mark;
}

void fork_mark_free(struct fork_mark *mark)
{
    if (mark != NULL) {
        int error = munmap(mark, sizeof *mark);
        assert(error == 0); /* it is a page that mmap() gave */
        (void)error;
    }
}

bool fork_mark_is_ours(const struct fork_mark *mark)
{
    return mark->ours == 1;
}
