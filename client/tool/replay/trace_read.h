/* A recording's file, read whole, before a clock starts. */
#ifndef TOOL_TRACE_READ_H
#define TOOL_TRACE_READ_H

#include "client/tool/replay/trace.h"

/* Reads a whole trace, plain or compressed. False: `ret_error` names the file, the line and what is wrong, and there
 * is nothing to close. */
bool trace_read(const char *path, struct trace *ret_trace,
                char ret_error[static TRACE_ERROR_BYTES]) CAIRN_MUST_CHECK;

/* Whether a recording that was read is what its first line says: that there is such a line, as many calls as it tells of, and no other
 * chains. False: `ret_error` says what is not. */
bool trace_is_whole(const struct trace *trace, const char *path,
                    char ret_error[static TRACE_ERROR_BYTES]) CAIRN_MUST_CHECK;

#endif
