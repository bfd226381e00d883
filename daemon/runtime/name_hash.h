/* uthash, the hash table of the daemon, with a seeded hash: a peer that chooses names cannot choose where they collide. */
#ifndef DAEMON_NAME_HASH_H
#define DAEMON_NAME_HASH_H

#include <stddef.h>

/* The same for the same bytes as long as the process lives, different in the next one. Any thread. */
unsigned name_hash(const void *bytes, size_t length);

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = name_hash((keyptr), (keylen)))
#include <uthash.h>

#endif
