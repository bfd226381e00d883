/* The verb replay. For each file it reads the whole recording, makes its chains, reads the daemon's counters, runs, waits until all
 * metadata is written so that the counters are complete, reports, and drops the chains.
 *
 * Ways to fail: a file that is not a recording, or not all of it, or a chain that exists (nothing of that file was replayed); a daemon
 * that is lost while it runs, or a signal (the report of that file is not printed, since it would mean nothing). */
#include "client/tool/replay/replay.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/tool/arguments.h"
#include "client/tool/output.h"
#include "client/tool/own_chains.h"
#include "client/tool/replay/replay_run.h"
#include "client/tool/replay/trace_read.h"

enum {
    CHAIN_NAME_MAX = 64, /* bytes, as the protocol has it */
    PREFIX_MAX = 40,     /* bytes; chosen, so that the recorded chain's name has room behind it */
};

/* Appends the text to a chain's name; characters that a name cannot hold become '-'. True: the text was appended unchanged. */
static bool name_add(char *name, size_t bytes_max, const char *text, size_t text_bytes)
{
    size_t length = strlen(name);
    assert(length <= bytes_max);
    bool whole = true;
    for (size_t i = 0; i < text_bytes; i++) {
        char c = text[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        bool upper = c >= 'A' && c <= 'Z';
        whole = whole && good && length < bytes_max;
        if (length < bytes_max) {
            name[length++] = good ? c : upper ? (char)tolower(c) : '-';
        }
    }
    name[length] = '\0';
    return whole;
}

/* The prefix of the chains of a file: --chain-prefix, or the file's name up to its first dot. A number follows if another file of
 * the run would have the same prefix. */
static void prefix_make(const struct tool *tool, int index, char ret_prefix[static CHAIN_NAME_MAX])
{
    const struct tool_given *given = argument_given(tool, "chain-prefix");
    char number[16];
    bool numbered = given != NULL && tool->argument_count > 1;
    ret_prefix[0] = '\0';
    if (given != NULL) {
        name_add(ret_prefix, PREFIX_MAX, given->value, strlen(given->value));
    } else {
        const char *base = basename(tool->arguments[index]);
        name_add(ret_prefix, PREFIX_MAX, base, strcspn(base, "."));
        for (int i = 0; i < index; i++) {
            const char *other = basename(tool->arguments[i]);
            size_t length = strcspn(other, ".");
            numbered |= length == strcspn(base, ".") && strncasecmp(other, base, length) == 0;
        }
    }
    snprintf(number, sizeof number, "-%d", index + 1);
    assert(strlen(ret_prefix) + strlen(number) < CHAIN_NAME_MAX);
    if (numbered) {
        strcat(ret_prefix, number);
    }
}

static struct cairn_slice *chains_name(struct tool *tool, const struct trace *trace, int file)
{
    assert(file < tool->argument_count);
    char prefix[CHAIN_NAME_MAX];
    prefix_make(tool, file, prefix);
    struct cairn_slice *chains = region_allocate(&tool->region, trace->chains.count, sizeof *chains);
    for (size_t i = 0; i < trace->chains.count; i++) {
        char *name = region_allocate(&tool->region, CHAIN_NAME_MAX + 16, 1);
        const char *recorded = trace->chains.names[i];
        strcat(strcpy(name, prefix), "-");
        if (!name_add(name, CHAIN_NAME_MAX - 8, recorded, strlen(recorded))) {
            snprintf(name + strlen(name), 8, "-%zu", i % 100000);
        }
        chains[i] = cairn_text(name);
    }
    return chains;
}

static enum tool_exit chains_make(struct own_chains *own, const struct cairn_slice *chains, size_t count)
{
    enum tool_exit result = TOOL_OK;
    for (size_t i = 0; i < count && result == TOOL_OK; i++) {
        bool existed;
        result = own_chains_make(own, chains[i], &existed);
        if (existed) {
            result =
                tool_fail(TOOL_FAILURE,
                          "there is a chain %s already, and a replay needs chains of its own: choose others "
                          "by --chain-prefix, or drop it: cairn chains drop %s",
                          (const char *)chains[i].data, (const char *)chains[i].data);
        } else if (result == TOOL_OK && own_chains_interrupted()) {
            result = TOOL_INTERRUPTED;
        }
    }
    return result;
}

static uint64_t entry_number(const struct cairn_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->page.count; i++) {
        const struct cairn_status_entry *entry = &reply->page.entries[i];
        if (entry->name.bytes == strlen(name) && memcmp(entry->name.data, name, entry->name.bytes) == 0) {
            return entry->number;
        }
    }
    return 0;
}

static enum tool_exit counters_read(struct tool *tool, struct report_counters *ret_counters)
{
    const struct cairn_reply *reply;
    struct cairn_barrier_request written = {.level = CAIRN_WRITTEN};
    enum cairn_status status = cairn_barrier(tool->connection, &written, &reply);
    if (status == CAIRN_OK) {
        status = cairn_status_page(tool->connection, &(struct cairn_status_page_request){0}, &reply);
    }
    if (status != CAIRN_OK) {
        return tool_result(tool, status, reply);
    }
    *ret_counters = (struct report_counters){
        .metadata_accepted = entry_number(reply, "metadata.accepted"),
        .metadata_written = entry_number(reply, "metadata.written"),
        .syncs = entry_number(reply, "syncs"),
        .commits = entry_number(reply, "commits"),
    };
    return TOOL_OK;
}

static enum tool_exit trace_replay(const struct replay *replay, struct own_chains *own, struct report *report)
{
    assert(replay->trace->count > 0 && report->answered == 0);
    enum tool_exit result = tool_check(replay->tool);
    if (result == TOOL_OK) {
        result = chains_make(own, replay->chains, replay->trace->chains.count);
    }
    if (result == TOOL_OK) {
        result = counters_read(replay->tool, &report->before);
    }
    if (result == TOOL_OK) {
        result = replay_run(replay, report);
    }
    if (result == TOOL_OK) {
        result = tool_check(replay->tool);
    }
    if (result == TOOL_OK) {
        result = counters_read(replay->tool, &report->after);
    }
    if (result == TOOL_CANNOT_CONNECT) {
        result = TOOL_UNKNOWN; /* it was there when the run began */
    }
    if (result == TOOL_OK) {
        report_print(report, replay->tool->json);
    } else if (report->mismatches > 0) {
        assert(report->shown[0].recorded != NULL); /* the first ones are kept */
        tool_fail(result, "%s: before that %zu answers differed, the first of call %" PRIu64, replay->file,
                  report->mismatches, report->shown[0].number);
    }
    return result;
}

static enum tool_exit file_replay(struct tool *tool, int file, size_t *mismatches)
{
    assert(file < tool->argument_count);
    struct trace trace;
    struct report report;
    char error[TRACE_ERROR_BYTES];
    const char *path = tool->arguments[file];
    if (!trace_read(path, &trace, error)) {
        return tool_fail(TOOL_FAILURE, "%s", error);
    }
    if (trace.count == 0) {
        trace_close(&trace);
        return tool_fail(TOOL_FAILURE, "%s: there is no call in it", path);
    }
    if (!trace_is_whole(&trace, path, error)) {
        trace_close(&trace);
        return tool_fail(TOOL_FAILURE, "%s", error);
    }
    struct replay replay = {
        .tool = tool,
        .file = path,
        .trace = &trace,
        .chains = chains_name(tool, &trace, file),
        .pace = argument_given(tool, "pace") != NULL,
    };
    struct own_chains own;
    own_chains_begin(&own, tool, trace.chains.count, argument_given(tool, "keep") != NULL);
    report_init(&report, path, &trace);
    enum tool_exit result = trace_replay(&replay, &own, &report);
    fflush(stdout);
    result = own_chains_end(&own, result);
    *mismatches += report.mismatches;
    report_close(&report);
    trace_close(&trace);
    return result;
}

enum tool_exit verb_replay(struct tool *tool)
{
    size_t mismatches = 0;
    enum tool_exit result = tool_connect(tool);
    for (int file = 0; file < tool->argument_count && result == TOOL_OK; file++) {
        if (file > 0 && !tool->json) {
            putchar('\n');
        }
        result = file_replay(tool, file, &mismatches);
    }
    return result == TOOL_OK && mismatches > 0 ? TOOL_FAILURE : result;
}
