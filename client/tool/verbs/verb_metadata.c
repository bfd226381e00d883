/* Verbs for metadata. Each checks its arguments before it connects, so that a wrong command line changes nothing. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/tool/arguments.h"
#include "client/tool/confirm.h"
#include "client/tool/encoding.h"
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

/* A get of names, or a list. */
struct listing {
    struct tool *tool;
    bool as_u64;
    bool keys_only, sizes;  /* names alone; the sizes of values in their place */
    size_t value_bytes_max; /* of a value for people; 0: no bound */
    enum tool_exit worst;   /* of all items: TOOL_OK, unless one is absent or is not what --as says */
};

static enum tool_exit is_no_u64(struct cairn_slice name, struct cairn_slice value)
{
    char *text = bytes_escape(name);
    enum tool_exit code = tool_fail(TOOL_FAILURE, "%s holds %zu bytes, and a u64 has 8", text, value.bytes);
    free(text);
    return code;
}

/* Prints a name without its value, with the size of that if it is asked for. */
static void print_name(const struct listing *listing, struct cairn_slice name, uint64_t size)
{
    if (listing->tool->json) {
        json_t *object = json_pack("{s:o}", "name", output_bytes(name));
        if (listing->sizes) {
            json_object_set_new(object, "size", output_number(size));
        }
        output_json(object);
        return;
    }
    output_value(name, 0);
    if (listing->sizes) {
        printf("\t%" PRIu64, size);
    }
    putchar('\n');
}

static void print_metadata(struct listing *listing, struct cairn_slice name,
                           const struct cairn_metadata *found)
{
    uint64_t number = 0;
    assert(!found->absent); /* a name that is absent is said on stderr */
    if (listing->keys_only || listing->sizes) {
        print_name(listing, name, found->size);
        return;
    }
    if (listing->as_u64 && !bytes_u64(found->value, &number)) {
        listing->worst = is_no_u64(name, found->value);
        return;
    }
    if (listing->tool->json) {
        output_json(json_pack("{s:o, s:o, s:o}", "name", output_bytes(name), "value",
                              output_bytes(found->value), "of_height",
                              found->of_height > 0 ? output_number(found->of_height) : json_null()));
        return;
    }
    output_value(name, 0);
    putchar('\t');
    if (listing->as_u64) {
        printf("%" PRIu64, number);
    } else {
        output_value(found->value, listing->value_bytes_max);
    }
    if (found->of_height > 0) {
        printf("\tof height %" PRIu64, found->of_height);
    }
    putchar('\n');
}

static enum tool_exit not_found(struct cairn_slice name)
{
    char *text = bytes_escape(name);
    enum tool_exit code = tool_fail_of(CAIRN_NOT_FOUND, "not found: %s", text);
    free(text);
    return code;
}

static bool take_item(void *context, const struct cairn_metadata *item)
{
    struct listing *listing = context;
    if (item->absent) {
        listing->worst = not_found(item->name);
    } else {
        print_metadata(listing, item->name, item);
    }
    return true;
}

static enum tool_exit get_many(struct listing *listing, const struct cairn_slice *names)
{
    struct tool *tool = listing->tool;
    assert(tool->argument_count > 1); /* one name is a request of its own */
    struct cairn_get_many_request request = {
        .chain = tool->chain, .names = names, .name_count = (size_t)tool->argument_count};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_get_many(tool->connection, &request, take_item, listing, &reply);
    enum tool_exit result = tool_result(tool, status, reply);
    return result == TOOL_OK ? listing->worst : result;
}

/* Prints one value: a number, the exact bytes if nobody looks at them on a terminal, else for people. */
static enum tool_exit print_value(const struct listing *listing, struct cairn_slice name,
                                  struct cairn_slice value)
{
    uint64_t number;
    if (listing->as_u64) {
        if (!bytes_u64(value, &number)) {
            return is_no_u64(name, value);
        }
        printf("%" PRIu64 "\n", number);
    } else if (argument_given(listing->tool, "raw") != NULL || !isatty(STDOUT_FILENO)) {
        output_raw(value);
    } else {
        output_value(value, 0);
        putchar('\n');
    }
    return TOOL_OK;
}

static enum tool_exit get_one(struct listing *listing, struct cairn_slice name)
{
    struct tool *tool = listing->tool;
    struct cairn_get_request request = {.chain = tool->chain, .name = name};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_get(tool->connection, &request, &reply);
    if (status != CAIRN_OK) {
        return status == CAIRN_NOT_FOUND ? not_found(name) : tool_result(tool, status, reply);
    }
    if (!tool->json) {
        return print_value(listing, name, reply->found.value);
    }
    print_metadata(listing, name, &reply->found);
    return listing->worst;
}

enum tool_exit verb_meta_get(struct tool *tool)
{
    struct cairn_slice *names = NULL;
    struct listing listing = {.tool = tool};
    bool raw = argument_given(tool, "raw") != NULL;
    enum tool_exit result = argument_as_u64(tool, &listing.as_u64);
    if (result == TOOL_OK && raw && (tool->argument_count > 1 || tool->json || listing.as_u64)) {
        return tool_fail(TOOL_USAGE, "--raw prints one value, and goes with neither --as nor -o json");
    }
    if (result == TOOL_OK) {
        result = read_names(tool, &names);
    }
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    if (result != TOOL_OK) {
        return result;
    }
    return tool->argument_count > 1 ? get_many(&listing, names) : get_one(&listing, names[0]);
}

/* A name that an option has, if it was given. */
static enum tool_exit name_option(struct tool *tool, const char *option, struct cairn_slice *ret_name)
{
    const struct tool_given *given = argument_given(tool, option);
    return given != NULL ? argument_name(tool, given->value, strlen(given->value), ret_name) : TOOL_OK;
}

enum tool_exit verb_meta_list(struct tool *tool)
{
    assert(tool->argument_count <= 1); /* so says the table */
    struct cairn_list_request request = {.chain = tool->chain,
                                         .reverse = argument_given(tool, "reverse") != NULL};
    struct listing listing = {.tool = tool,
                              .keys_only = argument_given(tool, "keys-only") != NULL,
                              .sizes = argument_given(tool, "sizes") != NULL,
                              .value_bytes_max = LIST_VALUE_BYTES_MAX};
    request.parts = listing.sizes ? CAIRN_SIZE : listing.keys_only ? CAIRN_PRESENCE : 0;
    enum tool_exit result = argument_option(tool, "limit", NULL, &request.limit);
    if (result == TOOL_OK) {
        result = argument_as_u64(tool, &listing.as_u64);
    }
    if (result == TOOL_OK && listing.as_u64 && request.parts != 0) {
        return tool_fail(TOOL_USAGE, "--as goes neither with --keys-only nor with --sizes");
    }
    if (result == TOOL_OK && tool->argument_count == 1) {
        result = argument_name(tool, tool->arguments[0], strlen(tool->arguments[0]), &request.prefix);
    }
    if (result == TOOL_OK) {
        result = name_option(tool, "start", &request.start);
    }
    if (result == TOOL_OK) {
        result = name_option(tool, "end", &request.end);
    }
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_list(tool->connection, &request, take_item, &listing, &reply);
    result = tool_result(tool, status, reply);
    return result == TOOL_OK ? listing.worst : result;
}

/* The tool is connected. */
static enum tool_exit write_operations(struct tool *tool, const struct cairn_operation *operations,
                                       size_t count)
{
    assert(count > 0); /* the daemon refuses a batch without operations */
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
        result = argument_height_option(tool, "of-height", NULL, &operation.of_height);
    }
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    return result == TOOL_OK ? write_operations(tool, &operation, 1) : result;
}

/* Deletes all names between two, or from one on. */
static enum tool_exit delete_range(struct tool *tool, const struct cairn_slice *names, size_t count)
{
    const struct cairn_operation range = {
        .kind = CAIRN_DELETE_RANGE,
        .name = names[0],
        .to = count > 1 ? names[1] : cairn_text(""),
    };
    const struct cairn_commit_request request = {
        .chain = tool->chain, .level = tool->level, .metadata = &range, .metadata_count = 1};
    const struct cairn_reply *reply;
    assert(count == 1 || count == 2);
    enum cairn_status status = cairn_commit(tool->connection, &request, &reply);
    if (status == CAIRN_OK) {
        output_written(tool, &reply->write);
    }
    return tool_result(tool, status, reply);
}

enum tool_exit verb_meta_delete(struct tool *tool)
{
    size_t count = (size_t)tool->argument_count;
    struct cairn_operation *operations = region_allocate(&tool->region, count, sizeof *operations);
    struct cairn_slice *names = NULL;
    bool is_range = argument_given(tool, "range") != NULL;
    enum tool_exit result = read_names(tool, &names);
    if (result == TOOL_OK && is_range && count > 2) {
        return tool_fail(TOOL_USAGE, "--range takes FROM and TO, not %zu names", count);
    }
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    if (result == TOOL_OK && is_range) {
        bool is_open = count == 1; /* a script that forgets TO would delete all that is behind */
        result = confirm(tool, is_open ? CONFIRM_NEEDED : CONFIRM_IF_ASKED, "Delete all names %s",
                         is_open ? "from the given one on" : "of the range");
    } else if (result == TOOL_OK && count > 1) {
        result = confirm(tool, CONFIRM_IF_ASKED, "Delete %zu names", count);
    }
    if (result != TOOL_OK) {
        return result;
    }
    if (is_range) {
        return delete_range(tool, names, count);
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
    if (result == TOOL_OK) {
        result = tool_connect(tool);
    }
    return result == TOOL_OK ? write_operations(tool, &operation, 1) : result;
}
