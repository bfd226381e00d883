#include "tests/lib/rig.h"

#include <check.h>

#include "tests/lib/kept.h"

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
    if (rig->wire.fd >= 0 && !wire_try_hello(&rig->wire)) {
        wire_close(&rig->wire); /* it was refused, and is no connection */
    }
    return rig->wire.fd >= 0;
}

const char *rig_health(struct rig *rig)
{
    if (!rig_reconnect(rig)) {
        return NULL;
    }
    const struct wire_frame *frame =
        wire_try_frame(&rig->wire, wire_send(&rig->wire, FRAME_STATUS, NULL), WIRE_PATIENCE_MS);
    if (frame == NULL || frame->header.status == STATUS_SHUTTING_DOWN) {
        return NULL;
    }
    ck_assert(frame->header.status == STATUS_OK && frame->header.flags == 0);
    const Cairn__StatusReply *reply =
        wire_unpack(&cairn__status_reply__descriptor, frame->body, frame->header.body_bytes);
    const Cairn__StatusEntry *health = NULL;
    for (size_t i = 0; i < reply->n_entries; i++) {
        health = bytes_are(reply->entries[i]->name, "health") ? reply->entries[i] : health;
    }
    ck_assert_ptr_nonnull(health);
    return kept_copy(health->text.data, health->text.len);
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
