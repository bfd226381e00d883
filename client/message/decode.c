/* A reply body's life: it is unpacked, checked, and becomes a struct of cairn.h.
 *
 * - most messages are flat: they are unpacked on the stack, and the struct points into the body; decoded_own() copies that
 * - protobuf-c unpacks the two lists, of chains and of status entries, into memory bounded by their length; the struct points
 *   into that memory
 * - decoded_free() frees what was allocated
 *
 * A body is malformed if it is not the protobuf of its message, needs more memory than an honest daemon's would, lacks a
 * required field, has a value out of range, or answers something that was not asked. Nothing else can fail but memory, which
 * counts as malformed for lists. */
#include "client/message/decode.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/message/unpack.h"
#include "proto/cairn.pb-c.h"

enum {
    /* Unpacking a list may take 64 KiB and 128 bytes for each of its bytes: the smallest entry has 2 bytes and becomes a struct
     * of about 100 and a pointer. Chosen. */
    MEMORY_FACTOR = 128,
    MEMORY_BASE_BYTES = 64 << 10,
    LIST_BYTES_MAX = 4 << 20, /* chosen: 1,024 chains and a status page take less than a tenth */

    SLICES_MAX = 4, /* of one reply: a block's parts */
};

struct budget {
    size_t left_bytes;
};

static void *budget_alloc(void *data, size_t bytes)
{
    struct budget *budget = data;
    if (bytes > budget->left_bytes) {
        return NULL;
    }
    budget->left_bytes -= bytes;
    return malloc(bytes);
}

static void budget_free(void *data, void *memory)
{
    (void)data;
    free(memory);
}

/* NULL: malformed. */
static void *unpack_list(const ProtobufCMessageDescriptor *descriptor, const uint8_t *body, size_t bytes)
{
    struct budget budget = {.left_bytes = MEMORY_BASE_BYTES + MEMORY_FACTOR * bytes};
    ProtobufCAllocator allocator = {.alloc = budget_alloc, .free = budget_free, .allocator_data = &budget};
    return bytes > LIST_BYTES_MAX ? NULL : protobuf_c_message_unpack(descriptor, &allocator, bytes, body);
}

void decoded_free(struct decoded *decoded)
{
    if (decoded->message != NULL) {
        protobuf_c_message_free_unpacked(decoded->message, NULL);
    }
    free(decoded->array);
    free(decoded->bytes);
    *decoded = (struct decoded){.message = NULL};
}

static struct cairn_slice slice(ProtobufCBinaryData data)
{
    return (struct cairn_slice){.data = data.data, .bytes = data.len};
}

/* Copies one part of a block to the struct. False: it was asked for and is missing. */
static bool block_part(unsigned asked, enum cairn_part part, protobuf_c_boolean has, ProtobufCBinaryData data,
                       struct cairn_block *block, struct cairn_slice *ret_slice)
{
    if (!(asked & part)) {
        return true;
    }
    if (!has) {
        return false;
    }
    assert(!(block->parts & part)); /* each has a place of its own */
    block->parts |= part;
    *ret_slice = slice(data);
    return true;
}

static bool show_block(unsigned parts, const Cairn__BlockReply *reply, struct cairn_block *ret_block)
{
    struct cairn_block block = {.height = reply->height, .absent = reply->has_absent && reply->absent};
    if (!reply->has_height) {
        return false;
    }
    if (!block.absent &&
        !(block_part(parts, CAIRN_HEADER, reply->has_header, reply->header, &block, &block.header) &&
          block_part(parts, CAIRN_DATA, reply->has_data, reply->data, &block, &block.data) &&
          block_part(parts, CAIRN_SIGNATURE, reply->has_signature, reply->signature, &block,
                     &block.signature) &&
          block_part(parts, CAIRN_HASH, reply->has_hash, reply->hash, &block, &block.hash))) {
        return false;
    }
    assert(block.absent || block.parts == parts); /* the caller gets what it asked for, and no more */
    *ret_block = block;
    return true;
}

bool decode_block_item(struct decode_expected *expected, const uint8_t *body, size_t bytes,
                       struct cairn_block *ret_block)
{
    assert(expected->parts <= CAIRN_ALL_PARTS); /* encoding refuses any other */
    Cairn__BlockReply reply;
    if (!unpack_flat(&cairn__block_reply__descriptor, body, bytes, &reply.base) ||
        !show_block(expected->parts, &reply, ret_block)) {
        return false;
    }
    if (expected->in_range) {
        if (ret_block->absent || ret_block->height < expected->first || ret_block->height > expected->last) {
            return false;
        }
        expected->in_range = ret_block->height < UINT64_MAX;
        expected->first = ret_block->height + 1;
    }
    return true;
}

/* False: a name that is there lacks the size that was asked for. */
static bool show_metadata(unsigned parts, const Cairn__MetadataReply *reply,
                          struct cairn_metadata *ret_metadata)
{
    *ret_metadata = (struct cairn_metadata){
        .name = slice(reply->name),
        .absent = reply->has_absent && reply->absent,
        .value = slice(reply->value),
        .of_height = reply->of_height,
        .size = reply->size,
    };
    return ret_metadata->absent || !(parts & CAIRN_SIZE) || reply->has_size;
}

bool decode_metadata_item(const struct decode_expected *expected, bool may_be_absent, const uint8_t *body,
                          size_t bytes, struct cairn_metadata *ret_metadata)
{
    Cairn__MetadataReply reply;
    return unpack_flat(&cairn__metadata_reply__descriptor, body, bytes, &reply.base) && reply.has_name &&
           show_metadata(expected->parts, &reply, ret_metadata) && (may_be_absent || !ret_metadata->absent);
}

static bool decode_ping(const uint8_t *body, size_t bytes)
{
    Cairn__PingReply reply;
    return unpack_flat(&cairn__ping_reply__descriptor, body, bytes, &reply.base);
}

static bool decode_drain(const uint8_t *body, size_t bytes, struct cairn_reply *ret_reply)
{
    Cairn__DrainReply reply;
    if (!unpack_flat(&cairn__drain_reply__descriptor, body, bytes, &reply.base)) {
        return false;
    }
    ret_reply->drained =
        (struct cairn_drained){.operations = reply.operations, .connections = reply.connections};
    return true;
}

static bool decode_height(const uint8_t *body, size_t bytes, struct cairn_reply *ret_reply)
{
    Cairn__HeightReply reply;
    if (!unpack_flat(&cairn__height_reply__descriptor, body, bytes, &reply.base)) {
        return false;
    }
    ret_reply->height = reply.height;
    return true;
}

static bool decode_block(unsigned parts, const uint8_t *body, size_t bytes, struct cairn_reply *ret_reply)
{
    Cairn__BlockReply reply;
    return unpack_flat(&cairn__block_reply__descriptor, body, bytes, &reply.base) &&
           show_block(parts, &reply, &ret_reply->block) && !ret_reply->block.absent;
}

static bool decode_state(const uint8_t *body, size_t bytes, struct cairn_reply *ret_reply)
{
    Cairn__StateReply reply;
    if (!unpack_flat(&cairn__state_reply__descriptor, body, bytes, &reply.base) || !reply.has_height) {
        return false;
    }
    ret_reply->state = (struct cairn_state){.height = reply.height, .value = slice(reply.value)};
    return true;
}

static bool decode_metadata(unsigned parts, const uint8_t *body, size_t bytes, struct cairn_reply *ret_reply)
{
    Cairn__MetadataReply reply;
    if (!unpack_flat(&cairn__metadata_reply__descriptor, body, bytes, &reply.base) ||
        !show_metadata(parts, &reply, &ret_reply->found) || ret_reply->found.absent) {
        return false;
    }
    ret_reply->found.name = (struct cairn_slice){NULL, 0}; /* only items of streams have one */
    return true;
}

static bool decode_usage(const uint8_t *body, size_t bytes, struct cairn_reply *ret_reply)
{
    Cairn__UsageReply reply;
    if (!unpack_flat(&cairn__usage_reply__descriptor, body, bytes, &reply.base)) {
        return false;
    }
    ret_reply->usage_bytes = reply.bytes;
    return true;
}

static bool decode_claim(const uint8_t *body, size_t bytes, struct cairn_reply *ret_reply,
                         struct decoded *ret_decoded)
{
    Cairn__ClaimReply *reply = unpack_list(&cairn__claim_reply__descriptor, body, bytes);
    bool good = reply != NULL && reply->sequence > 0 && reply->level == CAIRN__LEVEL__LEVEL_DURABLE &&
                reply->epoch != NULL && reply->epoch->sequence > 0 && reply->epoch->random != 0;
    if (good) {
        ret_reply->write = (struct cairn_written){.sequence = reply->sequence, .level = CAIRN_DURABLE};
        ret_decoded->epoch_sequence = reply->epoch->sequence;
        ret_decoded->epoch_random = reply->epoch->random;
    }
    if (reply != NULL) {
        cairn__claim_reply__free_unpacked(reply, NULL);
    }
    return good;
}

static bool decode_present(const uint8_t *body, size_t bytes, struct decoded *ret_decoded)
{
    Cairn__PresentReply reply;
    bool good =
        unpack_flat(&cairn__present_reply__descriptor, body, bytes, &reply.base) && reply.has_last_number;
    ret_decoded->last_number = good ? reply.last_number : 0;
    return good;
}

static bool decode_write(enum cairn_request_kind kind, const struct decode_expected *expected,
                         const uint8_t *body, size_t bytes, struct cairn_reply *ret_reply)
{
    Cairn__WriteReply reply;
    if (!unpack_flat(&cairn__write_reply__descriptor, body, bytes, &reply.base)) {
        return false;
    }
    assert(expected->level <= CAIRN_DURABLE); /* encoding refuses any other */
    bool numbered =
        kind != CAIRN_BARRIER && kind != CAIRN_CREATE_CHAIN && kind != CAIRN_RELEASE && !expected->dry_run;
    if (numbered && (!reply.has_sequence || reply.sequence == 0 || !reply.has_level)) {
        return false;
    }
    enum cairn_level level = CAIRN_LEVEL_DEFAULT;
    if (reply.has_level) {
        level = (enum cairn_level)reply.level;
        if (level < CAIRN_ACCEPTED || level > CAIRN_DURABLE || (numbered && level < expected->level)) {
            return false;
        }
    }
    ret_reply->write = (struct cairn_written){
        .sequence = reply.sequence,
        .level = level,
        .created = reply.has_created && reply.created,
        .blocks = reply.blocks,
        .states = reply.states,
        .metadata = reply.metadata,
        .lowered = reply.lowered,
        .raises_left_out = reply.raises_left_out,
        .repeated = reply.has_repeated && reply.repeated,
    };
    return true;
}

static bool decode_chains(const uint8_t *body, size_t bytes, struct cairn_reply *ret_reply,
                          struct decoded *ret_decoded)
{
    assert(ret_decoded->message == NULL && ret_decoded->array == NULL); /* else they would leak */
    const Cairn__ChainsReply *reply = ret_decoded->message =
        unpack_list(&cairn__chains_reply__descriptor, body, bytes);
    if (reply == NULL) {
        return false;
    }
    struct cairn_claim_entry *claims;
    struct cairn_chain *entries = ret_decoded->array =
        calloc(reply->n_chains + 1, sizeof *entries + sizeof *claims); /* the claims lie behind the chains */
    if (entries == NULL) {
        return false;
    }
    claims = (void *)(entries + reply->n_chains);
    for (size_t i = 0; i < reply->n_chains; i++) {
        const Cairn__ChainEntry *from = reply->chains[i];
        claims[i] = (struct cairn_claim_entry){
            .sequence = from->claim_sequence,
            .writer_name = slice(from->claim_name),
            .uid = from->claim_uid,
            .pid = from->claim_pid,
            .held = from->has_claim_held && from->claim_held,
        };
        entries[i] = (struct cairn_chain){
            .name = slice(from->name),
            .height = from->height,
            .blocks_pruned = from->has_blocks_pruned_through,
            .states_pruned = from->has_states_pruned_through,
            .blocks_pruned_through = from->blocks_pruned_through,
            .states_pruned_through = from->states_pruned_through,
            .claim = from->has_claim_sequence ? &claims[i] : NULL,
        };
        if (!from->has_name) {
            return false;
        }
    }
    ret_reply->chains.entries = entries;
    ret_reply->chains.count = reply->n_chains;
    return true;
}

static bool decode_page(const uint8_t *body, size_t bytes, struct cairn_reply *ret_reply,
                        struct decoded *ret_decoded)
{
    assert(ret_decoded->message == NULL && ret_decoded->array == NULL); /* else they would leak */
    const Cairn__StatusReply *reply = ret_decoded->message =
        unpack_list(&cairn__status_reply__descriptor, body, bytes);
    if (reply == NULL) {
        return false;
    }
    struct cairn_status_entry *entries = ret_decoded->array = calloc(reply->n_entries + 1, sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < reply->n_entries; i++) {
        const Cairn__StatusEntry *from = reply->entries[i];
        entries[i].name = slice(from->name);
        if (from->value_case == CAIRN__STATUS_ENTRY__VALUE_TEXT) {
            entries[i].is_text = true;
            entries[i].text = slice(from->text);
        } else if (from->value_case == CAIRN__STATUS_ENTRY__VALUE_NUMBER) {
            entries[i].number = from->number;
        }
        if (!from->has_name) {
            return false;
        }
    }
    ret_reply->page.entries = entries;
    ret_reply->page.count = reply->n_entries;
    return true;
}

bool decode_reply(enum cairn_request_kind kind, const struct decode_expected *expected, const uint8_t *body,
                  size_t bytes, struct cairn_reply *ret_reply, struct decoded *ret_decoded)
{
    assert(ret_decoded->message == NULL && ret_decoded->bytes == NULL); /* what it gets is freed once */
    switch ((int)kind) {
    case CAIRN_PING:
        return decode_ping(body, bytes);
    case CAIRN_STATUS_PAGE:
        return decode_page(body, bytes, ret_reply, ret_decoded);
    case CAIRN_CHAINS:
        return decode_chains(body, bytes, ret_reply, ret_decoded);
    case CAIRN_DRAIN:
        return decode_drain(body, bytes, ret_reply);
    case CAIRN_READ_HEIGHT:
        return decode_height(body, bytes, ret_reply);
    case CAIRN_READ_BLOCK:
        return decode_block(expected->parts, body, bytes, ret_reply);
    case CAIRN_READ_STATE:
        return decode_state(body, bytes, ret_reply);
    case CAIRN_GET:
        return decode_metadata(expected->parts, body, bytes, ret_reply);
    case CAIRN_READ_USAGE:
        return decode_usage(body, bytes, ret_reply);
    case CAIRN_CLAIM:
        return decode_claim(body, bytes, ret_reply, ret_decoded);
    case KIND_PRESENT:
        return decode_present(body, bytes, ret_decoded);
    case CAIRN_READ_BLOCKS:
    case CAIRN_GET_MANY:
    case CAIRN_LIST:
        return bytes == 0; /* the last frame of a stream is empty */
    case CAIRN_CREATE_CHAIN:
    case CAIRN_DROP_CHAIN:
    case CAIRN_WRITE_METADATA:
    case CAIRN_COMMIT:
    case CAIRN_PRUNE:
    case CAIRN_ROLLBACK:
    case CAIRN_BARRIER:
    case CAIRN_RELEASE:
        return decode_write(kind, expected, body, bytes, ret_reply);
    }
    return false;
}

/* Collects the slices of the reply that point into its body. */
static size_t slices_of(struct cairn_reply *reply, struct cairn_slice *ret_slices[SLICES_MAX])
{
    size_t count = 0;
    if (reply->status != CAIRN_OK) {
        return 0;
    }
    if (reply->kind == CAIRN_READ_BLOCK) {
        ret_slices[count++] = &reply->block.header;
        ret_slices[count++] = &reply->block.data;
        ret_slices[count++] = &reply->block.signature;
        ret_slices[count++] = &reply->block.hash;
    } else if (reply->kind == CAIRN_READ_STATE) {
        ret_slices[count++] = &reply->state.value;
    } else if (reply->kind == CAIRN_GET) {
        ret_slices[count++] = &reply->found.value;
    }
    assert(count <= SLICES_MAX);
    return count;
}

bool decoded_own(struct decoded *decoded, struct cairn_reply *reply)
{
    struct cairn_slice *slices[SLICES_MAX];
    size_t count = slices_of(reply, slices), bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += slices[i]->bytes;
    }
    if (bytes == 0) {
        return true;
    }
    assert(decoded->bytes == NULL); /* a reply is copied once */
    uint8_t *at = decoded->bytes = malloc(bytes);
    if (at == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (slices[i]->bytes > 0) {
            memcpy(at, slices[i]->data, slices[i]->bytes);
            slices[i]->data = at;
            at += slices[i]->bytes;
        }
    }
    assert(at == (uint8_t *)decoded->bytes + bytes);
    return true;
}

bool decode_error(const uint8_t *body, size_t bytes, char *ret_text, size_t text_bytes,
                  struct decoded_error *ret_error)
{
    Cairn__Error error;
    if (!unpack_flat(&cairn__error__descriptor, body, bytes, &error.base)) {
        return false;
    }
    assert(text_bytes > 0);
    size_t length = error.text.len < text_bytes ? error.text.len : text_bytes - 1;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = error.text.data[i];
        ret_text[i] = byte < ' ' || byte == 0x7F ? '?' : (char)byte;
    }
    ret_text[length] = '\0';
    *ret_error = (struct decoded_error){
        .reason = (enum cairn_reason)error.reason,
        .has_last_number = error.has_last_number,
        .last_number = error.last_number,
    };
    return true;
}

bool decode_hello(const uint8_t *body, size_t bytes, struct hello *ret_hello)
{
    Cairn__HelloReply reply;
    if (!unpack_flat(&cairn__hello_reply__descriptor, body, bytes, &reply.base)) {
        return false;
    }
    bool good = reply.version >= PROTOCOL_VERSION_MIN && reply.version <= PROTOCOL_VERSION_MAX &&
                reply.store_id.len == STORE_ID_BYTES && reply.run > 0 &&
                reply.frame_bytes_max >= FRAME_BYTES_MIN && reply.frame_bytes_max <= FRAME_BYTES_MAX;
    if (good) {
        *ret_hello = (struct hello){
            .run = reply.run,
            .run_random = reply.run_random,
            .features = reply.features,
            .store_changed = reply.store_changed,
            .metadata_on_disk = reply.metadata_on_disk,
            .frame_bytes_max = reply.frame_bytes_max,
        };
        memcpy(ret_hello->store_id, reply.store_id.data, STORE_ID_BYTES);
    }
    return good;
}
