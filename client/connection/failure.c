/* A failure has one text, that of the last call that failed: nobody can ask for an earlier one. */
#include "client/connection/failure.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum cairn_status failure_set(struct failure *failure, enum cairn_status status, const char *format, ...)
{
    va_list arguments;
    assert(status != CAIRN_OK);
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    failure->status = status;
    return status;
}
