/* Verbs of the commit lane: commit, barrier, prune, rollback and the drop of a chain. Each checks its arguments before it connects, so
 * that a wrong command line changes nothing; the last three ask before they remove anything. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/arguments.h"
#include "client/tool/confirm.h"
#include "client/tool/encoding.h"
#include "client/tool/output.h"
#include "client/tool/verbs/verbs.h"

/* Cuts the next field off a text whose fields stand between colons. NULL: there is none. */
static char *next_field(char **rest)
{
    return *rest != NULL ? strsep(rest, ":") : NULL;
}

/* Reads HEIGHT:HEADER[:DATA[:SIGNATURE]], where each part is a file or empty. */
static enum tool_exit read_block(struct tool *tool, const char *text, struct cairn_block *block)
{
    size_t size = strlen(text) + 1;
    char *rest = memcpy(region_allocate(&tool->region, size, 1), text, size);
    struct cairn_slice *parts[] = {&block->header, &block->data, &block->signature};
    const char *height = next_field(&rest);
    if (rest == NULL) {
        return tool_fail(TOOL_USAGE,
                         "--block is HEIGHT:HEADER[:DATA[:SIGNATURE]], files or empty; not \"%s\"", text);
    }
    enum tool_exit result = argument_height("the height of --block", height, &block->height);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && result == TOOL_OK; i++) {
        const char *path = next_field(&rest);
        if (path != NULL && path[0] != '\0') {
            result = argument_file(tool, path, parts[i]);
        }
    }
    if (result == TOOL_OK && rest != NULL) {
        return tool_fail(TOOL_USAGE, "--block has at most three files, not \"%s\"", text);
    }
    return result;
}

/* Reads HEIGHT:FILE. */
static enum tool_exit read_state(struct tool *tool, const char *text, struct cairn_state *state)
{
    size_t size = strlen(text) + 1;
    char *path = memcpy(region_allocate(&tool->region, size, 1), text, size);
    char *height = strsep(&path, ":");
    if (path == NULL) {
        return tool_fail(TOOL_USAGE, "--state is HEIGHT:FILE, not \"%s\"", text);
    }
    enum tool_exit result = argument_number("the height of --state", height, &state->height);
    return result == TOOL_OK ? argument_file(tool, path, &state->value) : result;
}

/* The parts of a commit that are read so far. Each array has room for all options that were given. */
struct commit_parts {
    struct cairn_block *blocks;
    struct cairn_state *states;
    uint64_t *delete_states, *delete_blocks;
    struct cairn_commit_request request;
};

static enum tool_exit read_commit_option(struct tool *tool, const struct tool_given *given,
                                         struct commit_parts *commit)
{
    struct cairn_commit_request *request = &commit->request;
    const char *name = given->option->name;
    assert(request->block_count + request->state_count + request->delete_state_count +
               request->delete_block_count <
           tool->given_count);
    if (strcmp(name, "block") == 0) {
        return read_block(tool, given->value, &commit->blocks[request->block_count++]);
    }
    if (strcmp(name, "hash") == 0) {
        return request->block_count > 0
                   ? argument_hex(tool, "--hash", given->value,
                                  &commit->blocks[request->block_count - 1].hash)
                   : tool_fail(TOOL_USAGE, "--hash comes behind the --block that it belongs to");
    }
    if (strcmp(name, "state") == 0) {
        return read_state(tool, given->value, &commit->states[request->state_count++]);
    }
    if (strcmp(name, "delete-state") == 0) {
        return argument_number("--delete-state", given->value,
                               &commit->delete_states[request->delete_state_count++]);
    }
    if (strcmp(name, "delete-block") == 0) {
        return argument_height("--delete-block", given->value,
                               &commit->delete_blocks[request->delete_block_count++]);
    }
    return TOOL_OK;
}

static enum tool_exit read_commit(struct tool *tool, struct commit_parts *commit)
{
    struct cairn_commit_request *request = &commit->request;
    enum tool_exit result = argument_option(tool, "rise-to", NULL, &request->rise_to);
    if (result == TOOL_OK) {
        result = argument_option(tool, "expect-height", &request->if_height, &request->expected_height);
    }
    for (size_t i = 0; i < tool->given_count && result == TOOL_OK; i++) {
        result = read_commit_option(tool, &tool->given[i], commit);
    }
    if (result == TOOL_OK) {
        result = argument_operations(tool, &request->metadata, &request->metadata_count);
    }
    request->delete_blocks = commit->delete_blocks;
    request->blocks = commit->blocks;
    request->states = commit->states;
    request->delete_states = commit->delete_states;
    request->carry = argument_given(tool, "carry") != NULL;
    return result;
}

enum tool_exit verb_commit(struct tool *tool)
{
    struct commit_parts commit = {
        .blocks = region_allocate(&tool->region, tool->given_count, sizeof *commit.blocks),
        .states = region_allocate(&tool->region, tool->given_count, sizeof *commit.states),
        .delete_states = region_allocate(&tool->region, tool->given_count, sizeof *commit.delete_states),
        .delete_blocks = region_allocate(&tool->region, tool->given_count, sizeof *commit.delete_blocks),
        .request = {.chain = tool->chain, .level = tool->level},
    };
    if (tool->given_count == 0) {
        return tool_fail(TOOL_USAGE, "nothing to commit; see cairn commit --help");
    }
    enum tool_exit result = read_commit(tool, &commit);
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_commit(tool->connection, &commit.request, &reply);
    if (status == CAIRN_OK) {
        output_written(tool, &reply->write);
    }
    return tool_result(tool, status, reply);
}

enum tool_exit verb_barrier(struct tool *tool)
{
    enum tool_exit result = tool_connect(tool);
    if (result != TOOL_OK) {
        return result;
    }
    struct cairn_barrier_request request = {.level = tool->level};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_barrier(tool->connection, &request, &reply);
    if (status == CAIRN_OK) {
        output_written(tool, &reply->write);
    }
    return tool_result(tool, status, reply);
}

/* The chain's height and marks; of a chain that is not there they are 0. */
static enum tool_exit read_chain(struct tool *tool, struct cairn_chain *ret_chain)
{
    struct cairn_slice name = tool->chain.bytes > 0 ? tool->chain : cairn_text("default");
    const struct cairn_reply *reply;
    assert(tool->connection != NULL);
    enum cairn_status status = cairn_chains(tool->connection, &(struct cairn_chains_request){0}, &reply);
    *ret_chain = (struct cairn_chain){0};
    for (size_t i = 0; status == CAIRN_OK && i < reply->chains.count; i++) {
        if (bytes_equal(reply->chains.entries[i].name, name)) {
            *ret_chain = reply->chains.entries[i];
            ret_chain->name = name; /* the reply's lives for a call only */
        }
    }
    return tool_result(tool, status, reply);
}

/* Asks with what a dry run counts; an earlier daemon, which has none, counts nothing. */
static enum tool_exit confirm_prune(struct tool *tool, const struct cairn_prune_request *request)
{
    struct cairn_chain chain;
    struct cairn_prune_request dry = *request;
    const struct cairn_reply *reply;
    char blocks[64] = "", states[64] = "", counts[128] = "";
    if (argument_given(tool, "yes") != NULL) {
        return TOOL_OK;
    }
    enum tool_exit result = read_chain(tool, &chain);
    if (result != TOOL_OK) {
        return result;
    }
    dry.dry_run = true;
    enum cairn_status status = cairn_prune(tool->connection, &dry, &reply);
    if (status != CAIRN_OK && status != CAIRN_UNSUPPORTED) {
        return tool_result(tool, status, reply);
    }
    if (request->blocks) {
        snprintf(blocks, sizeof blocks, " blocks up to %" PRIu64, request->blocks_through);
    }
    if (request->states) {
        snprintf(states, sizeof states, "%s states up to %" PRIu64, request->blocks ? " and" : "",
                 request->states_through);
    }
    if (status == CAIRN_OK) {
        snprintf(counts, sizeof counts,
                 ": drop %" PRIu64 " blocks, %" PRIu64 " states and %" PRIu64 " metadata",
                 reply->write.blocks, reply->write.states, reply->write.metadata);
    }
    return confirm(tool, CONFIRM_NEEDED, "Prune%s%s at height %" PRIu64 "%s", blocks, states, chain.height,
                   counts);
}

/* Asks with what a dry run counts. */
static enum tool_exit confirm_rollback(struct tool *tool, const struct cairn_rollback_request *request)
{
    struct cairn_chain chain;
    struct cairn_rollback_request dry = *request;
    const struct cairn_reply *reply;
    if (argument_given(tool, "yes") != NULL) {
        return TOOL_OK;
    }
    enum tool_exit result = read_chain(tool, &chain);
    if (result != TOOL_OK) {
        return result;
    }
    dry.dry_run = true;
    enum cairn_status status = cairn_rollback(tool->connection, &dry, &reply);
    if (status != CAIRN_OK) {
        return tool_result(tool, status, reply);
    }
    return confirm(tool, CONFIRM_NEEDED,
                   "Go back from height %" PRIu64 " to %" PRIu64 ": drop %" PRIu64 " blocks, %" PRIu64
                   " states and %" PRIu64 " metadata",
                   chain.height, request->to, reply->write.blocks, reply->write.states,
                   reply->write.metadata);
}

/* What a rollback has removed, or a dry run of one or of a prune says would be. */
static void print_removed(const struct tool *tool, const struct cairn_written *removed, bool is_rollback)
{
    bool dry_run = argument_given(tool, "dry-run") != NULL;
    if (tool->json) {
        json_t *object =
            json_pack("{s:b, s:o, s:o, s:o}", "dry_run", dry_run, "blocks", output_number(removed->blocks),
                      "states", output_number(removed->states), "metadata", output_number(removed->metadata));
        if (is_rollback) {
            json_object_set_new(object, "lowered", output_number(removed->lowered));
        }
        json_object_set_new(object, "sequence", output_number(removed->sequence));
        output_json(object);
        return;
    }
    printf("%s %" PRIu64 " blocks, %" PRIu64 " states, %" PRIu64 " metadata",
           dry_run ? "would drop" : "dropped", removed->blocks, removed->states, removed->metadata);
    if (is_rollback) {
        printf("; guards lowered: %" PRIu64, removed->lowered);
    }
    putchar('\n');
}

enum tool_exit verb_prune(struct tool *tool)
{
    struct cairn_prune_request request = {
        .chain = tool->chain, .level = tool->level, .dry_run = argument_given(tool, "dry-run") != NULL};
    enum tool_exit result = argument_height_option(tool, "blocks", &request.blocks, &request.blocks_through);
    if (result == TOOL_OK) {
        result = argument_option(tool, "states", &request.states, &request.states_through);
    }
    if (result == TOOL_OK && !request.blocks && !request.states) {
        return tool_fail(TOOL_USAGE, "say what to prune: --blocks, --states or both");
    }
    if (result == TOOL_OK) {
        result = argument_operations(tool, &request.metadata, &request.metadata_count);
    }
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    if (result == TOOL_OK && !request.dry_run) {
        result = confirm_prune(tool, &request);
    }
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_prune(tool->connection, &request, &reply);
    if (status == CAIRN_OK && request.dry_run) {
        print_removed(tool, &reply->write, false);
    } else if (status == CAIRN_OK) {
        output_written(tool, &reply->write);
    }
    return tool_result(tool, status, reply);
}

/* Cuts a word off the end of NAME:WORD, whose length is changed. False: it is not there. */
static bool cut_word(const char *text, size_t *length, const char *word)
{
    size_t bytes = strlen(word);
    bool ends = *length >= bytes && memcmp(text + *length - bytes, word, bytes) == 0;
    *length -= ends ? bytes : 0;
    return ends;
}

/* Reads the --guard options: NAME, or NAME with :lower or :refuse, and :pass behind that. */
static enum tool_exit read_guards(struct tool *tool, struct cairn_rollback_request *request)
{
    struct cairn_guard *guards = region_allocate(&tool->region, tool->given_count, sizeof *guards);
    for (size_t i = 0; i < tool->given_count; i++) {
        const char *text = tool->given[i].value;
        if (strcmp(tool->given[i].option->name, "guard") != 0) {
            continue;
        }
        size_t length = strlen(text);
        struct cairn_guard *guard = &guards[request->guard_count++];
        guard->pass_malformed = cut_word(text, &length, ":pass");
        guard->lower = cut_word(text, &length, ":lower");
        if (!guard->lower) {
            (void)cut_word(text, &length, ":refuse");
        }
        enum tool_exit result = argument_name(tool, text, length, &guard->name);
        if (result != TOOL_OK) {
            return result;
        }
    }
    assert(request->guard_count <= tool->given_count);
    request->guards = guards;
    return TOOL_OK;
}

enum tool_exit verb_rollback(struct tool *tool)
{
    struct cairn_rollback_request request = {
        .chain = tool->chain, .level = tool->level, .dry_run = argument_given(tool, "dry-run") != NULL};
    bool has_target = false;
    enum tool_exit result = argument_option(tool, "to", &has_target, &request.to);
    if (result == TOOL_OK && !has_target) {
        return tool_fail(TOOL_USAGE, "say where to go back to: --to HEIGHT");
    }
    if (result == TOOL_OK) {
        result = read_guards(tool, &request);
    }
    if (result == TOOL_OK) {
        result = argument_operations(tool, &request.metadata, &request.metadata_count);
    }
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    if (result == TOOL_OK && !request.dry_run) {
        result = confirm_rollback(tool, &request);
    }
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_rollback(tool->connection, &request, &reply);
    if (status == CAIRN_OK) {
        print_removed(tool, &reply->write, true);
    }
    return tool_result(tool, status, reply);
}

/* Asks with the chain's height, and with what a dry run counts below it. */
static enum tool_exit confirm_drop(struct tool *tool)
{
    struct cairn_chain chain;
    const struct cairn_reply *reply;
    char counts[128] = "";
    if (argument_given(tool, "yes") != NULL) {
        return TOOL_OK;
    }
    enum tool_exit result = read_chain(tool, &chain);
    if (result != TOOL_OK || chain.name.bytes == 0) {
        return result; /* of a chain that is not there: the daemon says so */
    }
    struct cairn_prune_request dry = {.chain = tool->chain,
                                      .blocks = true,
                                      .states = true,
                                      .blocks_through = chain.height,
                                      .dry_run = true};
    dry.states_through = chain.height - 1;
    if (chain.height > 0 && cairn_prune(tool->connection, &dry, &reply) == CAIRN_OK) {
        snprintf(counts, sizeof counts, ", with %" PRIu64 " blocks up to it and %" PRIu64 " states below it",
                 reply->write.blocks, reply->write.states);
    }
    return confirm(tool, CONFIRM_NEEDED, "Drop all, at height %" PRIu64 "%s", chain.height, counts);
}

enum tool_exit verb_chains_drop(struct tool *tool)
{
    assert(tool->argument_count == 1); /* so says the table */
    tool->chain = cairn_text(tool->arguments[0]);
    enum tool_exit result = tool_connect(tool);
    if (result == TOOL_OK) {
        result = confirm_drop(tool);
    }
    if (result != TOOL_OK) {
        return result;
    }
    struct cairn_drop_chain_request request = {.chain = tool->chain};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_drop_chain(tool->connection, &request, &reply);
    if (status == CAIRN_OK) {
        output_written(tool, &reply->write);
    }
    return tool_result(tool, status, reply);
}
