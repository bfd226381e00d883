/* Reading the files of a database, for the auditor: whole, in the pieces that audit_record.h takes. It only reads, and remembers nothing.
 *
 * Ways to fail: a call that the system refuses is told by false, and errno. A file that ends early, or holds anything at all, is no failure. */
#ifndef DAEMON_AUDIT_FILE_H
#define DAEMON_AUDIT_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/engine/rocksdb/audit_record.h"
#include "daemon/runtime/failure.h"

enum { AUDIT_READ_BYTES_MAX = 1 << 20 };

/* Says that the file cannot be opened, or read, or whatever `what` is, and why: by errno. Returns false. */
bool audit_file_fail(const char *name, const char *what, struct failure *failure);

/* How many bytes there are from `offset` on, n at most, as pread; fewer only at the end of the file. n: from 1 to AUDIT_READ_BYTES_MAX. */
ssize_t audit_file_read_up_to(int fd, uint8_t *ret_bytes, size_t n, uint64_t offset) MUST_CHECK;

/* Gives the whole file to a reader, and says how long it is. False: errno says why, ENOENT among them; the reader was given its end
 * if the file could be opened. */
bool audit_file_read_records(int directory_fd, const char *name, struct audit_reader *reader,
                             uint64_t *ret_bytes) MUST_CHECK;

/* Whether between two places of the file there are only zeros in a page, or in what follows the first place in its page. A power cut leaves
 * that of a page which was not written while a later one was, where the file had ended at the first place. Damage to a record does not:
 * its header is not zeros. A remainder of a few bytes does not count. */
bool audit_file_look_for_hole(int directory_fd, const char *name, uint64_t from, uint64_t to,
                              bool *ret_has_hole) MUST_CHECK;

#endif
