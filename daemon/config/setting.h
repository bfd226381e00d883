/* One setting: its type, bounds and place in a structure, and its value to and from text. Pure.
 *
 * Sizes are a whole number of bytes, KiB, MiB, GiB or TiB (64MiB, 1024); durations a whole number of us, ms, s, m, min or h
 * (20ms); counts are plain numbers; modes octal; flags yes or no. Any thread; nothing is kept between calls. */
#ifndef DAEMON_SETTING_H
#define DAEMON_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

enum setting_type {
    SETTING_TEXT,     /* char[] of text_bytes, NUL-ended */
    SETTING_FLAG,     /* bool */
    SETTING_CHOICE,   /* an enum whose values count from 0 as the choices do */
    SETTING_COUNT,    /* uint64_t, as those below */
    SETTING_BYTES,    /* in bytes */
    SETTING_DURATION, /* in us */
    SETTING_MODE,     /* permission bits */
};

enum {
    SETTING_VALUE_BYTES = 4096, /* room for any value as text */
    SETTING_REASON_BYTES = 256,
};

struct setting {
    const char *name; /* a-z and underscores */
    enum setting_type type;
    size_t offset;     /* of the value in its structure */
    size_t text_bytes; /* SETTING_TEXT: its room, NUL included */

    uint64_t initial, min, max; /* in the value's unit; a text starts empty */
    const char *choices;        /* SETTING_CHOICE: "one|two|three" */

    bool reloadable;          /* may change while the daemon runs */
    const char *file_refusal; /* why the configuration file may not have it; NULL: it may */
    const char *environment_refusal;
    const char *unless; /* when it counts for nothing, as options_print says; NULL: never */
    const char *group; /* title in the help of the group that begins with it; NULL: it is in the one before */
    const char *argument; /* what the help calls a value of SETTING_TEXT */
    const char *help;
};

/* Gives the setting its first value. */
void setting_init(const struct setting *setting, void *structure);

/* Reads the value from text, which is copied.
 *
 * true   the structure has the value
 * false  the structure is as it was, and ret_reason, of SETTING_REASON_BYTES, says why the text is not a value and what would
 *        be right */
bool setting_parse(const struct setting *setting, const char *text, void *structure,
                   char *ret_reason) MUST_CHECK;

/* Writes the value as text that setting_parse accepts, to SETTING_VALUE_BYTES. */
void setting_format(const struct setting *setting, const void *structure, char *ret_text);

/* Writes what values are allowed, to SETTING_REASON_BYTES, for help: "64KiB..256MiB", "error|warning|info|debug". */
void setting_format_range(const struct setting *setting, char *ret_text);

/* What the help calls a value of it: "SIZE", "error|warning|info|debug"; "" for a flag. Static. */
const char *setting_argument(const struct setting *setting);

/* How many characters must be inserted, deleted or replaced to turn one name into the other; '-' and '_' are the same. */
size_t setting_name_distance(const char *a, const char *b);

#endif
