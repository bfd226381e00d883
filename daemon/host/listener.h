/* The listening socket: made at a path, or adopted from systemd. Before the loop starts and after it ended. */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

#include <stdint.h>
#include <sys/types.h>

#include "daemon/runtime/failure.h"

enum { LISTENER_BACKLOG = 1024, LISTENER_PATH_BYTES = 108 };

struct listener {
    int fd;                         /* -1: none, or the loop's */
    char path[LISTENER_PATH_BYTES]; /* empty: not ours to unlink */
    dev_t device;                   /* of the socket file we made */
    ino_t inode;
    int adopted_flags; /* of a socket that is systemd's, as it came; -1: not adopted */
    int adopted_fd;    /* our second hold on it, to give it back as it came */
};

/* Binds and listens at the path, with that mode and (unless empty) group. A socket file that nobody listens at is replaced.
 *
 * STATUS_OK  *ret_listener listens
 * other      the text says what is wrong with the path, and nothing is left behind */
enum status listener_open(const char *path, uint64_t mode, const char *group, struct listener *ret_listener,
                          struct failure *failure) MUST_CHECK;

/* Takes a socket that listens already. */
void listener_adopt(int fd, struct listener *ret_listener);

/* Removes the socket file if it is still ours; leaves an adopted socket as it came. */
void listener_close(struct listener *listener);

#endif
