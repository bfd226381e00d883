/* Statuses and slices of cairn.h. The daemon's statuses keep its codes; the library's own start at 64. */
#include <assert.h>
#include <string.h>

#include "client/cairn.h"
#include "proto/cairn.pb-c.h"
#include "proto/status.h"

/*   name            applied            text */
#define CLIENT_STATUS_LIST(X)                                                                                \
    X(TIMEOUT, CAIRN_UNKNOWN, "timeout")                                                                     \
    X(CONNECTION_LOST, CAIRN_UNKNOWN, "connection lost")                                                     \
    X(NOT_SENT, CAIRN_NOT_APPLIED, "not sent")                                                               \
    X(CANNOT_CONNECT, CAIRN_NOT_APPLIED, "cannot connect")                                                   \
    X(STORE_CHANGED, CAIRN_NOT_APPLIED, "store changed")                                                     \
    X(FULL, CAIRN_NOT_APPLIED, "full")                                                                       \
    X(USAGE, CAIRN_NOT_APPLIED, "usage")                                                                     \
    X(NO_MEMORY, CAIRN_UNKNOWN, "no memory")

#define STATUS_SAME(name, code, applied, text)                                                               \
    static_assert((int)CAIRN_##name == (int)STATUS_##name, "cairn.h has the daemon's codes");
STATUS_LIST(STATUS_SAME)
#undef STATUS_SAME
static_assert((int)CAIRN_TIMEOUT >= (int)STATUS_COUNT, "the library's own statuses lie above the daemon's");
static_assert((int)CAIRN_UNKNOWN == (int)STATUS_UNKNOWN, "cairn.h has the same three outcomes");

const char *cairn_status_text(enum cairn_status status)
{
    switch (status) {
#define STATUS_CASE(name, applied, text)                                                                     \
    case CAIRN_##name:                                                                                       \
        return text;
        CLIENT_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    default:
        return status_text((enum status)status);
    }
}

enum cairn_applied cairn_status_applied(enum cairn_status status)
{
    switch (status) {
#define STATUS_CASE(name, applied, text)                                                                     \
    case CAIRN_##name:                                                                                       \
        return applied;
        CLIENT_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    default:
        return (enum cairn_applied)status_applied((enum status)status);
    }
}

#define REASON_LIST(X)                                                                                       \
    X(HEIGHT, "height")                                                                                      \
    X(PRUNED, "pruned")                                                                                      \
    X(GUARD, "guard")                                                                                        \
    X(NO_STATE, "no state")                                                                                  \
    X(CLAIMED, "claimed")                                                                                    \
    X(NUMBER, "number")                                                                                      \
    X(ROLLED_BACK, "rolled back")                                                                            \
    X(DROPPED, "dropped")

#define REASON_SAME(name, text)                                                                              \
    static_assert((int)CAIRN_REASON_##name == (int)CAIRN__CONFLICT_REASON__REASON_##name, "as on the wire");
REASON_LIST(REASON_SAME)
#undef REASON_SAME

const char *cairn_reason_text(enum cairn_reason reason)
{
    switch (reason) {
#define REASON_CASE(name, text)                                                                              \
    case CAIRN_REASON_##name:                                                                                \
        return text;
        REASON_LIST(REASON_CASE)
#undef REASON_CASE
    default:
        return "";
    }
}

struct cairn_slice cairn_text(const char *text)
{
    return (struct cairn_slice){.data = text, .bytes = text != NULL ? strlen(text) : 0};
}
