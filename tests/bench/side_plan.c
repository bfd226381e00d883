/* Sizes are those of the real messages: requests as libcairn encodes them, replies as the daemon's messages come to. A
 * commit carries, in place of its message, the puts that the daemon would make of it, and is as long as the longer of the
 * two; their order is that of daemon/writer/apply.c, and what needs reading first (replaced hashes, raised numbers) is left out. */
#include "tests/bench/side_plan.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "client/message/encode.h"
#include "daemon/schema/key.h"
#include "daemon/schema/record.h"
#include "proto/cairn.pb-c.h"
#include "tests/bench/side.h"

enum {
    TIMEOUT_US = 30000000, /* the tool's deadline, which a write's frame tells */
    ERROR_TEXT_BYTES = 80,
};

/* ---- the puts of a commit ---- */

/* Counts where there is no room yet. */
struct puts {
    uint8_t *data;
    size_t bytes;
};

static void put(struct puts *puts, const struct key *key, struct slice first, struct slice second)
{
    uint32_t sizes[] = {(uint32_t)key->bytes, (uint32_t)(first.bytes + second.bytes)};
    const struct slice pieces[] = {slice_of(sizes, sizeof sizes), key_slice(key), first, second};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        if (puts->data != NULL && pieces[i].bytes > 0) {
            memcpy(puts->data + puts->bytes, pieces[i].data, pieces[i].bytes);
        }
        puts->bytes += pieces[i].bytes;
    }
}

static struct slice slice_from(struct cairn_slice slice)
{
    return slice_of(slice.data, slice.bytes);
}

static void put_block(struct puts *puts, struct region *region, uint32_t chain,
                      const struct cairn_block *block)
{
    const struct slice none = {0};
    uint8_t digest[SIDE_SHA256_BYTES], number[8];
    struct slice hash = slice_from(block->hash);
    if (hash.bytes == 0) {
        side_sha256(block->header.data, block->header.bytes, digest);
        hash = slice_of(digest, sizeof digest);
    }
    struct header_record record = {block->data.bytes, hash, slice_from(block->header),
                                   slice_from(block->signature)};
    size_t bytes = record_header_bytes(&record);
    uint8_t *header = region_allocate(region, bytes, 1);
    record_write_header(&record, header);
    struct key key = key_of_height(chain, KEY_HEADER, block->height);
    put(puts, &key, slice_of(header, bytes), none);
    if (block->data.bytes > 0) {
        key = key_of_height(chain, KEY_DATA, block->height);
        put(puts, &key, slice_from(block->data), none);
    }
    record_put_u64(block->height, number);
    key = key_of_name(chain, KEY_HASH, hash);
    put(puts, &key, slice_of(number, sizeof number), none);
}

static void put_metadata(struct puts *puts, uint32_t chain, const struct cairn_operation *operation)
{
    uint8_t of_height[RECORD_METADATA_HEAD_BYTES];
    if (operation->kind != CAIRN_SET) {
        return;
    }
    record_put_u64(operation->of_height, of_height);
    struct key key = key_of_name(chain, KEY_METADATA, slice_from(operation->name));
    put(puts, &key, slice_of(of_height, sizeof of_height), slice_from(operation->value));
    if (operation->of_height != 0) {
        const struct slice none = {0};
        key = key_of_bound(chain, operation->of_height, slice_from(operation->name));
        put(puts, &key, none, none);
    }
}

static void put_commit(struct puts *puts, struct region *region, uint32_t chain,
                       const struct cairn_commit_request *commit)
{
    const struct slice none = {0};
    for (size_t i = 0; i < commit->block_count; i++) {
        put_block(puts, region, chain, &commit->blocks[i]);
    }
    for (size_t i = 0; i < commit->state_count; i++) {
        struct key key = key_of_height(chain, KEY_STATE, commit->states[i].height);
        put(puts, &key, slice_from(commit->states[i].value), none);
    }
    for (size_t i = 0; i < commit->metadata_count; i++) {
        put_metadata(puts, chain, &commit->metadata[i]);
    }
    if (commit->rise_to != 0) {
        struct chain_marks marks = {.height = commit->rise_to};
        uint8_t record[RECORD_MARKS_BYTES];
        record_write_marks(&marks, record);
        struct key key = key_of_kind(chain, KEY_MARKS);
        put(puts, &key, slice_of(record, sizeof record), none);
    }
}

/* ---- sizes ---- */

static enum cairn_status encode_write(const struct trace_call *call, struct cairn_slice chain,
                                      struct encoded *ret_encoded)
{
    if (call->write.operation_count == 0) {
        return encode_barrier(&(struct cairn_barrier_request){.level = call->write.level}, ret_encoded);
    }
    struct cairn_write_metadata_request request = call->write;
    request.chain = chain;
    return encode_write_metadata(&request, TIMEOUT_US, ret_encoded);
}

/* As submit_call() of the real replay. */
static enum cairn_status encode_call(const struct trace_call *call, struct cairn_slice chain,
                                     struct encoded *ret_encoded)
{
    struct trace_call copy = *call;
    switch (call->op) {
    case TRACE_HEIGHT:
        copy.height.chain = chain;
        return encode_height(&copy.height, ret_encoded);
    case TRACE_BLOCK:
        copy.block.chain = chain;
        return encode_block(&copy.block, ret_encoded);
    case TRACE_STATE:
        copy.state.chain = chain;
        return encode_state(&copy.state, ret_encoded);
    case TRACE_GET:
        copy.get.chain = chain;
        return encode_get(&copy.get, ret_encoded);
    case TRACE_LIST:
        copy.list.chain = chain;
        return encode_list(&copy.list, ret_encoded);
    case TRACE_SET:
    case TRACE_DELETE:
    case TRACE_BATCH:
        return encode_write(call, chain, ret_encoded);
    case TRACE_COMMIT:
        copy.commit.chain = chain;
        return encode_commit(&copy.commit, TIMEOUT_US, ret_encoded);
    case TRACE_PRUNE:
        copy.prune.chain = chain;
        return encode_prune(&copy.prune, TIMEOUT_US, ret_encoded);
    case TRACE_ROLLBACK:
        copy.rollback.chain = chain;
        return encode_rollback(&copy.rollback, TIMEOUT_US, ret_encoded);
    case TRACE_REOPEN:
    case TRACE_OPS:
        break;
    }
    return CAIRN_USAGE;
}

/* Only the length of it counts where a size is asked for. */
static ProtobufCBinaryData of_bytes(size_t bytes)
{
    return (ProtobufCBinaryData){.len = bytes};
}

static size_t block_reply_bytes(const struct trace_call *call)
{
    const struct trace_answer *answer = &call->answer;
    Cairn__BlockReply reply = CAIRN__BLOCK_REPLY__INIT;
    protobuf_c_boolean *has[] = {&reply.has_header, &reply.has_data, &reply.has_signature, &reply.has_hash};
    ProtobufCBinaryData *parts[] = {&reply.header, &reply.data, &reply.signature, &reply.hash};
    static_assert(sizeof parts / sizeof parts[0] == TRACE_PARTS, "a field for each part");
    reply.has_height = true;
    reply.height = answer->has_height ? answer->height : call->block.height;
    for (int part = 0; part < TRACE_PARTS; part++) {
        *has[part] = (answer->parts & 1u << part) != 0;
        *parts[part] = of_bytes(answer->digests[part].size);
    }
    return cairn__block_reply__get_packed_size(&reply);
}

static size_t list_reply_bytes(const struct trace_answer *answer)
{
    size_t bytes = FRAME_REPLY_BYTES * answer->entry_count; /* and the last frame, which every reply has */
    for (size_t i = 0; i < answer->entry_count; i++) {
        Cairn__MetadataReply reply = CAIRN__METADATA_REPLY__INIT;
        reply.has_name = reply.has_value = true;
        reply.name = of_bytes(answer->entries[i].name.bytes);
        reply.value = of_bytes(answer->entries[i].value.bytes);
        bytes += cairn__metadata_reply__get_packed_size(&reply);
    }
    return bytes;
}

static size_t reply_body_bytes(const struct trace_call *call)
{
    const struct trace_answer *answer = &call->answer;
    Cairn__WriteReply write = CAIRN__WRITE_REPLY__INIT;
    Cairn__HeightReply height = CAIRN__HEIGHT_REPLY__INIT;
    Cairn__StateReply state = CAIRN__STATE_REPLY__INIT;
    Cairn__MetadataReply metadata = CAIRN__METADATA_REPLY__INIT;
    switch (answer->kind) {
    case TRACE_ANSWER_OK:
        write.has_sequence = write.has_level = true;
        write.sequence = call->number;
        write.level = CAIRN__LEVEL__LEVEL_DURABLE;
        return cairn__write_reply__get_packed_size(&write);
    case TRACE_ANSWER_REFUSED:
        return ERROR_TEXT_BYTES;
    case TRACE_ANSWER_HEIGHT:
        height.has_height = true;
        height.height = answer->height;
        return cairn__height_reply__get_packed_size(&height);
    case TRACE_ANSWER_BLOCK:
        return block_reply_bytes(call);
    case TRACE_ANSWER_STATE:
        state.has_height = state.has_value = true;
        state.height = call->state.height;
        state.value = of_bytes(answer->state.size);
        return cairn__state_reply__get_packed_size(&state);
    case TRACE_ANSWER_VALUE:
        metadata.has_value = true;
        metadata.value = of_bytes(answer->value.bytes);
        return cairn__metadata_reply__get_packed_size(&metadata);
    case TRACE_ANSWER_ENTRIES:
        return list_reply_bytes(answer);
    case TRACE_ANSWER_NOT_FOUND:
    case TRACE_ANSWER_NONE:
        break;
    }
    return 0;
}

/* ---- the plan ---- */

/* What the real replay makes digests of. */
static void plan_values(struct plan_call *planned, const struct trace_answer *answer)
{
    size_t count = 0;
    if (answer->kind == TRACE_ANSWER_STATE) {
        planned->value_bytes[count++] = (uint32_t)answer->state.size;
    }
    for (int part = 0; part < TRACE_PARTS && answer->kind == TRACE_ANSWER_BLOCK; part++) {
        if ((answer->parts & 1u << part) && answer->digests[part].size > 0) {
            planned->value_bytes[count++] = (uint32_t)answer->digests[part].size;
        }
    }
}

static bool plan_call(struct plan *plan, const struct trace *trace, size_t index)
{
    const struct trace_call *call = &trace->calls[index];
    struct plan_call *planned = &plan->calls[index];
    const char *name = trace->chains.names[call->chain];
    struct encoded encoded;
    enum cairn_status status = encode_call(call, (struct cairn_slice){name, strlen(name)}, &encoded);
    if (status != CAIRN_OK) {
        (void)side_fail("call %" PRIu64 ": no frame can carry it: %s", call->number,
                        cairn_status_text(status));
        return false;
    }
    size_t bytes = encoded.frame->bytes;
    frame_out_free(encoded.frame);
    struct puts puts = {0};
    uint32_t chain = (uint32_t)call->chain + 1, flags = 0;
    if (call->op == TRACE_COMMIT) {
        put_commit(&puts, &plan->region, chain, &call->commit);
        flags = ECHO_PUTS | (call->commit.level == CAIRN_WRITTEN ? 0 : ECHO_SYNC);
        bytes = ECHO_REQUEST_BYTES + puts.bytes > bytes ? ECHO_REQUEST_BYTES + puts.bytes : bytes;
    }
    uint8_t *frame = region_allocate(&plan->region, bytes, 1);
    puts = (struct puts){.data = frame + ECHO_REQUEST_BYTES};
    if (call->op == TRACE_COMMIT) {
        put_commit(&puts, &plan->region, chain, &call->commit); /* zeroes behind them end them */
    }
    planned->frame = frame;
    planned->frame_bytes = (uint32_t)bytes;
    planned->reply_bytes = (uint32_t)(FRAME_REPLY_BYTES + reply_body_bytes(call));
    plan_values(planned, &call->answer);
    struct echo_request request = {planned->frame_bytes, planned->reply_bytes | flags, index};
    memcpy(frame, &request, sizeof request);
    if (planned->reply_bytes > plan->reply_bytes_max) {
        plan->reply_bytes_max = planned->reply_bytes;
    }
    return true;
}

bool plan_init(struct plan *plan, const struct trace *trace)
{
    *plan = (struct plan){0};
    plan->calls = region_allocate(&plan->region, trace->count + 1, sizeof plan->calls[0]);
    for (size_t i = 0; i < trace->count; i++) {
        if (trace->calls[i].op != TRACE_REOPEN && !plan_call(plan, trace, i)) {
            plan_close(plan);
            return false;
        }
    }
    return true;
}

void plan_close(struct plan *plan)
{
    region_close(&plan->region);
    *plan = (struct plan){0};
}
