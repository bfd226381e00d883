/* The lines of a text file, plain or compressed by zstd, read as a stream. */
#ifndef TOOL_TRACE_FILE_H
#define TOOL_TRACE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "client/cairn.h"

struct trace_file;

enum trace_file_result {
    TRACE_FILE_LINE,
    TRACE_FILE_END,
    TRACE_FILE_FAILED, /* what is wrong is in trace_file_error */
};

/* Opens the file; its first bytes, not its name, tell whether it is compressed. NULL: errno says why. */
struct trace_file *trace_file_open(const char *path) CAIRN_MUST_CHECK;

/* Reads the next line, without its newline. It is borrowed until the next call, and may hold NUL. */
enum trace_file_result trace_file_next(struct trace_file *file, const char **ret_line,
                                       size_t *ret_size) CAIRN_MUST_CHECK;

/* The number of the line that was read last, from 1; 0 before the first. */
size_t trace_file_number(const struct trace_file *file);

/* What went wrong; borrowed until the reader is closed. */
const char *trace_file_error(const struct trace_file *file);

/* NULL is fine. */
void trace_file_close(struct trace_file *file);

#endif
