/* A queued value: the bytes that an entry of the pending map sets, with a count of who holds them. Loop only; the writer
 * reads the bytes of closed groups.
 *
 * - The entry makes it and holds it until it is overwritten or leaves the map.
 * - Streams hold it too, so that it outlives the entry. While one does, the bytes never change.
 * - The last release frees it. An empty value is none at all: its slice leads to nothing. */
#ifndef DAEMON_QUEUED_VALUE_H
#define DAEMON_QUEUED_VALUE_H

#include "daemon/schema/slice.h"

struct queued_value {
    uint32_t holders; /* the entry, and streams that read it */
    bool is_queued;   /* the entry is among them */
    size_t bytes;
    struct queued_value *next; /* while it has no entry yet: of the values that its request prepared */
    uint8_t data[];
};

/* A copy of the bytes, at least one, held by its entry. NULL, for a large one only: the machine has no memory for it. */
struct queued_value *queued_value_new(struct slice value);

/* From this size on a value is one that its peer chose the size of; chosen. */
enum { QUEUED_VALUE_LARGE_BYTES = 64 << 10 };

/* The value whose bytes these are, all of them; not an empty one. */
struct queued_value *queued_value_of(struct slice value);

/* Whether the entry may write that many bytes over it: nobody else reads it. */
bool queued_value_may_overwrite(const struct queued_value *value, size_t bytes);
void queued_value_overwrite(struct queued_value *value, struct slice bytes);

/* A stream holds it. Returns how many bytes are held by streams now that were not before. */
uint64_t queued_value_hold(struct queued_value *value);

/* A stream releases it, which may free it. Returns how many bytes no stream holds any more. */
uint64_t queued_value_release(struct queued_value *value);

/* The entry is no holder of it any more, which may free it. Accepts NULL. */
void queued_value_drop(struct queued_value *value);

#endif
