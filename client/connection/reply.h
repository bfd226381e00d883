/* What a frame from the daemon does to the connection it comes on. */
#ifndef CLIENT_REPLY_H
#define CLIENT_REPLY_H

#include "client/connection/internal.h"

/* Carries out the frame. False: it breaks the protocol, the connection cannot go on; its failure is set. */
bool reply_take(struct cairn_connection *connection, const struct frame_reply *reply,
                const uint8_t *body) MUST_CHECK;

/* The answer to the hello. False: the connection is not to be used; its failure is set. */
bool reply_hello(struct cairn_connection *connection, const struct frame_reply *reply,
                 const uint8_t *body) MUST_CHECK;

/* Another connection has met a later run than this one's: reads what the ended run still answered, and records what it
 * accepted. Nothing is completed; the connection is superseded. */
void reply_absorb(struct cairn_connection *connection);

#endif
