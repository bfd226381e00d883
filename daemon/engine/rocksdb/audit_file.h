/* Reading the files of a database, for the auditor: whole, in the pieces that audit_record.h takes. It only reads, and remembers nothing.
 *
 * Ways to fail: if a system call fails the result is false, and errno says why. What the file holds, and where it ends, is no failure. */
#ifndef DAEMON_AUDIT_FILE_H
#define DAEMON_AUDIT_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/engine/rocksdb/audit_record.h"
#include "daemon/runtime/failure.h"

enum { AUDIT_READ_BYTES_MAX = 1 << 20 };

/* Sets the failure "NAME cannot be WHAT", such as "opened", with errno's text. Returns false. */
bool audit_file_fail(const char *name, const char *what, struct failure *failure);

/* Reads n bytes from `offset` on, fewer only at the end of the file, and returns how many. -1: errno says why. n: from 1 to
 * AUDIT_READ_BYTES_MAX. */
ssize_t audit_file_read_up_to(int fd, uint8_t *ret_bytes, size_t n, uint64_t offset) MUST_CHECK;

/* Gives the whole file to a reader, and says how long it is. False: errno says why; it is ENOENT if there is no such file. If the file
 * could be opened, audit_reader_end was called. */
bool audit_file_read_records(int directory_fd, const char *name, struct audit_reader *reader,
                             uint64_t *ret_bytes) MUST_CHECK;

/* Whether a page between two places of the file is all zeros. Of the page in which `from` lies only the part behind `from` counts, and not
 * if that is a few bytes. If the file once ended at `from`, a power cut leaves such a hole where a page was not written and a later one was.
 * Damage inside a record leaves none: the record's header is not zeros. */
bool audit_file_look_for_hole(int directory_fd, const char *name, uint64_t from, uint64_t to,
                              bool *ret_has_hole) MUST_CHECK;

#endif
