/* Each value is checked when it is read: it is of the kind that its key has, or the error names the key. What is kept is copied to
 * the trace's memory, since the JSON is freed after its line. */
#include "client/tool/replay/trace_line.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool trace_line_fail(struct trace_line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line->error, sizeof line->error, format, arguments);
    va_end(arguments);
    return false;
}

json_t *trace_line_value(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

void *trace_line_allocate(struct trace_line *line, size_t count, size_t size)
{
    assert(size > 0);
    return region_allocate(&line->trace->region, count, size);
}

bool trace_line_u64(struct trace_line *line, json_t *object, const char *key, bool required,
                    bool *ret_present, uint64_t *ret_value)
{
    json_t *value = trace_line_value(object, key);
    if (value == NULL) {
        return !required || trace_line_fail(line, "\"%s\" is missing", key);
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return trace_line_fail(line, "\"%s\" is not a whole number from 0", key);
    }
    *ret_value = (uint64_t)json_integer_value(value);
    if (ret_present != NULL) {
        *ret_present = true;
    }
    return true;
}

bool trace_line_flag(struct trace_line *line, json_t *object, const char *key, bool *ret_value)
{
    json_t *value = trace_line_value(object, key);
    if (value != NULL && !json_is_boolean(value)) {
        return trace_line_fail(line, "\"%s\" is neither true nor false", key);
    }
    if (value != NULL) {
        *ret_value = json_is_true(value);
    }
    return true;
}

bool trace_line_base64(struct trace_line *line, json_t *object, const char *key, bool required,
                       bool *ret_present, struct cairn_slice *ret_value)
{
    json_t *value = trace_line_value(object, key);
    if (value == NULL) {
        return !required || trace_line_fail(line, "\"%s\" is missing", key);
    }
    size_t text_bytes = json_string_length(value);
    uint8_t *data = trace_line_allocate(line, base64_decoded_max(text_bytes) + 1, 1);
    size_t size;
    if (!json_is_string(value) || !base64_decode(json_string_value(value), text_bytes, data, &size)) {
        return trace_line_fail(line, "\"%s\" is not base64", key);
    }
    assert(size <= base64_decoded_max(text_bytes));
    *ret_value = (struct cairn_slice){data, size};
    if (ret_present != NULL) {
        *ret_present = true;
    }
    return true;
}

bool trace_line_text(struct trace_line *line, json_t *object, const char *key, bool required,
                     struct cairn_slice *ret_value)
{
    json_t *value = trace_line_value(object, key);
    if (value == NULL) {
        return !required || trace_line_fail(line, "\"%s\" is missing", key);
    }
    if (!json_is_string(value)) {
        return trace_line_fail(line, "\"%s\" is not a string", key);
    }
    size_t size = json_string_length(value);
    char *text = trace_line_allocate(line, size + 1, 1);
    memcpy(text, json_string_value(value), size);
    *ret_value = (struct cairn_slice){text, size};
    return true;
}

bool trace_line_array(struct trace_line *line, json_t *object, const char *key, json_t **ret_array)
{
    json_t *value = trace_line_value(object, key);
    if (value != NULL && !json_is_array(value)) {
        return trace_line_fail(line, "\"%s\" is not a list", key);
    }
    *ret_array = value;
    return true;
}
