/* A configuration file as lines of NAME = VALUE. What the names mean is up to the taker. Pure: any thread, nothing is kept between
 * calls.
 *
 * - A # or a ; begins a comment, at the beginning of a line or behind a blank; blanks around names and values are dropped.
 * - A value may stand in quotes, " or '. What is between them is the value as it is, comments and blanks included; a backslash before
 *   a quote or a backslash takes that one as it is.
 * - A byte order mark at the beginning and \r at the end of a line are skipped. */
#ifndef DAEMON_CONFIGURATION_H
#define DAEMON_CONFIGURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "proto/status.h"

enum { CONFIGURATION_ERROR_BYTES = 768 };

struct configuration_taker {
    /* Takes one setting; name and value are borrowed for the call. False refuses it, with the reason in ret_text. */
    bool (*take)(void *context, unsigned line, const char *name, const char *value,
                 char ret_text[CONFIGURATION_ERROR_BYTES]);
    /* Is told of each line that is wrong, in the order of the file; lines count from 1. */
    void (*refuse)(void *context, unsigned line, const char *text);
    void *context;
};

/* Gives each setting in n bytes to the taker, in the order of the file. The bytes are borrowed for the call. False: some lines were
 * refused; the others have been taken. */
bool configuration_read(const char *bytes, size_t n, const struct configuration_taker *taker) MUST_CHECK;

/* Writes a value as configuration_read takes it, in quotes if it needs them. Returns how many bytes it wrote. */
int configuration_write_value(const char *value, FILE *out);

#endif
