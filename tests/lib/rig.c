#include "tests/lib/rig.h"

#include <check.h>

struct rig rig_start(const char *arguments)
{
    struct rig rig = {.daemon = daemon_new()};
    daemon_start(&rig.daemon, arguments);
    rig.wire = wire_open(rig.daemon.socket);
    return rig;
}

struct wire rig_open(const struct rig *rig)
{
    return wire_open(rig->daemon.socket);
}

bool rig_reconnect(struct rig *rig)
{
    if (!rig->wire.ended && rig->wire.fd >= 0) {
        return true;
    }
    wire_close(&rig->wire);
    rig->wire = wire_try_connect(rig->daemon.socket);
    return rig->wire.fd >= 0 && wire_try_hello(&rig->wire);
}

void rig_restart(struct rig *rig, const char *arguments)
{
    wire_close(&rig->wire);
    int code = daemon_stop(&rig->daemon);
    ck_assert_msg(code == 0, "a clean stop ended with %d: %s", code, daemon_errors(&rig->daemon));
    daemon_start(&rig->daemon, arguments);
    rig->wire = wire_open(rig->daemon.socket);
}

void rig_crash(struct rig *rig, const char *arguments)
{
    wire_close(&rig->wire);
    daemon_kill(&rig->daemon);
    daemon_start(&rig->daemon, arguments);
    rig->wire = wire_open(rig->daemon.socket);
}

void rig_end(struct rig *rig)
{
    wire_close(&rig->wire);
    int code = daemon_stop(&rig->daemon);
    ck_assert_msg(code == 0, "a clean stop ended with %d: %s", code, daemon_errors(&rig->daemon));
    daemon_close(&rig->daemon);
}
