/* Drain: a stop that a client asks for, and whose end it is told. The request is kept in the service. The server finds it there in the same
 * iteration, begins to stop as by SIGTERM, and answers it once all that was accepted is written and synced. Loop only. */
#ifndef DAEMON_DRAIN_H
#define DAEMON_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct service;

/* Whether a client has asked the daemon to stop. */
bool drain_is_wanted(const struct service *service);

/* Answers the client, if one has asked: so many writes and connections there were when it did. */
void drain_end(struct service *service, uint64_t operations, uint64_t connections);

#endif
