/* What systemd is told, in the order of a service's life: ready, reloading and ready again, stopping; a status line at any time.
 *
 * Ways to fail: none for what is told, since nothing depends on it. A socket that cannot be used is refused with a text. */
#include "daemon/host/notify.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "daemon/runtime/thread.h"

enum { STATUS_BYTES = 256 }; /* room for a status line; a longer one is cut */

void notify_ready(void)
{
    assert(thread_is(THREAD_LOOP)); /* in order with what else systemd is told */
    sd_notify(0, "READY=1");
}

/* From version 253 on systemd asks when the reload began (Type=notify-reload). */
void notify_reloading(void)
{
    assert(thread_is(THREAD_LOOP));
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, thread_now_us());
}

void notify_stopping(void)
{
    assert(thread_is(THREAD_LOOP));
    sd_notify(0, "STOPPING=1");
}

void notify_status(const char *format, ...)
{
    char text[STATUS_BYTES];
    va_list arguments;

    assert(thread_is(THREAD_LOOP));
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sd_notifyf(0, "STATUS=%.*s", (int)strcspn(text, "\n"), text);
}

bool notify_listen_fd(int *ret_fd, struct notify_error *ret_error)
{
    int count = sd_listen_fds(1);
    int fd = SD_LISTEN_FDS_START;

    assert(thread_is(THREAD_OTHER)); /* it changes the environment: no other thread may read that */
    if (count == 0) {
        *ret_fd = -1;
        return true;
    }
    if (count < 0) {
        snprintf(ret_error->text, sizeof ret_error->text, "the sockets passed by systemd cannot be taken: %s",
                 strerror(-count));
        return false;
    }
    if (count > 1) {
        snprintf(ret_error->text, sizeof ret_error->text,
                 "systemd passed %d sockets; cairnd takes one: leave one ListenStream= in its socket unit",
                 count);
        return false;
    }
    if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0) {
        snprintf(ret_error->text, sizeof ret_error->text,
                 "what systemd passed is no listening Unix stream socket; name a path in ListenStream=");
        return false;
    }
    *ret_fd = fd;
    return true;
}
