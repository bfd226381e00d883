/* A fetch reads one record, or a block's two, and packs the reply's message from it; nothing of the store is held behind that.
 *
 * - The records of blocks and metadata come from the record cache, where there is one and it knows them, or from the engine;
 *   what the engine said is put into the cache. The cache belongs to the loop, and with it every fetch that has one.
 * - A block's data is only read if it is not larger than data_bytes_max: how large it is stands in the header record.
 *
 * Ways to fail: what cannot be read, is no record, or does not fit to its header record is FETCH_FAILED, and is never taken for
 * absent; likewise an answer that the machine has no memory for. Nothing is allocated then, and the next fetch is not affected. */
#include "daemon/read/fetch.h"

#include <assert.h>
#include <inttypes.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"
#include "daemon/schema/key.h"
#include "proto/cairn.pb-c.h"
#include "proto/frame.h"
#include "proto/wire.h"

/* Data from LARGE_BYTES on, chosen, is read only where there is memory for the engine's copy and the reply's: an engine that finds
 * none ends the process. */
enum { LARGE_BYTES = 1 << 20, LARGE_COPIES = 2 };

/* ---- messages ---- */

static enum fetch_result no_memory(uint64_t bytes, struct failure *failure)
{
    failure_set(failure, STATUS_BUSY,
                "the machine has no memory for an answer of %" PRIu64 " bytes: try again later", bytes);
    return FETCH_FAILED;
}

/* FETCH_FOUND: *ret_fetched has memory for a message of that length, to be filled. FETCH_FAILED: the machine has none. */
static enum fetch_result fetched_new(size_t body_bytes, struct fetched *ret_fetched, struct failure *failure)
{
    uint8_t *frame = memory_try_raw(FRAME_REPLY_BYTES + body_bytes);
    if (frame == NULL) {
        return no_memory(body_bytes, failure);
    }
    *ret_fetched = (struct fetched){frame, body_bytes};
    return FETCH_FOUND;
}

/* The message was written to its end, no further and no less: what follows it in the heap is not ours, and bytes that were not
 * written would be sent all the same. */
static void assert_filled(const struct fetched *fetched, const uint8_t *end)
{
    assert(end == fetched->frame + FRAME_REPLY_BYTES + fetched->body_bytes);
}

static void fill(const ProtobufCMessage *message, const struct fetched *fetched)
{
    uint8_t *body = fetched->frame + FRAME_REPLY_BYTES;
    assert_filled(fetched, body + protobuf_c_message_pack(message, body));
}

/* A small message. */
static struct fetched pack(const ProtobufCMessage *message)
{
    size_t body_bytes = protobuf_c_message_get_packed_size(message);
    struct fetched fetched = {memory_raw(FRAME_REPLY_BYTES + body_bytes), body_bytes};
    fill(message, &fetched);
    return fetched;
}

/* A message borrows what it packs; protobuf-c has no const for that. */
static ProtobufCBinaryData binary(struct slice slice)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } pointer = {.in = slice.data};
    return (ProtobufCBinaryData){slice.bytes, pointer.out};
}

static enum fetch_result damaged(const struct fetch *fetch, const char *what, struct failure *failure)
{
    failure_set(failure, STATUS_DAMAGED, "damaged store: a %s of chain number %u cannot be understood", what,
                fetch->chain);
    return FETCH_FAILED;
}

/* ---- records ---- */

static enum fetch_result get(const struct fetch *fetch, const struct key *key, struct engine_value *ret_value,
                             struct failure *failure)
{
    assert(fetch->reach == ENGINE_NO_IO || !thread_is(THREAD_LOOP)); /* the loop never waits for the device */
    assert(fetch->chain > 0); /* keys of chain 0 are the daemon's own, no client's */
    switch (engine_get(fetch->engine, fetch->point, fetch->reach, key_slice(key), ret_value, failure)) {
    case ENGINE_OK:
        return FETCH_FOUND;
    case ENGINE_NOT_FOUND:
        return FETCH_ABSENT;
    case ENGINE_WOULD_BLOCK:
        return FETCH_WOULD_BLOCK;
    case ENGINE_FAILED:
        break;
    }
    return FETCH_FAILED;
}

/* A record of a kind that is never empty, and where it came from; an empty value: there is none. */
struct cached {
    struct engine_value value; /* borrowed from the cache, or to be released */
    bool is_from_engine;       /* the engine was asked and answered, so that the cache can learn it */
};

/* Looks into the cache first, if there is one, and then asks the engine. An empty record is damage: in the cache it would mean
 * that there is none. `what` names the record. */
static enum fetch_result get_cached(const struct fetch *fetch, const struct key *key, const char *what,
                                    struct cached *ret_cached, struct failure *failure)
{
    struct slice record;
    assert(fetch->cache == NULL || thread_is(THREAD_LOOP)); /* no lock guards the cache */
    assert(ret_cached->value.release == NULL);              /* or what it holds would never be released */
    if (fetch->cache != NULL && record_cache_find(fetch->cache, key, &record)) {
        ret_cached->value = (struct engine_value){.bytes = record};
        return record.bytes > 0 ? FETCH_FOUND : FETCH_ABSENT;
    }
    enum fetch_result result = get(fetch, key, &ret_cached->value, failure);
    if (result == FETCH_FOUND && ret_cached->value.bytes.bytes == 0) {
        return damaged(fetch, what, failure);
    }
    ret_cached->is_from_engine = result == FETCH_FOUND || result == FETCH_ABSENT;
    return result;
}

/* Puts what the engine said into the cache. What was borrowed from the cache is not valid behind this. */
static void remember(const struct fetch *fetch, const struct key *key, const struct cached *cached)
{
    if (fetch->cache != NULL && cached->is_from_engine) {
        record_cache_put(fetch->cache, key, cached->value.bytes);
    }
}

/* ---- blocks ---- */

bool fetch_parts_are_valid(uint32_t parts)
{
    const uint32_t all = CAIRN__PART__PART_HEADER | CAIRN__PART__PART_DATA | CAIRN__PART__PART_SIGNATURE |
                         CAIRN__PART__PART_HASH;
    return (parts & ~all) == 0;
}

bool fetch_asks_for_data(uint32_t parts)
{
    return (parts & CAIRN__PART__PART_DATA) != 0;
}

enum fetch_result fetch_height_of_hash(const struct fetch *fetch, struct slice hash, uint64_t *ret_height,
                                       struct failure *failure)
{
    struct key key;
    assert(hash.bytes > 0 && hash.bytes <= HASH_BYTES_MAX); /* the key's buffer is sized by checked names */
    key_set_name(&key, fetch->chain, KEY_HASH, hash);
    struct engine_value value = {0};
    enum fetch_result result = get(fetch, &key, &value, failure);
    if (result == FETCH_FOUND && value.bytes.bytes != 8) {
        result = damaged(fetch, "hash index entry", failure);
    } else if (result == FETCH_FOUND) {
        *ret_height = record_get_u64(value.bytes.data);
    }
    engine_value_release(&value);
    return result;
}

static enum fetch_result pack_block(uint64_t height, uint32_t parts, const struct header_record *record,
                                    struct slice data, struct fetched *ret_fetched, struct failure *failure)
{
    const struct {
        uint32_t part;
        unsigned field; /* of a BlockReply */
        struct slice bytes;
    } asked[] = {
        {CAIRN__PART__PART_HEADER, 3, record->header},
        {CAIRN__PART__PART_DATA, 4, data},
        {CAIRN__PART__PART_SIGNATURE, 5, record->signature},
        {CAIRN__PART__PART_HASH, 6, record->hash},
    };
    enum { PARTS = sizeof asked / sizeof asked[0] };
    assert(!fetch_asks_for_data(parts) || data.bytes == record->data_bytes); /* a block is never cut short */
    size_t body_bytes = number_field_bytes(height);
    for (size_t i = 0; i < PARTS; i++) {
        body_bytes += parts & asked[i].part ? prefixed_field_bytes(asked[i].bytes.bytes) : 0;
    }
    if (fetched_new(body_bytes, ret_fetched, failure) != FETCH_FOUND) {
        return FETCH_FAILED;
    }
    uint8_t *at = number_field_put(ret_fetched->frame + FRAME_REPLY_BYTES, 1, height);
    for (size_t i = 0; i < PARTS; i++) {
        if (parts & asked[i].part) {
            at = bytes_field_put(at, asked[i].field, asked[i].bytes.data, asked[i].bytes.bytes);
        }
    }
    assert_filled(ret_fetched, at);
    return FETCH_FOUND;
}

/* The data that the header record speaks of. FETCH_FOUND: *ret_data has exactly so many bytes. */
static enum fetch_result fetch_data(const struct fetch *fetch, uint64_t height, uint64_t data_bytes,
                                    struct cached *ret_data, struct failure *failure)
{
    assert(ret_data->value.bytes.bytes == 0); /* a block without data is packed with what stands there */
    if (data_bytes == 0) {
        return FETCH_FOUND;
    }
    if (data_bytes > fetch->data_bytes_max) {
        return FETCH_NEEDS_ROOM;
    }
    if (data_bytes >= LARGE_BYTES && !memory_has(LARGE_COPIES * data_bytes)) {
        return no_memory(data_bytes, failure);
    }
    struct key key;
    key_set_height(&key, fetch->chain, KEY_DATA, height);
    enum fetch_result result = get_cached(fetch, &key, "block's data", ret_data, failure);
    if (result == FETCH_ABSENT || (result == FETCH_FOUND && ret_data->value.bytes.bytes != data_bytes)) {
        return damaged(fetch, "block's data", failure);
    }
    return result;
}

enum fetch_result fetch_block(const struct fetch *fetch, uint64_t height, uint32_t parts,
                              struct fetched *ret_fetched, struct failure *failure)
{
    assert(fetch_parts_are_valid(parts));
    assert(ret_fetched->frame == NULL); /* by it the end of this tells whether a message was made */
    if (height <= fetch->marks.blocks_pruned) {
        return FETCH_ABSENT;
    }
    struct key key;
    key_set_height(&key, fetch->chain, KEY_HEADER, height);
    struct cached header = {0};
    struct cached data = {0};
    struct header_record record;
    enum fetch_result result = get_cached(fetch, &key, "header record", &header, failure);
    if (result == FETCH_FOUND && !record_read_header(header.value.bytes, &record)) {
        result = damaged(fetch, "header record", failure);
    }
    if (result == FETCH_FOUND && fetch_asks_for_data(parts)) {
        result = fetch_data(fetch, height, record.data_bytes, &data, failure);
        if (result == FETCH_WOULD_BLOCK || result == FETCH_NEEDS_ROOM) {
            ret_fetched->body_bytes = record.data_bytes;
        }
    }
    if (result == FETCH_FOUND) {
        result = pack_block(height, parts, &record, data.value.bytes, ret_fetched, failure);
    }
    assert((result == FETCH_FOUND) == (ret_fetched->frame != NULL)); /* who is told of a message frees one */
    remember(fetch, &key, &header);
    if (data.is_from_engine && data.value.bytes.bytes > 0) {
        struct key data_key;
        key_set_height(&data_key, fetch->chain, KEY_DATA, height);
        remember(fetch, &data_key, &data);
    }
    engine_value_release(&data.value);
    engine_value_release(&header.value);
    return result;
}

enum fetch_result fetch_block_of(const struct fetch *fetch, uint64_t height, uint32_t parts,
                                 struct slice header, struct slice data, struct fetched *ret_fetched,
                                 struct failure *failure)
{
    struct header_record record;
    assert(fetch_parts_are_valid(parts));
    assert(ret_fetched->frame == NULL); /* or the message that it has would never be freed */
    if (!record_read_header(header, &record)) {
        return damaged(fetch, "header record", failure);
    }
    if (fetch_asks_for_data(parts) && data.bytes != record.data_bytes) {
        return damaged(fetch, "block's data", failure);
    }
    return pack_block(height, parts, &record, data, ret_fetched, failure);
}

struct fetched fetch_absent_block(uint64_t height)
{
    Cairn__BlockReply reply = CAIRN__BLOCK_REPLY__INIT;
    reply.has_height = true;
    reply.height = height;
    reply.has_absent = true;
    reply.absent = true;
    return pack(&reply.base);
}

/* ---- states ---- */

enum fetch_result fetch_state(const struct fetch *fetch, uint64_t height, struct fetched *ret_fetched,
                              struct failure *failure)
{
    assert(ret_fetched->frame == NULL); /* or the message that it has would never be freed */
    if (height < fetch->marks.states_from) {
        return FETCH_ABSENT;
    }
    struct key key;
    key_set_height(&key, fetch->chain, KEY_STATE, height);
    struct engine_value value = {0};
    enum fetch_result result = get(fetch, &key, &value, failure);
    if (result == FETCH_FOUND) {
        Cairn__StateReply reply = CAIRN__STATE_REPLY__INIT;
        reply.has_height = true;
        reply.height = height;
        reply.has_value = true;
        reply.value = binary(value.bytes);
        result = fetched_new(protobuf_c_message_get_packed_size(&reply.base), ret_fetched, failure);
        if (result == FETCH_FOUND) {
            fill(&reply.base, ret_fetched);
        }
    }
    engine_value_release(&value);
    return result;
}

/* ---- metadata ---- */

bool fetch_metadata_parts_are_valid(uint32_t parts)
{
    const uint32_t all = CAIRN__METADATA_PART__METADATA_VALUE | CAIRN__METADATA_PART__METADATA_BINDING |
                         CAIRN__METADATA_PART__METADATA_SIZE;
    return (parts & ~all) == 0;
}

uint32_t fetch_metadata_parts_default(void)
{
    return CAIRN__METADATA_PART__METADATA_VALUE | CAIRN__METADATA_PART__METADATA_BINDING;
}

bool fetch_asks_for_value(uint32_t parts)
{
    return (parts & CAIRN__METADATA_PART__METADATA_VALUE) != 0;
}

/* A MetadataReply. */
static enum fetch_result pack_metadata(struct slice name, struct metadata_value value,
                                       struct fetch_metadata_asked asked, struct fetched *ret_fetched,
                                       struct failure *failure)
{
    bool has_value = fetch_asks_for_value(asked.parts);
    bool has_binding = (asked.parts & CAIRN__METADATA_PART__METADATA_BINDING) && value.of_height != 0;
    bool has_size = asked.parts & CAIRN__METADATA_PART__METADATA_SIZE;
    assert(value.present && fetch_metadata_parts_are_valid(asked.parts));
    size_t body_bytes = (asked.with_name ? prefixed_field_bytes(name.bytes) : 0) +
                        (has_value ? prefixed_field_bytes(value.value.bytes) : 0) +
                        (has_binding ? number_field_bytes(value.of_height) : 0) +
                        (has_size ? number_field_bytes(value.value.bytes) : 0);
    if (fetched_new(body_bytes, ret_fetched, failure) != FETCH_FOUND) {
        return FETCH_FAILED;
    }
    uint8_t *at = ret_fetched->frame + FRAME_REPLY_BYTES;
    at = asked.with_name ? bytes_field_put(at, 1, name.data, name.bytes) : at;
    at = has_value ? bytes_field_put(at, 3, value.value.data, value.value.bytes) : at;
    at = has_binding ? number_field_put(at, 4, value.of_height) : at;
    at = has_size ? number_field_put(at, 5, value.value.bytes) : at;
    assert_filled(ret_fetched, at);
    return FETCH_FOUND;
}

enum fetch_result fetch_metadata_of(const struct fetch *fetch, struct slice name, struct slice record,
                                    struct metadata_change change, struct fetch_metadata_asked asked,
                                    struct fetched *ret_fetched, struct failure *failure)
{
    struct metadata_value before = {0};
    uint8_t number[8]; /* what a raise comes to is written here */
    assert(name.bytes > 0 && name.bytes <= METADATA_NAME_BYTES_MAX);
    assert(change.kind != METADATA_RAISE); /* a raise is folded into change.raise */
    if (record.bytes > 0) {
        before.present = true;
        if (!record_read_metadata(record, &before.of_height, &before.value)) {
            return damaged(fetch, "metadata record", failure);
        }
    }
    struct metadata_value value = metadata_after(change, before, fetch->marks.blocks_pruned, number);
    return value.present ? pack_metadata(name, value, asked, ret_fetched, failure) : FETCH_ABSENT;
}

enum fetch_result fetch_metadata(const struct fetch *fetch, struct slice name, struct metadata_change change,
                                 struct fetch_metadata_asked asked, struct fetched *ret_fetched,
                                 struct failure *failure)
{
    struct cached stored = {0};
    struct key key;
    if (change.kind == METADATA_NONE) { /* else the stored value does not count, and is not read */
        key_set_name(&key, fetch->chain, KEY_METADATA, name);
        enum fetch_result read = get_cached(fetch, &key, "metadata record", &stored, failure);
        if (read != FETCH_FOUND && read != FETCH_ABSENT) {
            engine_value_release(&stored.value);
            return read;
        }
    }
    enum fetch_result result =
        fetch_metadata_of(fetch, name, stored.value.bytes, change, asked, ret_fetched, failure);
    if (stored.is_from_engine) {
        remember(fetch, &key, &stored);
    }
    engine_value_release(&stored.value);
    return result;
}

struct fetched fetch_absent_metadata(struct slice name)
{
    Cairn__MetadataReply reply = CAIRN__METADATA_REPLY__INIT;
    reply.has_name = true;
    reply.name = binary(name);
    reply.has_absent = true;
    reply.absent = true;
    return pack(&reply.base);
}
