/* `cairnd --check-config`: judges the configuration as the unit's user and by the unit's sandbox where root asks, else as who asks. What is
 * good goes to stdout, what is wrong to stderr, a line each. On main's thread, before there is a log. */
#ifndef DAEMON_CHECK_CONFIGURATION_H
#define DAEMON_CHECK_CONFIGURATION_H

#include "daemon/start_check.h"

/* Reads the configuration anew, as the user that a start would run as; `data` is the data directory as root has read it. Returns the exit
 * code that a start would end with. */
enum exit_code check_configuration(const char *data, int argc, char **argv, char *const *environment,
                                   directory_look_fn *look) MUST_CHECK;

/* A line on stderr, as an error for the journal. */
void check_say_error(const char *error);

#endif
