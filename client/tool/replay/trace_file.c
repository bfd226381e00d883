/* A reader's life: it reads the file in steps, decompresses them if need be, and returns the text line by line. It holds at most
 * the longest line and a step of input.
 *
 * Ways to fail: the file cannot be read, is damaged, ends inside a compressed frame, or a line or the whole is above its bound. Each
 * ends the reading; the lines returned before are correct. */
#include "client/tool/replay/trace_file.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum {
    INPUT_BYTES = 128 << 10,    /* of a step; what zstd recommends for its input */
    LINE_BYTES_MAX = 96 << 20,  /* chosen: a commit of the default frame in base64, and room besides */
    TEXT_BYTES_MAX = 768 << 20, /* of a whole recording, which is kept in memory; chosen */
};

struct trace_file {
    FILE *stream;
    ZSTD_DStream *zstd; /* NULL: the file is plain */

    uint8_t *input;
    size_t input_size, input_at;
    bool in_frame; /* the compressed frame has not ended yet */
    bool at_end;   /* no text will be added */

    char *text;
    size_t text_size, text_at, text_capacity;
    uint64_t text_total; /* bytes of all lines so far */
    size_t number;
    const char *error;
};

static bool input_fill(struct trace_file *file)
{
    assert(file->input_at == file->input_size); /* all of it was used */
    file->input_at = 0;
    file->input_size = fread(file->input, 1, INPUT_BYTES, file->stream);
    if (file->input_size == 0 && ferror(file->stream)) {
        file->error = strerror(errno);
        return false;
    }
    return true;
}

static bool looks_compressed(const struct trace_file *file)
{
    static const uint8_t magic[] = {0x28, 0xB5, 0x2F, 0xFD};
    return file->input_size >= sizeof magic && memcmp(file->input, magic, sizeof magic) == 0;
}

struct trace_file *trace_file_open(const char *path)
{
    struct trace_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return NULL;
    }
    file->error = "";
    file->input = malloc(INPUT_BYTES);
    file->stream = fopen(path, "re");
    if (file->input == NULL || file->stream == NULL || !input_fill(file)) {
        goto fail;
    }
    if (looks_compressed(file)) {
        file->zstd = ZSTD_createDStream();
        if (file->zstd == NULL) {
            errno = ENOMEM;
            goto fail;
        }
    }
    return file;
fail:;
    int reason = errno;
    trace_file_close(file);
    errno = reason;
    return NULL;
}

/* Makes room behind the text, moving what is left of it to the front. */
static bool text_reserve(struct trace_file *file, size_t room)
{
    assert(file->text_at <= file->text_size && file->text_size <= file->text_capacity);
    if (file->text_at > 0) {
        memmove(file->text, file->text + file->text_at, file->text_size - file->text_at);
        file->text_size -= file->text_at;
        file->text_at = 0;
    }
    if (file->text_capacity - file->text_size >= room) {
        return true;
    }
    if (file->text_size > LINE_BYTES_MAX) {
        file->error = "the line is longer than 96 MiB";
        return false;
    }
    size_t capacity = 2 * file->text_capacity < LINE_BYTES_MAX ? 2 * file->text_capacity : LINE_BYTES_MAX;
    capacity = capacity > file->text_size + room ? capacity : file->text_size + room;
    char *grown = realloc(file->text, capacity);
    if (grown == NULL) {
        file->error = "there is no memory for the line";
        return false;
    }
    file->text = grown;
    file->text_capacity = capacity;
    return true;
}

static bool text_add_compressed(struct trace_file *file)
{
    ZSTD_inBuffer input = {file->input, file->input_size, file->input_at};
    ZSTD_outBuffer output = {file->text, file->text_capacity, file->text_size};
    size_t left = ZSTD_decompressStream(file->zstd, &output, &input);
    if (ZSTD_isError(left)) {
        file->error = ZSTD_getErrorName(left);
        return false;
    }
    file->in_frame = left != 0;
    assert(input.pos <= file->input_size && output.pos <= file->text_capacity);
    file->input_at = input.pos;
    file->text_size = output.pos;
    return true;
}

/* Adds a step of text, or notes that there is no more. */
static bool text_add(struct trace_file *file)
{
    if (file->input_at == file->input_size && !input_fill(file)) {
        return false;
    }
    if (!text_reserve(file, INPUT_BYTES)) {
        return false;
    }
    if (file->zstd != NULL && (file->input_size > 0 || file->in_frame)) {
        size_t before = file->text_size;
        if (!text_add_compressed(file)) {
            return false;
        }
        if (file->input_size == 0 && file->text_size == before) {
            file->error = "the compressed file is cut short";
            return false;
        }
        return true;
    }
    size_t size = file->input_size - file->input_at;
    assert(size <= file->text_capacity - file->text_size);
    memcpy(file->text + file->text_size, file->input + file->input_at, size);
    file->text_size += size;
    file->input_at = file->input_size;
    file->at_end = size == 0;
    return true;
}

enum trace_file_result trace_file_next(struct trace_file *file, const char **ret_line, size_t *ret_size)
{
    size_t searched = 0;
    for (;;) {
        assert(file->text_at <= file->text_size);
        size_t size = file->text_size - file->text_at;
        const char *start = file->text + file->text_at;
        const char *end = size > searched ? memchr(start + searched, '\n', size - searched) : NULL;
        if (end != NULL || (file->at_end && size > 0)) {
            size_t length = end != NULL ? (size_t)(end - start) : size;
            file->text_at += length + (end != NULL);
            file->number++;
            file->text_total += length;
            if (file->text_total > TEXT_BYTES_MAX) {
                file->error = "the recording has more than 768 MiB of text: replay it in parts";
                return TRACE_FILE_FAILED;
            }
            *ret_line = start;
            *ret_size = length;
            return TRACE_FILE_LINE;
        }
        if (file->at_end) {
            return TRACE_FILE_END;
        }
        searched = size;
        if (!text_add(file)) {
            return TRACE_FILE_FAILED;
        }
    }
}

size_t trace_file_number(const struct trace_file *file)
{
    return file->number;
}

const char *trace_file_error(const struct trace_file *file)
{
    assert(file->error != NULL);
    return file->error;
}

void trace_file_close(struct trace_file *file)
{
    if (file == NULL) {
        return;
    }
    if (file->stream != NULL) {
        fclose(file->stream);
    }
    ZSTD_freeDStream(file->zstd);
    free(file->input);
    free(file->text);
    free(file);
}
