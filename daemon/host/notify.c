/* What systemd is told, in the order of a service's life: ready, reloading and ready again, stopping; a status line at any time. What
 * it has no room for, because it is busy, is kept and told later, in order.
 *
 * Ways to fail: none for what is told, since nothing depends on it. A socket that cannot be used is refused with a text. */
#include "daemon/host/notify.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/runtime/thread.h"

enum {
    STATUS_BYTES = 256,  /* room for a status line; a longer one is cut */
    UNTOLD_BYTES = 2048, /* chosen: several lines, and all the states there are */
    ALIVE_PART = 4,      /* told so often in WatchdogSec: three may come late, or be lost */
};

/* What was not told yet, each text with its NUL. The loop's. */
static struct {
    char texts[UNTOLD_BYTES];
    size_t bytes;
} untold;

/* False: systemd has no room for it now. A socket that is not there, or refuses, counts as told. */
static bool try_to_tell(const char *text)
{
    assert(text[0] != '\0'); /* an empty datagram tells nothing */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t path_bytes = path == NULL ? 0 : strlen(path);
    if (path_bytes < 2 || path_bytes >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
        return true;
    }
    memcpy(address.sun_path, path, path_bytes);
    address.sun_path[0] = path[0] == '@' ? '\0' : '/';
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_bytes);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    ssize_t sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, length);
    bool is_full = sent < 0 && (errno == EAGAIN || errno == ENOBUFS);
    close(fd);
    return !is_full;
}

void notify_go_on(void)
{
    assert(thread_is(THREAD_LOOP)); /* in the order in which it was to be told */
    while (untold.bytes > 0 && try_to_tell(untold.texts)) {
        size_t told_bytes = strlen(untold.texts) + 1;
        assert(told_bytes <= untold.bytes);
        untold.bytes -= told_bytes;
        memmove(untold.texts, untold.texts + told_bytes, untold.bytes);
    }
}

/* Tells it, or keeps it behind what systemd has not taken yet. If there is no room for it, systemd does not listen, and it is dropped. */
static void tell(const char *text)
{
    size_t bytes = strlen(text) + 1;
    assert(bytes <= UNTOLD_BYTES); /* when all else is told there is room for it */
    notify_go_on();
    assert(untold.bytes <= UNTOLD_BYTES);
    bool is_told = untold.bytes == 0 && try_to_tell(text);
    if (!is_told && bytes <= UNTOLD_BYTES - untold.bytes) {
        memcpy(untold.texts + untold.bytes, text, bytes);
        untold.bytes += bytes;
    }
}

void notify_ready(void)
{
    tell("READY=1");
}

/* From version 253 on systemd asks when the reload began (Type=notify-reload). */
void notify_reloading(void)
{
    char text[64];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, thread_now_us());
    tell(text);
}

void notify_stopping(void)
{
    tell("STOPPING=1");
}

void notify_status(const char *format, ...)
{
    char text[STATUS_BYTES] = "STATUS=";
    size_t prefix_bytes = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + prefix_bytes, sizeof text - prefix_bytes, format, arguments);
    va_end(arguments);
    text[strcspn(text, "\n")] = '\0';
    tell(text);
}

void notify_alive(void)
{
    (void)try_to_tell("WATCHDOG=1"); /* the next one comes soon */
}

uint64_t notify_alive_interval_us(void)
{
    uint64_t watchdog_us = 0;
    int is_watched = sd_watchdog_enabled(0, &watchdog_us);
    return is_watched > 0 ? watchdog_us / ALIVE_PART : 0;
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

static bool pass_listen_fd(int fd)
{
    char pid[24];
    assert(fd >= 0);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    bool is_in_place =
        fd == SD_LISTEN_FDS_START ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, SD_LISTEN_FDS_START) >= 0;
    return is_in_place && setenv("LISTEN_PID", pid, 1) == 0 && setenv("LISTEN_FDS", "1", 1) == 0;
}

void notify_execute_anew(char *const *arguments, int listen_fd)
{
    assert(arguments[0] != NULL); /* the process's own */
    fflush(NULL);
    (void)close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC); /* libraries' descriptors too */
    if (listen_fd < 0 || pass_listen_fd(listen_fd)) {
        (void)execv("/proc/self/exe", arguments);
    }
}
