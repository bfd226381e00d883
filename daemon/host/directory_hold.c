/* What a data directory is held by, from its opening to its close:
 *
 * - A lock on the lock file names the owner. The file is looked at again once it is locked, as it may have been removed meanwhile.
 * - A lock on db/ itself holds also where the lock file is removed later and another daemon makes a new one.
 * - directory_check compares the names with what is held.
 *
 * Ways to fail: a lock that another has, and a system call that fails, leave nothing held. A file system without locks for
 * directories leaves only the first lock. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/host/directory_internal.h"
#include "daemon/host/numbers.h"
#include "daemon/host/stamp.h"

enum {
    LOCK_BYTES = 12,    /* of the lock file: a pid has at most 7 digits */
    OWNER_TRIES = 10,   /* how often the pid of an owner that has only just taken the lock is read */
    OWNER_WAIT_MS = 10, /* between two tries; the owner writes its pid within microseconds */
};

enum directory_result directory_fail(enum directory_result result, struct directory_error *ret_error,
                                     const char *format, ...)
{
    va_list arguments;

    assert(result != DIRECTORY_OK); /* callers return it as their failure */
    va_start(arguments, format);
    vsnprintf(ret_error->text, sizeof ret_error->text, format, arguments);
    va_end(arguments);
    return result;
}

enum directory_result directory_fail_errno(struct directory_error *ret_error, const char *path,
                                           const char *name, const char *what)
{
    assert(errno != 0); /* the text ends with the reason */
    bool is_refused = exit_code_status_of_errno(errno) == STATUS_INVALID;
    return directory_fail(is_refused ? DIRECTORY_REFUSED : DIRECTORY_IO_ERROR, ret_error, "%s%s%s: %s: %s%s",
                          path, *name != '\0' ? "/" : "", name, what, strerror(errno),
                          exit_code_cure_of_errno(errno));
}

/* ---- the lock ---- */

/* The pid in the lock file, 0 if it holds none. The owner writes it just after it took the lock, so for a moment the file may
 * be empty or hold the pid of a daemon that is gone. */
static long lock_owner(int lock_fd)
{
    char text[LOCK_BYTES + 1];
    long pid = 0;

    assert(lock_fd >= 0); /* else every try would say that nobody owns it */

    for (int i = 0; i < OWNER_TRIES; i++) {
        ssize_t n = pread(lock_fd, text, sizeof text - 1, 0);
        text[n < 0 ? 0 : n] = '\0';
        pid = strtol(text, NULL, 10);
        if (pid > 0 && pid <= INT_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM)) {
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = OWNER_WAIT_MS * 1000000L}, NULL);
    }
    return pid > 0 ? pid : 0;
}

/* Whether that name leads to the file or directory that is open. What the system does not say counts as yes: only what is
 * surely another one, or gone, is none. */
static bool is_held(int directory_fd, const char *name, int fd)
{
    struct stat named, held;

    assert(directory_fd >= 0 && fd >= 0);
    if (fstatat(directory_fd, name, &named, 0) != 0) {
        return errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ESTALE;
    }
    return fstat(fd, &held) != 0 || (named.st_dev == held.st_dev && named.st_ino == held.st_ino);
}

enum directory_result directory_take_lock(int directory_fd, const char *path, int *ret_lock_fd,
                                          struct directory_error *ret_error)
{
    assert(directory_fd >= 0); /* AT_FDCWD would lock a file of the working directory */
    int fd = openat(directory_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    enum directory_result result;
    char text[LOCK_BYTES + 1];
    ssize_t written;
    int n;

    if (fd < 0) {
        return directory_fail_errno(ret_error, path, LOCK_NAME, "cannot be opened");
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            result =
                directory_fail(DIRECTORY_LOCKED, ret_error,
                               "%s: another cairnd has this directory, with pid %ld; stop that one first",
                               path, lock_owner(fd));
        } else {
            result = directory_fail_errno(ret_error, path, LOCK_NAME, "cannot be locked");
        }
        close(fd);
        return result;
    }
    if (!is_held(directory_fd, LOCK_NAME, fd)) {
        result = directory_fail(DIRECTORY_IO_ERROR, ret_error,
                                "%s/" LOCK_NAME ": was removed or replaced while it was locked; start again",
                                path);
        close(fd);
        return result;
    }
    n = snprintf(text, sizeof text, "%-11ld\n", (long)getpid());
    assert(n == LOCK_BYTES); /* it overwrites the pid before, also on a full disk */
    written = pwrite(fd, text, LOCK_BYTES, 0);
    if (written < 0 && errno != ENOSPC && errno != EDQUOT) { /* the lock holds without the pid, too */
        result = directory_fail_errno(ret_error, path, LOCK_NAME, "cannot be written");
        close(fd);
        return result;
    }
    *ret_lock_fd = fd;
    return DIRECTORY_OK;
}

enum directory_result directory_hold_database(const struct directory_place *place, int *ret_fd,
                                              struct directory_error *ret_error)
{
    assert(place->fd >= 0); /* AT_FDCWD would lock a directory of the working directory */
    int fd = openat(place->fd, DATABASE_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return directory_fail_errno(ret_error, place->path, DATABASE_NAME, "cannot be opened");
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(fd);
        return directory_fail(DIRECTORY_LOCKED, ret_error,
                              "%s: another cairnd has the database of this directory; stop that one first",
                              place->path);
    }
    *ret_fd = fd;
    return DIRECTORY_OK;
}

/* ---- while it is open ---- */

static enum directory_result fail_gone(const struct directory *directory, const char *name,
                                       struct directory_error *ret_error)
{
    return directory_fail(
        DIRECTORY_LOST, ret_error,
        "%s/%s: was removed or replaced under the running daemon; put back what was there, then start "
        "the daemon again",
        directory->path, name);
}

enum directory_result directory_check(const struct directory *directory, struct directory_error *ret_error)
{
    struct directory_error missing;

    assert(directory->directory_fd >= 0 && directory->database_fd >= 0 && directory->lock_fd >= 0);
    assert(!directory->is_new); /* else there may be no database yet */
    if (!is_held(directory->directory_fd, DATABASE_NAME, directory->database_fd) ||
        directory->look(directory->database, &missing) == DIRECTORY_LOST) {
        return fail_gone(directory, DATABASE_NAME, ret_error);
    }
    if (!is_held(directory->directory_fd, LOCK_NAME, directory->lock_fd)) {
        return fail_gone(directory, LOCK_NAME, ret_error);
    }
    if (directory->numbers_fd >= 0 &&
        !is_held(directory->directory_fd, NUMBERS_NAME, directory->numbers_fd)) {
        return fail_gone(directory, NUMBERS_NAME,
                         ret_error); /* numbers would be reserved where no start looks */
    }
    if (faccessat(directory->directory_fd, STAMP_NAME, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
        return fail_gone(directory, STAMP_NAME, ret_error);
    }
    return DIRECTORY_OK;
}
