/* A mirrored file: one record of fixed size, kept twice. It is overwritten in place and never grows, so that writing it takes no
 * disk space. FORMAT.md has its bytes.
 *
 * - It is made once, and is whole on the device before it has its name.
 * - A start opens it and reads the newest copy that is whole.
 * - A write overwrites one copy, waits until that is on the device, and then overwrites the other one. So a write that is torn,
 *   and damage to either copy, leave one that is whole.
 *
 * All names are relative to an open directory. One thread at a time; every call but close waits for the disk. */
#ifndef DAEMON_MIRRORED_FILE_H
#define DAEMON_MIRRORED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

enum {
    MIRRORED_RECORD_BYTES_MAX = 1 << 20,
    MIRRORED_NAME_BYTES_MAX = 64,
};

enum mirrored_result {
    MIRRORED_OK,
    MIRRORED_ABSENT,   /* there is no file of that name */
    MIRRORED_DAMAGED,  /* neither copy is whole, or it is no regular file */
    MIRRORED_IO_ERROR, /* the system refused a call; errno says why */
};

struct mirrored_file {
    int fd;              /* -1: closed */
    size_t record_bytes; /* fixed by its opening */
    uint64_t generation; /* of the newest copy; each write makes the next one */
    int newest;          /* which copy that is: 0 or 1; the other one is overwritten first */
    uint8_t *copy;       /* where a copy is put together */
};

/* Makes the file with that record, durably, in place of one that may be there. The file takes all of its disk space now.
 *
 * MIRRORED_OK        it is on the device
 * MIRRORED_IO_ERROR  the file of before is in place, or the new one without a promise that it survives a power loss */
enum mirrored_result mirrored_file_make(int directory_fd, const char *name, const void *record,
                                        size_t record_bytes) MUST_CHECK;

/* Opens the file for writing and reads its newest whole copy. A copy that is damaged is mended by the next write.
 *
 * MIRRORED_OK  *ret_file is to be closed, ret_record has record_bytes bytes
 * else         nothing is held, and both are untouched */
enum mirrored_result mirrored_file_open(int directory_fd, const char *name, size_t record_bytes,
                                        struct mirrored_file *ret_file, void *ret_record) MUST_CHECK;

/* Overwrites the record, durably.
 *
 * MIRRORED_OK        both copies are on the device
 * MIRRORED_IO_ERROR  a start may find the old record or the new one, whole. Another write may be tried */
enum mirrored_result mirrored_file_write(struct mirrored_file *file, const void *record) MUST_CHECK;

/* Overwrites the copy that is not the newest on the device, and waits for nothing: a death of the process leaves this record, a power cut
 * the one before or this one. The next mirrored_file_write overwrites it. False: errno says why, and the record of before is whole. */
bool mirrored_file_note(struct mirrored_file *file, const void *record) MUST_CHECK;

/* Accepts a closed one: its fd is -1. */
void mirrored_file_close(struct mirrored_file *file);

#endif
