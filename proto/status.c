/* What status.h lists, as functions of the code; a switch each, so that the compiler sees a status that is missing. */
#include "proto/status.h"

const char *status_text(enum status status)
{
    switch (status) {
#define STATUS_CASE(name, code, applied, text)                                                               \
    case STATUS_##name:                                                                                      \
        return text;
        STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    case STATUS_COUNT:
        break;
    }
    return "unknown status";
}

enum status_applied status_applied(enum status status)
{
    switch (status) {
#define STATUS_CASE(name, code, applied, text)                                                               \
    case STATUS_##name:                                                                                      \
        return applied;
        STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    case STATUS_COUNT:
        break;
    }
    return STATUS_UNKNOWN;
}
