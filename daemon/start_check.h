/* A look ahead at all that a start opens: users and groups, descriptors, the socket's path, the data directory and the space there. It
 * makes, locks and changes nothing, and works beside a daemon that runs. Each start takes it first, so that what a person must mend
 * is found together and before anything is made; `cairnd --check-config` takes it alone. On main's thread. */
#ifndef DAEMON_START_CHECK_H
#define DAEMON_START_CHECK_H

#include "daemon/config/options.h"
#include "daemon/host/directory.h"
#include "daemon/host/process_limits.h"
#include "daemon/host/roles.h"
#include "daemon/host/unit.h"

enum start_check_part {
    START_CHECK_ROLES,
    START_CHECK_FILES,
    START_CHECK_MEMORY,
    START_CHECK_SOCKET,
    START_CHECK_DIRECTORY,
    START_CHECK_PARTS,
};

struct start_check_config {
    const struct options *options;
    directory_look_fn *look;
    /* judged from outside: what its sandbox and limits refuse is refused; NULL: the process is in it */
    const struct unit *unit;
    bool is_socket_passed; /* the path is not looked at */
    bool is_without_start; /* what a first start would make, or be given, may be absent: it is noted */
    void (*refuse)(enum start_check_part part,
                   const char *error); /* what would end the start; may be called for several things */
    void (*note)(const char *text);    /* what a person should know */
};

/* What a start goes on with. */
struct start_check_found {
    struct roles roles;
    struct process_limits_files files;
};

/* EXIT_CODE_STOPPED: nothing was refused; else what a start would end with. */
enum exit_code start_check(const struct start_check_config *config,
                           struct start_check_found *ret_found) MUST_CHECK;

#endif
