/* The pending map: metadata that is accepted and not yet on disk, by metadata groups. Pure: no I/O, no locks, no clock.
 *
 * - An operation enters the open group, where a later one on the same name folds into it.
 * - The open group closes when it is full, when a larger request needs one of its own, or when it is asked to.
 * - A closed group never changes, and is written whole. The writer thread reads it, through pending_entry_*
 *   and metadata_group's fixed fields only; everything else here belongs to the loop.
 * - A group that is on disk is removed, and its entries are gone in that same step.
 *
 * The index finds the newest entry of a name at once; entries of one name in several groups are linked. */
#ifndef DAEMON_PENDING_H
#define DAEMON_PENDING_H

#include "daemon/schema/key.h"
#include "daemon/schema/metadata.h"
#include "proto/status.h"

enum {
    METADATA_GROUP_OPERATIONS_MAX = 64,   /* names in a group, unless one request is larger */
    METADATA_GROUP_BYTES_MAX = 128 << 10, /* names and values in a group, likewise */
};

struct pending;
struct pending_entry;

struct metadata_group {
    /* fixed once closed */
    struct pending_entry *first;
    uint32_t count;          /* entries */
    uint64_t first_sequence; /* of the operations that went in */
    uint64_t last_sequence;
    uint64_t operations; /* that went in, before folding */
    uint64_t opened_us;  /* when the first went in */
    /* owned by the holder of the group: pending, a lane, a completion */
    struct metadata_group *next;
    /* loop only */
    uint64_t bytes;
    struct pending_entry *last;
    struct metadata_group *younger; /* the next of all that are here */
};

/* Bounds: operations held (entries) and bytes held (names and values). */
struct pending *pending_new(uint64_t operations_max, uint64_t bytes_max);

/* Other bounds from now on. What is queued stays, also above them. */
void pending_set_bounds(struct pending *pending, uint64_t operations_max, uint64_t bytes_max);
void pending_free(struct pending *pending);

/* Operations of one chain that are accepted together. Borrowed. */
struct pending_request {
    uint32_t chain;
    const struct metadata_operation *operations;
    size_t count;
    uint64_t bytes; /* of their names and values */
};
struct pending_request pending_request_of(uint32_t chain, const struct metadata_operation *operations,
                                          size_t count);

/* Whether an empty map could hold the request, and whether there is room for it now. */
bool pending_could_hold(const struct pending *pending, struct pending_request request);
bool pending_has_room(struct pending *pending, struct pending_request request);

/* Copies its large values, for the pending_add of the same request that follows at once. False: the machine has no memory for them, or
 * for so many, and nothing is changed. */
bool pending_prepare(struct pending *pending, struct pending_request request) MUST_CHECK;

/* Queues the request, of which pending_has_room and pending_prepare have said yes. Copies names and values. `sequence` is greater than all
 * before it. */
void pending_add(struct pending *pending, struct pending_request request, uint64_t sequence, uint64_t now_us);

/* Closes the open group, if anything is in it. */
void pending_close_group(struct pending *pending);

/* Takes all closed groups, oldest first, linked by next; NULL if there are none. Their entries stay visible. */
struct metadata_group *pending_take_closed(struct pending *pending);

/* Removes the group with its entries, and frees it. Groups are removed in the order in which they were opened. */
void pending_remove_group(struct pending *pending, struct metadata_group *group);

uint64_t pending_operations(const struct pending *pending);
uint64_t pending_bytes(const struct pending *pending);

/* The number of the oldest operation that has not finished; 0 if there is none. */
uint64_t pending_oldest_sequence(const struct pending *pending);

/* When the oldest operation not yet taken was accepted, and its number; UINT64_MAX if there is none. */
uint64_t pending_oldest_us(const struct pending *pending);
uint64_t pending_oldest_untaken(const struct pending *pending);

/* Whether anything is queued for the name. */
bool pending_holds(const struct pending *pending, uint32_t chain, struct slice name);

/* A stream or dry run holds a queued value, so that it outlives its entry, and releases it. Its bytes do not change meanwhile. Loop. */
void pending_value_hold(struct pending *pending, struct slice value);
void pending_value_release(struct pending *pending, struct slice value);

/* Bytes of the values that streams or dry runs hold. */
uint64_t pending_held_bytes(const struct pending *pending);

/* All operations that are queued for the name, folded; kind NONE and raise 0 if there are none. Borrowed from the map. */
struct metadata_change pending_change(const struct pending *pending, uint32_t chain, struct slice name);

/* Calls back for every name of the chain that has the prefix, in no order. */
typedef void (*pending_each_fn)(void *context, struct slice name, struct metadata_change change);
void pending_each(const struct pending *pending, uint32_t chain, struct slice prefix, pending_each_fn each,
                  void *context);

/* The entries of a closed group, in order of their first acceptance. Any thread. */
const struct pending_entry *pending_entry_next(const struct pending_entry *entry);
uint32_t pending_entry_chain(const struct pending_entry *entry);
struct slice pending_entry_name(const struct pending_entry *entry);
struct metadata_change pending_entry_change(const struct pending_entry *entry);

/* The group that it is in. Loop. */
const struct metadata_group *pending_entry_group(const struct pending_entry *entry);

#endif
