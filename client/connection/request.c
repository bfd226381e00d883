/* A request's life (state.h has its states):
 *
 * - added with its frame: queued in the transport if it may be sent now, else held. Everything is held until the hello is
 *   answered; writes and barriers also while kept metadata must be sent again
 * - sent, once the kernel has its last byte. Until then the daemon cannot have carried it out
 * - stopped, if it is a stream that its caller ends early: the daemon is told, and its last frame awaited
 * - abandoned, if its deadline passes when the kernel has a part of it: it completes, and its slot stays taken until its answer
 *   comes, which is discarded
 * - put aside, if it survives the loss of its connection (aside.h); it is held again once the next connection has told of it
 * - ended, by its answer, its deadline or the connection's end; it completes then unless it has completed
 *
 * Ended requests are kept for reuse, up to a bound, since pipelining clients make and end hundreds at a time.
 *
 * An id is a slot's number and a generation, so that a late answer is never taken for the answer to a newer request.
 *
 * Ways to fail: no memory to add a request, after which nothing is added; no memory for a credit, after which the stream stalls
 * until its timeout; no memory for a cancel, after which the stream goes on and its items are discarded. */
#include "client/connection/request.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/clock.h"
#include "client/connection/hold.h"

enum {
    SLOTS_MIN = 64, /* chosen */
};

/* Doubles the slots. False: no memory, and nothing is changed. */
static bool slots_grow(struct cairn_connection *connection)
{
    assert(connection->slot_free_count == 0);
    if (connection->slot_count > UINT32_MAX / 2) {
        return false; /* no id is left, whatever in_flight_max says */
    }
    uint32_t count = connection->slot_count == 0 ? SLOTS_MIN : connection->slot_count * 2;
    struct request **slots = realloc(connection->slots, count * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    connection->slots = slots;
    uint32_t *slots_free = realloc(connection->slots_free, count * sizeof *slots_free);
    if (slots_free == NULL) {
        return false;
    }
    connection->slots_free = slots_free;
    for (uint32_t slot = count; slot > connection->slot_count; slot--) {
        slots[slot - 1] = NULL;
        slots_free[connection->slot_free_count++] = slot - 1;
    }
    connection->slot_count = count;
    return true;
}

struct request *request_find(const struct cairn_connection *connection, uint64_t id)
{
    uint32_t slot = (uint32_t)id;
    struct request *request = slot < connection->slot_count ? connection->slots[slot] : NULL;
    return request != NULL && request->id == id ? request : NULL;
}

/* Gives it a slot and an id, and puts it at the end of the list. */
static void request_link(struct cairn_connection *connection, struct request *request)
{
    assert(connection->slot_free_count > 0);
    uint32_t slot = connection->slots_free[--connection->slot_free_count];
    assert(slot < connection->slot_count && connection->slots[slot] == NULL);
    connection->slots[slot] = request;
    connection->generation = connection->generation == UINT32_MAX ? 1 : connection->generation + 1;
    request->id = (uint64_t)connection->generation << 32 | slot;
    request->previous = connection->last;
    *(connection->last != NULL ? &connection->last->next : &connection->first) = request;
    connection->last = request;
    if (!request->internal) {
        connection->in_flight++;
        connection->in_flight_bytes += request->bytes;
    }
}

static void request_account_end(struct cairn_connection *connection, struct request *request)
{
    if (!request->internal) {
        assert(connection->in_flight > 0 && connection->in_flight_bytes >= request->bytes);
        connection->in_flight--;
        connection->in_flight_bytes -= request->bytes;
    }
}

/* Queues its frame: to be sent, or held. */
static void request_route(struct cairn_connection *connection, struct request *request)
{
    assert(!connection_state_is_lost(connection->state)); /* a lost one takes no requests */
    bool may_go = !request->ordered || request->internal ||
                  (connection->held.first == NULL && hold_may_go(connection, request));
    if (connection->state == CONNECTION_READY && may_go) {
        hold_queue(connection, request);
    } else {
        request_state_move(&request->state, REQUEST_HELD);
        connection->held_unordered += !request->ordered;
        frame_queue_push(&connection->held, request->frame);
    }
}

static struct request *request_new(struct cairn_connection *connection)
{
    struct request *request = connection->spare;
    assert((request == NULL) == (connection->spare_count == 0));
    if (request == NULL) {
        return malloc(sizeof *request);
    }
    connection->spare = request->next;
    connection->spare_count--;
    return request;
}

static void request_free(struct cairn_connection *connection, struct request *request)
{
    if (request == NULL || connection->spare_count >= SPARE_REQUESTS_MAX) {
        free(request);
        return;
    }
    assert(connection->spare != request); /* it is not freed twice */
    request->next = connection->spare;
    connection->spare = request;
    connection->spare_count++;
}

void request_clear(struct cairn_connection *connection)
{
    struct request *request;
    assert(connection->first == NULL && connection->abandoned == 0); /* the slots are in use by none */
    while ((request = connection->spare) != NULL) {
        connection->spare = request->next;
        free(request);
    }
    connection->spare_count = 0;
    free(connection->slots);
    free(connection->slots_free);
}

bool request_add(struct cairn_connection *connection, const struct request *model, struct frame_out *frame)
{
    assert(model->state == REQUEST_NEW && frame->request == NULL);
    struct request *request = request_new(connection);
    if (request == NULL || (connection->slot_free_count == 0 && !slots_grow(connection))) {
        request_free(connection, request);
        frame_out_free(frame);
        return false;
    }
    *request = *model;
    request->frame = frame;
    request->bytes = frame->bytes;
    request->stamp = request->ordered ? ++connection->client->stamp : 0;
    request_link(connection, request);
    frame->request = request;
    frame_out_set_id(frame, request->id);
    request_rearm(connection, request);
    request_route(connection, request);
    return true;
}

void request_rearm(struct cairn_connection *connection, struct request *request)
{
    if (request->state == REQUEST_ABANDONED) {
        return; /* it has timed out and completed */
    }
    assert(request->state != REQUEST_ENDED);
    uint64_t now = request->timeout_us != NEVER_US ? clock_now_us() : 0;
    request->deadline_us = clock_deadline_us(now, request->timeout_us);
    if (request->deadline_us < connection->next_deadline_us) {
        connection->next_deadline_us = request->deadline_us;
    }
}

bool request_may_be_answered(const struct request *request, bool refused)
{
    switch (request->state) {
    case REQUEST_QUEUED:
        assert(request->frame != NULL); /* the transport has it */
        return refused && request->frame->sent > 0;
    case REQUEST_SENT:
    case REQUEST_STOPPED:
    case REQUEST_ABANDONED:
        return true;
    default:
        return false;
    }
}

void request_free_frame(struct request *request)
{
    /* else a queue has the frame */
    assert(request->state != REQUEST_HELD && request->state != REQUEST_QUEUED);
    frame_out_free(request->frame);
    request->frame = NULL;
}

/* Takes its frame out of its queue and frees it. If the kernel has a part of the frame, what remains must follow: the frame stays
 * queued, without a request. */
static void request_drop_frame(struct cairn_connection *connection, struct request *request)
{
    struct frame_out *frame = request->frame;
    request->frame = NULL;
    if (frame == NULL) {
        return;
    }
    assert(frame->request == request);
    if (request->state == REQUEST_HELD) {
        assert(request->ordered || connection->held_unordered > 0);
        frame_queue_remove(&connection->held, frame);
        connection->held_unordered -= !request->ordered;
    } else if (request->state == REQUEST_QUEUED) {
        if (frame->sent > 0) {
            frame->request = NULL;
            return;
        }
        frame_queue_remove(&connection->transport.out, frame);
    }
    frame_out_free(frame);
}

/* Takes it out of the list, frees its slot and its frame, and counts it as no longer in flight. */
static void request_end(struct cairn_connection *connection, struct request *request)
{
    uint32_t slot = (uint32_t)request->id;
    assert(connection->slots[slot] == request && connection->slot_free_count < connection->slot_count);
    connection->slots[slot] = NULL;
    connection->slots_free[connection->slot_free_count++] = slot;
    hold_clear_again(connection, request);
    if (request->type == FRAME_CLAIM && request->state != REQUEST_HELD) {
        assert(request->claim->claiming > 0); /* it was queued */
        request->claim->claiming--;
    }
    *(request->previous != NULL ? &request->previous->next : &connection->first) = request->next;
    *(request->next != NULL ? &request->next->previous : &connection->last) = request->previous;
    if (request->state == REQUEST_ABANDONED) {
        assert(connection->abandoned > 0);
        connection->abandoned--;
    } else {
        request_account_end(connection, request);
    }
    request_drop_frame(connection, request);
    request_state_move(&request->state, REQUEST_ENDED);
}

static void request_complete(struct cairn_connection *connection, const struct request *request,
                             struct cairn_reply *reply, struct decoded *decoded)
{
    assert(connection->delivering == NULL); /* a completion cannot process, so none runs inside another */
    reply->kind = request->kind;
    reply->items = request->items;
    connection->client->in_callback++;
    connection->delivering = decoded;
    request->completion(request->context, reply);
    connection->delivering = NULL;
    connection->client->in_callback--;
}

void request_finish(struct cairn_connection *connection, struct request *request, struct cairn_reply *reply,
                    struct decoded *decoded)
{
    bool completed = request->state == REQUEST_ABANDONED;
    request_end(connection, request);
    if (!completed && request->completion != NULL) {
        request_complete(connection, request, reply, decoded);
    }
    decoded_free(decoded);
    free(request->message);
    request_free(connection, request);
}

void request_fail(struct cairn_connection *connection, struct request *request, enum cairn_status status,
                  const char *text)
{
    assert(status != CAIRN_OK);
    struct cairn_reply reply = {.status = status, .text = text};
    struct decoded decoded = {.message = NULL};
    request_finish(connection, request, &reply, &decoded);
}

/* Whether the daemon cannot have carried it out: it was never sent whole. */
static bool is_unsent(const struct request *request)
{
    bool waits =
        request->state == REQUEST_HELD || request->state == REQUEST_QUEUED || request->state == REQUEST_ASIDE;
    return waits && !request->is_uncertain;
}

void request_discard_unsent(struct cairn_connection *connection)
{
    for (struct request *request = connection->first; request != NULL; request = request->next) {
        if (request->state == REQUEST_HELD || request->state == REQUEST_QUEUED) {
            request->frame = NULL; /* the queues free it */
        }
    }
    frame_queue_clear(&connection->held);
    frame_queue_clear(&connection->transport.out);
    connection->held_unordered = 0;
}

void request_fail_all(struct cairn_connection *connection, bool also_aside, enum cairn_status unsent,
                      const char *text)
{
    struct request *next;
    assert(connection->held.first == NULL && connection->transport.out.first == NULL); /* discarded before */
    for (struct request *request = connection->first; request != NULL; request = next) {
        next = request->next;
        bool aside = request->state == REQUEST_ASIDE ||
                     (request->state == REQUEST_ABANDONED && request->numbered && request->claim != NULL);
        if (also_aside || !aside) {
            request_fail(connection, request, is_unsent(request) ? unsent : CAIRN_CONNECTION_LOST, text);
        }
    }
}

void request_forget_callers(struct cairn_connection *connection)
{
    for (struct request *request = connection->first; request != NULL; request = request->next) {
        request->completion = NULL;
        request->block_item = NULL;
        request->metadata_item = NULL;
    }
}

/* Queues a frame that belongs to an open stream and has no answer. */
static void frame_send_beside(struct cairn_connection *connection, const struct request *request,
                              struct frame_out *frame)
{
    assert(connection->state == CONNECTION_READY || connection->state == CONNECTION_SUPERSEDED);
    frame_out_set_id(frame, request->id);
    frame_queue_push(&connection->transport.out, frame);
}

void request_send_credit(struct cairn_connection *connection, struct request *request)
{
    struct encoded encoded;
    assert(request->window_left + request->credit_due == request->window); /* it becomes whole again */
    if (encode_credit(request->credit_due, &encoded) == CAIRN_OK) {
        frame_send_beside(connection, request, encoded.frame);
        request->window_left += request->credit_due;
        request->credit_due = 0;
    }
}

static void request_send_cancel(struct cairn_connection *connection, const struct request *request)
{
    struct encoded encoded;
    assert(request->window != 0); /* only a stream can be cancelled */
    if (encode_empty(FRAME_CANCEL, &encoded) == CAIRN_OK) {
        frame_send_beside(connection, request, encoded.frame);
    }
}

void request_stop(struct cairn_connection *connection, struct request *request)
{
    request_state_move(&request->state, REQUEST_STOPPED);
    request_send_cancel(connection, request);
}

/* Completes a request of which the kernel has at least a part, or that the daemon may have applied under its number, and keeps its slot
 * for what is still to be learned of it. */
static void request_abandon(struct cairn_connection *connection, struct request *request, const char *text)
{
    assert(!request->internal && request->state != REQUEST_HELD); /* re-sent ones have no deadline */
    if (request->state == REQUEST_QUEUED || request->state == REQUEST_ASIDE) {
        request_drop_frame(connection, request);
    }
    hold_clear_again(connection, request);
    if (request->window != 0) {
        request->message_bytes = 0; /* what else comes of the item is discarded */
        if (request->state != REQUEST_STOPPED) {
            request_send_cancel(connection, request);
        }
    }
    request_state_move(&request->state, REQUEST_ABANDONED);
    request->deadline_us = NEVER_US;
    connection->abandoned++;
    request_account_end(connection, request);
    if (request->completion != NULL) {
        struct cairn_reply reply = {.status = CAIRN_TIMEOUT, .text = text};
        struct decoded decoded = {.message = NULL};
        request_complete(connection, request, &reply, &decoded);
    }
}

/* Ends a request whose deadline has passed. */
static void expire(struct cairn_connection *connection, struct request *request)
{
    char text[TEXT_BYTES_MAX];
    bool queued = request->state == REQUEST_QUEUED;
    bool awaited = request->state == REQUEST_SENT || request->state == REQUEST_STOPPED ||
                   (queued && request->frame->sent > 0) ||
                   (request->state == REQUEST_ASIDE && request->numbered && request->is_uncertain);
    bool unsent = !awaited && is_unsent(request);
    snprintf(text, sizeof text,
             unsent ? "%s: could not be sent within %.3f s" : "%s: no answer within %.3f s",
             frame_type_text(request->type), (double)request->timeout_us / 1e6);
    if (awaited) {
        request_abandon(connection, request, text);
        return;
    }
    if (queued && request->numbered && request->claim != NULL) {
        hold_free_number(connection, request);
    }
    request_fail(connection, request, unsent ? CAIRN_NOT_SENT : CAIRN_TIMEOUT, text);
}

void request_expire(struct cairn_connection *connection, uint64_t now)
{
    if (now < connection->next_deadline_us) {
        return;
    }
    connection->next_deadline_us = NEVER_US;
    struct request *next;
    for (struct request *request = connection->first; request != NULL; request = next) {
        next = request->next;
        if (now < request->deadline_us) {
            if (request->deadline_us < connection->next_deadline_us) {
                connection->next_deadline_us = request->deadline_us;
            }
            continue;
        }
        expire(connection, request);
    }
    assert(connection->next_deadline_us > now); /* what a completion submitted has a later one */
}

void request_collect_sent(struct cairn_connection *connection)
{
    struct frame_out *frame;
    while ((frame = frame_queue_pop(&connection->transport.sent)) != NULL) {
        struct request *request = frame->request;
        assert(frame->sent == frame->bytes);
        if (request != NULL) {
            request_state_move(&request->state, REQUEST_SENT);
        }
        bool keeps = request != NULL && !request->internal &&
                     (request->type == FRAME_WRITE_METADATA || request->survives);
        if (!keeps) {
            if (request != NULL) {
                request->frame = NULL;
            }
            frame_out_free(frame);
        }
    }
}
