/* A configuration file as lines of NAME = VALUE, read by libinih. What the names mean is up to the taker. Pure: any thread,
 * nothing is kept between calls. */
#ifndef DAEMON_CONFIGURATION_H
#define DAEMON_CONFIGURATION_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/status.h"

enum {
    CONFIGURATION_LINE_BYTES_MAX = 198, /* libinih would cut a longer one */
    CONFIGURATION_ERROR_BYTES = 512,
};

struct configuration_error {
    unsigned line; /* from 1 */
    char text[CONFIGURATION_ERROR_BYTES];
};

/* Takes one setting; name and value are borrowed for the call. False ends the reading, with the reason in ret_text. */
typedef bool configuration_take(void *context, unsigned line, const char *name, const char *value,
                                char ret_text[CONFIGURATION_ERROR_BYTES]);

/* Gives each setting in n bytes to `take`, in the order of the file. The bytes are borrowed for the call.
 *
 * true   every setting was taken
 * false  ret_error has the first line that is wrong and why; the settings before it have been taken */
bool configuration_read(const char *bytes, size_t n, configuration_take *take, void *context,
                        struct configuration_error *ret_error) MUST_CHECK;

#endif
