/* The data directory's life. Opening it takes four steps:
 *
 * 1. survey, which only reads: is the directory there, what does the stamp say, is there anything else in it;
 * 2. the lock, once the survey says that the directory is ours or may become ours;
 * 3. survey again, as another process may have changed the directory before we had the lock. From here on no other daemon does;
 * 4. db/ is opened and locked.
 *
 * Making a store takes the steps mkdir, lock file, stamp saying `new`, db/, and, when the database has been opened, the stamp
 * without `new`. Before the stamp is there, the directory holds at most the lock and the unfinished stamp, which count as
 * empty; so a death at any step leaves what the next start goes on with.
 *
 * While it is open, the names in it are compared with what is held, each time directory_check is called.
 *
 * Ways to fail: what the survey refuses is left untouched. A system call that fails in steps 2 to 4 may leave the lock file
 * and, with `create`, the beginnings of a store; the locks themselves are released. */
#include "daemon/host/directory.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/directory_internal.h"
#include "daemon/host/file_system.h"
#include "daemon/host/held.h"
#include "daemon/host/numbers.h"
#include "daemon/host/unit.h"
#include "daemon/runtime/sync.h"
#include "daemon/runtime/thread.h"

/* ---- the stamp ---- */

static enum directory_result write_stamp(int directory_fd, const char *path, const struct stamp *stamp,
                                         struct directory_error *ret_error)
{
    struct stamp_failure failure;

    if (!stamp_write(directory_fd, stamp, &failure)) {
        return directory_fail_errno(ret_error, path, failure.name, failure.what);
    }
    return DIRECTORY_OK;
}

/* What the result of stamp_read means for the directory. A directory without a stamp is judged by survey_unstamped. */
static enum directory_result judge_stamp(enum stamp_result result, unsigned long format, const char *path,
                                         struct directory_error *ret_error)
{
    assert(result != STAMP_NEWER || format > STAMP_FORMAT); /* the text names it */
    switch (result) {
    case STAMP_OK:
    case STAMP_ABSENT:
        return DIRECTORY_OK;
    case STAMP_FOREIGN:
        return directory_fail(DIRECTORY_FOREIGN, ret_error,
                              "%s: holds a " STAMP_NAME
                              " that is not cairn's; restore that file from a backup, or name another "
                              "directory. Nothing was touched",
                              path);
    case STAMP_NEWER:
        return directory_fail(
            DIRECTORY_NEWER, ret_error,
            "%s: the store has format %lu and this cairnd knows %d at most; serve it with the newer "
            "cairnd that made it. Nothing was touched",
            path, format, STAMP_FORMAT);
    case STAMP_DAMAGED:
        return directory_fail(
            DIRECTORY_DAMAGED, ret_error,
            "%s: its " STAMP_NAME " is damaged; restore that file from a backup. Nothing was touched", path);
    case STAMP_IO_ERROR:
        break;
    }
    return directory_fail_errno(ret_error, path, STAMP_NAME, "cannot be read");
}

/* ---- survey ---- */

/* Whether the name says nothing about which program owns the directory. */
static bool is_neutral(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, LOCK_NAME) == 0 ||
           strcmp(name, STAMP_TMP_NAME) == 0 || strcmp(name, "lost+found") == 0;
}

/* A directory without a stamp may become a store only if it is empty. Numbers are made behind the stamp: so with them it was one. */
static enum directory_result survey_unstamped(int directory_fd, const char *path,
                                              struct directory_error *ret_error)
{
    assert(directory_fd >= 0); /* AT_FDCWD would be whatever directory the process happens to be in */
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    enum directory_result result = DIRECTORY_OK;
    struct dirent *entry;

    if (directory == NULL) {
        result = directory_fail_errno(ret_error, path, "", "cannot be read");
        if (fd >= 0) {
            close(fd);
        }
        return result;
    }
    for (;;) {
        errno = 0;
        entry = readdir(directory);
        if (entry == NULL || !is_neutral(entry->d_name)) {
            break;
        }
    }
    if (entry != NULL && faccessat(directory_fd, NUMBERS_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        result = directory_fail(
            DIRECTORY_FOREIGN, ret_error,
            "%s: its " STAMP_NAME " is gone; restore that file from a backup. Nothing was touched", path);
    } else if (entry != NULL) {
        result = directory_fail(
            DIRECTORY_FOREIGN, ret_error,
            "%s: not a cairn store, and not empty (it holds \"%s\"); name another directory. Nothing "
            "was touched",
            path, entry->d_name);
    } else if (errno != 0) {
        result = directory_fail_errno(ret_error, path, "", "cannot be read");
    }
    closedir(directory);
    return result;
}

/* A store says that it has its database: see that it does. */
static enum directory_result survey_database(const struct directory_place *place,
                                             struct directory_error *ret_error)
{
    struct directory_error found;
    char text[DIRECTORY_ERROR_BYTES];
    enum directory_result result = place->look(place->database, &found);

    if (result == DIRECTORY_OK) {
        return result;
    }
    assert(result == DIRECTORY_LOST || result == DIRECTORY_IO_ERROR ||
           result == DIRECTORY_REFUSED); /* a look gives no other */
    held_copy_text(found.text, sizeof text, text);
    if (result != DIRECTORY_LOST) {
        return directory_fail(result, ret_error, "%s: %s", place->path, text);
    }
    return directory_fail(
        DIRECTORY_LOST, ret_error,
        "%s: a store used to be here, but its database is gone (%s); mount or restore it, or name "
        "another directory. Nothing was touched",
        place->path, text);
}

enum directory_result directory_survey(const struct directory_place *place,
                                       enum directory_contents *ret_contents, struct stamp *ret_stamp,
                                       struct directory_error *ret_error)
{
    unsigned long format = 0;
    enum stamp_result looked = stamp_read(place->fd, ret_stamp, &format);
    enum directory_result result = judge_stamp(looked, format, place->path, ret_error);

    assert(looked != STAMP_OK || (ret_stamp->format >= 1 && ret_stamp->format <= STAMP_FORMAT));
    if (looked == STAMP_ABSENT) {
        result = survey_unstamped(place->fd, place->path, ret_error);
        if (result == DIRECTORY_OK && !place->create) {
            return directory_fail(
                DIRECTORY_MISSING, ret_error,
                "%s: no store in it; mount it, or %s to make a new one there. Nothing was touched",
                place->path, unit_create_hint(place->path));
        }
        *ret_contents = DIRECTORY_EMPTY;
        return result;
    }
    if (result == DIRECTORY_OK && !ret_stamp->is_new) {
        result = survey_database(place, ret_error);
    }
    if (result == DIRECTORY_OK) {
        *ret_contents = DIRECTORY_STORE;
    }
    return result;
}

/* ---- opening ---- */

static bool sync_parent(const char *path)
{
    char copy[DIRECTORY_PATH_BYTES];
    int fd, error;
    bool synced;

    assert(strlen(path) < sizeof copy); /* a path that is cut has another parent */
    snprintf(copy, sizeof copy, "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    synced = sync_directory(fd);
    error = errno;
    close(fd);
    errno = error;
    return synced;
}

enum directory_result directory_open_path(const char *path, int *ret_fd, struct directory_error *ret_error)
{
    assert(*ret_fd < 0); /* else nobody would close what is open */
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        return directory_fail(DIRECTORY_MISSING, ret_error,
                              "%s: there is no such directory; mount it, or %s to make a new store there",
                              path, unit_create_hint(path));
    }
    if (fd < 0 && errno == ENOTDIR) {
        return directory_fail(DIRECTORY_FOREIGN, ret_error,
                              "%s: not a directory; name one for the data. Nothing was touched", path);
    }
    if (fd < 0) {
        return directory_fail_errno(ret_error, path, "", "cannot be opened");
    }
    *ret_fd = fd;
    return DIRECTORY_OK;
}

/* Opens the directory, and makes it if it is missing. */
static enum directory_result make_path(const char *path, int *ret_fd, struct directory_error *ret_error)
{
    enum directory_result result = directory_open_path(path, ret_fd, ret_error);
    if (result != DIRECTORY_MISSING) {
        return result;
    }
    if (mkdir(path, 0750) != 0 && errno != EEXIST) {
        return directory_fail_errno(ret_error, path, "", "cannot be made");
    }
    if (!sync_parent(path)) {
        return directory_fail_errno(ret_error, path, "", "its parent cannot be synced");
    }
    return directory_open_path(path, ret_fd, ret_error);
}

/* Makes in a locked directory what is missing for the database to be opened. */
static enum directory_result prepare(const struct directory_place *place, enum directory_contents contents,
                                     struct stamp *stamp, struct directory_error *ret_error)
{
    enum directory_result result;

    assert(contents == DIRECTORY_STORE || place->create); /* a new store is made only when asked for */
    if (contents == DIRECTORY_EMPTY) {
        stamp->format = STAMP_FORMAT;
        stamp->is_new = true;
        if (getrandom(stamp->id, sizeof stamp->id, 0) != sizeof stamp->id) {
            return directory_fail_errno(ret_error, place->path, "", "no random number for the store's id");
        }
        result = write_stamp(place->fd, place->path, stamp, ret_error);
        if (result != DIRECTORY_OK) {
            return result;
        }
    }
    if (!stamp->is_new) {
        return DIRECTORY_OK;
    }
    if (mkdirat(place->fd, DATABASE_NAME, 0750) != 0 && errno != EEXIST) {
        return directory_fail_errno(ret_error, place->path, DATABASE_NAME, "cannot be made");
    }
    if (!sync_directory(place->fd)) {
        return directory_fail_errno(ret_error, place->path, "", "cannot be synced");
    }
    return DIRECTORY_OK;
}

/* Looks, once more by what is held, whether the database in it is the one that was surveyed. */
static enum directory_result survey_held(const struct directory_place *place, const struct stamp *stamp,
                                         int database_fd, char *ret_path, struct directory_error *ret_error)
{
    struct directory_place held = *place;

    if (!held_path(database_fd, "", ret_path)) {
        return directory_fail_errno(ret_error, place->path, DATABASE_NAME,
                                    "cannot be held by /proc/self/fd; mount /proc");
    }
    held.database = ret_path;
    return stamp->is_new ? DIRECTORY_OK : survey_database(&held, ret_error);
}

/* Takes the lock between two surveys, then the database. */
static enum directory_result claim(const struct directory_place *place, struct stamp *ret_stamp,
                                   struct directory *ret_directory, struct directory_error *ret_error)
{
    enum directory_result result;
    enum directory_contents contents;
    int lock_fd = -1, database_fd = -1;

    result = directory_survey(place, &contents, ret_stamp, ret_error);
    if (result != DIRECTORY_OK) {
        return result;
    }
    result = directory_take_lock(place->fd, place->path, &lock_fd, ret_error);
    if (result != DIRECTORY_OK) {
        return result;
    }
    assert(lock_fd >= 0);
    result = directory_survey(place, &contents, ret_stamp, ret_error);
    if (result == DIRECTORY_OK) {
        file_system_overwrite_in_place(place->fd); /* before any file is made that is overwritten later */
        result = prepare(place, contents, ret_stamp, ret_error);
    }
    if (result == DIRECTORY_OK) {
        result = directory_hold_database(place, &database_fd, ret_error);
    }
    if (result == DIRECTORY_OK) {
        file_system_overwrite_in_place(database_fd); /* a copy may have come without */
        result = survey_held(place, ret_stamp, database_fd, ret_directory->database, ret_error);
    }
    if (result == DIRECTORY_OK) {
        assert(database_fd >= 0); /* directory_close unlocks it by that */
        ret_directory->lock_fd = lock_fd;
        ret_directory->database_fd = database_fd;
        return DIRECTORY_OK;
    }
    if (database_fd >= 0) {
        close(database_fd);
    }
    close(lock_fd);
    return result;
}

enum directory_result directory_open(const char *path, bool create, directory_look_fn *look,
                                     struct directory *ret_directory, struct directory_error *ret_error)
{
    struct directory directory = {
        .look = look, .directory_fd = -1, .database_fd = -1, .lock_fd = -1, .numbers_fd = -1};
    enum directory_result result;
    struct stamp stamp;
    int n = snprintf(directory.path, sizeof directory.path, "%s", path);

    assert(thread_is(THREAD_OTHER)); /* it waits for the disk and for another daemon: not on the loop */
    if ((size_t)n >= sizeof directory.path) {
        errno = ENAMETOOLONG;
        return directory_fail_errno(ret_error, path, "", "cannot be opened");
    }
    result = create ? make_path(path, &directory.directory_fd, ret_error)
                    : directory_open_path(path, &directory.directory_fd, ret_error);
    if (result != DIRECTORY_OK) {
        return result;
    }
    if (!held_path(directory.directory_fd, "/" DATABASE_NAME, directory.beside)) {
        result = directory_fail_errno(ret_error, path, "", "cannot be held by /proc/self/fd; mount /proc");
        close(directory.directory_fd);
        return result;
    }
    struct directory_place place = {directory.directory_fd, path, directory.beside, create, look};
    result = claim(&place, &stamp, &directory, ret_error);
    if (result != DIRECTORY_OK) {
        close(directory.directory_fd);
        return result;
    }
    memcpy(directory.store_id, stamp.id, sizeof directory.store_id);
    directory.is_new = stamp.is_new;
    directory.is_old = stamp.format < STAMP_FORMAT;
    *ret_directory = directory;
    return DIRECTORY_OK;
}

enum directory_result directory_mark_ready(struct directory *directory, struct directory_error *ret_error)
{
    struct stamp stamp = {.format = STAMP_FORMAT, .is_new = false};
    enum directory_result result;

    assert(thread_is(THREAD_OTHER)); /* it waits for the disk: not on the loop */
    assert(directory->lock_fd >= 0); /* only its owner writes the stamp */
    if (!directory->is_new && !directory->is_old) {
        return DIRECTORY_OK;
    }
    memcpy(stamp.id, directory->store_id, sizeof stamp.id);
    result = write_stamp(directory->directory_fd, directory->path, &stamp, ret_error);
    if (result == DIRECTORY_OK) {
        directory->is_new = directory->is_old = false;
    }
    return result;
}

void directory_close(struct directory *directory)
{
    if (directory->lock_fd >= 0) {
        close(directory->lock_fd);
    }
    if (directory->database_fd >= 0) {
        close(directory->database_fd);
    }
    if (directory->directory_fd >= 0) {
        close(directory->directory_fd);
    }
    directory->lock_fd = directory->database_fd = directory->directory_fd = -1;
}

enum exit_code directory_exit_code(enum directory_result result)
{
    assert(result <= DIRECTORY_IO_ERROR);
    switch (result) {
    case DIRECTORY_OK:
        return EXIT_CODE_STOPPED;
    case DIRECTORY_LOCKED:
        return EXIT_CODE_TAKEN;
    case DIRECTORY_DAMAGED:
        return EXIT_CODE_DAMAGED;
    case DIRECTORY_IO_ERROR:
        return EXIT_CODE_FAILED;
    default:
        return EXIT_CODE_REFUSED;
    }
}
