/* Trouble for a running daemon: a writer that stands still, system calls that fail. */
#ifndef TESTS_LIB_TROUBLE_H
#define TESTS_LIB_TROUBLE_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/lib/daemon.h"

/* Stops the thread that writes, and no other, until trouble_thaw: commits join their lane and are not carried out, what is
 * queued stays queued. An empty commit gets no answer then, which is looked at, and stays in the lane. */
struct frozen {
    pid_t thread;
    int fd; /* of the connection with the commit */
};
struct frozen trouble_freeze_writer(const struct daemon *daemon);
void trouble_thaw(struct frozen *frozen);
/* Waits until the frozen thread has died with its process, which nobody can wait for before. */
bool trouble_buried(struct frozen *frozen, int milliseconds);

/* Has strace make system calls of the daemon fail from now on: `what` as strace's -e inject= takes it. `path`: only on
 * that file; NULL: on all. Each call is a line in `log`. Not for a daemon built with a sanitizer. */
struct injection {
    pid_t strace;
    char log[80];
};
struct injection trouble_inject(const struct daemon *daemon, const char *what, const char *path);
void trouble_end(struct injection *injection);
bool trouble_has_strace(void);
/* The file of RocksDB's log that is written to; kept. */
char *trouble_log_file(const struct daemon *daemon);

#endif
