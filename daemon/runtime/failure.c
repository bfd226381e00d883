#include "daemon/runtime/failure.h"

#include <stdarg.h>
#include <stdio.h>

enum status failure_set(struct failure *failure, enum status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    failure->status = status;
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    return status;
}
