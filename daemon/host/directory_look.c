/* A look at the data directory ahead of its opening: the survey that the opening makes, and then whether this process may read and write
 * what a daemon does. The kernel is asked for the permission of each name in the directory and in db/, since a store that another user
 * has once opened may hold some files of that user's. A name of ours that leads to anything but a file is refused too: an open of a
 * pipe may wait for ever.
 *
 * Ways to fail: as directory_open, and nothing is left behind. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/directory_internal.h"
#include "daemon/runtime/thread.h"

/* Names that say nothing of a store; lost+found is root's, in the mount point of a file system. */
static bool is_foreign(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lost+found") == 0;
}

/* Whether the store owns a file of that name: beside the database that depends on the name, in it all are the store's. */
static bool is_own(const char *below, const char *name)
{
    return *below != '\0' || strncmp(name, "cairn.", 6) == 0 || strcmp(name, DATABASE_NAME ".state") == 0;
}

/* Refuses a name of ours that is not a file. In the database directories are left to the engine, and links are followed. */
static enum directory_result look_at_kind(int fd, const char *path, const char *below, const char *name,
                                          struct directory_error *ret_error)
{
    bool is_database = *below != '\0';
    struct stat found;
    if (!is_own(below, name) || fstatat(fd, name, &found, is_database ? 0 : AT_SYMLINK_NOFOLLOW) != 0 ||
        S_ISREG(found.st_mode) || (is_database && S_ISDIR(found.st_mode))) {
        return DIRECTORY_OK;
    }
    return directory_fail(
        DIRECTORY_REFUSED, ret_error,
        "%s/%s%s: is %s and no file; move it away, and put back the store's own file. Nothing "
        "was touched",
        path, below, name,
        S_ISDIR(found.st_mode)    ? "a directory"
        : S_ISLNK(found.st_mode)  ? "a link"
        : S_ISFIFO(found.st_mode) ? "a pipe"
                                  : "a socket or device");
}

static enum directory_result look_at_permission(int fd, const char *path, const char *below, const char *name,
                                                struct directory_error *ret_error)
{
    char text[NAME_MAX + 8];
    if (faccessat(fd, name, R_OK | W_OK, AT_EACCESS) == 0 || errno == ENOENT) {
        return DIRECTORY_OK;
    }
    int error = errno;
    snprintf(text, sizeof text, "%s%s", below, name);
    errno = error;
    return directory_fail_errno(ret_error, path, text, "cannot be read and written");
}

/* `below`: "" or "db/", for the text. */
static enum directory_result look_at_entries(int fd, const char *path, const char *below,
                                             struct directory_error *ret_error)
{
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = again < 0 ? NULL : fdopendir(again);
    enum directory_result result = DIRECTORY_OK;
    const struct dirent *entry;

    if (directory == NULL) {
        result = directory_fail_errno(ret_error, path, below, "cannot be read");
        if (again >= 0) {
            close(again);
        }
        return result;
    }
    while (result == DIRECTORY_OK && (entry = readdir(directory)) != NULL) {
        if (!is_foreign(entry->d_name)) {
            result = look_at_kind(fd, path, below, entry->d_name, ret_error);
            result = result != DIRECTORY_OK ? result
                                            : look_at_permission(fd, path, below, entry->d_name, ret_error);
        }
    }
    closedir(directory);
    return result;
}

static enum directory_result look_inside(const struct directory_place *place,
                                         struct directory_error *ret_error)
{
    enum directory_contents contents;
    struct stamp stamp;
    enum directory_result result = directory_survey(place, &contents, &stamp, ret_error);
    if (result != DIRECTORY_OK) {
        return result;
    }
    if (faccessat(place->fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
        return directory_fail_errno(ret_error, place->path, "", "cannot be written");
    }
    result = look_at_entries(place->fd, place->path, "", ret_error);
    int database_fd = result != DIRECTORY_OK || contents == DIRECTORY_EMPTY
                          ? -1
                          : openat(place->fd, DATABASE_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (database_fd >= 0) {
        result = look_at_entries(database_fd, place->path, DATABASE_NAME "/", ret_error);
        close(database_fd);
    }
    return result;
}

/* A directory that is to be made. */
static enum directory_result look_at_parent(const char *path, struct directory_error *ret_error)
{
    char copy[DIRECTORY_PATH_BYTES];
    assert(strlen(path) < sizeof copy); /* a path that is cut has another parent */
    snprintf(copy, sizeof copy, "%s", path);
    const char *parent = dirname(copy);
    if (faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) == 0) {
        return DIRECTORY_OK;
    }
    if (errno == ENOENT) {
        return directory_fail(
            DIRECTORY_REFUSED, ret_error,
            "%s: cannot be made, for there is no directory %s; make that one first, or name "
            "another path",
            path, parent);
    }
    if (errno == EACCES) {
        return directory_fail(DIRECTORY_REFUSED, ret_error,
                              "%s: this user may not make it in %s; make it as root, and give it to the user "
                              "that the daemon runs as",
                              path, parent);
    }
    return directory_fail_errno(ret_error, path, "", "cannot be made in its parent");
}

enum directory_result directory_look(const char *path, bool create, directory_look_fn *look,
                                     struct directory_error *ret_error)
{
    assert(thread_is(THREAD_OTHER)); /* it waits for the disk: not on the loop */
    char database[HELD_PATH_BYTES];
    enum directory_result result;
    int fd = -1;
    if (strlen(path) >= DIRECTORY_PATH_BYTES) {
        errno = ENAMETOOLONG;
        return directory_fail_errno(ret_error, path, "", "cannot be opened");
    }
    result = directory_open_path(path, &fd, ret_error);
    if (result == DIRECTORY_MISSING && create) {
        return look_at_parent(path, ret_error);
    }
    if (result != DIRECTORY_OK) {
        return result;
    }
    if (!held_path(fd, "/" DATABASE_NAME, database)) {
        result = directory_fail_errno(ret_error, path, "", "cannot be held by /proc/self/fd; mount /proc");
    } else {
        struct directory_place place = {fd, path, database, create, look};
        result = look_inside(&place, ret_error);
    }
    close(fd);
    return result;
}
