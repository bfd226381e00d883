/* When a write may go out, and under which number. Connections lose and find the daemon; a client's writes keep their order all the
 * same.
 *
 * Each write and barrier has a stamp, in the order of the submits. While a write of the past is to be sent again, be it kept metadata
 * (keep.h) or a request that outlived its connection (aside.h), none with a higher stamp goes out, on any connection of the client. */
#ifndef CLIENT_HOLD_H
#define CLIENT_HOLD_H

#include "client/connection/internal.h"

/* The lowest stamp of the client's requests to send again; NO_STAMP: there is none. */
uint64_t hold_again_stamp(const struct cairn_client *client);

/* Whether this write or barrier may go out on the connection, which is ready and holds none before it. */
bool hold_may_go(const struct cairn_connection *connection, const struct request *request);

/* Gives the request, whose frame is in no queue, to the transport. A numbered one gets its number. */
void hold_queue(struct cairn_connection *connection, struct request *request);

/* Puts a request aside that outlives its connection, or takes note that it is not to be sent again any more. */
void hold_set_again(struct cairn_connection *connection, struct request *request);
void hold_clear_again(struct cairn_connection *connection, struct request *request);

/* A numbered request ended before it was sent: the next one gets its number, and so on. */
void hold_free_number(struct cairn_connection *connection, const struct request *request);

/* A numbered request was refused: those that were asked for behind it will be, and the next one after these gets its number. */
void hold_refuse_behind(struct cairn_connection *connection, const struct request *request);

#endif
