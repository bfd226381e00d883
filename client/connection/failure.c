/* One text at a time: the last failure is the one that is asked for. */
#include "client/connection/failure.h"

#include <stdarg.h>
#include <stdio.h>

enum cairn_status failure_set(struct failure *failure, enum cairn_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    failure->status = status;
    return status;
}
