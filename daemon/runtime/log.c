/* The log for callers.
 *
 * - An event: if its level is written and the rate admits it, log_form builds its line on the caller's stack, and log_output takes
 *   it over. What is dropped for the rate costs no more than a look at the clock.
 * - A line that the journal reads from stderr, instead of an entry, begins with its priority.
 *
 * Ways to fail: none for the caller; log_output says what becomes of a line. */
#include "daemon/runtime/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/runtime/log_form.h"
#include "daemon/runtime/log_output.h"
#include "daemon/runtime/log_rate.h"
#include "daemon/runtime/thread.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static_assert(3 * (int)LOG_FORM_LINE_BYTES < (int)LOG_OUTPUT_LINE_BYTES_MAX,
              "an entry is a line and its parts");
static_assert((int)LOG_BYTES_PER_SECOND_MIN == (int)LOG_RATE_BYTES_MIN, "what may be set the rate can hold");
static_assert((int)LOG_BYTES_PER_SECOND_MAX == (int)LOG_RATE_BYTES_MAX, "what may be set the rate can hold");

/* Fixed after log_start, which runs before there are threads. */
static enum log_format sink = LOG_FORMAT_TEXT;
static bool is_journal; /* reads stderr */

/* Read and set by any thread. */
static atomic_uint threshold = LOG_LEVEL_INFO;

/* systemd says the device and inode of the journal's stream. */
bool log_stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat status;

    return stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

static enum log_format choose(enum log_format format)
{
    assert(format <= LOG_FORMAT_JOURNAL); /* put has no other form */
    if (format == LOG_FORMAT_AUTO) {
        format = log_stderr_is_journal() ? LOG_FORMAT_JOURNAL
                 : isatty(STDERR_FILENO) ? LOG_FORMAT_TEXT
                                         : LOG_FORMAT_JSON;
    }
    if (format == LOG_FORMAT_JOURNAL && access(JOURNAL_SOCKET, F_OK) != 0) {
        format = LOG_FORMAT_TEXT; /* libsystemd would say success and send nothing */
    }
    return format;
}

bool log_start(const struct log_config *config, struct failure *failure)
{
    assert(thread_is(THREAD_OTHER)); /* sink is read without a lock from here on */
    sink = choose(config->format);
    is_journal = log_stderr_is_journal();
    log_level_set(config->level);
    if (!log_output_start(config->bytes_per_second, config->say_dropped)) {
        failure_set(failure, STATUS_BUSY,
                    "the thread of the log cannot be created: %s: raise the limit on threads or memory",
                    strerror(errno));
        return false;
    }
    return true;
}

bool log_stop(void)
{
    return log_output_stop();
}

void log_level_set(enum log_level level)
{
    assert(level <= LOG_LEVEL_DEBUG);
    atomic_store_explicit(&threshold, level, memory_order_relaxed);
}

void log_bytes_per_second_set(uint64_t bytes_per_second)
{
    log_output_rate_set(bytes_per_second);
}

bool log_enabled(enum log_level level)
{
    assert(level <= LOG_LEVEL_DEBUG);
    return level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
    return log_output_dropped();
}

static void put(const struct log_event *event, bool is_bounded)
{
    struct log_line text, message, values;
    struct log_output_line line = {.text = text.bytes};
    assert(sink != LOG_FORMAT_AUTO); /* log_start has chosen */
    const char *prefix = is_journal ? log_form_prefix(event->kind->level) : "";
    if (sink == LOG_FORMAT_JSON) {
        log_form_json(event, prefix, &text);
    } else {
        log_form_text(event, prefix, &text);
    }
    if (sink == LOG_FORMAT_JOURNAL) {
        log_form_journal(event, &message, &values);
        line.message = message.bytes;
        line.message_bytes = message.length;
        line.values = values.bytes;
        line.values_bytes = values.length;
    }
    line.text_bytes = text.length;
    log_output_put(&line, is_bounded);
}

void log_write(const struct log_kind *kind, const char *fields, ...)
{
    struct log_event event;
    bool is_bounded = kind->level != LOG_LEVEL_ERROR && !kind->is_unbounded;
    if (!log_enabled(kind->level) || (is_bounded && !log_output_admits())) {
        return;
    }
    va_list arguments;
    va_start(arguments, fields);
    log_form_take(kind, fields == NULL ? "" : fields, &arguments, &event);
    va_end(arguments);
    put(&event, is_bounded);
}

void log_say(enum log_level level, const char *text)
{
    assert(level <= LOG_LEVEL_DEBUG);
    fprintf(stderr, "%scairnd: %s\n", log_stderr_is_journal() ? log_form_prefix(level) : "", text);
}
