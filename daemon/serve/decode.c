#include "daemon/serve/decode.h"

bool decode_name(struct request *request, ProtobufCBinaryData name)
{
    if (name.len >= 1 && name.len <= METADATA_NAME_BYTES_MAX) {
        return true;
    }
    request_refuse(request, name.len == 0 ? STATUS_INVALID : STATUS_TOO_LARGE,
                   "a metadata name of %zu bytes: it has 1 to %d", name.len, METADATA_NAME_BYTES_MAX);
    return false;
}

/* ---- metadata ---- */

static bool decode_set(struct request *request, const Cairn__MetadataOperation *message, bool queued,
                       struct metadata_operation *operation)
{
    operation->kind = METADATA_SET;
    operation->value = request_slice(message->value);
    operation->of_height = message->has_of_height ? message->of_height : 0;
    if (message->has_of_height && message->of_height == 0) {
        request_refuse(request, STATUS_INVALID, "metadata bound to height 0: heights of blocks are from 1");
        return false;
    }
    if (queued && operation->value.bytes > QUEUED_VALUE_BYTES_MAX) {
        request_refuse(request, STATUS_TOO_LARGE,
                       "a queued value of %zu bytes: at most %d, or send it in a commit",
                       operation->value.bytes, QUEUED_VALUE_BYTES_MAX);
        return false;
    }
    return true;
}

static bool decode_operation(struct request *request, const Cairn__MetadataOperation *message, bool queued,
                             struct metadata_operation *operation)
{
    if (!decode_name(request, message->name)) {
        return false;
    }
    operation->name = request_slice(message->name);
    bool is_set = message->operation_case == CAIRN__METADATA_OPERATION__OPERATION_VALUE;
    if (message->has_of_height && !is_set) {
        request_refuse(request, STATUS_INVALID, "only a set can bind to a height");
        return false;
    }
    switch (message->operation_case) {
    case CAIRN__METADATA_OPERATION__OPERATION_VALUE:
        return decode_set(request, message, queued, operation);
    case CAIRN__METADATA_OPERATION__OPERATION_DELETE:
        if (!message->delete_) {
            request_refuse(request, STATUS_INVALID, "a metadata operation whose delete is false");
            return false;
        }
        operation->kind = METADATA_DELETE;
        return true;
    case CAIRN__METADATA_OPERATION__OPERATION_RAISE:
        operation->kind = METADATA_RAISE;
        operation->raise = message->raise;
        return true;
    default:
        request_refuse(request, STATUS_INVALID, "a metadata operation that is no set, delete or raise");
        return false;
    }
}

bool decode_metadata(struct request *request, Cairn__MetadataOperation *const *messages, size_t count,
                     bool queued, struct decoded_metadata *ret_metadata)
{
    struct metadata_operation *operations = NULL;
    if (count > 0) {
        operations = request_memory(request, count * sizeof operations[0]);
        if (operations == NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!decode_operation(request, messages[i], queued, &operations[i])) {
            return false;
        }
    }
    *ret_metadata = (struct decoded_metadata){operations, count};
    return true;
}

static bool decode_job(struct request *request, bool has_level, Cairn__Level level, bool has_deadline,
                       uint64_t deadline_us, Cairn__MetadataOperation *const *metadata, size_t metadata_count,
                       struct job *job)
{
    job->level = has_level && level != CAIRN__LEVEL__LEVEL_DURABLE ? LEVEL_WRITTEN : LEVEL_DURABLE;
    request_set_deadline(request, has_deadline ? deadline_us : 0);
    struct decoded_metadata decoded;
    if (!decode_metadata(request, metadata, metadata_count, false, &decoded)) {
        return false;
    }
    job->metadata = decoded.operations;
    job->metadata_count = decoded.count;
    return true;
}

/* ---- commit ---- */

static bool decode_block(struct request *request, const Cairn__Block *message, struct job_block *block)
{
    if (!message->has_height || message->height == 0) {
        request_refuse(request, STATUS_INVALID, "a block without a height: heights are from 1");
        return false;
    }
    if (message->has_hash && (message->hash.len < 1 || message->hash.len > HASH_BYTES_MAX)) {
        request_refuse(request, STATUS_INVALID, "block %lu: a hash of %zu bytes: it has 1 to %d",
                       message->height, message->hash.len, HASH_BYTES_MAX);
        return false;
    }
    *block = (struct job_block){
        .height = message->height,
        .header = request_slice(message->header),
        .data = request_slice(message->data),
        .signature = request_slice(message->signature),
        .hash = message->has_hash ? request_slice(message->hash) : slice_of(NULL, 0),
    };
    return true;
}

static bool decode_blocks(struct request *request, const Cairn__Commit *message, struct job_commit *commit)
{
    if (message->n_blocks == 0) {
        return true;
    }
    struct job_block *blocks = request_memory(request, message->n_blocks * sizeof blocks[0]);
    if (blocks == NULL) {
        return false;
    }
    for (size_t i = 0; i < message->n_blocks; i++) {
        if (!decode_block(request, message->blocks[i], &blocks[i])) {
            return false;
        }
    }
    commit->blocks = blocks;
    commit->block_count = message->n_blocks;
    return true;
}

static bool decode_states(struct request *request, const Cairn__Commit *message, struct job_commit *commit)
{
    if (message->n_states == 0) {
        return true;
    }
    struct job_state *states = request_memory(request, message->n_states * sizeof states[0]);
    if (states == NULL) {
        return false;
    }
    for (size_t i = 0; i < message->n_states; i++) {
        if (!message->states[i]->has_height) {
            request_refuse(request, STATUS_INVALID, "a state without a height");
            return false;
        }
        states[i] = (struct job_state){message->states[i]->height, request_slice(message->states[i]->value)};
    }
    commit->states = states;
    commit->state_count = message->n_states;
    return true;
}

bool decode_commit(struct request *request, const Cairn__Commit *message, struct job *job)
{
    job->kind = JOB_COMMIT;
    job->commit = (struct job_commit){
        .delete_states = message->delete_states,
        .delete_state_count = message->n_delete_states,
        .rise_to = message->has_rise_to ? message->rise_to : 0,
        .has_expected_height = message->has_expected_height,
        .expected_height = message->expected_height,
    };
    return decode_job(request, message->has_level, message->level, message->has_deadline_us,
                      message->deadline_us, message->metadata, message->n_metadata, job) &&
           decode_blocks(request, message, &job->commit) && decode_states(request, message, &job->commit);
}

/* ---- prune and rollback ---- */

bool decode_prune(struct request *request, const Cairn__Prune *message, struct job *job)
{
    if (message->has_blocks_through && message->blocks_through == 0) {
        request_refuse(request, STATUS_INVALID, "blocks up to 0 cannot be pruned: heights are from 1");
        return false;
    }
    job->kind = JOB_PRUNE;
    job->prune = (struct job_prune){
        .has_blocks = message->has_blocks_through,
        .blocks_through = message->blocks_through,
        .has_states = message->has_states_through,
        .states_through = message->states_through,
    };
    return decode_job(request, message->has_level, message->level, message->has_deadline_us,
                      message->deadline_us, message->metadata, message->n_metadata, job);
}

static bool decode_guards(struct request *request, const Cairn__Rollback *message,
                          struct job_rollback *rollback)
{
    if (message->n_guards == 0) {
        return true;
    }
    struct job_guard *guards = request_memory(request, message->n_guards * sizeof guards[0]);
    if (guards == NULL) {
        return false;
    }
    for (size_t i = 0; i < message->n_guards; i++) {
        const Cairn__Guard *guard = message->guards[i];
        if (!decode_name(request, guard->name)) {
            return false;
        }
        guards[i] = (struct job_guard){request_slice(guard->name), guard->has_lower && guard->lower};
    }
    rollback->guards = guards;
    rollback->guard_count = message->n_guards;
    return true;
}

bool decode_rollback(struct request *request, const Cairn__Rollback *message, struct job *job)
{
    if (!message->has_to) {
        request_refuse(request, STATUS_INVALID, "a rollback without the height to go back to");
        return false;
    }
    job->kind = JOB_ROLLBACK;
    job->rollback = (struct job_rollback){
        .to = message->to,
        .dry_run = message->has_dry_run && message->dry_run,
    };
    return decode_job(request, message->has_level, message->level, message->has_deadline_us,
                      message->deadline_us, message->metadata, message->n_metadata, job) &&
           decode_guards(request, message, &job->rollback);
}
