/* A log that is written anew is NUMBER.log.new until it is whole and synced; then it takes the place of NUMBER.log, and the directory
 * is synced.
 *
 * Ways to fail: an unfinished new log is no name of RocksDB's, and the next attempt removes it. */
#include "daemon/engine/rocksdb/wal_files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/sync.h"

enum {
    COPY_BYTES = 1 << 20, /* at a time */
    NAME_BYTES = 40,
};

static bool fail(const char *name, const char *what, struct failure *failure)
{
    failure_set(failure, STATUS_IO_ERROR, "opening the store: %s cannot be %s before it is read: %s", name,
                what, strerror(errno));
    return false;
}

static void close_keeping_errno(int fd)
{
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = error;
}

bool wal_files_sync(int directory_fd, const struct audit *audit, struct failure *failure)
{
    assert(directory_fd >= 0);
    for (size_t i = 0; i < audit->log_count; i++) {
        assert(i == 0 || audit->logs[i - 1].number <= audit->logs[i].number); /* the oldest first */
        char name[NAME_BYTES];
        snprintf(name, sizeof name, AUDIT_LOG_FORMAT, audit->logs[i].number);
        int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC);
        bool is_synced = fd >= 0 && fdatasync(fd) == 0;
        close_keeping_errno(fd);
        if (!is_synced) {
            return fail(name, "synced", failure);
        }
    }
    return true;
}

static bool write_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        bytes += written > 0 ? written : 0;
        n -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* Copies all through memory: the file system must not make the new file of the old one's blocks. */
static bool copy(int from, int to)
{
    assert(from >= 0 && to >= 0 && from != to); /* a copy into itself would not end */
    uint8_t *bytes = memory_raw(COPY_BYTES);
    bool is_copied = lseek(from, 0, SEEK_SET) == 0 && lseek(to, 0, SEEK_SET) == 0;
    ssize_t n = 1;
    while (is_copied && n != 0) {
        n = read(from, bytes, COPY_BYTES);
        is_copied = n >= 0 ? write_all(to, bytes, (size_t)n) : errno == EINTR;
    }
    int error = errno;
    free(bytes);
    errno = error;
    return is_copied;
}

static bool copy_synced(int from, int to)
{
    unsigned tries = 0;
    bool is_copied;
    do {
        is_copied = copy(from, to) && fsync(to) == 0;
    } while (!is_copied && sync_goes_on(++tries));
    return is_copied;
}

static bool renew(int directory_fd, const char *name, const char *new_name)
{
    assert(strcmp(name, new_name) != 0); /* what has the new name is removed first */
    struct stat status;
    int from = openat(directory_fd, name, O_RDONLY | O_CLOEXEC);
    int to = -1;
    bool is_new = from >= 0 && fstat(from, &status) == 0;
    if (is_new) {
        (void)unlinkat(directory_fd, new_name, 0); /* of an attempt that did not end */
        to = openat(directory_fd, new_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, status.st_mode & 0777);
        is_new = to >= 0 && copy_synced(from, to);
    }
    close_keeping_errno(from);
    close_keeping_errno(to);
    if (!is_new && to >= 0) {
        int error = errno;
        (void)unlinkat(directory_fd, new_name, 0); /* it may be what fills the disk */
        errno = error;
    }
    return is_new && renameat(directory_fd, new_name, directory_fd, name) == 0;
}

bool wal_files_renew(int directory_fd, const struct audit *audit, struct failure *failure)
{
    assert(directory_fd >= 0);
    for (size_t i = 0; i < audit->log_count; i++) {
        assert(i == 0 || audit->logs[i - 1].number <= audit->logs[i].number); /* as above */
        char name[NAME_BYTES], new_name[NAME_BYTES + sizeof ".new"];
        snprintf(name, sizeof name, AUDIT_LOG_FORMAT, audit->logs[i].number);
        snprintf(new_name, sizeof new_name, "%s.new", name);
        if (!renew(directory_fd, name, new_name)) {
            return fail(name, "written anew", failure);
        }
    }
    if (!sync_directory(directory_fd)) {
        return fail("the database's directory", "synced", failure);
    }
    return true;
}
