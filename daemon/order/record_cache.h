/* The record cache: what keys hold on disk as of the present view, for those read lately. A node reads the same few names and
 * the newest blocks again and again; here that costs a look into a table. Loop only.
 *
 * It is right because the loop alone makes things visible: in the same step as the view changes, order_publish.c tells here
 * what the completion wrote. Bounded in bytes: the longest unused goes. Only for kinds of keys whose records are never empty. */
#ifndef DAEMON_RECORD_CACHE_H
#define DAEMON_RECORD_CACHE_H

#include "daemon/schema/key.h"
#include "daemon/schema/metadata.h"

struct record_cache;

struct record_cache *record_cache_new(uint64_t bytes_max);
void record_cache_free(struct record_cache *cache);

/* Whether it is known what the key holds. The record is borrowed until the next call that is not this; empty: nothing. */
bool record_cache_find(struct record_cache *cache, const struct key *key, struct slice *ret_record);

/* The store was read: the key holds this record, or (empty) nothing. */
void record_cache_put(struct record_cache *cache, const struct key *key, struct slice record);

/* Queued metadata of a name was written: updates its entry, if there is one. */
void record_cache_written(struct record_cache *cache, uint32_t chain, struct slice name,
                          struct metadata_change change);

/* A key changed, or those from one to another (excluded) did, or any may have. */
void record_cache_forget(struct record_cache *cache, const struct key *key);
void record_cache_forget_range(struct record_cache *cache, const struct key *from, const struct key *to);
void record_cache_clear(struct record_cache *cache);

#endif
