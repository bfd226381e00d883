/* Sending kept metadata again to a later run. */
#ifndef CLIENT_RESEND_H
#define CLIENT_RESEND_H

#include "client/connection/internal.h"

/* Sends kept metadata again on this connection, if there is any, it may, and nobody else does. */
void resend_pump(struct cairn_connection *connection, uint64_t now);

/* Whether resend_pump() would send; *ret_wait_us is how long until it would, NEVER_US if not for time alone. */
bool resend_wanted(const struct cairn_connection *connection, uint64_t now, uint64_t *ret_wait_us);

/* The answer to one of its requests, `sequence` if the status is OK. */
void resend_answered(struct cairn_connection *connection, struct request *request, enum cairn_status status,
                     const char *text, uint64_t sequence);

/* The connection is lost: what it had sent again and was not answered is lost again. */
void resend_detach(struct cairn_connection *connection);

/* A later run was met by `connection`: what is kept is judged, and all re-sending under way is void. */
void resend_judge(struct cairn_client *client, uint64_t on_disk);

#endif
