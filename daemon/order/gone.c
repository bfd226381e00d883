/* A number's life here: a drop adds it, or a start, which finds its record; reclaim takes it with its neighbours and asks for the space of
 * all of them at once. Where that fails it is added again; else its record is deleted, unless it was dropped again meanwhile. */
#include "daemon/order/gone.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"

struct gone {
    uint32_t count;
    bool is_gone[CHAIN_IDS_MAX + 1]; /* by number */
};

struct gone *gone_new(void)
{
    return memory_new(sizeof(struct gone));
}

void gone_free(struct gone *gone)
{
    free(gone);
}

void gone_add(struct gone *gone, uint32_t first, uint32_t last)
{
    assert(first >= 1 && first <= last && last <= CHAIN_IDS_MAX);
    for (uint32_t id = first; id <= last; id++) {
        gone->count += !gone->is_gone[id];
        gone->is_gone[id] = true;
    }
}

bool gone_has(const struct gone *gone, uint32_t id)
{
    assert(id >= 1 && id <= CHAIN_IDS_MAX);
    return gone->is_gone[id];
}

bool gone_take(struct gone *gone, uint32_t *ret_first, uint32_t *ret_last)
{
    if (gone->count == 0) {
        return false;
    }
    uint32_t first = 1;
    while (!gone->is_gone[first]) {
        first++;
        assert(first <= CHAIN_IDS_MAX); /* so many are counted */
    }
    uint32_t end = first;
    while (end <= CHAIN_IDS_MAX && gone->is_gone[end]) {
        gone->is_gone[end] = false;
        gone->count--;
        end++;
    }
    *ret_first = first;
    *ret_last = end - 1;
    return true;
}
