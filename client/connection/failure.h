/* Why something failed: a status, and a text for people. */
#ifndef CLIENT_FAILURE_H
#define CLIENT_FAILURE_H

#include "client/cairn.h"

enum {
    TEXT_BYTES_MAX = 512,
};

struct failure {
    enum cairn_status status;
    char text[TEXT_BYTES_MAX];
};

/* Remembers it, cut to the room there is, and returns its status. */
enum cairn_status failure_set(struct failure *failure, enum cairn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
