/* Reads of a session that wait for room among its replies. Loop only. The requests are in daemon/serve/handlers.h. */
#ifndef DAEMON_READ_H
#define DAEMON_READ_H

struct session;

/* The session's replies have more room: the oldest reads go to the pool, as far as it reaches. */
void read_go_on(struct session *session);

/* The session has closed: reads that wait end unread. Those with the pool are read, and their replies are dropped. */
void read_drop_all(struct session *session);

#endif
