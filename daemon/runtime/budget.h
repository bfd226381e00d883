/* The budget: who may take how much of the memory that clients size. Loop only; the rules stand at the head of budget.c.
 *
 * Nobody else keeps a counter. What holds memory for a client has an account here (a client, a request, a stream), asks
 * before it takes more, and tells what it took and gave back. The fields of an account are the budget's own. */
#ifndef DAEMON_BUDGET_H
#define DAEMON_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/status.h"

enum {
    STREAM_UNSENT_BYTES_MAX = 512 << 10,
    CLIENT_UNREAD_BYTES_MAX = 64 << 10,
    /* of one client with the pool: its other reads wait, so that those of others are not behind them */
    CLIENT_READS_MAX = 4,
};

struct budget;

struct budget_limits {
    uint64_t frame_bytes_max;
    uint64_t requests_bytes_max; /* at least twice frame_bytes_max */
    uint64_t replies_bytes_max;
};

struct budget *budget_new(const struct budget_limits *limits);
/* Another replies_bytes_max from now on. What is held stays, also above it. */
void budget_set_replies_bytes_max(struct budget *budget, uint64_t replies_bytes_max);

void budget_free(struct budget *budget); /* accepts NULL; nobody holds anything any more */

/* ---- a request, from its frame's header to its end ---- */

struct budget_request {
    bool is_write;
    uint64_t body_bytes;
    uint64_t reserved_bytes; /* set aside for its frame */
    uint64_t held_bytes;     /* counted: that, or what it takes */
    bool is_started;
    bool is_extended; /* it may hold what its length allows */
};

enum budget_answer {
    BUDGET_GRANTED,
    BUDGET_WAITS,       /* and those behind it with it */
    BUDGET_PASSED_OVER, /* it waits, and holds up nobody behind it */
};

struct budget_request budget_request_of(bool is_write, uint64_t body_bytes);

/* Whether the request counts as large: room is set aside for it before its body is read. */
bool budget_request_is_large(const struct budget_request *request);

/* Whether no further request may start. */
bool budget_requests_are_full(const struct budget *budget);

/* Sets memory aside for a large request's frame; a small one needs none. */
enum budget_answer budget_request_reserve(struct budget *budget, struct budget_request *request) MUST_CHECK;

/* How much of so many bytes it may hold in all if there are no others; more is too large. */
uint64_t budget_request_bytes_max(const struct budget *budget, const struct budget_request *request,
                                  uint64_t bytes);

/* Asks for room for so many bytes in all, or as many of them as it may hold, for a large request that found too little.
 * BUDGET_GRANTED: it has as much from here on, if it starts at once. */
enum budget_answer budget_request_extend(struct budget *budget, struct budget_request *request,
                                         uint64_t bytes) MUST_CHECK;

/* How much it may hold in all, now that it starts. */
uint64_t budget_request_room(const struct budget *budget, const struct budget_request *request);

/* Counts what the request holds once it has started. A large write keeps at least what was set aside, for its copy in a batch. */
void budget_request_hold(struct budget *budget, struct budget_request *request, uint64_t bytes);

/* The request has ended and holds nothing. */
void budget_request_end(struct budget *budget, struct budget_request *request);

/* ---- a client: its replies, and its reads that are with the pool ---- */

struct budget_client {
    uint64_t replies_bytes;
    uint64_t reads;
    uint64_t reads_bytes;
    bool is_cut; /* the machine had no memory for a reply as large as it might be */
};

void budget_reply_queued(struct budget *budget, struct budget_client *client, uint64_t bytes);
void budget_reply_gone(struct budget *budget, struct budget_client *client, uint64_t bytes);

/* The machine has little memory: nothing joins its replies until those that wait are with the kernel. */
void budget_client_cut(struct budget_client *client);

/* Whether more of what is ready may join its replies; whether it has room for so many bytes yet to be read; and whether
 * another read of that size may be given to the pool. */
bool budget_client_may_send(const struct budget_client *client);
bool budget_client_has_room(const struct budget_client *client, uint64_t bytes);
bool budget_client_may_read(const struct budget_client *client, uint64_t bytes);

void budget_client_read_begins(struct budget_client *client, uint64_t bytes);
void budget_client_read_ends(struct budget_client *client, uint64_t bytes);

/* Whether all replies are at their bound; and whether it leaves so much unread that nothing is read from it meanwhile. */
bool budget_replies_are_full(const struct budget *budget);
bool budget_client_must_pause(const struct budget *budget, const struct budget_client *client);
/* Whether a short answer from memory, of CLIENT_UNREAD_BYTES_MAX at most, may join its replies whatever others hold. */
bool budget_client_may_have_short(const struct budget_client *client);

/* ---- reads ---- */

/* Whether a read may be answered at once, on the loop. */
bool budget_may_answer(const struct budget *budget);

/* Whether the pool may start to read so many bytes; 0 is always allowed. The other two count such a read from its start to its end. */
bool budget_may_read(const struct budget *budget, uint64_t bytes);
void budget_read_begins(struct budget *budget, uint64_t bytes);
void budget_read_ends(struct budget *budget, uint64_t bytes);

/* ---- a stream ---- */

struct budget_stream {
    uint64_t cursor_bytes; /* what its cursor keeps of the queue */
    uint64_t unsent_bytes; /* read, and not yet among the client's replies */
};

/* Whether a stream may open beside `open` others: queue_bytes is what its cursor may keep, and queue_held_bytes what all
 * keep of values that have left the queue. */
bool budget_may_open_stream(const struct budget *budget, uint64_t open, uint64_t queue_bytes,
                            uint64_t queue_held_bytes);

void budget_stream_open(struct budget *budget, struct budget_stream *stream, uint64_t cursor_bytes);
void budget_stream_close(struct budget *budget, struct budget_stream *stream); /* all was sent, or dropped */
bool budget_stream_may_read(const struct budget_stream *stream);
void budget_stream_read(struct budget *budget, struct budget_stream *stream, uint64_t bytes);
void budget_stream_gone(struct budget *budget, struct budget_stream *stream, uint64_t bytes);

/* ---- for the status page ---- */

uint64_t budget_requests_bytes(const struct budget *budget);
uint64_t budget_replies_bytes(const struct budget *budget); /* not yet with the kernel */
uint64_t budget_answers_bytes(const struct budget *budget); /* all that replies_bytes_max is for */

#endif
