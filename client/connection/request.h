/* A connection's requests, from the submit to the completion, and beyond it while a late answer may still come. */
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "client/connection/internal.h"
#include "client/message/encode.h"

/* Adds a request that is a copy of `model`, and takes its frame. False: no memory, and the frame is freed. */
bool request_add(struct cairn_connection *connection, const struct request *model,
                 struct frame_out *frame) MUST_CHECK;

/* The request with this id; NULL: there is none. */
struct request *request_find(const struct cairn_connection *connection, uint64_t id);

/* Ends the request with its answer, and runs its completion. Frees what `decoded` still has then. */
void request_finish(struct cairn_connection *connection, struct request *request, struct cairn_reply *reply,
                    struct decoded *decoded);

/* Whether an answer to it is possible: the daemon has all of it, or has a part and refuses it. */
bool request_may_be_answered(const struct request *request, bool refused);

/* Frees the frame of a request that was sent. */
void request_free_frame(struct request *request);

/* Ends it without an answer, and runs its completion with a status that is not CAIRN_OK. */
void request_fail(struct cairn_connection *connection, struct request *request, enum cairn_status status,
                  const char *text);

/* Frees spare requests and slots. There must be no requests; none can be added after it. */
void request_clear(struct cairn_connection *connection);

/* For a connection that is being lost: frees the frames that are not sent. request_fail_all() must follow. */
void request_discard_unsent(struct cairn_connection *connection);

/* Completes all requests but, unless `also_aside`, those that survive: with `unsent` those that were not sent, else with
 * CAIRN_CONNECTION_LOST. */
void request_fail_all(struct cairn_connection *connection, bool also_aside, enum cairn_status unsent,
                      const char *text);

/* From now on requests complete without telling their callers. */
void request_forget_callers(struct cairn_connection *connection);

/* Completes the requests whose deadline has passed. */
void request_expire(struct cairn_connection *connection, uint64_t now);

/* Starts the timeout anew, as each item of a stream does. */
void request_rearm(struct cairn_connection *connection, struct request *request);

/* Ends a stream early, because its caller returned false. */
void request_stop(struct cairn_connection *connection, struct request *request);

/* Gives an open stream back the window that it has used. Without memory it sends nothing; the stream's timeout ends it then. */
void request_send_credit(struct cairn_connection *connection, struct request *request);

/* Moves the requests whose frames the kernel has to their next state. */
void request_collect_sent(struct cairn_connection *connection);

#endif
