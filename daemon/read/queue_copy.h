/* A copy of what is queued for a chain's names at one instant, for a read that takes longer than the queue keeps it. Names are copied,
 * values are held.
 *
 * Threads: it is filled and closed on the loop, whose the queue is. In between nothing changes it, and the pool may read it. */
#ifndef DAEMON_QUEUE_COPY_H
#define DAEMON_QUEUE_COPY_H

#include "daemon/lanes/pending.h"

struct queue_copy_entry {
    uint8_t *name; /* a copy; NULL: the caller knows it by its place */
    size_t name_bytes;
    struct metadata_change change; /* its value is held */
};

/* Zeroed but for `pending`, it is empty. */
struct queue_copy {
    struct pending *pending; /* borrowed */
    struct queue_copy_entry *entries;
    size_t count;
    size_t capacity;
    uint64_t bytes; /* that it takes, values apart: those are in pending_held_bytes */
    bool is_short;  /* there was no memory for an entry, which is missing */
};

/* Adds an entry; an empty name is not copied. Loop. */
void queue_copy_add(struct queue_copy *copy, struct slice name, struct metadata_change change);

/* Sorts the entries by their names, each of which is there once; is_reverse: from the greatest down. Loop. */
void queue_copy_sort(struct queue_copy *copy, bool is_reverse);

/* The entry of that name in a copy that is sorted upwards; NULL: nothing was queued for it. */
const struct queue_copy_entry *queue_copy_find(const struct queue_copy *copy, struct slice name);

static inline struct slice queue_copy_name(const struct queue_copy_entry *entry)
{
    return slice_of(entry->name, entry->name_bytes);
}

/* Releases the values and frees the names; it is empty again. Loop. */
void queue_copy_close(struct queue_copy *copy);

#endif
