/* The daemon's log: one line, or one entry of the journal, for each event. Life:
 *
 * - Before log_start, events from level info up go to stderr as text.
 * - log_start chooses where events go, once, before there are threads; from then on a thread of the log's own writes them, and
 *   nobody waits for their reader. Level and rate may change at any time.
 * - log_stop gives the thread a moment to write what is there.
 *
 * Any thread may log. Logging never fails for its caller: what is not taken is dropped and counted, and an event that is too long
 * is cut and says so. Values may hold any bytes; they are escaped for the form they are written in.
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/runtime/failure.h"
#include "proto/status.h"

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

/* What an event is: the same each time it happens. Static. */
struct log_kind {
    const char *name; /* a-z 0-9 _ */
    enum log_level level;
    const char *message;
    bool is_unbounded; /* the rate does not drop it: no peer can cause it. An error is not dropped either */
};

enum {
    LOG_BYTES_PER_SECOND_MIN = 1 << 10,
    LOG_BYTES_PER_SECOND_MAX = 1 << 30,
};

struct log_config {
    enum log_level level;
    enum log_format format;
    uint64_t bytes_per_second; /* of all lines that are bounded; a second's worth may come at once */
    void (*say_dropped)(uint64_t lines); /* logs that so many lines were dropped; from the log's thread */
};

/* Before a line that the journal reads from stderr: it is an error. */
#define LOG_JOURNAL_ERROR "<3>"

/* Whether stderr leads to the journal. */
bool log_stderr_is_journal(void);

/* A line "cairnd: TEXT" on stderr, for a person, before there is a log. */
void log_say(enum log_level level, const char *text);

/* Starts the log, before there are threads. LOG_FORMAT_AUTO is decided here, by JOURNAL_STREAM and by what stderr is; on a
 * machine without a journal LOG_FORMAT_JOURNAL is text. False if the machine refuses the thread; events are written all the same,
 * by those who log. */
bool log_start(const struct log_config *config, struct failure *failure) MUST_CHECK;

/* Waits until what was logged is written, but no longer than 100 ms, or a second while stderr takes lines. For the process's end, also
 * ahead of _exit. Whether all is written; a test calls it again until it is. */
bool log_stop(void);

void log_level_set(enum log_level level);
void log_bytes_per_second_set(uint64_t bytes_per_second);

/* Whether an event of this level is written. */
bool log_enabled(enum log_level level);

/* How many lines were dropped since the process began. */
uint64_t log_dropped(void);

/* Writes one event; for daemon/observe/event.c alone, which has the kinds. `fields` names its values as
 * "key=%conversion key=%conversion", one blank between; NULL for none:
 *
 *     log_write(&chain_made, "chain=%.*s bytes=%zu", length, chain, bytes);
 *
 * Keys are a-z 0-9 _ and start with a letter; at most 16. Conversions are d i u x with h, l, ll, j or z, and s or .*s, with
 * nothing else; x is written as text with 0x before it, the other numbers as numbers, a NULL string as "". */
void log_write(const struct log_kind *kind, const char *fields, ...) __attribute__((format(printf, 2, 3)));

#endif
