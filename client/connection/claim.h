/* Claims: one writer a chain, and writes that happen once (README: Guarantees, one writer).
 *
 * When a connection's hello is answered the claims are presented, which tells what was applied of what the one before left open (aside.h). */
#ifndef CLIENT_CLAIM_H
#define CLIENT_CLAIM_H

#include "client/connection/internal.h"

/* The client's claim of the chain, for a Claim to be submitted; it is made if there is none. NULL: no memory. */
struct claim *claim_prepare(struct cairn_client *client, struct cairn_slice chain) MUST_CHECK;

/* The client's claim of the chain, held or ended; NULL: it has none. */
struct claim *claim_of(const struct cairn_client *client, struct cairn_slice chain);

/* Whether a write on this connection is numbered. If no connection numbers, this one does from now on. False also without memory to
 * present the claim for it. */
bool claim_numbers(struct cairn_connection *connection, struct claim *claim);

/* Takes note of a success: a Claim is granted, a Release or the drop of a chain ends its claim. */
void claim_succeeded(struct cairn_connection *connection, const struct request *request,
                     const struct decoded *decoded);

/* Takes note of a refusal of a write, and changes the reply where the write may have been applied all the same. False: whether it was is
 * not known; the connection is to be lost, since the next one tells. */
bool claim_refused(struct cairn_connection *connection, struct request *request,
                   struct cairn_reply *reply) MUST_CHECK;

/* A connection's hello was answered: presents the claims on it. False: no memory. */
bool claim_present(struct cairn_connection *connection) MUST_CHECK;

/* When a Present that was refused for now is due again; NEVER_US: none was. And sends it, if it is. False: no memory. */
uint64_t claim_present_due_us(const struct cairn_connection *connection);
bool claim_present_again(struct cairn_connection *connection, uint64_t now) MUST_CHECK;

/* Takes the answer to a Present, and presents the next claim. False: the connection cannot be used. */
bool claim_presented(struct cairn_connection *connection, const struct request *request,
                     enum cairn_status status, const char *text, bool has_last_number,
                     uint64_t last_number) MUST_CHECK;

/* Whether a Claim of the client is not answered: numbered writes on its other connections wait for that. */
bool claims_under_way(const struct cairn_client *client);

/* A connection is freed: it numbers no more. */
void claim_forget_connection(const struct cairn_connection *connection);

/* Frees all claims. No request of the client has one. */
void claim_clear(struct cairn_client *client);

#endif
