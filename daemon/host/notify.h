/* What the daemon tells systemd, and the listening socket it may get from it. Without NOTIFY_SOCKET in the environment the calls
 * that tell do nothing; they never fail, as nothing depends on being heard, and never wait. On the loop, unless they say so. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"

enum { NOTIFY_ERROR_BYTES = 256 };

struct notify_error {
    char text[NOTIFY_ERROR_BYTES];
};

void notify_ready(void);     /* also ends a reload */
void notify_reloading(void); /* followed by notify_ready */
void notify_stopping(void);

/* One line for `systemctl status`, text like printf's; cut at a newline, and if it is too long. */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tells again what systemd had no room for; to be called about once a second. */
void notify_go_on(void);

/* That the daemon is alive and well, for a unit with WatchdogSec; and how often it wants to hear that, 0: never. Any thread. */
void notify_alive(void);
uint64_t notify_alive_interval_us(void);

/* The socket on which systemd listens for us. To be called once, by main's thread before the loop, since it removes
 * LISTEN_FDS from the environment.
 *
 * true   *ret_fd is the listening socket, close-on-exec, the caller's to close, or -1 if systemd passed none. Its path must not
 *        be unlinked
 * false  what was passed is not exactly one listening Unix stream socket; the error says what it is */
bool notify_listen_fd(int *ret_fd, struct notify_error *ret_error) MUST_CHECK;

/* Executes the process anew, with nothing of before but its pid, these arguments, its environment and that socket of systemd's (-1: none),
 * which it finds as if systemd had passed it: no start limit counts that. Returns only if it fails. main's thread, when no other one
 * is needed any more. */
void notify_execute_anew(char *const *arguments, int listen_fd);

#endif
