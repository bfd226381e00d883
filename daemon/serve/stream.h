/* Streams: answers of many messages, under flow control. Loop only. The requests are in stream_request.c. */
#ifndef DAEMON_STREAM_H
#define DAEMON_STREAM_H

#include "daemon/order/chain.h"
#include "daemon/read/source.h"

struct request;
struct service;
struct session;
struct stream_set;

struct stream_set *stream_set_new(struct service *service, uint64_t streams_max);
void stream_set_free(struct stream_set *streams);

/* Those that are open. */
uint64_t stream_count(const struct stream_set *streams);

/* In each turn of the loop: streams that wait for a place open when there is one, and cursors that were held for long
 * are parked. Returns in how many microseconds at the latest it wants its next turn; UINT64_MAX: no matter. */
uint64_t stream_turn(struct stream_set *streams, uint64_t now_us);

/* What a stream is of. Borrows from its request's message. */
struct stream_kind {
    const struct chain *chain;
    struct source *(*make_source)(const struct stream_kind *kind, const struct fetch *fetch,
                                  struct pending *pending);
    struct source_blocks blocks;
    struct source_list list;
    const struct slice *names;
    size_t name_count;
};

/* Has the request answered by a stream, which opens when there is a place for it; or refuses it. `window_bytes` is its first
 * credit, taken as WINDOW_BYTES_MAX if it is more. */
void stream_start(struct request *request, const struct stream_kind *kind, uint64_t window_bytes);

/* Whether a request of that id is a stream of the session, open or waiting. */
bool stream_has_id(const struct session *session, uint64_t id);

/* More credit for the stream of that id, or its end; nothing if there is none. */
void stream_add_credit(struct session *session, uint64_t id, uint64_t bytes);
void stream_end(struct session *session, uint64_t id);

/* The session's connection can take more: its streams go on. */
void stream_go_on(struct session *session);

/* The session's streams end early: with that status and text as their last frame. */
void stream_end_all(struct session *session, enum status status, const char *text);

#endif
