/* A file's way: libinih asks for one line after the other, splits each into name and value, and hands these to the taker.
 *
 * libinih by itself gives its handler no line number, cuts long lines, joins an indented line to the one before, and goes on
 * behind a line that it cannot split. So it gets its lines from a reader of ours, which counts them, strips them, refuses
 * what libinih would misread, and ends the reading where a line reached no handler.
 *
 * Ways to fail: the first line that is wrong ends the reading; what came before it has been taken. */
#include "daemon/config/configuration.h"

#include <assert.h>
#include <ctype.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct reader {
    configuration_take *take;
    void *context;
    const char *at, *end;
    unsigned line;
    bool is_setting; /* the last line has to reach reader_take */
    bool failed;
    struct configuration_error *ret_error;
};

static void reader_fail(struct reader *reader, const char *text)
{
    assert(!reader->failed); /* the error names the first line that is wrong */
    reader->failed = true;
    reader->ret_error->line = reader->line;
    snprintf(reader->ret_error->text, sizeof reader->ret_error->text, "%s", text);
}

static bool reader_failed_before(struct reader *reader)
{
    assert(reader->line > 0 || !reader->is_setting); /* the error names its line, from 1 on */
    if (reader->is_setting && !reader->failed) {
        reader_fail(reader, "no setting; write NAME = VALUE, or # before a comment");
    }
    return reader->failed;
}

/* All that libinih takes for a blank: a line that it sees begin with one goes on with the line before. */
static const char *skip_blanks(const char *start, const char *stop)
{
    while (start < stop && isspace((unsigned char)*start)) {
        start++;
    }
    return start;
}

/* libinih calls it in place of fgets: the next line without the blanks before it; NULL at the end or after a failure. */
static char *reader_next(char *ret_line, int room, void *context)
{
    struct reader *reader = context;
    const char *start = reader->at, *stop;

    assert(room > CONFIGURATION_LINE_BYTES_MAX); /* libinih was built with the line length we refuse at */
    if (reader_failed_before(reader) || start == reader->end) {
        return NULL;
    }
    reader->line++;
    if (reader->line == 1 && reader->end - start >= 3 && memcmp(start, BYTE_ORDER_MARK, 3) == 0) {
        start += 3;
    }
    stop = memchr(start, '\n', (size_t)(reader->end - start));
    reader->at = stop == NULL ? reader->end : stop + 1;
    if (stop == NULL) {
        stop = reader->end;
    }
    start = skip_blanks(start, stop);
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
    assert(start <= stop && stop <= reader->end);
    memcpy(ret_line, start, (size_t)(stop - start));
    ret_line[stop - start] = '\0';
    reader->is_setting = start < stop;
    return ret_line;
}

/* libinih's handler: returns 1 to go on, 0 for an error. */
static int reader_take(void *context, const char *section, const char *name, const char *value)
{
    struct reader *reader = context;
    char text[CONFIGURATION_ERROR_BYTES];

    assert(section[0] == '\0'); /* reader_next refuses sections */
    assert(reader->is_setting && !reader->failed);
    reader->is_setting = false;
    if (reader->take(reader->context, reader->line, name, value, text)) {
        return 1;
    }
    reader_fail(reader, text);
    return 0;
}

bool configuration_read(const char *bytes, size_t n, configuration_take *take, void *context,
                        struct configuration_error *ret_error)
{
    struct reader reader = {take, context, bytes, bytes + n, 0, false, false, ret_error};
    int line = ini_parse_stream(reader_next, &reader, reader_take, &reader);

    if (line < 0 && !reader.failed) {
        reader_fail(&reader, "out of memory; try again later");
    }
    (void)reader_failed_before(&reader);
    assert(reader.failed || reader.at == reader.end); /* no line of a good file is left out */
    return !reader.failed;
}
