/* The life of a decoded write:
 *
 * - Its message was unpacked into the request's arena, so that each field has its type; what the fields say is checked here.
 * - Its arrays come from the same arena and are filled in, in the order of the message.
 * - The handler hands the values to the order. They and the message stay until the request ends.
 *
 * The first field that is wrong ends decoding, and the failure names it and its bound. The arena keeps what it gave out, and
 * the handler refuses the request with that failure; the store has not been looked at, and nothing was applied. */
#include "daemon/serve/decode.h"

#include <assert.h>

#include "daemon/read/fetch.h"
#include "daemon/runtime/thread.h"
#include "proto/wire.h"

enum {
    /* What a write of one value takes in a frame beside that: the longest names of chain and metadata, four lengths and four
     * numbers with their keys. */
    BESIDE_VALUE_BYTES_MAX =
        CHAIN_NAME_BYTES_MAX + METADATA_NAME_BYTES_MAX + 4 * (1 + 5) + 4 * (1 + VARINT_BYTES_MAX),
};

/* What is decoded takes no more memory than its message, so that a request that was unpacked into half of an arena has room. */
static_assert(sizeof(struct metadata_operation) <= sizeof(Cairn__MetadataOperation), "of an operation");
static_assert(sizeof(struct job_block) <= sizeof(Cairn__Block), "of a block");
static_assert(sizeof(struct job_state) <= sizeof(Cairn__State), "of a state");
static_assert(sizeof(struct job_guard) <= sizeof(Cairn__Guard), "of a guard");

static_assert(FRAME_BYTES_MIN > 2 * BESIDE_VALUE_BYTES_MAX, "each frame has room for a value");

enum status decode_name(ProtobufCBinaryData name, struct failure *failure)
{
    static_assert(METADATA_NAME_BYTES_MAX <= UINT16_MAX, "a key holds any name that passes");
    if (name.len >= 1 && name.len <= METADATA_NAME_BYTES_MAX) {
        return STATUS_OK;
    }
    return failure_set(failure, name.len == 0 ? STATUS_INVALID : STATUS_TOO_LARGE,
                       "a metadata name of %zu bytes: it has 1 to %d", name.len, METADATA_NAME_BYTES_MAX);
}

enum status decode_parts(bool has_parts, uint32_t parts, uint32_t *ret_parts, struct failure *failure)
{
    if (has_parts && !fetch_metadata_parts_are_valid(parts)) {
        return failure_set(failure, STATUS_INVALID, "parts = %u names a part that no metadata has", parts);
    }
    *ret_parts = has_parts ? parts : fetch_metadata_parts_default();
    return STATUS_OK;
}

/* ---- metadata ---- */

uint64_t decode_value_bytes_max(uint64_t frame_bytes_max, uint64_t queue_bytes_max)
{
    uint64_t bytes = frame_bytes_max < queue_bytes_max ? frame_bytes_max : queue_bytes_max;
    assert(bytes > BESIDE_VALUE_BYTES_MAX); /* the settings' minima are larger */
    bytes -= BESIDE_VALUE_BYTES_MAX;
    return bytes < QUEUED_VALUE_BYTES_MAX ? bytes : QUEUED_VALUE_BYTES_MAX;
}

static enum status decode_set(const Cairn__MetadataOperation *message, uint64_t value_bytes_max,
                              struct metadata_operation *operation, struct failure *failure)
{
    /* which member of the union it is */
    assert(message->operation_case == CAIRN__METADATA_OPERATION__OPERATION_VALUE);
    operation->kind = METADATA_SET;
    operation->value = request_slice(message->value);
    operation->of_height = message->has_of_height ? message->of_height : 0;
    if (message->has_of_height && message->of_height == 0) {
        return failure_set(failure, STATUS_INVALID,
                           "metadata bound to height 0: heights of blocks are from 1");
    }
    if (operation->value.bytes > value_bytes_max) {
        return failure_set(failure, STATUS_TOO_LARGE,
                           "a queued value of %zu bytes: at most %lu, or send it in a commit",
                           operation->value.bytes, value_bytes_max);
    }
    return STATUS_OK;
}

static enum status decode_range(const Cairn__MetadataOperation *message, enum decode_place place,
                                struct metadata_operation *operation, struct failure *failure)
{
    const Cairn__NameRange *range = message->delete_range;
    if (place != DECODE_COMMIT) {
        return failure_set(failure, STATUS_INVALID, "only a commit can delete a range of names");
    }
    if (message->has_name || message->has_of_height) {
        return failure_set(failure, STATUS_INVALID,
                           "a range of names to delete has neither a name nor a height besides");
    }
    if (range->from.len > METADATA_NAME_BYTES_MAX || range->to.len > METADATA_NAME_BYTES_MAX) {
        return failure_set(failure, STATUS_TOO_LARGE,
                           "a range of names from one of %zu bytes to one of %zu bytes: at most %d",
                           range->from.len, range->to.len, METADATA_NAME_BYTES_MAX);
    }
    operation->kind = METADATA_DELETE_RANGE;
    operation->name = request_slice(range->from);
    operation->has_to = range->has_to;
    operation->to = request_slice(range->to);
    if (range->has_from && range->has_to && slice_compare(operation->name, operation->to) >= 0) {
        return failure_set(failure, STATUS_INVALID, "a range of names ends before, or where, it begins");
    }
    return STATUS_OK;
}

static enum status decode_operation(const Cairn__MetadataOperation *message, enum decode_place place,
                                    uint64_t value_bytes_max, struct metadata_operation *operation,
                                    struct failure *failure)
{
    assert(operation->of_height == 0); /* fresh from the arena: only a set binds it */
    if (message->operation_case == CAIRN__METADATA_OPERATION__OPERATION_DELETE_RANGE) {
        return decode_range(message, place, operation, failure);
    }
    if (decode_name(message->name, failure) != STATUS_OK) {
        return failure->status;
    }
    operation->name = request_slice(message->name);
    bool is_set = message->operation_case == CAIRN__METADATA_OPERATION__OPERATION_VALUE;
    if (message->has_of_height && !is_set) {
        return failure_set(failure, STATUS_INVALID, "only a set can bind to a height");
    }
    switch (message->operation_case) {
    case CAIRN__METADATA_OPERATION__OPERATION_VALUE:
        return decode_set(message, value_bytes_max, operation, failure);
    case CAIRN__METADATA_OPERATION__OPERATION_DELETE:
        if (!message->delete_) {
            return failure_set(failure, STATUS_INVALID,
                               "a metadata operation whose delete is false: leave it out");
        }
        operation->kind = METADATA_DELETE;
        return STATUS_OK;
    case CAIRN__METADATA_OPERATION__OPERATION_RAISE:
        operation->kind = METADATA_RAISE;
        operation->raise = message->raise;
        return STATUS_OK;
    default:
        return failure_set(
            failure, STATUS_INVALID,
            "a metadata operation is a set, a delete, a raise or a range to delete: none is given");
    }
}

enum status decode_operations(const struct request *request, Cairn__MetadataOperation *const *messages,
                              size_t count, enum decode_place place,
                              struct metadata_operation *ret_operations, size_t *ret_range_count,
                              struct failure *failure)
{
    uint64_t value_bytes_max = place == DECODE_QUEUED ? request->service->value_bytes_max : UINT64_MAX;
    size_t range_count = 0;
    assert(count == 0 || (messages != NULL && ret_operations != NULL));
    for (size_t i = 0; i < count; i++) {
        if (decode_operation(messages[i], place, value_bytes_max, &ret_operations[i], failure) != STATUS_OK) {
            return failure->status;
        }
        range_count += ret_operations[i].kind == METADATA_DELETE_RANGE;
    }
    if (range_count > DELETE_RANGES_MAX) {
        return failure_set(failure, STATUS_TOO_LARGE, "a commit that deletes %zu ranges of names: at most %d",
                           range_count, DELETE_RANGES_MAX);
    }
    *ret_range_count = range_count;
    return STATUS_OK;
}

enum status decode_metadata(struct request *request, Cairn__MetadataOperation *const *messages, size_t count,
                            enum decode_place place, struct decoded_metadata *ret_metadata,
                            struct failure *failure)
{
    struct metadata_operation *operations = NULL;
    size_t range_count;
    assert(count <= SIZE_MAX / sizeof operations[0]); /* the product is a size */
    if (count > 0) {
        operations = request_memory(request, count * sizeof operations[0], failure);
        if (operations == NULL) {
            return failure->status;
        }
    }
    if (decode_operations(request, messages, count, place, operations, &range_count, failure) != STATUS_OK) {
        return failure->status;
    }
    *ret_metadata = (struct decoded_metadata){operations, count, range_count};
    return STATUS_OK;
}

/* What commit, prune and rollback have in common. None of them is answered before it is written. */
static enum status decode_job(struct request *request, bool has_level, Cairn__Level level,
                              Cairn__MetadataOperation *const *metadata, size_t metadata_count,
                              struct job *job, struct failure *failure)
{
    assert(job->metadata_count == 0 && job->sequence == 0); /* the order has not had it */
    job->level = has_level && level != CAIRN__LEVEL__LEVEL_DURABLE ? LEVEL_WRITTEN : LEVEL_DURABLE;
    struct decoded_metadata decoded;
    enum decode_place place = job->kind == JOB_COMMIT ? DECODE_COMMIT : DECODE_OTHER;
    if (decode_metadata(request, metadata, metadata_count, place, &decoded, failure) != STATUS_OK) {
        return failure->status;
    }
    if (job->kind == JOB_COMMIT) {
        job->commit.deletes_names = decoded.range_count > 0;
    }
    job->metadata = decoded.operations;
    job->metadata_count = decoded.count;
    return STATUS_OK;
}

static enum status decode_number(bool has_number, uint64_t number, bool is_dry_run, struct job *job,
                                 struct failure *failure)
{
    assert(job->number == 0); /* 0 stands for none */
    if (has_number && number == 0) {
        return failure_set(failure, STATUS_INVALID, "number 0: the numbers of writes are from 1");
    }
    if (has_number && is_dry_run) {
        return failure_set(failure, STATUS_INVALID, "a dry run with a number: it is no write");
    }
    job->number = has_number ? number : 0;
    return STATUS_OK;
}

/* ---- commit ---- */

static enum status decode_block(const Cairn__Block *message, struct job_block *block, struct failure *failure)
{
    static_assert(HASH_BYTES_MAX <= UINT8_MAX, "a record's header holds the length of any hash that passes");
    if (!message->has_height || message->height == 0) {
        return failure_set(failure, STATUS_INVALID, "a block without a height: heights are from 1");
    }
    if (message->has_hash && (message->hash.len < 1 || message->hash.len > HASH_BYTES_MAX)) {
        return failure_set(failure, STATUS_INVALID, "block %lu: a hash of %zu bytes: it has 1 to %d",
                           message->height, message->hash.len, HASH_BYTES_MAX);
    }
    *block = (struct job_block){
        .height = message->height,
        .header = request_slice(message->header),
        .data = request_slice(message->data),
        .signature = request_slice(message->signature),
        .hash = message->has_hash ? request_slice(message->hash) : slice_of(NULL, 0),
    };
    return STATUS_OK;
}

static enum status decode_blocks(struct request *request, const Cairn__Commit *message,
                                 struct job_commit *commit, struct failure *failure)
{
    if (message->n_blocks == 0) {
        return STATUS_OK;
    }
    assert(message->blocks != NULL && message->n_blocks <= SIZE_MAX / sizeof(struct job_block));
    struct job_block *blocks = request_memory(request, message->n_blocks * sizeof blocks[0], failure);
    if (blocks == NULL) {
        return failure->status;
    }
    for (size_t i = 0; i < message->n_blocks; i++) {
        if (decode_block(message->blocks[i], &blocks[i], failure) != STATUS_OK) {
            return failure->status;
        }
    }
    commit->blocks = blocks;
    commit->block_count = message->n_blocks;
    return STATUS_OK;
}

static enum status decode_states(struct request *request, const Cairn__Commit *message,
                                 struct job_commit *commit, struct failure *failure)
{
    if (message->n_states == 0) {
        return STATUS_OK;
    }
    assert(message->states != NULL && message->n_states <= SIZE_MAX / sizeof(struct job_state));
    struct job_state *states = request_memory(request, message->n_states * sizeof states[0], failure);
    if (states == NULL) {
        return failure->status;
    }
    for (size_t i = 0; i < message->n_states; i++) {
        if (!message->states[i]->has_height) {
            return failure_set(failure, STATUS_INVALID, "a state without a height");
        }
        states[i] = (struct job_state){message->states[i]->height, request_slice(message->states[i]->value)};
    }
    commit->states = states;
    commit->state_count = message->n_states;
    return STATUS_OK;
}

enum status decode_commit(struct request *request, const Cairn__Commit *message, struct job *ret_job,
                          struct failure *failure)
{
    assert(!thread_is(THREAD_WRITER) && message->base.descriptor == &cairn__commit__descriptor);
    ret_job->kind = JOB_COMMIT;
    ret_job->commit = (struct job_commit){
        .delete_states = message->delete_states,
        .delete_state_count = message->n_delete_states,
        .delete_blocks = message->delete_blocks,
        .delete_block_count = message->n_delete_blocks,
        .rise_to = message->has_rise_to ? message->rise_to : 0,
        .has_expected_height = message->has_expected_height,
        .expected_height = message->expected_height,
    };
    for (size_t i = 0; i < message->n_delete_blocks; i++) {
        if (message->delete_blocks[i] == 0) {
            return failure_set(failure, STATUS_INVALID, "block 0 to be deleted: heights are from 1");
        }
    }
    enum status status = decode_job(request, message->has_level, message->level, message->metadata,
                                    message->n_metadata, ret_job, failure);
    if (status == STATUS_OK) {
        status = decode_number(message->has_number, message->number, false, ret_job, failure);
    }
    if (status == STATUS_OK) {
        status = decode_blocks(request, message, &ret_job->commit, failure);
    }
    return status == STATUS_OK ? decode_states(request, message, &ret_job->commit, failure) : status;
}

/* ---- prune and rollback ---- */

enum status decode_prune(struct request *request, const Cairn__Prune *message, struct job *ret_job,
                         struct failure *failure)
{
    assert(!thread_is(THREAD_WRITER) && message->base.descriptor == &cairn__prune__descriptor);
    if (message->has_blocks_through && message->blocks_through == 0) {
        return failure_set(failure, STATUS_INVALID, "blocks up to 0 cannot be pruned: heights are from 1");
    }
    ret_job->kind = JOB_PRUNE;
    ret_job->prune = (struct job_prune){
        .has_blocks = message->has_blocks_through,
        .blocks_through = message->blocks_through,
        .has_states = message->has_states_through,
        .states_through = message->states_through,
    };
    bool is_dry_run = message->has_dry_run && message->dry_run;
    if (decode_number(message->has_number, message->number, is_dry_run, ret_job, failure) != STATUS_OK) {
        return failure->status;
    }
    return decode_job(request, message->has_level, message->level, message->metadata, message->n_metadata,
                      ret_job, failure);
}

static enum status decode_guards(struct request *request, const Cairn__Rollback *message,
                                 struct job_rollback *rollback, struct failure *failure)
{
    if (message->n_guards == 0) {
        return STATUS_OK;
    }
    assert(message->guards != NULL && message->n_guards <= SIZE_MAX / sizeof(struct job_guard));
    struct job_guard *guards = request_memory(request, message->n_guards * sizeof guards[0], failure);
    if (guards == NULL) {
        return failure->status;
    }
    for (size_t i = 0; i < message->n_guards; i++) {
        const Cairn__Guard *guard = message->guards[i];
        if (decode_name(guard->name, failure) != STATUS_OK) {
            return failure->status;
        }
        guards[i] = (struct job_guard){
            .name = request_slice(guard->name),
            .lower = guard->has_lower && guard->lower,
            .pass_malformed = guard->has_pass_malformed && guard->pass_malformed,
        };
    }
    rollback->guards = guards;
    rollback->guard_count = message->n_guards;
    return STATUS_OK;
}

enum status decode_rollback(struct request *request, const Cairn__Rollback *message, struct job *ret_job,
                            struct failure *failure)
{
    assert(!thread_is(THREAD_WRITER) && message->base.descriptor == &cairn__rollback__descriptor);
    if (!message->has_to) {
        return failure_set(failure, STATUS_INVALID, "a rollback without the height to go back to: set `to`");
    }
    ret_job->kind = JOB_ROLLBACK;
    ret_job->rollback = (struct job_rollback){.to = message->to};
    bool is_dry_run = message->has_dry_run && message->dry_run;
    if (decode_number(message->has_number, message->number, is_dry_run, ret_job, failure) != STATUS_OK) {
        return failure->status;
    }
    enum status status = decode_job(request, message->has_level, message->level, message->metadata,
                                    message->n_metadata, ret_job, failure);
    return status == STATUS_OK ? decode_guards(request, message, &ret_job->rollback, failure) : status;
}
