/* Where lines of the log leave: a thread writes them, so that nobody else waits for their reader. For log.c alone; any thread. */
#ifndef DAEMON_LOG_OUTPUT_H
#define DAEMON_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

enum { LOG_OUTPUT_LINE_BYTES_MAX = 32 << 10 }; /* of a line and its parts */

/* A line for stderr, with its newline, and the journal's parts: each its length as a uint32_t, then its bytes. With parts it is
 * an entry of the journal, and goes to stderr only if the journal does not take it. Borrowed. */
struct log_output_line {
    const char *text;
    size_t text_bytes;
    const char *message;
    size_t message_bytes; /* 0: no parts */
    const char *values;
    size_t values_bytes;
};

/* Starts the thread; one at a time. say_dropped is called on it, and logs how many lines were dropped since it was called last.
 * False, with errno, if the machine refuses the thread: lines are written by their callers then. */
bool log_output_start(uint64_t bytes_per_second, void (*say_dropped)(uint64_t lines)) MUST_CHECK;

/* The thread ends once it has written what is there; waits for that 100 ms, or a second while stderr takes lines. Whether it ended; called
 * again it waits again. */
bool log_output_stop(void);

void log_output_rate_set(uint64_t bytes_per_second);

/* Whether the rate has room for a line now; one that is not admitted is counted as dropped. */
bool log_output_admits(void);

/* Takes over a line, or drops and counts it if there is no room. is_bounded: it was admitted, and counts against the rate. */
void log_output_put(const struct log_output_line *line, bool is_bounded);

/* How many lines were dropped since the process began. */
uint64_t log_output_dropped(void);

#endif
