/* A prune is validated by the chain's marks before it: it must not drop blocks above the chain's height, nor the state at that height.
 * Only what earlier prunes have left, above the marks, goes with it. */
#include "daemon/lanes/prune_rule.h"

#include <assert.h>

enum status prune_rule(const struct chain_marks *marks, const struct job_prune *prune,
                       struct failure *failure)
{
    if (prune->has_blocks && prune->blocks_through > marks->height) {
        return failure_set_conflict(failure, REASON_HEIGHT,
                                    "blocks up to %lu cannot be pruned: the chain's height is %lu",
                                    prune->blocks_through, marks->height);
    }
    if (prune->has_states && prune->states_through >= marks->height) {
        return failure_set_conflict(
            failure, REASON_HEIGHT,
            "states up to %lu cannot be pruned: the chain's height is %lu, and its state stays",
            prune->states_through, marks->height);
    }
    return STATUS_OK;
}

bool prune_rule_blocks(const struct chain_marks *marks, const struct job_prune *prune, uint64_t *ret_first,
                       uint64_t *ret_last)
{
    if (!prune->has_blocks || prune->blocks_through <= marks->blocks_pruned) {
        return false;
    }
    assert(prune->blocks_through <= marks->height); /* it was judged */
    *ret_first = marks->blocks_pruned + 1;
    *ret_last = prune->blocks_through;
    return true;
}

bool prune_rule_states(const struct chain_marks *marks, const struct job_prune *prune, uint64_t *ret_first,
                       uint64_t *ret_last)
{
    if (!prune->has_states || prune->states_through < marks->states_from) {
        return false;
    }
    assert(prune->states_through < marks->height); /* it was judged: the mark behind it does not wrap */
    *ret_first = marks->states_from;
    *ret_last = prune->states_through;
    return true;
}
