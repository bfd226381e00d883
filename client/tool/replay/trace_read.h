/* A recording's file, read whole, before a clock starts. */
#ifndef TOOL_TRACE_READ_H
#define TOOL_TRACE_READ_H

#include "client/tool/replay/trace.h"

/* Reads a whole trace, plain or compressed. False: `ret_error` names the file, the line and what is wrong, and there
 * is nothing to close. */
bool trace_read(const char *path, struct trace *ret_trace,
                char ret_error[static TRACE_ERROR_BYTES]) CAIRN_MUST_CHECK;

#endif
