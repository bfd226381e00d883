/* The key schema: where everything lies in the store. Pure.
 *
 *   chain id, u32   kind  rest                  value (daemon/schema/record.h)
 *   0               'n'   chain name            the chain's id, u32
 *   0               'q'                         sequence numbers are reserved below this, u64
 *   0               'w'                         highest metadata number on disk, u64
 *   0               'r'   run, u64              the run record
 *   from 1          'c'                         the chain's marks
 *   from 1          'h'   height, u64           header record: hash, header, signature, length of the data
 *   from 1          'd'   height, u64           the block's data
 *   from 1          'i'   hash                  height, u64
 *   from 1          's'   height, u64           the state
 *   from 1          'm'   name                  metadata record: height it is bound to, value
 *   from 1          'x'   height, u64, name     empty: this name was bound to this height when it was written
 *
 * Integers are big-endian, so that a range of heights is a range of keys. */
#ifndef DAEMON_KEY_H
#define DAEMON_KEY_H

#include "daemon/schema/slice.h"
#include "proto/limits.h"

enum { KEY_BYTES_MAX = 4 + 1 + 8 + METADATA_NAME_BYTES_MAX };

enum key_kind {
    KEY_CHAIN_NAME = 'n',
    KEY_SEQUENCE = 'q',
    KEY_METADATA_ON_DISK = 'w',
    KEY_RUN = 'r',
    KEY_MARKS = 'c',
    KEY_HEADER = 'h',
    KEY_DATA = 'd',
    KEY_HASH = 'i',
    KEY_STATE = 's',
    KEY_METADATA = 'm',
    KEY_BOUND = 'x',
};

struct key {
    size_t bytes;
    uint8_t data[KEY_BYTES_MAX];
};

/* A key is a kilobyte, so those that return one copy it: where it is made by the million, the key_set_ ones are for. */

/* A key without rest, or the beginning of all keys of that kind. */
struct key key_of_kind(uint32_t chain, enum key_kind kind);

/* KEY_HEADER, KEY_DATA, KEY_STATE, KEY_RUN; or the beginning of KEY_BOUND's keys at that height. */
struct key key_of_height(uint32_t chain, enum key_kind kind, uint64_t height);
void key_set_height(struct key *ret_key, uint32_t chain, enum key_kind kind, uint64_t height);

/* KEY_METADATA, KEY_HASH, KEY_CHAIN_NAME; at most METADATA_NAME_BYTES_MAX bytes. */
struct key key_of_name(uint32_t chain, enum key_kind kind, struct slice name);
void key_set_name(struct key *ret_key, uint32_t chain, enum key_kind kind, struct slice name);

/* KEY_BOUND. */
struct key key_of_bound(uint32_t chain, uint64_t height, struct slice name);

/* The first key behind all of that kind, or behind all of that kind up to and including that height. */
struct key key_behind_kind(uint32_t chain, enum key_kind kind);
struct key key_behind_height(uint32_t chain, enum key_kind kind, uint64_t height);

static inline struct slice key_slice(const struct key *key)
{
    return slice_of(key->data, key->bytes);
}

/* The parts of a key that was read back; false if it is too short to have them. The name is borrowed from the key. */
bool key_read_height(struct slice key, uint64_t *ret_height);
bool key_read_name(struct slice key, struct slice *ret_name);
bool key_read_bound(struct slice key, uint64_t *ret_height, struct slice *ret_name);

#endif
