/* What most tests stand on: a daemon and one connection to it that has said hello. */
#ifndef TESTS_LIB_RIG_H
#define TESTS_LIB_RIG_H

#include "tests/lib/daemon.h"
#include "tests/lib/messages.h"
#include "tests/lib/wire.h"

struct rig {
    struct daemon daemon;
    struct wire wire;
};

struct rig rig_start(const char *arguments);
/* One more connection. */
struct wire rig_open(const struct rig *rig);
/* Connects anew if the connection has ended, as it does when the daemon opens its store anew. False: nobody answers yet. */
bool rig_reconnect(struct rig *rig);
/* The health on its status page, asked over such a connection; NULL: nobody answers yet. */
const char *rig_health(struct rig *rig);
/* Stops the daemon cleanly, or with kill -9, starts it again on the same data and connects anew. */
void rig_restart(struct rig *rig, const char *arguments);
void rig_crash(struct rig *rig, const char *arguments);
/* Stops it cleanly, which must succeed, and removes all. */
void rig_end(struct rig *rig);

#endif
