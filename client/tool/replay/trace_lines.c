/* A reader's life: it fills its input from the file, turns that into text, and gives out the text line by line; it
 * never holds more than the longest line and a step of input.
 *
 * Ways to fail: the file cannot be read, is not zstd after all, ends inside a compressed frame, or has a line beyond
 * the bound. Each ends the reading; what was given out before is good. */
#include "client/tool/replay/trace_lines.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum {
    INPUT_BYTES = 128 << 10,
    LINE_BYTES_MAX = 1 << 30,
};

struct trace_lines {
    FILE *file;
    ZSTD_DStream *zstd; /* NULL: the file is plain */

    uint8_t *input;
    size_t input_size, input_at;
    bool in_frame; /* the compressed frame has not ended yet */
    bool at_end;   /* no text will be added */

    char *text;
    size_t text_size, text_at, text_capacity;
    size_t number;
    const char *error;
};

static bool input_fill(struct trace_lines *lines)
{
    lines->input_at = 0;
    lines->input_size = fread(lines->input, 1, INPUT_BYTES, lines->file);
    if (lines->input_size == 0 && ferror(lines->file)) {
        lines->error = strerror(errno);
        return false;
    }
    return true;
}

static bool looks_compressed(const struct trace_lines *lines)
{
    static const uint8_t magic[] = {0x28, 0xB5, 0x2F, 0xFD};
    return lines->input_size >= sizeof magic && memcmp(lines->input, magic, sizeof magic) == 0;
}

struct trace_lines *trace_lines_open(const char *path)
{
    struct trace_lines *lines = calloc(1, sizeof *lines);
    if (lines == NULL) {
        return NULL;
    }
    lines->error = "";
    lines->input = malloc(INPUT_BYTES);
    lines->file = fopen(path, "re");
    if (lines->input == NULL || lines->file == NULL || !input_fill(lines)) {
        goto fail;
    }
    if (looks_compressed(lines)) {
        lines->zstd = ZSTD_createDStream();
        if (lines->zstd == NULL) {
            errno = ENOMEM;
            goto fail;
        }
    }
    return lines;
fail:;
    int reason = errno;
    trace_lines_close(lines);
    errno = reason;
    return NULL;
}

/* Makes room behind the text, moving what is left of it to the front. */
static bool text_reserve(struct trace_lines *lines, size_t room)
{
    if (lines->text_at > 0) {
        memmove(lines->text, lines->text + lines->text_at, lines->text_size - lines->text_at);
        lines->text_size -= lines->text_at;
        lines->text_at = 0;
    }
    if (lines->text_capacity - lines->text_size >= room) {
        return true;
    }
    size_t capacity = 2 * lines->text_capacity > lines->text_size + room ? 2 * lines->text_capacity
                                                                         : lines->text_size + room;
    char *grown = lines->text_size > LINE_BYTES_MAX ? NULL : realloc(lines->text, capacity);
    if (grown == NULL) {
        lines->error = "the line is too long";
        return false;
    }
    lines->text = grown;
    lines->text_capacity = capacity;
    return true;
}

static bool text_add_compressed(struct trace_lines *lines)
{
    ZSTD_inBuffer input = {lines->input, lines->input_size, lines->input_at};
    ZSTD_outBuffer output = {lines->text, lines->text_capacity, lines->text_size};
    size_t left = ZSTD_decompressStream(lines->zstd, &output, &input);
    if (ZSTD_isError(left)) {
        lines->error = ZSTD_getErrorName(left);
        return false;
    }
    lines->in_frame = left != 0;
    lines->input_at = input.pos;
    lines->text_size = output.pos;
    return true;
}

/* Adds a step of text, or notes that there is no more. */
static bool text_add(struct trace_lines *lines)
{
    if (lines->input_at == lines->input_size && !input_fill(lines)) {
        return false;
    }
    if (!text_reserve(lines, INPUT_BYTES)) {
        return false;
    }
    if (lines->zstd != NULL && (lines->input_size > 0 || lines->in_frame)) {
        size_t before = lines->text_size;
        if (!text_add_compressed(lines)) {
            return false;
        }
        if (lines->input_size == 0 && lines->text_size == before) {
            lines->error = "the compressed file is cut short";
            return false;
        }
        return true;
    }
    size_t size = lines->input_size - lines->input_at;
    memcpy(lines->text + lines->text_size, lines->input + lines->input_at, size);
    lines->text_size += size;
    lines->input_at = lines->input_size;
    lines->at_end = size == 0;
    return true;
}

enum trace_lines_result trace_lines_next(struct trace_lines *lines, const char **ret_line, size_t *ret_size)
{
    size_t searched = 0;
    for (;;) {
        size_t size = lines->text_size - lines->text_at;
        const char *start = lines->text + lines->text_at;
        const char *end = size > searched ? memchr(start + searched, '\n', size - searched) : NULL;
        if (end != NULL || (lines->at_end && size > 0)) {
            size_t length = end != NULL ? (size_t)(end - start) : size;
            lines->text_at += length + (end != NULL);
            lines->number++;
            *ret_line = start;
            *ret_size = length;
            return TRACE_LINES_LINE;
        }
        if (lines->at_end) {
            return TRACE_LINES_END;
        }
        searched = size;
        if (!text_add(lines)) {
            return TRACE_LINES_FAILED;
        }
    }
}

size_t trace_lines_number(const struct trace_lines *lines)
{
    return lines->number;
}

const char *trace_lines_error(const struct trace_lines *lines)
{
    return lines->error;
}

void trace_lines_close(struct trace_lines *lines)
{
    if (lines == NULL) {
        return;
    }
    if (lines->file != NULL) {
        fclose(lines->file);
    }
    ZSTD_freeDStream(lines->zstd);
    free(lines->input);
    free(lines->text);
    free(lines);
}
