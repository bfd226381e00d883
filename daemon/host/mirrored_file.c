/* A copy is a head of 32 bytes and the record; the copies begin at multiples of a page, so that no write of one reaches into the
 * other. The checksum, over all that follows it, tells a whole copy from a torn or damaged one, the generation the newer of two.
 *
 * Ways to fail: what a refused write or sync leaves of one copy does not matter, as the other one is whole. The file that is being
 * made has a name of its own, and is truncated by the next make. */
#include "daemon/host/mirrored_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "daemon/runtime/memory.h"
#include "daemon/runtime/sync.h"
#include "daemon/schema/record.h"

enum {
    HEAD_BYTES = 32, /* checksum, magic, generation, length of the record */
    CHECKSUM_BYTES = 8,
    COPIES = 2,
    PAGE_BYTES = 4096, /* the largest unit that file systems and devices write in */
};

static const char magic[] = "cairnrec";

static size_t copy_bytes(size_t record_bytes)
{
    assert(record_bytes > 0 && record_bytes <= MIRRORED_RECORD_BYTES_MAX);
    return (HEAD_BYTES + record_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static uint64_t checksum(const uint8_t *copy, size_t record_bytes)
{
    return XXH3_64bits(copy + CHECKSUM_BYTES, HEAD_BYTES - CHECKSUM_BYTES + record_bytes);
}

/* Puts a copy together; what is behind the record was zeroed before. */
static void fill(uint8_t *copy, uint64_t generation, const void *record, size_t record_bytes)
{
    assert(generation > 0);
    memcpy(copy + 8, magic, 8);
    record_put_u64(generation, copy + 16);
    record_put_u64(record_bytes, copy + 24);
    memcpy(copy + HEAD_BYTES, record, record_bytes);
    record_put_u64(checksum(copy, record_bytes), copy);
}

/* Whether the first n bytes of a copy are enough of it, and whole. */
static bool is_whole(const uint8_t *copy, size_t n, size_t record_bytes)
{
    return n >= HEAD_BYTES + record_bytes && memcmp(copy + 8, magic, 8) == 0 &&
           record_get_u64(copy + 24) == record_bytes &&
           record_get_u64(copy) == checksum(copy, record_bytes) && record_get_u64(copy + 16) > 0;
}

static bool write_at(int fd, const uint8_t *bytes, size_t n, off_t offset)
{
    assert(offset % PAGE_BYTES == 0); /* a copy begins with a page, so that the other one is not touched */
    while (n > 0) {
        ssize_t written = pwrite(fd, bytes, n, offset);

        if (written < 0 && errno != EINTR) {
            return false;
        }
        if (written == 0) {
            errno = ENOSPC;
            return false;
        }
        if (written > 0) {
            bytes += written;
            offset += written;
            n -= (size_t)written;
        }
    }
    return true;
}

/* Reads up to n bytes. Returns how many there were, or -1 with errno. */
static ssize_t read_at(int fd, uint8_t *ret_bytes, size_t n, off_t offset)
{
    size_t length = 0;
    ssize_t got = 1;

    assert(offset % PAGE_BYTES == 0); /* where a copy begins */
    while (length < n && got != 0) {
        got = pread(fd, ret_bytes + length, n - length, offset + (off_t)length);
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        length += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)length;
}

/* Overwrites one copy, and waits until it is on the device. */
static bool overwrite(int fd, const uint8_t *copy, size_t bytes, off_t offset)
{
    unsigned tries = 0;
    bool is_written;

    do {
        is_written = write_at(fd, copy, bytes, offset) && fdatasync(fd) == 0;
    } while (!is_written && sync_goes_on(++tries));
    return is_written;
}

/* ---- making ---- */

static bool write_both(int fd, const uint8_t *copy, size_t bytes)
{
    for (int i = 0; i < COPIES; i++) {
        if (!write_at(fd, copy, bytes, (off_t)bytes * i)) {
            return false;
        }
    }
    return fsync(fd) == 0; /* its length too */
}

static bool write_new(int directory_fd, const char *name, const uint8_t *copy, size_t bytes)
{
    int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    unsigned tries = 0;
    bool is_written;
    int error;

    if (fd < 0) {
        return false;
    }
    do {
        is_written = write_both(fd, copy, bytes);
    } while (!is_written && sync_goes_on(++tries));
    error = errno;
    close(fd);
    if (!is_written) {
        (void)unlinkat(directory_fd, name, 0); /* it may be what fills the disk */
    }
    errno = error;
    return is_written;
}

enum mirrored_result mirrored_file_make(int directory_fd, const char *name, const void *record,
                                        size_t record_bytes)
{
    assert(directory_fd >= 0); /* AT_FDCWD would make it where the process happens to be */
    assert(strlen(name) <= MIRRORED_NAME_BYTES_MAX);
    char unfinished[MIRRORED_NAME_BYTES_MAX + sizeof ".tmp"];
    size_t bytes = copy_bytes(record_bytes);
    uint8_t *copy = memory_new(bytes);
    bool is_written;

    snprintf(unfinished, sizeof unfinished, "%s.tmp", name);
    fill(copy, 1, record, record_bytes);
    is_written = write_new(directory_fd, unfinished, copy, bytes);
    free(copy);
    if (!is_written || renameat(directory_fd, unfinished, directory_fd, name) != 0 ||
        !sync_directory(directory_fd)) {
        return MIRRORED_IO_ERROR;
    }
    return MIRRORED_OK;
}

/* ---- opening ---- */

/* Reads both copies: the newest that is whole goes to the caller. Of two of one generation it is the second, so that the first is
 * overwritten first. A copy that cannot be read counts as damaged where the other one is whole. */
static enum mirrored_result read_newest(struct mirrored_file *file, void *ret_record)
{
    size_t bytes = copy_bytes(file->record_bytes);
    int error = 0;

    file->generation = 0;
    for (int i = 0; i < COPIES; i++) {
        ssize_t n = read_at(file->fd, file->copy, bytes, (off_t)bytes * i);

        if (n < 0) {
            error = errno;
        } else if (is_whole(file->copy, (size_t)n, file->record_bytes) &&
                   record_get_u64(file->copy + 16) >= file->generation) {
            file->generation = record_get_u64(file->copy + 16);
            file->newest = i;
            memcpy(ret_record, file->copy + HEAD_BYTES, file->record_bytes);
        }
    }
    if (file->generation > 0) {
        return MIRRORED_OK;
    }
    errno = error;
    return error != 0 ? MIRRORED_IO_ERROR : MIRRORED_DAMAGED;
}

enum mirrored_result mirrored_file_open(int directory_fd, const char *name, size_t record_bytes,
                                        struct mirrored_file *ret_file, void *ret_record)
{
    assert(directory_fd >= 0);
    struct mirrored_file file = {.record_bytes = record_bytes};
    enum mirrored_result result = MIRRORED_DAMAGED;
    struct stat status;
    uint8_t *record;
    int error;

    /* Not a link, and not a pipe that would wait. */
    file.fd = openat(directory_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file.fd < 0) {
        return errno == ENOENT ? MIRRORED_ABSENT : MIRRORED_IO_ERROR;
    }
    file.copy = memory_new(copy_bytes(record_bytes));
    record = memory_new(record_bytes);
    if (fstat(file.fd, &status) != 0) {
        result = MIRRORED_IO_ERROR;
    } else if (S_ISREG(status.st_mode)) {
        result = read_newest(&file, record);
    }
    error = errno;
    if (result == MIRRORED_OK) {
        assert(file.generation > 0 && file.newest < COPIES);
        memcpy(ret_record, record, record_bytes);
        memset(file.copy, 0, copy_bytes(record_bytes)); /* what is behind the record stays zero */
        *ret_file = file;
    } else {
        mirrored_file_close(&file);
    }
    free(record);
    errno = error;
    return result;
}

/* ---- writing ---- */

enum mirrored_result mirrored_file_write(struct mirrored_file *file, const void *record)
{
    assert(file->fd >= 0);
    assert(file->newest == 0 || file->newest == 1);
    size_t bytes = copy_bytes(file->record_bytes);
    uint64_t generation = file->generation + 1;

    fill(file->copy, generation, record, file->record_bytes);
    for (int i = 0; i < COPIES; i++) {
        int target = 1 - file->newest;

        if (!overwrite(file->fd, file->copy, bytes, (off_t)bytes * target)) {
            return MIRRORED_IO_ERROR;
        }
        file->newest = target;
        file->generation = generation;
    }
    return MIRRORED_OK;
}

bool mirrored_file_note(struct mirrored_file *file, const void *record)
{
    assert(file->fd >= 0);
    size_t bytes = copy_bytes(file->record_bytes);

    fill(file->copy, file->generation + 1, record, file->record_bytes);
    return write_at(file->fd, file->copy, bytes, (off_t)bytes * (1 - file->newest));
}

void mirrored_file_close(struct mirrored_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        free(file->copy);
    }
    file->fd = -1;
    file->copy = NULL;
}
