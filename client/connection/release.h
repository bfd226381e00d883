/* Which held requests may go out, and what the daemon takes. */
#ifndef CLIENT_RELEASE_H
#define CLIENT_RELEASE_H

#include "client/connection/internal.h"

/* Whether the daemon, whose hello was answered, takes the request with a body of that length. CAIRN_OK; CAIRN_TOO_LARGE; CAIRN_UNSUPPORTED:
 * it would take it for something else. */
enum cairn_status request_fits(const struct cairn_connection *connection, const struct request *request,
                               size_t body_bytes, struct failure *failure);

/* Queues the held requests that may be sent now, and ends those that the daemon does not take. */
void request_release(struct cairn_connection *connection);

/* Whether request_release() would queue any. */
bool request_releasable(const struct cairn_connection *connection);

#endif
