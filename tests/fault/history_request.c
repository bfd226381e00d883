#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/history_load.h"
#include "tests/lib/kept.h"

enum {
    HEIGHTS_KEPT = 12, /* that a prune leaves below the height */
    BACK_MAX = 3,      /* heights that a rollback drops */
};

/* Which action of the history a completion is of: it moves when the history grows. */
struct asked {
    struct fleet_client *client;
    size_t action;
};

static struct action *action_of(const struct asked *asked)
{
    return &asked->client->fleet->history.actions[asked->action];
}

static void completed(void *context, const struct cairn_reply *reply)
{
    struct asked *asked = context;
    asked->client->in_flight--;
    fleet_note(asked->client->fleet, asked->action, reply);
    free(asked);
}

/* ---- items of streams: the action has all parts already, absent ---- */

static bool put_value(struct action *action, uint64_t name, uint64_t value, uint64_t of_height)
{
    for (size_t i = 0; i < action->part_count; i++) {
        if (action->parts[i].name == name && action->parts[i].value == 0) {
            action->parts[i].value = value;
            action->parts[i].of_height = of_height;
            return true;
        }
    }
    action->end = END_FAILED; /* nobody asked for it */
    return false;
}

static bool take_metadata(void *context, const struct cairn_metadata *found)
{
    struct action *action = action_of(context);
    uint64_t name = register_named(action->chain, found->name);
    uint64_t value = found->absent ? 0 : value_in(found->value, register_kind_of(name));
    return found->absent || put_value(action, name, value, found->of_height);
}

static bool take_block(void *context, const struct cairn_block *block)
{
    struct action *action = action_of(context);
    return block->absent || put_value(action, register_of(action->chain, REGISTER_BLOCK, block->height),
                                      value_of_block(block), 0);
}

/* ---- building ---- */

static struct part *add_part(struct action *action, enum register_kind kind, uint64_t number, uint64_t value)
{
    ck_assert_uint_lt(action->part_count, PARTS_MAX);
    struct part *part = &action->parts[action->part_count++];
    *part = (struct part){.name = register_of(action->chain, kind, number), .value = value};
    return part;
}

static bool has_part(const struct action *action, uint64_t name)
{
    for (size_t i = 0; i < action->part_count; i++) {
        if (action->parts[i].name == name) {
            return true;
        }
    }
    return false;
}

/* A change of any name that several clients write; none if the action has it already. */
static void add_change(struct fleet *fleet, struct action *action)
{
    struct random_source *random = &fleet->random;
    uint64_t choice = random_below(random, 10);
    enum register_kind kind = choice < 5 ? REGISTER_NAME : choice < 8 ? REGISTER_RAISED : REGISTER_BOUND;
    uint64_t count = kind == REGISTER_NAME     ? FLEET_NAMES
                     : kind == REGISTER_RAISED ? FLEET_RAISED
                                               : HISTORY_BOUND;
    uint64_t number = random_below(random, count);
    if (has_part(action, register_of(action->chain, kind, number))) {
        return;
    }
    bool is_delete = kind != REGISTER_RAISED && random_chance(random, 20);
    struct part *part = add_part(action, kind, number, is_delete ? 0 : action->id);
    if (kind == REGISTER_BOUND && !is_delete) {
        part->of_height = fleet->heights[action->chain] + 1 + random_below(random, 3);
    }
}

static struct cairn_operation operation_of(const struct part *part)
{
    struct cairn_operation operation = {
        .kind = CAIRN_SET, .name = cairn_text(register_name(part->name)), .of_height = part->of_height};
    if (register_kind_of(part->name) == REGISTER_RAISED) {
        operation.kind = CAIRN_RAISE;
        operation.raise = part->value;
    } else if (part->value == 0) {
        operation.kind = CAIRN_DELETE;
    } else {
        operation.value = cairn_text(kept_format("%" PRIu64, part->value));
    }
    return operation;
}

/* Those of an action that are metadata. */
static size_t operations_of(const struct action *action, struct cairn_operation operations[PARTS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < action->part_count; i++) {
        if (register_kind_of(action->parts[i].name) >= REGISTER_NAME) {
            operations[count++] = operation_of(&action->parts[i]);
        }
    }
    return count;
}

/* ---- writes ---- */

static enum cairn_status submit_metadata(struct cairn_connection *connection, struct action *action,
                                         struct asked *asked)
{
    struct fleet *fleet = asked->client->fleet;
    struct cairn_operation operations[PARTS_MAX];
    action->kind = ACTION_METADATA;
    bool waits = !fleet->all_carry && random_chance(&fleet->random, 20);
    action->level = (waits ? 2 : 0) + (unsigned)random_below(&fleet->random, 2);
    for (uint64_t n = 1 + random_below(&fleet->random, 3); n > 0; n--) {
        add_change(fleet, action);
    }
    add_part(action, REGISTER_SEEN, action->client, action->id);
    const struct cairn_write_metadata_request request = {
        .chain = cairn_text(fleet_chains[action->chain]),
        .level = (enum cairn_level)action->level,
        .operations = operations,
        .operation_count = operations_of(action, operations),
    };
    return cairn_submit_write_metadata(connection, &request, completed, asked);
}

static enum cairn_status submit_commit(struct cairn_connection *connection, struct action *action,
                                       struct asked *asked)
{
    struct fleet *fleet = asked->client->fleet;
    struct random_source *random = &fleet->random;
    struct cairn_operation operations[PARTS_MAX];
    action->kind = ACTION_COMMIT;
    action->level = (unsigned)random_below(random, 4);
    action->carries = fleet->all_carry || random_chance(random, 10);
    action->has_expected = random_chance(random, 20);
    action->expected = fleet->heights[action->chain];
    action->height = fleet->heights[action->chain] + !random_chance(random, 20);
    action->height = action->height == 0 ? 1 : action->height;
    add_part(action, REGISTER_BLOCK, action->height, action->id);
    add_part(action, REGISTER_STATE, action->height, action->id);
    if (!fleet->all_carry && random_chance(random, 30)) {
        add_change(fleet, action);
    }
    add_part(action, REGISTER_LANE, action->client, action->id);
    const struct cairn_slice text = cairn_text(kept_format("%" PRIu64, action->id));
    const struct cairn_block block = {
        .height = action->height, .header = text, .data = text, .signature = text};
    const struct cairn_state state = {.height = action->height, .value = text};
    const struct cairn_commit_request request = {
        .chain = cairn_text(fleet_chains[action->chain]),
        .level = (enum cairn_level)action->level,
        .carry = action->carries,
        .if_height = action->has_expected,
        .expected_height = action->expected,
        .blocks = &block,
        .block_count = 1,
        .states = &state,
        .state_count = 1,
        .rise_to = action->height,
        .metadata = operations,
        .metadata_count = operations_of(action, operations),
    };
    return cairn_submit_commit(connection, &request, completed, asked);
}

static enum cairn_status submit_prune(struct cairn_connection *connection, struct action *action,
                                      struct asked *asked)
{
    struct cairn_operation operations[PARTS_MAX];
    action->kind = ACTION_PRUNE;
    action->height = asked->client->fleet->heights[action->chain] - HEIGHTS_KEPT;
    add_part(action, REGISTER_LANE, action->client, action->id);
    const struct cairn_prune_request request = {
        .chain = cairn_text(fleet_chains[action->chain]),
        .blocks = true,
        .states = true,
        .blocks_through = action->height,
        .states_through = action->height,
        .metadata = operations,
        .metadata_count = operations_of(action, operations),
    };
    return cairn_submit_prune(connection, &request, completed, asked);
}

static enum cairn_status submit_rollback(struct cairn_connection *connection, struct action *action,
                                         struct asked *asked)
{
    struct fleet *fleet = asked->client->fleet;
    struct cairn_operation operations[PARTS_MAX];
    action->kind = ACTION_ROLLBACK;
    action->height = fleet->heights[action->chain] - random_below(&fleet->random, BACK_MAX + 1);
    add_part(action, REGISTER_LANE, action->client, action->id);
    const struct cairn_rollback_request request = {
        .chain = cairn_text(fleet_chains[action->chain]),
        .to = action->height,
        .metadata = operations,
        .metadata_count = operations_of(action, operations),
    };
    return cairn_submit_rollback(connection, &request, completed, asked);
}

static enum cairn_status submit_barrier(struct cairn_connection *connection, struct action *action,
                                        struct asked *asked)
{
    action->kind = ACTION_BARRIER;
    action->level = 1 + (unsigned)random_below(&asked->client->fleet->random, 3);
    const struct cairn_barrier_request request = {.level = (enum cairn_level)action->level};
    return cairn_submit_barrier(connection, &request, completed, asked);
}

/* ---- reads ---- */

static void add_name(struct fleet *fleet, struct action *action)
{
    struct random_source *random = &fleet->random;
    switch (random_below(random, 4)) {
    case 0:
        add_part(action, REGISTER_NAME, random_below(random, FLEET_NAMES), 0);
        break;
    case 1:
        add_part(action, REGISTER_RAISED, random_below(random, FLEET_RAISED), 0);
        break;
    case 2:
        add_part(action, REGISTER_BOUND, random_below(random, HISTORY_BOUND), 0);
        break;
    default:
        add_part(action, random_chance(random, 50) ? REGISTER_SEEN : REGISTER_LANE,
                 random_below(random, HISTORY_CLIENTS), 0);
    }
}

static enum cairn_status submit_names(struct cairn_connection *connection, struct action *action,
                                      struct asked *asked)
{
    struct fleet *fleet = asked->client->fleet;
    const struct cairn_slice chain = cairn_text(fleet_chains[action->chain]);
    uint64_t choice = random_below(&fleet->random, 3);
    if (choice == 0) {
        add_name(fleet, action);
        const struct cairn_get_request get = {.chain = chain,
                                              .name = cairn_text(register_name(action->parts[0].name))};
        return cairn_submit_get(connection, &get, completed, asked);
    }
    if (choice == 1) {
        bool is_bound = random_chance(&fleet->random, 40);
        for (uint64_t i = 0; i < (is_bound ? (uint64_t)HISTORY_BOUND : (uint64_t)FLEET_NAMES); i++) {
            add_part(action, is_bound ? REGISTER_BOUND : REGISTER_NAME, i, 0);
        }
        const struct cairn_list_request list = {.chain = chain, .prefix = cairn_text(is_bound ? "b" : "n")};
        return cairn_submit_list(connection, &list, take_metadata, completed, asked);
    }
    struct cairn_slice names[PARTS_MAX];
    for (uint64_t n = 2 + random_below(&fleet->random, 8); n > 0; n--) {
        size_t count = action->part_count;
        add_name(fleet, action);
        uint64_t name = action->parts[count].name;
        action->part_count = count;
        action->part_count += !has_part(action, name);
    }
    for (size_t i = 0; i < action->part_count; i++) {
        names[i] = cairn_text(register_name(action->parts[i].name));
    }
    const struct cairn_get_many_request many = {
        .chain = chain, .names = names, .name_count = action->part_count};
    return cairn_submit_get_many(connection, &many, take_metadata, completed, asked);
}

static enum cairn_status submit_heights(struct cairn_connection *connection, struct action *action,
                                        struct asked *asked)
{
    struct fleet *fleet = asked->client->fleet;
    const struct cairn_slice chain = cairn_text(fleet_chains[action->chain]);
    uint64_t top = fleet->heights[action->chain] + 1, first = top > 6 ? top - 6 : 1;
    uint64_t height = first + random_below(&fleet->random, top - first + 1);
    struct cairn_read_height_request read_height = {.chain = chain};
    struct cairn_read_block_request block = {.chain = chain, .height = height, .parts = CAIRN_ALL_PARTS};
    struct cairn_read_state_request state = {.chain = chain, .at_height = true, .height = height};
    struct cairn_read_blocks_request blocks = {
        .chain = chain, .first = first, .last = top, .parts = CAIRN_ALL_PARTS};
    switch (random_below(&fleet->random, 6)) {
    case 0:
        add_part(action, REGISTER_HEIGHT, 0, 0);
        return cairn_submit_read_height(connection, &read_height, completed, asked);
    case 1:
        add_part(action, REGISTER_BLOCK, height, 0);
        return cairn_submit_read_block(connection, &block, completed, asked);
    case 2:
        add_part(action, REGISTER_STATE, height, 0);
        return cairn_submit_read_state(connection, &state, completed, asked);
    case 3:
        state.at_height = false; /* its parts come with the reply */
        return cairn_submit_read_state(connection, &state, completed, asked);
    case 4: {
        const struct cairn_chains_request chains = {0};
        return cairn_submit_chains(connection, &chains, completed, asked);
    }
    default:
        for (uint64_t at = first; at <= top; at++) {
            add_part(action, REGISTER_BLOCK, at, 0);
        }
        return cairn_submit_read_blocks(connection, &blocks, take_block, completed, asked);
    }
}

/* ---- one of them ---- */

typedef enum cairn_status ask_function(struct cairn_connection *connection, struct action *action,
                                       struct asked *asked);

static ask_function *choose(struct fleet *fleet, unsigned chain)
{
    uint64_t choice = random_below(&fleet->random, 1000);
    uint64_t above = fleet->heights[chain] - fleet->pruned[chain];
    if (choice < 400) {
        return submit_metadata;
    }
    /* the others carry, or have metadata written, by themselves */
    if (choice < 560 || (fleet->all_carry && choice < 595)) {
        return submit_commit;
    }
    if (choice < 570) {
        return above > HEIGHTS_KEPT ? submit_prune : submit_commit;
    }
    if (choice < 585) {
        return above > BACK_MAX ? submit_rollback : submit_commit;
    }
    return choice < 595 ? submit_barrier : choice < 800 ? submit_names : submit_heights;
}

bool fleet_ask(struct fleet_client *client)
{
    struct fleet *fleet = client->fleet;
    struct asked *asked = malloc(sizeof *asked);
    ck_assert_ptr_nonnull(asked);
    *asked = (struct asked){client, fleet->history.count};
    struct action *action = history_add(&fleet->history);
    action->id = action->began = ++fleet->tick;
    action->client = client->number;
    action->chain = (unsigned)random_below(&fleet->random, HISTORY_CHAINS);
    if (choose(fleet, action->chain)(client->connection, action, asked) != CAIRN_OK) {
        fleet->history.count--;
        free(asked);
        return false;
    }
    client->in_flight++;
    return true;
}
