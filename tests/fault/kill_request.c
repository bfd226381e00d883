#include "tests/fault/kill_request.h"

#include <inttypes.h>

#include "tests/lib/kept.h"
#include "tests/lib/messages.h"

static const char *number_text(uint64_t number)
{
    return kept_format("%" PRIu64, number);
}

static const char *name_of(const struct entry *entry)
{
    return kept_format("%s%u", entry->kind == ENTRY_BIND ? "bound" : "slot", entry->slot);
}

static Cairn__WriteMetadata *metadata_of(const char *chain, const struct entry *entry)
{
    const char *value = number_text(2 * entry->number);
    Cairn__WriteMetadata *write =
        metadata_new(entry->kind == ENTRY_DELETE ? operation_delete(name_of(entry))
                     : entry->kind == ENTRY_BIND ? operation_set_at(name_of(entry), value, entry->height)
                                                 : operation_set(name_of(entry), value));
    metadata_add(write, operation_raise("seen", entry->number));
    write->has_chain = true;
    write->chain = bytes_of(chain);
    write->has_level = true;
    write->level = (Cairn__Level)entry->level;
    return write;
}

static Cairn__Commit *commit_of(const char *chain, const struct entry *entry)
{
    Cairn__Commit *commit = commit_of_block(entry->height, number_text(entry->number));
    commit_state(commit, entry->height, number_text(entry->number));
    commit_metadata(commit, operation_set("lane", number_text(entry->number)));
    if (entry->kind == ENTRY_TOUCH) {
        commit_metadata(commit, operation_set(name_of(entry), number_text(2 * entry->number + 1)));
    }
    commit->has_carry = commit->carry = entry->kind == ENTRY_CARRY;
    commit->has_chain = true;
    commit->chain = bytes_of(chain);
    commit->has_level = true;
    commit->level = (Cairn__Level)entry->level;
    return commit;
}

static Cairn__Prune *prune_of(const char *chain, const struct entry *entry)
{
    Cairn__Prune *prune = prune_blocks(entry->height);
    prune->has_states_through = true;
    prune->states_through = entry->height;
    prune_metadata(prune, operation_set("lane", number_text(entry->number)));
    prune->has_chain = true;
    prune->chain = bytes_of(chain);
    return prune;
}

static Cairn__Rollback *rollback_of(const char *chain, const struct entry *entry)
{
    Cairn__Rollback *rollback = rollback_to(entry->height);
    rollback_metadata(rollback, operation_set("lane", number_text(entry->number)));
    rollback->has_chain = true;
    rollback->chain = bytes_of(chain);
    return rollback;
}

uint64_t request_send(struct wire *wire, const char *chain, const struct entry *entry)
{
    if (!entry_is_lane(entry)) {
        return wire_send(wire, FRAME_WRITE_METADATA, metadata_of(chain, entry));
    }
    switch (entry->kind) {
    case ENTRY_PRUNE:
        return wire_send(wire, FRAME_PRUNE, prune_of(chain, entry));
    case ENTRY_ROLLBACK:
        return wire_send(wire, FRAME_ROLLBACK, rollback_of(chain, entry));
    default:
        return wire_send(wire, FRAME_COMMIT, commit_of(chain, entry));
    }
}

static struct cairn_operation operation_of(const struct entry *entry)
{
    return (struct cairn_operation){
        .kind = entry->kind == ENTRY_DELETE ? CAIRN_DELETE : CAIRN_SET,
        .name = cairn_text(name_of(entry)),
        .value = entry->kind == ENTRY_DELETE ? (struct cairn_slice){0}
                                             : cairn_text(number_text(2 * entry->number)),
        .of_height = entry->kind == ENTRY_BIND ? entry->height : 0,
    };
}

static enum cairn_status submit_metadata(struct cairn_connection *connection, const char *chain,
                                         const struct entry *entry, cairn_completion completed, void *pending)
{
    struct cairn_operation operations[] = {
        operation_of(entry),
        {.kind = CAIRN_RAISE, .name = cairn_text("seen"), .raise = entry->number},
    };
    struct cairn_write_metadata_request write = {
        .chain = cairn_text(chain),
        .level = (enum cairn_level)entry->level,
        .operations = operations,
        .operation_count = 2,
    };
    return cairn_submit_write_metadata(connection, &write, completed, pending);
}

static enum cairn_status submit_lane(struct cairn_connection *connection, const char *chain_name,
                                     const struct entry *entry, cairn_completion completed, void *pending)
{
    struct cairn_slice chain = cairn_text(chain_name), text = cairn_text(number_text(entry->number));
    struct cairn_operation metadata[] = {
        {.kind = CAIRN_SET, .name = cairn_text("lane"), .value = text},
        {.kind = CAIRN_SET,
         .name = cairn_text(name_of(entry)),
         .value = cairn_text(number_text(2 * entry->number + 1))},
    };
    if (entry->kind == ENTRY_PRUNE) {
        struct cairn_prune_request prune = {.chain = chain,
                                            .blocks = true,
                                            .states = true,
                                            .blocks_through = entry->height,
                                            .states_through = entry->height,
                                            .metadata = metadata,
                                            .metadata_count = 1};
        return cairn_submit_prune(connection, &prune, completed, pending);
    }
    if (entry->kind == ENTRY_ROLLBACK) {
        struct cairn_rollback_request rollback = {
            .chain = chain, .to = entry->height, .metadata = metadata, .metadata_count = 1};
        return cairn_submit_rollback(connection, &rollback, completed, pending);
    }
    struct cairn_block block = {.height = entry->height, .header = text};
    struct cairn_state state = {.height = entry->height, .value = text};
    struct cairn_commit_request commit = {
        .chain = chain,
        .level = (enum cairn_level)entry->level,
        .carry = entry->kind == ENTRY_CARRY,
        .blocks = &block,
        .block_count = 1,
        .states = &state,
        .state_count = 1,
        .rise_to = entry->height,
        .metadata = metadata,
        .metadata_count = entry->kind == ENTRY_TOUCH ? 2 : 1,
    };
    return cairn_submit_commit(connection, &commit, completed, pending);
}

enum cairn_status request_submit(struct cairn_connection *connection, const char *chain,
                                 const struct entry *entry, cairn_completion completed, void *context)
{
    return entry_is_lane(entry) ? submit_lane(connection, chain, entry, completed, context)
                                : submit_metadata(connection, chain, entry, completed, context);
}
