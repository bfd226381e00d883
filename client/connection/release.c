/* Held requests are looked at in the order of their submits. One that may not go yet holds up the writes and barriers behind it, and no
 * reads.
 *
 * Ways to fail: none; what the daemon does not take completes with the reason. */
#include "client/connection/release.h"

#include <assert.h>

#include "client/connection/hold.h"
#include "client/connection/request.h"

/* What the daemon lacks. */
static const char *feature_text(uint64_t missing)
{
    assert(missing != 0);
    if (missing & FEATURE_PRUNE_DRY_RUN) {
        return "dry run of it and would carry it out";
    }
    if (missing & FEATURE_LISTS) {
        return "parts, end or reverse and would take no notice of them";
    }
    if (missing & FEATURE_DELETES) {
        return "deletes of blocks or ranges and would leave them out";
    }
    return "claims";
}

enum cairn_status request_fits(const struct cairn_connection *connection, const struct request *request,
                               size_t body_bytes, struct failure *failure)
{
    assert(connection->state == CONNECTION_READY); /* the daemon has said what it takes */
    body_bytes += request->numbered ? FRAME_NUMBER_BYTES_MAX : 0;
    if (body_bytes > connection->transport.body_bytes_max) {
        return failure_set(failure, CAIRN_TOO_LARGE,
                           "%s: %zu bytes, more than the daemon's frames may have (%zu): split it",
                           frame_type_text(request->type), body_bytes, connection->transport.body_bytes_max);
    }
    if ((request->features & ~connection->features) != 0) {
        return failure_set(
            failure, CAIRN_UNSUPPORTED, "%s: this daemon has no %s, so it was not sent: use a later daemon",
            frame_type_text(request->type), feature_text(request->features & ~connection->features));
    }
    return CAIRN_OK;
}

bool request_releasable(const struct cairn_connection *connection)
{
    const struct frame_out *first = connection->held.first;
    if (connection->state != CONNECTION_READY || first == NULL) {
        return false;
    }
    assert(first->request != NULL && first->request->state == REQUEST_HELD);
    return connection->held_unordered > 0 || hold_may_go(connection, first->request);
}

void request_release(struct cairn_connection *connection)
{
    if (!request_releasable(connection)) {
        return;
    }
    bool ordered_wait = false;
    struct frame_queue waiting = connection->held, refused = {.first = NULL};
    struct frame_out *frame;
    struct failure failure;
    connection->held = (struct frame_queue){.first = NULL};
    while ((frame = frame_queue_pop(&waiting)) != NULL) {
        struct request *request = frame->request;
        assert(request != NULL && request->state == REQUEST_HELD);
        ordered_wait |= request->ordered && !hold_may_go(connection, request);
        if (request_fits(connection, request, frame->bytes - FRAME_REQUEST_BYTES, &failure) != CAIRN_OK) {
            frame_queue_push(&refused, frame);
        } else if (request->ordered && ordered_wait) {
            frame_queue_push(&connection->held, frame);
            continue;
        } else {
            hold_queue(connection, request);
        }
        connection->held_unordered -= !request->ordered;
    }
    assert(connection->held_unordered == 0); /* only writes and barriers wait for kept metadata */
    while ((frame = frame_queue_pop(&refused)) != NULL) {
        struct request *request = frame->request;
        enum cairn_status status =
            request_fits(connection, request, frame->bytes - FRAME_REQUEST_BYTES, &failure);
        request->frame = NULL;
        frame_out_free(frame);
        request_fail(connection, request, request->is_uncertain ? CAIRN_CONNECTION_LOST : status,
                     failure.text);
    }
}
