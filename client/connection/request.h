/* A connection's requests: from the submit to the completion, and beyond it where an answer is still to come. */
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "client/connection/internal.h"
#include "client/message/encode.h"

/* Queues a request made like `model`, with the frame, which is taken. False: no memory, and the frame is freed. */
bool request_add(struct cairn_connection *connection, const struct request *model,
                 struct frame_out *frame) MUST_CHECK;

/* NULL if no request has this id. */
struct request *request_find(const struct cairn_connection *connection, uint64_t id);

/* Ends the request and runs its completion. Frees `decoded`, unless the completion took it. */
void request_finish(struct cairn_connection *connection, struct request *request, struct cairn_reply *reply,
                    struct decoded *decoded);

/* Whether its answer may have come: the daemon has all of it, or refuses it by the part it has. */
bool request_may_be_answered(const struct request *request, bool refused);

/* Frees the frame of one that is sent: nobody needs it again. */
void request_free_frame(struct request *request);

/* Ends it without an answer. */
void request_fail(struct cairn_connection *connection, struct request *request, enum cairn_status status,
                  const char *text);

/* Frees what is kept for requests to come; there are none now, and will be none. */
void request_clear(struct cairn_connection *connection);

/* The connection is being lost: frees the frames that wait to be sent; then completes all, with `unsent` what waited. */
void request_discard_unsent(struct cairn_connection *connection);
void request_fail_all(struct cairn_connection *connection, enum cairn_status unsent, const char *text);

/* Ends those whose time is over. */
void request_expire(struct cairn_connection *connection, uint64_t now);

/* A stream's time runs anew. */
void request_rearm(struct cairn_connection *connection, struct request *request);

/* A stream's caller wants no more. */
void request_stop(struct cairn_connection *connection, struct request *request);

/* Queues a frame of its own for an open stream; one that finds no memory is left out: the stream's time ends it. */
void request_send_credit(struct cairn_connection *connection, struct request *request);

/* Moves what may be sent now from held to the transport. */
void request_release(struct cairn_connection *connection);
bool request_releasable(const struct cairn_connection *connection);

/* Takes back the frames that the kernel has. */
void request_collect_sent(struct cairn_connection *connection);

#endif
