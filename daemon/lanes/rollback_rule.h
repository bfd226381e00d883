/* Why a rollback is refused: the one rule of the writer and of dry runs. Pure: values in, a status out.
 *
 * STATUS_OK, or STATUS_CONFLICT or STATUS_INVALID with the reason in `failure`. */
#ifndef DAEMON_ROLLBACK_RULE_H
#define DAEMON_ROLLBACK_RULE_H

#include "daemon/lanes/job.h"

/* The target, by the chain's marks. */
enum status rollback_rule_target(const struct chain_marks *marks, uint64_t to,
                                 struct failure *failure) MUST_CHECK;

/* That there is no state at the target: `has_any` says whether the chain has one at another height. */
enum status rollback_rule_no_state(bool has_any, uint64_t to, struct failure *failure) MUST_CHECK;

/* A guard, by what its name holds. STATUS_OK: *ret_is_above says whether it is to be lowered. */
enum status rollback_rule_guard(const struct job_guard *guard, struct metadata_value holds, uint64_t to,
                                bool *ret_is_above, struct failure *failure) MUST_CHECK;

#endif
