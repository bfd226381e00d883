#include "tests/lib/applied_model.h"

#include <check.h>

const char *const model_hashes[MODEL_HASHES + 1] = {"", "one", "two", "three", "four", "five", "six"};
const char *const model_names[MODEL_NAMES] = {"a", "b", "c", "d", "e", "f"};

static void drop_block(struct applied_model *model, uint64_t height)
{
    uint64_t hash = model->hash_of[height];
    if (hash != 0 && model->index[hash] == height) {
        model->index[hash] = 0;
    }
    model->hash_of[height] = 0;
    model->has_data[height] = false;
}

static struct applied_name *find(struct applied_model *model, struct slice name)
{
    return &model->names[name.data[0] - 'a'];
}

static uint64_t number_of(const struct applied_name *held)
{
    uint64_t number = 0;
    if (held->present && held->length == 8) {
        memcpy(&number, held->bytes, 8);
    }
    return number;
}

static void hold(struct applied_name *held, struct slice value, uint64_t of_height)
{
    *held = (struct applied_name){true, of_height, value.bytes, {0}};
    memcpy(held->bytes, value.data, value.bytes);
}

static void delete_range(struct applied_model *model, const struct metadata_operation *operation)
{
    for (int i = 0; i < MODEL_NAMES; i++) {
        struct slice name = applied_text(model_names[i]);
        bool is_before = operation->has_to && slice_compare(name, operation->to) >= 0;
        if (slice_compare(name, operation->name) >= 0 && !is_before) {
            model->names[i] = (struct applied_name){0};
        }
    }
}

void applied_model_metadata(struct applied_model *model, const struct metadata_operation *operations,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct metadata_operation *operation = &operations[i];
        if (operation->kind == METADATA_DELETE_RANGE) {
            delete_range(model, operation);
            continue;
        }
        struct applied_name *held = find(model, operation->name);
        if (operation->kind == METADATA_SET) {
            hold(held, operation->value, operation->of_height);
        } else if (operation->kind == METADATA_DELETE) {
            *held = (struct applied_name){0};
        } else if (operation->raise > number_of(held)) {
            hold(held, applied_number(operation->raise), 0);
        }
        if (held->of_height != 0 && held->of_height <= model->blocks_pruned) {
            *held = (struct applied_name){0};
        }
    }
}

static enum status commit(struct applied_model *model, const struct job_commit *commit)
{
    if (commit->has_expected_height && commit->expected_height != model->height) {
        return STATUS_CONFLICT;
    }
    for (size_t i = 0; i < commit->block_count; i++) {
        const struct job_block *block = &commit->blocks[i];
        if (block->height <= model->blocks_pruned) {
            return STATUS_CONFLICT;
        }
        drop_block(model, block->height);
        for (uint64_t hash = 1; hash <= MODEL_HASHES; hash++) {
            if (slice_equal(block->hash, applied_text(model_hashes[hash]))) {
                model->hash_of[block->height] = hash;
                model->index[hash] = block->height;
            }
        }
        model->has_data[block->height] = block->data.bytes > 0;
    }
    for (size_t i = 0; i < commit->delete_block_count; i++) {
        drop_block(model, commit->delete_blocks[i]);
    }
    for (size_t i = 0; i < commit->state_count; i++) {
        if (commit->states[i].height < model->states_from) {
            return STATUS_CONFLICT;
        }
        model->states[commit->states[i].height] = true;
    }
    for (size_t i = 0; i < commit->delete_state_count; i++) {
        model->states[commit->delete_states[i]] = false;
    }
    model->height = commit->rise_to > model->height ? commit->rise_to : model->height;
    return STATUS_OK;
}

static enum status prune(struct applied_model *model, const struct job_prune *prune,
                         struct job_counts *ret_counts)
{
    struct job_counts counts = {0};
    if ((prune->has_blocks && prune->blocks_through > model->height) ||
        (prune->has_states && prune->states_through >= model->height)) {
        return STATUS_CONFLICT;
    }
    for (uint64_t height = 1; prune->has_blocks && height <= prune->blocks_through; height++) {
        counts.blocks += model->hash_of[height] != 0;
        drop_block(model, height);
        model->blocks_pruned = height > model->blocks_pruned ? height : model->blocks_pruned;
    }
    for (int i = 0; i < MODEL_NAMES; i++) {
        if (model->names[i].of_height != 0 && model->names[i].of_height <= model->blocks_pruned) {
            model->names[i] = (struct applied_name){0};
            counts.metadata++;
        }
    }
    for (uint64_t height = 0; prune->has_states && height <= prune->states_through; height++) {
        counts.states += model->states[height];
        model->states[height] = false;
        model->states_from = height >= model->states_from ? height + 1 : model->states_from;
    }
    *ret_counts = counts;
    return STATUS_OK;
}

/* All are judged by what is there before the rollback: none passes because an earlier one lowered its name. */
static enum status judge_guards(struct applied_model *model, const struct job_rollback *rollback,
                                struct job_counts *counts)
{
    for (size_t i = 0; i < rollback->guard_count; i++) {
        const struct applied_name *held = find(model, rollback->guards[i].name);
        if (held->present && held->length != 8 && !rollback->guards[i].pass_malformed) {
            return STATUS_INVALID;
        }
        if (number_of(held) > rollback->to && !rollback->guards[i].lower) {
            return STATUS_CONFLICT;
        }
    }
    for (size_t i = 0; i < rollback->guard_count; i++) {
        struct applied_name *held = find(model, rollback->guards[i].name);
        if (number_of(held) > rollback->to) {
            hold(held, applied_number(rollback->to), 0);
            counts->lowered++;
        }
    }
    return STATUS_OK;
}

static enum status roll_back(struct applied_model *model, const struct job_rollback *rollback,
                             struct job_counts *ret_counts)
{
    struct job_counts counts = {0};
    bool has_state = false;
    for (int i = 0; i <= MODEL_HEIGHTS; i++) {
        has_state |= model->states[i];
    }
    if (rollback->to > model->height || (model->blocks_pruned > 0 && rollback->to <= model->blocks_pruned) ||
        rollback->to < model->states_from || (has_state && !model->states[rollback->to])) {
        return STATUS_CONFLICT;
    }
    enum status status = judge_guards(model, rollback, &counts);
    for (uint64_t height = rollback->to + 1; height <= MODEL_HEIGHTS; height++) {
        counts.blocks += model->hash_of[height] != 0;
        counts.states += model->states[height];
        drop_block(model, height);
        model->states[height] = false;
    }
    for (int i = 0; i < MODEL_NAMES; i++) {
        if (model->names[i].of_height > rollback->to) {
            model->names[i] = (struct applied_name){0};
            counts.metadata++;
        }
    }
    model->height = rollback->to;
    *ret_counts = counts;
    return status;
}

/* ---- claims and numbers ---- */

uint64_t applied_model_last_number(const struct applied_model *model)
{
    return model->epoch_count > 0 ? model->epochs[model->epoch_count - 1].last_number
                                  : model->number_before_drop;
}

void applied_model_claim(struct applied_model *model, struct epoch epoch)
{
    ck_assert_uint_lt(model->epoch_count, MODEL_EPOCHS_MAX);
    model->epochs[model->epoch_count++] = (struct applied_model_epoch){epoch, 0};
    model->is_released = false;
    model->number_before_drop = 0;
}

void applied_model_drop(struct applied_model *model)
{
    *model = (struct applied_model){.number_before_drop = applied_model_last_number(model)};
}

struct applied_model_answer applied_model_job(struct applied_model *model, const struct job *job)
{
    struct applied_model_answer answer = {.status = STATUS_OK};
    uint64_t last_number = applied_model_last_number(model);
    if (job->number != 0 && job->number <= last_number) {
        answer.is_repeated = true;
        return answer;
    }
    if (job->number > last_number + 1) {
        answer.status = STATUS_CONFLICT;
        answer.reason = REASON_NUMBER;
        return answer;
    }
    answer.status = job->kind == JOB_COMMIT     ? commit(model, &job->commit)
                    : job->kind == JOB_ROLLBACK ? roll_back(model, &job->rollback, &answer.counts)
                                                : prune(model, &job->prune, &answer.counts);
    applied_model_metadata(model, job->metadata, job->metadata_count);
    if (job->number != 0) {
        model->epochs[model->epoch_count - 1].last_number = job->number;
    }
    return answer;
}
