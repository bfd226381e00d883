/* The operator's tool in tests. $CAIRN is its path. */
#ifndef TESTS_LIB_TOOL_FIXTURE_H
#define TESTS_LIB_TOOL_FIXTURE_H

#include "tests/lib/rig.h"

enum {
    TOOL_RUN_MS = 20000,
    DONE = 0,
    FAILED = 1,
    USAGE = 2,
    NOT_FOUND = 3,
    NOBODY = 4,
    NO_ANSWER = 5,
    LOST = 6,
    CONFLICT = 7,
    BUSY = 8,
    REFUSED = 9,
    INTERRUPTED = 130,
    OUTPUT_CLOSED = 141,
};

/* Runs `cairn --socket S ARGUMENTS` by a shell, and expects that exit code and, unless it is DONE, a word on stderr. Kept: what it
 * printed on stdout. */
char *cairn(const struct rig *rig, int expected, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same; kept: what it said on stderr. */
char *cairn_errors(const struct rig *rig, int expected, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fails the test unless the text has that part. */
void expect_in(const char *text, const char *part);

#endif
