/* The metadata cache: what names hold on disk as of the present view, for those read lately. A node reads the same few names
 * again and again; here that costs a look into a table. Loop only.
 *
 * It is right because the loop alone makes things visible: in the same step as the view changes, order_finish.c tells here
 * what the round wrote. Bounded in bytes: the longest unused goes. */
#ifndef DAEMON_METADATA_CACHE_H
#define DAEMON_METADATA_CACHE_H

#include "daemon/metadata.h"

struct metadata_cache;

struct metadata_cache *metadata_cache_new(uint64_t bytes_max);
void metadata_cache_free(struct metadata_cache *cache);

/* Whether it is known what the name holds. The stored record (daemon/record.h) is borrowed until the next call that is not
 * this; empty: nothing is stored. */
bool metadata_cache_find(struct metadata_cache *cache, uint32_t chain, struct slice name,
                         struct slice *ret_record);

/* The store was read: the name has this record, or (empty) none. */
void metadata_cache_put(struct metadata_cache *cache, uint32_t chain, struct slice name, struct slice record);

/* What was queued for a name is on disk now. */
void metadata_cache_written(struct metadata_cache *cache, uint32_t chain, struct slice name,
                            struct metadata_change change);

/* A name changed, or any may have. */
void metadata_cache_forget(struct metadata_cache *cache, uint32_t chain, struct slice name);
void metadata_cache_clear(struct metadata_cache *cache);

#endif
