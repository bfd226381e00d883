/* Which answers the faults of a round explain, though the model would not give them. */
#include "tests/fault/simulation_oracle.h"

static bool only_deletes(const struct operation *operation)
{
    for (uint32_t i = 0; i < operation->n_edits; i++) {
        if (operation->edits[i].kind != EDIT_DELETE) {
            return false;
        }
    }
    return operation->n_blocks == 0 && operation->n_states == 0 && operation->rise_to == 0;
}

static bool is_refusal_excused(const struct oracle_excuses *excuses, const struct operation *operation,
                               bool is_resent)
{
    switch (operation->kind) {
    case OPERATION_METADATA:
        return excuses->metadata_refused && !only_deletes(operation) && !is_resent;
    case OPERATION_COMMIT:
        return excuses->commits_refused && !only_deletes(operation);
    case OPERATION_CREATE_CHAIN:
        return excuses->commits_refused;
    default:
        return false; /* prunes and rollbacks go on */
    }
}

bool oracle_is_excused(const struct oracle *oracle, const struct call *call)
{
    const struct oracle_excuses *excuses = &oracle->excuses;
    enum status status = call->answer->status;
    if (status == STATUS_SHUTTING_DOWN) {
        return excuses->is_stopping;
    }
    if (operation_is_write(call->operation) || call->operation->kind == OPERATION_BARRIER) {
        bool is_refused = status == STATUS_NO_SPACE || status == STATUS_BUSY;
        bool is_late = status == STATUS_BUSY && oracle->busy_from_us[call - oracle->round.calls] != 0;
        return (is_refused && excuses->engine_refuses) || is_late ||
               (status == STATUS_NO_SPACE && is_refusal_excused(excuses, call->operation, oracle->resends)) ||
               (status == STATUS_DAMAGED && excuses->raises_left_out &&
                !operation_is_commit(call->operation)) ||
               (status == STATUS_DAMAGED && excuses->writer_reads_fail &&
                operation_is_commit(call->operation)) ||
               (status == STATUS_IO_ERROR && excuses->writing_ended);
    }
    bool has_failed = status == STATUS_IO_ERROR || status == STATUS_DAMAGED;
    return (has_failed && excuses->reads_fail) ||
           (status == STATUS_BUSY && operation_is_stream(call->operation) && excuses->streams_late);
}

bool oracle_may_be_refused(const struct oracle *oracle, size_t call)
{
    const struct oracle_excuses *excuses = &oracle->excuses;
    return oracle->busy_from_us[call] != 0 || excuses->engine_refuses || excuses->metadata_refused ||
           excuses->commits_refused || excuses->writer_reads_fail || excuses->is_stopping;
}
