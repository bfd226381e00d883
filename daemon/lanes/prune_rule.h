/* Why a prune is refused, and which heights it drops: the one rule of the writer and of dry runs. Pure. */
#ifndef DAEMON_PRUNE_RULE_H
#define DAEMON_PRUNE_RULE_H

#include "daemon/lanes/job.h"

/* By the chain's marks. STATUS_OK, or STATUS_CONFLICT with the reason in `failure`. */
enum status prune_rule(const struct chain_marks *marks, const struct job_prune *prune,
                       struct failure *failure) MUST_CHECK;

/* The heights of blocks, and of states, that it drops, both included. False: none, as they are pruned already or it names none. */
bool prune_rule_blocks(const struct chain_marks *marks, const struct job_prune *prune, uint64_t *ret_first,
                       uint64_t *ret_last) MUST_CHECK;
bool prune_rule_states(const struct chain_marks *marks, const struct job_prune *prune, uint64_t *ret_first,
                       uint64_t *ret_last) MUST_CHECK;

#endif
