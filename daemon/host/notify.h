/* What the daemon tells systemd, and the listening socket it may get from it. Without NOTIFY_SOCKET in the environment
 * the calls that tell do nothing; they never fail, as nothing depends on being heard. Called on the loop's thread. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdbool.h>

#include "proto/status.h"

enum { NOTIFY_ERROR_BYTES = 256 };

struct notify_error {
    char text[NOTIFY_ERROR_BYTES];
};

void notify_ready(void);     /* also ends a reload */
void notify_reloading(void); /* followed by notify_ready */
void notify_stopping(void);

/* One line for `systemctl status`. */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The socket systemd listens on for us.
 *
 * true   *ret_fd is the listening socket, close-on-exec, or -1 if systemd passed none. It is systemd's: closing it is fine,
 *        its path must not be unlinked
 * false  what was passed is not exactly one listening Unix stream socket; the error says what it is
 *
 * Takes LISTEN_FDS out of the environment: to be called once, before there are threads. */
bool notify_listen_fd(int *ret_fd, struct notify_error *ret_error) MUST_CHECK;

#endif
