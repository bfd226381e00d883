/* An entry of a journal as a request: by hand, or with libcairn. */
#ifndef TESTS_FAULT_KILL_REQUEST_H
#define TESTS_FAULT_KILL_REQUEST_H

#include "client/cairn.h"
#include "tests/fault/kill_journal.h"
#include "tests/lib/wire.h"

/* Returns the request's id. */
uint64_t request_send(struct wire *wire, const char *chain, const struct entry *entry);

enum cairn_status request_submit(struct cairn_connection *connection, const char *chain,
                                 const struct entry *entry, cairn_completion completed, void *context);

#endif
