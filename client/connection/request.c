/* A request's life:
 *
 * - added with its frame: to the transport if it may go now, else held; before the hello is answered everything is held, and
 *   writes and barriers also while kept metadata is to be sent again
 * - sent when the kernel has its last byte. Before that, whatever ends it, the daemon has not carried it out
 * - finished by its answer, its deadline, or the connection's end; its completion runs then, once
 * - abandoned if its deadline came first and it had been sent: its place is kept until the answer, which nobody hears
 *
 * Ended ones are spare, up to a bound, for those to come: they come and go by the hundred.
 *
 * An id is the number of a slot and how many requests there were, so that a late answer never meets a new request. */
#include "client/connection/request.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/clock.h"

static bool slots_grow(struct cairn_connection *connection)
{
    uint32_t count = connection->slot_count == 0 ? 64 : connection->slot_count * 2;
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

static void request_link(struct cairn_connection *connection, struct request *request)
{
    uint32_t slot = connection->slots_free[--connection->slot_free_count];
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
        connection->in_flight--;
        connection->in_flight_bytes -= request->bytes;
    }
}

static void request_route(struct cairn_connection *connection, struct request *request)
{
    bool settled = connection->client->kept.unsettled == 0 && connection->held.first == NULL;
    if (connection->state == CAIRN_READY && (!request->ordered || settled || request->internal)) {
        frame_queue_push(&connection->transport.out, request->frame);
    } else {
        request->held = true;
        connection->held_unordered += !request->ordered;
        frame_queue_push(&connection->held, request->frame);
    }
}

static struct request *request_new(struct cairn_connection *connection)
{
    struct request *request = connection->spare;
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
    request->next = connection->spare;
    connection->spare = request;
    connection->spare_count++;
}

void request_clear(struct cairn_connection *connection)
{
    struct request *request;
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
    struct request *request = request_new(connection);
    if (request == NULL || (connection->slot_free_count == 0 && !slots_grow(connection))) {
        request_free(connection, request);
        frame_out_free(frame);
        return false;
    }
    *request = *model;
    request->frame = frame;
    request->bytes = frame->bytes;
    request_link(connection, request);
    frame->request = request;
    frame_out_set_id(frame, request->id);
    request_rearm(connection, request);
    request_route(connection, request);
    return true;
}

void request_rearm(struct cairn_connection *connection, struct request *request)
{
    if (request->abandoned) {
        return; /* its time is over for good */
    }
    uint64_t now = request->timeout_us != NEVER_US ? clock_now_us() : 0;
    request->deadline_us = clock_deadline_us(now, request->timeout_us);
    if (request->deadline_us < connection->next_deadline_us) {
        connection->next_deadline_us = request->deadline_us;
    }
}

/* Its frame leaves the queues if the kernel has nothing of it, and goes on alone if it has a part. */
static void request_drop_frame(struct cairn_connection *connection, struct request *request)
{
    struct frame_out *frame = request->frame;
    request->frame = NULL;
    if (frame == NULL) {
        return;
    }
    if (!request->sent && frame->sent > 0) {
        frame->request = NULL;
        return;
    }
    if (request->held) {
        frame_queue_remove(&connection->held, frame);
        connection->held_unordered -= !request->ordered;
    } else if (!request->sent) {
        frame_queue_remove(&connection->transport.out, frame);
    }
    frame_out_free(frame);
}

/* Out of the list, its slot free; accounts for it if it had not completed. */
static void request_unlink(struct cairn_connection *connection, struct request *request)
{
    uint32_t slot = (uint32_t)request->id;
    assert(connection->slots[slot] == request);
    connection->slots[slot] = NULL;
    connection->slots_free[connection->slot_free_count++] = slot;
    *(request->previous != NULL ? &request->previous->next : &connection->first) = request->next;
    *(request->next != NULL ? &request->next->previous : &connection->last) = request->previous;
    if (request->abandoned) {
        connection->abandoned--;
    } else {
        request_account_end(connection, request);
    }
    request_drop_frame(connection, request);
}

static void request_complete(struct cairn_connection *connection, const struct request *request,
                             struct cairn_reply *reply, struct decoded *decoded)
{
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
    request_unlink(connection, request);
    if (!request->abandoned && request->completion != NULL) {
        request_complete(connection, request, reply, decoded);
    }
    decoded_free(decoded);
    free(request->message);
    request_free(connection, request);
}

void request_fail(struct cairn_connection *connection, struct request *request, enum cairn_status status,
                  const char *text)
{
    struct cairn_reply reply = {.status = status, .text = text};
    struct decoded decoded = {.message = NULL};
    request_finish(connection, request, &reply, &decoded);
}

/* Completes a request that has been sent, at least in part, and leaves its place to the answer. */
static void request_abandon(struct cairn_connection *connection, struct request *request, const char *text)
{
    if (!request->sent) {
        request_drop_frame(connection, request);
    }
    if (request->window != 0) {
        if (!request->stopped) {
            request_send_cancel(connection, request);
        }
        request->stopped = true;
        request->message_bytes = 0;
    }
    request->abandoned = true;
    request->deadline_us = NEVER_US;
    connection->abandoned++;
    request_account_end(connection, request);
    if (request->completion != NULL) {
        struct cairn_reply reply = {.status = CAIRN_TIMEOUT, .text = text};
        struct decoded decoded = {.message = NULL};
        request_complete(connection, request, &reply, &decoded);
    }
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
        char text[TEXT_BYTES_MAX];
        bool started = request->sent || request->frame->sent > 0;
        snprintf(text, sizeof text,
                 started ? "%s: no answer within %.3f s" : "%s: could not be sent within %.3f s",
                 frame_type_text(request->type), (double)request->timeout_us / 1e6);
        if (started) {
            request_abandon(connection, request, text);
        } else {
            request_fail(connection, request, CAIRN_NOT_SENT, text);
        }
    }
}

static void send_aside(struct cairn_connection *connection, enum cairn_status encoded,
                       struct frame_out *frame, uint64_t id)
{
    if (encoded == CAIRN_OK) {
        frame_out_set_id(frame, id);
        frame_queue_push(&connection->transport.out, frame);
    }
}

void request_send_credit(struct cairn_connection *connection, struct request *request)
{
    struct encoded encoded;
    enum cairn_status status = encode_credit(request->credit_due, &encoded);
    if (status == CAIRN_OK) {
        send_aside(connection, status, encoded.frame, request->id);
        request->window_left += request->credit_due;
        request->credit_due = 0;
    }
}

void request_send_cancel(struct cairn_connection *connection, struct request *request)
{
    struct encoded encoded;
    enum cairn_status status = encode_empty(FRAME_CANCEL, &encoded);
    if (status == CAIRN_OK) {
        send_aside(connection, status, encoded.frame, request->id);
    }
}

bool request_releasable(const struct cairn_connection *connection)
{
    return connection->state == CAIRN_READY && connection->held.first != NULL &&
           (connection->held_unordered > 0 || connection->client->kept.unsettled == 0);
}

void request_release(struct cairn_connection *connection)
{
    if (!request_releasable(connection)) {
        return;
    }
    bool settled = connection->client->kept.unsettled == 0;
    struct frame_queue waiting = connection->held, refused = {.first = NULL};
    struct frame_out *frame;
    connection->held = (struct frame_queue){.first = NULL};
    while ((frame = frame_queue_pop(&waiting)) != NULL) {
        struct request *request = frame->request;
        if (frame->bytes - FRAME_REQUEST_BYTES > connection->transport.body_bytes_max) {
            frame_queue_push(&refused, frame);
        } else if (request->ordered && !settled) {
            frame_queue_push(&connection->held, frame);
            continue;
        } else {
            frame_queue_push(&connection->transport.out, frame);
        }
        request->held = false;
        connection->held_unordered -= !request->ordered;
    }
    while ((frame = frame_queue_pop(&refused)) != NULL) {
        struct request *request = frame->request;
        char text[TEXT_BYTES_MAX];
        snprintf(text, sizeof text, "%s: %zu bytes, more than the daemon's frames may have (%zu): split it",
                 frame_type_text(request->type), frame->bytes - FRAME_REQUEST_BYTES,
                 connection->transport.body_bytes_max);
        request->frame = NULL;
        frame_out_free(frame);
        request_fail(connection, request, CAIRN_TOO_LARGE, text);
    }
}

void request_collect_sent(struct cairn_connection *connection)
{
    struct frame_out *frame;
    while ((frame = frame_queue_pop(&connection->transport.sent)) != NULL) {
        struct request *request = frame->request;
        if (request != NULL) {
            request->sent = true;
        }
        if (request == NULL || request->type != FRAME_WRITE_METADATA || request->internal) {
            if (request != NULL) {
                request->frame = NULL;
            }
            frame_out_free(frame);
        }
    }
}
