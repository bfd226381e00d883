/* A failure's life: filled in where it happens, handed up by the callers, and logged or sent once. */
#include "daemon/runtime/failure.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum status failure_set(struct failure *failure, enum status status, const char *format, ...)
{
    assert(status < STATUS_COUNT);   /* it becomes a code on the wire */
    assert(format != failure->text); /* the text is written while the format is read */
    va_list arguments;
    va_start(arguments, format);
    failure->status = status;
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    return status;
}
