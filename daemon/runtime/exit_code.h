/* The exit codes of cairnd, and which of them a restart may mend: scripts/systemd/cairnd.service.in restarts those alone. Pure, any
 * thread. */
#ifndef DAEMON_EXIT_CODE_H
#define DAEMON_EXIT_CODE_H

#include <stdbool.h>

#include "proto/status.h"

enum exit_code {
    EXIT_CODE_STOPPED = 0,
    EXIT_CODE_FAILED = 1,
    EXIT_CODE_DAMAGED = 65,      /* EX_DATAERR */
    EXIT_CODE_TAKEN = 73,        /* EX_CANTCREAT */
    EXIT_CODE_WRITE_FAILED = 74, /* EX_IOERR */
    EXIT_CODE_STALLED = 75,      /* EX_TEMPFAIL */
    EXIT_CODE_REFUSED = 78,      /* EX_CONFIG */
};

enum { EXIT_CODES = 7 };

struct exit_code_row {
    enum exit_code code;
    bool needs_person; /* a restart ends the same way until a person has acted */
    const char *meaning;
};

/* By rising code. */
extern const struct exit_code_row exit_codes[EXIT_CODES];

/* Whether a restart would end the same way. */
bool exit_code_needs_person(int code);

/* The exit code of a start that failed with this status. STATUS_INVALID: a person has to act. STATUS_DAMAGED has a code of its own. After
 * any other another start may succeed. */
enum exit_code exit_code_of_start(enum status status);

/* The status, for exit_code_of_start, of a system call that failed with this errno: STATUS_INVALID if a path, permission or limit is wrong,
 * STATUS_IO_ERROR if the same call may succeed later. */
enum status exit_code_status_of_errno(int error);

/* What a person does about that errno of a file of ours, to be put behind its text: begins with "; ", or is empty. */
const char *exit_code_cure_of_errno(int error);

#endif
