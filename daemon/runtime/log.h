/* The daemon's log: one line, or one entry of the journal, for each event. Life:
 *
 * - Before log_start, events from level info up go to stderr as text.
 * - log_start chooses where events go, once, before there are threads. log_level_set may change the level at any time.
 * - An event is built on the caller's stack and leaves in a single write; nothing is kept, nothing needs closing.
 *
 * Any thread may log. Logging never fails for its caller: what neither the journal nor stderr takes is lost, and an event that
 * is too long is cut and says so. Values may hold any bytes; they are escaped for the form they are written in.
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
    LOG_FORMAT_JOURNAL, /* an entry with MESSAGE, PRIORITY, CAIRN_EVENT and CAIRN_<KEY> for each value */
};

/* Starts the log, before there are threads. LOG_FORMAT_AUTO is decided here, by JOURNAL_STREAM and by what stderr is; on a
 * machine without a journal LOG_FORMAT_JOURNAL is text. */
void log_start(enum log_level level, enum log_format format);

void log_level_set(enum log_level level);

/* Whether an event of this level is written. */
bool log_enabled(enum log_level level);

/* Writes one event; for daemon/observe/event.c alone, where each event has its name, level, text and fields.
 *
 * `name` is a-z 0-9 _, `message` a fixed text; both are the same for every event of this name. `fields` names its values as
 * "key=%conversion key=%conversion", one blank between; NULL for none:
 *
 *     log_write(LOG_LEVEL_INFO, "chain_made", "a chain was made", "chain=%.*s bytes=%zu", length, chain, bytes);
 *
 * Keys are a-z 0-9 _ and start with a letter; at most 16. Conversions are d i u x with h, l, ll, j or z, and s or .*s, with
 * nothing else; x is written as text with 0x before it, the other numbers as numbers, a NULL string as "". */
void log_write(enum log_level level, const char *name, const char *message, const char *fields, ...)
    __attribute__((format(printf, 4, 5)));

#endif
