/* What a process's files may take below a directory: shared by preload_quota.c and the test. */
#ifndef TESTS_FAULT_QUOTA_CONTROL_H
#define TESTS_FAULT_QUOTA_CONTROL_H

#include <stdatomic.h>
#include <stdint.h>

struct quota_control {
    _Atomic uint64_t bytes;   /* 0: there is no quota */
    _Atomic uint64_t refused; /* calls */
};

#define QUOTA_ENVIRONMENT      "CAIRN_QUOTA_CONTROL" /* a file with that struct */
#define QUOTA_ROOT_ENVIRONMENT "CAIRN_QUOTA_ROOT"    /* the real path of the directory */

#endif
