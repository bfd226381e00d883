/* Output: reply frames on their way to one peer, in order. Small ones are gathered, large ones go as they are, and one
 * write is with the loop library at a time. Loop only. */
#ifndef DAEMON_OUTPUT_H
#define DAEMON_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "proto/status.h"

enum { GATHER_FRAME_BYTES = 8 << 10 }; /* frames up to this are gathered */

struct budget;
struct budget_client;
struct output_chunk;

struct output {
    uv_stream_t *stream;
    struct budget *budget;
    struct budget_client *client; /* whose replies these are: what waits is counted here */
    void (*sent)(struct output *output, bool failed);
    void *owner; /* of `sent` */
    struct output_chunk *first;
    struct output_chunk *last;
    bool is_writing;
    bool is_dropped;
};

/* `sent` is called once after each write that took time, never from inside a call. */
void output_init(struct output *output, uv_stream_t *stream, struct budget *budget,
                 struct budget_client *client, void (*sent)(struct output *output, bool failed), void *owner);

/* Takes a frame (malloc'ed, of that length). Nothing is written yet. */
void output_append(struct output *output, uint8_t *frame, size_t bytes);

/* Room for a small frame, GATHER_FRAME_BYTES at most, to be filled in at once; as output_append otherwise. */
uint8_t *output_place(struct output *output, size_t bytes) MUST_CHECK;

/* Writes what the kernel takes now, and the rest as it does. */
void output_flush(struct output *output);

/* Forgets what is not yet being written. */
void output_drop(struct output *output);

/* Whether nothing waits: all is with the kernel. */
bool output_is_empty(const struct output *output);

#endif
