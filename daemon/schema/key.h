/* Keys: where everything lies in the store, as FORMAT.md says. Pure.
 *
 * A key is the chain's id (0: the daemon's own), the kind, and a rest that is a height, a name, or both. The functions that
 * make one are given what has been checked; those that take one apart are given whatever the disk holds. */
#ifndef DAEMON_KEY_H
#define DAEMON_KEY_H

#include "daemon/schema/slice.h"
#include "proto/limits.h"

enum { KEY_BYTES_MAX = 4 + 1 + 8 + METADATA_NAME_BYTES_MAX };

enum key_kind {
    KEY_CHAIN_NAME = 'n', /* of chain 0, as the three that follow */
    KEY_SEQUENCE = 'q',
    KEY_METADATA_ON_DISK = 'w',
    KEY_RUN = 'r',
    KEY_MARKS = 'c', /* of a chain, as all that follow */
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

/* A struct key is a kilobyte: where millions are made, key_set_height and key_set_name save copying it. */

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

/* The parts of a key that was read back. False, with the outputs untouched: it is too short to have them, or its name is longer
 * than METADATA_NAME_BYTES_MAX, so that it fits no struct key. The name is borrowed from the key. */
bool key_read_height(struct slice key, uint64_t *ret_height);
bool key_read_name(struct slice key, struct slice *ret_name);
bool key_read_bound(struct slice key, uint64_t *ret_height, struct slice *ret_name);

#endif
