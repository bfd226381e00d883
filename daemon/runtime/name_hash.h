/* uthash, the hash table of the daemon, with a seeded hash: a peer that chooses names cannot choose where they collide. */
#ifndef DAEMON_NAME_HASH_H
#define DAEMON_NAME_HASH_H

#include <stddef.h>

#include "daemon/runtime/memory.h"

/* The same for the same bytes as long as the process lives, different in the next one. Any thread. */
unsigned name_hash(const void *bytes, size_t length);

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = name_hash((keyptr), (keylen)))
#define uthash_malloc(bytes)                 memory_raw(bytes) /* its own way to fail is exit(), beside threads at work */
#include <uthash.h>

#endif
