#include "tests/lib/tool_fixture.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct program run(const struct rig *rig, int expected, const char *format, va_list list)
{
    char arguments[4096];
    vsnprintf(arguments, sizeof arguments, format, list);
    const char *tool = getenv("CAIRN");
    ck_assert_msg(tool != NULL, "CAIRN does not name the tool");
    struct program program = shell_run(TOOL_RUN_MS, "%s --socket %s %s", tool, rig->daemon.socket, arguments);
    ck_assert_msg(program.exit_code == expected, "cairn %s: exit %d, not %d: %s%s", arguments,
                  program.exit_code, expected, program.output, program.errors);
    ck_assert_msg(expected == DONE || strlen(program.errors) > 0, "cairn %s failed without a word",
                  arguments);
    return program;
}

char *cairn(const struct rig *rig, int expected, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    struct program program = run(rig, expected, format, list);
    va_end(list);
    return program.output;
}

char *cairn_errors(const struct rig *rig, int expected, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    struct program program = run(rig, expected, format, list);
    va_end(list);
    return program.errors;
}

void expect_in(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no '%s' in: %s", part, text);
}
