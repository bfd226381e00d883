/* A replay's life: a connection opens for each caller that has calls before the next reopen. Every call is sent as soon as the
 * schedule allows, on its caller's connection, and one poll waits for all of them. At the reopen all connections close, and it
 * begins again.
 *
 * Ways to fail: the daemon cannot be reached, a connection is lost, a call is not answered in time, or its result is unknown; or a
 * signal asks to end. Later
 * answers would mean nothing then: the replay ends at once, and names the call. Without memory the process ends. */
#include "client/tool/replay/replay_run.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/encoding.h"
#include "client/tool/fatal.h"
#include "client/tool/own_chains.h"
#include "client/tool/progress.h"
#include "client/tool/replay/compare.h"
#include "client/tool/replay/schedule.h"
#include "client/tool/replay/submit.h"
#include "client/tool/replay/trace_answer.h"

enum {
    WAIT_US_MAX = 200000, /* a signal that comes just before a wait is seen after it; chosen */
};

struct run;

struct caller {
    struct run *run;
    struct cairn_connection *connection; /* NULL: it has no calls up to the next reopen */
    const struct trace_call *call;       /* under way; NULL: none */
    int64_t sent_us;
    struct trace_answer got; /* of the call under way: a list's entries so far */
};

struct run {
    const struct replay *replay;
    struct schedule schedule;
    struct caller *callers;  /* as in the trace */
    struct caller **waiting; /* those that had a call under way before the last poll */
    struct pollfd *sockets;  /* their sockets, by index */
    struct report *report;
    struct region entries; /* of lists under way */
    size_t lists;          /* how many lists are under way */
    int64_t origin_us;     /* the recording's time 0, if paced */
    enum tool_exit end;    /* not TOOL_OK: it cannot go on */

    int64_t start_us;
    struct progress progress;
};

static void progress_tell(struct run *run, int64_t time_us)
{
    const size_t done = run->report->answered, all = run->replay->trace->count;
    assert(done <= all && all > 0);
    const struct progress_look look = {
        .count = done,
        .part = (double)done / (double)all,
        .left_us = -1,
        .passed_us = time_us - run->start_us,
    };
    progress_show(&run->progress, &look, time_us);
}

static void stop(struct run *run, enum tool_exit code, const struct trace_call *call, const char *text)
{
    assert(code != TOOL_OK);
    if (run->end != TOOL_OK) {
        return; /* only the first reason is reported */
    }
    progress_clear(&run->progress);
    run->end = code;
    if (call != NULL) {
        tool_fail(code, "%s:%zu: call %" PRIu64 " (%s): %s", run->replay->file, call->line, call->number,
                  trace_op_text(call->op), text);
    } else {
        tool_fail(code, "%s: after %zu of %zu calls: %s", run->replay->file, run->report->answered,
                  run->replay->trace->count, text);
    }
}

static bool is_end(enum cairn_status status)
{
    return status == CAIRN_IO_ERROR || status == CAIRN_SHUTTING_DOWN || status >= CAIRN_TIMEOUT;
}

static bool item_arrived(void *context, const struct cairn_metadata *item)
{
    struct caller *caller = context;
    assert(caller->call != NULL && caller->call->op == TRACE_LIST);
    compare_entry(&caller->run->entries, &caller->got, item);
    return true;
}

static void compare(struct caller *caller, const struct cairn_reply *reply)
{
    const struct trace_call *call = caller->call;
    struct report *report = caller->run->report;
    if (!compare_answer(call, reply, &caller->got)) {
        char text[512];
        snprintf(text, sizeof text, "%s: %s", cairn_status_text(reply->status), reply->text);
        report_mismatch(report, call, text, true);
    } else if (!trace_answer_equal(&call->answer, &caller->got)) {
        char *text = trace_answer_text(&caller->got);
        report_mismatch(report, call, text, false);
        free(text);
    }
}

static void answered(void *context, const struct cairn_reply *reply)
{
    struct caller *caller = context;
    struct run *run = caller->run;
    const struct trace_call *call = caller->call;
    int64_t time_us = tool_now_us() - caller->sent_us;
    assert(call != NULL);
    if (is_end(reply->status) && run->end == TOOL_OK) {
        char text[512];
        enum tool_exit code = reply->status == CAIRN_TIMEOUT ? TOOL_TIMEOUT : TOOL_UNKNOWN;
        const char *why = reply->text != NULL ? reply->text : "";
        snprintf(text, sizeof text, "%s%s%s; the replay cannot go on", cairn_status_text(reply->status),
                 why[0] != '\0' ? ": " : "", why);
        stop(run, code, call, text);
    }
    if (run->end == TOOL_OK) {
        compare(caller, reply);
        report_time(run->report, call->op, time_us);
        schedule_answered(&run->schedule, (size_t)(call - run->replay->trace->calls));
    }
    assert(call->op != TRACE_LIST || run->lists > 0);
    if (call->op == TRACE_LIST && --run->lists == 0) {
        region_close(&run->entries);
    }
    caller->call = NULL;
}

static void connection_process(struct run *run, struct caller *caller, short events)
{
    assert(caller->connection != NULL && caller->call != NULL); /* others are not polled */
    enum cairn_status status = cairn_connection_process(caller->connection, events);
    if (status != CAIRN_OK) {
        const char *why = cairn_connection_error(caller->connection);
        stop(run, TOOL_UNKNOWN, NULL, why[0] != '\0' ? why : cairn_status_text(status));
    }
}

static void call_send(struct run *run, size_t index)
{
    const struct trace_call *call = &run->replay->trace->calls[index];
    struct caller *caller = &run->callers[call->caller];
    assert(caller->call == NULL && caller->connection != NULL);
    caller->call = call;
    caller->got = (struct trace_answer){0};
    caller->sent_us = tool_now_us();
    run->lists += call->op == TRACE_LIST;
    enum cairn_status status = submit_call(caller->connection, call, run->replay->chains[call->chain],
                                           item_arrived, answered, caller);
    if (status == CAIRN_OK) {
        connection_process(run, caller, 0); /* sends it */
        return;
    }
    const char *why = cairn_connection_error(caller->connection);
    struct cairn_reply reply = {.status = status, .text = why};
    /* a call that could not be sent, as it was recorded */
    if (status == CAIRN_TOO_LARGE || status == CAIRN_USAGE) {
        reply.status = CAIRN_INVALID;
    }
    answered(caller, &reply);
}

/* The shorter of two waits; -1 is without end. */
static int64_t sooner(int64_t left, int64_t right)
{
    return left < 0 || (right >= 0 && right < left) ? right : left;
}

/* Waits until a connection with a call under way is ready, or the next call is due, and processes these connections. Others have
 * nothing to do: if one is lost, its next call fails. */
static void connections_wait(struct run *run)
{
    size_t count = 0;
    int64_t wait_us = WAIT_US_MAX;
    for (size_t i = 0; i < run->replay->trace->callers.count; i++) {
        struct caller *caller = &run->callers[i];
        if (caller->call != NULL) {
            run->waiting[count] = caller;
            run->sockets[count++] = (struct pollfd){
                .fd = cairn_connection_fd(caller->connection),
                .events = cairn_connection_events(caller->connection),
            };
            wait_us = sooner(wait_us, cairn_connection_timeout_us(caller->connection));
        }
    }
    int64_t next_us = schedule_next_time_us(&run->schedule);
    if (next_us != INT64_MAX) {
        int64_t left_us = run->origin_us + next_us - tool_now_us();
        wait_us = sooner(wait_us, left_us > 0 ? left_us : 0);
    }
    assert(wait_us >= 0 && wait_us <= WAIT_US_MAX);
    struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    int ready = ppoll(run->sockets, (nfds_t)count, &wait, NULL);
    if (ready < 0 && errno != EINTR) {
        stop(run, TOOL_FAILURE, NULL, strerror(errno));
        return;
    }
    for (size_t i = 0; i < count && run->end == TOOL_OK; i++) {
        short events = ready > 0 ? run->sockets[i].revents : 0;
        if (events != 0 || ready == 0 || wait_us == 0) { /* a deadline may be over */
            connection_process(run, run->waiting[i], events);
        }
    }
}

/* Makes the calls up to the next reopen. */
static void calls_make(struct run *run)
{
    while (run->end == TOOL_OK && !schedule_done(&run->schedule)) {
        int64_t time_us = tool_now_us();
        int64_t recorded_us = run->replay->pace ? time_us - run->origin_us : INT64_MAX;
        size_t call;
        while (run->end == TOOL_OK && schedule_take(&run->schedule, recorded_us, &call)) {
            call_send(run, call);
        }
        if (run->end == TOOL_OK && !schedule_done(&run->schedule)) {
            connections_wait(run);
        }
        progress_tell(run, time_us);
        if (own_chains_interrupted() && run->end == TOOL_OK) {
            progress_clear(&run->progress);
            run->end = TOOL_INTERRUPTED;
        }
    }
}

static void connections_close(struct run *run)
{
    for (size_t i = 0; i < run->replay->trace->callers.count; i++) {
        assert(run->callers[i].call == NULL || run->end != TOOL_OK); /* all were answered, or it failed */
        cairn_connection_free(run->callers[i].connection);
        run->callers[i].connection = NULL;
    }
}

/* Opens a connection for each caller that has calls up to the next reopen. */
static void connections_open(struct run *run)
{
    const struct tool *tool = run->replay->tool;
    for (size_t i = run->schedule.begin; i < run->schedule.end && run->end == TOOL_OK; i++) {
        struct caller *caller = &run->callers[run->replay->trace->calls[i].caller];
        if (caller->connection != NULL) {
            continue;
        }
        enum cairn_status status = cairn_connection_open(tool->client, &caller->connection);
        if (status == CAIRN_OK) {
            status = tool_await(caller->connection, tool->deadline_us);
        }
        if (status != CAIRN_OK) {
            char text[512];
            const char *why = caller->connection != NULL ? cairn_connection_error(caller->connection) : "";
            snprintf(text, sizeof text, "cannot open a connection: %s",
                     why[0] ? why : cairn_status_text(status));
            stop(run, tool_exit_of(status), NULL, text);
        }
    }
}

static void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (memory == NULL) {
        fatal("not enough memory");
    }
    return memory;
}

enum tool_exit replay_run(const struct replay *replay, struct report *report)
{
    const struct trace *trace = replay->trace;
    struct run run = {
        .replay = replay,
        .callers = zeroed(trace->callers.count, sizeof run.callers[0]),
        .waiting = zeroed(trace->callers.count, sizeof run.waiting[0]),
        .sockets = zeroed(trace->callers.count, sizeof run.sockets[0]),
        .report = report,
    };
    char *file = text_escape(replay->file);
    for (size_t i = 0; i < trace->callers.count; i++) {
        run.callers[i].run = &run;
    }
    schedule_init(&run.schedule, trace);
    progress_begin(&run.progress, file, "calls");
    run.start_us = tool_now_us();
    run.origin_us = run.start_us - (trace->count > 0 ? trace->calls[0].time_us : 0);
    while (run.end == TOOL_OK && schedule_open(&run.schedule)) {
        connections_open(&run);
        calls_make(&run);
        connections_close(&run);
    }
    report->wall_us = tool_now_us() - run.start_us;
    progress_clear(&run.progress);
    schedule_close(&run.schedule);
    assert(run.lists == 0); /* no list adds to the region any more */
    region_close(&run.entries);
    free(run.callers);
    free(run.waiting);
    free(run.sockets);
    free(file);
    return run.end;
}
