/* One line of a trace, and the values in it. Pure. */
#ifndef TOOL_TRACE_LINE_H
#define TOOL_TRACE_LINE_H

#include <jansson.h>

#include "client/tool/replay/trace.h"

/* A line that is being read. A function that reads a value returns false if the value is wrong; `error` says why. */
struct trace_line {
    struct trace *trace; /* calls before this one, names, and the memory for what is kept */
    json_t *object;
    char error[TRACE_ERROR_BYTES];
};

/* Always false, with the error set. */
bool trace_line_fail(struct trace_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

/* Read one value of an object. If it is absent or null, the output is untouched; that is an error if it is required. */
bool trace_line_u64(struct trace_line *line, json_t *object, const char *key, bool required,
                    bool *ret_present, uint64_t *ret_value) CAIRN_MUST_CHECK;
bool trace_line_flag(struct trace_line *line, json_t *object, const char *key,
                     bool *ret_value) CAIRN_MUST_CHECK;
bool trace_line_base64(struct trace_line *line, json_t *object, const char *key, bool required,
                       bool *ret_present, struct cairn_slice *ret_value) CAIRN_MUST_CHECK;
bool trace_line_text(struct trace_line *line, json_t *object, const char *key, bool required,
                     struct cairn_slice *ret_value) CAIRN_MUST_CHECK;
bool trace_line_array(struct trace_line *line, json_t *object, const char *key,
                      json_t **ret_array) CAIRN_MUST_CHECK;
json_t *trace_line_value(json_t *object, const char *key);

/* A zeroed array that lives as long as the trace. */
void *trace_line_allocate(struct trace_line *line, size_t count, size_t size);

#endif
