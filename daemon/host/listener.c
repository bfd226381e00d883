#include "daemon/host/listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static enum status fail(struct failure *failure, const char *doing, const char *path)
{
    return failure_set(failure, STATUS_INVALID, "socket %s: %s: %s", path, doing, strerror(errno));
}

/* Whether somebody answers at the path. */
static bool is_listened_at(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return true; /* not known: leave it */
    }
    int failed = connect(fd, (const struct sockaddr *)address, sizeof *address);
    bool is_dead = failed && errno == ECONNREFUSED;
    close(fd);
    return !is_dead;
}

/* Makes way for a new socket file. */
static enum status clear_path(const struct sockaddr_un *address, struct failure *failure)
{
    struct stat entry;
    const char *path = address->sun_path;
    if (lstat(path, &entry) != 0) {
        return errno == ENOENT ? STATUS_OK : fail(failure, "looking at it", path);
    }
    if (!S_ISSOCK(entry.st_mode)) {
        return failure_set(failure, STATUS_INVALID,
                           "socket %s: there is a file that is no socket: name another path", path);
    }
    if (is_listened_at(address)) {
        return failure_set(failure, STATUS_INVALID,
                           "socket %s: another process listens there: name another path", path);
    }
    return unlink(path) == 0 ? STATUS_OK : fail(failure, "removing the old socket", path);
}

static enum status find_group(const char *name, gid_t *ret_group, struct failure *failure)
{
    const struct group *group = getgrnam(name);
    char *end = NULL;
    unsigned long number = strtoul(name, &end, 10);
    if (group != NULL) {
        *ret_group = group->gr_gid;
    } else if (*name != '\0' && *end == '\0') {
        *ret_group = (gid_t)number;
    } else {
        return failure_set(failure, STATUS_INVALID, "socket_group = %s: there is no such group", name);
    }
    return STATUS_OK;
}

static enum status bind_and_listen(int fd, const struct sockaddr_un *address, uint64_t mode, gid_t group,
                                   struct failure *failure)
{
    mode_t old_mask = umask((mode_t)(0777 & ~mode));
    int failed = bind(fd, (const struct sockaddr *)address, sizeof *address);
    umask(old_mask);
    if (failed) {
        return fail(failure, "binding", address->sun_path);
    }
    if (group != (gid_t)-1 && chown(address->sun_path, (uid_t)-1, group) != 0) {
        return fail(failure, "changing its group", address->sun_path);
    }
    if (listen(fd, LISTENER_BACKLOG) != 0) {
        return fail(failure, "listening", address->sun_path);
    }
    return STATUS_OK;
}

enum status listener_open(const char *path, uint64_t mode, const char *group_name,
                          struct listener *ret_listener, struct failure *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    gid_t group = (gid_t)-1;
    assert(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    if (*group_name != '\0' && find_group(group_name, &group, failure) != STATUS_OK) {
        return failure->status;
    }
    enum status status = clear_path(&address, failure);
    if (status != STATUS_OK) {
        return status;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail(failure, "making it", path);
    }
    struct stat entry = {0};
    status = bind_and_listen(fd, &address, mode, group, failure);
    if (status == STATUS_OK && lstat(path, &entry) != 0) {
        status = fail(failure, "looking at it", path);
    }
    if (status != STATUS_OK) {
        close(fd);
        return status;
    }
    *ret_listener = (struct listener){
        .fd = fd,
        .device = entry.st_dev,
        .inode = entry.st_ino,
        .adopted_flags = -1,
        .adopted_fd = -1,
    };
    memcpy(ret_listener->path, path, strlen(path));
    return STATUS_OK;
}

void listener_adopt(int fd, struct listener *ret_listener)
{
    *ret_listener = (struct listener){
        .fd = fd,
        .adopted_flags = fcntl(fd, F_GETFL),
        .adopted_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
    };
}

void listener_close(struct listener *listener)
{
    struct stat entry;
    if (listener->fd >= 0) {
        close(listener->fd);
    }
    if (listener->adopted_fd >= 0) {
        (void)fcntl(listener->adopted_fd, F_SETFL, listener->adopted_flags);
        close(listener->adopted_fd);
    }
    if (listener->path[0] != '\0' && lstat(listener->path, &entry) == 0 && entry.st_dev == listener->device &&
        entry.st_ino == listener->inode) {
        unlink(listener->path);
    }
    *listener = (struct listener){.fd = -1, .adopted_fd = -1, .adopted_flags = -1};
}
