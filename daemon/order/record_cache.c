/* An entry's life: record_cache_put makes it. The oldest is evicted when room is needed, but has a second chance if it was found since
 * it came or was last spared. It also goes when its key is forgotten, or when it is found after a clear. */
#include "daemon/order/record_cache.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/name_hash.h"
#include "daemon/runtime/thread.h"
#include "daemon/schema/record.h"

enum {
    ENTRY_SHARE_MAX = 16, /* a record larger than one part in so many is not kept */
    SPARED_MAX = 8,       /* entries that get a second chance each time that room is made: a short step */
    WALKED_MAX = 8192,    /* entries that are looked at for a range; chosen: a fraction of a millisecond */
};

struct cached {
    UT_hash_handle hh;   /* in the order they came, or were last spared */
    bool is_used;        /* found since then: it has a second chance */
    uint64_t generation; /* of the cache when it came; an entry of an earlier one counts as absent */
    size_t key_bytes;
    size_t record_bytes;
    uint8_t bytes[]; /* the key, then the record */
};

struct record_cache {
    uint64_t bytes_max;
    uint64_t bytes;
    uint64_t generation;
    struct cached *entries;
};

static size_t cost(const struct cached *cached)
{
    return sizeof *cached + cached->key_bytes + cached->record_bytes;
}

static void drop(struct record_cache *cache, struct cached *cached)
{
    HASH_DELETE(hh, cache->entries, cached);
    assert(cache->bytes >= cost(cached));
    cache->bytes -= cost(cached);
    free(cached);
}

struct record_cache *record_cache_new(uint64_t bytes_max)
{
    struct record_cache *cache = memory_new(sizeof *cache);
    cache->bytes_max = bytes_max;
    return cache;
}

void record_cache_free(struct record_cache *cache)
{
    if (cache != NULL) {
        while (cache->entries != NULL) {
            drop(cache, cache->entries);
        }
        assert(cache->bytes == 0); /* the sum that bounds it counted each entry once */
        free(cache);
    }
}

static struct cached *find(struct record_cache *cache, const struct key *key)
{
    assert(thread_is(THREAD_LOOP)); /* it alone moves the view that this agrees with */
    struct cached *cached;
    HASH_FIND(hh, cache->entries, key->data, key->bytes, cached);
    if (cached != NULL && cached->generation != cache->generation) {
        drop(cache, cached);
        cached = NULL;
    }
    return cached;
}

static void make_room(struct record_cache *cache, size_t bytes)
{
    unsigned spared = 0;
    while (cache->entries != NULL && cache->bytes + bytes > cache->bytes_max) {
        struct cached *oldest = cache->entries;
        if (oldest->is_used && oldest->generation == cache->generation && spared < SPARED_MAX) {
            spared++;
            oldest->is_used = false;
            HASH_DELETE(hh, cache->entries, oldest);
            HASH_ADD(hh, cache->entries, bytes[0], oldest->key_bytes, oldest);
        } else {
            drop(cache, oldest);
        }
    }
}

void record_cache_put(struct record_cache *cache, const struct key *key, struct slice record)
{
    assert(key->bytes > 0 && key->bytes <= sizeof key->data);
    assert(record.data != NULL || record.bytes == 0);
    struct cached *cached = find(cache, key);
    if (cached != NULL && cached->record_bytes == record.bytes) {
        if (record.bytes > 0) {
            memcpy(cached->bytes + cached->key_bytes, record.data, record.bytes);
        }
        return;
    }
    if (cached != NULL) {
        drop(cache, cached);
    }
    if (key->bytes + record.bytes > cache->bytes_max / ENTRY_SHARE_MAX) {
        return;
    }
    make_room(cache, sizeof *cached + key->bytes + record.bytes);
    cached = memory_try_raw(sizeof *cached + key->bytes + record.bytes);
    if (cached == NULL) {
        return; /* it is read again */
    }
    cached->is_used = false;
    cached->generation = cache->generation;
    cached->key_bytes = key->bytes;
    cached->record_bytes = record.bytes;
    memcpy(cached->bytes, key->data, key->bytes);
    if (record.bytes > 0) {
        memcpy(cached->bytes + key->bytes, record.data, record.bytes);
    }
    cache->bytes += cost(cached);
    HASH_ADD(hh, cache->entries, bytes[0], cached->key_bytes, cached);
}

bool record_cache_find(struct record_cache *cache, const struct key *key, struct slice *ret_record)
{
    struct cached *cached = find(cache, key);
    if (cached == NULL) {
        return false;
    }
    cached->is_used = true;
    *ret_record = slice_of(cached->bytes + cached->key_bytes, cached->record_bytes);
    return true;
}

/* Updates only an entry that is there, so that names which are written and never read evict nothing. */
void record_cache_written(struct record_cache *cache, uint32_t chain, struct slice name,
                          struct metadata_change change)
{
    struct key key;
    assert(change.kind != METADATA_RAISE); /* it is folded into change.raise */
    key_set_name(&key, chain, KEY_METADATA, name);
    struct cached *cached = find(cache, &key);
    if (cached == NULL) {
        return;
    }
    size_t bytes = RECORD_METADATA_HEAD_BYTES + change.value.bytes;
    if (change.kind == METADATA_DELETE && change.raise == 0) {
        record_cache_put(cache, &key, slice_of(NULL, 0));
    } else if (change.kind == METADATA_SET && change.raise == 0 && cached->record_bytes == bytes) {
        uint8_t *record = cached->bytes + cached->key_bytes;
        record_put_u64(change.of_height, record);
        if (change.value.bytes > 0) {
            memcpy(record + RECORD_METADATA_HEAD_BYTES, change.value.data, change.value.bytes);
        }
    } else {
        drop(cache, cached); /* the next read puts it anew */
    }
}

void record_cache_forget(struct record_cache *cache, const struct key *key)
{
    struct cached *cached = find(cache, key);
    if (cached != NULL) {
        drop(cache, cached);
    }
}

void record_cache_forget_range(struct record_cache *cache, const struct key *from, const struct key *to)
{
    assert(thread_is(THREAD_LOOP));
    if (HASH_COUNT(cache->entries) > WALKED_MAX) {
        record_cache_clear(cache);
        return;
    }
    struct cached *cached;
    struct cached *next;
    HASH_ITER(hh, cache->entries, cached, next)
    {
        struct slice key = slice_of(cached->bytes, cached->key_bytes);
        if (slice_compare(key, key_slice(from)) >= 0 && slice_compare(key, key_slice(to)) < 0) {
            drop(cache, cached);
        }
    }
}

/* Takes constant time: the entries of the earlier generation go when room is needed. */
void record_cache_clear(struct record_cache *cache)
{
    assert(thread_is(THREAD_LOOP));
    cache->generation++;
}
