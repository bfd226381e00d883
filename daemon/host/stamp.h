/* The stamp, cairn.store: the small text file that makes a directory a store. FORMAT.md has its lines.
 *
 * Called by main's thread alone, with the directory open; nothing is kept between calls. */
#ifndef DAEMON_STAMP_H
#define DAEMON_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/status.h"

#define STAMP_NAME     "cairn.store"
#define STAMP_TMP_NAME "cairn.store.tmp" /* a stamp that is being written; readers ignore it */

enum {
    STAMP_FORMAT = 2,      /* the greatest format that this daemon reads, and the one it writes */
    STAMP_BYTES_MAX = 511, /* a longer file is damaged */
};

struct stamp {
    unsigned long format; /* from 1 to STAMP_FORMAT */
    bool is_new;          /* the store's database was never opened yet */
    uint8_t id[STORE_ID_BYTES];
};

enum stamp_result {
    STAMP_OK,
    STAMP_ABSENT,   /* there is no stamp */
    STAMP_FOREIGN,  /* what has that name is no file, or another program's, or empty */
    STAMP_NEWER,    /* its format is greater than STAMP_FORMAT */
    STAMP_DAMAGED,  /* it begins as ours and does not go on so */
    STAMP_IO_ERROR, /* it could not be read; errno says why */
};

/* Takes the n bytes of a stamp apart. Pure.
 *
 * STAMP_OK       *ret_stamp is set
 * STAMP_NEWER    *ret_format is the format it has
 * STAMP_FOREIGN, STAMP_DAMAGED  nothing is set */
enum stamp_result stamp_parse(const char *bytes, size_t n, struct stamp *ret_stamp,
                              unsigned long *ret_format) MUST_CHECK;

/* Writes the stamp's text in its format, NUL-ended, to STAMP_BYTES_MAX + 1 bytes, and returns its length. Pure. */
size_t stamp_format(const struct stamp *stamp, char *ret_text);

/* Reads the stamp of an open directory: stamp_parse's results, STAMP_ABSENT or STAMP_IO_ERROR. */
enum stamp_result stamp_read(int directory_fd, struct stamp *ret_stamp, unsigned long *ret_format) MUST_CHECK;

/* The step of stamp_write that failed. */
struct stamp_failure {
    const char *name; /* of the file, static; "" for the directory itself */
    const char *what; /* such as "cannot be written", static */
};

/* Puts a stamp in place, durably and atomically: a reader sees the old one or the new one.
 *
 * true   it is on the device
 * false  *ret_failure and errno say what failed. The old stamp, or none, is in place, or the new one without a promise that
 *        it survives a power loss; STAMP_TMP_NAME may be left behind */
bool stamp_write(int directory_fd, const struct stamp *stamp, struct stamp_failure *ret_failure) MUST_CHECK;

#endif
