/* Stands between a process and libc, and writes down what it does to files (recorder.h). Loaded by LD_PRELOAD; a process without
 * the two environment variables is left alone. It covers the calls that cairnd and RocksDB make: files are written by write and
 * pwrite, not by mappings. What it cannot record (no room, a broken place) ends the process by abort, for a record with a gap
 * proves nothing. */
#include "tests/fault/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "tests/fault/preload.h"

enum { FDS_MAX = 65536 };

static struct recorder_control *control;
static int record_fd = -1;
static char root[PATH_MAX];
static dev_t root_device;
static bool is_tracked[FDS_MAX]; /* by file descriptor: a regular file below the root */
static bool appends[FDS_MAX];

static void give_up(const char *what)
{
    dprintf(2, "recorder: %s: %s\n", what, strerror(errno));
    abort();
}

__attribute__((constructor)) static void begin(void)
{
    const char *place = getenv(RECORDER_ENVIRONMENT);
    const char *below = getenv(RECORDER_ROOT_ENVIRONMENT);
    char path[PATH_MAX];
    if (place == NULL || below == NULL) {
        return;
    }
    snprintf(root, sizeof root, "%s", below);
    snprintf(path, sizeof path, "%s/" RECORDER_CONTROL_NAME, place);
    void *mapped = preload_map(path, sizeof *control);
    snprintf(path, sizeof path, "%s/" RECORDER_RECORD_NAME, place);
    int record = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CLOEXEC);
    struct stat found;
    if (mapped == MAP_FAILED || record < 0 || stat(root, &found) != 0) {
        give_up(path);
    }
    root_device = found.st_dev;
    record_fd = fcntl(record, F_DUPFD_CLOEXEC, 900); /* out of the way of what the process counts */
    if (record_fd < 0) {
        record_fd = record;
    } else {
        syscall(SYS_close, record);
    }
    control = mapped;
    /* Whoever had it before has ended, and may have had it locked. Only one process at a time is recorded. */
    pthread_mutexattr_t shared;
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&control->lock, &shared);
}

/* The end of the process cuts no call of another thread in two: it keeps the lock. */
__attribute__((destructor)) static void end(void)
{
    if (control != NULL) {
        pthread_mutex_lock(&control->lock);
    }
}

SEEN void _exit(int code)
{
    end();
    for (;;) {
        syscall(SYS_exit_group, code);
    }
}

/* ---- writing down ---- */

static void lock(void)
{
    if (control != NULL) {
        pthread_mutex_lock(&control->lock);
    }
}

static void unlock(void)
{
    if (control != NULL) {
        int error = errno;
        pthread_mutex_unlock(&control->lock);
        errno = error;
    }
}

static void put(enum recorded_kind kind, uint64_t inode, uint64_t other, uint64_t offset, const void *bytes,
                size_t n)
{
    int error = errno;
    struct recorded head = {(uint32_t)kind, (uint32_t)n, inode, other, offset};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)bytes, n}};
    if (syscall(SYS_writev, record_fd, parts, n > 0 ? 2 : 1) != (long)(sizeof head + n)) {
        give_up("an operation cannot be recorded");
    }
    atomic_fetch_add(&control->operations, 1);
    errno = error;
}

static uint64_t inode_of(int fd)
{
    struct stat found;
    return fstat(fd, &found) == 0 ? found.st_ino : 0;
}

/* A descriptor that libc closed by itself may stand for something else by now. */
static bool tracks(int fd)
{
    struct stat found;
    return control != NULL && fd >= 0 && fd < FDS_MAX && is_tracked[fd] && fstat(fd, &found) == 0 &&
           S_ISREG(found.st_mode) && found.st_dev == root_device;
}

struct place {
    uint64_t directory; /* 0: not below the root */
    const char *name;
};

static struct place place_of(int at, const char *path)
{
    struct place place = {0, path};
    int fd = control == NULL ? -1 : preload_parent(at, path, &place.name);
    if (fd >= 0) {
        place.directory = preload_is_below(root, fd) ? inode_of(fd) : 0;
        syscall(SYS_close, fd);
    }
    return place;
}

static void add(struct place place, int at, const char *path)
{
    struct stat found;
    if (place.directory != 0 && fstatat(at, path, &found, AT_SYMLINK_NOFOLLOW) == 0) {
        put(S_ISDIR(found.st_mode) ? RECORDED_ADD_DIRECTORY : RECORDED_ADD, place.directory, found.st_ino, 0,
            place.name, strlen(place.name));
    }
}

/* ---- names ---- */

static int open_at(int at, const char *path, int flags, mode_t mode)
{
    struct stat found;
    if (control == NULL) {
        return (int)syscall(SYS_openat, at, path, flags, mode);
    }
    lock();
    bool was_there = (flags & O_CREAT) == 0 || fstatat(at, path, &found, 0) == 0;
    int fd = (int)syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && fd < FDS_MAX) {
        is_tracked[fd] = (flags & O_PATH) == 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode) &&
                         preload_is_below(root, fd);
        appends[fd] = (flags & O_APPEND) != 0;
        if (is_tracked[fd] && !was_there) {
            add(place_of(at, path), at, path);
        }
        if (is_tracked[fd] && was_there && (flags & O_TRUNC) != 0) {
            put(RECORDED_SIZE, found.st_ino, 0, 0, NULL, 0);
        }
    }
    unlock();
    return fd;
}

DEFINE_OPENS(open_at)

SEEN int close(int fd)
{
    if (fd >= 0 && fd < FDS_MAX) {
        is_tracked[fd] = false;
    }
    return (int)syscall(SYS_close, fd);
}

static int rename_at(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    if (control == NULL) {
        return (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    }
    lock();
    struct place source = place_of(from_at, from), target = place_of(to_at, to);
    int result = (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    struct stat found;
    if (result == 0 && source.directory != 0 && source.directory == target.directory &&
        fstatat(to_at, to, &found, AT_SYMLINK_NOFOLLOW) == 0) {
        char names[2 * NAME_MAX + 2];
        int n = snprintf(names, sizeof names, "%s%c%s", source.name, '\0', target.name);
        put(RECORDED_RENAME, source.directory, found.st_ino, 0, names, (size_t)n);
    } else if (result == 0) {
        add(target, to_at, to);
        if (source.directory != 0) {
            put(RECORDED_REMOVE, source.directory, 0, 0, source.name, strlen(source.name));
        }
    }
    unlock();
    return result;
}

SEEN int rename(const char *from, const char *to)
{
    return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0);
}

SEEN int renameat(int from_at, const char *from, int to_at, const char *to)
{
    return rename_at(from_at, from, to_at, to, 0);
}

SEEN int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    return rename_at(from_at, from, to_at, to, flags);
}

static int remove_at(int at, const char *path, int flags)
{
    lock();
    struct place place = place_of(at, path);
    int result = (int)syscall(SYS_unlinkat, at, path, flags);
    if (result == 0 && place.directory != 0) {
        put(RECORDED_REMOVE, place.directory, 0, 0, place.name, strlen(place.name));
    }
    unlock();
    return result;
}

SEEN int unlink(const char *path)
{
    return remove_at(AT_FDCWD, path, 0);
}

SEEN int unlinkat(int at, const char *path, int flags)
{
    return remove_at(at, path, flags);
}

SEEN int rmdir(const char *path)
{
    return remove_at(AT_FDCWD, path, AT_REMOVEDIR);
}

static int link_at(int from_at, const char *from, int to_at, const char *to, int flags)
{
    lock();
    int result = (int)syscall(SYS_linkat, from_at, from, to_at, to, flags);
    if (result == 0) {
        add(place_of(to_at, to), to_at, to);
    }
    unlock();
    return result;
}

SEEN int link(const char *from, const char *to)
{
    return link_at(AT_FDCWD, from, AT_FDCWD, to, 0);
}

SEEN int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    return link_at(from_at, from, to_at, to, flags);
}

static int make_directory_at(int at, const char *path, mode_t mode)
{
    lock();
    int result = (int)syscall(SYS_mkdirat, at, path, mode);
    if (result == 0) {
        add(place_of(at, path), at, path);
    }
    unlock();
    return result;
}

SEEN int mkdir(const char *path, mode_t mode)
{
    return make_directory_at(AT_FDCWD, path, mode);
}

SEEN int mkdirat(int at, const char *path, mode_t mode)
{
    return make_directory_at(at, path, mode);
}

/* ---- bytes ---- */

static ssize_t write_at(int fd, const struct iovec *parts, int count, off_t offset, bool has_offset)
{
    if (!tracks(fd)) {
        return has_offset ? syscall(SYS_pwritev, fd, parts, count, offset, 0)
                          : syscall(SYS_writev, fd, parts, count);
    }
    lock();
    struct stat found;
    off_t at = has_offset ? offset : lseek(fd, 0, SEEK_CUR);
    if (fstat(fd, &found) != 0 || at < 0) {
        give_up("a file that is written");
    }
    at = appends[fd] ? found.st_size : at;
    ssize_t n = has_offset ? syscall(SYS_pwritev, fd, parts, count, offset, 0)
                           : syscall(SYS_writev, fd, parts, count);
    ssize_t left = n;
    for (int i = 0; i < count && left > 0; i++) {
        size_t bytes = parts[i].iov_len < (size_t)left ? parts[i].iov_len : (size_t)left;
        put(RECORDED_WRITE, found.st_ino, 0, (uint64_t)at, parts[i].iov_base, bytes);
        at += (off_t)bytes;
        left -= (ssize_t)bytes;
    }
    unlock();
    return n;
}

SEEN ssize_t write(int fd, const void *bytes, size_t n)
{
    if (!tracks(fd)) {
        return syscall(SYS_write, fd, bytes, n);
    }
    struct iovec part = {(void *)(uintptr_t)bytes, n};
    return write_at(fd, &part, 1, 0, false);
}

SEEN ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return write_at(fd, parts, count, 0, false);
}

static ssize_t write_one_at(int fd, const void *bytes, size_t n, off_t offset)
{
    struct iovec part = {(void *)(uintptr_t)bytes, n};
    return write_at(fd, &part, 1, offset, true);
}

DEFINE_PWRITES(write_one_at)

#define DEFINE_TRUNCATE(name)                                                                                \
    SEEN int name(int fd, off_t bytes);                                                                      \
    SEEN int name(int fd, off_t bytes)                                                                       \
    {                                                                                                        \
        lock();                                                                                              \
        int result = (int)syscall(SYS_ftruncate, fd, bytes);                                                 \
        if (result == 0 && tracks(fd)) {                                                                     \
            put(RECORDED_SIZE, inode_of(fd), 0, (uint64_t)bytes, NULL, 0);                                   \
        }                                                                                                    \
        unlock();                                                                                            \
        return result;                                                                                       \
    }

DEFINE_TRUNCATE(ftruncate)
DEFINE_TRUNCATE(ftruncate64)

static int allocate(int fd, int mode, off_t offset, off_t bytes)
{
    struct stat found;
    lock();
    int result = (int)syscall(SYS_fallocate, fd, mode, offset, bytes);
    if (result == 0 && tracks(fd) && fstat(fd, &found) == 0 && (mode & FALLOC_FL_KEEP_SIZE) == 0) {
        put(RECORDED_SIZE, found.st_ino, 0, (uint64_t)found.st_size, NULL, 0);
    }
    unlock();
    return result;
}

SEEN int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    return allocate(fd, mode, offset, bytes);
}

SEEN int fallocate64(int fd, int mode, off_t offset, off_t bytes)
{
    return allocate(fd, mode, offset, bytes);
}

SEEN int posix_fallocate(int fd, off_t offset, off_t bytes)
{
    return allocate(fd, 0, offset, bytes) == 0 ? 0 : errno;
}

/* There is no record of it, so it fails: callers then read and write. */
SEEN ssize_t copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t n, unsigned flags)
{
    (void)from, (void)from_offset, (void)to, (void)to_offset, (void)n, (void)flags;
    errno = ENOSYS;
    return -1;
}

/* ---- syncs ---- */

static bool is_log(int fd)
{
    char path[PATH_MAX];
    preload_path(fd, path);
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".log") == 0;
}

static bool is_to_fail(int fd)
{
    uint64_t left = atomic_load(&control->syncs_left);
    if (left == 0 || !is_log(fd)) {
        return false;
    }
    atomic_store(&control->syncs_left, left - 1);
    return left == 1;
}

static int sync_file(long number, int fd)
{
    if (control == NULL) {
        return (int)syscall(number, fd);
    }
    lock();
    int result;
    if (tracks(fd) && is_to_fail(fd)) {
        put(RECORDED_SYNC_FAILED, inode_of(fd), 0, 0, NULL, 0);
        errno = EIO;
        result = -1;
    } else {
        result = (int)syscall(number, fd);
        if (result == 0 && (tracks(fd) || preload_is_below(root, fd))) {
            put(RECORDED_SYNC, inode_of(fd), 0, 0, NULL, 0);
        }
    }
    unlock();
    return result;
}

SEEN int fsync(int fd)
{
    return sync_file(SYS_fsync, fd);
}

SEEN int fdatasync(int fd)
{
    return sync_file(SYS_fdatasync, fd);
}
