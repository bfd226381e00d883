/* Verbs about the daemon itself: whether it answers, its status page, its chains. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/tool/output.h"
#include "client/tool/verbs/verbs.h"

enum tool_exit verb_ping(struct tool *tool)
{
    enum tool_exit result = tool_connect(tool);
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    int64_t start_us = tool_now_us();
    enum cairn_status status = cairn_ping(tool->connection, &(struct cairn_ping_request){0}, &reply);
    int64_t took_us = tool_now_us() - start_us;
    if (status == CAIRN_OK && tool->json) {
        output_json(json_pack("{s:I}", "us", (json_int_t)took_us));
    } else if (status == CAIRN_OK) {
        printf("answered in %" PRId64 " us\n", took_us);
    }
    return tool_result(tool, status, reply);
}

/* Whether the entry was asked for. A name stands for itself and all entries below it; without a name all entries are. */
static bool is_wanted(const struct tool *tool, struct cairn_slice name)
{
    for (int i = 0; i < tool->argument_count; i++) {
        size_t length = strlen(tool->arguments[i]);
        if (name.bytes >= length && memcmp(name.data, tool->arguments[i], length) == 0 &&
            (name.bytes == length || ((const char *)name.data)[length] == '.')) {
            return true;
        }
    }
    return tool->argument_count == 0;
}

static void print_entry(json_t *object, const struct cairn_status_entry *entry)
{
    char name[256];
    snprintf(name, sizeof name, "%.*s", (int)entry->name.bytes, (const char *)entry->name.data);
    if (object != NULL) {
        json_object_set_new(object, name,
                            entry->is_text ? output_text(entry->text) : output_number(entry->number));
    } else if (entry->is_text) {
        printf("%-28s ", name);
        output_value(entry->text, 0);
        putchar('\n');
    } else {
        printf("%-28s %" PRIu64 "\n", name, entry->number);
    }
}

enum tool_exit verb_status(struct tool *tool)
{
    enum tool_exit result = tool_connect(tool);
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    enum cairn_status status =
        cairn_status_page(tool->connection, &(struct cairn_status_page_request){0}, &reply);
    if (status != CAIRN_OK) {
        return tool_result(tool, status, reply);
    }
    json_t *object = tool->json ? json_object() : NULL;
    bool found = false;
    for (size_t i = 0; i < reply->page.count; i++) {
        if (is_wanted(tool, reply->page.entries[i].name)) {
            print_entry(object, &reply->page.entries[i]);
            found = true;
        }
    }
    if (object != NULL) {
        output_json(object);
    }
    return found ? TOOL_OK : tool_fail(TOOL_NOT_FOUND, "the status page has no such entry");
}

static json_t *pruned_json(bool pruned, uint64_t through)
{
    return pruned ? output_number(through) : json_null();
}

static void print_pruned(bool pruned, uint64_t through)
{
    if (pruned) {
        printf(" %20" PRIu64, through);
    } else {
        printf(" %20s", "-");
    }
}

enum tool_exit verb_chains(struct tool *tool)
{
    enum tool_exit result = tool_connect(tool);
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_chains(tool->connection, &(struct cairn_chains_request){0}, &reply);
    if (status != CAIRN_OK) {
        return tool_result(tool, status, reply);
    }
    if (!tool->json) {
        printf("%-24s %20s %20s %20s\n", "CHAIN", "HEIGHT", "BLOCKS PRUNED TO", "STATES PRUNED TO");
    }
    for (size_t i = 0; i < reply->chains.count; i++) {
        const struct cairn_chain *chain = &reply->chains.entries[i];
        if (tool->json) {
            output_json(json_pack("{s:o, s:o, s:o, s:o}", "chain", output_text(chain->name), "height",
                                  output_number(chain->height), "blocks_pruned_through",
                                  pruned_json(chain->blocks_pruned, chain->blocks_pruned_through),
                                  "states_pruned_through",
                                  pruned_json(chain->states_pruned, chain->states_pruned_through)));
            continue;
        }
        printf("%-24.*s %20" PRIu64, (int)chain->name.bytes, (const char *)chain->name.data, chain->height);
        print_pruned(chain->blocks_pruned, chain->blocks_pruned_through);
        print_pruned(chain->states_pruned, chain->states_pruned_through);
        putchar('\n');
    }
    return TOOL_OK;
}

enum tool_exit verb_chains_create(struct tool *tool)
{
    assert(tool->argument_count == 1); /* so says the table */
    enum tool_exit result = tool_connect(tool);
    if (result != TOOL_OK) {
        return result;
    }
    struct cairn_create_chain_request request = {.chain = cairn_text(tool->arguments[0])};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_create_chain(tool->connection, &request, &reply);
    if (status == CAIRN_OK && tool->json) {
        output_json(json_pack("{s:b}", "created", reply->write.created));
    } else if (status == CAIRN_OK) {
        puts(reply->write.created ? "created" : "it exists already");
    }
    return tool_result(tool, status, reply);
}
