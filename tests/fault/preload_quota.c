/* Stands between a process and libc, and has a directory's files take no more than a quota (quota_control.h): what would allocate more fails
 * with EDQUOT, while statvfs says what the file system has. What is written over, or was allocated before, goes on, as behind a
 * quota of a file system. Loaded by LD_PRELOAD; a process without the environment variables is left alone. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "tests/fault/preload.h"
#include "tests/fault/quota_control.h"

enum { BLOCK_BYTES = 512, PAGE_BYTES = 4096, DEPTH_MAX = 3 };

static struct quota_control *control;
static char root[PATH_MAX];

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv(QUOTA_ENVIRONMENT);
    const char *below = getenv(QUOTA_ROOT_ENVIRONMENT);
    if (path == NULL || below == NULL) {
        return;
    }
    snprintf(root, sizeof root, "%s", below);
    void *mapped = preload_map(path, sizeof *control);
    if (mapped == MAP_FAILED) {
        abort();
    }
    control = mapped;
}

static uint64_t used_below(const char *path, int depth)
{
    uint64_t used = 0;
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char below[PATH_MAX];
        struct stat found;
        bool is_name = entry->d_name[0] != '.';
        bool fits = snprintf(below, sizeof below, "%s/%s", path, entry->d_name) < (int)sizeof below;
        if (is_name && fits && lstat(below, &found) == 0) {
            used += (uint64_t)found.st_blocks * BLOCK_BYTES;
            used += S_ISDIR(found.st_mode) && depth > 0 ? used_below(below, depth - 1) : 0;
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return used;
}

/* Whether the file may have bytes up to there. False: errno says so. */
static bool may_reach(int fd, uint64_t end)
{
    struct stat found;
    int error = errno;
    uint64_t limit = control == NULL ? 0 : atomic_load(&control->bytes);
    if (limit == 0 || fstat(fd, &found) != 0 || !S_ISREG(found.st_mode) || !preload_is_below(root, fd)) {
        errno = error;
        return true;
    }
    uint64_t pages = (end + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    uint64_t has = (uint64_t)found.st_blocks * BLOCK_BYTES;
    bool may = pages <= has || used_below(root, DEPTH_MAX) + (pages - has) <= limit;
    if (!may) {
        atomic_fetch_add(&control->refused, 1);
    }
    errno = may ? error : EDQUOT;
    return may;
}

static uint64_t place_of(int fd)
{
    struct stat found;
    if ((fcntl(fd, F_GETFL) & O_APPEND) != 0 && fstat(fd, &found) == 0) {
        return (uint64_t)found.st_size;
    }
    off_t place = lseek(fd, 0, SEEK_CUR);
    return place < 0 ? 0 : (uint64_t)place;
}

SEEN ssize_t write(int fd, const void *bytes, size_t n)
{
    bool may = control == NULL || may_reach(fd, place_of(fd) + n);
    return may ? syscall(SYS_write, fd, bytes, n) : -1;
}

static ssize_t write_at(int fd, const void *bytes, size_t n, off_t offset)
{
    return may_reach(fd, (uint64_t)offset + n) ? syscall(SYS_pwrite64, fd, bytes, n, offset) : -1;
}

DEFINE_PWRITES(write_at)

SEEN int fallocate(int fd, int mode, off_t from, off_t n)
{
    return may_reach(fd, (uint64_t)(from + n)) ? (int)syscall(SYS_fallocate, fd, mode, from, n) : -1;
}

SEEN int fallocate64(int fd, int mode, off_t from, off_t n);
SEEN int fallocate64(int fd, int mode, off_t from, off_t n)
{
    return fallocate(fd, mode, from, n);
}

SEEN int posix_fallocate(int fd, off_t from, off_t n)
{
    return fallocate(fd, 0, from, n) == 0 ? 0 : errno;
}

SEEN int posix_fallocate64(int fd, off_t from, off_t n)
{
    return posix_fallocate(fd, from, n);
}
