/* Frames of writes.
 *
 * A metadata write has two pieces. The first, chain and operations, is kept and sent again as it is. The second, the tail, says
 * how this sending is treated: level, deadline, and the old number if it is sent again. Clients send metadata writes by the
 * million, so they are encoded by hand; protobuf-c packs the other writes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/message/encode.h"
#include "client/message/encode_pack.h"
#include "proto/limits.h"
#include "proto/wire.h"

/* The fields of WriteMetadata and MetadataOperation. */
enum {
    FIELD_CHAIN = 1,
    FIELD_LEVEL = 2,
    FIELD_DEADLINE_US = 3,
    FIELD_OPERATIONS = 4,
    FIELD_RESEND_OF = 5,
    FIELD_NAME = 1,
    FIELD_VALUE = 2,
    FIELD_DELETE = 3,
    FIELD_RAISE = 4,
    FIELD_OF_HEIGHT = 5,

    TAIL_BYTES_MAX = 3 * (1 + VARINT_BYTES_MAX), /* three fields: a key of one byte and a number */
};

/* How long the daemon may wait for room; 0: without limit. It is 7/8 of what the caller waits (chosen), so that BUSY arrives
 * before the caller's timeout. */
static uint64_t deadline_of(uint64_t timeout_us)
{
    assert(timeout_us > 0); /* the default was filled in */
    return timeout_us != CAIRN_NO_TIMEOUT ? timeout_us - timeout_us / 8 : 0;
}

static void encode_deadline(uint64_t timeout_us, protobuf_c_boolean *ret_has, uint64_t *ret_deadline_us)
{
    *ret_deadline_us = deadline_of(timeout_us);
    *ret_has = *ret_deadline_us != 0;
}

/* Allocates an array of `count` pointers with room for `count` messages of `bytes` each behind it; one free() ends both. */
static void *messages_new(size_t count, size_t bytes)
{
    assert(bytes % sizeof(void *) == 0); /* messages behind pointers are aligned */
    return calloc(count + 1, bytes + sizeof(void *));
}

/* An operation and the range that it may have, which lies beside it. */
struct operation_message {
    Cairn__MetadataOperation operation;
    Cairn__NameRange range;
};

static void encode_operation(const struct cairn_operation *operation, struct operation_message *ret_message_)
{
    Cairn__MetadataOperation *ret_message = &ret_message_->operation;
    Cairn__NameRange *range = &ret_message_->range;
    protobuf_c_boolean has;
    cairn__metadata_operation__init(ret_message);
    if (operation->kind == CAIRN_DELETE_RANGE) {
        cairn__name_range__init(range);
        encode_bytes(operation->name, &range->has_from, &range->from);
        encode_bytes(operation->to, &range->has_to, &range->to);
        ret_message->operation_case = CAIRN__METADATA_OPERATION__OPERATION_DELETE_RANGE;
        ret_message->delete_range = range;
        return;
    }
    encode_bytes(operation->name, &ret_message->has_name, &ret_message->name);
    ret_message->has_name = true;
    switch (operation->kind) {
    case CAIRN_SET:
        ret_message->operation_case = CAIRN__METADATA_OPERATION__OPERATION_VALUE;
        ret_message->has_of_height = operation->of_height != 0;
        ret_message->of_height = operation->of_height;
        encode_bytes(operation->value, &has, &ret_message->value);
        return;
    case CAIRN_DELETE:
        ret_message->operation_case = CAIRN__METADATA_OPERATION__OPERATION_DELETE;
        ret_message->delete_ = true;
        return;
    case CAIRN_RAISE:
        ret_message->operation_case = CAIRN__METADATA_OPERATION__OPERATION_RAISE;
        ret_message->raise = operation->raise;
        return;
    case CAIRN_DELETE_RANGE:
        break; /* it has no name, and was encoded above */
    }
    assert(!"the request was checked");
}

static enum cairn_status encode_operations(const struct cairn_operation *operations, size_t count,
                                           Cairn__MetadataOperation ***ret_messages)
{
    struct operation_message *messages;
    Cairn__MetadataOperation **pointers = messages_new(count, sizeof *messages);
    if (pointers == NULL) {
        return CAIRN_NO_MEMORY;
    }
    messages = (void *)(pointers + count);
    for (size_t i = 0; i < count; i++) {
        encode_operation(&operations[i], &messages[i]);
        pointers[i] = &messages[i].operation;
    }
    *ret_messages = pointers;
    return CAIRN_OK;
}

/* ---- metadata writes, by hand: byte for byte what protobuf-c makes of WriteMetadata ---- */

/* The bytes of an operation, without key and length. */
static size_t operation_bytes(const struct cairn_operation *operation)
{
    const struct cairn_slice name = operation->name, value = operation->value;
    assert(name.bytes <= FRAME_BYTES_MAX); /* the request was checked, so that no sum overflows */
    size_t bytes = prefixed_field_bytes(name.bytes);
    switch (operation->kind) {
    case CAIRN_SET:
        assert(value.bytes <= FRAME_BYTES_MAX);
        bytes += prefixed_field_bytes(value.bytes);
        return bytes + (operation->of_height != 0 ? number_field_bytes(operation->of_height) : 0);
    case CAIRN_DELETE:
        return bytes + number_field_bytes(true);
    case CAIRN_RAISE:
        return bytes + number_field_bytes(operation->raise);
    case CAIRN_DELETE_RANGE:
        break; /* only in commits, which protobuf-c packs */
    }
    assert(!"the request was checked");
    return 0;
}

/* Writes the fields of an operation. Returns the end. */
static uint8_t *operation_put(uint8_t *at, const struct cairn_operation *operation)
{
    at = bytes_field_put(at, FIELD_NAME, operation->name.data, operation->name.bytes);
    switch (operation->kind) {
    case CAIRN_SET:
        at = bytes_field_put(at, FIELD_VALUE, operation->value.data, operation->value.bytes);
        return operation->of_height != 0 ? number_field_put(at, FIELD_OF_HEIGHT, operation->of_height) : at;
    case CAIRN_DELETE:
        return number_field_put(at, FIELD_DELETE, true);
    case CAIRN_RAISE:
        return number_field_put(at, FIELD_RAISE, operation->raise);
    case CAIRN_DELETE_RANGE:
        break;
    }
    assert(!"the request was checked");
    return at;
}

/* Writes the tail; a value of 0 is left out. Returns its length. */
static size_t tail_put(uint8_t *ret_tail, enum cairn_level level, uint64_t deadline_us, uint64_t resend_of)
{
    uint8_t *at = ret_tail;
    at = level != CAIRN_LEVEL_DEFAULT ? number_field_put(at, FIELD_LEVEL, level) : at;
    at = deadline_us != 0 ? number_field_put(at, FIELD_DEADLINE_US, deadline_us) : at;
    at = resend_of != 0 ? number_field_put(at, FIELD_RESEND_OF, resend_of) : at;
    assert(at - ret_tail <= TAIL_BYTES_MAX);
    return (size_t)(at - ret_tail);
}

enum cairn_status encode_write_metadata(const struct cairn_write_metadata_request *request,
                                        uint64_t timeout_us, struct encoded *ret_encoded)
{
    const struct cairn_slice chain = request->chain;
    uint8_t tail[TAIL_BYTES_MAX];
    assert(chain.bytes <= FRAME_BYTES_MAX && (unsigned)request->level <= CAIRN_DURABLE);
    size_t tail_bytes = tail_put(tail, request->level, deadline_of(timeout_us), 0);
    size_t body_bytes = chain.bytes > 0 ? prefixed_field_bytes(chain.bytes) : 0;
    for (size_t i = 0; i < request->operation_count; i++) {
        body_bytes += prefixed_field_bytes(operation_bytes(&request->operations[i]));
        if (body_bytes + tail_bytes > FRAME_BYTES_MAX) {
            return CAIRN_TOO_LARGE;
        }
    }
    struct frame_out *frame = frame_out_new(FRAME_WRITE_METADATA, 0, body_bytes + tail_bytes);
    if (frame == NULL) {
        return CAIRN_NO_MEMORY;
    }
    uint8_t *at = frame->data + FRAME_REQUEST_BYTES;
    at = chain.bytes > 0 ? bytes_field_put(at, FIELD_CHAIN, chain.data, chain.bytes) : at;
    for (size_t i = 0; i < request->operation_count; i++) {
        at = prefix_put(at, FIELD_OPERATIONS, operation_bytes(&request->operations[i]));
        at = operation_put(at, &request->operations[i]);
    }
    memcpy(at, tail, tail_bytes);
    assert(at + tail_bytes == frame->data + frame->bytes);
    *ret_encoded = (struct encoded){.frame = frame, .body_bytes = body_bytes};
    return CAIRN_OK;
}

enum cairn_status encode_resend(const uint8_t *kept, size_t kept_bytes, uint64_t resend_of,
                                struct encoded *ret_encoded)
{
    uint8_t tail[TAIL_BYTES_MAX];
    assert(resend_of > 0 && kept_bytes <= FRAME_BYTES_MAX); /* it was accepted under a number, in a frame */
    size_t tail_bytes = tail_put(tail, CAIRN_ACCEPTED, 0, resend_of);
    struct frame_out *frame = frame_out_new(FRAME_WRITE_METADATA, 0, kept_bytes + tail_bytes);
    if (frame == NULL) {
        return CAIRN_NO_MEMORY;
    }
    uint8_t *body = frame->data + FRAME_REQUEST_BYTES;
    memcpy(body, kept, kept_bytes);
    memcpy(body + kept_bytes, tail, tail_bytes);
    *ret_encoded = (struct encoded){.frame = frame, .body_bytes = kept_bytes};
    return CAIRN_OK;
}

/* ---- the other writes, by protobuf-c ---- */

static enum cairn_status encode_commit_blocks(const struct cairn_commit_request *request,
                                              Cairn__Commit *message)
{
    assert(message->blocks == NULL); /* encode_commit() frees one array */
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
        encode_bytes(from->header, &to->has_header, &to->header);
        encode_bytes(from->data, &to->has_data, &to->data);
        encode_bytes(from->signature, &to->has_signature, &to->signature);
        encode_bytes(from->hash, &to->has_hash, &to->hash);
    }
    return CAIRN_OK;
}

static enum cairn_status encode_commit_states(const struct cairn_commit_request *request,
                                              Cairn__Commit *message)
{
    assert(message->states == NULL);
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
        encode_bytes(request->states[i].value, &to->has_value, &to->value);
    }
    message->n_delete_states = request->delete_state_count;
    message->delete_states = (uint64_t *)(uintptr_t)request->delete_states;
    message->n_delete_blocks = request->delete_block_count;
    message->delete_blocks = (uint64_t *)(uintptr_t)request->delete_blocks;
    return CAIRN_OK;
}

enum cairn_status encode_claim(const struct cairn_claim_request *request, uint64_t timeout_us,
                               struct encoded *ret_encoded)
{
    Cairn__Claim message = CAIRN__CLAIM__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    encode_deadline(timeout_us, &message.has_deadline_us, &message.deadline_us);
    encode_bytes(request->writer_name, &message.has_writer_name, &message.writer_name);
    message.has_take_over = message.take_over = request->take_over;
    return encode_pack(FRAME_CLAIM, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_commit(const struct cairn_commit_request *request, uint64_t timeout_us,
                                struct encoded *ret_encoded)
{
    Cairn__Commit message = CAIRN__COMMIT__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    encode_level(request->level, &message.has_level, &message.level);
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

enum cairn_status encode_prune(const struct cairn_prune_request *request, uint64_t timeout_us,
                               struct encoded *ret_encoded)
{
    Cairn__Prune message = CAIRN__PRUNE__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    encode_level(request->level, &message.has_level, &message.level);
    encode_deadline(timeout_us, &message.has_deadline_us, &message.deadline_us);
    message.has_blocks_through = request->blocks;
    message.blocks_through = request->blocks_through;
    message.has_states_through = request->states;
    message.states_through = request->states_through;
    message.has_dry_run = message.dry_run = request->dry_run;
    message.n_metadata = request->metadata_count;
    enum cairn_status status =
        encode_operations(request->metadata, request->metadata_count, &message.metadata);
    if (status == CAIRN_OK) {
        status = encode_pack(FRAME_PRUNE, &message.base, NULL, ret_encoded);
        free(message.metadata);
    }
    return status;
}

static enum cairn_status encode_guards(const struct cairn_rollback_request *request, Cairn__Rollback *message)
{
    assert(message->guards == NULL); /* what is there would be lost */
    message->n_guards = request->guard_count;
    message->guards = messages_new(request->guard_count, sizeof **message->guards);
    if (message->guards == NULL) {
        return CAIRN_NO_MEMORY;
    }
    Cairn__Guard *guards = (void *)(message->guards + request->guard_count);
    for (size_t i = 0; i < request->guard_count; i++) {
        Cairn__Guard *to = message->guards[i] = &guards[i];
        cairn__guard__init(to);
        encode_bytes(request->guards[i].name, &to->has_name, &to->name);
        to->has_name = true;
        to->has_lower = to->lower = request->guards[i].lower;
        to->has_pass_malformed = to->pass_malformed = request->guards[i].pass_malformed != 0;
    }
    return CAIRN_OK;
}

enum cairn_status encode_rollback(const struct cairn_rollback_request *request, uint64_t timeout_us,
                                  struct encoded *ret_encoded)
{
    Cairn__Rollback message = CAIRN__ROLLBACK__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    encode_level(request->level, &message.has_level, &message.level);
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
