/* A failure as a person reads it: what happened, with which value, what to do. Any thread. */
#ifndef DAEMON_FAILURE_H
#define DAEMON_FAILURE_H

#include "proto/status.h"

enum { FAILURE_TEXT_BYTES = 256 }; /* with its NUL */

struct failure {
    enum status status;
    enum conflict_reason reason; /* of STATUS_CONFLICT; else REASON_NONE */
    char text[FAILURE_TEXT_BYTES];
};

/* Fills it in, the text like printf's and cut if it is too long. Returns the status, for `return failure_set(...)`. The text may
 * be made of the failure's own text only through a copy. A conflict is set by the next one. */
enum status failure_set(struct failure *failure, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for STATUS_CONFLICT, which it returns, with its reason for programs. */
enum status failure_set_conflict(struct failure *failure, enum conflict_reason reason, const char *format,
                                 ...) __attribute__((format(printf, 3, 4)));

#endif
