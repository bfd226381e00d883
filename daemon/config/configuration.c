/* libinih hands its handler no line number, cuts long lines and takes an indented line for the rest of the one before. So it
 * gets its lines one at a time from a reader of ours, which counts them, strips them and refuses what would be misread. */
#include "daemon/config/configuration.h"

#include <assert.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

struct reader {
    configuration_take *take;
    void *context;
    const char *at, *end;
    unsigned line;
    bool failed;
    struct configuration_error *ret_error;
};

static void reader_fail(struct reader *reader, const char *text)
{
    reader->failed = true;
    reader->ret_error->line = reader->line;
    snprintf(reader->ret_error->text, sizeof reader->ret_error->text, "%s", text);
}

/* libinih's fgets: the next line without blanks before it, NULL at the end or when something was wrong. */
static char *reader_next(char *ret_line, int room, void *context)
{
    struct reader *reader = context;
    const char *start = reader->at, *stop;

    assert(room > CONFIGURATION_LINE_BYTES_MAX);
    if (reader->failed || start == reader->end) {
        return NULL;
    }
    reader->line++;
    stop = memchr(start, '\n', (size_t)(reader->end - start));
    reader->at = stop == NULL ? reader->end : stop + 1;
    if (stop == NULL) {
        stop = reader->end;
    }
    while (start < stop && (*start == ' ' || *start == '\t')) {
        start++;
    }
    if (start < stop && (*start == '#' || *start == ';')) {
        stop = start;
    }
    if (memchr(start, '\0', (size_t)(stop - start)) != NULL) {
        reader_fail(reader, "the line holds a NUL byte; a configuration file is text");
    } else if (start < stop && *start == '[') {
        reader_fail(reader, "a section; this file has none, only NAME = VALUE");
    } else if (stop - start > CONFIGURATION_LINE_BYTES_MAX) {
        reader_fail(reader, "the line is longer than 198 bytes; give so long a value in the environment");
    }
    if (reader->failed) {
        return NULL;
    }
    memcpy(ret_line, start, (size_t)(stop - start));
    ret_line[stop - start] = '\0';
    return ret_line;
}

/* libinih's handler: 1 to go on, 0 for an error. */
static int reader_take(void *context, const char *section, const char *name, const char *value)
{
    struct reader *reader = context;
    char text[CONFIGURATION_ERROR_BYTES];

    (void)section; /* there are none */
    if (reader->take(reader->context, reader->line, name, value, text)) {
        return 1;
    }
    reader_fail(reader, text);
    return 0;
}

bool configuration_read(const char *bytes, size_t n, configuration_take *take, void *context,
                        struct configuration_error *ret_error)
{
    struct reader reader = {take, context, bytes, bytes + n, 0, false, ret_error};
    int line = ini_parse_stream(reader_next, &reader, reader_take, &reader);

    if (line > 0 && !reader.failed) {
        reader.line = (unsigned)line;
        reader_fail(&reader, "no setting; write NAME = VALUE, or # before a comment");
    }
    return !reader.failed;
}
