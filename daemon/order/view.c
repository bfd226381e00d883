#include "daemon/order/view.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"

struct view *view_new(struct store *store, struct store_snapshot *snapshot)
{
    struct view *view = memory_new(sizeof *view);
    view->snapshot = snapshot;
    view->store = store;
    view->holders = 1;
    return view;
}

struct view *view_hold(struct view *view)
{
    view->holders++;
    return view;
}

void view_release(struct view *view)
{
    assert(view->holders > 0);
    view->holders--;
    if (view->holders == 0) {
        store_snapshot_release(view->store, view->snapshot);
        free(view);
    }
}
