/* Gives each file the size that the auditor found right for it. Each change is on the device before the next one, so that a look after a
 * death in between comes to the same verdict.
 *
 * Ways to fail: a call that is refused ends it there. What was changed stays so, and the next start goes on with the rest. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/engine/rocksdb/audit.h"
#include "daemon/engine/rocksdb/audit_file.h"
#include "daemon/runtime/sync.h"

static bool set_size(int directory_fd, const char *name, int flags, uint64_t bytes)
{
    int fd = openat(directory_fd, name, O_WRONLY | O_CLOEXEC | O_NONBLOCK | flags, 0640);
    if (fd < 0) {
        return false;
    }
    unsigned tries = 0;
    bool is_set;
    do {
        is_set = ftruncate(fd, (off_t)bytes) == 0 && fsync(fd) == 0;
    } while (!is_set && sync_goes_on(++tries));
    int error = errno;
    close(fd);
    errno = error;
    return is_set;
}

static bool cut(int directory_fd, const char *name, const struct audit_log *file, struct failure *failure)
{
    assert(file->whole_to <= file->bytes); /* a longer one would get zeros, which RocksDB skips */
    if (file->whole_to == file->bytes || set_size(directory_fd, name, 0, file->whole_to)) {
        return true;
    }
    return audit_file_fail(name, "cut off behind its last whole record", failure);
}

static bool give_sizes(int directory_fd, const struct audit *audit, struct failure *failure)
{
    char name[AUDIT_NAME_BYTES];
    assert(audit->blob_count > 0); /* else the directory need not be synced */
    for (size_t i = 0; i < audit->blob_count; i++) {
        snprintf(name, sizeof name, AUDIT_BLOB_FORMAT, audit->blobs[i].number);
        if (!set_size(directory_fd, name, O_CREAT, audit->blobs[i].whole_to)) {
            return audit_file_fail(name, "given the size that it had", failure);
        }
    }
    if (!sync_directory(directory_fd)) {
        return audit_file_fail("its directory", "synced", failure);
    }
    return true;
}

bool audit_cut(int directory_fd, const struct audit *audit, struct failure *failure)
{
    char name[AUDIT_NAME_BYTES];
    bool is_cut = true;
    assert(directory_fd >= 0);
    assert(audit->verdict != AUDIT_BROKEN); /* such a store stays untouched */
    for (size_t i = audit->log_count; i > 0 && is_cut; i--) {
        snprintf(name, sizeof name, AUDIT_LOG_FORMAT, audit->logs[i - 1].number);
        is_cut = cut(directory_fd, name, &audit->logs[i - 1], failure);
    }
    if (is_cut && audit->blob_count > 0) {
        is_cut = give_sizes(directory_fd, audit, failure);
    }
    snprintf(name, sizeof name, AUDIT_MANIFEST_FORMAT, audit->manifest.number);
    return is_cut && cut(directory_fd, name, &audit->manifest, failure);
}
