/* An event's life here: its values are taken out of the arguments, in the order of the format, and then added to one line, field by
 * field. What does not fit is left out whole, and the line ends with the mark that says so. Only a wrong call can fail: asserts say how. */
#include "daemon/runtime/log_form.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/runtime/utf8.h"

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789_"

enum {
    VALUE_BYTES_MAX = 512, /* of one value, before it is escaped */
    LINE_END_BYTES = 32,   /* set aside for the end of a line that is cut */
};

static const char *level_text(enum log_level level)
{
    static const char *const texts[] = {"error", "warning", "info", "debug"};

    assert(level <= LOG_LEVEL_DEBUG);
    return texts[level];
}

/* ---- values ---- */

/* Takes the integer of a conversion. Returns its amount, with the sign apart, so that every type fits. */
static uint64_t take_integer(const char *length, char conversion, va_list *arguments, bool *ret_negative)
{
    bool is_signed = conversion == 'd' || conversion == 'i';
    int64_t number;

    /* of any other two letters the argument's type is not known */
    assert(length[0] == '\0' || length[1] == '\0' || strcmp(length, "ll") == 0 || strcmp(length, "hh") == 0);
    *ret_negative = false;
    if (strcmp(length, "l") == 0 || strcmp(length, "j") == 0 || strcmp(length, "z") == 0) {
        number = va_arg(*arguments, long);
    } else if (strcmp(length, "ll") == 0) {
        number = va_arg(*arguments, long long);
    } else if (is_signed) {
        number = va_arg(*arguments, int);
    } else {
        number = va_arg(*arguments, unsigned);
    }
    if (strcmp(length, "hh") == 0) {
        number = is_signed ? (signed char)number : (unsigned char)number;
    } else if (strcmp(length, "h") == 0) {
        number = is_signed ? (short)number : (unsigned short)number;
    }
    *ret_negative = is_signed && number < 0;
    return *ret_negative ? 0 - (uint64_t)number : (uint64_t)number;
}

static void take_text(struct log_field *field, const char *text, size_t length)
{
    field->value = text == NULL ? "" : text;
    field->length = text == NULL ? 0 : strnlen(text, length);
    field->is_cut = field->length > VALUE_BYTES_MAX;
    if (field->is_cut) {
        field->length = VALUE_BYTES_MAX;
    }
}

/* Takes the value of one "key=%conversion". Returns the place behind it in the format. */
static const char *take_field(struct log_field *field, const char *at, va_list *arguments)
{
    size_t key_length = strspn(at, NAME_LETTERS);
    char length[3] = "";
    size_t length_bytes;
    bool negative;
    uint64_t number;

    assert(key_length > 0 && key_length < sizeof field->key && strncmp(at + key_length, "=%", 2) == 0);
    memcpy(field->key, at, key_length);
    field->key[key_length] = '\0';
    field->is_number = false;
    field->is_cut = false;
    at += key_length + 2;
    if (strncmp(at, ".*s", 3) == 0) {
        int limit = va_arg(*arguments, int);

        assert(limit >= 0); /* printf would take the whole string, which need not end */
        take_text(field, va_arg(*arguments, const char *), (size_t)limit);
        return at + 3;
    }
    if (*at == 's') {
        take_text(field, va_arg(*arguments, const char *), VALUE_BYTES_MAX + 1);
        return at + 1;
    }
    length_bytes = strspn(at, "hljz");
    assert(length_bytes < sizeof length && at[length_bytes] != '\0' &&
           strchr("diux", at[length_bytes]) != NULL);
    memcpy(length, at, length_bytes);
    at += length_bytes;
    number = take_integer(length, *at, arguments, &negative);
    field->is_number = *at != 'x';
    if (*at == 'x') {
        field->length = (size_t)snprintf(field->digits, sizeof field->digits, "0x%" PRIx64, number);
    } else {
        field->length =
            (size_t)snprintf(field->digits, sizeof field->digits, "%s%" PRIu64, negative ? "-" : "", number);
    }
    assert(field->length < sizeof field->digits);
    field->value = field->digits;
    return at + 1;
}

void log_form_take(const struct log_kind *kind, const char *fields, va_list *arguments,
                   struct log_event *ret_event)
{
    assert(kind->name[0] != '\0' && kind->name[strspn(kind->name, NAME_LETTERS)] == '\0'); /* no quotes */
    ret_event->kind = kind;
    ret_event->count = 0;
    for (const char *at = fields; *at != '\0';) {
        assert(ret_event->count < LOG_FORM_FIELDS_MAX);
        at = take_field(&ret_event->fields[ret_event->count++], at, arguments);
        assert(*at == '\0' || (at[0] == ' ' && at[1] != '\0'));
        if (*at == ' ') {
            at++;
        }
    }
}

/* ---- lines ---- */

static void add(struct log_line *line, const char *bytes, size_t n)
{
    assert(line->length <= sizeof line->bytes - LINE_END_BYTES);
    if (line->is_full || n > sizeof line->bytes - LINE_END_BYTES - line->length) {
        line->is_full = true;
        return;
    }
    memcpy(line->bytes + line->length, bytes, n);
    line->length += n;
}

static void add_text(struct log_line *line, const char *text)
{
    add(line, text, strlen(text));
}

/* The end of a line fits whatever was added before. */
static void add_end(struct log_line *line, const char *cut, const char *end)
{
    size_t n = line->is_full ? strlen(cut) : 0;

    assert(line->length + n + strlen(end) <= sizeof line->bytes);
    memcpy(line->bytes + line->length, cut, n);
    line->length += n;
    memcpy(line->bytes + line->length, end, strlen(end));
    line->length += strlen(end);
}

/* Removes what was added since `start` if some of it did not fit. */
static void add_whole(struct log_line *line, size_t start)
{
    assert(start <= line->length);
    if (line->is_full) {
        line->length = start;
    }
}

/* Adds a string in quotes, escaped by JSON's rules. A byte that is not UTF-8 becomes U+FFFD in JSON, and \xNN in text. */
static void add_quoted(struct log_line *line, const char *bytes, size_t n, bool json)
{
    const unsigned char *text = (const unsigned char *)bytes;
    char escape[8];

    add_text(line, "\"");
    for (size_t i = 0; i < n;) {
        size_t length = utf8_length(text + i, n - i);

        assert(length <= n - i); /* what is added lies in the text */
        if (text[i] == '"' || text[i] == '\\') {
            snprintf(escape, sizeof escape, "\\%c", text[i]);
            add_text(line, escape);
        } else if (text[i] == '\n') {
            add_text(line, "\\n");
        } else if (length == 0 || text[i] < ' ' || text[i] == 0x7f) {
            if (json) {
                snprintf(escape, sizeof escape, "\\u%04x", length == 0 ? 0xfffdU : text[i]);
            } else {
                snprintf(escape, sizeof escape, "\\x%02x", text[i]);
            }
            add_text(line, escape);
        } else {
            add(line, bytes + i, length);
        }
        i += length == 0 ? 1 : length;
    }
    add_text(line, "\"");
}

/* Whether a value is read as one word without quotes. */
static bool is_plain(const struct log_field *field)
{
    for (size_t i = 0; i < field->length; i++) {
        if (!isgraph((unsigned char)field->value[i]) || strchr("\"\\=", field->value[i]) != NULL) {
            return false;
        }
    }
    return field->length > 0;
}

/* Adds " key=value" for each value. */
static void add_fields(struct log_line *line, const struct log_event *event)
{
    assert(event->count <= LOG_FORM_FIELDS_MAX);
    for (size_t i = 0; i < event->count; i++) {
        const struct log_field *field = &event->fields[i];
        size_t start = line->length;

        add_text(line, " ");
        add_text(line, field->key);
        add_text(line, "=");
        if (is_plain(field)) {
            add(line, field->value, field->length);
        } else {
            add_quoted(line, field->value, field->length, false);
        }
        if (field->is_cut) {
            add_text(line, "...");
        }
        add_whole(line, start);
    }
}

static void add_time(struct log_line *line)
{
    char text[48];
    struct timespec now;
    struct tm utc;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + n, sizeof text - n, ".%03ldZ", now.tv_nsec / 1000000);
    add_text(line, text);
}

/* ---- forms ---- */

const char *log_form_prefix(enum log_level level)
{
    static const char *const prefixes[] = {LOG_JOURNAL_ERROR, "<4>", "<6>", "<7>"};
    assert(level <= LOG_LEVEL_DEBUG);
    return prefixes[level];
}

static void begin(struct log_line *line, const char *prefix)
{
    line->length = 0;
    line->is_full = false;
    add_text(line, prefix);
}

void log_form_text(const struct log_event *event, const char *prefix, struct log_line *ret_line)
{
    char level[16];

    begin(ret_line, prefix);
    add_time(ret_line);
    snprintf(level, sizeof level, " %-7s ", level_text(event->kind->level));
    add_text(ret_line, level);
    add_text(ret_line, event->kind->message);
    add_text(ret_line, " event=");
    add_text(ret_line, event->kind->name);
    add_fields(ret_line, event);
    add_end(ret_line, " cut", "\n");
}

void log_form_json(const struct log_event *event, const char *prefix, struct log_line *ret_line)
{
    assert(event->count <= LOG_FORM_FIELDS_MAX);
    begin(ret_line, prefix);
    add_text(ret_line, "{\"time\":\"");
    add_time(ret_line);
    add_text(ret_line, "\",\"level\":\"");
    add_text(ret_line, level_text(event->kind->level));
    add_text(ret_line, "\",\"event\":\"");
    add_text(ret_line, event->kind->name);
    add_text(ret_line, "\",\"message\":");
    add_quoted(ret_line, event->kind->message, strlen(event->kind->message), true);
    for (size_t i = 0; i < event->count; i++) {
        const struct log_field *field = &event->fields[i];
        size_t start = ret_line->length;

        add_text(ret_line, ",\"");
        add_text(ret_line, field->key);
        add_text(ret_line, "\":");
        if (field->is_number) {
            add(ret_line, field->value, field->length);
        } else {
            add_quoted(ret_line, field->value, field->length, true);
        }
        if (field->is_cut) {
            add_text(ret_line, ",\"");
            add_text(ret_line, field->key);
            add_text(ret_line, "_cut\":true");
        }
        add_whole(ret_line, start);
    }
    add_end(ret_line, ",\"cut\":true", "}\n");
}

/* A part of the journal's entry: its length goes ahead of it, once it is known. */
static size_t begin_part(struct log_line *line)
{
    uint32_t length = 0;
    size_t start = line->length;
    add(line, (const char *)&length, sizeof length);
    return start;
}

static void end_part(struct log_line *line, size_t start)
{
    uint32_t length = (uint32_t)(line->length - start - sizeof length);
    assert(line->length >= start + sizeof length && line->length <= sizeof line->bytes);
    memcpy(line->bytes + start, &length, sizeof length);
}

/* Adds "CAIRN_KEY=value", whole or not at all. */
static void add_journal_field(struct log_line *line, const char *key, const char *value, size_t length)
{
    size_t start = begin_part(line);
    add_text(line, "CAIRN_");
    for (; *key != '\0'; key++) {
        add(line, &(char){(char)toupper((unsigned char)*key)}, 1);
    }
    add_text(line, "=");
    add(line, value, length);
    add_whole(line, start);
    if (!line->is_full) {
        end_part(line, start);
    }
}

static void add_journal_text(struct log_line *line, const char *text)
{
    size_t start = begin_part(line);
    add_text(line, text);
    assert(!line->is_full); /* both of these stand first in their entry */
    end_part(line, start);
}

/* In the journal's protocol MESSAGE is the line for people, and each value is a field of its own too. */
void log_form_journal(const struct log_event *event, struct log_line *ret_message,
                      struct log_line *ret_values)
{
    static const char *const priorities[] = {"PRIORITY=3", "PRIORITY=4", "PRIORITY=6", "PRIORITY=7"};
    assert(event->kind->level < sizeof priorities / sizeof priorities[0]);
    assert(event->count <= LOG_FORM_FIELDS_MAX);
    begin(ret_message, "");
    size_t start = begin_part(ret_message);
    add_text(ret_message, "MESSAGE=");
    add_text(ret_message, event->kind->message);
    add_fields(ret_message, event);
    add_end(ret_message, " cut", "");
    end_part(ret_message, start);
    begin(ret_values, "");
    add_journal_text(ret_values, priorities[event->kind->level]);
    add_journal_text(ret_values, "SYSLOG_IDENTIFIER=cairnd");
    add_journal_field(ret_values, "event", event->kind->name, strlen(event->kind->name));
    for (size_t i = 0; i < event->count; i++) {
        const struct log_field *field = &event->fields[i];
        add_journal_field(ret_values, field->key, field->value, field->length);
    }
}
