/* The limits on descriptors, on a file's size and on address space. Without a descriptor for every connection and every file of the store,
 * with a log that must not grow, or without address space, the daemon would fail while it serves or abort at each start. So they are
 * checked first. On main's thread, before the store is opened. */
#ifndef DAEMON_PROCESS_LIMITS_H
#define DAEMON_PROCESS_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

struct process_limits_files {
    uint64_t limit;  /* of this process */
    uint64_t needed; /* for the connections, the store, and what libraries open */
    size_t spare;    /* beyond these, for files that are deleted slowly; bounded */
};

/* Raises the process's limit as far as it is useful and allowed. `most`: no further than that. False: it is below what is needed. */
bool process_limits_raise_files(uint64_t connections_max, uint64_t most,
                                struct process_limits_files *ret_limit) MUST_CHECK;

/* Above the largest file of a store: a log, a file of large values, the reserve. */
#define PROCESS_LIMITS_FILE_SIZE_MIN (UINT64_C(1) << 30)

/* Measured: with stacks of 8 MiB a start ends below 400 MiB by an abort, below 512 for want of threads, and serves from there on. */
#define PROCESS_LIMITS_MEMORY_MIN (UINT64_C(512) << 20)

/* Raises the process's limit on a file's size as far as is allowed. False: it is below PROCESS_LIMITS_FILE_SIZE_MIN; *ret_bytes is set. */
bool process_limits_raise_file_size(uint64_t *ret_bytes) MUST_CHECK;

/* The same of its address space, and PROCESS_LIMITS_MEMORY_MIN. */
bool process_limits_raise_memory(uint64_t *ret_bytes) MUST_CHECK;

#endif
