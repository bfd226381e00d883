/* Roles: who may do what, by the uid and gids that the kernel gives of a peer. Three lists of the configuration, readers, writers and
 * admins, name users and groups; they are resolved once, at the start. Without any list, every user that the socket's mode lets in
 * is an admin; with one, a peer that is in none gets nothing.
 *
 * A list is words with commas between: a user by name or uid, or a group by name or gid with a % before it. A name goes before a
 * number. Resolving may wait for the system's databases: on main's thread before there is a loop. The rest: any thread. */
#ifndef DAEMON_ROLES_H
#define DAEMON_ROLES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/runtime/failure.h"

/* In rising order: each may do what those before it may. */
enum role {
    ROLE_NONE,
    ROLE_READER, /* reads, dry runs included */
    ROLE_WRITER, /* also writes, makes chains, claims, asks for barriers, and prunes, rolls back and drops under a claim of its own */
    ROLE_ADMIN,  /* also that without a claim, takes over and releases anybody's, and stops the daemon */
    ROLES,
};

enum { ROLES_ENTRIES_MAX = 128 };

struct roles_entry {
    enum role role;
    bool is_group;
    unsigned id; /* uid or gid */
};

struct roles {
    size_t count; /* 0: no list, everybody is an admin */
    struct roles_entry entries[ROLES_ENTRIES_MAX];
};

/* Resolves the lists; an empty text is no list. False: `failure` says which setting has what that is no user or group. */
bool roles_init(const char *readers, const char *writers, const char *admins, struct roles *ret_roles,
                struct failure *failure) MUST_CHECK;

/* Whether a look-up of a name that gave nothing, with errno set to 0 before, says that there is no such user or group; else the system's
 * database could not be asked. */
bool roles_name_is_absent(int error);

/* The highest role of somebody with that uid and those gids. */
enum role roles_of(const struct roles *roles, uid_t uid, const gid_t *gids, size_t gid_count);

/* The role of the peer of a connected Unix socket: as it was when it connected, its supplementary groups included. ROLE_NONE where
 * there are lists and the kernel does not say who it is. */
enum role roles_of_peer(const struct roles *roles, int fd);

/* "reader", "writer", "admin"; "nobody" for ROLE_NONE. Static. */
const char *roles_text(enum role role);

#endif
