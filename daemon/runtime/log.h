/* The daemon's log: one line, or one journal entry, an event. Life:
 *
 * - Before log_start, events of level info and above go to stderr as text.
 * - log_start chooses where events go, once, before there are threads. log_level_set may change the level at any time.
 * - An event is built on the caller's stack and leaves in a single write; nothing is kept, nothing needs closing.
 *
 * Any thread may log. Logging never fails for its caller: what stderr or the journal does not take is lost, and
 * an event too long is cut and says so. Values may hold any bytes; they are escaped for the form they are written in.
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level {
    LOG_LEVEL_ERROR,   /* a human must act */
    LOG_LEVEL_WARNING, /* a human may want to know */
    LOG_LEVEL_INFO,    /* what the daemon does, a few lines an hour */
    LOG_LEVEL_DEBUG,   /* what one request or connection does */
};

enum log_format {
    LOG_FORMAT_AUTO,    /* the journal if stderr leads there, text on a terminal, else JSON */
    LOG_FORMAT_TEXT,    /* one line for people */
    LOG_FORMAT_JSON,    /* one object a line */
    LOG_FORMAT_JOURNAL, /* the journal's own fields: MESSAGE, PRIORITY, and CAIRN_<KEY> for each value */
};

/* Starts the log. LOG_FORMAT_AUTO is settled here, by JOURNAL_STREAM and by what stderr is; without a journal on the
 * machine LOG_FORMAT_JOURNAL is text. */
void log_start(enum log_level level, enum log_format format);

void log_level_set(enum log_level level);

/* Whether an event of this level is written: for callers whose values are costly to gather. */
bool log_enabled(enum log_level level);

/* Writes one event. `message` is a fixed text, the same for every event of its kind. `fields` names its values as
 * "key=%conversion key=%conversion", one blank between, e.g.
 *
 *     log_event(LOG_LEVEL_INFO, "connection closed", "pid=%d bytes=%zu name=%.*s", pid, bytes, length, name);
 *
 * Keys are a-z 0-9 _ and start with a letter; at most 16. Conversions are d i u x with h, l, ll, j or z, and s or .*s, with
 * nothing else; x is written as text with 0x before it, the other numbers as numbers, a NULL string as "". */
void log_event(enum log_level level, const char *message, const char *fields, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes an event that has no values. */
void log_message(enum log_level level, const char *message);

#endif
