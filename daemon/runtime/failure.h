/* A failure meant for a human: what, which value, what to do. Filled in where it happened, handed up, logged or sent once. */
#ifndef DAEMON_FAILURE_H
#define DAEMON_FAILURE_H

#include "proto/status.h"

enum { FAILURE_TEXT_BYTES = 256 };

struct failure {
    enum status status;
    char text[FAILURE_TEXT_BYTES];
};

/* Fills it in, text like printf's, cut if too long. Returns the status, for `return failure_set(...)`. */
enum status failure_set(struct failure *failure, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
