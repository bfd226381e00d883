/* Frames of writes.
 *
 * A metadata write is packed in two pieces, chain and operations first, then how this sending of it is to be treated
 * (level, deadline, old number): the first is kept and sent again as it is, the second differs each time. */
#include <stdlib.h>
#include <string.h>

#include "client/encode.h"
#include "client/encode_pack.h"

bool encode_level(enum cairn_level level, protobuf_c_boolean *ret_has, Cairn__Level *ret_level)
{
    if ((unsigned)level > CAIRN_DURABLE) {
        return false;
    }
    *ret_has = level != CAIRN_LEVEL_DEFAULT;
    *ret_level = level != CAIRN_LEVEL_DEFAULT ? (Cairn__Level)level : CAIRN__LEVEL__LEVEL_ACCEPTED;
    return true;
}

/* What the daemon may wait for room: less than the caller waits, so that its answer comes in time. */
static void encode_deadline(uint64_t timeout_us, protobuf_c_boolean *ret_has, uint64_t *ret_deadline_us)
{
    *ret_has = timeout_us != CAIRN_NO_TIMEOUT && timeout_us != 0;
    *ret_deadline_us = *ret_has ? timeout_us - timeout_us / 8 : 0;
}

/* `count` messages of `bytes` each behind an array of pointers to them; freed as one. */
static void *messages_new(size_t count, size_t bytes)
{
    return calloc(count + 1, bytes + sizeof(void *));
}

static bool encode_operation(const struct cairn_operation *operation, Cairn__MetadataOperation *ret_message)
{
    protobuf_c_boolean has;
    cairn__metadata_operation__init(ret_message);
    if (!encode_bytes(operation->name, &ret_message->has_name, &ret_message->name)) {
        return false;
    }
    ret_message->has_name = true;
    switch (operation->kind) {
    case CAIRN_SET:
        ret_message->operation_case = CAIRN__METADATA_OPERATION__OPERATION_VALUE;
        ret_message->has_of_height = operation->of_height != 0;
        ret_message->of_height = operation->of_height;
        return encode_bytes(operation->value, &has, &ret_message->value);
    case CAIRN_DELETE:
        ret_message->operation_case = CAIRN__METADATA_OPERATION__OPERATION_DELETE;
        ret_message->delete_ = true;
        return true;
    case CAIRN_RAISE:
        ret_message->operation_case = CAIRN__METADATA_OPERATION__OPERATION_RAISE;
        ret_message->raise = operation->raise;
        return true;
    }
    return false;
}

static enum cairn_status encode_operations(const struct cairn_operation *operations, size_t count,
                                           Cairn__MetadataOperation ***ret_messages)
{
    if (operations == NULL && count > 0) {
        return CAIRN_USAGE;
    }
    Cairn__MetadataOperation **pointers = messages_new(count, sizeof **pointers);
    if (pointers == NULL) {
        return CAIRN_NO_MEMORY;
    }
    Cairn__MetadataOperation *messages = (void *)(pointers + count);
    for (size_t i = 0; i < count; i++) {
        pointers[i] = &messages[i];
        if (!encode_operation(&operations[i], &messages[i])) {
            free(pointers);
            return CAIRN_USAGE;
        }
    }
    *ret_messages = pointers;
    return CAIRN_OK;
}

enum cairn_status encode_write_metadata(const struct cairn_write_metadata *request, uint64_t timeout_us,
                                        struct encoded *ret_encoded)
{
    Cairn__WriteMetadata body = CAIRN__WRITE_METADATA__INIT, tail = CAIRN__WRITE_METADATA__INIT;
    if (!encode_bytes(request->chain, &body.has_chain, &body.chain) ||
        !encode_level(request->level, &tail.has_level, &tail.level)) {
        return CAIRN_USAGE;
    }
    encode_deadline(timeout_us, &tail.has_deadline_us, &tail.deadline_us);
    body.n_operations = request->operation_count;
    enum cairn_status status =
        encode_operations(request->operations, request->operation_count, &body.operations);
    if (status == CAIRN_OK) {
        status = encode_pack(FRAME_WRITE_METADATA, &body.base, &tail.base, ret_encoded);
        free(body.operations);
    }
    return status;
}

enum cairn_status encode_resend(const struct kept *kept, struct encoded *ret_encoded)
{
    Cairn__WriteMetadata tail = CAIRN__WRITE_METADATA__INIT;
    tail.has_resend_of = true;
    tail.resend_of = kept->sequence;
    tail.has_level = true;
    tail.level = CAIRN__LEVEL__LEVEL_ACCEPTED;
    size_t tail_bytes = protobuf_c_message_get_packed_size(&tail.base);
    struct frame_out *frame = frame_out_new(FRAME_WRITE_METADATA, 0, kept->body_bytes + tail_bytes);
    if (frame == NULL) {
        return CAIRN_NO_MEMORY;
    }
    uint8_t *body = frame->data + FRAME_REQUEST_BYTES;
    memcpy(body, kept->body, kept->body_bytes);
    protobuf_c_message_pack(&tail.base, body + kept->body_bytes);
    *ret_encoded = (struct encoded){.frame = frame, .body_bytes = kept->body_bytes};
    return CAIRN_OK;
}

static enum cairn_status encode_commit_blocks(const struct cairn_commit *request, Cairn__Commit *message)
{
    if (request->blocks == NULL && request->block_count > 0) {
        return CAIRN_USAGE;
    }
    message->n_blocks = request->block_count;
    message->blocks = messages_new(request->block_count, sizeof **message->blocks);
    if (message->blocks == NULL) {
        return CAIRN_NO_MEMORY;
    }
    Cairn__Block *blocks = (void *)(message->blocks + request->block_count);
    for (size_t i = 0; i < request->block_count; i++) {
        const struct cairn_block *from = &request->blocks[i];
        Cairn__Block *to = message->blocks[i] = &blocks[i];
        cairn__block__init(to);
        to->has_height = true;
        to->height = from->height;
        if (!encode_bytes(from->header, &to->has_header, &to->header) ||
            !encode_bytes(from->data, &to->has_data, &to->data) ||
            !encode_bytes(from->signature, &to->has_signature, &to->signature) ||
            !encode_bytes(from->hash, &to->has_hash, &to->hash)) {
            return CAIRN_USAGE;
        }
    }
    return CAIRN_OK;
}

static enum cairn_status encode_commit_states(const struct cairn_commit *request, Cairn__Commit *message)
{
    if ((request->states == NULL && request->state_count > 0) ||
        (request->delete_states == NULL && request->delete_state_count > 0)) {
        return CAIRN_USAGE;
    }
    message->n_states = request->state_count;
    message->states = messages_new(request->state_count, sizeof **message->states);
    if (message->states == NULL) {
        return CAIRN_NO_MEMORY;
    }
    Cairn__State *states = (void *)(message->states + request->state_count);
    for (size_t i = 0; i < request->state_count; i++) {
        Cairn__State *to = message->states[i] = &states[i];
        cairn__state__init(to);
        to->has_height = true;
        to->height = request->states[i].height;
        if (!encode_bytes(request->states[i].value, &to->has_value, &to->value)) {
            return CAIRN_USAGE;
        }
    }
    message->n_delete_states = request->delete_state_count;
    message->delete_states = (uint64_t *)(uintptr_t)request->delete_states;
    return CAIRN_OK;
}

enum cairn_status encode_commit(const struct cairn_commit *request, uint64_t timeout_us,
                                struct encoded *ret_encoded)
{
    Cairn__Commit message = CAIRN__COMMIT__INIT;
    if (!encode_bytes(request->chain, &message.has_chain, &message.chain) ||
        !encode_level(request->level, &message.has_level, &message.level)) {
        return CAIRN_USAGE;
    }
    encode_deadline(timeout_us, &message.has_deadline_us, &message.deadline_us);
    message.has_carry = message.carry = request->carry;
    message.has_expected_height = request->if_height;
    message.expected_height = request->expected_height;
    message.has_rise_to = request->rise_to != 0;
    message.rise_to = request->rise_to;
    message.n_metadata = request->metadata_count;
    enum cairn_status status = encode_commit_blocks(request, &message);
    if (status == CAIRN_OK) {
        status = encode_commit_states(request, &message);
    }
    if (status == CAIRN_OK) {
        status = encode_operations(request->metadata, request->metadata_count, &message.metadata);
    }
    if (status == CAIRN_OK) {
        status = encode_pack(FRAME_COMMIT, &message.base, NULL, ret_encoded);
    }
    free(message.blocks);
    free(message.states);
    free(message.metadata);
    return status;
}

enum cairn_status encode_prune(const struct cairn_prune *request, uint64_t timeout_us,
                               struct encoded *ret_encoded)
{
    Cairn__Prune message = CAIRN__PRUNE__INIT;
    if (!encode_bytes(request->chain, &message.has_chain, &message.chain) ||
        !encode_level(request->level, &message.has_level, &message.level)) {
        return CAIRN_USAGE;
    }
    encode_deadline(timeout_us, &message.has_deadline_us, &message.deadline_us);
    message.has_blocks_through = request->blocks;
    message.blocks_through = request->blocks_through;
    message.has_states_through = request->states;
    message.states_through = request->states_through;
    message.n_metadata = request->metadata_count;
    enum cairn_status status =
        encode_operations(request->metadata, request->metadata_count, &message.metadata);
    if (status == CAIRN_OK) {
        status = encode_pack(FRAME_PRUNE, &message.base, NULL, ret_encoded);
        free(message.metadata);
    }
    return status;
}

static enum cairn_status encode_guards(const struct cairn_rollback *request, Cairn__Rollback *message)
{
    if (request->guards == NULL && request->guard_count > 0) {
        return CAIRN_USAGE;
    }
    message->n_guards = request->guard_count;
    message->guards = messages_new(request->guard_count, sizeof **message->guards);
    if (message->guards == NULL) {
        return CAIRN_NO_MEMORY;
    }
    Cairn__Guard *guards = (void *)(message->guards + request->guard_count);
    for (size_t i = 0; i < request->guard_count; i++) {
        Cairn__Guard *to = message->guards[i] = &guards[i];
        cairn__guard__init(to);
        if (!encode_bytes(request->guards[i].name, &to->has_name, &to->name)) {
            return CAIRN_USAGE;
        }
        to->has_name = true;
        to->has_lower = to->lower = request->guards[i].lower;
    }
    return CAIRN_OK;
}

enum cairn_status encode_rollback(const struct cairn_rollback *request, uint64_t timeout_us,
                                  struct encoded *ret_encoded)
{
    Cairn__Rollback message = CAIRN__ROLLBACK__INIT;
    if (!encode_bytes(request->chain, &message.has_chain, &message.chain) ||
        !encode_level(request->level, &message.has_level, &message.level)) {
        return CAIRN_USAGE;
    }
    encode_deadline(timeout_us, &message.has_deadline_us, &message.deadline_us);
    message.has_to = true;
    message.to = request->to;
    message.has_dry_run = message.dry_run = request->dry_run;
    message.n_metadata = request->metadata_count;
    enum cairn_status status = encode_guards(request, &message);
    if (status == CAIRN_OK) {
        status = encode_operations(request->metadata, request->metadata_count, &message.metadata);
    }
    if (status == CAIRN_OK) {
        status = encode_pack(FRAME_ROLLBACK, &message.base, NULL, ret_encoded);
    }
    free(message.guards);
    free(message.metadata);
    return status;
}
