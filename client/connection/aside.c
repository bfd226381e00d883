/* What becomes of a request that was put aside:
 *
 *   numbered     waits for the answer to the Present on its connection, which gives the last number applied. A request with a number up to
 *                that was applied, and completes so. Any other was not applied and never will be: it is sent again under a new number,
 *                but for two cases. If one before it timed out or was refused, it is refused too, since writes take effect in their
 *                order or not at all. If metadata that was sent behind it was accepted, the daemon had refused it; sent again it would
 *                land behind that metadata, so it is refused
 *   metadata     may have been applied. If metadata was sent behind it that does not survive, for it asks for another level or has timed
 *                out, this one is unknown too. Else, on a connection that does not number writes, it is sent again at once; nobody else
 *                writes to the chain, so that the values end the same. On the connection that numbers, a write that was sent behind it
 *                may have been applied: if that carried, this one was applied too; if it has metadata of its own, this one is unknown;
 *                else this one is sent again
 *
 * All of that keeps the order of the stamps (hold.h).
 *
 * Ways to fail: none. */
#include "client/connection/aside.h"

#include <assert.h>
#include <stdio.h>

#include "client/connection/hold.h"
#include "client/connection/request.h"

void aside_note_accepted(struct request *metadata, uint64_t sequence)
{
    assert(metadata->type == FRAME_WRITE_METADATA && sequence > 0);
    for (struct request *each = metadata->previous; each != NULL; each = each->previous) {
        if (each->overtaken != 0) {
            return; /* those before it were marked with it */
        }
        each->overtaken = each->numbered && each->state == REQUEST_SENT ? sequence : 0;
    }
}

/* Metadata that may have been applied, and is not sent again: what was sent before it to the same chain would land behind it, so that is
 * not sent again either. */
static void end_survival(struct cairn_connection *connection)
{
    for (struct request *request = connection->last; request != NULL; request = request->previous) {
        struct claim *claim = request->claim;
        bool was_sent = request->state == REQUEST_SENT || request->state == REQUEST_ABANDONED;
        if (request->type == FRAME_WRITE_METADATA && claim != NULL && was_sent) {
            request->survives &= request->state == REQUEST_SENT && !claim->has_unknown;
            claim->has_unknown |= !request->survives;
        }
    }
}

void aside_put(struct cairn_connection *connection)
{
    for (struct claim *claim = connection->client->claims; claim != NULL; claim = claim->next) {
        claim->presenting |= claim->connection == connection;
        claim->has_unknown = false;
    }
    end_survival(connection);
    for (struct request *request = connection->first; request != NULL; request = request->next) {
        if (!request->survives || request->claim == NULL) {
            continue;
        }
        if (request->is_doomed) {
            request->number = 0; /* another has it now, and this one is surely not applied */
        }
        struct frame_out *frame = request->frame;
        if (request->state == REQUEST_HELD) {
            frame_queue_remove(&connection->held, frame);
        } else if (request->state == REQUEST_QUEUED) {
            frame_queue_remove(&connection->transport.out, frame);
        } else if (request->state != REQUEST_SENT || frame == NULL) {
            continue; /* abandoned, or aside since an earlier connection, or metadata whose acceptance is recorded */
        }
        request->is_uncertain |= request->state == REQUEST_SENT;
        request->is_uncertain &= !request->is_doomed;
        request->number = request->is_uncertain ? request->number : 0;
        frame->sent = 0;
        hold_set_again(connection, request);
        request_state_move(&request->state, REQUEST_ASIDE);
    }
}

void aside_hold(struct cairn_connection *connection)
{
    struct frame_queue held = connection->held;
    struct frame_out *frame;
    connection->held = (struct frame_queue){.first = NULL};
    for (struct request *request = connection->first; request != NULL; request = request->next) {
        if (request->state != REQUEST_ASIDE) {
            continue;
        }
        if (request->claim != NULL && request->claim->connection == connection &&
            request->claim->presenting) {
            continue;
        }
        request_state_move(&request->state, REQUEST_HELD);
        frame_queue_push(&connection->held, request->frame);
    }
    while ((frame = frame_queue_pop(&held)) != NULL) {
        frame_queue_push(&connection->held, frame);
    }
}

void aside_give_up(struct cairn_connection *connection, struct request *request, enum cairn_reason reason,
                   const char *why)
{
    struct decoded decoded = {.message = NULL};
    char text[TEXT_BYTES_MAX];
    assert(request->state == REQUEST_ASIDE || request->state == REQUEST_HELD);
    struct cairn_reply reply = {.status = CAIRN_CONFLICT, .text = text, .reason = reason};
    if (request->is_uncertain) {
        reply = (struct cairn_reply){.status = CAIRN_CONNECTION_LOST, .text = text};
    }
    snprintf(text, sizeof text, "%s: %s%s", frame_type_text(request->type),
             request->is_uncertain ? "it may have been applied before the connection was lost: " : "", why);
    request_finish(connection, request, &reply, &decoded);
}

/* Completes a request that was applied before its connection was lost. */
static void say_applied(struct cairn_connection *connection, struct request *request)
{
    struct decoded decoded = {.message = NULL};
    struct cairn_reply reply = {
        .status = CAIRN_OK,
        .text = "",
        .written_through = connection->client->written_through,
        .durable_through = connection->client->durable_through,
        .write = {.level = CAIRN_DURABLE, .repeated = true},
    };
    request_finish(connection, request, &reply, &decoded);
}

/* Whether a numbered write that the daemon applied was sent behind this one, and what that says of it. */
enum behind { BEHIND_NOTHING, BEHIND_CARRIED, BEHIND_METADATA };

static enum behind applied_behind(const struct request *metadata, uint64_t last_number)
{
    enum behind behind = BEHIND_NOTHING;
    for (const struct request *each = metadata->next; each != NULL; each = each->next) {
        bool applied = each->numbered && each->claim == metadata->claim && each->number > 0 &&
                       each->number <= last_number;
        if (applied && each->carries) {
            return BEHIND_CARRIED;
        }
        behind = applied && each->operations > 0 ? BEHIND_METADATA : behind;
    }
    return behind;
}

/* Decides about the metadata writes that are aside on the connection that numbers. */
static void settle_metadata(struct cairn_connection *connection, const struct claim *claim,
                            uint64_t last_number)
{
    struct request *next;
    for (struct request *request = connection->first; request != NULL; request = next) {
        next = request->next;
        if (request->state != REQUEST_ASIDE || request->claim != claim || request->numbered ||
            !request->is_uncertain) {
            continue;
        }
        enum behind behind = applied_behind(request, last_number);
        if (behind == BEHIND_CARRIED) {
            say_applied(connection, request);
        } else if (behind == BEHIND_METADATA) {
            aside_give_up(connection, request, CAIRN_REASON_NONE, "a commit behind it was applied");
        }
    }
}

/* Decides about the numbered writes, in their order: applied, or not. What is not stays aside, unless the claim has ended or one that
 * timed out is missing before it. */
static void settle_numbered(struct cairn_connection *connection, const struct claim *claim,
                            uint64_t last_number)
{
    struct request *next;
    bool missing = false;
    for (struct request *request = connection->first; request != NULL; request = next) {
        next = request->next;
        bool timed_out = request->state == REQUEST_ABANDONED;
        if (request->claim != claim || !request->numbered ||
            (!timed_out && request->state != REQUEST_ASIDE)) {
            continue;
        }
        bool applied = request->number > 0 && request->number <= last_number;
        request->is_uncertain = false;
        if (applied || timed_out) {
            missing |= !applied && !request->is_doomed;
            say_applied(connection, request); /* one that timed out has completed, and only ends here */
        } else if (claim->state == CLAIM_ENDED) {
            aside_give_up(connection, request, CAIRN_REASON_CLAIMED, claim->why);
        } else if (request->overtaken != 0) {
            missing = true;
            aside_give_up(
                connection, request, CAIRN_REASON_NONE,
                "it was refused, and why was lost with the connection: what was sent behind it was accepted");
        } else if (missing || request->is_doomed) {
            aside_give_up(connection, request, CAIRN_REASON_NUMBER,
                          "a write before it was refused, or timed out, and was not applied");
        } else {
            request->number = 0;
        }
    }
}

void aside_settle(struct cairn_connection *connection, const struct claim *claim, uint64_t last_number)
{
    settle_metadata(connection, claim, last_number);
    settle_numbered(connection, claim, last_number);
}
