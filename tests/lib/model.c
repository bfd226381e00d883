#include "tests/lib/model.h"

#include <assert.h>
#include <string.h>

struct model model_new(void)
{
    struct model model;
    memset(&model, 0, sizeof model);
    model.chains[0].exists = 1;
    return model;
}

bool model_equal(const struct model *left, const struct model *right)
{
    return memcmp(left, right, sizeof *left) == 0;
}

uint64_t model_digest(const struct model *model)
{
    uint64_t digest = 1, word;
    static_assert(sizeof *model % sizeof word == 0, "whole words");
    for (size_t at = 0; at < sizeof *model; at += sizeof word) {
        memcpy(&word, (const char *)model + at, sizeof word);
        digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        digest ^= digest >> 29;
    }
    return digest;
}

/* ---- metadata ---- */

static uint64_t number_in(const struct model_entry *entry)
{
    return entry->there && entry->number ? entry->value : 0;
}

static void edit_apply(struct model_chain *chain, const struct edit *edit)
{
    if (edit->kind == EDIT_DELETE_RANGE) {
        for (uint32_t name = edit->name % NAMES_KNOWN; name < edit->value; name++) { /* from the first: 0 */
            memset(&chain->metadata[name], 0, sizeof chain->metadata[name]);
        }
        return;
    }
    struct model_entry *entry = &chain->metadata[edit->name];
    if (edit->kind == EDIT_RAISE && edit->value <= number_in(entry)) {
        return;
    }
    memset(entry, 0, sizeof *entry);
    bool pruned = edit->of_height != 0 && edit->of_height <= chain->blocks_pruned;
    if (edit->kind == EDIT_DELETE || pruned) {
        return;
    }
    entry->there = 1;
    entry->number = edit->kind != EDIT_SET;
    entry->value = entry->number ? edit->value : value_place((uint32_t)edit->value);
    entry->of_height = edit->of_height;
}

static void edits_apply(struct model_chain *chain, const struct operation *operation)
{
    for (uint32_t i = 0; i < operation->n_edits; i++) {
        edit_apply(chain, &operation->edits[i]);
    }
}

/* ---- blocks ---- */

static void block_drop(struct model_chain *chain, uint32_t height)
{
    struct model_block *block = &chain->blocks[height];
    if (block->there && chain->hashes[block->hash] == height) {
        chain->hashes[block->hash] = 0;
    }
    memset(block, 0, sizeof *block);
}

static void block_put(struct model_chain *chain, const struct operation *operation, uint32_t at)
{
    uint32_t height = operation->blocks[at].height;
    block_drop(chain, height);
    chain->blocks[height] = (struct model_block){
        .there = 1,
        .header = value_place(operation->blocks[at].header),
        .data = value_place(operation->blocks[at].data),
        .signature = value_place(signature_of(operation->blocks[at].header)),
        .hash = operation->blocks[at].hash,
    };
    chain->hashes[operation->blocks[at].hash] = height;
}

static void commit_apply(struct model_chain *chain, const struct operation *operation)
{
    for (uint32_t i = 0; i < operation->n_blocks; i++) {
        block_put(chain, operation, i);
    }
    for (uint32_t i = 0; i < operation->n_block_deletes; i++) {
        block_drop(chain, operation->block_deletes[i]);
    }
    for (uint32_t i = 0; i < operation->n_states; i++) {
        chain->states[operation->states[i].height] = value_place(operation->states[i].value) + 1;
    }
    for (uint32_t i = 0; i < operation->n_deletes; i++) {
        chain->states[operation->deletes[i]] = 0;
    }
    if (operation->rise_to > chain->height) {
        chain->height = operation->rise_to;
    }
}

static void prune_apply(struct model_chain *chain, const struct operation *operation)
{
    if (operation->prune_blocks && operation->height > chain->blocks_pruned) {
        chain->blocks_pruned = operation->height;
    }
    if (operation->prune_states && operation->last + 1 > chain->states_pruned) {
        chain->states_pruned = operation->last + 1;
    }
    for (uint32_t height = 1; height <= chain->blocks_pruned; height++) {
        block_drop(chain, height);
    }
    for (uint32_t height = 0; height < chain->states_pruned; height++) {
        chain->states[height] = 0;
    }
    for (uint32_t name = 0; name < NAMES_KNOWN; name++) {
        struct model_entry *entry = &chain->metadata[name];
        if (entry->of_height != 0 && entry->of_height <= chain->blocks_pruned) {
            memset(entry, 0, sizeof *entry);
        }
    }
}

static void rollback_apply(struct model_chain *chain, const struct operation *operation)
{
    uint64_t to = height_on_wire(operation->height);
    for (uint32_t i = 0; i < operation->n_guards; i++) {
        struct model_entry *entry = &chain->metadata[operation->guards[i].name];
        if (operation->guards[i].lower && number_in(entry) > to) {
            entry->value = to;
            entry->of_height = 0;
        }
    }
    for (uint32_t height = operation->height + 1; height < HEIGHTS_KNOWN; height++) {
        block_drop(chain, height);
        chain->states[height] = 0;
    }
    for (uint32_t name = 0; name < NAMES_KNOWN; name++) {
        struct model_entry *entry = &chain->metadata[name];
        if (entry->of_height > operation->height) {
            memset(entry, 0, sizeof *entry);
        }
    }
    chain->height = operation->height;
}

/* ---- claims ---- */

/* Another claim, or none, stands from here on: one more than the connection that holds it. */
static void claim_apply(struct model_chain *chain, uint32_t holder)
{
    uint32_t before = chain->holder;
    chain->stale |= before != 0 ? UINT32_C(1) << (before - 1) : 0;
    chain->stale &= holder != 0 ? ~(UINT32_C(1) << (holder - 1)) : UINT32_MAX;
    chain->holder = holder;
    chain->last_number = 0;
}

void model_reconnect(struct model *model)
{
    for (uint32_t chain = 0; chain < CHAINS_KNOWN; chain++) {
        model->chains[chain].stale = 0;
    }
}

/* Who may write, and whether it was done before. True: nothing else is judged. */
static bool claim_judge(const struct model_chain *chain, const struct operation *operation,
                        struct model_result *ret_result)
{
    bool is_under = chain->holder == operation->connection + 1;
    bool is_stale = (chain->stale >> operation->connection & 1) != 0;
    bool is_free = operation->kind == OPERATION_CLAIM || operation->kind == OPERATION_RELEASE;
    if (!operation_is_write(operation) || is_free) {
        return false;
    }
    if (!is_under && !is_stale && operation->number != 0) {
        ret_result->status = ret_result->or_status = STATUS_INVALID; /* it has presented none */
    } else if ((!is_under && (is_stale || chain->holder != 0)) ||
               operation->number > chain->last_number + 1) {
        ret_result->status = ret_result->or_status = STATUS_CONFLICT;
    } else {
        ret_result->repeated = operation->number != 0 && operation->number <= chain->last_number;
    }
    return ret_result->status != STATUS_OK || ret_result->repeated;
}

void model_apply(struct model *model, const struct operation *operation)
{
    struct model_chain *chain = &model->chains[operation->chain];
    if (operation->number != 0 && operation->number <= chain->last_number) {
        return; /* it was applied before */
    }
    chain->last_number = operation->number != 0 ? operation->number : chain->last_number;
    switch (operation->kind) {
    case OPERATION_CREATE_CHAIN:
        chain->exists = 1;
        return;
    case OPERATION_DROP_CHAIN:
        claim_apply(chain, 0);
        *chain = (struct model_chain){.stale = chain->stale};
        chain->exists = operation->chain == 0; /* "default" is made anew */
        return;
    case OPERATION_CLAIM:
        claim_apply(chain, operation->connection + 1);
        return;
    case OPERATION_RELEASE:
        claim_apply(chain, 0);
        return;
    case OPERATION_COMMIT:
        commit_apply(chain, operation);
        break;
    case OPERATION_PRUNE:
        prune_apply(chain, operation);
        break;
    case OPERATION_ROLLBACK:
        rollback_apply(chain, operation);
        break;
    default:
        break;
    }
    edits_apply(chain, operation);
}

/* ---- judging ---- */

static void refuse(struct model_result *result, enum status status)
{
    if (result->status == STATUS_OK) {
        result->status = result->or_status = status;
    } else {
        result->or_status = status; /* two reasons: either may be told */
    }
}

static void commit_judge(const struct model_chain *chain, const struct operation *operation,
                         struct model_result *result)
{
    bool conflict = operation->has_expected && operation->expected != chain->height;
    for (uint32_t i = 0; i < operation->n_blocks; i++) {
        conflict |= operation->blocks[i].height <= chain->blocks_pruned;
    }
    for (uint32_t i = 0; i < operation->n_states; i++) {
        conflict |= operation->states[i].height < chain->states_pruned;
    }
    if (conflict) {
        refuse(result, STATUS_CONFLICT);
    }
}

static bool state_missing(const struct model_chain *chain, uint32_t height)
{
    bool any = false;
    for (uint32_t at = 0; at < HEIGHTS_KNOWN; at++) {
        any |= chain->states[at] != 0;
    }
    return any && chain->states[height] == 0;
}

static void rollback_judge(const struct model_chain *chain, const struct operation *operation,
                           struct model_result *result)
{
    uint64_t to = height_on_wire(operation->height);
    bool pruned = (chain->blocks_pruned != 0 && operation->height <= chain->blocks_pruned) ||
                  operation->height < chain->states_pruned;
    if (operation->height > chain->height || pruned || state_missing(chain, operation->height)) {
        refuse(result, STATUS_CONFLICT);
    }
    for (uint32_t i = 0; i < operation->n_guards; i++) {
        const struct model_entry *entry = &chain->metadata[operation->guards[i].name];
        if (entry->there && !entry->number && operation->guards[i].pass_malformed) {
            continue;
        }
        if (entry->there && !entry->number) {
            refuse(result, STATUS_INVALID);
        } else if (number_in(entry) > to && !operation->guards[i].lower) {
            refuse(result, STATUS_CONFLICT);
        } else if (number_in(entry) > to) {
            result->lowered++;
        }
    }
    for (uint32_t height = operation->height + 1; height < HEIGHTS_KNOWN; height++) {
        result->blocks += chain->blocks[height].there;
        result->states += chain->states[height] != 0;
    }
    for (uint32_t name = 0; name < NAMES_KNOWN; name++) {
        result->metadata += chain->metadata[name].of_height > operation->height;
    }
}

static void prune_judge(const struct model_chain *chain, const struct operation *operation,
                        struct model_result *result)
{
    if ((operation->prune_blocks && operation->height > chain->height) ||
        (operation->prune_states && operation->last >= chain->height)) {
        refuse(result, STATUS_CONFLICT);
    }
    if (operation->kind == OPERATION_PRUNE) {
        return; /* its reply counts nothing: it takes the same time however much goes */
    }
    for (uint32_t height = 0; height < HEIGHTS_KNOWN; height++) {
        result->blocks +=
            operation->prune_blocks && height <= operation->height && chain->blocks[height].there;
        result->states += operation->prune_states && height <= operation->last && chain->states[height] != 0;
    }
    for (uint32_t name = 0; name < NAMES_KNOWN; name++) {
        uint32_t of_height = chain->metadata[name].of_height;
        result->metadata += operation->prune_blocks && of_height != 0 && of_height <= operation->height;
    }
}

struct model_result model_judge(const struct model *model, const struct operation *operation)
{
    const struct model_chain *chain = &model->chains[operation->chain];
    struct model_result result = {.status = STATUS_OK, .or_status = STATUS_OK};
    if (operation->kind == OPERATION_CREATE_CHAIN) {
        result.created = !chain->exists;
    } else if (!chain->exists) {
        refuse(&result, STATUS_INVALID);
    } else if (claim_judge(chain, operation, &result)) {
        return result;
    } else if (operation->kind == OPERATION_COMMIT) {
        commit_judge(chain, operation, &result);
    } else if (operation->kind == OPERATION_PRUNE || operation->kind == OPERATION_DRY_PRUNE) {
        prune_judge(chain, operation, &result);
    } else if (operation->kind == OPERATION_ROLLBACK || operation->kind == OPERATION_DRY_ROLLBACK) {
        rollback_judge(chain, operation, &result);
    }
    return result;
}

void model_result_text(const struct model_result *result, struct answer *ret_answer)
{
    ret_answer->status = result->status;
    ret_answer->n = 0;
    if (result->status == STATUS_OK) {
        answer_add(ret_answer, "created %u blocks %u states %u metadata %u lowered %u", result->created,
                   result->blocks, result->states, result->metadata, result->lowered);
    }
    if (result->repeated) {
        answer_add(ret_answer, " repeated");
    }
}
