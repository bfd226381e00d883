/* Frames of everything but writes. A message borrows the caller's bytes until it is packed. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/message/encode.h"
#include "client/message/encode_pack.h"
#include "proto/limits.h"

enum cairn_status encode_hello(const char *name, uint64_t resume_run, uint64_t resume_random,
                               struct encoded *ret_encoded)
{
    Cairn__Hello message = CAIRN__HELLO__INIT;
    assert(resume_run != 0 || resume_random == 0); /* bits are of a run */
    assert(strlen(name) <= CLIENT_NAME_BYTES_MAX); /* cairn_client_new() refuses a longer one */
    message.has_version_min = message.has_version_max = true;
    message.version_min = PROTOCOL_VERSION_MIN;
    message.version_max = PROTOCOL_VERSION_MAX;
    encode_bytes(cairn_text(name), &message.has_client_name, &message.client_name);
    message.has_features = true;
    message.features = FEATURES_KNOWN;
    message.has_resume_run = resume_run != 0;
    message.resume_run = resume_run;
    message.has_resume_random = resume_random != 0;
    message.resume_random = resume_random;
    return encode_pack(FRAME_HELLO, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_empty(uint8_t type, struct encoded *ret_encoded)
{
    assert(type == FRAME_PING || type == FRAME_STATUS || type == FRAME_CHAINS || type == FRAME_DRAIN ||
           type == FRAME_CANCEL);
    struct frame_out *frame = frame_out_new(type, 0, 0);
    if (frame == NULL) {
        return CAIRN_NO_MEMORY;
    }
    *ret_encoded = (struct encoded){.frame = frame};
    return CAIRN_OK;
}

enum cairn_status encode_credit(uint64_t bytes, struct encoded *ret_encoded)
{
    Cairn__Credit message = CAIRN__CREDIT__INIT;
    assert(bytes > 0); /* a credit of nothing would only cost a frame */
    message.has_bytes = true;
    message.bytes = bytes;
    return encode_pack(FRAME_CREDIT, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_create_chain(const struct cairn_create_chain_request *request,
                                      struct encoded *ret_encoded)
{
    Cairn__CreateChain message = CAIRN__CREATE_CHAIN__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    message.has_chain = true;
    return encode_pack(FRAME_CREATE_CHAIN, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_drop_chain(const struct cairn_drop_chain_request *request,
                                    struct encoded *ret_encoded)
{
    Cairn__DropChain message = CAIRN__DROP_CHAIN__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    message.has_chain = true; /* no name is none: it never means "default" */
    return encode_pack(FRAME_DROP_CHAIN, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_release(const struct cairn_release_request *request, struct encoded *ret_encoded)
{
    Cairn__Release message = CAIRN__RELEASE__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    message.has_any = message.any = request->any;
    return encode_pack(FRAME_RELEASE, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_present(struct cairn_slice chain, uint64_t epoch_sequence, uint64_t epoch_random,
                                 bool for_numbers, struct encoded *ret_encoded)
{
    Cairn__Epoch epoch = CAIRN__EPOCH__INIT;
    Cairn__Present message = CAIRN__PRESENT__INIT;
    assert(epoch_sequence > 0 && epoch_random != 0); /* a claim was answered with it */
    encode_bytes(chain, &message.has_chain, &message.chain);
    epoch.has_sequence = epoch.has_random = true;
    epoch.sequence = epoch_sequence;
    epoch.random = epoch_random;
    message.epoch = &epoch;
    message.has_for_numbers = message.for_numbers = for_numbers;
    return encode_pack(FRAME_PRESENT, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_usage(const struct cairn_read_usage_request *request, struct encoded *ret_encoded)
{
    Cairn__Usage message = CAIRN__USAGE__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    return encode_pack(FRAME_USAGE, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_height(const struct cairn_read_height_request *request, struct encoded *ret_encoded)
{
    Cairn__Height message = CAIRN__HEIGHT__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    return encode_pack(FRAME_HEIGHT, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_block(const struct cairn_read_block_request *request, struct encoded *ret_encoded)
{
    Cairn__ReadBlock message = CAIRN__READ_BLOCK__INIT;
    protobuf_c_boolean by_hash = false;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    encode_bytes(request->hash, &by_hash, &message.hash);
    if (by_hash) {
        message.at_case = CAIRN__READ_BLOCK__AT_HASH;
    } else {
        message.at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
        message.height = request->height;
    }
    message.has_parts = request->parts != 0;
    message.parts = request->parts;
    return encode_pack(FRAME_READ_BLOCK, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_blocks(const struct cairn_read_blocks_request *request, struct encoded *ret_encoded)
{
    Cairn__ReadBlocks message = CAIRN__READ_BLOCKS__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    assert(request->height_count <= READ_ITEMS_MAX && request->parts <= CAIRN_ALL_PARTS);
    message.n_heights = request->height_count;
    message.heights = (uint64_t *)(uintptr_t)request->heights;
    message.has_first = message.has_last = request->height_count == 0;
    message.first = request->first;
    message.last = request->last;
    message.has_parts = request->parts != 0;
    message.parts = request->parts;
    message.has_window_bytes = request->window_bytes != 0;
    message.window_bytes = request->window_bytes;
    return encode_pack(FRAME_READ_BLOCKS, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_state(const struct cairn_read_state_request *request, struct encoded *ret_encoded)
{
    Cairn__ReadState message = CAIRN__READ_STATE__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    message.has_height = request->at_height;
    message.height = request->height;
    return encode_pack(FRAME_READ_STATE, &message.base, NULL, ret_encoded);
}

/* Makes a parts field. 0, which is the default, counts as absent; CAIRN_PRESENCE is no bit of its own there. */
static void encode_metadata_parts(unsigned parts, protobuf_c_boolean *ret_has, uint32_t *ret_parts)
{
    assert(parts <= (CAIRN_PRESENCE << 1) - 1); /* it was checked */
    *ret_has = parts != 0;
    *ret_parts = parts & ~(unsigned)CAIRN_PRESENCE;
}

enum cairn_status encode_get(const struct cairn_get_request *request, struct encoded *ret_encoded)
{
    Cairn__GetMetadata message = CAIRN__GET_METADATA__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    encode_bytes(request->name, &message.has_name, &message.name);
    encode_metadata_parts(request->parts, &message.has_parts, &message.parts);
    message.has_name = true;
    return encode_pack(FRAME_GET_METADATA, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_get_many(const struct cairn_get_many_request *request, struct encoded *ret_encoded)
{
    Cairn__GetMetadataMany message = CAIRN__GET_METADATA_MANY__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    assert(request->name_count <= READ_ITEMS_MAX);
    encode_metadata_parts(request->parts, &message.has_parts, &message.parts);
    message.n_names = request->name_count;
    message.names = calloc(request->name_count + 1, sizeof *message.names);
    if (message.names == NULL) {
        return CAIRN_NO_MEMORY;
    }
    message.has_window_bytes = request->window_bytes != 0;
    message.window_bytes = request->window_bytes;
    for (size_t i = 0; i < request->name_count; i++) {
        protobuf_c_boolean has;
        encode_bytes(request->names[i], &has, &message.names[i]);
    }
    enum cairn_status status = encode_pack(FRAME_GET_METADATA_MANY, &message.base, NULL, ret_encoded);
    free(message.names);
    return status;
}

enum cairn_status encode_list(const struct cairn_list_request *request, struct encoded *ret_encoded)
{
    Cairn__ListMetadata message = CAIRN__LIST_METADATA__INIT;
    encode_bytes(request->chain, &message.has_chain, &message.chain);
    encode_bytes(request->prefix, &message.has_prefix, &message.prefix);
    encode_bytes(request->start, &message.has_start, &message.start);
    encode_bytes(request->end, &message.has_end, &message.end);
    message.has_reverse = message.reverse = request->reverse;
    encode_metadata_parts(request->parts, &message.has_parts, &message.parts);
    message.has_limit = request->limit != 0;
    message.limit = request->limit;
    message.has_window_bytes = request->window_bytes != 0;
    message.window_bytes = request->window_bytes;
    return encode_pack(FRAME_LIST_METADATA, &message.base, NULL, ret_encoded);
}

enum cairn_status encode_barrier(const struct cairn_barrier_request *request, struct encoded *ret_encoded)
{
    Cairn__Barrier message = CAIRN__BARRIER__INIT;
    encode_level(request->level, &message.has_level, &message.level);
    return encode_pack(FRAME_BARRIER, &message.base, NULL, ret_encoded);
}
