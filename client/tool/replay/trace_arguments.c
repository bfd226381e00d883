/* The arguments of a recorded call become the request of cairn.h that asks a daemon for the same. A missing argument, or one of the
 * wrong kind, fails the line. */
#include "client/tool/replay/trace_arguments.h"

#include <assert.h>
#include <string.h>

static bool read_level(struct trace_line *line, enum cairn_level *ret_level)
{
    static const char *const levels[] = {
        [CAIRN_ACCEPTED] = "accepted", [CAIRN_WRITTEN] = "written", [CAIRN_DURABLE] = "durable"};
    json_t *value = trace_line_value(line->object, "level");
    if (value == NULL) {
        return true;
    }
    for (int level = CAIRN_ACCEPTED; level <= CAIRN_DURABLE; level++) {
        if (json_is_string(value) && strcmp(json_string_value(value), levels[level]) == 0) {
            *ret_level = (enum cairn_level)level;
            return true;
        }
    }
    return trace_line_fail(line, "\"level\" is none of accepted, written, durable");
}

static unsigned part_bit(json_t *name)
{
    for (int part = 0; part < TRACE_PARTS && json_is_string(name); part++) {
        if (strcmp(json_string_value(name), trace_part_text((enum trace_part)part)) == 0) {
            return 1u << part;
        }
    }
    return 0;
}

static bool read_block_call(struct trace_line *line, struct cairn_read_block_request *request)
{
    bool by_height = false, by_hash = false;
    json_t *parts = NULL;
    if (!trace_line_u64(line, line->object, "height", false, &by_height, &request->height) ||
        !trace_line_base64(line, line->object, "hash", false, &by_hash, &request->hash) ||
        !trace_line_array(line, line->object, "parts", &parts)) {
        return false;
    }
    if (by_height == by_hash || (by_hash && request->hash.bytes == 0)) {
        return trace_line_fail(line, "a block is read either by \"height\" or by \"hash\"");
    }
    size_t i;
    json_t *part;
    json_array_foreach(parts, i, part)
    {
        if (part_bit(part) == 0) {
            return trace_line_fail(line, "\"parts\" holds something else than header, data, signature, hash");
        }
        request->parts |= part_bit(part);
    }
    return true;
}

static bool read_state_call(struct trace_line *line, struct cairn_read_state_request *request)
{
    bool tip = false;
    if (!trace_line_flag(line, line->object, "tip", &tip) ||
        !trace_line_u64(line, line->object, "height", false, &request->at_height, &request->height)) {
        return false;
    }
    if (!tip && !request->at_height) {
        return trace_line_fail(line, "a state is read either by \"height\" or at the \"tip\"");
    }
    request->at_height = !tip;
    return true;
}

/* Reads one operation. If an object names several kinds, a raise counts before a delete, and a delete before a set. */
static bool read_operation(struct trace_line *line, json_t *object, struct cairn_operation *operation)
{
    bool raised = false, deleted = false;
    if (!trace_line_text(line, object, "name", true, &operation->name) ||
        !trace_line_u64(line, object, "raise", false, &raised, &operation->raise) ||
        !trace_line_flag(line, object, "delete", &deleted)) {
        return false;
    }
    operation->kind = raised ? CAIRN_RAISE : deleted ? CAIRN_DELETE : CAIRN_SET;
    if (operation->kind != CAIRN_SET) {
        return true;
    }
    return trace_line_base64(line, object, "value", true, NULL, &operation->value) &&
           trace_line_u64(line, object, "of_height", false, NULL, &operation->of_height);
}

/* Reads a list of objects, and allocates an array with an element for each. */
static bool read_list(struct trace_line *line, const char *key, size_t item_size, json_t **ret_list,
                      void *ret_items, size_t *ret_count)
{
    json_t *list = NULL;
    if (!trace_line_array(line, line->object, key, &list)) {
        return false;
    }
    assert(item_size > 0);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!json_is_object(json_array_get(list, i))) {
            return trace_line_fail(line, "\"%s\" holds something that is no object", key);
        }
    }
    void *items = trace_line_allocate(line, json_array_size(list), item_size);
    memcpy(ret_items, &items, sizeof items);
    *ret_list = list;
    *ret_count = json_array_size(list);
    return true;
}

static bool read_metadata(struct trace_line *line, const struct cairn_operation **ret_operations,
                          size_t *ret_count)
{
    json_t *list = NULL;
    struct cairn_operation *operations;
    size_t count;
    if (!read_list(line, "metadata", sizeof *operations, &list, &operations, &count)) {
        return false;
    }
    assert(count == json_array_size(list)); /* all objects: read_list() refuses others */
    for (size_t i = 0; i < count; i++) {
        if (!read_operation(line, json_array_get(list, i), &operations[i])) {
            return false;
        }
    }
    *ret_operations = operations;
    *ret_count = count;
    return true;
}

/* Reads a set or delete, as a batch of one operation. */
static bool read_single(struct trace_line *line, enum trace_op op,
                        struct cairn_write_metadata_request *request)
{
    assert(op == TRACE_SET || op == TRACE_DELETE);
    struct cairn_operation *operation = trace_line_allocate(line, 1, sizeof *operation);
    request->operations = operation;
    request->operation_count = 1;
    if (op == TRACE_DELETE) {
        operation->kind = CAIRN_DELETE;
        return trace_line_text(line, line->object, "name", true, &operation->name);
    }
    return read_operation(line, line->object, operation);
}

static bool read_blocks(struct trace_line *line, struct cairn_commit_request *request)
{
    json_t *list = NULL;
    struct cairn_block *blocks;
    if (!read_list(line, "blocks", sizeof *blocks, &list, &blocks, &request->block_count)) {
        return false;
    }
    request->blocks = blocks;
    assert(request->block_count == json_array_size(list));
    for (size_t i = 0; i < request->block_count; i++) {
        json_t *object = json_array_get(list, i);
        struct cairn_block *block = &blocks[i];
        if (!trace_line_u64(line, object, "height", true, NULL, &block->height) ||
            !trace_line_base64(line, object, "header", false, NULL, &block->header) ||
            !trace_line_base64(line, object, "data", false, NULL, &block->data) ||
            !trace_line_base64(line, object, "signature", false, NULL, &block->signature) ||
            !trace_line_base64(line, object, "hash", false, NULL, &block->hash)) {
            return false;
        }
    }
    return true;
}

static bool read_states(struct trace_line *line, struct cairn_commit_request *request)
{
    json_t *list = NULL;
    struct cairn_state *states;
    if (!read_list(line, "states", sizeof *states, &list, &states, &request->state_count)) {
        return false;
    }
    request->states = states;
    assert(request->state_count == json_array_size(list));
    for (size_t i = 0; i < request->state_count; i++) {
        json_t *object = json_array_get(list, i);
        if (!trace_line_u64(line, object, "height", true, NULL, &states[i].height) ||
            !trace_line_base64(line, object, "value", false, NULL, &states[i].value)) {
            return false;
        }
    }
    return true;
}

static bool read_delete_states(struct trace_line *line, struct cairn_commit_request *request)
{
    json_t *list = NULL;
    if (!trace_line_array(line, line->object, "delete_states", &list)) {
        return false;
    }
    uint64_t *heights = trace_line_allocate(line, json_array_size(list), sizeof *heights);
    size_t i;
    json_t *height;
    json_array_foreach(list, i, height)
    {
        if (!json_is_integer(height) || json_integer_value(height) < 0) {
            return trace_line_fail(line, "\"delete_states\" holds something that is no height");
        }
        heights[i] = (uint64_t)json_integer_value(height);
    }
    request->delete_states = heights;
    request->delete_state_count = json_array_size(list);
    return true;
}

static bool read_commit(struct trace_line *line, struct cairn_commit_request *request)
{
    json_t *object = line->object;
    return read_level(line, &request->level) && read_blocks(line, request) && read_states(line, request) &&
           read_delete_states(line, request) &&
           trace_line_u64(line, object, "rise_to", false, NULL, &request->rise_to) &&
           trace_line_flag(line, object, "carry", &request->carry) &&
           trace_line_u64(line, object, "expect_height", false, &request->if_height,
                          &request->expected_height) &&
           trace_line_u64(line, object, "expected_height", false, &request->if_height,
                          &request->expected_height) &&
           read_metadata(line, &request->metadata, &request->metadata_count);
}

/* The recordings write 0 for no blocks; a state has height 0. */
static bool read_prune(struct trace_line *line, struct cairn_prune_request *request)
{
    json_t *object = line->object;
    if (!read_level(line, &request->level) ||
        !trace_line_u64(line, object, "blocks", false, NULL, &request->blocks_through) ||
        !trace_line_u64(line, object, "states", false, &request->states, &request->states_through)) {
        return false;
    }
    request->blocks = request->blocks_through > 0;
    return read_metadata(line, &request->metadata, &request->metadata_count);
}

static bool read_guard(struct trace_line *line, json_t *object, struct cairn_guard *guard)
{
    if (!json_is_object(object)) {
        return trace_line_fail(line, "\"guard\" is no object");
    }
    if (!trace_line_text(line, object, "name", true, &guard->name)) {
        return false;
    }
    json_t *if_above = trace_line_value(object, "if_above");
    const char *text = if_above == NULL           ? "refuse"
                       : json_is_string(if_above) ? json_string_value(if_above)
                                                  : "";
    guard->lower = strcmp(text, "lower") == 0;
    if (!guard->lower && strcmp(text, "refuse") != 0) {
        return trace_line_fail(line, "\"if_above\" is neither refuse nor lower");
    }
    return true;
}

/* Reads a rollback, with a guard, a list of guards, or none. */
static bool read_rollback(struct trace_line *line, struct cairn_rollback_request *request)
{
    if (!read_level(line, &request->level) ||
        !trace_line_u64(line, line->object, "to", true, NULL, &request->to)) {
        return false;
    }
    json_t *guard = trace_line_value(line->object, "guard");
    if (guard == NULL) {
        guard = trace_line_value(line->object, "guards");
    }
    bool list = json_is_array(guard);
    size_t count = list ? json_array_size(guard) : guard != NULL;
    struct cairn_guard *guards = trace_line_allocate(line, count, sizeof *guards);
    for (size_t i = 0; i < count; i++) {
        if (!read_guard(line, list ? json_array_get(guard, i) : guard, &guards[i])) {
            return false;
        }
    }
    request->guards = guards;
    request->guard_count = count;
    return read_metadata(line, &request->metadata, &request->metadata_count);
}

bool trace_arguments_parse(struct trace_line *line, struct trace_call *call)
{
    switch (call->op) {
    case TRACE_BLOCK:
        return read_block_call(line, &call->block);
    case TRACE_STATE:
        return read_state_call(line, &call->state);
    case TRACE_GET:
        return trace_line_text(line, line->object, "name", true, &call->get.name);
    case TRACE_LIST:
        return trace_line_text(line, line->object, "prefix", false, &call->list.prefix);
    case TRACE_SET:
    case TRACE_DELETE:
        return read_level(line, &call->write.level) && read_single(line, call->op, &call->write);
    case TRACE_BATCH:
        return read_level(line, &call->write.level) &&
               read_metadata(line, &call->write.operations, &call->write.operation_count);
    case TRACE_COMMIT:
        return read_commit(line, &call->commit);
    case TRACE_PRUNE:
        return read_prune(line, &call->prune);
    case TRACE_ROLLBACK:
        return read_rollback(line, &call->rollback);
    case TRACE_HEIGHT:
    case TRACE_REOPEN:
    case TRACE_OPS:
        break;
    }
    return true;
}
