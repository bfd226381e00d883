/* The lines of a text file, plain or compressed by zstd, read as a stream. */
#ifndef TOOL_TRACE_LINES_H
#define TOOL_TRACE_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "client/cairn.h"

struct trace_lines;

enum trace_lines_result {
    TRACE_LINES_LINE,
    TRACE_LINES_END,
    TRACE_LINES_FAILED, /* what is wrong is in trace_lines_error */
};

/* Opens the file; its first bytes, not its name, tell whether it is compressed. NULL: errno says why. */
struct trace_lines *trace_lines_open(const char *path) CAIRN_MUST_CHECK;

/* The next line, without its end. It is the reader's and stays until the next call; it may hold NUL. */
enum trace_lines_result trace_lines_next(struct trace_lines *lines, const char **ret_line,
                                         size_t *ret_size) CAIRN_MUST_CHECK;

/* Counts from 1; 0 before the first line. */
size_t trace_lines_number(const struct trace_lines *lines);

/* What went wrong, as long as the reader lives. */
const char *trace_lines_error(const struct trace_lines *lines);

/* Takes NULL. */
void trace_lines_close(struct trace_lines *lines);

#endif
