/* The listener's life: a stale socket file is removed, the socket is bound, gets its group and mode, and listens only then,
 * so that nobody can connect before. The loop takes the descriptor; listener_close removes the file.
 *
 * Ways to fail: each refuses the start with a text. A socket file that was already bound is removed again. */
#include "daemon/host/listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/host/roles.h"
#include "daemon/runtime/exit_code.h"
#include "daemon/runtime/thread.h"

enum { GROUPS_MAX = 1024 }; /* of this process that are looked at; beyond it counts as in all */

#define NO_GROUP ((gid_t) - 1)

static_assert(sizeof(unsigned long) > sizeof(gid_t),
              "a number that is no gid does not become one by being cut");
static_assert(sizeof((struct sockaddr_un *)NULL)->sun_path == LISTENER_PATH_BYTES,
              "a path that fits one fits both");

static enum status fail(struct failure *failure, const char *doing, const char *path)
{
    assert(errno != 0); /* the text ends with the reason */
    enum status status = errno == EADDRINUSE ? STATUS_INVALID : exit_code_status_of_errno(errno);
    return failure_set(failure, status, "socket %s: %s: %s", path, doing, strerror(errno));
}

/* Whether the socket file is stale. Only a refused connection shows that no process listens there. */
static enum status check_stale(const struct sockaddr_un *address, struct failure *failure)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail(failure, "making a socket", address->sun_path);
    }
    int failed = connect(fd, (const struct sockaddr *)address, sizeof *address);
    bool is_stale = failed && errno == ECONNREFUSED;
    close(fd);
    if (!is_stale) {
        return failure_set(failure, STATUS_INVALID,
                           "socket %s: another process listens there: name another path", address->sun_path);
    }
    return STATUS_OK;
}

/* Whether the path is free, or a socket file, and nothing else: *ret_is_there. */
static enum status look_at_path(const struct sockaddr_un *address, bool *ret_is_there,
                                struct failure *failure)
{
    struct stat entry;
    const char *path = address->sun_path;
    bool is_there = lstat(path, &entry) == 0;
    if (!is_there && errno != ENOENT) {
        return fail(failure, "looking at it", path);
    }
    if (is_there && !S_ISSOCK(entry.st_mode)) {
        return failure_set(failure, STATUS_INVALID,
                           "socket %s: there is a file that is no socket: name another path", path);
    }
    *ret_is_there = is_there;
    return STATUS_OK;
}

static enum status clear_path(const struct sockaddr_un *address, struct failure *failure)
{
    bool is_there;
    if (look_at_path(address, &is_there, failure) != STATUS_OK ||
        (is_there && check_stale(address, failure) != STATUS_OK)) {
        return failure->status;
    }
    return !is_there || unlink(address->sun_path) == 0
               ? STATUS_OK
               : fail(failure, "removing the old socket", address->sun_path);
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* an empty one would be an abstract address */
    assert(path[0] != '\0' && strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    return address;
}

/* chown takes the greatest number for "leave the group alone", so it names no group. */
static bool parse_gid(const char *text, unsigned long *ret_number)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 10 || text[digits] != '\0') {
        return false;
    }
    *ret_number = strtoul(text, NULL, 10); /* ten digits do not overflow */
    return *ret_number < NO_GROUP;
}

static enum status find_group(const char *name, gid_t *ret_group, struct failure *failure)
{
    assert(name[0] != '\0'); /* an empty name means the group of the process: the caller handles it */
    errno = 0;
    const struct group *group = getgrnam(name);
    int error = errno;
    unsigned long number;
    if (group != NULL) {
        *ret_group = group->gr_gid;
    } else if (parse_gid(name, &number)) {
        *ret_group = (gid_t)number;
    } else if (roles_name_is_absent(error)) {
        return failure_set(failure, STATUS_INVALID, "socket_group = %s: there is no such group", name);
    } else {
        return failure_set(failure, STATUS_IO_ERROR, "socket_group = %s: cannot be looked up: %s", name,
                           strerror(error));
    }
    return STATUS_OK;
}

/* Whether this process may give a file of its own to the group. */
static bool may_give(gid_t group)
{
    gid_t groups[GROUPS_MAX];
    int count = getgroups(GROUPS_MAX, groups);
    bool may = geteuid() == 0 || group == getegid() || count < 0; /* what the system does not say may be so */
    for (int i = 0; i < count && !may; i++) {
        may = groups[i] == group;
    }
    return may;
}

/* Until it listens a connection is refused, so its owner and mode need not be right from the start; umask would change the
 * mode of files that the store's threads create meanwhile. */
static enum status listen_bound(int fd, const char *path, uint64_t mode, gid_t group, struct stat *ret_entry,
                                struct failure *failure)
{
    if (group != NO_GROUP && chown(path, (uid_t)-1, group) != 0) {
        return fail(failure, "changing its group", path);
    }
    if (chmod(path, (mode_t)mode) != 0) {
        return fail(failure, "changing its mode", path);
    }
    if (lstat(path, ret_entry) != 0) {
        return fail(failure, "looking at it", path);
    }
    if (listen(fd, LISTENER_BACKLOG) != 0) {
        return fail(failure, "listening", path);
    }
    return STATUS_OK;
}

static enum status bind_and_listen(int fd, const struct sockaddr_un *address, uint64_t mode, gid_t group,
                                   struct stat *ret_entry, struct failure *failure)
{
    assert(mode <= 0777);
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0) {
        return fail(failure, "binding", address->sun_path);
    }
    enum status status = listen_bound(fd, address->sun_path, mode, group, ret_entry, failure);
    if (status != STATUS_OK) {
        (void)unlink(address->sun_path); /* nothing more can be done about it */
    }
    return status;
}

enum status listener_look(const char *path, const char *group_name, struct failure *failure)
{
    struct sockaddr_un address = address_of(path);
    char directory[LISTENER_PATH_BYTES];
    gid_t group;
    bool is_there;
    assert(thread_is(THREAD_OTHER)); /* it may wait for the system's databases */
    memcpy(directory, address.sun_path, sizeof directory);
    if (*group_name != '\0' && find_group(group_name, &group, failure) != STATUS_OK) {
        return failure->status;
    }
    if (*group_name != '\0' && !may_give(group)) {
        return failure_set(
            failure, STATUS_INVALID,
            "socket_group = %s: the daemon's user is not in that group: add it, or name another", group_name);
    }
    const char *parent = dirname(directory);
    if (faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) != 0) {
        return failure_set(failure, exit_code_status_of_errno(errno), "socket %s: its directory %s: %s: %s",
                           path, parent, strerror(errno),
                           errno == ENOENT ? "make it, or name another path"
                                           : "the daemon's user has to be allowed to make files in it");
    }
    return look_at_path(&address, &is_there, failure);
}

enum status listener_check(const char *path, const char *group_name, struct failure *failure)
{
    struct sockaddr_un address = address_of(path);
    bool is_there;
    if (listener_look(path, group_name, failure) != STATUS_OK ||
        look_at_path(&address, &is_there, failure) != STATUS_OK) {
        return failure->status;
    }
    return is_there ? check_stale(&address, failure) : STATUS_OK;
}

enum status listener_open(const char *path, uint64_t mode, const char *group_name,
                          struct listener *ret_listener, struct failure *failure)
{
    struct sockaddr_un address = address_of(path);
    gid_t group = NO_GROUP;
    assert(thread_is(THREAD_OTHER) || thread_is(THREAD_LOOP)); /* main's thread, before the loop runs */
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
    status = bind_and_listen(fd, &address, mode, group, &entry, failure);
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

enum status listener_adopt(int fd, struct listener *ret_listener, struct failure *failure)
{
    assert(fd >= 0); /* -1 says that systemd passed none: the caller handles it */
    int flags = fcntl(fd, F_GETFL);
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    assert(thread_is(THREAD_OTHER));
    if (duplicate < 0) {
        return failure_set(failure, STATUS_INVALID,
                           "the socket from systemd: duplicating it: %s: raise LimitNOFILE", strerror(errno));
    }
    assert(flags >= 0); /* it was open */
    *ret_listener = (struct listener){.fd = fd, .adopted_flags = flags, .adopted_fd = duplicate};
    return STATUS_OK;
}

bool listener_is_adopted_at(const struct listener *listener, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNSPEC};
    socklen_t bytes = sizeof address;
    assert(strlen(path) < sizeof address.sun_path);
    return listener->adopted_fd >= 0 &&
           getsockname(listener->adopted_fd, (struct sockaddr *)&address, &bytes) == 0 &&
           address.sun_family == AF_UNIX && strncmp(address.sun_path, path, sizeof address.sun_path) == 0;
}

void listener_turn_away(const struct listener *listener)
{
    struct pollfd waiting = {.fd = listener->adopted_fd, .events = POLLIN};
    for (int i = 0; i < LISTENER_BACKLOG && listener->adopted_fd >= 0; i++) {
        int fd = poll(&waiting, 1, 0) > 0 ? accept(listener->adopted_fd, NULL, NULL) : -1;
        if (fd < 0) {
            return; /* nobody waits, or there is no descriptor to accept with */
        }
        close(fd);
    }
}

void listener_close(struct listener *listener)
{
    struct stat entry;
    if (listener->fd >= 0) {
        close(listener->fd);
    }
    if (listener->adopted_fd >= 0) {
        /* systemd's path is not ours to unlink */
        assert(listener->adopted_flags >= 0 && listener->path[0] == '\0');
        (void)fcntl(listener->adopted_fd, F_SETFL, listener->adopted_flags);
        close(listener->adopted_fd);
    }
    if (listener->path[0] != '\0' && lstat(listener->path, &entry) == 0 && entry.st_dev == listener->device &&
        entry.st_ino == listener->inode) {
        unlink(listener->path);
    }
    *listener = (struct listener){.fd = -1, .adopted_fd = -1, .adopted_flags = -1};
}
