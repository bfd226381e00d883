/* Which call of a process is to fail, and how many there were: shared by preload_errno.c and the test. The calls are those that change
 * something below a directory, or bring it to the device, in the order in which the process's threads make them. */
#ifndef TESTS_FAULT_FAULT_CONTROL_H
#define TESTS_FAULT_FAULT_CONTROL_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    FAULT_KILL = -1,             /* the process is killed before the call */
    FAULT_SHORT_WRITE = -2,      /* a write takes half of its bytes; any other call is as it would be */
    FAULT_INTERRUPTED_SYNC = -3, /* only syncs count, and fail with EINTR */
};

struct fault_control {
    _Atomic uint64_t calls;  /* so far */
    _Atomic uint64_t at;     /* the call of that number, from 1, fails; 0: none does */
    _Atomic int32_t kind;    /* an errno, or one of the above */
    _Atomic uint32_t lasts;  /* so do all behind it */
    _Atomic uint32_t struck; /* how many failed */
};

#define FAULT_ENVIRONMENT      "CAIRN_FAULT_CONTROL" /* a file with that struct */
#define FAULT_ROOT_ENVIRONMENT "CAIRN_FAULT_ROOT"    /* the real path of the directory */

#endif
