/* What directory.c, which opens, and directory_hold.c, which holds, have in common. Nobody else includes this. */
#ifndef DAEMON_DIRECTORY_INTERNAL_H
#define DAEMON_DIRECTORY_INTERNAL_H

#include "daemon/host/directory.h"
#include "daemon/host/stamp.h"

#define LOCK_NAME     "cairn.lock"
#define DATABASE_NAME "db"

/* The directory that is surveyed. */
struct directory_place {
    int fd;
    const char *path;
    const char *database; /* a path that goes by fd */
    bool create;          /* a store may be made in it */
    directory_look_fn *look;
};

/* What a directory that may be locked contains. */
enum directory_contents {
    DIRECTORY_EMPTY, /* nothing, or what a death before the stamp leaves */
    DIRECTORY_STORE, /* a stamp of ours, and the database that belongs to it */
};

/* Opens a directory that is there. */
enum directory_result directory_open_path(const char *path, int *ret_fd,
                                          struct directory_error *ret_error) MUST_CHECK;

/* Looks without writing. An empty directory is refused unless a store may be made in it. */
enum directory_result directory_survey(const struct directory_place *place,
                                       enum directory_contents *ret_contents, struct stamp *ret_stamp,
                                       struct directory_error *ret_error) MUST_CHECK;

/* ---- directory_hold.c ---- */

/* Set the error's text and return the result, DIRECTORY_IO_ERROR or DIRECTORY_REFUSED for the second, whose text
 * ends with errno's. */
enum directory_result directory_fail(enum directory_result result, struct directory_error *ret_error,
                                     const char *format, ...) __attribute__((format(printf, 3, 4)));
enum directory_result directory_fail_errno(struct directory_error *ret_error, const char *path,
                                           const char *name, const char *what);

/* Locks the lock file and writes our pid into it. DIRECTORY_OK, DIRECTORY_LOCKED or DIRECTORY_IO_ERROR. */
enum directory_result directory_take_lock(int directory_fd, const char *path, int *ret_lock_fd,
                                          struct directory_error *ret_error) MUST_CHECK;

/* Opens the database's directory and locks it, where its file system has locks for directories. DIRECTORY_LOCKED: who has it is not
 * known, for its lock file was removed, or it came here by another directory. Else as above. */
enum directory_result directory_hold_database(const struct directory_place *place, int *ret_fd,
                                              struct directory_error *ret_error) MUST_CHECK;

#endif
