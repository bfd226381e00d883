/* The records of a file are read in pieces, one behind the other; a read that is interrupted or cut short goes on.
 *
 * Ways to fail: a system call, by its errno. */
#include "daemon/engine/rocksdb/audit_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/runtime/memory.h"

enum {
    PAGE_BYTES = 4096,   /* of the page cache, or a part of one of its pages */
    HOLE_BYTES_MIN = 16, /* more than a record's header, of 7 bytes that are not all zero */
};

static_assert(AUDIT_READ_BYTES_MAX % AUDIT_BLOCK_BYTES == 0, "a read ends with a block");

bool audit_file_fail(const char *name, const char *what, struct failure *failure)
{
    failure_set(failure, STATUS_IO_ERROR, "opening the store: %s cannot be %s: %s", name, what,
                strerror(errno));
    return false;
}

ssize_t audit_file_read_up_to(int fd, uint8_t *ret_bytes, size_t n, uint64_t offset)
{
    assert(n > 0 && n <= AUDIT_READ_BYTES_MAX); /* to read nothing would look like the end of the file */
    size_t length = 0;
    ssize_t got = 1;
    while (length < n && got != 0) {
        got = pread(fd, ret_bytes + length, n - length, (off_t)(offset + length));
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        length += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)length;
}

bool audit_file_read_records(int directory_fd, const char *name, struct audit_reader *reader,
                             uint64_t *ret_bytes)
{
    int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    assert(reader->block_from == 0 && !reader->has_ended); /* it is given the file from its beginning */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    uint8_t *bytes = memory_raw(AUDIT_READ_BYTES_MAX);
    uint64_t offset = 0;
    ssize_t n;
    while ((n = audit_file_read_up_to(fd, bytes, AUDIT_READ_BYTES_MAX, offset)) > 0) {
        for (size_t at = 0; at < (size_t)n; at += AUDIT_BLOCK_BYTES) {
            size_t left = (size_t)n - at;
            audit_reader_take(reader,
                              slice_of(bytes + at, left < AUDIT_BLOCK_BYTES ? left : AUDIT_BLOCK_BYTES));
        }
        offset += (uint64_t)n;
    }
    int error = errno;
    free(bytes);
    close(fd);
    audit_reader_end(reader);
    *ret_bytes = offset;
    errno = error;
    return n == 0;
}

/* Looks at what is left of the page of `from`, then at each whole page up to `to`. */
static bool read_hole(int fd, uint64_t from, uint64_t to, bool *ret_has_hole)
{
    static const uint8_t zeros[PAGE_BYTES];
    uint8_t page[PAGE_BYTES];
    bool has_hole = false;
    for (uint64_t end = from / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES; end <= to && !has_hole;
         end += PAGE_BYTES) {
        size_t n = (size_t)(end - from);
        assert(n > 0 && n <= sizeof page);
        if (audit_file_read_up_to(fd, page, n, from) < 0) {
            return false;
        }
        has_hole = n >= HOLE_BYTES_MIN && memcmp(page, zeros, n) == 0;
        from = end;
    }
    *ret_has_hole = has_hole;
    return true;
}

bool audit_file_look_for_hole(int directory_fd, const char *name, uint64_t from, uint64_t to,
                              bool *ret_has_hole)
{
    int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    assert(from <= to); /* behind an end, a record may begin right there */
    bool is_read = read_hole(fd, from, to, ret_has_hole);
    int error = errno;
    close(fd);
    errno = error;
    return is_read;
}
