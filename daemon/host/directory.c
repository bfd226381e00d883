/* The data directory. Opening it takes three looks:
 *
 * 1. survey, which only reads: is it there, what does the stamp say, is there anything else in it;
 * 2. the lock, once the survey says that the directory is ours or may become ours;
 * 3. survey again, as another daemon may have been at work before we had the lock. From here on nobody else is.
 *
 * Making a store takes the steps mkdir, lock file, stamp saying `new` (written beside its place, synced, renamed, the
 * directory synced), db/, and, when the database has been opened, the stamp without `new` in the same way. Before the stamp
 * is there, the directory holds at most the lock and the unfinished stamp, which count as empty. */
#include "daemon/host/directory.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define LOCK_NAME      "cairn.lock"
#define STAMP_NAME     "cairn.store"
#define STAMP_TMP_NAME "cairn.store.tmp"
#define DATABASE_NAME  "db"
#define STAMP_FIRST    "cairn store\n"

enum {
    STAMP_BYTES = 512,
    EXIT_LOCKED = 73,
    OWNER_TRIES = 10, /* to read the pid of an owner who has only just taken the lock */
    OWNER_WAIT_MS = 10,
};

struct stamp {
    bool is_new;
    uint8_t id[STORE_ID_BYTES];
};

/* What is in a directory that may be locked. */
enum contents {
    CONTENTS_EMPTY, /* nothing, or what a death before the stamp leaves */
    CONTENTS_STORE, /* a stamp of ours, and the database that belongs to it */
};

__attribute__((format(printf, 3, 4))) static enum directory_result
fail(enum directory_result result, struct directory_error *ret_error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret_error->text, sizeof ret_error->text, format, arguments);
    va_end(arguments);
    return result;
}

static enum directory_result fail_errno(struct directory_error *ret_error, const char *path, const char *name,
                                        const char *what)
{
    return fail(DIRECTORY_IO_ERROR, ret_error, "%s%s%s: %s: %s", path, *name != '\0' ? "/" : "", name, what,
                strerror(errno));
}

/* ---- the stamp ---- */

static bool parse_id(const char *hex, uint8_t *ret_id)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < STORE_ID_BYTES; i++) {
        const char *high = hex[2 * i] == '\0' ? NULL : strchr(digits, hex[2 * i]);
        const char *low = high == NULL || hex[2 * i + 1] == '\0' ? NULL : strchr(digits, hex[2 * i + 1]);

        if (low == NULL)
            return false;
        ret_id[i] = (uint8_t)((high - digits) << 4 | (low - digits));
    }
    return true;
}

static size_t format_stamp(const struct stamp *stamp, char ret_text[STAMP_BYTES])
{
    char id[2 * STORE_ID_BYTES + 1];

    for (size_t i = 0; i < STORE_ID_BYTES; i++)
        snprintf(id + 2 * i, 3, "%02x", stamp->id[i]);
    return (size_t)snprintf(ret_text, STAMP_BYTES, STAMP_FIRST "format %d\nid %s\n%s", DIRECTORY_FORMAT, id,
                            stamp->is_new ? "new\n" : "");
}

/* Reads a stamp's text. Only the first two lines are the same in every format. */
static enum directory_result parse_stamp(const char *text, const char *path, struct stamp *ret_stamp,
                                         struct directory_error *ret_error)
{
    char again[STAMP_BYTES];
    struct stamp stamp;
    unsigned long format;
    const char *at;
    char *end;

    if (strncmp(text, STAMP_FIRST, strlen(STAMP_FIRST)) != 0)
        return fail(DIRECTORY_FOREIGN, ret_error,
                    "%s: holds a " STAMP_NAME " that is not cairn's; nothing was touched", path);
    at = text + strlen(STAMP_FIRST);
    if (strncmp(at, "format ", 7) != 0 || at[7] < '1' || at[7] > '9')
        goto damaged;
    errno = 0;
    format = strtoul(at + 7, &end, 10);
    if (errno != 0 || *end != '\n')
        goto damaged;
    if (format > DIRECTORY_FORMAT)
        return fail(DIRECTORY_NEWER, ret_error,
                    "%s: the store has format %lu and this cairnd knows %d at most; serve it with the newer "
                    "cairnd that made it. Nothing was touched",
                    path, format, DIRECTORY_FORMAT);
    at = end + 1;
    if (strncmp(at, "id ", 3) != 0 || !parse_id(at + 3, stamp.id))
        goto damaged;
    stamp.is_new = strcmp(at + 3 + 2 * STORE_ID_BYTES, "\nnew\n") == 0;
    format_stamp(&stamp, again);
    if (strcmp(text, again) != 0)
        goto damaged;
    *ret_stamp = stamp;
    return DIRECTORY_OK;

damaged:
    return fail(DIRECTORY_DAMAGED, ret_error,
                "%s: its " STAMP_NAME " is damaged; restore that file from a backup. Nothing was touched",
                path);
}

/* Reads a small file whole. Returns its length, or -1 with errno; a larger one is cut. */
static ssize_t read_small(int directory_fd, const char *name, size_t room, char *ret_text)
{
    int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    size_t length = 0;
    ssize_t n = -1;
    int error;

    if (fd < 0)
        return -1;
    while (length < room - 1 && (n = read(fd, ret_text + length, room - 1 - length)) != 0) {
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0)
            length += (size_t)n;
    }
    error = errno;
    close(fd);
    errno = error;
    ret_text[length] = '\0';
    return n < 0 ? -1 : (ssize_t)length;
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes += written;
        n -= (size_t)written;
    }
    return true;
}

/* Puts a stamp in place, durably and at once: whoever looks sees the old one or the new one. */
static enum directory_result write_stamp(int directory_fd, const char *path, const struct stamp *stamp,
                                         struct directory_error *ret_error)
{
    char text[STAMP_BYTES];
    size_t n = format_stamp(stamp, text);
    int fd =
        openat(directory_fd, STAMP_TMP_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool written;
    int error;

    if (fd < 0)
        return fail_errno(ret_error, path, STAMP_TMP_NAME, "cannot be made");
    written = write_all(fd, text, n) && fsync(fd) == 0;
    error = errno;
    close(fd);
    errno = error;
    if (!written)
        return fail_errno(ret_error, path, STAMP_TMP_NAME, "cannot be written");
    if (renameat(directory_fd, STAMP_TMP_NAME, directory_fd, STAMP_NAME) != 0)
        return fail_errno(ret_error, path, STAMP_NAME, "cannot be put in place");
    if (fsync(directory_fd) != 0)
        return fail_errno(ret_error, path, "", "cannot be synced");
    return DIRECTORY_OK;
}

/* ---- looking ---- */

/* Whether a name says nothing about whose the directory is. */
static bool is_neutral(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, LOCK_NAME) == 0 ||
           strcmp(name, STAMP_TMP_NAME) == 0 || strcmp(name, "lost+found") == 0;
}

/* Looks for anything in a directory without a stamp. */
static enum directory_result survey_unstamped(int directory_fd, const char *path,
                                              struct directory_error *ret_error)
{
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    enum directory_result result = DIRECTORY_OK;
    struct dirent *entry;

    if (directory == NULL) {
        result = fail_errno(ret_error, path, "", "cannot be read");
        if (fd >= 0)
            close(fd);
        return result;
    }
    for (;;) {
        errno = 0;
        entry = readdir(directory);
        if (entry == NULL || !is_neutral(entry->d_name))
            break;
    }
    if (entry != NULL)
        result =
            fail(DIRECTORY_FOREIGN, ret_error,
                 "%s: not a cairn store, and not empty (it holds \"%s\"); name another directory. Nothing "
                 "was touched",
                 path, entry->d_name);
    else if (errno != 0)
        result = fail_errno(ret_error, path, "", "cannot be read");
    closedir(directory);
    return result;
}

/* What a survey is of. */
struct place {
    int fd;
    const char *path, *database;
    directory_look_fn *look;
};

/* A store says that it has its database: see that it does. */
static enum directory_result survey_database(const struct place *place, struct directory_error *ret_error)
{
    struct directory_error missing;
    enum directory_result result = place->look(place->database, ret_error);

    if (result != DIRECTORY_LOST)
        return result;
    missing = *ret_error;
    return fail(DIRECTORY_LOST, ret_error,
                "%s: a store used to be here, but its database is gone (%s); mount or restore it, or name "
                "another directory. Nothing was touched",
                place->path, missing.text);
}

static enum directory_result survey(const struct place *place, enum contents *ret_contents,
                                    struct stamp *ret_stamp, struct directory_error *ret_error)
{
    enum directory_result result;
    char text[STAMP_BYTES];
    ssize_t n = read_small(place->fd, STAMP_NAME, sizeof text, text);

    if (n < 0 && errno == ENOENT) {
        *ret_contents = CONTENTS_EMPTY;
        return survey_unstamped(place->fd, place->path, ret_error);
    }
    if (n < 0)
        return fail_errno(ret_error, place->path, STAMP_NAME, "cannot be read");
    if (strlen(text) != (size_t)n)
        text[0] = '\0';
    result = parse_stamp(text, place->path, ret_stamp, ret_error);
    if (result == DIRECTORY_OK && !ret_stamp->is_new)
        result = survey_database(place, ret_error);
    if (result == DIRECTORY_OK)
        *ret_contents = CONTENTS_STORE;
    return result;
}

/* ---- the lock ---- */

/* The pid in the lock file, 0 if there is none. The owner writes it just after it took the lock, so what stands there may
 * for a moment be nothing or the pid of a daemon that is gone. */
static long lock_owner(int lock_fd)
{
    char text[32];
    long pid = 0;

    for (int i = 0; i < OWNER_TRIES; i++) {
        ssize_t n = pread(lock_fd, text, sizeof text - 1, 0);
        text[n < 0 ? 0 : n] = '\0';
        pid = strtol(text, NULL, 10);
        if (pid > 0 && pid <= INT_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM))
            break;
        nanosleep(&(struct timespec){.tv_nsec = OWNER_WAIT_MS * 1000000L}, NULL);
    }
    return pid;
}

static enum directory_result take_lock(int directory_fd, const char *path, int *ret_lock_fd,
                                       struct directory_error *ret_error)
{
    int fd = openat(directory_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    enum directory_result result;
    char text[32];
    int n;

    if (fd < 0)
        return fail_errno(ret_error, path, LOCK_NAME, "cannot be opened");
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            result = fail(DIRECTORY_LOCKED, ret_error,
                          "%s: another cairnd has this directory, with pid %ld; stop that one first", path,
                          lock_owner(fd));
        else
            result = fail_errno(ret_error, path, LOCK_NAME, "cannot be locked");
        close(fd);
        return result;
    }
    n = snprintf(text, sizeof text, "%-11ld\n",
                 (long)getpid()); /* always as long: a full disk has room for it */
    if (pwrite(fd, text, (size_t)n, 0) != n) {
        result = fail_errno(ret_error, path, LOCK_NAME, "cannot be written");
        close(fd);
        return result;
    }
    *ret_lock_fd = fd;
    return DIRECTORY_OK;
}

/* ---- opening ---- */

static bool sync_parent(const char *path)
{
    char copy[DIRECTORY_PATH_BYTES];
    int fd, error;
    bool synced;

    snprintf(copy, sizeof copy, "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    synced = fsync(fd) == 0;
    error = errno;
    close(fd);
    errno = error;
    return synced;
}

static enum directory_result open_path(const char *path, bool create, int *ret_fd,
                                       struct directory_error *ret_error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT && !create)
        return fail(DIRECTORY_MISSING, ret_error,
                    "%s: there is no such directory; give --create to make a new store there", path);
    if (fd < 0 && errno == ENOENT) {
        if (mkdir(path, 0750) != 0 && errno != EEXIST)
            return fail_errno(ret_error, path, "", "cannot be made");
        if (!sync_parent(path))
            return fail_errno(ret_error, path, "", "its parent cannot be synced");
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0 && errno == ENOTDIR)
        return fail(DIRECTORY_FOREIGN, ret_error,
                    "%s: not a directory; name one for the data. Nothing was touched", path);
    if (fd < 0)
        return fail_errno(ret_error, path, "", "cannot be opened");
    *ret_fd = fd;
    return DIRECTORY_OK;
}

/* Brings a directory that is ours, locked, to where the database can be opened. */
static enum directory_result prepare(int directory_fd, const char *path, enum contents contents,
                                     struct stamp *stamp, struct directory_error *ret_error)
{
    enum directory_result result;

    if (contents == CONTENTS_EMPTY) {
        stamp->is_new = true;
        if (getrandom(stamp->id, sizeof stamp->id, 0) != sizeof stamp->id)
            return fail_errno(ret_error, path, "", "no random number for the store's id");
        result = write_stamp(directory_fd, path, stamp, ret_error);
        if (result != DIRECTORY_OK)
            return result;
    }
    if (!stamp->is_new)
        return DIRECTORY_OK;
    if (mkdirat(directory_fd, DATABASE_NAME, 0750) != 0 && errno != EEXIST)
        return fail_errno(ret_error, path, DATABASE_NAME, "cannot be made");
    if (fsync(directory_fd) != 0)
        return fail_errno(ret_error, path, "", "cannot be synced");
    return DIRECTORY_OK;
}

/* The two looks and the lock between them. */
static enum directory_result claim(const struct place *place, bool create, struct stamp *ret_stamp,
                                   int *ret_lock_fd, struct directory_error *ret_error)
{
    enum directory_result result;
    enum contents contents;
    int lock_fd = -1;

    result = survey(place, &contents, ret_stamp, ret_error);
    if (result != DIRECTORY_OK)
        return result;
    if (contents == CONTENTS_EMPTY && !create)
        return fail(DIRECTORY_MISSING, ret_error,
                    "%s: no store in it; give --create to make a new one there. Nothing was touched",
                    place->path);
    result = take_lock(place->fd, place->path, &lock_fd, ret_error);
    if (result != DIRECTORY_OK)
        return result;
    result = survey(place, &contents, ret_stamp, ret_error);
    if (result == DIRECTORY_OK)
        result = prepare(place->fd, place->path, contents, ret_stamp, ret_error);
    if (result == DIRECTORY_OK)
        *ret_lock_fd = lock_fd;
    else
        close(lock_fd);
    return result;
}

enum directory_result directory_open(const char *path, bool create, directory_look_fn *look,
                                     struct directory *ret_directory, struct directory_error *ret_error)
{
    struct directory directory = {.directory_fd = -1, .lock_fd = -1};
    enum directory_result result;
    struct stamp stamp;
    int n = snprintf(directory.database, sizeof directory.database, "%s/" DATABASE_NAME, path);

    if (n < 0 || (size_t)n >= sizeof directory.database) {
        errno = ENAMETOOLONG;
        return fail_errno(ret_error, path, "", "cannot be opened");
    }
    result = open_path(path, create, &directory.directory_fd, ret_error);
    if (result != DIRECTORY_OK)
        return result;
    struct place place = {directory.directory_fd, path, directory.database, look};
    result = claim(&place, create, &stamp, &directory.lock_fd, ret_error);
    if (result != DIRECTORY_OK) {
        close(directory.directory_fd);
        return result;
    }
    memcpy(directory.store_id, stamp.id, sizeof directory.store_id);
    directory.is_new = stamp.is_new;
    *ret_directory = directory;
    return DIRECTORY_OK;
}

enum directory_result directory_mark_ready(struct directory *directory, struct directory_error *ret_error)
{
    struct stamp stamp = {.is_new = false};
    char path[DIRECTORY_PATH_BYTES];
    enum directory_result result;

    assert(directory->directory_fd >= 0);
    if (!directory->is_new)
        return DIRECTORY_OK;
    memcpy(stamp.id, directory->store_id, sizeof stamp.id);
    snprintf(path, sizeof path, "%.*s", (int)(strlen(directory->database) - strlen("/" DATABASE_NAME)),
             directory->database);
    result = write_stamp(directory->directory_fd, path, &stamp, ret_error);
    directory->is_new = result != DIRECTORY_OK;
    return result;
}

void directory_close(struct directory *directory)
{
    if (directory->lock_fd >= 0)
        close(directory->lock_fd);
    if (directory->directory_fd >= 0)
        close(directory->directory_fd);
    directory->lock_fd = directory->directory_fd = -1;
}

int directory_exit_code(enum directory_result result)
{
    switch (result) {
    case DIRECTORY_OK:
        return EXIT_SUCCESS;
    case DIRECTORY_LOCKED:
        return EXIT_LOCKED;
    case DIRECTORY_IO_ERROR:
        return EXIT_FAILURE;
    default:
        return EX_CONFIG;
    }
}
