/* Reads of a session that wait for room among its replies. Loop only. The requests are in daemon/serve/handlers.h. */
#ifndef DAEMON_READ_H
#define DAEMON_READ_H

struct session;

/* The session's replies have more room. */
void read_go_on(struct session *session);

/* The session's connection is gone: what waits is not read. */
void read_drop_all(struct session *session);

#endif
