/* What depends on the kind of file system that a directory is on. */
#ifndef DAEMON_FILE_SYSTEM_H
#define DAEMON_FILE_SYSTEM_H

#include <stdbool.h>

/* Whether an overwrite takes new space, and frees the old with a transaction of the file system: btrfs. */
bool file_system_copies_on_write(int directory_fd);

/* Asks that files made in this directory from now on, and in directories made in it, are overwritten in place. What cannot do that, or
 * does so anyhow, is left as it is. */
void file_system_overwrite_in_place(int directory_fd);

/* What was freed on such a file system counts as free once this returns: it does not wait for what others have written and not synced.
 * False: it does not count yet. */
bool file_system_end_transaction(int fd);

#endif
