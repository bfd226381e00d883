/* Why a rollback is refused: the one rule of the writer and of dry runs. Pure: values in, a status out.
 *
 * STATUS_OK, or STATUS_CONFLICT or STATUS_INVALID with the reason in `failure`. */
#ifndef DAEMON_ROLLBACK_RULE_H
#define DAEMON_ROLLBACK_RULE_H

#include "daemon/lanes/job.h"

/* The target, by the chain's marks. */
enum status rollback_rule_target(const struct chain_marks *marks, uint64_t to,
                                 struct failure *failure) MUST_CHECK;

/* For a target without a state: refused if the chain has a state at another height (`has_any`). */
enum status rollback_rule_no_state(bool has_any, uint64_t to, struct failure *failure) MUST_CHECK;

/* A guard, by the value of its name. STATUS_OK: *ret_is_above says whether the value is to be lowered. */
enum status rollback_rule_guard(const struct job_guard *guard, struct metadata_value holds, uint64_t to,
                                bool *ret_is_above, struct failure *failure) MUST_CHECK;

#endif
