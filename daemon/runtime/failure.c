/* A failure's life: filled in where it happens, handed up by the callers, and logged or sent once. */
#include "daemon/runtime/failure.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static void set_text(struct failure *failure, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void set_text(struct failure *failure, const char *format, va_list arguments)
{
    assert(format != failure->text); /* the text is written while the format is read */
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
}

enum status failure_set(struct failure *failure, enum status status, const char *format, ...)
{
    assert(status < STATUS_COUNT);     /* it becomes a code on the wire */
    assert(status != STATUS_CONFLICT); /* clients decide by its reason */
    va_list arguments;
    va_start(arguments, format);
    failure->status = status;
    failure->reason = REASON_NONE;
    set_text(failure, format, arguments);
    va_end(arguments);
    return status;
}

enum status failure_set_conflict(struct failure *failure, enum conflict_reason reason, const char *format,
                                 ...)
{
    assert(reason > REASON_NONE && reason < REASON_COUNT); /* it becomes a code on the wire */
    va_list arguments;
    va_start(arguments, format);
    failure->status = STATUS_CONFLICT;
    failure->reason = reason;
    set_text(failure, format, arguments);
    va_end(arguments);
    return STATUS_CONFLICT;
}
