/* Verbs for metadata. Each checks its arguments before it connects, so that a wrong command line changes nothing. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/tool/arguments.h"
#include "client/tool/output.h"
#include "client/tool/verbs/verbs.h"

enum {
    LIST_VALUE_BYTES_MAX = 64, /* of a value in a list for people; chosen: a line of a terminal */
};

static enum tool_exit read_names(struct tool *tool, struct cairn_slice **ret_names)
{
    assert(tool->argument_count > 0);
    struct cairn_slice *names = region_allocate(&tool->region, (size_t)tool->argument_count, sizeof *names);
    for (int i = 0; i < tool->argument_count; i++) {
        const char *text = tool->arguments[i];
        enum tool_exit result = argument_name(tool, text, strlen(text), &names[i]);
        if (result != TOOL_OK) {
            return result;
        }
    }
    *ret_names = names;
    return TOOL_OK;
}

static void print_metadata(const struct tool *tool, struct cairn_slice name,
                           const struct cairn_metadata *found)
{
    assert(!found->absent); /* a name that is absent is said on stderr */
    if (tool->json) {
        output_json(json_pack("{s:o, s:o, s:o}", "name", output_bytes(name), "value",
                              output_bytes(found->value), "of_height",
                              found->of_height > 0 ? output_number(found->of_height) : json_null()));
        return;
    }
    output_value(name, 0);
    putchar('\t');
    output_value(found->value, LIST_VALUE_BYTES_MAX);
    if (found->of_height > 0) {
        printf("\tof height %" PRIu64, found->of_height);
    }
    putchar('\n');
}

/* A get of several names, or a list. */
struct listing {
    struct tool *tool;
    bool some_absent;
};

static bool take_item(void *context, const struct cairn_metadata *item)
{
    struct listing *listing = context;
    if (item->absent) {
        listing->some_absent = true;
        tool_fail(TOOL_NOT_FOUND, "not found: %.*s", (int)item->name.bytes, (const char *)item->name.data);
    } else {
        print_metadata(listing->tool, item->name, item);
    }
    return true;
}

static enum tool_exit get_many(struct tool *tool, const struct cairn_slice *names)
{
    assert(tool->argument_count > 1); /* one name is a request of its own */
    struct cairn_get_many_request request = {
        .chain = tool->chain, .names = names, .name_count = (size_t)tool->argument_count};
    struct listing listing = {.tool = tool};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_get_many(tool->connection, &request, take_item, &listing, &reply);
    enum tool_exit result = tool_result(tool, status, reply);
    return result == TOOL_OK && listing.some_absent ? TOOL_NOT_FOUND : result;
}

enum tool_exit verb_meta_get(struct tool *tool)
{
    struct cairn_slice *names;
    bool raw = argument_given(tool, "raw") != NULL;
    if (raw && tool->argument_count > 1) {
        return tool_fail(TOOL_USAGE, "--raw prints one value");
    }
    enum tool_exit result = read_names(tool, &names);
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    if (result != TOOL_OK) {
        return result;
    }
    if (tool->argument_count > 1) {
        return get_many(tool, names);
    }
    struct cairn_get_request request = {.chain = tool->chain, .name = names[0]};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_get(tool->connection, &request, &reply);
    if (status == CAIRN_OK && raw) {
        output_raw(reply->found.value);
    } else if (status == CAIRN_OK && tool->json) {
        print_metadata(tool, names[0], &reply->found);
    } else if (status == CAIRN_OK) {
        output_value(reply->found.value, 0);
        putchar('\n');
    }
    return tool_result(tool, status, reply);
}

enum tool_exit verb_meta_list(struct tool *tool)
{
    assert(tool->argument_count <= 1); /* so says the table */
    struct cairn_list_request request = {.chain = tool->chain};
    const struct tool_given *start = argument_given(tool, "start");
    enum tool_exit result = argument_option(tool, "limit", NULL, &request.limit);
    if (result == TOOL_OK && tool->argument_count == 1) {
        result = argument_name(tool, tool->arguments[0], strlen(tool->arguments[0]), &request.prefix);
    }
    if (result == TOOL_OK && start != NULL) {
        result = argument_name(tool, start->value, strlen(start->value), &request.start);
    }
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    if (result != TOOL_OK) {
        return result;
    }
    struct listing listing = {.tool = tool};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_list(tool->connection, &request, take_item, &listing, &reply);
    return tool_result(tool, status, reply);
}

static enum tool_exit write_operations(struct tool *tool, const struct cairn_operation *operations,
                                       size_t count)
{
    assert(count > 0); /* the daemon refuses a batch without operations */
    enum tool_exit result = tool_connect(tool);
    if (result != TOOL_OK) {
        return result;
    }
    struct cairn_write_metadata_request request = {
        .chain = tool->chain, .level = tool->level, .operations = operations, .operation_count = count};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_write_metadata(tool->connection, &request, &reply);
    if (status == CAIRN_OK) {
        output_written(tool, &reply->write);
    }
    return tool_result(tool, status, reply);
}

enum tool_exit verb_meta_set(struct tool *tool)
{
    assert(tool->argument_count == 2); /* so says the table */
    struct cairn_operation operation = {.kind = CAIRN_SET};
    enum tool_exit result =
        argument_name(tool, tool->arguments[0], strlen(tool->arguments[0]), &operation.name);
    if (result == TOOL_OK) {
        result = argument_value(tool, "VALUE", tool->arguments[1], &operation.value);
    }
    if (result == TOOL_OK) {
        result = argument_option(tool, "of-height", NULL, &operation.of_height);
    }
    return result == TOOL_OK ? write_operations(tool, &operation, 1) : result;
}

enum tool_exit verb_meta_delete(struct tool *tool)
{
    size_t count = (size_t)tool->argument_count;
    struct cairn_operation *operations = region_allocate(&tool->region, count, sizeof *operations);
    struct cairn_slice *names;
    enum tool_exit result = read_names(tool, &names);
    if (result != TOOL_OK) {
        return result;
    }
    for (size_t i = 0; i < count; i++) {
        operations[i] = (struct cairn_operation){.kind = CAIRN_DELETE, .name = names[i]};
    }
    return write_operations(tool, operations, count);
}

enum tool_exit verb_meta_raise(struct tool *tool)
{
    assert(tool->argument_count == 2); /* so says the table */
    struct cairn_operation operation = {.kind = CAIRN_RAISE};
    enum tool_exit result =
        argument_name(tool, tool->arguments[0], strlen(tool->arguments[0]), &operation.name);
    if (result == TOOL_OK) {
        result = argument_number("NUMBER", tool->arguments[1], &operation.raise);
    }
    return result == TOOL_OK ? write_operations(tool, &operation, 1) : result;
}
