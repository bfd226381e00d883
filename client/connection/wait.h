/* Waiting for connections, for calls that block. */
#ifndef CLIENT_WAIT_H
#define CLIENT_WAIT_H

#include "client/connection/internal.h"

/* Waits until the connection can go on, for `left_us` at most (NEVER_US: without limit), and processes it; also the client's other
 * connections, if one of them may be sending again what new writes wait for, or waits for the answer to a Claim, which numbered writes
 * wait for. Not in callbacks. */
void connection_wait(struct cairn_connection *connection, uint64_t left_us);

#endif
