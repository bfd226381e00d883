/* Streams: answers of many messages, under flow control. Loop only. The requests are in stream_request.c, a stream's life is told
 * in stream.c. */
#ifndef DAEMON_STREAM_H
#define DAEMON_STREAM_H

#include <protobuf-c/protobuf-c.h>

#include "daemon/read/source.h"

struct request;
struct service;
struct session;
struct stream_set;

/* streams_max        how many may be at work, of all sessions together; others wait, oldest first
 * stream_timeout_us  how long one may be without credit before it ends with STATUS_BUSY */
struct stream_set *stream_set_new(struct service *service, uint64_t streams_max, uint64_t stream_timeout_us);
/* Another stream_timeout from now on, also for streams that are open. */
void stream_set_timeout(struct stream_set *streams, uint64_t stream_timeout_us);
void stream_set_free(struct stream_set *streams); /* accepts NULL; none is open or waits any more */

/* How many are open, and how many of them are at work: the others stand for want of credit, or for a client that takes no replies. */
uint64_t stream_count(const struct stream_set *streams);
uint64_t stream_count_at_work(const struct stream_set *streams);

/* Once an iteration of the loop: waiting streams get places while there are any, cursors that were held for long are parked, and
 * streams that were without credit for too long end, and while space on the disk is short all that are as old.
 * Returns in how many microseconds it has something to do if nothing else happens; UINT64_MAX: nothing. */
uint64_t stream_set_iterate(struct stream_set *streams, uint64_t now_us);

/* What a stream is of. Its chain is looked for when it opens: one that waited for long may find that it was dropped. Arrays and slices are
 * borrowed until the request ends: they lie in its message or arena. */
struct stream_kind {
    bool has_chain; /* else it is "default" */
    ProtobufCBinaryData chain;
    struct source *(*make_source)(const struct stream_kind *kind, const struct fetch *fetch,
                                  struct pending *pending);
    struct source_blocks blocks;
    struct source_list list;
    const struct slice *names;
    size_t name_count;
    uint32_t name_parts;
};

/* Answers the request by a stream, which opens now or when there is a place for it. Refuses it if the session has as many streams
 * as it may, or there is no memory. `kind` is copied. `window_bytes` is the first credit, at most WINDOW_BYTES_MAX of it. */
void stream_start(struct request *request, const struct stream_kind *kind, uint64_t window_bytes);

/* Whether a request of that id is a stream of the session, open or waiting. */
bool stream_has_id(const struct session *session, uint64_t id);

/* Gives the stream of that id more credit, up to WINDOW_BYTES_MAX in all; or ends it, with STATUS_OK. Does nothing if there is
 * none of that id: it may have ended meanwhile. */
void stream_add_credit(struct session *session, uint64_t id, uint64_t bytes);
void stream_end(struct session *session, uint64_t id);

/* The session's replies have more room: its streams go on. False: it took longer than until then, and is to be called again. */
bool stream_go_on(struct session *session, uint64_t until_us);

/* Ends the session's streams early, with that status and text as their last frame: at once, or when the step ends that is with the
 * pool. The text is copied. */
void stream_end_all(struct session *session, enum status status, const char *text);

#endif
