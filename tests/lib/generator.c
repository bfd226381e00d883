/* The generator carries out its own operations, one after the other, in a model: only to know about where the chains are,
 * so that most of what it makes is meaningful, and enough is not. */
#include "tests/lib/generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/model.h"
#include "tests/lib/random.h"

struct generator {
    struct random_source random;
    struct model model;
    uint32_t round;
    uint32_t round_left; /* operations still to come in this round */
    bool solo;           /* the round has one operation only */
    bool ends;           /* the daemon dies in this round */
    bool has_claims;
    uint32_t dropped; /* chains that a drop of this round may have taken, as bits */
};

static uint32_t below(struct generator *generator, uint32_t bound)
{
    return (uint32_t)random_below(&generator->random, bound);
}

static bool chance(struct generator *generator, unsigned percent)
{
    return random_chance(&generator->random, percent);
}

static const struct model_chain *chain_of(const struct generator *generator,
                                          const struct operation *operation)
{
    return &generator->model.chains[operation->chain];
}

/* Mostly near the tip, sometimes anywhere. */
static uint32_t some_height(struct generator *generator, const struct operation *operation)
{
    uint32_t tip = chain_of(generator, operation)->height;
    if (chance(generator, 25)) {
        return 1 + below(generator, HEIGHTS_KNOWN - 1);
    }
    uint32_t lowest = tip > 5 ? tip - 5 : 1;
    uint32_t height = lowest + below(generator, 8);
    return height < HEIGHTS_KNOWN ? height : HEIGHTS_KNOWN - 1;
}

static struct edit some_edit(struct generator *generator, const struct operation *operation)
{
    struct edit edit = {.kind = EDIT_SET, .name = below(generator, NAMES_KNOWN)};
    bool mark = edit.name < NAMES_OF_MARKS;
    unsigned dice = below(generator, 100);
    edit.kind = dice < 15                 ? EDIT_DELETE
                : dice < (mark ? 75 : 25) ? EDIT_RAISE
                : dice < 85               ? EDIT_SET
                                          : EDIT_SET_NUMBER;
    if (mark && edit.kind == EDIT_SET && chance(generator, 70)) {
        edit.kind = EDIT_SET_NUMBER;
    }
    if (edit.kind == EDIT_SET) {
        edit.value = below(generator, VALUES_KNOWN);
    } else if (edit.kind != EDIT_DELETE) { /* often one that is there already */
        unsigned kind = below(generator, 100);
        edit.value = kind < 40   ? height_on_wire(1 + below(generator, 3))
                     : kind < 92 ? height_on_wire(some_height(generator, operation))
                                 : random_next(&generator->random);
    }
    bool may_bind = !mark && (edit.kind == EDIT_SET || edit.kind == EDIT_SET_NUMBER);
    if (may_bind && chance(generator, 45)) {
        edit.of_height = some_height(generator, operation);
    }
    return edit;
}

static void some_edits(struct generator *generator, struct operation *operation, uint32_t n)
{
    for (operation->n_edits = 0; operation->n_edits < n; operation->n_edits++) {
        operation->edits[operation->n_edits] = some_edit(generator, operation);
    }
}

/* Of all names, or of some. */
static struct edit some_range(struct generator *generator)
{
    uint32_t from = below(generator, NAMES_KNOWN);
    uint32_t to = from + 1 + below(generator, NAMES_KNOWN - from);
    return (struct edit){
        .kind = EDIT_DELETE_RANGE,
        .name = chance(generator, 10) ? NAMES_KNOWN : from,
        .value = to,
    };
}

static void make_commit(struct generator *generator, struct operation *operation)
{
    const struct model_chain *chain = chain_of(generator, operation);
    operation->level = below(generator, 4);
    operation->carry = chance(generator, 15);
    operation->has_expected = chance(generator, 25);
    operation->expected = chance(generator, 85) ? chain->height : some_height(generator, operation);
    uint32_t next = chain->height + 1 < HEIGHTS_KNOWN ? chain->height + 1 : HEIGHTS_KNOWN - 1;
    operation->n_blocks = below(generator, 3);
    for (uint32_t i = 0; i < operation->n_blocks; i++) {
        uint32_t height = chance(generator, 70) ? next : some_height(generator, operation);
        operation->blocks[i].height = height;
        operation->blocks[i].header = below(generator, 256);
        operation->blocks[i].data = below(generator, VALUES_KNOWN);
        operation->blocks[i].hash = below(generator, HASHES_KNOWN);
    }
    operation->n_states = below(generator, 3);
    for (uint32_t i = 0; i < operation->n_states; i++) {
        operation->states[i].height = chance(generator, 75) ? next : some_height(generator, operation);
        operation->states[i].value = below(generator, VALUES_KNOWN);
    }
    if (chance(generator, 3)) { /* the genesis state */
        operation->n_states = 1;
        operation->states[0].height = 0;
    }
    operation->n_deletes = chance(generator, 10);
    for (uint32_t i = 0; i < operation->n_deletes; i++) {
        operation->deletes[i] = some_height(generator, operation);
    }
    operation->rise_to = chance(generator, 45)  ? next
                         : chance(generator, 5) ? some_height(generator, operation)
                                                : 0;
    operation->n_block_deletes = chance(generator, 10) ? 1 + below(generator, 2) : 0;
    for (uint32_t i = 0; i < operation->n_block_deletes; i++) {
        operation->block_deletes[i] = some_height(generator, operation);
    }
    some_edits(generator, operation, chance(generator, 40) ? below(generator, ITEMS_MAX) : 0);
    bool has_range = operation->n_edits > 0 && chance(generator, 15);
    if (has_range) {
        operation->edits[below(generator, operation->n_edits)] = some_range(generator);
    }
}

static void make_prune(struct generator *generator, struct operation *operation)
{
    const struct model_chain *chain = chain_of(generator, operation);
    operation->level = below(generator, 4);
    operation->prune_blocks = chance(generator, 70);
    operation->prune_states = !operation->prune_blocks || chance(generator, 40);
    uint32_t blocks = chain->blocks_pruned + below(generator, 4);
    uint32_t states = chain->states_pruned + below(generator, 3);
    operation->height = chance(generator, 5) ? some_height(generator, operation) : blocks == 0 ? 1 : blocks;
    operation->last = chance(generator, 5) ? some_height(generator, operation) : states;
    operation->height = operation->height < HEIGHTS_KNOWN ? operation->height : HEIGHTS_KNOWN - 1;
    operation->last = operation->last < HEIGHTS_KNOWN ? operation->last : HEIGHTS_KNOWN - 1;
    some_edits(generator, operation, chance(generator, 40) ? below(generator, 3) : 0);
}

static void make_rollback(struct generator *generator, struct operation *operation)
{
    const struct model_chain *chain = chain_of(generator, operation);
    operation->level = below(generator, 4);
    uint32_t back = below(generator, 5);
    operation->height = chain->height > back ? chain->height - back : 0;
    if (chance(generator, 10)) {
        operation->height = some_height(generator, operation);
    }
    operation->n_guards = chance(generator, 50) ? below(generator, 4) : 0;
    uint32_t first = below(generator, NAMES_OF_MARKS);
    for (uint32_t i = 0; i < operation->n_guards; i++) {
        operation->guards[i].name = (first + i) % NAMES_OF_MARKS;
        operation->guards[i].lower = chance(generator, 75);
        operation->guards[i].pass_malformed = chance(generator, 40);
    }
    if (operation->kind == OPERATION_ROLLBACK) {
        some_edits(generator, operation, chance(generator, 40) ? below(generator, 3) : 0);
    }
}

static void make_read(struct generator *generator, struct operation *operation)
{
    uint32_t left = 1 + below(generator, ITEMS_MAX - 1);
    operation->height = some_height(generator, operation);
    operation->last = operation->height + below(generator, 12);
    operation->last = operation->last < HEIGHTS_KNOWN ? operation->last : HEIGHTS_KNOWN - 1;
    operation->hash = below(generator, HASHES_KNOWN);
    operation->parts = below(generator, 16);
    operation->window =
        operation_is_stream(operation) && chance(generator, 30) ? 1 + below(generator, 400) : 0;
    operation->prefix = below(generator, PREFIXES_KNOWN);
    operation->start = chance(generator, 60) ? NAMES_KNOWN : below(generator, NAMES_KNOWN);
    operation->limit = chance(generator, 60) ? 0 : 1 + below(generator, 6);
    operation->end = chance(generator, 70) ? 0 : 1 + below(generator, NAMES_KNOWN);
    operation->reverse = chance(generator, 40);
    operation->name_parts = below(generator, 9);
    bool names = operation->kind == OPERATION_GET || operation->kind == OPERATION_GET_MANY;
    for (; operation->n_items < left; operation->n_items++) {
        operation->items[operation->n_items] =
            names ? below(generator, NAMES_KNOWN) : some_height(generator, operation);
    }
    if (operation->kind == OPERATION_STATE && chance(generator, 5)) {
        operation->height = 0;
    }
}

static enum operation_kind some_kind(struct generator *generator)
{
    static const struct {
        enum operation_kind kind;
        unsigned weight;
    } kinds[] = {
        {OPERATION_METADATA, 330}, {OPERATION_COMMIT, 170},       {OPERATION_GET, 110},
        {OPERATION_GET_MANY, 50},  {OPERATION_LIST, 60},          {OPERATION_HEIGHT, 40},
        {OPERATION_BLOCK, 50},     {OPERATION_BLOCK_BY_HASH, 40}, {OPERATION_BLOCK_LIST, 25},
        {OPERATION_STATE, 25},     {OPERATION_BLOCK_RANGE, 25},   {OPERATION_TIP_STATE, 25},
        {OPERATION_BARRIER, 12},   {OPERATION_ROLLBACK, 18},      {OPERATION_DRY_ROLLBACK, 8},
        {OPERATION_PRUNE, 8},      {OPERATION_DRY_PRUNE, 6},      {OPERATION_DROP_CHAIN, 4},
    };
    if (generator->ends && chance(generator, 60)) { /* what decides which states a crash may leave */
        static const enum operation_kind deciding[] = {OPERATION_METADATA, OPERATION_METADATA,
                                                       OPERATION_COMMIT,   OPERATION_PRUNE,
                                                       OPERATION_ROLLBACK, OPERATION_DROP_CHAIN};
        return deciding[below(generator, 6)];
    }
    uint32_t dice = below(generator, 1006);
    size_t at = 0;
    while (dice >= kinds[at].weight) {
        dice -= kinds[at++].weight;
    }
    return kinds[at].kind;
}

static struct operation some_operation(struct generator *generator)
{
    struct operation operation;
    memset(&operation, 0, sizeof operation);
    operation.kind = some_kind(generator);
    if (generator->solo && chance(generator, 8)) {
        operation.kind = chance(generator, 50) ? OPERATION_CHAINS : OPERATION_CREATE_CHAIN;
    }
    if (generator->has_claims && generator->solo && chance(generator, 20)) {
        operation.kind = chance(generator, 65) ? OPERATION_CLAIM : OPERATION_RELEASE;
    }
    operation.round = generator->round;
    operation.chain = chance(generator, 60) ? 0 : below(generator, CHAINS_KNOWN);
    if (!generator->model.chains[operation.chain].exists && operation.kind != OPERATION_CREATE_CHAIN &&
        chance(generator, 80)) {
        operation.chain = 0;
    }
    switch (operation.kind) {
    case OPERATION_METADATA:
        operation.level = chance(generator, 75) ? 0 : below(generator, 4);
        some_edits(generator, &operation, chance(generator, 70) ? 1 : 1 + below(generator, ITEMS_MAX));
        break;
    case OPERATION_COMMIT:
        make_commit(generator, &operation);
        break;
    case OPERATION_PRUNE:
    case OPERATION_DRY_PRUNE:
        make_prune(generator, &operation);
        break;
    case OPERATION_ROLLBACK:
    case OPERATION_DRY_ROLLBACK:
        make_rollback(generator, &operation);
        break;
    case OPERATION_BARRIER:
        operation.level = below(generator, 4);
        break;
    case OPERATION_DROP_CHAIN: /* mostly of one that is there and not the one that most is in */
        operation.chain = chance(generator, 80) ? 1 + below(generator, CHAINS_KNOWN - 1) : 0;
        break;
    case OPERATION_CREATE_CHAIN:
        operation.chain = 1 + below(generator, CHAINS_KNOWN - 1);
        break;
    case OPERATION_CLAIM:
    case OPERATION_RELEASE:
        break;
    default:
        make_read(generator, &operation);
    }
    return operation;
}

/* Mostly who holds the claim writes, and with a number. One that is behind a drop would be taken for repeated by what was before. */
static void choose_writer(struct generator *generator, struct operation *operation)
{
    uint32_t holder = chain_of(generator, operation)->holder;
    bool is_of_holder = holder != 0 && operation_is_write(operation) && chance(generator, 80);
    bool may_have_number = operation->kind == OPERATION_COMMIT || operation->kind == OPERATION_PRUNE ||
                           operation->kind == OPERATION_ROLLBACK;
    operation->connection = is_of_holder ? holder - 1 : below(generator, CONNECTIONS_MAX);
    generator->dropped |= (operation->kind == OPERATION_DROP_CHAIN ? UINT32_C(1) : 0) << operation->chain;
    if (is_of_holder && may_have_number && (generator->dropped >> operation->chain & 1) == 0) {
        uint32_t dice = below(generator, 10);
        operation->numbering = dice < 6   ? NUMBERING_NEXT
                               : dice < 8 ? NUMBERING_AGAIN
                               : dice < 9 ? NUMBERING_AHEAD
                                          : NUMBERING_NONE;
    }
}

/* A new round: alone, a few in flight on a few connections, many, or the last before the daemon dies. */
static void next_round(struct generator *generator)
{
    generator->round++;
    generator->dropped = 0;
    unsigned dice = below(generator, 1000);
    generator->ends = dice < 70;
    generator->solo = !generator->ends && dice < 350;
    generator->round_left = generator->solo   ? 1
                            : generator->ends ? below(generator, 9)
                                              : 2 + below(generator, 22);
}

/* Adds operations while there are choices left to make. */
static void fill_episode(struct generator *generator, struct episode *episode, size_t operations_max)
{
    next_round(generator);
    while (episode->n < operations_max && (generator->random.bytes == NULL || generator->random.left > 0)) {
        struct operation *operation = &episode->operations[episode->n++];
        if (generator->round_left == 0 && generator->ends) {
            *operation = (struct operation){.kind = chance(generator, 70) ? OPERATION_KILL : OPERATION_STOP,
                                            .round = generator->round};
            operation->height = below(generator, 9);
            next_round(generator);
            continue;
        }
        *operation = some_operation(generator);
        choose_writer(generator, operation);
        if (operation_is_write(operation) && model_judge(&generator->model, operation).status == STATUS_OK) {
            model_apply(&generator->model, operation);
        }
        if (generator->round_left > 0) {
            generator->round_left--;
        }
        if (generator->round_left == 0 && !generator->ends) {
            next_round(generator);
        }
    }
}

static struct operation *operations_new(size_t operations)
{
    struct operation *list = calloc(operations, sizeof *list);
    if (list == NULL) {
        abort();
    }
    return list;
}

static struct episode make_episode(uint64_t seed, size_t operations, bool has_claims)
{
    struct generator generator = {
        .random = random_from(seed), .model = model_new(), .has_claims = has_claims};
    struct episode episode = {.seed = seed, .operations = operations_new(operations)};
    static const char *const delays[] = {"1ms", "20ms", "200ms", "5s", "5s"};
    static const char *const queues[] = {"8192", "8192", "8192", "64"};
    static const char *const syncs[] = {"10ms", "1s", "1s"};
    snprintf(episode.arguments, sizeof episode.arguments,
             "--flush-delay %s --queue-operations-max %s --sync-interval %s", delays[below(&generator, 5)],
             queues[below(&generator, 4)], syncs[below(&generator, 3)]);
    fill_episode(&generator, &episode, operations);
    return episode;
}

struct episode episode_new(uint64_t seed, size_t operations)
{
    return make_episode(seed, operations, false);
}

struct episode episode_new_claimed(uint64_t seed, size_t operations)
{
    return make_episode(seed, operations, true);
}

struct episode episode_from_bytes(const uint8_t *bytes, size_t count, size_t operations_max)
{
    struct generator generator = {.random = random_from_bytes(bytes, count), .model = model_new()};
    struct episode episode = {.operations = operations_new(operations_max)};
    fill_episode(&generator, &episode, operations_max);
    return episode;
}

void episode_free(struct episode *episode)
{
    free(episode->operations);
    *episode = (struct episode){0};
}

size_t dump_operations(struct operation *ret_operations)
{
    size_t n = 0;
    ret_operations[n++] = (struct operation){.kind = OPERATION_CHAINS};
    for (uint32_t chain = 0; chain < CHAINS_KNOWN; chain++) {
        struct operation read = {.chain = chain, .start = NAMES_KNOWN, .connection = chain % CONNECTIONS_MAX};
        read.kind = OPERATION_HEIGHT;
        ret_operations[n++] = read;
        read.kind = OPERATION_LIST;
        ret_operations[n++] = read;
        read.kind = OPERATION_BLOCK_RANGE;
        read.height = 1;
        read.last = HEIGHTS_KNOWN - 1;
        read.parts = 15;
        ret_operations[n++] = read;
        read.kind = OPERATION_STATE;
        for (read.height = 0; read.height < HEIGHTS_KNOWN; read.height++) {
            ret_operations[n++] = read;
        }
        read.kind = OPERATION_BLOCK_BY_HASH;
        for (read.hash = 0; read.hash < HASHES_KNOWN; read.hash++) {
            ret_operations[n++] = read;
        }
    }
    return n;
}
