#include "tests/lib/failing/failing.h"

#include <assert.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Thread_local struct {
    enum failing_call call;
    unsigned left; /* 0: it was met */
    int error;
    size_t bytes_min; /* of a malloc */
    bool has_files_of_blocks;
    uint64_t quota_bytes; /* 0: none */
} plan;

void failing_plan(enum failing_call call, unsigned nth, int error)
{
    assert(call != FAILING_NONE && nth > 0);
    plan.call = call;
    plan.left = nth;
    plan.error = error;
}

void failing_plan_malloc(unsigned nth, size_t bytes_min)
{
    failing_plan(FAILING_MALLOC, nth, ENOMEM);
    plan.bytes_min = bytes_min;
}

void failing_files_of_blocks(void)
{
    plan.has_files_of_blocks = true;
}

void failing_quota(uint64_t bytes_max)
{
    assert(bytes_max > 0);
    plan.quota_bytes = bytes_max;
}

bool failing_end(void)
{
    bool is_met = plan.call != FAILING_NONE && plan.left == 0;
    plan.call = FAILING_NONE;
    plan.has_files_of_blocks = false;
    plan.quota_bytes = 0;
    return is_met;
}

/* Whether this is the call that fails. *ret_result: what it returns. */
static bool fails(enum failing_call call, int *ret_result)
{
    if (plan.call != call || plan.left == 0 || --plan.left > 0) {
        return false;
    }
    errno = plan.error;
    *ret_result = plan.error == 0 ? 0 : -1;
    return true;
}

#undef open
#undef openat
#undef fstat
#undef fstatat
#undef stat

/* Fortified code calls these where the compiler knows the size of the buffer. */
int __open_2(const char *path, int flags);
int __openat_2(int at, const char *path, int flags);
ssize_t __read_chk(int fd, void *bytes, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *bytes, size_t n, off_t offset, size_t room);
ssize_t __readlink_chk(const char *path, char *text, size_t n, size_t room);

static int open_at(int at, const char *path, int flags, mode_t mode)
{
    int result;
    return fails(FAILING_OPEN, &result) ? result : (int)syscall(SYS_openat, at, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_at(at, path, flags, mode);
}

int __open_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

int __openat_2(int at, const char *path, int flags)
{
    return open_at(at, path, flags, 0);
}

ssize_t read(int fd, void *bytes, size_t n)
{
    int result;
    return fails(FAILING_READ, &result) ? result : syscall(SYS_read, fd, bytes, n);
}

ssize_t __read_chk(int fd, void *bytes, size_t n, size_t room)
{
    assert(n <= room);
    return read(fd, bytes, n);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t offset)
{
    int result;
    return fails(FAILING_PREAD, &result) ? result : syscall(SYS_pread64, fd, bytes, n, offset);
}

ssize_t __pread_chk(int fd, void *bytes, size_t n, off_t offset, size_t room)
{
    assert(n <= room);
    return pread(fd, bytes, n, offset);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    int result;
    return fails(FAILING_WRITE, &result) ? result : syscall(SYS_write, fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    int result;
    return fails(FAILING_PWRITE, &result) ? result : syscall(SYS_pwrite64, fd, bytes, n, offset);
}

int stat(const char *restrict path, struct stat *restrict status)
{
    int result;
    return fails(FAILING_STAT, &result) ? result : (int)syscall(SYS_newfstatat, AT_FDCWD, path, status, 0);
}

int fstatat(int at, const char *restrict path, struct stat *restrict status, int flags)
{
    int result;
    return fails(FAILING_STAT, &result) ? result : (int)syscall(SYS_newfstatat, at, path, status, flags);
}

int fstat(int fd, struct stat *status)
{
    int result;
    if (fails(FAILING_FSTAT, &result)) {
        memset(status, 0, sizeof *status);
        return result;
    }
    return (int)syscall(SYS_fstat, fd, status);
}

int faccessat(int at, const char *path, int mode, int flags)
{
    int result;
    return fails(FAILING_ACCESS, &result) ? result : (int)syscall(SYS_faccessat2, at, path, mode, flags);
}

int flock(int fd, int operation)
{
    int result;
    return fails(FAILING_FLOCK, &result) ? result : (int)syscall(SYS_flock, fd, operation);
}

int fsync(int fd)
{
    int result;
    return fails(FAILING_FSYNC, &result) ? result : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    int result;
    return fails(FAILING_FDATASYNC, &result) ? result : (int)syscall(SYS_fdatasync, fd);
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    int result;
    return fails(FAILING_RENAME, &result) ? result : (int)syscall(SYS_renameat2, from_at, from, to_at, to, 0);
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

int mkdirat(int at, const char *path, mode_t mode)
{
    int result;
    return fails(FAILING_MKDIR, &result) ? result : (int)syscall(SYS_mkdirat, at, path, mode);
}

int ftruncate(int fd, off_t bytes)
{
    int result;
    return fails(FAILING_TRUNCATE, &result) ? result : (int)syscall(SYS_ftruncate, fd, bytes);
}

int fallocate(int fd, int mode, off_t from, off_t bytes)
{
    int result;
    if (plan.quota_bytes > 0 && (uint64_t)(from + bytes) > plan.quota_bytes) {
        errno = EDQUOT;
        return -1;
    }
    return fails(FAILING_ALLOCATE, &result) ? result : (int)syscall(SYS_fallocate, fd, mode, from, bytes);
}

int fstatvfs(int fd, struct statvfs *status)
{
    int (*next)(int, struct statvfs *) = NULL;
    int result;
    *(void **)&next = dlsym(RTLD_NEXT, "fstatvfs");
    result = fails(FAILING_STATVFS, &result) ? result : next(fd, status);
    if (result == 0 && plan.has_files_of_blocks) {
        status->f_favail = status->f_bavail;
    }
    return result;
}

ssize_t readlink(const char *restrict path, char *restrict text, size_t n)
{
    int result;
    return fails(FAILING_READLINK, &result) ? result : syscall(SYS_readlinkat, AT_FDCWD, path, text, n);
}

ssize_t __readlink_chk(const char *path, char *text, size_t n, size_t room)
{
    assert(n <= room);
    return readlink(path, text, n);
}

ssize_t getrandom(void *bytes, size_t n, unsigned flags)
{
    int result;
    return fails(FAILING_GETRANDOM, &result) ? result : syscall(SYS_getrandom, bytes, n, flags);
}

int kill(pid_t pid, int number)
{
    int result;
    return fails(FAILING_KILL, &result) ? result : (int)syscall(SYS_kill, pid, number);
}

char *mkdtemp(char *path)
{
    char *(*next)(char *) = NULL;
    int result;
    *(void **)&next = dlsym(RTLD_NEXT, "mkdtemp");
    return fails(FAILING_MKDTEMP, &result) ? NULL : next(path);
}

DIR *fdopendir(int fd)
{
    DIR *(*next)(int) = NULL;
    int result;
    *(void **)&next = dlsym(RTLD_NEXT, "fdopendir");
    return fails(FAILING_FDOPENDIR, &result) ? NULL : next(fd);
}

struct dirent *readdir(DIR *directory)
{
    struct dirent *(*next)(DIR *) = NULL;
    int result;
    *(void **)&next = dlsym(RTLD_NEXT, "readdir");
    return fails(FAILING_READDIR, &result) ? NULL : next(directory);
}

/* The Makefile has the linker put these in the place of malloc, realloc and pthread_create. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context)
{
    int result;
    return fails(FAILING_THREAD, &result) ? errno : __real_pthread_create(thread, attributes, run, context);
}

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);

static bool has_no_memory(size_t bytes)
{
    int result;
    bool is_meant = plan.call == FAILING_MALLOC && bytes >= plan.bytes_min;
    return is_meant && fails(FAILING_MALLOC, &result);
}

void *__wrap_malloc(size_t bytes)
{
    return has_no_memory(bytes) ? NULL : __real_malloc(bytes);
}

void *__wrap_realloc(void *block, size_t bytes)
{
    return has_no_memory(bytes) ? NULL : __real_realloc(block, bytes);
}
