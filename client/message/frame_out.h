/* Frames to send, and queues of them. A frame is one piece of memory, header and body, so that it is sent without a copy. It is
 * in one queue at most. */
#ifndef CLIENT_FRAME_OUT_H
#define CLIENT_FRAME_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

struct request;

struct frame_out {
    struct frame_out *next, *previous;
    struct request *request; /* NULL: a frame without reply, or one whose request has ended */
    size_t bytes;            /* header and body */
    size_t sent;             /* bytes of these that the kernel has */
    uint8_t data[];
};

struct frame_queue {
    struct frame_out *first, *last;
};

enum {
    FRAME_NUMBER_BYTES_MAX = 11, /* of a number's field: a key of one byte and a varint */
};

/* Makes a frame with its header, for a body of `body_bytes`, which the caller writes, with room for a number behind it. NULL: no
 * memory. */
struct frame_out *frame_out_new(uint8_t type, uint64_t id, size_t body_bytes) MUST_CHECK;

/* Frees a frame that is in no queue; NULL is fine. */
void frame_out_free(struct frame_out *frame);

/* Changes the id in the header. No byte of the frame may have been sent. */
void frame_out_set_id(struct frame_out *frame, uint64_t id);

/* Puts a number's field behind the body, in place of one that was put there before. No byte may have been sent. */
void frame_out_set_number(struct frame_out *frame, uint8_t type, uint64_t id, size_t body_bytes,
                          unsigned field, uint64_t number);

/* A queue owns its frames. frame_queue_clear() frees them all; the others hand a frame over. */
void frame_queue_push(struct frame_queue *queue, struct frame_out *frame);
struct frame_out *frame_queue_pop(struct frame_queue *queue); /* NULL if it is empty */
void frame_queue_remove(struct frame_queue *queue, struct frame_out *frame);
void frame_queue_clear(struct frame_queue *queue);

#endif
