/* What the naive store answers to reads. The words are those the wire's side uses for a reply: answer_block and its like
 * take what was found, not where it was found. */
#include <inttypes.h>

#include "tests/lib/model.h"
#include "tests/lib/words.h"

static void block_words(const struct model_chain *chain, uint32_t height, uint32_t parts,
                        struct answer *answer)
{
    const struct model_block *block = &chain->blocks[height];
    words_block(answer, height_on_wire(height), parts, value_digest(block->header), value_digest(block->data),
                value_digest(block->signature), hash_digest(block->hash));
}

static bool block_there(const struct model_chain *chain, uint32_t height)
{
    return height != 0 && height < HEIGHTS_KNOWN && chain->blocks[height].there;
}

static void read_one_block(const struct model_chain *chain, const struct operation *operation,
                           struct answer *answer)
{
    uint32_t height = operation->kind == OPERATION_BLOCK ? operation->height : chain->hashes[operation->hash];
    if (!block_there(chain, height)) {
        answer->status = STATUS_NOT_FOUND;
        return;
    }
    block_words(chain, height, operation->parts, answer);
}

static void read_blocks(const struct model_chain *chain, const struct operation *operation,
                        struct answer *answer)
{
    if (operation->kind == OPERATION_BLOCK_RANGE) {
        for (uint32_t height = operation->height; height <= operation->last; height++) {
            if (block_there(chain, height)) {
                block_words(chain, height, operation->parts, answer);
            }
        }
        return;
    }
    for (uint32_t i = 0; i < operation->n_items; i++) {
        if (block_there(chain, operation->items[i])) {
            block_words(chain, operation->items[i], operation->parts, answer);
        } else {
            words_absent_block(answer, height_on_wire(operation->items[i]));
        }
    }
}

static void read_state(const struct model_chain *chain, uint32_t height, struct answer *answer)
{
    if (chain->states[height] == 0) {
        answer->status = STATUS_NOT_FOUND;
        return;
    }
    words_state(answer, height_on_wire(height), value_digest(chain->states[height] - 1));
}

static void entry_words(const struct model_chain *chain, uint32_t name, const struct operation *operation,
                        struct answer *answer)
{
    const struct model_entry *entry = &chain->metadata[name];
    uint64_t digest = entry->number ? number_digest(entry->value) : value_digest((uint32_t)entry->value);
    uint64_t size = entry->number ? 8 : value_bytes((uint32_t)entry->value).n;
    words_metadata(answer, operation->kind != OPERATION_GET ? name : NAMES_KNOWN,
                   operation_name_parts(operation), digest, height_on_wire(entry->of_height), size);
}

static void read_metadata(const struct model_chain *chain, const struct operation *operation,
                          struct answer *answer)
{
    if (operation->kind == OPERATION_GET) {
        if (!chain->metadata[operation->items[0]].there) {
            answer->status = STATUS_NOT_FOUND;
            return;
        }
        entry_words(chain, operation->items[0], operation, answer);
        return;
    }
    if (operation->kind == OPERATION_GET_MANY) {
        for (uint32_t i = 0; i < operation->n_items; i++) {
            if (chain->metadata[operation->items[i]].there) {
                entry_words(chain, operation->items[i], operation, answer);
            } else {
                words_absent_metadata(answer, operation->items[i]);
            }
        }
        return;
    }
    uint32_t left = operation->limit == 0 ? NAMES_KNOWN : operation->limit;
    uint32_t start = operation->start == NAMES_KNOWN ? 0 : operation->start;
    uint32_t end = operation->end == 0 ? NAMES_KNOWN : operation->end - 1;
    for (uint32_t i = 0; i < NAMES_KNOWN && left > 0; i++) {
        uint32_t name = operation->reverse ? NAMES_KNOWN - 1 - i : i;
        if (name >= start && name < end && chain->metadata[name].there &&
            name_has_prefix(name, operation->prefix)) {
            entry_words(chain, name, operation, answer);
            left--;
        }
    }
}

static void read_chains(const struct model *model, struct answer *answer)
{
    static const uint32_t in_byte_order[CHAINS_KNOWN] = {1, 0, 2};
    for (uint32_t i = 0; i < CHAINS_KNOWN; i++) {
        const struct model_chain *chain = &model->chains[in_byte_order[i]];
        if (chain->exists) {
            uint64_t states = chain->states_pruned == 0 ? 0 : height_on_wire(chain->states_pruned - 1) + 1;
            words_chain(answer, name_of_chain(in_byte_order[i]), height_on_wire(chain->height),
                        height_on_wire(chain->blocks_pruned), states);
        }
    }
}

void model_read(const struct model *model, const struct operation *operation, struct answer *ret_answer)
{
    const struct model_chain *chain = &model->chains[operation->chain];
    ret_answer->status = STATUS_OK;
    ret_answer->n = 0;
    if (operation->kind == OPERATION_CHAINS) {
        read_chains(model, ret_answer);
        return;
    }
    if (!chain->exists) {
        ret_answer->status = STATUS_INVALID;
        return;
    }
    switch (operation->kind) {
    case OPERATION_HEIGHT:
        words_height(ret_answer, height_on_wire(chain->height));
        break;
    case OPERATION_BLOCK:
    case OPERATION_BLOCK_BY_HASH:
        read_one_block(chain, operation, ret_answer);
        break;
    case OPERATION_BLOCK_LIST:
    case OPERATION_BLOCK_RANGE:
        read_blocks(chain, operation, ret_answer);
        break;
    case OPERATION_STATE:
        read_state(chain, operation->height, ret_answer);
        break;
    case OPERATION_TIP_STATE:
        read_state(chain, chain->height, ret_answer);
        break;
    case OPERATION_DRY_PRUNE:
    case OPERATION_DRY_ROLLBACK: {
        struct model_result result = model_judge(model, operation);
        model_result_text(&result, ret_answer);
        break;
    }
    default:
        read_metadata(chain, operation, ret_answer);
    }
}
