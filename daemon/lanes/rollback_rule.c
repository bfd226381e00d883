/* A rollback is validated by the store before it: first its target, then the state there, then each guard. The first of these that does
 * not hold refuses it. */
#include "daemon/lanes/rollback_rule.h"

#include <assert.h>

enum status rollback_rule_target(const struct chain_marks *marks, uint64_t to, struct failure *failure)
{
    if (to > marks->height) {
        return failure_set_conflict(failure, REASON_HEIGHT, "height %lu is above the chain's height %lu", to,
                                    marks->height);
    }
    if (marks->blocks_pruned > 0 && to <= marks->blocks_pruned) {
        return failure_set_conflict(failure, REASON_PRUNED, "height %lu: blocks up to %lu are pruned", to,
                                    marks->blocks_pruned);
    }
    if (to < marks->states_from) {
        return failure_set_conflict(failure, REASON_PRUNED, "height %lu: states up to %lu are pruned", to,
                                    marks->states_from - 1);
    }
    return STATUS_OK;
}

enum status rollback_rule_no_state(bool has_any, uint64_t to, struct failure *failure)
{
    return has_any ? failure_set_conflict(failure, REASON_NO_STATE,
                                          "there is no state at height %lu, though the chain has some", to)
                   : STATUS_OK;
}

enum status rollback_rule_guard(const struct job_guard *guard, struct metadata_value holds, uint64_t to,
                                bool *ret_is_above, struct failure *failure)
{
    assert(guard->name.bytes > 0); /* the name was decoded: its key is no prefix of others */
    uint64_t number = metadata_number(holds);
    if (holds.present && !metadata_is_number(holds) && !guard->pass_malformed) {
        return failure_set(failure, STATUS_INVALID,
                           "a guard's value has %zu bytes: it is no height of 8 bytes", holds.value.bytes);
    }
    if (number > to && !guard->lower) {
        return failure_set_conflict(failure, REASON_GUARD, "a guard holds height %lu, above the target %lu",
                                    number, to);
    }
    *ret_is_above = number > to;
    return STATUS_OK;
}
