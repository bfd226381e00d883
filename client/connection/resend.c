/* Sending kept metadata again to a later run (README: Guarantees).
 *
 * - a hello meets a later run: kept writes that the run did not find on disk are lost
 * - one connection of the client, the resender, sends the lost writes again, in order, a bounded number at a time. All new writes
 *   of the client wait until the last one is answered
 * - a write that is accepted is kept under its new number. One that is refused for good is dropped and reported. After one that is
 *   refused for now (a full disk, for example), all that is under way is awaited; after a pause, sending starts again from that
 *   write, so that none overtakes it
 * - when the resender is lost, the writes that were not answered are lost again; the next connection that is processed goes on
 *
 * A write that is sent twice is applied twice, in the same order, with no other write of this client between. The values that
 * result are the same.
 *
 * Ways to fail: no memory, which counts as a refusal for now. */
#include "client/connection/resend.h"

#include <assert.h>

#include "client/connection/clock.h"
#include "client/connection/hold.h"
#include "client/connection/request.h"

/* Drops a write that was refused for good, and tells the caller. */
static void drop(struct cairn_client *client, struct kept *kept, enum cairn_status status,
                 enum cairn_reason reason, const char *text)
{
    assert(status != CAIRN_OK && !refused_for_now(status));
    const struct cairn_dropped dropped = {
        .sequence = kept->sequence,
        .operations = kept->operations,
        .status = status,
        .text = text,
        .reason = reason,
    };
    client->dropped_operations += kept->operations;
    keep_drop(&client->kept, kept);
    if (client->options.on_dropped != NULL) {
        client->in_callback++;
        client->options.on_dropped(client->options.context, &dropped);
        client->in_callback--;
    }
}

bool resend_wanted(const struct cairn_connection *connection, uint64_t now, uint64_t *ret_wait_us)
{
    const struct cairn_client *client = connection->client;
    *ret_wait_us = NEVER_US;
    assert(client->resends == 0 || client->resender != NULL); /* those under way are on one connection */
    if (client->kept.next_lost == NULL || connection->state != CONNECTION_READY ||
        connection->run != client->run || connection->present_next != NULL) {
        return false;
    }
    if (client->resends > 0 &&
        (client->resender != connection || client->resend_refused || client->resends >= RESEND_REQUESTS_MAX ||
         client->resend_bytes >= RESEND_BYTES_MAX)) {
        return false;
    }
    if (hold_again_stamp(client) < client->kept.next_lost->stamp) {
        return false; /* a request goes before it */
    }
    *ret_wait_us = now < client->resend_next_us ? client->resend_next_us - now : 0;
    return *ret_wait_us == 0;
}

/* Stops sending, and goes on from this write after a pause. */
static void pause_at(struct cairn_client *client, struct kept *kept, uint64_t now)
{
    assert(client->resender != NULL && kept->state != KEPT_ACCEPTED);
    keep_lost_from(&client->kept, kept);
    client->resend_refused = true;
    client->resend_next_us = now + RESEND_PAUSE_US;
}

static void resend(struct cairn_connection *connection, struct kept *kept, uint64_t now)
{
    struct cairn_client *client = connection->client;
    struct encoded encoded;
    assert(kept->state == KEPT_RESENT && client->resender == connection);
    if (encode_resend(kept->body, kept->body_bytes, kept->sequence, &encoded) != CAIRN_OK) {
        pause_at(client, kept, now);
        return;
    }
    size_t body_bytes = encoded.frame->bytes - FRAME_REQUEST_BYTES;
    if (body_bytes > connection->transport.body_bytes_max) {
        frame_out_free(encoded.frame);
        drop(client, kept, CAIRN_TOO_LARGE, CAIRN_REASON_NONE, "longer than the daemon's frames may now be");
        return;
    }
    const struct request model = {
        .type = FRAME_WRITE_METADATA,
        .kind = CAIRN_WRITE_METADATA,
        .ordered = true,
        .internal = true,
        .kept = kept,
        .operations = kept->operations,
        .timeout_us = NEVER_US,
        .expected = {.level = CAIRN_ACCEPTED},
    };
    size_t bytes = encoded.frame->bytes;
    if (!request_add(connection, &model, encoded.frame)) {
        pause_at(client, kept, now);
        return;
    }
    client->resends++;
    client->resend_bytes += bytes;
}

void resend_pump(struct cairn_connection *connection, uint64_t now)
{
    struct cairn_client *client = connection->client;
    uint64_t wait_us;
    while (resend_wanted(connection, now, &wait_us)) {
        client->resender = connection;
        client->resend_refused = false;
        resend(connection, keep_resend_next(&client->kept), now);
    }
}

void resend_answered(struct cairn_connection *connection, struct request *request, enum cairn_status status,
                     enum cairn_reason reason, const char *text, uint64_t sequence)
{
    struct cairn_client *client = connection->client;
    struct kept *kept = request->kept;
    assert(request->internal); /* its caller was answered when the write was accepted */
    if (kept == NULL) {
        return; /* a later run was met since, or the connection is being lost */
    }
    assert(client->resends > 0 && client->resend_bytes >= request->bytes);
    request->kept = NULL;
    client->resends--;
    client->resend_bytes -= request->bytes;
    if (status == CAIRN_OK) {
        client->resent_operations += kept->operations;
        keep_accepted(&client->kept, kept, sequence);
        keep_cover(&client->kept, client->written_through);
    } else if (refused_for_now(status)) {
        pause_at(client, kept, clock_now_us());
    } else {
        drop(client, kept, status, reason, text);
    }
}

void resend_detach(struct cairn_connection *connection)
{
    struct cairn_client *client = connection->client;
    bool first = true;
    for (struct request *request = connection->first; request != NULL; request = request->next) {
        if (request->kept != NULL) {
            if (first) {
                keep_lost_from(&client->kept, request->kept);
            }
            first = false;
            assert(client->resends > 0 && client->resend_bytes >= request->bytes);
            request->kept = NULL;
            client->resends--;
            client->resend_bytes -= request->bytes;
        }
    }
    if (client->resender == connection) {
        assert(client->resends == 0); /* no other connection has any */
        client->resender = NULL;
    }
}

void resend_judge(struct cairn_client *client, uint64_t on_disk)
{
    for (struct cairn_connection *each = client->connections; each != NULL; each = each->next) {
        for (struct request *request = each->first; request != NULL; request = request->next) {
            request->kept = NULL;
            if (request->overtaken > on_disk) {
                request->overtaken = 0; /* that metadata is lost, and goes again behind it */
            }
        }
    }
    keep_judge(&client->kept, on_disk);
    client->resender = NULL;
    client->resends = client->resend_bytes = 0;
    client->resend_refused = false;
    client->resend_next_us = 0;
}
