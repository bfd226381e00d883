/* Keys: where everything lies in the store, as FORMAT.md describes. Pure.
 *
 * A key is the chain's id (0: the daemon's own), the kind, and what the kind has behind it: a height, a name, or both. The
 * functions that make a key take checked values and copy them; those that take one apart accept any bytes. */
#ifndef DAEMON_KEY_H
#define DAEMON_KEY_H

#include <assert.h>

#include "daemon/schema/slice.h"
#include "proto/limits.h"

enum { KEY_BYTES_MAX = 4 + 1 + 8 + METADATA_NAME_BYTES_MAX };

enum key_kind {
    /* In chain 0. */
    KEY_CHAIN_NAME = 'n',
    KEY_DROPPED = 'g',
    KEY_METADATA_ON_DISK = 'w',
    KEY_SEQUENCE = 'q', /* format 1 only, as is the next one */
    KEY_RUN = 'r',
    /* In a chain, from 1 on. */
    KEY_MARKS = 'c',
    KEY_MADE = 'b',
    KEY_CLAIM = 'l',
    KEY_EPOCH = 'e', /* by the sequence number of its claim, where the others have a height */
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

/* A struct key has a kilobyte: where millions are made, key_set_height and key_set_name avoid the copy of a returned one. */

/* The least of all keys of the chain, of whatever kind, and the end of a range: behind all of them. Not of the last id. */
struct key key_of_chain(uint32_t chain);
struct key key_behind_chain(uint32_t chain);

/* A key of chain id and kind alone: that of a kind that has no more, or the least of all keys of the kind. */
struct key key_of_kind(uint32_t chain, enum key_kind kind);

/* KEY_HEADER, KEY_DATA, KEY_STATE, KEY_EPOCH, KEY_RUN; with KEY_BOUND the least of its keys at that height. */
struct key key_of_height(uint32_t chain, enum key_kind kind, uint64_t height);
void key_set_height(struct key *ret_key, uint32_t chain, enum key_kind kind, uint64_t height);

/* KEY_METADATA, KEY_HASH, KEY_CHAIN_NAME. At most METADATA_NAME_BYTES_MAX bytes; none for the beginning of a range. */
struct key key_of_name(uint32_t chain, enum key_kind kind, struct slice name);
void key_set_name(struct key *ret_key, uint32_t chain, enum key_kind kind, struct slice name);

/* KEY_BOUND, with a name of 1 to METADATA_NAME_BYTES_MAX bytes. */
struct key key_of_bound(uint32_t chain, uint64_t height, struct slice name);

/* KEY_DROPPED. */
struct key key_of_dropped(uint32_t chain);

/* The end of a range, itself not in it: behind all keys of the kind, or behind those up to and including the height. */
struct key key_behind_kind(uint32_t chain, enum key_kind kind);
struct key key_behind_height(uint32_t chain, enum key_kind kind, uint64_t height);

/* The key's bytes, borrowed from it. */
static inline struct slice key_slice(const struct key *key)
{
    assert(key->bytes <= sizeof key->data); /* it was made by a function above */
    return slice_of(key->data, key->bytes);
}

/* The parts of a key that was read from the disk; the name is borrowed from it.
 *
 * true   the outputs are set; the kind is not looked at
 * false  damage: the key is too short for these parts, or its name is longer than METADATA_NAME_BYTES_MAX, so that it fits no
 *        struct key. The outputs are untouched */
bool key_read_height(struct slice key, uint64_t *ret_height);
bool key_read_name(struct slice key, struct slice *ret_name);
bool key_read_bound(struct slice key, uint64_t *ret_height, struct slice *ret_name);
bool key_read_dropped(struct slice key, uint32_t *ret_chain);

#endif
