/* An event as bytes: its values are taken out of the arguments once, then written in the form that was chosen. Each form builds its
 * line in the caller's memory. A line that does not fit leaves out whole values, never half of one, and says "cut".
 *
 * Any thread; for log.c alone. It reads the wall clock, and fails at nothing. */
#ifndef DAEMON_LOG_FORM_H
#define DAEMON_LOG_FORM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/runtime/log.h"

enum {
    LOG_FORM_FIELDS_MAX = 16,
    LOG_FORM_KEY_BYTES = 32, /* room for a key, with its NUL */
    LOG_FORM_LINE_BYTES = 8192,
};

struct log_field {
    char key[LOG_FORM_KEY_BYTES];
    bool is_number;
    bool is_cut;
    const char *value; /* in `digits`, or borrowed from the caller */
    size_t length;
    char digits[32];
};

struct log_event {
    const struct log_kind *kind;
    size_t count;
    struct log_field fields[LOG_FORM_FIELDS_MAX];
};

struct log_line {
    size_t length;
    bool is_full; /* something did not fit; nothing is added any more */
    char bytes[LOG_FORM_LINE_BYTES];
};

/* Takes the values of the fields, as log_write has them. Texts stay borrowed. */
void log_form_take(const struct log_kind *kind, const char *fields, va_list *arguments,
                   struct log_event *ret_event);

/* What the journal takes the priority of a line on stderr from: "<3>". Static. */
const char *log_form_prefix(enum log_level level);

/* Each writes one whole line behind the prefix, with its newline. */
void log_form_text(const struct log_event *event, const char *prefix, struct log_line *ret_line);
void log_form_json(const struct log_event *event, const char *prefix, struct log_line *ret_line);

/* The journal's entry: parts, each its length as a uint32_t, then "NAME=value". The line for people is in the one, the values are
 * in the other. */
void log_form_journal(const struct log_event *event, struct log_line *ret_message,
                      struct log_line *ret_values);

#endif
