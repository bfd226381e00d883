/* What the service manager says of the unit that runs cairnd: its user, its limit on descriptors, and where its sandbox lets it write.
 * For a check of the configuration from outside of the unit; inside, the system itself says all that. On main's thread. */
#ifndef DAEMON_UNIT_H
#define DAEMON_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

#define UNIT_USER                                                                                            \
    "cairn" /* that of the unit that comes with cairnd, where no service manager is there to ask */

enum {
    UNIT_NAME_BYTES = 128,
    UNIT_USER_BYTES = 64,
    UNIT_RULES_MAX = 64,
    UNIT_PATH_BYTES = 256,
};

enum unit_access {
    UNIT_WRITES, /* it may write there, as far as the sandbox goes */
    UNIT_READS,  /* it may not */
    UNIT_HIDES,  /* it sees another directory there, or none */
};

/* What holds at and below a path. */
struct unit_rule {
    enum unit_access access;
    bool is_made; /* the directory, by the service manager, at each start */
    char path[UNIT_PATH_BYTES];
};

struct unit {
    char name[UNIT_NAME_BYTES];
    char user[UNIT_USER_BYTES];  /* "": root */
    char group[UNIT_USER_BYTES]; /* "": the user's own */
    uint64_t files_max;
    size_t rule_count;
    struct unit_rule rules[UNIT_RULES_MAX];
};

/* Asks systemctl for the unit that keeps its store there: cairnd.service, or cairnd@NAME.service for /var/lib/cairn-NAME. False: there
 * is no systemd, or it does not know such a unit. */
bool unit_ask(const char *data, struct unit *ret_unit) MUST_CHECK;

/* Takes what `systemctl show` prints, NAME=VALUE a line, but not the name. False: it has not loaded the unit. Pure. */
bool unit_parse(const char *text, struct unit *ret_unit) MUST_CHECK;

/* What holds at an absolute path: the rule of the longest path above it. Pure. */
enum unit_access unit_access_of(const struct unit *unit, const char *path);

/* Whether the service manager makes that directory at each start. Pure. */
bool unit_makes(const struct unit *unit, const char *path);

/* How a person has a new store made in that directory: by hand, or in a process of a unit by the unit that does. Static. */
const char *unit_create_hint(const char *data);

/* Becomes the unit's user, for good; root only. False: there is no such user, or the system refuses; errno says why, 0 for the
 * first. */
bool unit_become_user(const struct unit *unit) MUST_CHECK;

#endif
