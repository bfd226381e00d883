/* The limits on descriptors and on a file's size: every connection and every file of the store must find a descriptor, and a log that may
 * not grow fails each write, at every restart. Neither is a state to serve in. On main's thread, before there are others. */
#ifndef DAEMON_FILES_LIMIT_H
#define DAEMON_FILES_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

struct files_limit {
    uint64_t limit;  /* of this process */
    uint64_t needed; /* for the connections, the store, and what libraries open */
    size_t spare;    /* beyond these, for files that are deleted slowly; bounded */
};

/* Raises the process's limit as far as it is useful and allowed. `most`: no further than that. False: it is below what is needed. */
bool files_limit_raise(uint64_t connections_max, uint64_t most, struct files_limit *ret_limit) MUST_CHECK;

/* Above the largest file of a store: a log, a file of large values, the reserve. */
#define FILES_LIMIT_SIZE_MIN (UINT64_C(1) << 30)

/* Raises the process's limit on a file's size as far as is allowed. False: it is below FILES_LIMIT_SIZE_MIN; *ret_bytes is set. */
bool files_limit_raise_size(uint64_t *ret_bytes) MUST_CHECK;

#endif
