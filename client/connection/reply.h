/* What a frame from the daemon does to the connection on which it comes. */
#ifndef CLIENT_REPLY_H
#define CLIENT_REPLY_H

#include "client/connection/internal.h"

/* Takes a frame. False: the connection cannot go on, because the frame breaks the protocol or there is no memory; its failure is
 * set. Runs items and completions. */
bool reply_take(struct cairn_connection *connection, const struct frame_reply *reply,
                const uint8_t *body) MUST_CHECK;

/* Takes the answer to the hello; the connection is ready then. False: the connection cannot be used; its failure is set. */
bool reply_hello(struct cairn_connection *connection, const struct frame_reply *reply,
                 const uint8_t *body) MUST_CHECK;

/* For a connection to a run that has ended, when another connection meets the later run: receives what the ended run still
 * answered, and records what it accepted. No request completes; the connection is superseded. */
void reply_absorb(struct cairn_connection *connection);

#endif
