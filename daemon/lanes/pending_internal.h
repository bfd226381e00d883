/* What pending.c, the map, and pending_entry.c, an entry of it, have in common. Nobody else includes this. */
#ifndef DAEMON_PENDING_INTERNAL_H
#define DAEMON_PENDING_INTERNAL_H

#include "daemon/lanes/pending.h"
#include "daemon/lanes/queued_value.h"
#include "daemon/runtime/name_hash.h"

struct pending_entry {
    /* fixed once the group is closed: the writer reads them */
    struct pending_entry *next; /* in the group */
    struct metadata_change change;
    uint32_t chain;
    /* loop only */
    struct metadata_group *group;
    struct pending_entry *older;
    struct pending_entry *newer;
    struct queued_value *value; /* what change.value leads to; NULL for none */
    UT_hash_handle hh;
    /* fixed */
    size_t key_bytes;
    uint8_t key[]; /* chain and name, as in the store */
};

/* Folds the operation, which is on a name, into the entry. `prepared` are the large values of its request that are not taken yet, in their
 * order: if the operation sets a large one, the first of them is taken. */
void pending_entry_fold(struct pending_entry *entry, const struct metadata_operation *operation,
                        struct queued_value **prepared);

/* Bytes of its name and value. */
uint64_t pending_entry_bytes(const struct pending_entry *entry);

/* The entry is no holder of its value any more, and has none. */
void pending_entry_drop_value(struct pending_entry *entry);

#endif
