/* A recording's calls at the pace of their answers, as the tool's replay makes them, but against the echo: the same order
 * and connections, the same sizes, the same digests; nothing is looked up and nothing compared.
 *
 * Each caller has a connection and at most one call under way on it. Where only one call is under way at all, its answer
 * is waited for in recv itself; epoll says which of several has come. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/tool/replay/schedule.h"
#include "client/tool/replay/trace_read.h"
#include "tests/bench/side_plan.h"
#include "tests/bench/side_socket.h"

enum {
    EVENTS_MAX = 64,
    REPLAY_S_MAX = 900,
};

struct caller {
    int fd; /* -1: it has no calls up to the next reopen */
    bool busy;
    size_t call; /* under way */
    uint64_t sent_ns;
};

struct replay {
    const char *socket;
    const struct trace *trace;
    struct plan plan;
    struct schedule schedule;
    struct caller *callers;
    size_t under_way;
    size_t newest; /* the caller whose call was sent last */
    int epoll;
    uint8_t *buffer;
    struct measure measure;
    bool failed;
};

static void fail(struct replay *replay, size_t call, const char *text)
{
    if (!replay->failed) {
        (void)side_fail("call %zu of %zu: %s", call + 1, replay->trace->count, text);
    }
    replay->failed = true;
}

static void send_ready(struct replay *replay)
{
    size_t call;
    while (!replay->failed && schedule_take(&replay->schedule, INT64_MAX, &call)) {
        const struct plan_call *planned = &replay->plan.calls[call];
        struct caller *caller = &replay->callers[replay->trace->calls[call].caller];
        caller->busy = true;
        caller->call = call;
        caller->sent_ns = side_now_ns();
        replay->under_way++;
        replay->newest = (size_t)(caller - replay->callers);
        for (size_t sent = 0; sent < planned->frame_bytes;) {
            ssize_t more = send(caller->fd, planned->frame + sent, planned->frame_bytes - sent, MSG_NOSIGNAL);
            if (more < 0 && errno != EINTR) {
                fail(replay, call, strerror(errno));
                return;
            }
            sent += more > 0 ? (size_t)more : 0;
        }
    }
}

/* The values that the real answer would hold lie behind its header. */
static void hash_values(const struct plan_call *planned, const uint8_t *reply)
{
    const uint8_t *value = reply + planned->reply_bytes;
    for (int i = 0; i < PLAN_VALUES_MAX && planned->value_bytes[i] > 0; i++) {
        uint8_t digest[SIDE_SHA256_BYTES];
        value -= planned->value_bytes[i];
        side_sha256(value, planned->value_bytes[i], digest);
    }
}

static void receive(struct replay *replay, struct caller *caller)
{
    const struct plan_call *planned = &replay->plan.calls[caller->call];
    ssize_t got = recv(caller->fd, replay->buffer, planned->reply_bytes, MSG_WAITALL);
    if (got != (ssize_t)planned->reply_bytes) {
        fail(replay, caller->call, got < 0 ? strerror(errno) : "the server closed the connection");
        return;
    }
    uint64_t id;
    uint32_t bytes;
    memcpy(&id, replay->buffer, sizeof id);
    memcpy(&bytes, replay->buffer + sizeof id, sizeof bytes);
    if (id != caller->call || bytes != planned->reply_bytes) {
        fail(replay, caller->call, "the reply is not the expected one");
        return;
    }
    measure_add(&replay->measure, side_now_ns() - caller->sent_ns, 1);
    hash_values(planned, replay->buffer);
    caller->busy = false;
    replay->under_way--;
    schedule_answered(&replay->schedule, caller->call);
}

static struct caller *only_busy(struct replay *replay)
{
    struct caller *newest = &replay->callers[replay->newest];
    for (size_t i = 0; !newest->busy; i++) {
        newest = &replay->callers[i];
    }
    return newest;
}

static void calls_make(struct replay *replay)
{
    struct epoll_event events[EVENTS_MAX];
    send_ready(replay);
    while (!replay->failed && !schedule_done(&replay->schedule)) {
        if (replay->under_way == 1) {
            receive(replay, only_busy(replay));
            send_ready(replay);
            continue;
        }
        int ready = epoll_wait(replay->epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < ready && !replay->failed; i++) {
            struct caller *caller = events[i].data.ptr;
            if (caller->busy) {
                receive(replay, caller);
                send_ready(replay);
            } else {
                fail(replay, caller->call,
                     "the server closed the connection, or sent what nothing asked for");
            }
        }
    }
}

static void connections_open(struct replay *replay)
{
    for (size_t i = replay->schedule.begin; i < replay->schedule.end && !replay->failed; i++) {
        struct caller *caller = &replay->callers[replay->trace->calls[i].caller];
        if (caller->fd >= 0) {
            continue;
        }
        caller->fd = side_connect(replay->socket);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = caller};
        if (caller->fd < 0 || epoll_ctl(replay->epoll, EPOLL_CTL_ADD, caller->fd, &event) != 0) {
            fail(replay, i, "no connection for it");
        }
    }
}

static void connections_close(struct replay *replay)
{
    for (size_t i = 0; i < replay->trace->callers.count; i++) {
        if (replay->callers[i].fd >= 0) {
            close(replay->callers[i].fd);
        }
        replay->callers[i].fd = -1;
    }
}

static void replay_run(struct replay *replay)
{
    struct measure *measure = &replay->measure;
    measure->counts = true;
    measure->began_ns = side_now_ns();
    while (!replay->failed && schedule_open(&replay->schedule)) {
        connections_open(replay);
        calls_make(replay);
        connections_close(replay);
    }
    measure->ended_ns = side_now_ns();
}

static void replay_report(const struct replay *replay, const char *file)
{
    struct side_options shown = {.clients = replay->trace->callers.count, .depth = 1};
    char *workload = side_memory(strlen(file) + 16, 1);
    sprintf(workload, "replay,%s", file);
    measure_print(&replay->measure, &shown, workload);
    free(workload);
}

static enum side_exit replay_file(const char *socket, const char *file)
{
    struct trace trace;
    char error[TRACE_ERROR_BYTES];
    if (!trace_read(file, &trace, error)) {
        return side_fail("%s", error);
    }
    struct replay replay = {.socket = socket, .trace = &trace, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    if (!plan_init(&replay.plan, &trace)) {
        trace_close(&trace);
        return SIDE_FAILED;
    }
    replay.callers = side_memory(trace.callers.count, sizeof replay.callers[0]);
    for (size_t i = 0; i < trace.callers.count; i++) {
        replay.callers[i].fd = -1;
    }
    replay.buffer = side_memory(replay.plan.reply_bytes_max, 1);
    schedule_init(&replay.schedule, &trace);
    side_limit_time(REPLAY_S_MAX * UINT64_C(1000000000));
    replay_run(&replay);
    if (!replay.failed) {
        replay_report(&replay, file);
    }
    connections_close(&replay);
    schedule_close(&replay.schedule);
    close(replay.epoll);
    free(replay.buffer);
    free(replay.callers);
    plan_close(&replay.plan);
    trace_close(&trace);
    return replay.failed ? SIDE_FAILED : SIDE_OK;
}

enum side_exit side_replay(const struct side_options *options)
{
    enum side_exit code = SIDE_OK;
    for (size_t i = 2; i < options->word_count && code == SIDE_OK; i++) {
        code = replay_file(options->words[1], options->words[i]);
    }
    return code;
}
