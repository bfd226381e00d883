/* The data directory: what it contains, and that only one daemon has it. Life:
 *
 * - A stamp, cairn.store, says that the directory is a store, its format and its id. Until the database has been opened
 *   once the stamp also says `new`: only then may a database be made. The database lies in db/.
 * - directory_open looks before it writes: a directory that is not ours, a store newer than this daemon, or one that lost its
 *   database is left as it was, without even a lock file.
 * - A lock on cairn.lock, which names its holder's pid, and one on db/ itself are held until directory_close or the death of the
 *   process. db/ is locked as well, since a file that was removed and made again can be locked a second time.
 * - The path is followed once. From then on everything goes by the directories that are open: whatever the path comes to lead to,
 *   by a move, a link or a mount, the store stays in the directory that is held, and another one is not touched.
 * - directory_check says whether what is held is still in its place: a directory that was removed takes writes as before, and
 *   keeps nothing of them.
 * - With `create`, an absent or empty directory becomes a store: lock, stamp saying `new`, database, directory_mark_ready.
 *   A death at any point of that leaves a directory with which the same call goes on.
 *
 * Called by main alone, before there are threads and after they are gone, but for directory_check.
 */
#ifndef DAEMON_DIRECTORY_H
#define DAEMON_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/host/held.h"
#include "daemon/runtime/exit_code.h"
#include "proto/limits.h"
#include "proto/status.h"

enum {
    DIRECTORY_PATH_BYTES = 4096,
    DIRECTORY_ERROR_BYTES = 1024,
};

enum directory_result {
    DIRECTORY_OK,
    DIRECTORY_LOCKED,  /* another daemon has it; the text names its pid */
    DIRECTORY_MISSING, /* there is no store and none was asked for */
    DIRECTORY_FOREIGN, /* it holds something that is not ours */
    DIRECTORY_NEWER,   /* a newer cairn made it */
    DIRECTORY_DAMAGED, /* the stamp is ours but cannot be understood */
    DIRECTORY_LOST,    /* a store used to be here: stamp, but no database; or what was held is gone */
    DIRECTORY_REFUSED, /* the system does not let this process in: a path, a permission or a mount is wrong */
    DIRECTORY_IO_ERROR, /* the system refused a call; the text says which and why */
};

struct directory_error {
    char text[DIRECTORY_ERROR_BYTES]; /* what, which path, what to do; no newline */
};

/* Looks whether the database is there: DIRECTORY_OK; DIRECTORY_LOST: the text says what is missing; DIRECTORY_REFUSED: a person has to
 * act before it can be seen; DIRECTORY_IO_ERROR. */
typedef enum directory_result directory_look_fn(const char *database, struct directory_error *ret_error);

struct directory {
    char path[DIRECTORY_PATH_BYTES]; /* as it was given, for texts */
    char database[HELD_PATH_BYTES];  /* path of the engine's directory, which goes by database_fd */
    /* its name in the data directory, by directory_fd: what the engine keeps beside it */
    char beside[HELD_PATH_BYTES];
    directory_look_fn *look;
    uint8_t store_id[STORE_ID_BYTES];
    bool is_new; /* the database may be made; directory_mark_ready is to follow its first successful open */
    bool is_old; /* of an older format; directory_mark_ready is to follow its conversion */

    int directory_fd; /* -1: closed; so are the other two then */
    int database_fd;
    int lock_fd;
    int numbers_fd; /* of cairn.numbers, borrowed; -1: directory_check does not look at it */
};

/* Opens and locks the data directory. On any result but DIRECTORY_OK nothing is held, ret_directory is untouched and the
 * error has its text. What was not a store before is then still as it was, except that after DIRECTORY_IO_ERROR with
 * `create` it may hold the beginnings of one. The path is borrowed for the call. On main's thread before there is a loop. */
enum directory_result directory_open(const char *path, bool create, directory_look_fn *look,
                                     struct directory *ret_directory,
                                     struct directory_error *ret_error) MUST_CHECK;

/* Looks whether directory_open would open it, as far as looking tells; makes, locks and changes nothing, and works beside a daemon that
 * has it. Beyond what directory_open refuses it looks whether this process may read and write all that is there. Results are those
 * of directory_open, but never DIRECTORY_LOCKED. On main's thread. */
enum directory_result directory_look(const char *path, bool create, directory_look_fn *look,
                                     struct directory_error *ret_error) MUST_CHECK;

/* Records durably that the store has its database, in the present format; nothing to do if that is recorded. To be called before the
 * first write is acknowledged.
 *
 * DIRECTORY_OK        a start without the database is refused from now on, and so is an older daemon
 * DIRECTORY_IO_ERROR  the stamp still says `new`, or says no longer so without a promise that it survives a power loss */
enum directory_result directory_mark_ready(struct directory *directory,
                                           struct directory_error *ret_error) MUST_CHECK;

/* Looks whether the stamp, the lock file, the numbers and the database are still what is held. Any thread, while it is open; waits for the
 * disk.
 *
 * DIRECTORY_OK    they are, or the system does not say
 * DIRECTORY_LOST  one was removed or replaced: what is written now may be gone at the next start; the error says which one */
enum directory_result directory_check(const struct directory *directory,
                                      struct directory_error *ret_error) MUST_CHECK;

/* Releases the locks. Accepts a closed one: its descriptors are -1. */
void directory_close(struct directory *directory);

/* The exit code of a daemon that ends with this result. */
enum exit_code directory_exit_code(enum directory_result result);

#endif
