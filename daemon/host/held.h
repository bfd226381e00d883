/* Paths that go by an open directory instead of its name: /proc/self/fd/N leads to the directory that descriptor N holds, wherever
 * that is moved and whatever takes its name. They are for libraries that take paths only. Any thread. */
#ifndef DAEMON_HELD_H
#define DAEMON_HELD_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/status.h"

enum { HELD_PATH_BYTES = 64 }; /* with its NUL */

/* Writes the path of an open directory, valid while it is open in this process. `below` is appended: "" or "/NAME".
 *
 * true   the path leads there
 * false  it does not, as where /proc is not mounted; errno says why */
bool held_path(int directory_fd, const char *below, char *ret_path) MUST_CHECK;

/* Copies a text for people: each such path in it becomes the name that its directory has now. Cut if it is too long. */
void held_copy_text(const char *text, size_t room, char *ret_text);

#endif
