#include "tests/lib/operation_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cairn.pb-c.h"
#include "tests/lib/kept.h"
#include "tests/lib/words.h"

/* ---- requests ---- */

static ProtobufCBinaryData binary(struct bytes bytes)
{
    return (ProtobufCBinaryData){bytes.n, (uint8_t *)(uintptr_t)bytes.data};
}

static void chain_of(const struct operation *operation, protobuf_c_boolean *ret_has,
                     ProtobufCBinaryData *ret_chain)
{
    const char *name = name_of_chain(operation->chain);
    *ret_has = operation->chain != 0; /* "default" is what an absent one means */
    *ret_chain = (ProtobufCBinaryData){strlen(name), (uint8_t *)(uintptr_t)name};
}

static Cairn__NameRange *range_of(const struct edit *edit)
{
    Cairn__NameRange *range = kept_alloc(sizeof *range);
    cairn__name_range__init(range);
    range->has_from = edit->name != NAMES_KNOWN;
    range->has_to = edit->value != NAMES_KNOWN;
    range->from = range->has_from ? binary(name_bytes(edit->name)) : range->from;
    range->to = range->has_to ? binary(name_bytes((uint32_t)edit->value)) : range->to;
    return range;
}

static Cairn__MetadataOperation **edits_of(const struct operation *operation)
{
    Cairn__MetadataOperation **list = kept_alloc((operation->n_edits + 1) * sizeof *list);
    for (uint32_t i = 0; i < operation->n_edits; i++) {
        const struct edit *edit = &operation->edits[i];
        Cairn__MetadataOperation *one = kept_alloc(sizeof *one);
        cairn__metadata_operation__init(one);
        one->has_name = true;
        one->name = edit->name == NAMES_KNOWN ? one->name : binary(name_bytes(edit->name));
        one->has_of_height = edit->of_height != 0;
        one->of_height = height_on_wire(edit->of_height);
        if (edit->kind == EDIT_DELETE_RANGE) {
            one->has_name = false;
            one->operation_case = CAIRN__METADATA_OPERATION__OPERATION_DELETE_RANGE;
            one->delete_range = range_of(edit);
        } else if (edit->kind == EDIT_RAISE) {
            one->operation_case = CAIRN__METADATA_OPERATION__OPERATION_RAISE;
            one->raise = edit->value;
        } else if (edit->kind == EDIT_DELETE) {
            one->operation_case = CAIRN__METADATA_OPERATION__OPERATION_DELETE;
            one->delete_ = true;
        } else if (edit->kind == EDIT_SET) {
            one->operation_case = CAIRN__METADATA_OPERATION__OPERATION_VALUE;
            one->value = binary(value_bytes((uint32_t)edit->value));
        } else {
            one->operation_case = CAIRN__METADATA_OPERATION__OPERATION_VALUE;
            one->value = (ProtobufCBinaryData){8, kept_alloc(8)};
            for (unsigned at = 0; at < 8; at++) {
                one->value.data[at] = (uint8_t)(edit->value >> 8 * at);
            }
        }
        list[i] = one;
    }
    return list;
}

static void *commit_message(const struct operation *operation)
{
    Cairn__Commit *commit = kept_alloc(sizeof *commit);
    cairn__commit__init(commit);
    chain_of(operation, &commit->has_chain, &commit->chain);
    commit->has_number = operation->number != 0;
    commit->number = operation->number;
    commit->has_level = operation->level != 0;
    commit->level = (Cairn__Level)operation->level;
    commit->has_carry = commit->carry = operation->carry;
    commit->has_expected_height = operation->has_expected;
    commit->expected_height = height_on_wire(operation->expected);
    commit->blocks = kept_alloc(ITEMS_MAX * sizeof *commit->blocks);
    for (uint32_t i = 0; i < operation->n_blocks; i++) {
        Cairn__Block *block = commit->blocks[i] = kept_alloc(sizeof *block);
        cairn__block__init(block);
        block->has_height = block->has_header = block->has_data = block->has_signature = block->has_hash =
            true;
        block->height = height_on_wire(operation->blocks[i].height);
        block->header = binary(value_bytes(operation->blocks[i].header));
        block->data = binary(value_bytes(operation->blocks[i].data));
        block->signature = binary(value_bytes(signature_of(operation->blocks[i].header)));
        block->hash = binary(hash_bytes(operation->blocks[i].hash));
    }
    commit->n_blocks = operation->n_blocks;
    commit->states = kept_alloc(ITEMS_MAX * sizeof *commit->states);
    for (uint32_t i = 0; i < operation->n_states; i++) {
        Cairn__State *state = commit->states[i] = kept_alloc(sizeof *state);
        cairn__state__init(state);
        state->has_height = state->has_value = true;
        state->height = height_on_wire(operation->states[i].height);
        state->value = binary(value_bytes(operation->states[i].value));
    }
    commit->n_states = operation->n_states;
    commit->delete_states = kept_alloc(ITEMS_MAX * sizeof *commit->delete_states);
    for (uint32_t i = 0; i < operation->n_deletes; i++) {
        commit->delete_states[i] = height_on_wire(operation->deletes[i]);
    }
    commit->n_delete_states = operation->n_deletes;
    commit->delete_blocks = kept_alloc(ITEMS_MAX * sizeof *commit->delete_blocks);
    for (uint32_t i = 0; i < operation->n_block_deletes; i++) {
        commit->delete_blocks[i] = height_on_wire(operation->block_deletes[i]);
    }
    commit->n_delete_blocks = operation->n_block_deletes;
    commit->has_rise_to = operation->rise_to != 0;
    commit->rise_to = height_on_wire(operation->rise_to);
    commit->metadata = edits_of(operation);
    commit->n_metadata = operation->n_edits;
    return commit;
}

static void *prune_message(const struct operation *operation)
{
    Cairn__Prune *prune = kept_alloc(sizeof *prune);
    cairn__prune__init(prune);
    chain_of(operation, &prune->has_chain, &prune->chain);
    prune->has_number = operation->number != 0;
    prune->number = operation->number;
    prune->has_level = operation->level != 0;
    prune->level = (Cairn__Level)operation->level;
    prune->has_blocks_through = operation->prune_blocks;
    prune->blocks_through = height_on_wire(operation->height);
    prune->has_states_through = operation->prune_states;
    prune->states_through = height_on_wire(operation->last);
    prune->has_dry_run = prune->dry_run = operation->kind == OPERATION_DRY_PRUNE;
    prune->metadata = edits_of(operation);
    prune->n_metadata = operation->n_edits;
    return prune;
}

static void *rollback_message(const struct operation *operation)
{
    Cairn__Rollback *rollback = kept_alloc(sizeof *rollback);
    cairn__rollback__init(rollback);
    chain_of(operation, &rollback->has_chain, &rollback->chain);
    rollback->has_number = operation->number != 0;
    rollback->number = operation->number;
    rollback->has_level = operation->level != 0;
    rollback->level = (Cairn__Level)operation->level;
    rollback->has_to = true;
    rollback->to = height_on_wire(operation->height);
    rollback->has_dry_run = rollback->dry_run = operation->kind == OPERATION_DRY_ROLLBACK;
    rollback->guards = kept_alloc(ITEMS_MAX * sizeof *rollback->guards);
    for (uint32_t i = 0; i < operation->n_guards; i++) {
        Cairn__Guard *guard = rollback->guards[i] = kept_alloc(sizeof *guard);
        cairn__guard__init(guard);
        guard->has_name = true;
        guard->name = binary(name_bytes(operation->guards[i].name));
        guard->has_lower = guard->lower = operation->guards[i].lower;
        guard->has_pass_malformed = guard->pass_malformed = operation->guards[i].pass_malformed;
    }
    rollback->n_guards = operation->n_guards;
    rollback->metadata = edits_of(operation);
    rollback->n_metadata = operation->n_edits;
    return rollback;
}

static void *metadata_message(const struct operation *operation)
{
    Cairn__WriteMetadata *write = kept_alloc(sizeof *write);
    cairn__write_metadata__init(write);
    chain_of(operation, &write->has_chain, &write->chain);
    write->has_level = operation->level != 0;
    write->level = (Cairn__Level)operation->level;
    write->operations = edits_of(operation);
    write->n_operations = operation->n_edits;
    return write;
}

static void *block_message(const struct operation *operation)
{
    Cairn__ReadBlock *read = kept_alloc(sizeof *read);
    cairn__read_block__init(read);
    chain_of(operation, &read->has_chain, &read->chain);
    read->has_parts = operation->parts != 0;
    read->parts = operation->parts;
    if (operation->kind == OPERATION_BLOCK) {
        read->at_case = CAIRN__READ_BLOCK__AT_HEIGHT;
        read->height = height_on_wire(operation->height);
    } else {
        read->at_case = CAIRN__READ_BLOCK__AT_HASH;
        read->hash = binary(hash_bytes(operation->hash));
    }
    return read;
}

static void *blocks_message(const struct operation *operation)
{
    Cairn__ReadBlocks *read = kept_alloc(sizeof *read);
    cairn__read_blocks__init(read);
    chain_of(operation, &read->has_chain, &read->chain);
    read->has_parts = true;
    read->parts = operation->parts;
    read->has_window_bytes = operation->window != 0;
    read->window_bytes = operation->window;
    if (operation->kind == OPERATION_BLOCK_RANGE) {
        read->has_first = read->has_last = true;
        read->first = height_on_wire(operation->height);
        read->last = height_on_wire(operation->last);
        return read;
    }
    read->heights = kept_alloc(ITEMS_MAX * sizeof *read->heights);
    for (uint32_t i = 0; i < operation->n_items; i++) {
        read->heights[i] = height_on_wire(operation->items[i]);
    }
    read->n_heights = operation->n_items;
    return read;
}

static void *names_message(const struct operation *operation)
{
    if (operation->kind == OPERATION_GET) {
        Cairn__GetMetadata *get = kept_alloc(sizeof *get);
        cairn__get_metadata__init(get);
        chain_of(operation, &get->has_chain, &get->chain);
        get->has_name = true;
        get->name = binary(name_bytes(operation->items[0]));
        get->has_parts = operation->name_parts != 0;
        get->parts = operation_name_parts(operation);
        return get;
    }
    if (operation->kind == OPERATION_GET_MANY) {
        Cairn__GetMetadataMany *get = kept_alloc(sizeof *get);
        cairn__get_metadata_many__init(get);
        chain_of(operation, &get->has_chain, &get->chain);
        get->has_window_bytes = operation->window != 0;
        get->window_bytes = operation->window;
        get->names = kept_alloc(ITEMS_MAX * sizeof *get->names);
        for (uint32_t i = 0; i < operation->n_items; i++) {
            get->names[i] = binary(name_bytes(operation->items[i]));
        }
        get->n_names = operation->n_items;
        get->has_parts = operation->name_parts != 0;
        get->parts = operation_name_parts(operation);
        return get;
    }
    Cairn__ListMetadata *list = kept_alloc(sizeof *list);
    cairn__list_metadata__init(list);
    chain_of(operation, &list->has_chain, &list->chain);
    list->has_window_bytes = operation->window != 0;
    list->window_bytes = operation->window;
    list->has_prefix = operation->prefix != 0;
    list->prefix = binary(prefix_bytes(operation->prefix));
    list->has_limit = operation->limit != 0;
    list->limit = operation->limit;
    list->has_start = operation->start != NAMES_KNOWN;
    if (list->has_start) {
        list->start = binary(name_bytes(operation->start));
    }
    list->has_end = operation->end != 0;
    if (list->has_end) {
        list->end = binary(name_bytes(operation->end - 1));
    }
    list->has_reverse = list->reverse = operation->reverse;
    list->has_parts = operation->name_parts != 0;
    list->parts = operation_name_parts(operation);
    return list;
}

static void *state_message(const struct operation *operation)
{
    Cairn__ReadState *read = kept_alloc(sizeof *read);
    cairn__read_state__init(read);
    chain_of(operation, &read->has_chain, &read->chain);
    read->has_height = operation->kind == OPERATION_STATE;
    read->height = height_on_wire(operation->height);
    return read;
}

static void *small_message(const struct operation *operation)
{
    if (operation->kind == OPERATION_HEIGHT) {
        Cairn__Height *height = kept_alloc(sizeof *height);
        cairn__height__init(height);
        chain_of(operation, &height->has_chain, &height->chain);
        return height;
    }
    if (operation->kind == OPERATION_CREATE_CHAIN) {
        Cairn__CreateChain *create = kept_alloc(sizeof *create);
        cairn__create_chain__init(create);
        chain_of(operation, &create->has_chain, &create->chain);
        create->has_chain = true;
        return create;
    }
    if (operation->kind == OPERATION_DROP_CHAIN) {
        Cairn__DropChain *drop = kept_alloc(sizeof *drop);
        cairn__drop_chain__init(drop);
        static char default_name[] = "default";
        chain_of(operation, &drop->has_chain, &drop->chain);
        if (!drop->has_chain) { /* here absence does not mean it */
            drop->has_chain = true;
            drop->chain = (ProtobufCBinaryData){.data = (uint8_t *)default_name, .len = strlen(default_name)};
        }
        return drop;
    }
    if (operation->kind == OPERATION_BARRIER) {
        Cairn__Barrier *barrier = kept_alloc(sizeof *barrier);
        cairn__barrier__init(barrier);
        barrier->has_level = operation->level != 0;
        barrier->level = (Cairn__Level)operation->level;
        return barrier;
    }
    Cairn__Chains *chains = kept_alloc(sizeof *chains);
    cairn__chains__init(chains);
    return chains;
}

static void *claim_message(const struct operation *operation)
{
    static char writer_name[] = "model";
    if (operation->kind == OPERATION_RELEASE) {
        Cairn__Release *release = kept_alloc(sizeof *release);
        cairn__release__init(release);
        chain_of(operation, &release->has_chain, &release->chain);
        release->has_any = release->any = true;
        return release;
    }
    Cairn__Claim *claim = kept_alloc(sizeof *claim);
    cairn__claim__init(claim);
    chain_of(operation, &claim->has_chain, &claim->chain);
    claim->has_writer_name = claim->has_take_over = claim->take_over = true;
    claim->writer_name = (ProtobufCBinaryData){strlen(writer_name), (uint8_t *)writer_name};
    return claim;
}

static const struct {
    uint8_t type;
    void *(*message)(const struct operation *operation);
} requests[OPERATION_KINDS] = {
    [OPERATION_HEIGHT] = {FRAME_HEIGHT, small_message},
    [OPERATION_BLOCK] = {FRAME_READ_BLOCK, block_message},
    [OPERATION_BLOCK_BY_HASH] = {FRAME_READ_BLOCK, block_message},
    [OPERATION_BLOCK_LIST] = {FRAME_READ_BLOCKS, blocks_message},
    [OPERATION_BLOCK_RANGE] = {FRAME_READ_BLOCKS, blocks_message},
    [OPERATION_STATE] = {FRAME_READ_STATE, state_message},
    [OPERATION_TIP_STATE] = {FRAME_READ_STATE, state_message},
    [OPERATION_GET] = {FRAME_GET_METADATA, names_message},
    [OPERATION_GET_MANY] = {FRAME_GET_METADATA_MANY, names_message},
    [OPERATION_LIST] = {FRAME_LIST_METADATA, names_message},
    [OPERATION_CHAINS] = {FRAME_CHAINS, small_message},
    [OPERATION_METADATA] = {FRAME_WRITE_METADATA, metadata_message},
    [OPERATION_COMMIT] = {FRAME_COMMIT, commit_message},
    [OPERATION_PRUNE] = {FRAME_PRUNE, prune_message},
    [OPERATION_ROLLBACK] = {FRAME_ROLLBACK, rollback_message},
    [OPERATION_DRY_PRUNE] = {FRAME_PRUNE, prune_message},
    [OPERATION_DRY_ROLLBACK] = {FRAME_ROLLBACK, rollback_message},
    [OPERATION_CREATE_CHAIN] = {FRAME_CREATE_CHAIN, small_message},
    [OPERATION_DROP_CHAIN] = {FRAME_DROP_CHAIN, small_message},
    [OPERATION_CLAIM] = {FRAME_CLAIM, claim_message},
    [OPERATION_RELEASE] = {FRAME_RELEASE, claim_message},
    [OPERATION_BARRIER] = {FRAME_BARRIER, small_message},
};

struct bytes operation_frame(const struct operation *operation, uint64_t id)
{
    ProtobufCMessage *message = requests[operation->kind].message(operation);
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *frame = kept_alloc(FRAME_REQUEST_BYTES + n);
    struct frame_request header = {requests[operation->kind].type, (uint32_t)n, id};
    frame_request_encode(&header, frame);
    protobuf_c_message_pack(message, frame + FRAME_REQUEST_BYTES);
    return (struct bytes){frame, FRAME_REQUEST_BYTES + n};
}
