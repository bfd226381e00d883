/* A line's life: its JSON becomes an object, the object a call, whose bytes live in the trace's memory; then the
 * object goes. Keys that are absent take what the recordings mean by that; unknown keys are passed over.
 *
 * Ways to fail: no JSON, a value of another kind than its key has, a call out of order, or one that waits for a call
 * that does not come before it. The trace is then of no use. */
#include "client/tool/replay/trace_parse.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Doubles an array that is full. */
static void *grown(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return array;
    }
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    array = reallocarray(array, *capacity, size);
    if (array == NULL) {
        abort(); /* without memory there is no replay */
    }
    return array;
}

static size_t name_index(struct trace_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->names[i], name) == 0) {
            return i;
        }
    }
    names->names = grown(names->names, names->count, &names->capacity, sizeof names->names[0]);
    names->names[names->count] = name;
    return names->count++;
}

/* Finds a name, `fallback` where none is told. */
static bool read_name(struct trace_line *line, struct trace_names *names, const char *key,
                      const char *fallback, size_t *ret_index)
{
    struct cairn_slice name = cairn_slice(fallback);
    if (!trace_line_text(line, line->object, key, false, &name)) {
        return false;
    }
    *ret_index = name_index(names, name.data);
    return true;
}

/* Finds the call of that number among those before. */
static bool call_index(const struct trace *trace, uint64_t number, size_t *ret_index)
{
    size_t low = 0, high = trace->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (trace->calls[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_index = low;
    return low < trace->count && trace->calls[low].number == number;
}

static bool read_after(struct trace_line *line, struct trace_call *call)
{
    json_t *after = NULL;
    if (!trace_line_array(line, line->object, "after", &after)) {
        return false;
    }
    size_t *indexes = trace_line_allocate(line, json_array_size(after), sizeof *indexes);
    size_t i;
    json_t *value;
    json_array_foreach(after, i, value)
    {
        json_int_t number = json_integer_value(value);
        if (!json_is_integer(value) || number < 1) {
            return trace_line_fail(line, "\"after\" holds something that is no call's number");
        }
        if (!call_index(line->trace, (uint64_t)number, &indexes[i])) {
            return trace_line_fail(
                line, "\"after\" names call %" JSON_INTEGER_FORMAT ", which does not come before", number);
        }
    }
    call->after = indexes;
    call->after_count = json_array_size(after);
    return true;
}

static bool read_op(struct trace_line *line, struct trace_call *call)
{
    json_t *value = trace_line_value(line->object, "op");
    if (!json_is_string(value)) {
        return trace_line_fail(line, value == NULL ? "\"op\" is missing" : "\"op\" is not a string");
    }
    for (int op = 0; op < TRACE_OPS; op++) {
        if (strcmp(json_string_value(value), trace_op_text((enum trace_op)op)) == 0) {
            call->op = (enum trace_op)op;
            return true;
        }
    }
    return trace_line_fail(line, "unknown op \"%s\"", json_string_value(value));
}

static bool read_call(struct trace_line *line, struct trace_call *call)
{
    struct trace *trace = line->trace;
    if (!trace_line_u64(line, line->object, "n", true, NULL, &call->number)) {
        return false;
    }
    if (call->number == 0 || (trace->count > 0 && trace->calls[trace->count - 1].number >= call->number)) {
        return trace_line_fail(line, "calls have rising numbers from 1, and this is %" PRIu64, call->number);
    }
    if (!read_op(line, call)) {
        return false;
    }
    if (call->op == TRACE_REOPEN) {
        return true;
    }
    uint64_t time_us = 0;
    if (!trace_line_u64(line, line->object, "t_us", false, NULL, &time_us) ||
        !read_name(line, &trace->callers, "caller", "", &call->caller) ||
        !read_name(line, &trace->chains, "chain", "main", &call->chain) || !read_after(line, call)) {
        return false;
    }
    call->time_us = (int64_t)time_us;
    return trace_parse_arguments(line, call) && trace_parse_answer(line, call);
}

/* Puts before the error which call it is in. */
static void name_call(struct trace_line *line, const struct trace_call *call)
{
    char what[TRACE_ERROR_BYTES];
    memcpy(what, line->error, sizeof what);
    snprintf(line->error, sizeof line->error, "call %" PRIu64 ": %.900s", call->number, what);
}

static bool read_description(struct trace_line *line)
{
    if (line->trace->count > 0 || line->trace->declared > 0) {
        return trace_line_fail(line, "only the first line may describe the trace");
    }
    json_t *version = trace_line_value(line->object, "trace");
    if (!json_is_integer(version) || json_integer_value(version) != 1) {
        return trace_line_fail(line, "the trace is of a version that this program does not know; it reads 1");
    }
    return trace_line_u64(line, line->object, "calls", false, NULL, &line->trace->declared);
}

static bool read_object(struct trace_line *line, size_t number)
{
    if (!json_is_object(line->object)) {
        return trace_line_fail(line, "not a JSON object");
    }
    if (trace_line_value(line->object, "trace") != NULL) {
        return read_description(line);
    }
    struct trace *trace = line->trace;
    struct trace_call call = {.line = number};
    if (!read_call(line, &call)) {
        if (call.number > 0) {
            name_call(line, &call);
        }
        return false;
    }
    trace->calls = grown(trace->calls, trace->count, &trace->capacity, sizeof trace->calls[0]);
    trace->calls[trace->count++] = call;
    return true;
}

/* The text has no end of its own. */
static bool is_blank(const char *text, size_t size)
{
    size_t blank = 0;
    while (blank < size && strchr(" \t\r", text[blank]) != NULL && text[blank] != '\0') {
        blank++;
    }
    return blank == size;
}

bool trace_parse(struct trace_line *line, const char *text, size_t size, size_t number)
{
    if (is_blank(text, size)) {
        return true;
    }
    json_error_t error;
    line->object = json_loadb(text, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (line->object == NULL) {
        return trace_line_fail(line, "not JSON: %s, at character %d", error.text, error.position);
    }
    bool good = read_object(line, number);
    json_decref(line->object);
    line->object = NULL;
    return good;
}
