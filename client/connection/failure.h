/* Why something failed: a status, and a text for people. */
#ifndef CLIENT_FAILURE_H
#define CLIENT_FAILURE_H

#include "client/cairn.h"

enum {
    TEXT_BYTES_MAX = 512, /* of a text with its NUL; chosen: longer ones are cut */
};

struct failure {
    enum cairn_status status;
    char text[TEXT_BYTES_MAX];
};

/* Stores status and text, which is cut to TEXT_BYTES_MAX, and returns the status, which is not CAIRN_OK. Its symbol is not the daemon's
 * of the same name, whose struct differs: some tests link both. */
enum cairn_status failure_set(struct failure *failure, enum cairn_status status, const char *format,
                              ...) __asm__("client_failure_set") __attribute__((format(printf, 3, 4)));

/* Whether the daemon refused a request for a reason that passes, so that sending it again may help. */
static inline bool refused_for_now(enum cairn_status status)
{
    return status == CAIRN_BUSY || status == CAIRN_NO_SPACE || status == CAIRN_SHUTTING_DOWN ||
           status == CAIRN_PERMISSION || status == CAIRN_READ_ONLY || status == CAIRN_IO_ERROR;
}

/* What every call says that must not be made in a child of fork(). */
#define FORKED_TEXT "this is a child of fork(), and the client is its parent's: make a client of its own"

#endif
