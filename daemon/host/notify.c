/* A thin layer over libsystemd. Telling is best effort: a failed sd_notify changes nothing for the daemon. */
#include "daemon/host/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum { STATUS_BYTES = 256 };

void notify_ready(void)
{
    sd_notify(0, "READY=1");
}

/* Newer managers want to know when the reload began. */
void notify_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
               (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void notify_status(const char *format, ...)
{
    char text[STATUS_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sd_notifyf(0, "STATUS=%.*s", (int)strcspn(text, "\n"), text);
}

bool notify_listen_fd(int *ret_fd, struct notify_error *ret_error)
{
    int count = sd_listen_fds(1);
    int fd = SD_LISTEN_FDS_START;

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
