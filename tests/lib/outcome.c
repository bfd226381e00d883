/* Replies as answers: outcome_take of operation_wire.h. */
#include <string.h>

#include "proto/cairn.pb-c.h"
#include "tests/lib/kept.h"
#include "tests/lib/operation_wire.h"
#include "tests/lib/words.h"

static uint64_t digest_of(protobuf_c_boolean there, ProtobufCBinaryData bytes)
{
    /* 0 is no value's: a missing part is told apart */
    return there ? bytes_digest(bytes.data, bytes.len) : 0;
}

static void take_block(struct outcome *outcome, const struct operation *operation,
                       const Cairn__BlockReply *block)
{
    uint32_t sent = (block->has_header ? CAIRN__PART__PART_HEADER : 0U) |
                    (block->has_data ? CAIRN__PART__PART_DATA : 0U) |
                    (block->has_signature ? CAIRN__PART__PART_SIGNATURE : 0U) |
                    (block->has_hash ? CAIRN__PART__PART_HASH : 0U);
    if (block->absent) {
        words_absent_block(&outcome->answer, block->height);
        outcome->malformed |= sent != 0 || !operation_is_stream(operation);
        return;
    }
    outcome->malformed |= sent != operation->parts || !block->has_height;
    words_block(&outcome->answer, block->height, sent, digest_of(block->has_header, block->header),
                digest_of(block->has_data, block->data), digest_of(block->has_signature, block->signature),
                digest_of(block->has_hash, block->hash));
}

static void take_metadata(struct outcome *outcome, const struct operation *operation,
                          const Cairn__MetadataReply *reply)
{
    uint32_t name = NAMES_KNOWN;
    if (operation_is_stream(operation)) {
        name = name_of(reply->name.data, reply->name.len);
        outcome->malformed |= name == NAMES_KNOWN;
    }
    if (reply->absent) {
        words_absent_metadata(&outcome->answer, name);
        outcome->malformed |= operation->kind != OPERATION_GET_MANY || reply->has_value;
        return;
    }
    uint32_t sent = (reply->has_value ? 1 : 0) | (reply->has_of_height ? 2 : 0) | (reply->has_size ? 4 : 0);
    uint32_t asked = operation_name_parts(operation);
    outcome->malformed |= (sent | 2) != (asked | 2) || (sent & ~asked) != 0;
    outcome->malformed |= reply->has_of_height && reply->of_height == 0;
    words_metadata(&outcome->answer, name, asked, digest_of(reply->has_value, reply->value), reply->of_height,
                   reply->size);
}

static void take_chains(struct outcome *outcome, const Cairn__ChainsReply *reply)
{
    for (size_t i = 0; i < reply->n_chains; i++) {
        const Cairn__ChainEntry *chain = reply->chains[i];
        const char *name = kept_copy(chain->name.data, chain->name.len);
        if (strcmp(name, CHAIN_APART) == 0) {
            continue;
        }
        words_chain(&outcome->answer, name, chain->height,
                    chain->has_blocks_pruned_through ? chain->blocks_pruned_through : 0,
                    chain->has_states_pruned_through ? chain->states_pruned_through + 1 : 0);
    }
}

static void take_write(struct outcome *outcome, const struct operation *operation,
                       const Cairn__WriteReply *reply)
{
    outcome->sequence = reply->sequence;
    outcome->level = reply->has_level ? (uint32_t)reply->level : 0;
    if (operation->kind != OPERATION_BARRIER) {
        answer_add(&outcome->answer, "created %u blocks %u states %u metadata %u lowered %u",
                   (unsigned)(reply->created != 0), (unsigned)reply->blocks, (unsigned)reply->states,
                   (unsigned)reply->metadata, (unsigned)reply->lowered);
    }
    if (reply->repeated) {
        answer_add(&outcome->answer, " repeated");
    }
}

static void take_claim(struct outcome *outcome, const struct operation *operation,
                       const Cairn__ClaimReply *reply)
{
    Cairn__WriteReply written = CAIRN__WRITE_REPLY__INIT;
    written.sequence = reply->sequence;
    written.has_level = reply->has_level;
    written.level = reply->level;
    take_write(outcome, operation, &written);
    outcome->malformed |= reply->epoch == NULL || reply->epoch->sequence != reply->sequence;
    if (!outcome->malformed) {
        outcome->epoch_sequence = reply->epoch->sequence;
        outcome->epoch_random = reply->epoch->random;
    }
}

static const ProtobufCMessageDescriptor *descriptor_of(enum operation_kind kind)
{
    switch (kind) {
    case OPERATION_HEIGHT:
        return &cairn__height_reply__descriptor;
    case OPERATION_BLOCK:
    case OPERATION_BLOCK_BY_HASH:
    case OPERATION_BLOCK_LIST:
    case OPERATION_BLOCK_RANGE:
        return &cairn__block_reply__descriptor;
    case OPERATION_STATE:
    case OPERATION_TIP_STATE:
        return &cairn__state_reply__descriptor;
    case OPERATION_GET:
    case OPERATION_GET_MANY:
    case OPERATION_LIST:
        return &cairn__metadata_reply__descriptor;
    case OPERATION_CHAINS:
        return &cairn__chains_reply__descriptor;
    case OPERATION_CLAIM:
        return &cairn__claim_reply__descriptor;
    default:
        return &cairn__write_reply__descriptor;
    }
}

static void take_message(struct outcome *outcome, const struct operation *operation, struct bytes body)
{
    const ProtobufCMessageDescriptor *descriptor = descriptor_of(operation->kind);
    void *message = protobuf_c_message_unpack(descriptor, kept_allocator(), body.n, body.data);
    if (message == NULL) {
        outcome->malformed = true;
    } else if (descriptor == &cairn__height_reply__descriptor) {
        words_height(&outcome->answer, ((Cairn__HeightReply *)message)->height);
    } else if (descriptor == &cairn__block_reply__descriptor) {
        take_block(outcome, operation, message);
    } else if (descriptor == &cairn__state_reply__descriptor) {
        Cairn__StateReply *state = message;
        words_state(&outcome->answer, state->height, digest_of(state->has_value, state->value));
    } else if (descriptor == &cairn__metadata_reply__descriptor) {
        take_metadata(outcome, operation, message);
    } else if (descriptor == &cairn__chains_reply__descriptor) {
        take_chains(outcome, message);
    } else if (descriptor == &cairn__claim_reply__descriptor) {
        take_claim(outcome, operation, message);
    } else {
        take_write(outcome, operation, message);
    }
}

static void take_error(struct outcome *outcome, struct bytes body)
{
    Cairn__Error *error = (Cairn__Error *)(void *)protobuf_c_message_unpack(
        &cairn__error__descriptor, kept_allocator(), body.n, body.data);
    if (error == NULL || error->text.len == 0) {
        outcome->malformed = true; /* every error says what is wrong */
        return;
    }
    outcome->malformed |= (outcome->answer.status == STATUS_CONFLICT) != (error->has_reason != 0);
    size_t n = error->text.len < sizeof outcome->error - 1 ? error->text.len : sizeof outcome->error - 1;
    memcpy(outcome->error, error->text.data, n);
}

void outcome_take(struct outcome *outcome, const struct operation *operation, const struct wire_frame *frame)
{
    struct bytes body = {frame->body, frame->header.body_bytes};
    bool has_failed = operation_is_stream(operation) && frame->header.status != STATUS_OK;
    if (outcome->open.n > 0 && !has_failed) { /* a stream may fail within a message, which is dropped */
        uint8_t *joined = kept_alloc(outcome->open.n + body.n + 1);
        memcpy(joined, outcome->open.data, outcome->open.n);
        memcpy(joined + outcome->open.n, body.data, body.n);
        body = (struct bytes){joined, outcome->open.n + body.n};
    }
    if (frame->header.flags & FRAME_CONTINUED) {
        outcome->open = body;
        return;
    }
    outcome->open = (struct bytes){NULL, 0};
    outcome->answer.status = frame->header.status;
    bool last_of_stream = operation_is_stream(operation) && !(frame->header.flags & FRAME_MORE);
    if (frame->header.status == STATUS_NOT_FOUND || (last_of_stream && frame->header.status == STATUS_OK)) {
        outcome->malformed |= body.n != 0;
    } else if (frame->header.status != STATUS_OK) {
        take_error(outcome, body);
    } else {
        take_message(outcome, operation, body);
    }
    outcome->complete = !(frame->header.flags & FRAME_MORE);
    outcome->malformed |= (frame->header.flags & FRAME_MORE) && !operation_is_stream(operation);
}
