/* What the recorder writes down: each call of a process that changed files below a directory, or brought them to the device.
 *
 * The recorder is a library that is loaded before libc (preload_recorder.c). It has its place in a directory of its own:
 *
 * - `control`, this struct, mapped by the recorded process and the test. Its lock is held during each call that is recorded, so that
 *   calls and records have one order, and a test that holds it while it kills the process cuts no call in two.
 * - `record`, the operations: for each a struct recorded, and `bytes` bytes behind it.
 *
 * Files and directories go by their inodes: nothing below the directory is ever given a used one (tmpfs counts them up). */
#ifndef TESTS_FAULT_RECORDER_H
#define TESTS_FAULT_RECORDER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct recorder_control {
    pthread_mutex_t lock;        /* shared between processes */
    _Atomic uint64_t operations; /* recorded so far */
    /* the one of that number, from now, among the syncs of files *.log fails; 0: none */
    _Atomic uint64_t syncs_left;
};

enum recorded_kind {
    RECORDED_WRITE,       /* `inode` at `offset`; the bytes */
    RECORDED_SIZE,        /* `inode` has `offset` bytes now */
    RECORDED_SYNC,        /* of a file or a directory */
    RECORDED_SYNC_FAILED, /* of a file */
    RECORDED_ADD,         /* the bytes, a name, in the directory `inode` name the file `other` */
    RECORDED_ADD_DIRECTORY,
    RECORDED_REMOVE, /* the name in the directory `inode` */
    RECORDED_RENAME, /* two names with a NUL between them, in the directory `inode`; the file `other` */
};

struct recorded {
    uint32_t kind;
    uint32_t bytes;
    uint64_t inode;
    uint64_t other;
    uint64_t offset;
};

#define RECORDER_ENVIRONMENT      "CAIRN_RECORD"      /* the recorder's directory */
#define RECORDER_ROOT_ENVIRONMENT "CAIRN_RECORD_ROOT" /* the real path of what is recorded */
#define RECORDER_CONTROL_NAME     "control"
#define RECORDER_RECORD_NAME      "record"

#endif
