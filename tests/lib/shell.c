#include "tests/lib/shell.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void shell(const char *format, ...)
{
    char *line;
    va_list arguments;
    va_start(arguments, format);
    int bytes = vasprintf(&line, format, arguments);
    va_end(arguments);
    ck_assert_int_ge(bytes, 0);
    ck_assert_msg(system(line) == 0, "%s", line);
    free(line);
}
