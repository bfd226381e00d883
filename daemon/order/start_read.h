/* What a start reads of chain 0, before anybody is served. Every call may wait for the disk. */
#ifndef DAEMON_START_READ_H
#define DAEMON_START_READ_H

#include "daemon/engine/engine.h"
#include "daemon/schema/key.h"

/* Sets the failure to what cannot be understood, and returns STATUS_IO_ERROR. */
enum status start_damaged(struct failure *failure, const char *what);

/* STATUS_OK: *ret_value is to be released; STATUS_NOT_FOUND, STATUS_IO_ERROR: it is untouched. */
enum status start_read_key(struct engine *engine, const struct key *key, struct engine_value *ret_value,
                           struct failure *failure) MUST_CHECK;

/* A u64 under a key, 0 if it is not there. `what` names it in the failure. */
enum status start_read_number(struct engine *engine, const struct key *key, const char *what,
                              uint64_t *ret_number, struct failure *failure) MUST_CHECK;

/* Calls `each` for the keys of a kind of chain 0 in their order, until one fails. */
typedef enum status start_each_fn(void *context, struct slice key, struct slice value,
                                  struct failure *failure);
enum status start_read_each(struct engine *engine, enum key_kind kind, start_each_fn *each, void *context,
                            struct failure *failure) MUST_CHECK;

#endif
