/* The listening socket: made at a path, or adopted from systemd. On main's thread, before the loop runs and after it ended. It is
 * bound last, so that a start that fails before has bound nothing; listener_check finds what would fail here before a store is made. */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/runtime/failure.h"

enum {
    LISTENER_BACKLOG = 1024,   /* connections that wait to be accepted; the kernel's somaxconn bounds it */
    LISTENER_PATH_BYTES = 108, /* sun_path, with its NUL */
};

struct listener {
    int fd;                         /* -1: none, or the loop has taken it */
    char path[LISTENER_PATH_BYTES]; /* of the socket file we made; empty: there is none of ours to unlink */
    dev_t device;                   /* of that file, */
    ino_t inode;                    /* to leave one that replaced it alone */
    int adopted_flags;              /* file status flags that systemd's socket came with; -1: not adopted */
    int adopted_fd; /* a duplicate of systemd's socket, to restore these flags by; -1: not adopted */
};

/* Whether a socket could be made there, as far as looking at the path and the group tells. Makes, removes and wakes nothing: whether
 * somebody listens there only a connection shows.
 *
 * STATUS_OK, or as listener_open */
enum status listener_look(const char *path, const char *group, struct failure *failure) MUST_CHECK;

/* The same, and whether nobody listens there. */
enum status listener_check(const char *path, const char *group, struct failure *failure) MUST_CHECK;

/* Binds and listens at the path, with the permission bits and, unless it is empty, the group (a name or a number). A socket
 * file at which no process listens is replaced. The texts are copied or borrowed for the call.
 *
 * STATUS_OK       *ret_listener listens
 * STATUS_INVALID  the text says what is wrong with the path or the group, and no file of ours is left behind
 * STATUS_IO_ERROR  the same, where another try may help */
enum status listener_open(const char *path, uint64_t mode, const char *group, struct listener *ret_listener,
                          struct failure *failure) MUST_CHECK;

/* Takes a socket that listens already.
 *
 * STATUS_OK       *ret_listener has taken the descriptor
 * STATUS_INVALID  there is no descriptor left for its duplicate; fd stays the caller's */
enum status listener_adopt(int fd, struct listener *ret_listener, struct failure *failure) MUST_CHECK;

/* Whether it was adopted and has that path. */
bool listener_is_adopted_at(const struct listener *listener, const char *path);

/* Ends the connections that wait at an adopted socket: nobody will answer them, and systemd starts the daemon anew as long as one
 * waits. */
void listener_turn_away(const struct listener *listener);

/* Closes it, removes the socket file if it is still ours, and leaves an adopted socket with the flags it came with. Accepts a
 * closed one: all descriptors -1. */
void listener_close(struct listener *listener);

#endif
