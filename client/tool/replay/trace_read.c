/* A line's life: its JSON becomes an object, and the object a call, whose bytes live in the trace's memory; then the object is
 * freed. An absent key has the meaning that the recordings give it; unknown keys are skipped.
 *
 * Ways to fail: a file that cannot be read, a line that is not JSON, a value of another kind than its key has, a call out of
 * order, or one that waits for a call that does not come before it. The trace is then closed. Without memory the process ends. */
#include "client/tool/replay/trace_read.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/fatal.h"
#include "client/tool/replay/trace_answer.h"
#include "client/tool/replay/trace_arguments.h"
#include "client/tool/replay/trace_file.h"
#include "client/tool/replay/trace_line.h"
#include "proto/limits.h"

/* A year, so that no sum of times overflows; chosen. */
#define TIME_US_MAX (INT64_C(366) * 24 * 3600 * 1000000)

/* Doubles an array that is full. */
static void *grown(void *array, size_t count, size_t *capacity, size_t size)
{
    assert(count <= *capacity && size > 0);
    if (count < *capacity) {
        return array;
    }
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    array = reallocarray(array, *capacity, size);
    if (array == NULL) {
        fatal("not enough memory");
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
    assert(names->count < names->capacity);
    names->names[names->count] = name;
    return names->count++;
}

/* Finds a name, `fallback` where none is told. */
static bool read_name(struct trace_line *line, struct trace_names *names, const char *key,
                      const char *fallback, size_t *ret_index)
{
    struct cairn_slice name = cairn_text(fallback);
    if (!trace_line_text(line, line->object, key, false, &name)) {
        return false;
    }
    assert(name.data != NULL);
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
    assert(low <= trace->count);
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
    assert(json_array_size(after) == 0 || line->trace->count > 0); /* each was found before this one */
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
    if (time_us > (uint64_t)TIME_US_MAX) {
        return trace_line_fail(line, "\"t_us\" is above %" PRId64, TIME_US_MAX);
    }
    call->time_us = (int64_t)time_us;
    return trace_arguments_parse(line, call) && trace_answer_parse(line, call);
}

/* Puts the number of the call before the error. */
static void name_call(struct trace_line *line, const struct trace_call *call)
{
    assert(call->number > 0);
    char what[TRACE_ERROR_BYTES];
    memcpy(what, line->error, sizeof what);
    snprintf(line->error, sizeof line->error, "call %" PRIu64 ": %.900s", call->number, what);
}

/* As the daemon judges them: what it would not take, no node can have had. */
static bool is_chain_name(const json_t *value)
{
    const char *name = json_string_value(value);
    size_t bytes = json_string_length(value);
    return name != NULL && bytes >= 1 && bytes <= CHAIN_NAME_BYTES_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == bytes;
}

static bool read_description(struct trace_line *line)
{
    if (line->trace->count > 0 || line->trace->is_described) {
        return trace_line_fail(line, "only the first line may describe the trace");
    }
    json_t *version = trace_line_value(line->object, "trace");
    if (!json_is_integer(version) || json_integer_value(version) != 1) {
        return trace_line_fail(line, "the trace is of a version that this program does not know; it reads 1");
    }
    line->trace->is_described = true;
    json_t *chains = NULL;
    if (!trace_line_u64(line, line->object, "calls", false, &line->trace->is_counted,
                        &line->trace->declared) ||
        !trace_line_array(line, line->object, "chains", &chains)) {
        return false;
    }
    size_t i;
    json_t *chain;
    json_array_foreach(chains, i, chain)
    {
        if (!is_chain_name(chain)) {
            return trace_line_fail(line, "\"chains\" holds something that is no chain's name");
        }
        char *name = trace_line_allocate(line, json_string_length(chain) + 1, 1);
        memcpy(name, json_string_value(chain), json_string_length(chain));
        (void)name_index(&line->trace->declared_chains, name);
    }
    return true;
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
    assert(trace->count < trace->capacity);
    trace->calls[trace->count++] = call;
    return true;
}

/* Whether there are only blanks. The text does not end with a NUL. */
static bool is_blank(const char *text, size_t size)
{
    size_t blank = 0;
    while (blank < size && strchr(" \t\r", text[blank]) != NULL && text[blank] != '\0') {
        blank++;
    }
    return blank == size;
}

/* Adds the call, or takes the line that describes the trace. False: `line->error` says what is wrong with it. */
static bool parse(struct trace_line *line, const char *text, size_t size, size_t number)
{
    if (is_blank(text, size)) {
        return true;
    }
    json_error_t error;
    assert(line->object == NULL); /* that of the line before was freed */
    line->object = json_loadb(text, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (line->object == NULL) {
        return trace_line_fail(line, "not JSON: %s, at character %d", error.text, error.position);
    }
    bool good = read_object(line, number);
    json_decref(line->object);
    line->object = NULL;
    return good;
}

static bool read_lines(struct trace_file *file, const char *path, struct trace_line *line, char *ret_error)
{
    const char *text;
    size_t size;
    for (;;) {
        switch (trace_file_next(file, &text, &size)) {
        case TRACE_FILE_END:
            return true;
        case TRACE_FILE_FAILED:
            snprintf(ret_error, TRACE_ERROR_BYTES, "%s:%zu: cannot be read: %s", path,
                     trace_file_number(file) + 1, trace_file_error(file));
            return false;
        case TRACE_FILE_LINE:
            if (!parse(line, text, size, trace_file_number(file))) {
                snprintf(ret_error, TRACE_ERROR_BYTES, "%s:%zu: %.900s", path, trace_file_number(file),
                         line->error);
                return false;
            }
        }
    }
}

static bool is_declared(const struct trace *trace, const char *chain)
{
    for (size_t i = 0; i < trace->declared_chains.count; i++) {
        if (strcmp(trace->declared_chains.names[i], chain) == 0) {
            return true;
        }
    }
    return false;
}

bool trace_is_whole(const struct trace *trace, const char *path, char ret_error[static TRACE_ERROR_BYTES])
{
    if (!trace->is_described || !trace->is_counted) {
        snprintf(ret_error, TRACE_ERROR_BYTES,
                 "%s: its first line does not say that it is a recording, and of how many calls: it was cut, "
                 "or is "
                 "none",
                 path);
        return false;
    }
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_call *call = &trace->calls[i];
        if (call->op != TRACE_REOPEN && !is_declared(trace, trace->chains.names[call->chain])) {
            snprintf(ret_error, TRACE_ERROR_BYTES,
                     "%s:%zu: call %" PRIu64 ": the first line tells of no chain \"%.200s\"", path,
                     call->line, call->number, trace->chains.names[call->chain]);
            return false;
        }
    }
    if (trace->count != trace->declared) {
        snprintf(ret_error, TRACE_ERROR_BYTES,
                 "%s: its first line tells of %" PRIu64 " calls, and there are %zu: %s", path,
                 trace->declared, trace->count,
                 trace->count < trace->declared ? "it was cut" : "lines were added");
        return false;
    }
    return true;
}

bool trace_read(const char *path, struct trace *ret_trace, char ret_error[static TRACE_ERROR_BYTES])
{
    struct trace_file *file = trace_file_open(path);
    if (file == NULL) {
        snprintf(ret_error, TRACE_ERROR_BYTES, "%s: cannot be opened: %s", path, strerror(errno));
        return false;
    }
    *ret_trace = (struct trace){0};
    struct trace_line line = {.trace = ret_trace};
    bool good = read_lines(file, path, &line, ret_error);
    trace_file_close(file);
    if (!good) {
        trace_close(ret_trace);
    }
    return good;
}
