/* Requests under a claim that outlive their connection: those that are numbered, and metadata at level accepted. They are put aside when it
 * is lost, and go on once the answer to the claim's Present has told what was applied. */
#ifndef CLIENT_ASIDE_H
#define CLIENT_ASIDE_H

#include "client/connection/internal.h"

/* Takes note that metadata was accepted under that sequence number: what was sent before it is judged by now. */
void aside_note_accepted(struct request *metadata, uint64_t sequence);

/* A connection is being lost: puts aside what survives. request_discard_unsent() must follow. */
void aside_put(struct cairn_connection *connection);

/* Makes requests that were aside wait to be sent, in front of all that were held since: those under a claim whose Present is not awaited
 * on this connection. */
void aside_hold(struct cairn_connection *connection);

/* Decides about the claim's requests that are aside on the connection that numbers, whose Present told the last number that was applied. */
void aside_settle(struct cairn_connection *connection, const struct claim *claim, uint64_t last_number);

/* Completes a request that is aside or held and will not be sent again. */
void aside_give_up(struct cairn_connection *connection, struct request *request, enum cairn_reason reason,
                   const char *why);

#endif
