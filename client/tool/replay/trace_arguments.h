/* What a recorded call asks for. */
#ifndef TOOL_TRACE_ARGUMENTS_H
#define TOOL_TRACE_ARGUMENTS_H

#include "client/tool/replay/trace_line.h"

/* Reads the arguments of the call's op from its line. False: the line says what is wrong with them. */
bool trace_arguments_parse(struct trace_line *line, struct trace_call *call) CAIRN_MUST_CHECK;

#endif
