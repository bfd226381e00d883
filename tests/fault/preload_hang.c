/* A library to be preloaded: makes chosen system calls hang or take long, as those to a sick disk do.
 *
 * $CAIRN_HANG names a control file. Each of its lines is CALL PART MILLISECONDS: a call (read, write, sync) to a file whose
 * path has that part takes that much longer; 0: until the line is gone. Without the file nothing is changed. So a test begins and ends a
 * fault by writing and removing the file, which is renamed into place. A call that waits looks again every few milliseconds. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 256, CONTROL_BYTES = 4096, LOOK_MS = 5 };

#define EXPORTED __attribute__((visibility("default")))

/* By the kernel itself: the C library's functions are those below. */
static bool read_control(char text[CONTROL_BYTES])
{
    const char *path = getenv("CAIRN_HANG");
    long fd = path == NULL ? -1 : syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    long bytes = syscall(SYS_read, fd, text, CONTROL_BYTES - 1);
    syscall(SYS_close, fd);
    text[bytes < 0 ? 0 : bytes] = '\0';
    return bytes > 0;
}

/* How long the call takes longer, in milliseconds; 0: until the line is gone; -1: it does not. */
static long delay_of(const char *call, const char *path)
{
    char text[CONTROL_BYTES], *rest;
    if (!read_control(text)) {
        return -1;
    }
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char name[16], part[LINE_BYTES];
        long milliseconds;
        if (sscanf(line, "%15s %255s %ld", name, part, &milliseconds) == 3 && strcmp(name, call) == 0 &&
            strstr(path, part) != NULL) {
            return milliseconds;
        }
    }
    return -1;
}

static void sleep_some(long milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0) {
    }
}

static void hang(const char *call, int fd)
{
    int error = errno;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t bytes = readlink(link, path, sizeof path - 1);
    if (bytes > 0) {
        path[bytes] = '\0';
        long milliseconds = delay_of(call, path);
        if (milliseconds > 0) {
            sleep_some(milliseconds);
        }
        while (milliseconds == 0) {
            sleep_some(LOOK_MS);
            milliseconds = delay_of(call, path);
        }
    }
    errno = error;
}

/* The C library's function of that name. */
#define NEXT(RESULT, NAME, ...)                                                                              \
    static RESULT (*next)(__VA_ARGS__);                                                                      \
    if (next == NULL) {                                                                                      \
        *(void **)&next = dlsym(RTLD_NEXT, #NAME);                                                           \
    }

#define SYNC(NAME)                                                                                           \
    EXPORTED int NAME(int fd);                                                                               \
    EXPORTED int NAME(int fd)                                                                                \
    {                                                                                                        \
        NEXT(int, NAME, int)                                                                                 \
        hang("sync", fd);                                                                                    \
        return next(fd);                                                                                     \
    }

SYNC(fsync)
SYNC(fdatasync)

EXPORTED int sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags)
{
    NEXT(int, sync_file_range, int, off64_t, off64_t, unsigned)
    hang("sync", fd);
    return next(fd, offset, bytes, flags);
}

EXPORTED ssize_t write(int fd, const void *bytes, size_t count)
{
    NEXT(ssize_t, write, int, const void *, size_t)
    hang("write", fd);
    return next(fd, bytes, count);
}

#define WRITE_AT(NAME)                                                                                       \
    EXPORTED ssize_t NAME(int fd, const void *bytes, size_t count, off64_t offset);                          \
    EXPORTED ssize_t NAME(int fd, const void *bytes, size_t count, off64_t offset)                           \
    {                                                                                                        \
        NEXT(ssize_t, NAME, int, const void *, size_t, off64_t)                                              \
        hang("write", fd);                                                                                   \
        return next(fd, bytes, count, offset);                                                               \
    }

WRITE_AT(pwrite)
WRITE_AT(pwrite64)

#define READ_AT(NAME)                                                                                        \
    EXPORTED ssize_t NAME(int fd, void *bytes, size_t count, off64_t offset);                                \
    EXPORTED ssize_t NAME(int fd, void *bytes, size_t count, off64_t offset)                                 \
    {                                                                                                        \
        NEXT(ssize_t, NAME, int, void *, size_t, off64_t)                                                    \
        hang("read", fd);                                                                                    \
        return next(fd, bytes, count, offset);                                                               \
    }

READ_AT(pread)
READ_AT(pread64)
