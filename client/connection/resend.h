/* Sending kept metadata again to a later run of the daemon. */
#ifndef CLIENT_RESEND_H
#define CLIENT_RESEND_H

#include "client/connection/internal.h"

/* Sends lost writes again on this connection, if there are any and no other connection does. May run on_dropped. */
void resend_pump(struct cairn_connection *connection, uint64_t now);

/* Whether resend_pump() would send now. *ret_wait_us is how long it has to wait, NEVER_US if no time alone makes it send. */
bool resend_wanted(const struct cairn_connection *connection, uint64_t now, uint64_t *ret_wait_us);

/* Takes the answer to a write that was sent again; `sequence` is its new number if the status is CAIRN_OK. */
void resend_answered(struct cairn_connection *connection, struct request *request, enum cairn_status status,
                     enum cairn_reason reason, const char *text, uint64_t sequence);

/* For a connection that is being lost: the writes that it sent again without an answer are lost again. */
void resend_detach(struct cairn_connection *connection);

/* Takes note of a later run, which found the metadata up to `on_disk`: see keep_judge(). Answers to writes under way no longer
 * matter. */
void resend_judge(struct cairn_client *client, uint64_t on_disk);

#endif
