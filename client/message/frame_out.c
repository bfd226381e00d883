/* A frame's life:
 *
 * - made for a body of known length, which its maker then writes
 * - given an id, and pushed to a queue; the queue owns it
 * - popped or removed by the queue's user, who frees it or pushes it to the next queue
 *
 * The one way to fail is that there is no memory to make it. */
#include "client/message/frame_out.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/huge_pages.h"
#include "proto/wire.h"

struct frame_out *frame_out_new(uint8_t type, uint64_t id, size_t body_bytes)
{
    assert(body_bytes <= UINT32_MAX);
    struct frame_out *frame =
        malloc(sizeof *frame + FRAME_REQUEST_BYTES + body_bytes + FRAME_NUMBER_BYTES_MAX);
    if (frame == NULL) {
        return NULL;
    }
    huge_pages_prefer(frame, sizeof *frame + FRAME_REQUEST_BYTES + body_bytes);
    *frame = (struct frame_out){.bytes = FRAME_REQUEST_BYTES + body_bytes};
    const struct frame_request header = {.type = type, .body_bytes = (uint32_t)body_bytes, .id = id};
    frame_request_encode(&header, frame->data);
    return frame;
}

void frame_out_free(struct frame_out *frame)
{
    assert(frame == NULL || (frame->next == NULL && frame->previous == NULL)); /* no queue has it */
    free(frame);
}

void frame_out_set_id(struct frame_out *frame, uint64_t id)
{
    assert(frame->sent == 0); /* the header with the id has not left */
    frame_request_set_id(id, frame->data);
}

void frame_out_set_number(struct frame_out *frame, uint8_t type, uint64_t id, size_t body_bytes,
                          unsigned field, uint64_t number)
{
    uint8_t *body = frame->data + FRAME_REQUEST_BYTES;
    assert(frame->sent == 0 && field <= FIELD_ID_SHORT_MAX); /* its key has one byte */
    size_t number_bytes = (size_t)(number_field_put(body + body_bytes, field, number) - (body + body_bytes));
    assert(number_bytes <= FRAME_NUMBER_BYTES_MAX);
    frame->bytes = FRAME_REQUEST_BYTES + body_bytes + number_bytes;
    const struct frame_request header = {
        .type = type, .body_bytes = (uint32_t)(body_bytes + number_bytes), .id = id};
    frame_request_encode(&header, frame->data);
}

void frame_queue_push(struct frame_queue *queue, struct frame_out *frame)
{
    /* no other queue has it */
    assert(frame->next == NULL && frame->previous == NULL && queue->last != frame);
    assert((queue->first == NULL) == (queue->last == NULL));
    frame->previous = queue->last;
    *(queue->last != NULL ? &queue->last->next : &queue->first) = frame;
    queue->last = frame;
}

void frame_queue_remove(struct frame_queue *queue, struct frame_out *frame)
{
    assert(frame->previous != NULL || queue->first == frame); /* it is this queue that has it */
    assert(frame->next != NULL || queue->last == frame);
    *(frame->previous != NULL ? &frame->previous->next : &queue->first) = frame->next;
    *(frame->next != NULL ? &frame->next->previous : &queue->last) = frame->previous;
    frame->next = frame->previous = NULL;
}

struct frame_out *frame_queue_pop(struct frame_queue *queue)
{
    struct frame_out *frame = queue->first;
    assert((frame == NULL) == (queue->last == NULL));
    if (frame != NULL) {
        frame_queue_remove(queue, frame);
    }
    return frame;
}

void frame_queue_clear(struct frame_queue *queue)
{
    struct frame_out *frame;
    while ((frame = frame_queue_pop(queue)) != NULL) {
        frame_out_free(frame);
    }
    assert(queue->last == NULL);
}
