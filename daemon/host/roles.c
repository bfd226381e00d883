/* Ways to fail: a word that is no user or group ends the start, so that a misspelled list lets nobody in by mistake; so does a user
 * database that cannot be asked. A peer of which the kernel tells nothing has no role. */
#include "daemon/host/roles.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/runtime/thread.h"

enum {
    WORD_BYTES = 256,
    /* groups of a peer that are looked at; a peer with more has only the role of its uid and first gid */
    GIDS_MAX = 1024,
};

static const char *const settings[ROLES] = {
    [ROLE_READER] = "readers", [ROLE_WRITER] = "writers", [ROLE_ADMIN] = "admins"};

const char *roles_text(enum role role)
{
    static const char *const texts[ROLES] = {"nobody", "reader", "writer", "admin"};
    assert(role < ROLES);
    return texts[role];
}

/* ---- the lists ---- */

/* The greatest number stands for "none" in the kernel's calls, so it is no id. */
static bool parse_id(const char *text, unsigned *ret_id)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 10 || text[digits] != '\0') {
        return false;
    }
    unsigned long number = strtoul(text, NULL, 10); /* ten digits do not overflow */
    if (number >= (uid_t)-1) {
        return false;
    }
    *ret_id = (unsigned)number;
    return true;
}

/* Which of these it is depends on the database (getpwnam(3)). */
bool roles_name_is_absent(int error)
{
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

static bool find_id(const char *name, bool is_group, unsigned *ret_id)
{
    errno = 0;
    if (is_group) {
        const struct group *group = getgrnam(name);
        *ret_id = group != NULL ? group->gr_gid : *ret_id;
        return group != NULL || parse_id(name, ret_id);
    }
    const struct passwd *user = getpwnam(name);
    *ret_id = user != NULL ? user->pw_uid : *ret_id;
    return user != NULL || parse_id(name, ret_id);
}

static bool add(struct roles *roles, enum role role, const char *word, struct failure *failure)
{
    struct roles_entry entry = {.role = role, .is_group = word[0] == '%'};
    assert(roles->count <= ROLES_ENTRIES_MAX);
    if (!find_id(word + entry.is_group, entry.is_group, &entry.id)) {
        bool is_absent = roles_name_is_absent(errno);
        failure_set(failure, is_absent ? STATUS_INVALID : STATUS_IO_ERROR, "%s: %s %s \"%s\"%s%s",
                    settings[role], is_absent ? "there is no" : "cannot look up",
                    entry.is_group ? "group" : "user", word + entry.is_group, is_absent ? "" : ": ",
                    is_absent ? "" : strerror(errno));
        return false;
    }
    if (roles->count == ROLES_ENTRIES_MAX) {
        failure_set(failure, STATUS_INVALID, "%s: more than %d users and groups in all; name a group",
                    settings[role], ROLES_ENTRIES_MAX);
        return false;
    }
    roles->entries[roles->count++] = entry;
    return true;
}

static bool add_list(struct roles *roles, enum role role, const char *list, struct failure *failure)
{
    static const char between[] = " \t,";
    assert(role > ROLE_NONE && role < ROLES); /* its setting has a name */
    if (list[0] != '\0' && list[strspn(list, between)] == '\0') {
        failure_set(failure, STATUS_INVALID, "%s: names nobody; leave the setting out to have no such list",
                    settings[role]);
        return false;
    }
    for (const char *at = list + strspn(list, between); *at != '\0'; at += strspn(at, between)) {
        char word[WORD_BYTES];
        size_t length = strcspn(at, between);
        if (length >= sizeof word) {
            failure_set(failure, STATUS_INVALID, "%s: a name of %zu bytes", settings[role], length);
            return false;
        }
        memcpy(word, at, length);
        word[length] = '\0';
        if (!add(roles, role, word, failure)) {
            return false;
        }
        at += length;
    }
    return true;
}

bool roles_init(const char *readers, const char *writers, const char *admins, struct roles *ret_roles,
                struct failure *failure)
{
    assert(thread_is(THREAD_OTHER)); /* it may wait for the system's databases */
    struct roles roles = {.count = 0};
    if (!add_list(&roles, ROLE_READER, readers, failure) ||
        !add_list(&roles, ROLE_WRITER, writers, failure) || !add_list(&roles, ROLE_ADMIN, admins, failure)) {
        return false;
    }
    *ret_roles = roles;
    return true;
}

/* ---- peers ---- */

static bool has_gid(const gid_t *gids, size_t count, unsigned gid)
{
    for (size_t i = 0; i < count; i++) {
        if (gids[i] == gid) {
            return true;
        }
    }
    return false;
}

enum role roles_of(const struct roles *roles, uid_t uid, const gid_t *gids, size_t gid_count)
{
    assert(roles->count <= ROLES_ENTRIES_MAX);
    enum role role = roles->count == 0 ? ROLE_ADMIN : ROLE_NONE;
    for (size_t i = 0; i < roles->count; i++) {
        const struct roles_entry *entry = &roles->entries[i];
        assert(entry->role > ROLE_NONE && entry->role < ROLES);
        bool is_in = entry->is_group ? has_gid(gids, gid_count, entry->id) : entry->id == uid;
        role = is_in && entry->role > role ? entry->role : role;
    }
    return role;
}

enum role roles_of_peer(const struct roles *roles, int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    gid_t gids[1 + GIDS_MAX];
    if (roles->count == 0) {
        return ROLE_ADMIN;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0 || peer.uid == (uid_t)-1) {
        return ROLE_NONE;
    }
    gids[0] = peer.gid;
    bytes = GIDS_MAX * sizeof gids[0];
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids + 1, &bytes) != 0) {
        bytes = 0;
    }
    assert(bytes % sizeof gids[0] == 0 && bytes <= GIDS_MAX * sizeof gids[0]);
    return roles_of(roles, peer.uid, gids, 1 + bytes / sizeof gids[0]);
}
