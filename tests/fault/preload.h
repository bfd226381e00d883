/* What libraries that stand between a process and libc share: which files are theirs, and the calls that take a mode, which are made of
 * one function each. A library is one object, so this is static in each. */
#ifndef TESTS_FAULT_PRELOAD_H
#define TESTS_FAULT_PRELOAD_H

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define SEEN __attribute__((visibility("default")))

/* A control file that the process shares with the test; MAP_FAILED: it cannot be. By the kernel itself, as all here. */
static inline void *preload_map(const char *path, size_t bytes)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0) {
        syscall(SYS_close, fd);
    }
    return mapped;
}

/* The path of what a descriptor stands for; "": none. */
static inline void preload_path(int fd, char ret_path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, ret_path, PATH_MAX - 1);
    ret_path[n < 0 ? 0 : n] = '\0';
}

/* Whether what the descriptor stands for lies below the root, or is the root. */
static inline bool preload_is_below(const char *root, int fd)
{
    char path[PATH_MAX];
    preload_path(fd, path);
    size_t length = strlen(root);
    return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The directory that a path lies in, open; -1: none. *ret_name is the part of the path behind it. */
static inline int preload_parent(int at, const char *path, const char **ret_name)
{
    char parent[PATH_MAX];
    *ret_name = path;
    if (strlen(path) >= sizeof parent) {
        return -1;
    }
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL) {
        snprintf(parent, sizeof parent, ".");
    } else {
        *ret_name = path + (slash - parent) + 1;
        slash[slash == parent ? 1 : 0] = '\0';
    }
    return (int)syscall(SYS_openat, at, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static inline mode_t preload_mode(int flags, va_list arguments)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? (mode_t)va_arg(arguments, unsigned) : 0;
}

/* All four ways to open call `open_at(at, path, flags, mode)`. */
#undef open
#undef open64
#undef openat
#undef openat64

#define DEFINE_OPEN(name, open_at)                                                                           \
    SEEN int name(const char *path, int flags, ...);                                                         \
    SEEN int name(const char *path, int flags, ...)                                                          \
    {                                                                                                        \
        va_list arguments;                                                                                   \
        va_start(arguments, flags);                                                                          \
        mode_t mode = preload_mode(flags, arguments);                                                        \
        va_end(arguments);                                                                                   \
        return open_at(AT_FDCWD, path, flags, mode);                                                         \
    }

#define DEFINE_OPENAT(name, open_at)                                                                         \
    SEEN int name(int at, const char *path, int flags, ...);                                                 \
    SEEN int name(int at, const char *path, int flags, ...)                                                  \
    {                                                                                                        \
        va_list arguments;                                                                                   \
        va_start(arguments, flags);                                                                          \
        mode_t mode = preload_mode(flags, arguments);                                                        \
        va_end(arguments);                                                                                   \
        return open_at(at, path, flags, mode);                                                               \
    }

#define DEFINE_OPENS(open_at)                                                                                \
    DEFINE_OPEN(open, open_at)                                                                               \
    DEFINE_OPEN(open64, open_at)                                                                             \
    DEFINE_OPENAT(openat, open_at)                                                                           \
    DEFINE_OPENAT(openat64, open_at)

/* Both ways to write at an offset call `write_at(fd, bytes, n, offset)`. */
#define DEFINE_PWRITE(name, write_at)                                                                        \
    SEEN ssize_t name(int fd, const void *bytes, size_t n, off_t offset);                                    \
    SEEN ssize_t name(int fd, const void *bytes, size_t n, off_t offset)                                     \
    {                                                                                                        \
        return write_at(fd, bytes, n, offset);                                                               \
    }

#define DEFINE_PWRITES(write_at)                                                                             \
    DEFINE_PWRITE(pwrite, write_at)                                                                          \
    DEFINE_PWRITE(pwrite64, write_at)

#endif
