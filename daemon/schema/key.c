#include "daemon/schema/key.h"

#include <assert.h>

#include "daemon/schema/record.h"

enum { KEY_HEAD_BYTES = 4 + 1, HEIGHT_BYTES = 8 };

static_assert(KEY_HEAD_BYTES + HEIGHT_BYTES + METADATA_NAME_BYTES_MAX == KEY_BYTES_MAX,
              "the longest key is that of a name bound to a height");
static_assert(HASH_BYTES_MAX <= METADATA_NAME_BYTES_MAX, "a hash fits where a name does");

static void key_begin(struct key *key, uint32_t chain, enum key_kind kind)
{
    for (int i = 0; i < 4; i++) {
        key->data[i] = (uint8_t)(chain >> (24 - 8 * i));
    }
    key->data[4] = (uint8_t)kind;
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
    assert(key->bytes + rest.bytes <= sizeof key->data);
    if (rest.bytes > 0) {
        memcpy(key->data + key->bytes, rest.data, rest.bytes);
    }
    key->bytes += rest.bytes;
}

void key_set_name(struct key *ret_key, uint32_t chain, enum key_kind kind, struct slice name)
{
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
    struct key key = key_of_height(chain, KEY_BOUND, height);
    key_append(&key, name);
    return key;
}

struct key key_behind_kind(uint32_t chain, enum key_kind kind)
{
    return key_of_kind(chain, (enum key_kind)(kind + 1));
}

struct key key_behind_height(uint32_t chain, enum key_kind kind, uint64_t height)
{
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
    *ret_name = slice_of(key.data + KEY_HEAD_BYTES + HEIGHT_BYTES, key.bytes - KEY_HEAD_BYTES - HEIGHT_BYTES);
    return true;
}
