/* A view: what reads go by, the store as of one instant. Lives as long as somebody holds it. Loop only; `snapshot` and
 * `store` may be read by whoever the holder hands them to. */
#ifndef DAEMON_VIEW_H
#define DAEMON_VIEW_H

#include "daemon/engine/rocksdb/store.h"

struct view {
    struct store_snapshot *snapshot;
    struct store *store;
    uint64_t holders;
};

/* Takes the snapshot; held once. */
struct view *view_new(struct store *store, struct store_snapshot *snapshot);

struct view *view_hold(struct view *view);
void view_release(struct view *view);

#endif
