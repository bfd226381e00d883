/* An event's way: its values are taken out of the arguments once, then written in the form that was chosen. Each form builds its
 * line on the caller's stack and hands it over by one write(2), so that lines of different threads never mix. A line that
 * does not fit leaves out whole values, never half of one, and says "cut".
 *
 * Ways to fail: an entry that the journal does not take goes to stderr as text. What stderr does not take is lost. */
#include "daemon/runtime/log.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION /* the place in our source says less than the message */
#include <systemd/sd-journal.h>

#include "daemon/runtime/thread.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define NAME_LETTERS   "abcdefghijklmnopqrstuvwxyz0123456789_"

enum {
    FIELDS_MAX = 16,
    KEY_BYTES = 32,        /* room for a key, with its NUL */
    VALUE_BYTES_MAX = 512, /* of one value, before it is escaped */
    LINE_BYTES = 8192,
    LINE_END_BYTES = 32, /* set aside for the end of a line that is cut */
};

struct field {
    char key[KEY_BYTES];
    bool is_number;
    bool is_cut;
    const char *value; /* in `digits`, or borrowed from the caller */
    size_t length;
    char digits[32];
};

struct event {
    enum log_level level;
    const char *name;
    const char *message;
    size_t count;
    struct field fields[FIELDS_MAX];
};

struct line {
    size_t length;
    bool is_full; /* something did not fit; nothing is added any more */
    char bytes[LINE_BYTES];
};

/* Fixed after log_start, which runs before there are threads. */
static enum log_format sink = LOG_FORMAT_TEXT;

/* Read and set by any thread. */
static atomic_uint threshold = LOG_LEVEL_INFO;

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

static void take_text(struct field *field, const char *text, size_t length)
{
    field->value = text == NULL ? "" : text;
    field->length = text == NULL ? 0 : strnlen(text, length);
    field->is_cut = field->length > VALUE_BYTES_MAX;
    if (field->is_cut) {
        field->length = VALUE_BYTES_MAX;
    }
}

/* Takes the value of one "key=%conversion". Returns the place behind it in the format. */
static const char *take_field(struct field *field, const char *at, va_list *arguments)
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

static void take_fields(struct event *event, const char *fields, va_list *arguments)
{
    for (const char *at = fields; *at != '\0';) {
        assert(event->count < FIELDS_MAX);
        at = take_field(&event->fields[event->count++], at, arguments);
        assert(*at == '\0' || (at[0] == ' ' && at[1] != '\0'));
        if (*at == ' ') {
            at++;
        }
    }
}

/* ---- lines ---- */

static void add(struct line *line, const char *bytes, size_t n)
{
    assert(line->length <= sizeof line->bytes - LINE_END_BYTES);
    if (line->is_full || n > sizeof line->bytes - LINE_END_BYTES - line->length) {
        line->is_full = true;
        return;
    }
    memcpy(line->bytes + line->length, bytes, n);
    line->length += n;
}

static void add_text(struct line *line, const char *text)
{
    add(line, text, strlen(text));
}

/* The end of a line fits whatever was added before. */
static void add_end(struct line *line, const char *cut, const char *end)
{
    size_t n = line->is_full ? strlen(cut) : 0;

    assert(line->length + n + strlen(end) <= sizeof line->bytes);
    memcpy(line->bytes + line->length, cut, n);
    line->length += n;
    memcpy(line->bytes + line->length, end, strlen(end));
    line->length += strlen(end);
}

/* Removes what was added since `start` if some of it did not fit. */
static void add_whole(struct line *line, size_t start)
{
    if (line->is_full) {
        line->length = start;
    }
}

/* How many of the n bytes are one well-formed UTF-8 character; 0 if the first begins none. */
static size_t utf8_length(const unsigned char *text, size_t n)
{
    size_t length = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

    assert(n > 0); /* the first byte was read */
    if (length == 0 || text[0] > 0xf4 || length > n) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f)) {
        return 0;
    }
    return length;
}

/* Adds a string in quotes, escaped by JSON's rules. A byte that is not UTF-8 becomes U+FFFD in JSON, and \xNN in text. */
static void add_quoted(struct line *line, const char *bytes, size_t n, bool json)
{
    const unsigned char *text = (const unsigned char *)bytes;
    char escape[8];

    add_text(line, "\"");
    for (size_t i = 0; i < n;) {
        size_t length = utf8_length(text + i, n - i);

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
static bool is_plain(const struct field *field)
{
    for (size_t i = 0; i < field->length; i++) {
        if (!isgraph((unsigned char)field->value[i]) || strchr("\"\\=", field->value[i]) != NULL) {
            return false;
        }
    }
    return field->length > 0;
}

/* Adds " key=value" for each value. */
static void add_fields(struct line *line, const struct event *event)
{
    for (size_t i = 0; i < event->count; i++) {
        const struct field *field = &event->fields[i];
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

static void add_time(struct line *line)
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

static void write_line(const struct line *line)
{
    ssize_t written = write(STDERR_FILENO, line->bytes, line->length);

    (void)written; /* there is no other place to report that to */
}

static void write_text(const struct event *event)
{
    struct line line = {.length = 0};
    char level[16];

    add_time(&line);
    snprintf(level, sizeof level, " %-7s ", level_text(event->level));
    add_text(&line, level);
    add_text(&line, event->message);
    add_text(&line, " event=");
    add_text(&line, event->name);
    add_fields(&line, event);
    add_end(&line, " cut", "\n");
    write_line(&line);
}

static void write_json(const struct event *event)
{
    struct line line = {.length = 0};

    add_text(&line, "{\"time\":\"");
    add_time(&line);
    add_text(&line, "\",\"level\":\"");
    add_text(&line, level_text(event->level));
    add_text(&line, "\",\"event\":\"");
    add_text(&line, event->name);
    add_text(&line, "\",\"message\":");
    add_quoted(&line, event->message, strlen(event->message), true);
    for (size_t i = 0; i < event->count; i++) {
        const struct field *field = &event->fields[i];
        size_t start = line.length;

        add_text(&line, ",\"");
        add_text(&line, field->key);
        add_text(&line, "\":");
        if (field->is_number) {
            add(&line, field->value, field->length);
        } else {
            add_quoted(&line, field->value, field->length, true);
        }
        if (field->is_cut) {
            add_text(&line, ",\"");
            add_text(&line, field->key);
            add_text(&line, "_cut\":true");
        }
        add_whole(&line, start);
    }
    add_end(&line, ",\"cut\":true", "}\n");
    write_line(&line);
}

/* Adds "CAIRN_KEY=value" to the line. Returns false, without the field, if it does not fit. */
static bool add_journal_field(struct line *line, const char *key, const char *value, size_t length,
                              struct iovec *ret_part)
{
    size_t start = line->length;

    add_text(line, "CAIRN_");
    for (; *key != '\0'; key++) {
        add(line, &(char){(char)toupper((unsigned char)*key)}, 1);
    }
    add_text(line, "=");
    add(line, value, length);
    add_whole(line, start);
    *ret_part = (struct iovec){line->bytes + start, line->length - start};
    return !line->is_full;
}

/* In the journal's protocol MESSAGE is the line for people, and each value is a field of its own too. */
static bool write_journal(const struct event *event)
{
    static const char *const priorities[] = {"PRIORITY=3", "PRIORITY=4", "PRIORITY=6", "PRIORITY=7"};
    static char identifier[] = "SYSLOG_IDENTIFIER=cairnd";
    struct iovec parts[FIELDS_MAX + 4];
    struct line message = {.length = 0}, values = {.length = 0};
    char priority[16];
    int count = 0;

    add_text(&message, "MESSAGE=");
    add_text(&message, event->message);
    add_fields(&message, event);
    add_end(&message, " cut", "");
    parts[count++] = (struct iovec){message.bytes, message.length};
    snprintf(priority, sizeof priority, "%s", priorities[event->level]);
    parts[count++] = (struct iovec){priority, strlen(priority)};
    parts[count++] = (struct iovec){identifier, strlen(identifier)};
    count += add_journal_field(&values, "event", event->name, strlen(event->name), &parts[count]);
    for (size_t i = 0; i < event->count && !values.is_full; i++) {
        const struct field *field = &event->fields[i];

        count += add_journal_field(&values, field->key, field->value, field->length, &parts[count]);
    }
    assert(count <= FIELDS_MAX + 4); /* parts held them */
    return sd_journal_sendv(parts, count) == 0;
}

static void write_event(const struct event *event)
{
    if (sink == LOG_FORMAT_JSON) {
        write_json(event);
    } else if (sink != LOG_FORMAT_JOURNAL || !write_journal(event)) {
        write_text(event);
    }
}

/* ---- for callers ---- */

/* Whether stderr leads to the journal: systemd then says its device and inode in JOURNAL_STREAM. */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat status;

    return stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

void log_start(enum log_level level, enum log_format format)
{
    assert(thread_is(THREAD_OTHER)); /* sink is read without a lock from here on */
    if (format == LOG_FORMAT_AUTO) {
        format = is_journal()            ? LOG_FORMAT_JOURNAL
                 : isatty(STDERR_FILENO) ? LOG_FORMAT_TEXT
                                         : LOG_FORMAT_JSON;
    }
    if (format == LOG_FORMAT_JOURNAL && access(JOURNAL_SOCKET, F_OK) != 0) {
        format = LOG_FORMAT_TEXT; /* libsystemd would say success and send nothing */
    }
    sink = format;
    log_level_set(level);
}

void log_level_set(enum log_level level)
{
    assert(level <= LOG_LEVEL_DEBUG);
    atomic_store_explicit(&threshold, level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

void log_write(enum log_level level, const char *name, const char *message, const char *fields, ...)
{
    struct event event = {.level = level, .name = name, .message = message};
    va_list arguments;

    assert(*name != '\0' && name[strspn(name, NAME_LETTERS)] == '\0'); /* it is written without quotes */
    if (!log_enabled(level)) {
        return;
    }
    va_start(arguments, fields);
    take_fields(&event, fields == NULL ? "" : fields, &arguments);
    va_end(arguments);
    write_event(&event);
}
