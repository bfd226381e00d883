/* What the calls of cairn.h, in api/, need of connections. */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include "client/connection/internal.h"

/* cairn_connection_process() for a caller outside callbacks. A loss is not reported by it, and no connection is freed. */
enum cairn_status connection_process(struct cairn_connection *connection, short revents);

/* Frees the connections that callbacks asked to free, but `kept`, if it is not NULL. In a callback it does nothing. What ends here is
 * completed, and that calls back. */
void connection_sweep(struct cairn_client *client, const struct cairn_connection *kept);

/* Completes what was put aside of a lost connection, for nobody waits for the next one. */
void connection_give_up(struct cairn_connection *connection);

/* Completes its requests, and frees it. Not in callbacks. */
void connection_end(struct cairn_connection *connection);

#endif
