/* Text as UTF-8. Pure, any thread. */
#ifndef DAEMON_UTF8_H
#define DAEMON_UTF8_H

#include <stddef.h>

/* How many of the n bytes, at least one, are one well-formed character; 0 if the first begins none. */
size_t utf8_length(const void *bytes, size_t n);

#endif
