/* Output: reply frames on their way to one peer, in order. Loop only. */
#ifndef DAEMON_OUTPUT_H
#define DAEMON_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "proto/status.h"

enum { GATHER_FRAME_BYTES_MAX = 8 << 10 }; /* frames up to this are copied together; chosen */

struct budget;
struct budget_client;
struct output_chunk;

/* How far frames have come on their way. Two that are equal: the peer has taken nothing in between. */
struct output_progress {
    uint64_t kernel_bytes; /* the kernel took, ever */
    int kernel_queue;      /* what it holds of them, by its own count */
};

struct output {
    /* fixed */
    uv_stream_t *stream;
    struct budget *budget;
    struct budget_client *client; /* whose replies these are: what is queued is counted here */
    void (*sent)(struct output *output, bool failed);
    void *owner; /* of `sent` */
    /* loop only */
    struct output_chunk *first; /* queued, and not with the loop library */
    struct output_chunk *last;
    uint64_t given_bytes; /* to the kernel or the loop library, ever */
    bool is_writing;      /* a write is with the loop library */
    bool is_dropped;
};

/* All pointers are borrowed and outlive it. `sent` is called from the loop, once after each write that the kernel did not take
 * at once; never from inside a call. `failed`: the peer takes no more. */
void output_init(struct output *output, uv_stream_t *stream, struct budget *budget,
                 struct budget_client *client, void (*sent)(struct output *output, bool failed), void *owner);

/* Takes a frame, malloc'ed and of that length. Nothing is written yet. Not after output_drop. */
void output_append(struct output *output, uint8_t *frame, size_t bytes);

/* Room for a small frame, GATHER_FRAME_BYTES_MAX at most, which the caller fills in before its next call here; as output_append
 * otherwise. */
uint8_t *output_place(struct output *output, size_t bytes) MUST_CHECK;

/* Writes what the kernel takes now; the remainder goes out as the kernel takes it. */
void output_flush(struct output *output);

/* Drops what is not yet with the loop library; a write that is there ends by itself. Nothing is appended or flushed after it. */
void output_drop(struct output *output);

/* Whether all has been taken by the kernel, or was dropped. */
bool output_is_empty(const struct output *output);

struct output_progress output_progress(const struct output *output);

#endif
