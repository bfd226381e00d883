/* Stands between a process and libc, and has one of its calls fail, or all from one on (fault_control.h). Loaded by LD_PRELOAD; a
 * process without the environment variables is left alone. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "tests/fault/fault_control.h"
#include "tests/fault/preload.h"

static struct fault_control *control;
static char root[PATH_MAX];

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv(FAULT_ENVIRONMENT);
    const char *below = getenv(FAULT_ROOT_ENVIRONMENT);
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

/* ---- whether a call counts, and fails ---- */

static bool is_file_of_ours(int fd)
{
    return control != NULL && fd >= 0 && preload_is_below(root, fd);
}

static bool is_path_of_ours(int at, const char *path)
{
    const char *name;
    int fd = control == NULL ? -1 : preload_parent(at, path, &name);
    bool is_ours = is_file_of_ours(fd);
    if (fd >= 0) {
        syscall(SYS_close, fd);
    }
    return is_ours;
}

/* True: the call is to return -1, with errno. *ret_bytes is halved where a write is to be short; NULL: it is no write. */
static bool strikes(bool is_sync, size_t *ret_bytes)
{
    if (atomic_load(&control->kind) == FAULT_INTERRUPTED_SYNC && !is_sync) {
        return false;
    }
    uint64_t call = atomic_fetch_add(&control->calls, 1) + 1, at = atomic_load(&control->at);
    if (at == 0 || call < at || (call > at && atomic_load(&control->lasts) == 0)) {
        return false;
    }
    int kind = atomic_load(&control->kind);
    if (kind == FAULT_SHORT_WRITE) {
        if (ret_bytes != NULL && *ret_bytes > 1) {
            atomic_fetch_add(&control->struck, 1);
            *ret_bytes /= 2;
        }
        return false;
    }
    atomic_fetch_add(&control->struck, 1);
    if (kind == FAULT_KILL) {
        kill(getpid(), SIGKILL);
    }
    errno = kind == FAULT_INTERRUPTED_SYNC ? EINTR : kind;
    return true;
}

static bool file_strikes(int fd)
{
    return is_file_of_ours(fd) && strikes(false, NULL);
}

static bool sync_strikes(int fd)
{
    return is_file_of_ours(fd) && strikes(true, NULL);
}

static bool path_strikes(int at, const char *path)
{
    return is_path_of_ours(at, path) && strikes(false, NULL);
}

/* ---- the calls ---- */

static int open_at(int at, const char *path, int flags, mode_t mode)
{
    if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0 && path_strikes(at, path)) {
        return -1;
    }
    return (int)syscall(SYS_openat, at, path, flags, mode);
}

DEFINE_OPENS(open_at)

SEEN ssize_t write(int fd, const void *bytes, size_t n)
{
    if (is_file_of_ours(fd) && strikes(false, &n)) {
        return -1;
    }
    return syscall(SYS_write, fd, bytes, n);
}

static ssize_t write_at(int fd, const void *bytes, size_t n, off_t offset)
{
    if (is_file_of_ours(fd) && strikes(false, &n)) {
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, n, offset);
}

DEFINE_PWRITES(write_at)

SEEN ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return file_strikes(fd) ? -1 : syscall(SYS_writev, fd, parts, count);
}

#define DEFINE_SYNC(name, number)                                                                            \
    SEEN int name(int fd);                                                                                   \
    SEEN int name(int fd)                                                                                    \
    {                                                                                                        \
        return sync_strikes(fd) ? -1 : (int)syscall(number, fd);                                             \
    }

#define DEFINE_OF_FILE(name, arguments, ...)                                                                 \
    SEEN int name arguments;                                                                                 \
    SEEN int name arguments                                                                                  \
    {                                                                                                        \
        return file_strikes(fd) ? -1 : (int)syscall(__VA_ARGS__);                                            \
    }

#define DEFINE_OF_PATH(name, arguments, at, path, ...)                                                       \
    SEEN int name arguments;                                                                                 \
    SEEN int name arguments                                                                                  \
    {                                                                                                        \
        return path_strikes(at, path) ? -1 : (int)syscall(__VA_ARGS__);                                      \
    }

DEFINE_SYNC(fsync, SYS_fsync)
DEFINE_SYNC(fdatasync, SYS_fdatasync)
DEFINE_OF_FILE(ftruncate, (int fd, off_t bytes), SYS_ftruncate, fd, bytes)
DEFINE_OF_FILE(ftruncate64, (int fd, off_t bytes), SYS_ftruncate, fd, bytes)
DEFINE_OF_FILE(fallocate, (int fd, int mode, off_t from, off_t n), SYS_fallocate, fd, mode, from, n)
DEFINE_OF_FILE(fallocate64, (int fd, int mode, off_t from, off_t n), SYS_fallocate, fd, mode, from, n)
DEFINE_OF_PATH(unlink, (const char *path), AT_FDCWD, path, SYS_unlinkat, AT_FDCWD, path, 0)
DEFINE_OF_PATH(unlinkat, (int at, const char *path, int flags), at, path, SYS_unlinkat, at, path, flags)
DEFINE_OF_PATH(mkdir, (const char *path, mode_t mode), AT_FDCWD, path, SYS_mkdirat, AT_FDCWD, path, mode)
DEFINE_OF_PATH(mkdirat, (int at, const char *path, mode_t mode), at, path, SYS_mkdirat, at, path, mode)
DEFINE_OF_PATH(rename, (const char *from, const char *to), AT_FDCWD, to, SYS_renameat2, AT_FDCWD, from,
               AT_FDCWD, to, 0)
DEFINE_OF_PATH(renameat, (int from_at, const char *from, int to_at, const char *to), to_at, to, SYS_renameat2,
               from_at, from, to_at, to, 0)
DEFINE_OF_PATH(link, (const char *from, const char *to), AT_FDCWD, to, SYS_linkat, AT_FDCWD, from, AT_FDCWD,
               to, 0)
DEFINE_OF_PATH(linkat, (int from_at, const char *from, int to_at, const char *to, int flags), to_at, to,
               SYS_linkat, from_at, from, to_at, to, flags)

SEEN int posix_fallocate(int fd, off_t from, off_t n)
{
    return file_strikes(fd) || syscall(SYS_fallocate, fd, 0, from, n) != 0 ? errno : 0;
}

SEEN int posix_fallocate64(int fd, off_t from, off_t n)
{
    return posix_fallocate(fd, from, n);
}
