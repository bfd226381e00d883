/* Calls of libc that fail on demand, for the unit tests that the Makefile links with this: it stands between the test program and
 * libc. Only the thread that plans a failure has it. */
#ifndef TESTS_LIB_FAILING_FAILING_H
#define TESTS_LIB_FAILING_FAILING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum failing_call {
    FAILING_NONE,
    FAILING_OPEN, /* and openat, as of the others that have both */
    FAILING_READ,
    FAILING_PREAD,
    FAILING_WRITE,
    FAILING_PWRITE,
    FAILING_STAT, /* by name */
    FAILING_FSTAT,
    FAILING_ACCESS,
    FAILING_FLOCK,
    FAILING_FSYNC,
    FAILING_FDATASYNC,
    FAILING_RENAME,
    FAILING_MKDIR,
    FAILING_TRUNCATE,
    FAILING_ALLOCATE,
    FAILING_STATVFS,
    FAILING_READLINK,
    FAILING_GETRANDOM,
    FAILING_KILL,
    FAILING_MKDTEMP,
    FAILING_THREAD, /* the making of one */
    FAILING_FDOPENDIR,
    FAILING_READDIR,
    FAILING_MALLOC, /* only of failing_plan_malloc */
};

/* The nth such call from now on fails with that error, and only that one; 1: the next. Without an error it returns 0 and does nothing,
 * and fstat tells of a file of no device. */
void failing_plan(enum failing_call call, unsigned nth, int error);
/* The nth malloc or realloc of at least so many bytes from now on finds no memory, and only that one. */
void failing_plan_malloc(unsigned nth, size_t bytes_min);
/* From now on fstatvfs says that as many files may be made as blocks are free: so file systems do that make files out of free space. */
void failing_files_of_blocks(void);
/* From now on fallocate is refused with EDQUOT what lies behind that place in a file, as by a quota. */
void failing_quota(uint64_t bytes_max);
/* Whether the planned failure has been met. Nothing is planned any more, there is no quota, and fstatvfs says what the system does. */
bool failing_end(void);

#endif
