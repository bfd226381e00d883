/* The hash table the daemon uses, with a hash that a peer who chooses the names cannot steer. */
#ifndef DAEMON_NAME_HASH_H
#define DAEMON_NAME_HASH_H

#include <stddef.h>

/* Seeded once a process. Any thread. */
unsigned name_hash(const void *bytes, size_t length);

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = name_hash((keyptr), (keylen)))
#include <uthash.h>

#endif
