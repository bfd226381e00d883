/* A trace's life: read line by line into calls that share one region of memory; then it only gets read, until it is
 * closed. Calls point back to calls before them and never forward, so there is always one that can go out. */
#include "client/tool/replay/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/replay/trace_lines.h"
#include "client/tool/replay/trace_parse.h"

const char *trace_op_text(enum trace_op op)
{
    switch (op) {
#define TRACE_OP_CASE(name, text)                                                                            \
    case TRACE_##name:                                                                                       \
        return text;
        TRACE_OP_LIST(TRACE_OP_CASE)
#undef TRACE_OP_CASE
    case TRACE_OPS:
        break;
    }
    return "unknown";
}

const char *trace_part_text(enum trace_part part)
{
    static const char *const texts[] = {"header", "data", "signature", "hash"};
    return texts[part];
}

static bool read_lines(struct trace_lines *lines, const char *path, struct trace_line *line, char *ret_error)
{
    const char *text;
    size_t size;
    for (;;) {
        switch (trace_lines_next(lines, &text, &size)) {
        case TRACE_LINES_END:
            return true;
        case TRACE_LINES_FAILED:
            snprintf(ret_error, TRACE_ERROR_BYTES, "%s:%zu: cannot be read: %s", path,
                     trace_lines_number(lines) + 1, trace_lines_error(lines));
            return false;
        case TRACE_LINES_LINE:
            if (!trace_parse(line, text, size, trace_lines_number(lines))) {
                snprintf(ret_error, TRACE_ERROR_BYTES, "%s:%zu: %.900s", path, trace_lines_number(lines),
                         line->error);
                return false;
            }
        }
    }
}

bool trace_read(const char *path, struct trace *ret_trace, char ret_error[static TRACE_ERROR_BYTES])
{
    struct trace_lines *lines = trace_lines_open(path);
    if (lines == NULL) {
        snprintf(ret_error, TRACE_ERROR_BYTES, "%s: cannot be opened: %s", path, strerror(errno));
        return false;
    }
    *ret_trace = (struct trace){0};
    struct trace_line line = {.trace = ret_trace};
    bool good = read_lines(lines, path, &line, ret_error);
    trace_lines_close(lines);
    if (!good) {
        trace_close(ret_trace);
    }
    return good;
}

void trace_close(struct trace *trace)
{
    region_close(&trace->region);
    free(trace->calls);
    free(trace->callers.names);
    free(trace->chains.names);
    *trace = (struct trace){0};
}
