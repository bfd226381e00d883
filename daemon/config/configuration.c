/* A line's way: blanks and the byte order mark before it go; what is empty or a comment is skipped; what is left is split at its
 * first = into a name and a value, and these go to the taker.
 *
 * Ways to fail: a line that is wrong is refused with its number, and reading goes on, so that one look shows all that is wrong. */
#include "daemon/config/configuration.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/runtime/memory.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* A line or a part of one, from `at` up to `end`, where the newline or the end of the file is. */
struct text {
    const char *at, *end;
};

static bool is_comment(char letter)
{
    return letter == '#' || letter == ';';
}

static struct text trimmed(struct text text)
{
    while (text.at < text.end && isspace((unsigned char)*text.at)) {
        text.at++;
    }
    while (text.at < text.end && isspace((unsigned char)text.end[-1])) {
        text.end--;
    }
    return text;
}

/* Copies a text, NUL-ended. */
static void copy(struct text text, char *ret_copy)
{
    memcpy(ret_copy, text.at, (size_t)(text.end - text.at));
    ret_copy[text.end - text.at] = '\0';
}

/* A value without quotes ends before a comment. */
static void take_plain(struct text text, char *ret_value)
{
    for (const char *at = text.at; at < text.end; at++) {
        if (is_comment(*at) && (at == text.at || isspace((unsigned char)at[-1]))) {
            text.end = at;
        }
    }
    copy(trimmed(text), ret_value);
}

/* Returns what is wrong with it; NULL: nothing. */
static const char *take_quoted(struct text text, char *ret_value)
{
    char quote = *text.at;
    const char *at = text.at + 1;

    assert(quote == '"' || quote == '\'');
    for (; at < text.end && *at != quote; at++) {
        if (*at == '\\' && text.end - at > 1 && (at[1] == '\\' || at[1] == quote)) {
            at++;
        }
        *ret_value++ = *at;
    }
    *ret_value = '\0';
    if (at == text.end) {
        return "the closing quote is missing";
    }
    struct text rest = trimmed((struct text){at + 1, text.end});
    bool is_good = rest.at == rest.end || (is_comment(*rest.at) && rest.at > at + 1);
    return is_good ? NULL
                   : "there is something behind the closing quote; leave it out, or put # before a comment";
}

/* Splits the line. Returns what is wrong with it; NULL: nothing. Name and value have room for the line and a NUL. */
static const char *split(struct text line, char *ret_name, char *ret_value)
{
    const char *equals = memchr(line.at, '=', (size_t)(line.end - line.at));

    if (memchr(line.at, '\0', (size_t)(line.end - line.at)) != NULL) {
        return "the line holds a NUL byte; a configuration file is text";
    }
    if (*line.at == '[') {
        return "a section; this file has none, only NAME = VALUE";
    }
    if (equals == NULL) {
        return "no setting; write NAME = VALUE, or # before a comment";
    }
    copy(trimmed((struct text){line.at, equals}), ret_name);
    struct text value = trimmed((struct text){equals + 1, line.end});
    if (value.at < value.end && (*value.at == '"' || *value.at == '\'')) {
        return take_quoted(value, ret_value);
    }
    take_plain(value, ret_value);
    return NULL;
}

bool configuration_read(const char *bytes, size_t n, const struct configuration_taker *taker)
{
    const char *end = bytes + n, *next = bytes;
    char *name = memory_try_raw(2 * (n + 1)), *value = name + n + 1;
    char text[CONFIGURATION_ERROR_BYTES];
    bool is_good = true;

    if (name == NULL) {
        taker->refuse(taker->context, 1, "there is no memory to read it; try again later");
        return false;
    }
    if (n >= strlen(BYTE_ORDER_MARK) && memcmp(bytes, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0) {
        next += strlen(BYTE_ORDER_MARK);
    }
    for (unsigned number = 1; next < end; number++) {
        const char *stop = memchr(next, '\n', (size_t)(end - next));
        struct text line = trimmed((struct text){next, stop == NULL ? end : stop});
        const char *wrong;

        next = stop == NULL ? end : stop + 1;
        if (line.at == line.end || is_comment(*line.at)) {
            continue;
        }
        assert(line.at >= bytes && line.end <= end); /* name and value have room for it */
        wrong = split(line, name, value);
        if (wrong == NULL && !taker->take(taker->context, number, name, value, text)) {
            wrong = text;
        }
        if (wrong != NULL) {
            taker->refuse(taker->context, number, wrong);
            is_good = false;
        }
    }
    free(name);
    return is_good;
}

int configuration_write_value(const char *value, FILE *out)
{
    size_t length = strlen(value);
    bool is_plain = *value != '"' && *value != '\'';
    int written = 2;

    for (size_t i = 0; i < length && is_plain; i++) {
        is_plain =
            !is_comment(value[i]) && (i > 0 && i + 1 < length ? true : !isspace((unsigned char)value[i]));
    }
    if (is_plain) {
        return fprintf(out, "%s", value);
    }
    fputc('"', out);
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\') {
            fputc('\\', out);
            written++;
        }
        fputc(*value, out);
        written++;
    }
    fputc('"', out);
    return written;
}
