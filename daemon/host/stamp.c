/* A stamp's life: it is written beside its place, synced, renamed, and the directory is synced; it is read at each start; it
 * is written a second time, without `new` and in the present format, when the database has been opened.
 *
 * Ways to fail: what was read is classified, never repaired. A write that failed leaves the old stamp or the new one, each
 * whole, and perhaps the unfinished file, which the next write truncates. */
#include "daemon/host/stamp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "daemon/runtime/sync.h"

#define FIRST_LINE "cairn store\n"
#define CHECKSUM   "checksum "

enum { CHECKSUM_LINE_BYTES = sizeof CHECKSUM - 1 + 16 + 1 };

static bool parse_id(const char *hex, uint8_t *ret_id)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < STORE_ID_BYTES; i++) {
        const char *high = hex[2 * i] == '\0' ? NULL : strchr(digits, hex[2 * i]);
        const char *low = high == NULL || hex[2 * i + 1] == '\0' ? NULL : strchr(digits, hex[2 * i + 1]);

        if (low == NULL) {
            return false;
        }
        ret_id[i] = (uint8_t)((high - digits) << 4 | (low - digits));
    }
    return true;
}

/* Appends the line that ends a stamp from format 2 on: the checksum of all before it. */
static size_t append_checksum(char *text, size_t n)
{
    assert(n + CHECKSUM_LINE_BYTES <= STAMP_BYTES_MAX);
    return n + (size_t)snprintf(text + n, CHECKSUM_LINE_BYTES + 1, CHECKSUM "%016llx\n",
                                (unsigned long long)XXH3_64bits(text, n));
}

size_t stamp_format(const struct stamp *stamp, char *ret_text)
{
    char id[2 * STORE_ID_BYTES + 1];
    int n;

    assert(stamp->format >= 1 && stamp->format <= STAMP_FORMAT);
    for (size_t i = 0; i < STORE_ID_BYTES; i++) {
        snprintf(id + 2 * i, 3, "%02x", stamp->id[i]);
    }
    n = snprintf(ret_text, STAMP_BYTES_MAX + 1, FIRST_LINE "format %lu\nid %s\n%s", stamp->format, id,
                 stamp->is_new ? "new\n" : "");
    assert(n > 0 && n <= STAMP_BYTES_MAX); /* a cut stamp would be damage at the next start */
    return stamp->format >= 2 ? append_checksum(ret_text, (size_t)n) : (size_t)n;
}

/* Without our first line it is another program's file; but if our second line follows at its place, it is a damaged stamp. */
static enum stamp_result judge_foreign(const char *bytes, size_t n)
{
    static const char second[] = "format ";
    size_t first_bytes = strlen(FIRST_LINE);
    bool goes_on =
        n >= first_bytes + strlen(second) && memcmp(bytes + first_bytes, second, strlen(second)) == 0;

    return goes_on ? STAMP_DAMAGED : STAMP_FOREIGN;
}

/* Only the first two lines are the same in every format. */
enum stamp_result stamp_parse(const char *bytes, size_t n, struct stamp *ret_stamp, unsigned long *ret_format)
{
    char text[STAMP_BYTES_MAX + 1], again[STAMP_BYTES_MAX + 1];
    struct stamp stamp;
    const char *at;
    char *end;

    if (n < strlen(FIRST_LINE) || memcmp(bytes, FIRST_LINE, strlen(FIRST_LINE)) != 0) {
        return judge_foreign(bytes, n);
    }
    if (n > STAMP_BYTES_MAX || memchr(bytes, '\0', n) != NULL) {
        return STAMP_DAMAGED;
    }
    memcpy(text, bytes, n);
    text[n] = '\0';
    at = text + strlen(FIRST_LINE);
    if (strncmp(at, "format ", 7) != 0 || at[7] < '1' || at[7] > '9') {
        return STAMP_DAMAGED;
    }
    errno = 0;
    stamp.format = strtoul(at + 7, &end, 10);
    if (errno != 0 || *end != '\n') {
        return STAMP_DAMAGED;
    }
    assert(end < text + n); /* the next line begins in the text, or at its NUL */
    if (stamp.format > STAMP_FORMAT) {
        *ret_format = stamp.format;
        return STAMP_NEWER;
    }
    at = end + 1;
    if (strncmp(at, "id ", 3) != 0 || !parse_id(at + 3, stamp.id)) {
        return STAMP_DAMAGED;
    }
    stamp.is_new = strncmp(at + 3 + 2 * STORE_ID_BYTES, "\nnew\n", 5) == 0;
    if (stamp_format(&stamp, again) != n || memcmp(text, again, n) != 0) {
        return STAMP_DAMAGED;
    }
    *ret_stamp = stamp;
    return STAMP_OK;
}

/* Reads up to `room` bytes of a file. Returns how many, or -1 with errno. */
static ssize_t read_up_to(int fd, size_t room, char *ret_bytes)
{
    size_t length = 0;
    ssize_t n = 1;

    while (length < room && n != 0) {
        n = read(fd, ret_bytes + length, room - length);
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        length += n > 0 ? (size_t)n : 0;
    }
    assert(length <= room);
    return (ssize_t)length;
}

enum stamp_result stamp_read(int directory_fd, struct stamp *ret_stamp, unsigned long *ret_format)
{
    assert(directory_fd >= 0); /* a closed directory is our mistake, not an I/O error */
    /* Not a link, and not a pipe that would wait for a writer. */
    int fd = openat(directory_fd, STAMP_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char bytes[STAMP_BYTES_MAX + 1];
    struct stat found;
    ssize_t n;
    int error;

    if (fd < 0) {
        bool is_no_file = errno == ELOOP || errno == ENXIO; /* a link, a socket */
        return errno == ENOENT ? STAMP_ABSENT : is_no_file ? STAMP_FOREIGN : STAMP_IO_ERROR;
    }
    if (fstat(fd, &found) == 0 && !S_ISREG(found.st_mode)) {
        close(fd);
        return STAMP_FOREIGN;
    }
    n = read_up_to(fd, sizeof bytes, bytes);
    error = errno;
    close(fd);
    errno = error;
    return n < 0 ? STAMP_IO_ERROR : stamp_parse(bytes, (size_t)n, ret_stamp, ret_format);
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return false;
        }
        assert((size_t)written <= n);
        bytes += written;
        n -= (size_t)written;
    }
    return true;
}

static bool write_synced(int fd, const char *bytes, size_t n)
{
    unsigned tries = 0;
    bool is_written;

    do {
        is_written = lseek(fd, 0, SEEK_SET) == 0 && write_all(fd, bytes, n) && fsync(fd) == 0;
    } while (!is_written && sync_goes_on(++tries));
    return is_written;
}

static bool fail(const char *name, const char *what, struct stamp_failure *ret_failure)
{
    assert(errno != 0); /* the caller's text ends with the reason */
    *ret_failure = (struct stamp_failure){name, what};
    return false;
}

bool stamp_write(int directory_fd, const struct stamp *stamp, struct stamp_failure *ret_failure)
{
    assert(directory_fd >= 0); /* AT_FDCWD would put the stamp where the process happens to be */
    char text[STAMP_BYTES_MAX + 1];
    size_t n = stamp_format(stamp, text);
    int fd =
        openat(directory_fd, STAMP_TMP_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool is_written;
    int error;

    if (fd < 0) {
        return fail(STAMP_TMP_NAME, "cannot be made", ret_failure);
    }
    is_written = write_synced(fd, text, n);
    error = errno;
    close(fd);
    errno = error;
    if (!is_written) {
        return fail(STAMP_TMP_NAME, "cannot be written", ret_failure);
    }
    if (renameat(directory_fd, STAMP_TMP_NAME, directory_fd, STAMP_NAME) != 0) {
        return fail(STAMP_NAME, "cannot be put in place", ret_failure);
    }
    if (!sync_directory(directory_fd)) {
        return fail("", "cannot be synced", ret_failure);
    }
    return true;
}
