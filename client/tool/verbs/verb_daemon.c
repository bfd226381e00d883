/* Verbs about the daemon itself: whether it answers, its status page, its chains. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/tool/arguments.h"
#include "client/tool/confirm.h"
#include "client/tool/encoding.h"
#include "client/tool/nearest.h"
#include "client/tool/output.h"
#include "client/tool/verbs/verbs.h"

enum {
    /* that the last attempt has at least, so that a slow answer is told as what it is */
    WAIT_ATTEMPT_US = 1000000,
    WAIT_PAUSE_US = 50000, /* between two attempts to connect; chosen: a start takes 100 to 500 ms */
    ENTRY_NAME_BYTES = 64, /* of the status page, with its NUL; the longest has 32 */
};

enum tool_exit verb_wait_for_daemon(struct tool *tool, uint64_t wait_us)
{
    int64_t end_us = tool_now_us() + (int64_t)wait_us;
    assert(wait_us > 0 && wait_us <= INT64_MAX / 2);
    for (int64_t left_us = (int64_t)wait_us;;) {
        enum cairn_status status =
            tool_try_connect(tool, left_us > WAIT_ATTEMPT_US ? (uint64_t)left_us : WAIT_ATTEMPT_US);
        if (status == CAIRN_OK) {
            return TOOL_OK;
        }
        left_us = end_us - tool_now_us();
        if (left_us > 0 && tool->client != NULL) {
            nanosleep(
                &(struct timespec){.tv_nsec = (left_us < WAIT_PAUSE_US ? left_us : WAIT_PAUSE_US) * 1000},
                NULL);
            left_us = end_us - tool_now_us();
        }
        if (left_us <= 0 || tool->client == NULL) {
            return tool_connect_failed(tool, status);
        }
    }
}

enum tool_exit verb_ping(struct tool *tool)
{
    const struct tool_given *wait = argument_given(tool, "wait");
    uint64_t wait_us = 0;
    enum tool_exit result = wait != NULL ? argument_duration("--wait", wait->value, &wait_us) : TOOL_OK;
    if (result == TOOL_OK) {
        result = wait != NULL ? verb_wait_for_daemon(tool, wait_us) : tool_connect(tool);
    }
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    int64_t start_us = tool_now_us();
    enum cairn_status status = cairn_ping(tool->connection, &(struct cairn_ping_request){0}, &reply);
    int64_t took_us = tool_now_us() - start_us;
    if (status == CAIRN_OK && tool->json) {
        output_json(json_pack("{s:o}", "us", output_count((uint64_t)took_us)));
    } else if (status == CAIRN_OK) {
        printf("answered in %" PRId64 " us\n", took_us);
    }
    return tool_result(tool, status, reply);
}

/* Whether the name stands for the entry: for itself, and for all entries below it. */
static bool stands_for(const char *name, struct cairn_slice entry)
{
    size_t length = strlen(name);
    return entry.bytes >= length && memcmp(entry.data, name, length) == 0 &&
           (entry.bytes == length || ((const char *)entry.data)[length] == '.');
}

/* Whether the entry was asked for; without a name all entries are. */
static bool is_wanted(const struct tool *tool, struct cairn_slice name)
{
    for (int i = 0; i < tool->argument_count; i++) {
        if (stands_for(tool->arguments[i], name)) {
            return true;
        }
    }
    return tool->argument_count == 0;
}

static void print_entry(json_t *object, const struct cairn_status_entry *entry)
{
    char *name = bytes_escape(entry->name);
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
    free(name);
}

/* Offers the entry's name, and each name that stands for it and others: those up to one of its points. */
static void offer_entry(struct nearest *nearest, struct cairn_slice entry, char best[ENTRY_NAME_BYTES])
{
    char name[ENTRY_NAME_BYTES];
    snprintf(name, sizeof name, "%.*s", (int)entry.bytes, (const char *)entry.data);
    for (char *point = name + strlen(name); point != NULL; point = strrchr(name, '.')) {
        *point = '\0';
        nearest->best = NULL;
        nearest_offer(nearest, name);
        if (nearest->best != NULL) {
            memcpy(best, name, sizeof name);
        }
    }
}

/* Says of each name that stands for no entry that there is none, and which was probably meant. */
static enum tool_exit check_entries(const struct tool *tool, const struct cairn_reply *reply)
{
    enum tool_exit result = TOOL_OK;
    for (int i = 0; i < tool->argument_count; i++) {
        struct nearest nearest = nearest_to(tool->arguments[i]);
        char best[ENTRY_NAME_BYTES] = "";
        size_t at = 0;
        while (at < reply->page.count && !stands_for(tool->arguments[i], reply->page.entries[at].name)) {
            offer_entry(&nearest, reply->page.entries[at++].name, best);
        }
        if (at == reply->page.count) {
            result =
                tool_fail(TOOL_NOT_FOUND, "the status page has no entry \"%s\"; %s%s%s", tool->arguments[i],
                          best[0] != '\0' ? "did you mean " : "cairn status prints all", best,
                          best[0] != '\0' ? "?" : "");
        }
    }
    return result;
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
    if (object != NULL && found) {
        output_json(object);
    } else {
        json_decref(object);
    }
    return check_entries(tool, reply);
}

enum tool_exit verb_drain(struct tool *tool)
{
    enum tool_exit result = tool_connect(tool);
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_drain(tool->connection, &(struct cairn_drain_request){0}, &reply);
    if (status == CAIRN_OK && tool->json) {
        output_json(json_pack("{s:o, s:o}", "operations", output_count(reply->drained.operations),
                              "connections", output_count(reply->drained.connections)));
    } else if (status == CAIRN_OK) {
        printf("the daemon has stopped accepting, wrote the %" PRIu64
               " operations that were left, and ends; %" PRIu64 " connections were open\n",
               reply->drained.operations, reply->drained.connections);
    }
    return tool_result(tool, status, reply);
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

/* A chain's entry that outlives the reply, and its bytes. */
struct chain_line {
    struct cairn_chain chain;
    bool has_bytes;
    uint64_t bytes;
};

static struct cairn_slice slice_copy(struct tool *tool, struct cairn_slice slice)
{
    void *copy = region_allocate(&tool->region, slice.bytes + 1, 1);
    if (slice.bytes > 0) {
        memcpy(copy, slice.data, slice.bytes);
    }
    return (struct cairn_slice){copy, slice.bytes};
}

/* Copies the entries of a reply, which lives for two calls only. */
static struct chain_line *chains_copy(struct tool *tool, const struct cairn_chain_list *chains)
{
    struct chain_line *lines = region_allocate(&tool->region, chains->count, sizeof *lines);
    for (size_t i = 0; i < chains->count; i++) {
        struct cairn_chain *to = &lines[i].chain;
        *to = chains->entries[i];
        to->name = slice_copy(tool, to->name);
        if (to->claim != NULL) {
            struct cairn_claim_entry *claim = region_allocate(&tool->region, 1, sizeof *claim);
            *claim = *to->claim;
            claim->writer_name = slice_copy(tool, claim->writer_name);
            to->claim = claim;
        }
    }
    return lines;
}

/* Asks how many bytes the chain takes. An earlier daemon does not say, and a chain may just be dropped: its bytes are not known then. */
static enum cairn_status read_bytes(struct tool *tool, struct chain_line *line,
                                    const struct cairn_reply **ret_reply)
{
    const struct cairn_read_usage_request request = {.chain = line->chain.name};
    enum cairn_status status = cairn_read_usage(tool->connection, &request, ret_reply);
    line->has_bytes = status == CAIRN_OK;
    line->bytes = (*ret_reply)->usage_bytes;
    return status == CAIRN_UNSUPPORTED || status == CAIRN_INVALID ? CAIRN_OK : status;
}

static json_t *claim_json(const struct cairn_claim_entry *claim)
{
    return claim == NULL ? json_null()
                         : json_pack("{s:o, s:o, s:o, s:b, s:o}", "writer", output_text(claim->writer_name),
                                     "pid", output_count(claim->pid), "uid", output_count(claim->uid), "held",
                                     claim->held, "sequence", output_number(claim->sequence));
}

static void print_chain(const struct tool *tool, const struct chain_line *line)
{
    const struct cairn_chain *chain = &line->chain;
    if (tool->json) {
        output_json(json_pack(
            "{s:o, s:o, s:o, s:o, s:o, s:o}", "chain", output_text(chain->name), "height",
            output_number(chain->height), "blocks_pruned_through",
            pruned_json(chain->blocks_pruned, chain->blocks_pruned_through), "states_pruned_through",
            pruned_json(chain->states_pruned, chain->states_pruned_through), "bytes",
            line->has_bytes ? output_number(line->bytes) : json_null(), "claim", claim_json(chain->claim)));
        return;
    }
    output_column(chain->name, 24);
    printf(" %20" PRIu64, chain->height);
    print_pruned(chain->blocks_pruned, chain->blocks_pruned_through);
    print_pruned(chain->states_pruned, chain->states_pruned_through);
    print_pruned(line->has_bytes, line->bytes);
    fputs("  ", stdout);
    if (chain->claim != NULL) {
        output_value(chain->claim->writer_name, 0);
        printf(" (pid %" PRIu32 ", uid %" PRIu32 "%s)", chain->claim->pid, chain->claim->uid,
               chain->claim->held ? "" : ", gone");
    } else {
        putchar('-');
    }
    putchar('\n');
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
    size_t count = reply->chains.count;
    struct chain_line *lines = chains_copy(tool, &reply->chains);
    for (size_t i = 0; i < count && status == CAIRN_OK; i++) {
        status = read_bytes(tool, &lines[i], &reply);
    }
    if (status != CAIRN_OK) {
        return tool_result(tool, status, reply);
    }
    if (!tool->json) {
        printf("%-24s %20s %20s %20s %20s  %s\n", "CHAIN", "HEIGHT", "BLOCKS PRUNED TO", "STATES PRUNED TO",
               "BYTES", "CLAIMED BY");
    }
    for (size_t i = 0; i < count; i++) {
        print_chain(tool, &lines[i]);
    }
    return TOOL_OK;
}

enum tool_exit verb_chains_release(struct tool *tool)
{
    assert(tool->argument_count == 1); /* so says the table */
    tool->chain = cairn_text(tool->arguments[0]);
    enum tool_exit result = tool_connect(tool);
    if (result == TOOL_OK) {
        result = confirm(tool, CONFIRM_IF_ASKED, "End the claim: its holder will not write any more");
    }
    if (result != TOOL_OK) {
        return result;
    }
    const struct cairn_release_request request = {.chain = tool->chain, .any = true};
    const struct cairn_reply *reply;
    enum cairn_status status = cairn_release(tool->connection, &request, &reply);
    if (status == CAIRN_OK) {
        output_written(tool, &reply->write);
    }
    return tool_result(tool, status, reply);
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
