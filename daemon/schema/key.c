/* A key's life: it is made of what has been checked, in a struct of the caller's, and used while that lives. A key that the disk
 * gives back is taken apart without a copy.
 *
 * Way to fail: only the reading of a key, for the disk may hold any bytes. */
#include "daemon/schema/key.h"

#include <assert.h>

#include "daemon/schema/record.h"

enum { CHAIN_ID_BYTES = 4, KEY_HEAD_BYTES = CHAIN_ID_BYTES + 1, HEIGHT_BYTES = 8 };

static_assert(KEY_HEAD_BYTES + HEIGHT_BYTES + METADATA_NAME_BYTES_MAX == KEY_BYTES_MAX,
              "the longest key is that of a name bound to a height");
static_assert(HASH_BYTES_MAX <= METADATA_NAME_BYTES_MAX, "a hash fits where a name does");

/* What stands behind the kind; FORMAT.md has the table. */
static bool has_height(enum key_kind kind)
{
    return kind == KEY_HEADER || kind == KEY_DATA || kind == KEY_STATE || kind == KEY_BOUND ||
           kind == KEY_EPOCH || kind == KEY_RUN;
}

static bool has_name(enum key_kind kind)
{
    return kind == KEY_METADATA || kind == KEY_HASH || kind == KEY_CHAIN_NAME;
}

static void put_chain(uint32_t chain, uint8_t *to)
{
    for (int i = 0; i < CHAIN_ID_BYTES; i++) {
        to[i] = (uint8_t)(chain >> (24 - 8 * i));
    }
}

struct key key_of_chain(uint32_t chain)
{
    struct key key = {.bytes = CHAIN_ID_BYTES};
    put_chain(chain, key.data);
    return key;
}

struct key key_behind_chain(uint32_t chain)
{
    assert(chain < UINT32_MAX); /* the id behind it is greater */
    return key_of_chain(chain + 1);
}

static void key_begin(struct key *key, uint32_t chain, enum key_kind kind)
{
    assert((unsigned)kind <= UINT8_MAX); /* cut to its byte, it would be the key of another kind */
    put_chain(chain, key->data);
    key->data[CHAIN_ID_BYTES] = (uint8_t)kind;
    key->bytes = KEY_HEAD_BYTES;
}

struct key key_of_kind(uint32_t chain, enum key_kind kind)
{
    struct key key;
    key_begin(&key, chain, kind);
    return key;
}

void key_set_height(struct key *ret_key, uint32_t chain, enum key_kind kind, uint64_t height)
{
    assert(has_height(kind)); /* a key of another shape would be damage to the next reader */
    key_begin(ret_key, chain, kind);
    record_put_u64(height, ret_key->data + ret_key->bytes);
    ret_key->bytes += HEIGHT_BYTES;
}

struct key key_of_height(uint32_t chain, enum key_kind kind, uint64_t height)
{
    struct key key;
    key_set_height(&key, chain, kind, height);
    return key;
}

static void key_append(struct key *key, struct slice rest)
{
    assert(rest.bytes <= METADATA_NAME_BYTES_MAX); /* so it fits, behind a height too */
    assert(key->bytes <= KEY_HEAD_BYTES + HEIGHT_BYTES);
    if (rest.bytes > 0) {
        memcpy(key->data + key->bytes, rest.data, rest.bytes);
    }
    key->bytes += rest.bytes;
}

void key_set_name(struct key *ret_key, uint32_t chain, enum key_kind kind, struct slice name)
{
    assert(has_name(kind));
    key_begin(ret_key, chain, kind);
    key_append(ret_key, name);
}

struct key key_of_name(uint32_t chain, enum key_kind kind, struct slice name)
{
    struct key key;
    key_set_name(&key, chain, kind, name);
    return key;
}

struct key key_of_bound(uint32_t chain, uint64_t height, struct slice name)
{
    assert(name.bytes > 0); /* or it is the beginning of all that are bound to the height */
    struct key key = key_of_height(chain, KEY_BOUND, height);
    key_append(&key, name);
    return key;
}

struct key key_of_dropped(uint32_t chain)
{
    struct key key = key_of_kind(0, KEY_DROPPED);
    assert(chain > 0); /* those of number 0 are never dropped */
    put_chain(chain, key.data + key.bytes);
    key.bytes += CHAIN_ID_BYTES;
    return key;
}

struct key key_behind_kind(uint32_t chain, enum key_kind kind)
{
    assert(kind < UINT8_MAX); /* the byte behind it is greater */
    return key_of_kind(chain, (enum key_kind)(kind + 1));
}

struct key key_behind_height(uint32_t chain, enum key_kind kind, uint64_t height)
{
    assert(has_height(kind));
    if (height == UINT64_MAX) {
        return key_behind_kind(chain, kind);
    }
    return key_of_height(chain, kind, height + 1);
}

bool key_read_height(struct slice key, uint64_t *ret_height)
{
    if (key.bytes < KEY_HEAD_BYTES + HEIGHT_BYTES || key.bytes > KEY_BYTES_MAX) {
        return false;
    }
    *ret_height = record_get_u64(key.data + KEY_HEAD_BYTES);
    return true;
}

bool key_read_name(struct slice key, struct slice *ret_name)
{
    if (key.bytes < KEY_HEAD_BYTES || key.bytes > KEY_HEAD_BYTES + METADATA_NAME_BYTES_MAX) {
        return false;
    }
    *ret_name = slice_of(key.data + KEY_HEAD_BYTES, key.bytes - KEY_HEAD_BYTES);
    return true;
}

bool key_read_bound(struct slice key, uint64_t *ret_height, struct slice *ret_name)
{
    if (!key_read_height(key, ret_height)) {
        return false;
    }
    assert(key.bytes - KEY_HEAD_BYTES - HEIGHT_BYTES <= METADATA_NAME_BYTES_MAX); /* the name fits a key */
    *ret_name = slice_of(key.data + KEY_HEAD_BYTES + HEIGHT_BYTES, key.bytes - KEY_HEAD_BYTES - HEIGHT_BYTES);
    return true;
}

bool key_read_dropped(struct slice key, uint32_t *ret_chain)
{
    if (key.bytes != KEY_HEAD_BYTES + CHAIN_ID_BYTES) {
        return false;
    }
    uint32_t chain = 0;
    for (int i = 0; i < CHAIN_ID_BYTES; i++) {
        chain = chain << 8 | key.data[KEY_HEAD_BYTES + i];
    }
    *ret_chain = chain;
    return true;
}
