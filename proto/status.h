/* The result of a request: the one list of statuses, shared by daemon and clients. Pure. */
#ifndef PROTO_STATUS_H
#define PROTO_STATUS_H

#include <stdbool.h>

/*   name           code  applied            text */
#define STATUS_LIST(X)                                                                                       \
    X(OK, 0, STATUS_APPLIED, "ok")                                                                           \
    X(NOT_FOUND, 1, STATUS_NOT_APPLIED, "not found")                                                         \
    X(INVALID, 2, STATUS_NOT_APPLIED, "invalid")                                                             \
    X(TOO_LARGE, 3, STATUS_NOT_APPLIED, "too large")                                                         \
    X(CONFLICT, 4, STATUS_NOT_APPLIED, "conflict")                                                           \
    X(BUSY, 5, STATUS_NOT_APPLIED, "busy")                                                                   \
    X(NO_SPACE, 6, STATUS_NOT_APPLIED, "no space")                                                           \
    X(SHUTTING_DOWN, 7, STATUS_NOT_APPLIED, "shutting down")                                                 \
    X(PERMISSION, 8, STATUS_NOT_APPLIED, "permission")                                                       \
    X(UNSUPPORTED, 9, STATUS_NOT_APPLIED, "unsupported")                                                     \
    X(READ_ONLY, 10, STATUS_NOT_APPLIED, "read only")                                                        \
    X(IO_ERROR, 11, STATUS_UNKNOWN, "io error")                                                              \
    X(DAMAGED, 12, STATUS_NOT_APPLIED, "damaged")

#define STATUS_ENUM(name, code, applied, text) STATUS_##name = (code),
enum status { STATUS_LIST(STATUS_ENUM) STATUS_COUNT };
#undef STATUS_ENUM

enum status_applied {
    STATUS_APPLIED,     /* the write was carried out */
    STATUS_NOT_APPLIED, /* nothing changed */
    STATUS_UNKNOWN,     /* it may or may not be there after the daemon's restart */
};

/* Why a write is a CONFLICT, with the codes of cairn.proto's ConflictReason; REASON_NONE is never sent. */
enum conflict_reason {
    REASON_NONE = 0,
    REASON_HEIGHT = 1,
    REASON_PRUNED = 2,
    REASON_GUARD = 3,
    REASON_NO_STATE = 4,
    REASON_CLAIMED = 5,
    REASON_NUMBER = 6,
    REASON_ROLLED_BACK = 7,
    REASON_DROPPED = 8,
    REASON_COUNT,
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* The status's text, static; "unknown status" for a code that this version does not know. */
const char *status_text(enum status status);

/* What a write that ended with this status did. STATUS_UNKNOWN for a code that this version does not know. */
enum status_applied status_applied(enum status status);

#endif
