/* Blocking calls look at the store and make what is missing, on the tool's own connection.
 *
 * A chain that bench makes gets a mark, a name in its metadata. By it a later run knows that no node's data is in the chain, and that it
 * may write there. */
#include "client/tool/bench/bench_prepare.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "client/tool/encoding.h"

enum {
    NAMES_AT_ONCE_MAX = 1024,           /* names of one request; chosen */
    NAMES_AT_ONCE_BYTES_MAX = 16 << 20, /* their values; half of the default metadata queue */

    /* Blocks that are made to be read. All chosen. */
    FILL_HEADER_BYTES = 500,
    FILL_DATA_BYTES = 1000,
    FILL_AT_ONCE = 100,
    FILL_DEFAULT = 10000,
    FILL_MAX = (64 << 20) / (FILL_HEADER_BYTES + FILL_DATA_BYTES),
};

#define MARK ".cairn-bench"

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

static enum tool_exit chain_look(struct tool *tool, struct bench_chain *ret_chain, bool *ret_found)
{
    const struct cairn_reply *reply;
    const char *name = tool->chain.data;
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
    *ret_found = found;
    return tool_result(tool, status, reply);
}

static enum tool_exit chain_make(struct own_chains *own)
{
    struct tool *tool = own->tool;
    bool existed;
    enum tool_exit result = own_chains_make(own, tool->chain, &existed);
    if (existed) { /* another run made it just now */
        return tool_fail(TOOL_CONFLICT, "chain %s was made by another", (const char *)tool->chain.data);
    }
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    struct cairn_operation mark = {.kind = CAIRN_SET, .name = cairn_text(MARK), .value = cairn_text("")};
    struct cairn_write_metadata_request set = {
        .chain = tool->chain, .level = CAIRN_WRITTEN, .operations = &mark, .operation_count = 1};
    enum cairn_status status = cairn_write_metadata(tool->connection, &set, &reply);
    return tool_result(tool, status, reply);
}

static enum tool_exit chain_is_marked(struct tool *tool, bool *ret_marked)
{
    const struct cairn_reply *reply;
    struct cairn_get_request get = {.chain = tool->chain, .name = cairn_text(MARK)};
    enum cairn_status status = cairn_get(tool->connection, &get, &reply);
    *ret_marked = status == CAIRN_OK;
    return status == CAIRN_NOT_FOUND ? TOOL_OK : tool_result(tool, status, reply);
}

/* Finds or makes the chain; without --chain one of a name that nobody has. */
static enum tool_exit chain_take(struct own_chains *own, struct bench_chain *ret_chain, bool *ret_is_own)
{
    struct tool *tool = own->tool;
    if (tool->chain.bytes == 0) {
        uint64_t number;
        char *name = region_allocate(&tool->region, 64, 1);
        if (getrandom(&number, sizeof number, 0) != sizeof number) {
            return tool_fail(TOOL_FAILURE, "no random number");
        }
        snprintf(name, 64, "cairn-bench-%016" PRIx64, number);
        tool->chain = cairn_text(name);
    }
    bool found;
    enum tool_exit result = chain_look(tool, ret_chain, &found);
    if (result == TOOL_OK && found) {
        result = chain_is_marked(tool, ret_is_own);
    } else if (result == TOOL_OK) {
        *ret_is_own = true;
        result = chain_make(own);
    }
    return result;
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

static enum tool_exit not_own(const struct tool *tool, const char *word)
{
    return tool_fail(
        TOOL_REFUSED,
        "%s: bench writes only into chains that it made, and %s is not one of them: leave out --chain, or "
        "name a chain that does not exist",
        word, (const char *)tool->chain.data);
}

static enum tool_exit names_some(struct tool *tool, const struct bench_workload *workload, bool is_own,
                                 uint64_t first, uint64_t count)
{
    static char texts[NAMES_AT_ONCE_MAX][BENCH_NAME_BYTES];
    struct cairn_slice names[NAMES_AT_ONCE_MAX];
    struct cairn_operation operations[NAMES_AT_ONCE_MAX];
    const uint64_t size = workload->size;
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
        if (!is_own) {
            return not_own(tool, workload->word);
        }
        struct cairn_write_metadata_request set = {
            .chain = tool->chain, .level = CAIRN_WRITTEN, .operations = operations, .operation_count = count};
        status = cairn_write_metadata(tool->connection, &set, &reply);
    }
    return tool_result(tool, status, reply);
}

static enum tool_exit names_make(struct tool *tool, const struct bench_workload *workload, bool is_own)
{
    enum tool_exit result = TOOL_OK;
    uint64_t names = workload->kind == BENCH_EVNODE ? EVNODE_NAMES : workload->names;
    uint64_t at_once = NAMES_AT_ONCE_BYTES_MAX / (workload->size + 1) + 1;
    at_once = at_once < NAMES_AT_ONCE_MAX ? at_once : NAMES_AT_ONCE_MAX;
    assert(at_once > 0); /* each round makes some */
    for (uint64_t first = 0; first < names && result == TOOL_OK; first += at_once) {
        result = names_some(tool, workload, is_own, first, names - first < at_once ? names - first : at_once);
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

/* Commits `count` blocks to an empty chain, to be read. */
static enum tool_exit blocks_make(struct tool *tool, struct bench_chain *chain, uint64_t count)
{
    static uint8_t data[FILL_DATA_BYTES], headers[FILL_AT_ONCE][FILL_HEADER_BYTES];
    struct cairn_block blocks[FILL_AT_ONCE];
    const struct cairn_reply *reply = NULL;
    enum cairn_status status = CAIRN_OK;
    const uint64_t before = chain->taken;
    uint64_t made = 0;
    assert(chain->last == 0 && count > 0);
    if (getrandom(data, 256, 0) != 256) {
        return tool_fail(TOOL_FAILURE, "no random number");
    }
    for (size_t i = 256; i < sizeof data; i++) {
        data[i] = (uint8_t)(data[i - 256] + data[i - 255] + 1); /* nothing that compresses to nothing */
    }
    while (made < count && status == CAIRN_OK && !own_chains_interrupted()) {
        size_t some = count - made < FILL_AT_ONCE ? (size_t)(count - made) : FILL_AT_ONCE;
        for (size_t i = 0; i < some; i++) {
            const uint64_t height = before + made + i + 1;
            memcpy(headers[i], data, FILL_HEADER_BYTES);
            memcpy(headers[i], &height, sizeof height);
            blocks[i] = (struct cairn_block){.height = height,
                                             .header = {headers[i], FILL_HEADER_BYTES},
                                             .data = {data, sizeof data},
                                             .signature = {data, 64}};
        }
        struct cairn_commit_request request = {.chain = tool->chain,
                                               .level = CAIRN_WRITTEN,
                                               .blocks = blocks,
                                               .block_count = some,
                                               .rise_to = before + made + some};
        status = cairn_commit(tool->connection, &request, &reply);
        made += some;
    }
    if (status == CAIRN_OK) {
        chain->first = before + 1;
        chain->last = before + made;
        atomic_init(&chain->taken, chain->last);
    }
    return status == CAIRN_OK ? TOOL_OK : tool_result(tool, status, reply);
}

/* How many blocks the workloads want to read; 0: none. */
static uint64_t blocks_wanted(const struct bench_workload *workloads, unsigned count)
{
    uint64_t wanted = 0;
    for (unsigned i = 0; i < count; i++) {
        if (bench_workload_reads_blocks(&workloads[i])) {
            uint64_t blocks = workloads[i].heights > 0 ? workloads[i].heights : FILL_DEFAULT;
            wanted = blocks > wanted ? blocks : wanted;
        }
    }
    return wanted < FILL_MAX ? wanted : FILL_MAX;
}

static bool writes(const struct bench_workload *workload)
{
    return workload->kind == BENCH_EVNODE || workload->kind == BENCH_COMMIT ||
           workload->kind == BENCH_METADATA;
}

enum tool_exit bench_prepare(struct own_chains *own, const struct bench_workload *workloads, unsigned count,
                             struct bench_chain *ret_chain, struct bench_daemon *ret_daemon)
{
    struct tool *tool = own->tool;
    bool evnode = false, is_own = false;
    assert(count > 0 && tool->connection != NULL);
    enum tool_exit result = daemon_look(tool, ret_daemon);
    if (result == TOOL_OK) {
        result = chain_take(own, ret_chain, &is_own);
    }
    for (unsigned i = 0; i < count && result == TOOL_OK; i++) {
        evnode |= workloads[i].kind == BENCH_EVNODE;
        if (writes(&workloads[i]) && !is_own) {
            result = not_own(tool, workloads[i].word);
        }
    }
    const uint64_t wanted = blocks_wanted(workloads, count);
    if (result == TOOL_OK && wanted > 0 && ret_chain->last == 0) {
        result = is_own ? blocks_make(tool, ret_chain, wanted)
                        : tool_fail(TOOL_REFUSED, "chain %s has no blocks to read: leave out --chain",
                                    (const char *)tool->chain.data);
    }
    if (result == TOOL_OK && evnode && ret_chain->last == 0) {
        result = block_make(tool, ret_chain);
    }
    for (unsigned i = 0; i < count && result == TOOL_OK; i++) {
        if (bench_workload_reads_names(&workloads[i])) {
            result = names_make(tool, &workloads[i], is_own);
        }
    }
    return result == TOOL_OK && own_chains_interrupted() ? TOOL_INTERRUPTED : result;
}
