/* Blocking calls look at the store and make what is missing, on the tool's own connection. What they wrote stays, also if a later
 * call fails; stderr says why then. */
#include "client/tool/bench/bench_prepare.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/encoding.h"

enum {
    NAMES_AT_ONCE_MAX = 1024,           /* names of one request; chosen */
    NAMES_AT_ONCE_BYTES_MAX = 16 << 20, /* their values; half of the default metadata queue */
};

static void text_copy(char *ret_text, size_t bytes, struct cairn_slice slice)
{
    assert(bytes > 0);
    char *text = bytes_escape(slice);
    snprintf(ret_text, bytes, "%s", text);
    free(text);
}

static bool slice_is(struct cairn_slice slice, const char *text)
{
    return slice.bytes == strlen(text) && memcmp(slice.data, text, slice.bytes) == 0;
}

static enum tool_exit daemon_look(struct tool *tool, struct bench_daemon *ret_daemon)
{
    const struct cairn_reply *reply;
    enum cairn_status status =
        cairn_status_page(tool->connection, &(struct cairn_status_page_request){0}, &reply);
    *ret_daemon = (struct bench_daemon){.version = "unknown", .engine = "unknown"};
    for (size_t i = 0; status == CAIRN_OK && i < reply->page.count; i++) {
        const struct cairn_status_entry *entry = &reply->page.entries[i];
        if (slice_is(entry->name, "version")) {
            text_copy(ret_daemon->version, sizeof ret_daemon->version, entry->text);
        } else if (slice_is(entry->name, "engine")) {
            text_copy(ret_daemon->engine, sizeof ret_daemon->engine, entry->text);
        }
    }
    return tool_result(tool, status, reply);
}

static enum tool_exit chain_make(struct tool *tool)
{
    assert(tool->chain.bytes > 0); /* the default chain is always there */
    const struct cairn_reply *reply;
    struct cairn_create_chain_request request = {.chain = tool->chain};
    enum cairn_status status = cairn_create_chain(tool->connection, &request, &reply);
    return tool_result(tool, status, reply);
}

static enum tool_exit chain_look(struct tool *tool, struct bench_chain *ret_chain)
{
    const struct cairn_reply *reply;
    const char *name = tool->chain.bytes > 0 ? tool->chain.data : "default";
    enum cairn_status status = cairn_chains(tool->connection, &(struct cairn_chains_request){0}, &reply);
    bool found = false;
    *ret_chain = (struct bench_chain){.name = tool->chain};
    for (size_t i = 0; status == CAIRN_OK && i < reply->chains.count; i++) {
        const struct cairn_chain *chain = &reply->chains.entries[i];
        if (slice_is(chain->name, name)) {
            found = true;
            ret_chain->first = chain->blocks_pruned ? chain->blocks_pruned_through + 1 : 1;
            ret_chain->last = chain->height >= ret_chain->first ? chain->height : 0;
            atomic_init(&ret_chain->taken, chain->height);
        }
    }
    if (status == CAIRN_OK && !found) {
        return tool_fail(TOOL_REFUSED, "there is no chain \"%s\"", name);
    }
    return tool_result(tool, status, reply);
}

/* Counts the names that exist with a value of the right size. */
struct look {
    uint64_t size, good;
};

static bool name_seen(void *context, const struct cairn_metadata *item)
{
    struct look *look = context;
    look->good += !item->absent && item->value.bytes == look->size;
    return true;
}

static enum tool_exit names_some(struct tool *tool, uint64_t size, uint64_t first, uint64_t count)
{
    static char texts[NAMES_AT_ONCE_MAX][BENCH_NAME_BYTES];
    struct cairn_slice names[NAMES_AT_ONCE_MAX];
    struct cairn_operation operations[NAMES_AT_ONCE_MAX];
    struct look look = {.size = size};
    assert(count <= NAMES_AT_ONCE_MAX);
    struct cairn_slice value = {region_allocate(&tool->region, size + 1, 1), size};
    for (uint64_t i = 0; i < count; i++) {
        names[i] = (struct cairn_slice){texts[i], bench_name(texts[i], first + i)};
        operations[i] = (struct cairn_operation){.kind = CAIRN_SET, .name = names[i], .value = value};
    }
    const struct cairn_reply *reply;
    struct cairn_get_many_request get = {.chain = tool->chain, .names = names, .name_count = count};
    enum cairn_status status = cairn_get_many(tool->connection, &get, name_seen, &look, &reply);
    if (status == CAIRN_OK && look.good < count) {
        struct cairn_write_metadata_request set = {
            .chain = tool->chain, .level = CAIRN_WRITTEN, .operations = operations, .operation_count = count};
        status = cairn_write_metadata(tool->connection, &set, &reply);
    }
    return tool_result(tool, status, reply);
}

static enum tool_exit names_make(struct tool *tool, const struct bench_workload *workload)
{
    enum tool_exit result = TOOL_OK;
    uint64_t names = workload->kind == BENCH_EVNODE ? EVNODE_NAMES : workload->names;
    uint64_t at_once = NAMES_AT_ONCE_BYTES_MAX / (workload->size + 1) + 1;
    at_once = at_once < NAMES_AT_ONCE_MAX ? at_once : NAMES_AT_ONCE_MAX;
    assert(at_once > 0); /* each round makes some */
    for (uint64_t first = 0; first < names && result == TOOL_OK; first += at_once) {
        result = names_some(tool, workload->size, first, names - first < at_once ? names - first : at_once);
    }
    return result;
}

/* Commits a first block, for evnode to read. */
static enum tool_exit block_make(struct tool *tool, struct bench_chain *chain)
{
    uint8_t bytes[EVNODE_HEADER_BYTES] = {0};
    uint64_t height = chain->taken + 1;
    memcpy(bytes, &height, sizeof height);
    struct cairn_slice header = {bytes, sizeof bytes};
    struct cairn_block block = {.height = height, .header = header, .data = header, .signature = {bytes, 64}};
    struct cairn_commit_request request = {
        .chain = tool->chain, .blocks = &block, .block_count = 1, .rise_to = height};
    const struct cairn_reply *reply;
    assert(chain->last == 0 && height > 0); /* the chain has no block yet */
    enum cairn_status status = cairn_commit(tool->connection, &request, &reply);
    if (status == CAIRN_OK) {
        chain->first = chain->last = height;
        atomic_init(&chain->taken, height);
    }
    return tool_result(tool, status, reply);
}

enum tool_exit bench_prepare(struct tool *tool, const struct bench_workload *workloads, unsigned count,
                             struct bench_chain *ret_chain, struct bench_daemon *ret_daemon)
{
    bool writes = false, evnode = false;
    assert(count > 0 && tool->connection != NULL);
    for (unsigned i = 0; i < count; i++) {
        evnode |= workloads[i].kind == BENCH_EVNODE;
        writes |= evnode || workloads[i].kind == BENCH_COMMIT || workloads[i].kind == BENCH_METADATA;
    }
    enum tool_exit result = daemon_look(tool, ret_daemon);
    if (result == TOOL_OK && writes && tool->chain.bytes > 0) {
        result = chain_make(tool);
    }
    if (result == TOOL_OK) {
        result = chain_look(tool, ret_chain);
    }
    if (result == TOOL_OK && evnode && ret_chain->last == 0) {
        result = block_make(tool, ret_chain);
    }
    for (unsigned i = 0; i < count && result == TOOL_OK; i++) {
        if (bench_workload_reads_blocks(&workloads[i]) && ret_chain->last == 0) {
            result = tool_fail(TOOL_REFUSED,
                               "%s: the chain has no blocks to read; run a commit workload first, such as: "
                               "cairn bench commit,count=10k,batch=100,level=written",
                               workloads[i].word);
        } else if (bench_workload_reads_names(&workloads[i])) {
            result = names_make(tool, &workloads[i]);
        }
    }
    return result;
}
