/* What the calls of cairn.h need of connections, and what connections need of the files that know replies and
 * re-sending. */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include "client/connection/internal.h"

/* Remembers a failure and returns its status. */
enum cairn_status connection_failed(struct cairn_connection *connection, enum cairn_status status,
                                    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* cairn_connection_process() without the check whether a callback runs. */
enum cairn_status connection_process(struct cairn_connection *connection, short revents);

/* Frees the connections that callbacks wanted freed. Outside callbacks only. */
void connection_sweep(struct cairn_client *client);

/* Completes what is on it and frees it. */
void connection_end(struct cairn_connection *connection);

/* ---- reply.c ---- */

/* Carries out the frame. False: it breaks the protocol, the connection cannot go on; its failure is set. */
bool reply_take(struct cairn_connection *connection, const struct frame_reply *reply,
                const uint8_t *body) MUST_CHECK;

/* The answer to the hello. False: the connection is not to be used; its failure is set. */
bool reply_hello(struct cairn_connection *connection, const struct frame_reply *reply,
                 const uint8_t *body) MUST_CHECK;

/* Another connection has met a later run than this one's: reads what the ended run still answered, and records what it
 * accepted. Nothing is completed; the connection is doomed. */
void reply_absorb(struct cairn_connection *connection);

/* ---- resend.c ---- */

/* Sends kept metadata again on this connection, if there is any, it may, and nobody else does. */
void resend_pump(struct cairn_connection *connection, uint64_t now);

/* Whether resend_pump() would send; *ret_wait_us is how long until it would, NEVER_US if not for time alone. */
bool resend_wanted(const struct cairn_connection *connection, uint64_t now, uint64_t *ret_wait_us);

/* The answer to one of its requests, `sequence` if the status is OK. */
void resend_answered(struct cairn_connection *connection, struct request *request, enum cairn_status status,
                     const char *text, uint64_t sequence);

/* The connection is lost: what it had sent again and was not answered is lost again. */
void resend_detach(struct cairn_connection *connection);

/* A later run was met by `connection`: what is kept is judged, and all re-sending under way is void. */
void resend_judge(struct cairn_client *client, uint64_t on_disk);

#endif
