/* What the calls of cairn.h need of connections. */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include "client/connection/internal.h"

/* cairn_connection_process() without the check whether a callback runs. */
enum cairn_status connection_process(struct cairn_connection *connection, short revents);

/* Frees the connections that callbacks wanted freed. Outside callbacks only. */
void connection_sweep(struct cairn_client *client);

/* Completes what is on it and frees it. */
void connection_end(struct cairn_connection *connection);

#endif
