#include <stdio.h>
#include <string.h>

#include "tests/lib/kept.h"
#include "tests/lib/messages.h"
#include "tests/lib/random.h"

ProtobufCBinaryData bytes_of(const char *text)
{
    size_t n = strlen(text);
    return (ProtobufCBinaryData){n, kept_copy(text, n)};
}

ProtobufCBinaryData bytes_random(uint64_t seed, size_t n)
{
    ProtobufCBinaryData bytes = {n, kept_alloc(n + 1)};
    struct random_source source = random_from(seed);
    random_fill(&source, bytes.data, n);
    return bytes;
}

bool bytes_same(ProtobufCBinaryData left, ProtobufCBinaryData right)
{
    return left.len == right.len && (left.len == 0 || memcmp(left.data, right.data, left.len) == 0);
}

bool bytes_are(ProtobufCBinaryData bytes, const char *text)
{
    return bytes_same(bytes, (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text});
}

ProtobufCBinaryData bytes_of_number(uint64_t number)
{
    ProtobufCBinaryData bytes = {8, kept_alloc(8)};
    for (unsigned i = 0; i < 8; i++) {
        bytes.data[i] = (uint8_t)(number >> 8 * i);
    }
    return bytes;
}

static Cairn__MetadataOperation *operation_new(const char *name)
{
    Cairn__MetadataOperation *operation = kept_alloc(sizeof *operation);
    cairn__metadata_operation__init(operation);
    operation->has_name = true;
    operation->name = bytes_of(name);
    return operation;
}

Cairn__MetadataOperation *operation_set(const char *name, const char *value)
{
    Cairn__MetadataOperation *operation = operation_new(name);
    operation->operation_case = CAIRN__METADATA_OPERATION__OPERATION_VALUE;
    operation->value = bytes_of(value);
    return operation;
}

Cairn__MetadataOperation *operation_set_at(const char *name, const char *value, uint64_t of_height)
{
    Cairn__MetadataOperation *operation = operation_set(name, value);
    operation->has_of_height = true;
    operation->of_height = of_height;
    return operation;
}

Cairn__MetadataOperation *operation_set_bytes(ProtobufCBinaryData name, ProtobufCBinaryData value)
{
    Cairn__MetadataOperation *operation = operation_set("", "");
    operation->name = name;
    operation->value = value;
    return operation;
}

Cairn__MetadataOperation *operation_delete(const char *name)
{
    Cairn__MetadataOperation *operation = operation_new(name);
    operation->operation_case = CAIRN__METADATA_OPERATION__OPERATION_DELETE;
    operation->delete_ = true;
    return operation;
}

Cairn__MetadataOperation *operation_raise(const char *name, uint64_t number)
{
    Cairn__MetadataOperation *operation = operation_new(name);
    operation->operation_case = CAIRN__METADATA_OPERATION__OPERATION_RAISE;
    operation->raise = number;
    return operation;
}

Cairn__WriteMetadata *metadata_new(Cairn__MetadataOperation *first)
{
    Cairn__WriteMetadata *write = kept_alloc(sizeof *write);
    cairn__write_metadata__init(write);
    if (first != NULL) {
        metadata_add(write, first);
    }
    return write;
}

void metadata_add(Cairn__WriteMetadata *write, Cairn__MetadataOperation *operation)
{
    write->operations = kept_append(write->operations, &write->n_operations, operation);
}

Cairn__Commit *commit_new(void)
{
    Cairn__Commit *commit = kept_alloc(sizeof *commit);
    cairn__commit__init(commit);
    return commit;
}

Cairn__Commit *commit_of_block(uint64_t height, const char *header)
{
    Cairn__Commit *commit = commit_new();
    commit_block(commit, height, header);
    commit_rise(commit, height);
    return commit;
}

Cairn__Block *commit_block(Cairn__Commit *commit, uint64_t height, const char *header)
{
    Cairn__Block *block = kept_alloc(sizeof *block);
    cairn__block__init(block);
    block->has_height = true;
    block->height = height;
    block->has_header = true;
    block->header = bytes_of(header);
    block->has_data = true;
    block->data = bytes_of(kept_format("data of %s", header));
    block->has_signature = true;
    block->signature = bytes_of(kept_format("signature of %s", header));
    commit->blocks = kept_append(commit->blocks, &commit->n_blocks, block);
    return block;
}

void commit_state(Cairn__Commit *commit, uint64_t height, const char *value)
{
    Cairn__State *state = kept_alloc(sizeof *state);
    cairn__state__init(state);
    state->has_height = true;
    state->height = height;
    state->has_value = true;
    state->value = bytes_of(value);
    commit->states = kept_append(commit->states, &commit->n_states, state);
}

void commit_delete_state(Cairn__Commit *commit, uint64_t height)
{
    uint64_t *heights = kept_alloc((commit->n_delete_states + 1) * sizeof *heights);
    if (commit->n_delete_states > 0) {
        memcpy(heights, commit->delete_states, commit->n_delete_states * sizeof *heights);
    }
    heights[commit->n_delete_states++] = height;
    commit->delete_states = heights;
}

void commit_rise(Cairn__Commit *commit, uint64_t height)
{
    commit->has_rise_to = true;
    commit->rise_to = height;
}

void commit_metadata(Cairn__Commit *commit, Cairn__MetadataOperation *operation)
{
    commit->metadata = kept_append(commit->metadata, &commit->n_metadata, operation);
}

static Cairn__Prune *prune_new(void)
{
    Cairn__Prune *prune = kept_alloc(sizeof *prune);
    cairn__prune__init(prune);
    return prune;
}

Cairn__Prune *prune_blocks(uint64_t height)
{
    Cairn__Prune *prune = prune_new();
    prune->has_blocks_through = true;
    prune->blocks_through = height;
    return prune;
}

Cairn__Prune *prune_states(uint64_t height)
{
    Cairn__Prune *prune = prune_new();
    prune->has_states_through = true;
    prune->states_through = height;
    return prune;
}

void prune_metadata(Cairn__Prune *prune, Cairn__MetadataOperation *operation)
{
    prune->metadata = kept_append(prune->metadata, &prune->n_metadata, operation);
}

Cairn__Rollback *rollback_to(uint64_t height)
{
    Cairn__Rollback *rollback = kept_alloc(sizeof *rollback);
    cairn__rollback__init(rollback);
    rollback->has_to = true;
    rollback->to = height;
    return rollback;
}

void rollback_guard(Cairn__Rollback *rollback, const char *name, bool lower)
{
    Cairn__Guard *guard = kept_alloc(sizeof *guard);
    cairn__guard__init(guard);
    guard->has_name = true;
    guard->name = bytes_of(name);
    guard->has_lower = lower;
    guard->lower = lower;
    rollback->guards = kept_append(rollback->guards, &rollback->n_guards, guard);
}

void rollback_metadata(Cairn__Rollback *rollback, Cairn__MetadataOperation *operation)
{
    rollback->metadata = kept_append(rollback->metadata, &rollback->n_metadata, operation);
}
