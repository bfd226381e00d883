/* Changes: what jobs and groups do to names and to the hash index, as edits. Writer thread only. */
#ifndef DAEMON_CHANGE_H
#define DAEMON_CHANGE_H

#include "daemon/writer/apply_internal.h"

/* What a name holds as of the edits; pruned counts as absent. The value lives until ret_value is released. */
enum status change_read_metadata(struct apply *apply, uint32_t chain, struct slice name,
                                 uint64_t blocks_pruned, struct metadata_value *ret_metadata,
                                 struct engine_value *ret_value, struct failure *failure) MUST_CHECK;

/* Edits the name's value. */
enum status change_metadata(struct apply *apply, uint32_t chain, struct slice name,
                            struct metadata_change change, uint64_t blocks_pruned,
                            struct failure *failure) MUST_CHECK;

/* Edits what the job's own metadata operations do, one after the other. */
enum status change_own_metadata(struct apply *apply, const struct job *job,
                                struct failure *failure) MUST_CHECK;

/* Edits the hash index: the entry goes if it leads to that height. */
enum status change_drop_hash(struct apply *apply, uint32_t chain, struct slice hash, uint64_t height,
                             struct failure *failure) MUST_CHECK;

/* Moves the cursor on. STATUS_OK, STATUS_NOT_FOUND: the end, STATUS_IO_ERROR. */
enum status change_next(struct engine_cursor *cursor, struct slice *ret_key, struct slice *ret_value,
                        struct failure *failure) MUST_CHECK;

/* Says that the store holds something that cannot be understood: STATUS_IO_ERROR. */
enum status change_damaged(struct failure *failure, const char *what, uint32_t chain);

#endif
