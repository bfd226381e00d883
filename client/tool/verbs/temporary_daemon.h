/* A daemon with a store in a temporary directory, for `cairn run`: both end with the command that they were made for. */
#ifndef TOOL_TEMPORARY_DAEMON_H
#define TOOL_TEMPORARY_DAEMON_H

#include <sys/types.h>

#include "client/tool/tool.h"

enum {
    TEMPORARY_PATH_BYTES = 4096,
    TEMPORARY_SOCKET_BYTES = 108, /* sun_path, with its NUL */
};

struct temporary_daemon {
    char directory[TEMPORARY_PATH_BYTES]; /* empty: there is none */
    char socket[TEMPORARY_SOCKET_BYTES];
    pid_t pid;  /* 0: it does not run */
    int status; /* as waitpid() has it, once it has ended */
};

/* Makes the directory below TMPDIR or /tmp. Not TOOL_OK: stderr says why. */
enum tool_exit temporary_daemon_make(struct temporary_daemon *daemon) CAIRN_MUST_CHECK;

/* Starts cairnd there: `path` or, if that is NULL, the one beside the tool, or else the one in PATH. It has a session of its own, so
 * that no key of the terminal ends it, and dies with the tool. Not TOOL_OK: stderr says why. */
enum tool_exit temporary_daemon_start(struct temporary_daemon *daemon, const char *path) CAIRN_MUST_CHECK;

/* Takes note of a child that ended. True: it was the daemon. */
bool temporary_daemon_ended(struct temporary_daemon *daemon, pid_t pid, int status);

/* Says on stderr how it ended, and the last lines of its log. */
void temporary_daemon_tell_end(const struct temporary_daemon *daemon);

/* Stops the daemon if it runs, and removes the directory with all that is in it. May be called at any time, also twice. */
void temporary_daemon_remove(struct temporary_daemon *daemon);

#endif
