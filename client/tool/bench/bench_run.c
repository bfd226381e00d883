/* The life of a workload's thread: it opens its connections and waits for the other threads. From their common beginning on it keeps
 * requests in flight, and does not count them during the warm-up. At the end it awaits the last answers, and closes.
 *
 * A closed loop has `depth` requests in flight on each connection, and sends the next when one is answered. An open loop sends what
 * is due; a request that finds no free slot waits for one, and its latency counts from when it was due.
 *
 * Ways to fail: the daemon cannot be reached, a connection is lost, a request cannot be sent at all, or no answer comes within the
 * deadline. Then every thread ends, and nothing is reported. A request that the daemon refuses only counts as failed. Without
 * memory the process ends. */
#include "client/tool/bench/bench_run.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "client/tool/bench/bench_pace.h"
#include "client/tool/fatal.h"

enum {
    /* All chosen. */
    POLL_NS_MAX = 100000000, /* how late a thread may notice that it should end */
    BEGIN_NS = 1000000,      /* between the moment when the last thread is ready and the common beginning */
    IN_FLIGHT_SPARE = 8,     /* requests besides the depth: barriers */
    KEPT_BYTES_MAX = 256 << 20, /* accepted metadata that the library keeps before a barrier is needed */
};

#define NEVER_NS            (UINT64_MAX / 2)
#define IN_FLIGHT_BYTES_MAX ((size_t)1 << 40)

struct link {
    struct worker *worker;
    struct cairn_connection *connection;
    bool dirty; /* something was submitted outside completions: it must be processed */
};

struct slot {
    struct link *link;
    uint64_t begin_ns;
    struct bench_request request;
};

struct worker {
    /* Fixed while it runs. */
    struct bench_thread *thread;
    struct bench_run *run;
    bool open; /* whether the loop is an open one */
    struct cairn_client *client;
    struct link *links;
    struct pollfd *sockets; /* those of the links, by index */
    struct slot *slots;
    size_t slot_count;
    uint64_t requests_max;

    /* Its progress. */
    uint64_t from_ns, span_ns; /* the time that is measured; a stop makes the span shorter */
    uint64_t now_ns;
    uint64_t issued, allowed; /* requests sent so far, and how many may be */
    uint64_t in_flight;
    uint64_t last_ns; /* when the last answer came */
    bool full;        /* too much is kept: a barrier is in flight */
    bool closing;
    bool failed;

    struct slot **idle; /* slots without a request, as a ring with room for all */
    size_t idle_first, idle_count;
    struct link **dirty;
    size_t dirty_count;

    struct bench_pace pace;
    struct bench_maker maker;
};

uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void worker_fail(struct worker *worker, enum tool_exit code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void worker_fail(struct worker *worker, enum tool_exit code, const char *format, ...)
{
    struct bench_run *run = worker->run;
    va_list arguments;
    va_start(arguments, format);
    worker->failed = true;
    worker->allowed = 0;
    pthread_mutex_lock(&run->mutex);
    if (run->end == TOOL_OK) {
        run->end = code;
        int length = snprintf(run->error, sizeof run->error, "%s: ", worker->thread->workload->word);
        if (length >= 0 && (size_t)length < sizeof run->error) {
            vsnprintf(run->error + length, sizeof run->error - (size_t)length, format, arguments);
        }
    }
    pthread_mutex_unlock(&run->mutex);
    atomic_store(&run->stop, true);
    va_end(arguments);
}

static void link_fail(struct link *link, enum cairn_status status, const char *what)
{
    enum tool_exit code = tool_exit_of(status);
    const char *why = cairn_connection_error(link->connection);
    worker_fail(link->worker, code == TOOL_OK ? TOOL_UNKNOWN : code, "%s: %s", what,
                why[0] != '\0' ? why : cairn_status_text(status));
}

static void idle_push(struct worker *worker, struct slot *slot)
{
    assert(worker->idle_count < worker->slot_count); /* no slot is idle twice */
    size_t at = worker->idle_first + worker->idle_count++;
    worker->idle[at < worker->slot_count ? at : at - worker->slot_count] = slot;
}

static struct slot *idle_pop(struct worker *worker)
{
    assert(worker->idle_count > 0);
    struct slot *slot = worker->idle[worker->idle_first];
    worker->idle_first = worker->idle_first + 1 < worker->slot_count ? worker->idle_first + 1 : 0;
    worker->idle_count--;
    return slot;
}

static bool may_send(const struct worker *worker)
{
    return worker->issued < worker->allowed && !worker->full;
}

static void barrier_answered(void *context, const struct cairn_reply *reply)
{
    struct worker *worker = context;
    (void)reply; /* if it failed, so does the next request or barrier */
    worker->full = false;
}

/* Sends a barrier. The library keeps accepted metadata until it is known to be written; when too much is kept, sending waits for the
 * barrier. */
static void barrier_send(struct link *link)
{
    struct cairn_barrier_request barrier = {.level = CAIRN_WRITTEN, .timeout_us = CAIRN_NO_TIMEOUT};
    enum cairn_status status =
        cairn_submit_barrier(link->connection, &barrier, barrier_answered, link->worker);
    if (status == CAIRN_OK) {
        link->worker->full = true;
    } else {
        link_fail(link, status, "cannot send a barrier");
    }
}

static void answered(void *context, const struct cairn_reply *reply);

/* Sends the next request. */
static void slot_send(struct worker *worker, struct slot *slot)
{
    assert(may_send(worker));
    slot->begin_ns = worker->open ? bench_pace_time_ns(&worker->pace) : worker->now_ns;
    enum cairn_status status =
        bench_submit(&worker->maker, slot->link->connection, &slot->request, answered, slot);
    if (status == CAIRN_OK) {
        worker->issued++;
        worker->in_flight++;
        if (worker->open) {
            bench_pace_take(&worker->pace);
        }
        return;
    }
    idle_push(worker, slot);
    if (status == CAIRN_FULL) {
        barrier_send(slot->link);
    } else {
        link_fail(slot->link, status, "cannot send a request");
    }
}

static void failure_note(struct worker *worker, const struct cairn_reply *reply)
{
    struct bench_result *result = &worker->thread->result;
    if (worker->now_ns - worker->from_ns >= worker->span_ns) {
        return;
    }
    if (result->failed++ == 0) {
        snprintf(result->failure, sizeof result->failure, "%s", reply->text);
    }
}

static void answered(void *context, const struct cairn_reply *reply)
{
    struct slot *slot = context;
    struct worker *worker = slot->link->worker;
    if (worker->closing) {
        return;
    }
    const uint64_t now_ns = bench_now_ns();
    worker->now_ns = worker->last_ns = now_ns;
    assert(worker->in_flight > 0);
    worker->in_flight--;
    if (reply->status == CAIRN_OK || (reply->status == CAIRN_NOT_FOUND && slot->request.absent_is_fine)) {
        struct bench_result *result = &worker->thread->result;
        bench_answered(&worker->maker, &slot->request);
        if (now_ns - worker->from_ns < worker->span_ns) {
            result->requests++;
            result->operations += reply->kind == CAIRN_READ_BLOCKS ? reply->items : slot->request.operations;
            histogram_add(&result->latency, now_ns - slot->begin_ns);
        }
    } else {
        failure_note(worker, reply);
    }
    if (may_send(worker)) {
        slot_send(worker, slot);
    } else {
        idle_push(worker, slot);
    }
}

/* Sends requests from idle slots as far as allowed. Their links become dirty. */
static void idle_send(struct worker *worker)
{
    while (worker->idle_count > 0 && may_send(worker)) {
        struct slot *slot = idle_pop(worker);
        slot_send(worker, slot);
        if (!slot->link->dirty) {
            assert(worker->dirty_count < worker->thread->workload->clients); /* each link once */
            slot->link->dirty = true;
            worker->dirty[worker->dirty_count++] = slot->link;
        }
    }
}

static void link_process(struct worker *worker, struct link *link, short events)
{
    enum cairn_status status = cairn_connection_process(link->connection, events);
    link->dirty = false;
    if (status != CAIRN_OK) {
        link_fail(link, status == CAIRN_CONNECTION_LOST ? status : CAIRN_CONNECTION_LOST, "connection");
        return;
    }
    worker->sockets[link - worker->links].events = cairn_connection_events(link->connection);
}

/* Processes the `ready` connections that poll found, then those that are dirty. */
static void links_process(struct worker *worker, int ready)
{
    for (size_t i = 0; ready > 0 && !worker->failed; i++) {
        assert(i < worker->thread->workload->clients); /* poll counted no more than there are */
        if (worker->sockets[i].revents != 0) {
            ready--;
            link_process(worker, &worker->links[i], worker->sockets[i].revents);
        }
    }
    for (size_t i = 0; i < worker->dirty_count && !worker->failed; i++) {
        if (worker->dirty[i]->dirty) {
            link_process(worker, worker->dirty[i], 0);
        }
    }
    worker->dirty_count = 0;
}

/* Updates how many requests may be sent by now. */
static void allow(struct worker *worker)
{
    const uint64_t since_ns = worker->now_ns - worker->from_ns;
    if (since_ns < NEVER_NS && since_ns >= worker->span_ns) {
        worker->allowed = 0;
        return;
    }
    worker->allowed = worker->requests_max;
    if (worker->open) {
        bench_pace_advance(&worker->pace, worker->now_ns);
        worker->allowed = worker->pace.due < worker->allowed ? worker->pace.due : worker->allowed;
    }
}

/* Ends the measuring early if the run is stopped. */
static void stop_look(struct worker *worker)
{
    if (atomic_load_explicit(&worker->run->stop, memory_order_relaxed)) {
        uint64_t since_ns = worker->now_ns - worker->from_ns;
        if (since_ns >= NEVER_NS) { /* it has not begun */
            worker->from_ns = worker->now_ns;
            since_ns = 0;
        }
        worker->span_ns = since_ns < worker->span_ns ? since_ns : worker->span_ns;
    }
}

/* Waits until a connection is ready, a request is due, or the time is over. */
static int links_wait(struct worker *worker)
{
    uint64_t wait_ns = POLL_NS_MAX, end_ns = worker->from_ns + worker->span_ns;
    if (worker->open && worker->idle_count > 0 && worker->allowed > 0) {
        uint64_t next_ns = worker->pace.next_ns;
        end_ns = next_ns < end_ns ? next_ns : end_ns;
    }
    if (worker->allowed > 0 && end_ns < worker->now_ns + wait_ns) {
        wait_ns = end_ns > worker->now_ns ? end_ns - worker->now_ns : 0;
    }
    assert(wait_ns <= POLL_NS_MAX); /* less than a second */
    struct timespec wait = {.tv_nsec = (long)wait_ns};
    int ready = ppoll(worker->sockets, (nfds_t)worker->thread->workload->clients, &wait, NULL);
    if (ready < 0 && errno != EINTR) {
        worker_fail(worker, TOOL_FAILURE, "ppoll: %s", strerror(errno));
    }
    return ready;
}

/* Fails the run if requests are in flight and none was answered within the deadline. */
static void deadline_look(struct worker *worker, uint64_t *seen, uint64_t *seen_ns)
{
    uint64_t done = worker->issued - worker->in_flight;
    if (done != *seen || worker->in_flight == 0) {
        *seen = done;
        *seen_ns = worker->now_ns;
    } else if (worker->now_ns - *seen_ns > worker->run->tool->deadline_us * 1000) {
        worker_fail(worker, TOOL_TIMEOUT, "no answer within %.3f s",
                    (double)worker->run->tool->deadline_us / 1e6);
    }
}

/* Runs the loop from the common beginning to the last answer. */
static void work(struct worker *worker)
{
    uint64_t seen = 0, seen_ns = bench_now_ns();
    while (!worker->failed) {
        worker->now_ns = bench_now_ns();
        stop_look(worker);
        allow(worker);
        idle_send(worker);
        links_process(worker, 0);
        const bool over = worker->allowed == 0 || worker->issued >= worker->requests_max;
        if (worker->failed || (over && worker->in_flight == 0 && !worker->full)) {
            break;
        }
        int ready = links_wait(worker);
        if (ready > 0) {
            links_process(worker, ready);
            atomic_store_explicit(&worker->thread->answered, worker->thread->result.operations,
                                  memory_order_relaxed);
        } else {
            worker->now_ns = bench_now_ns();
        }
        if (!worker->failed) {
            deadline_look(worker, &seen, &seen_ns);
        }
    }
}

static void *zeroed(size_t count, size_t bytes)
{
    void *memory = calloc(count + 1, bytes);
    if (memory == NULL) {
        fatal("not enough memory");
    }
    return memory;
}

static void worker_init(struct worker *worker, struct bench_thread *thread)
{
    const struct bench_workload *workload = thread->workload;
    *worker = (struct worker){.thread = thread, .run = thread->run, .open = workload->rate > 0};
    worker->slot_count = workload->clients * workload->depth;
    worker->links = zeroed(workload->clients, sizeof *worker->links);
    worker->sockets = zeroed(workload->clients, sizeof *worker->sockets);
    worker->dirty = zeroed(workload->clients, sizeof(void *));
    worker->slots = zeroed(worker->slot_count, sizeof *worker->slots);
    worker->idle = zeroed(worker->slot_count, sizeof(void *));
    for (size_t i = 0; i < worker->slot_count; i++) {
        worker->slots[i].link = &worker->links[i % workload->clients];
        idle_push(worker, &worker->slots[i]);
    }
    uint64_t each = bench_workload_operations(workload);
    worker->requests_max = workload->count > 0 ? (workload->count + each - 1) / each : NEVER_NS;
    bench_maker_init(&worker->maker, workload, &thread->run->chain, thread->number, thread->run->seed);
}

static void worker_close(struct worker *worker)
{
    worker->closing = true;
    cairn_client_free(worker->client);
    bench_maker_close(&worker->maker);
    free(worker->links);
    free(worker->sockets);
    free(worker->dirty);
    free(worker->slots);
    free(worker->idle);
}

static void connect_all(struct worker *worker)
{
    const struct tool *tool = worker->run->tool;
    struct cairn_client_options options = {
        .socket_path = tool->socket_path,
        .name = "cairn bench",
        .timeout_us = tool->deadline_us,
        .in_flight_max = worker->thread->workload->depth + IN_FLIGHT_SPARE,
        .in_flight_bytes_max = IN_FLIGHT_BYTES_MAX,
        .kept_bytes_max = KEPT_BYTES_MAX,
    };
    enum cairn_status status = cairn_client_new(&options, &worker->client);
    if (status != CAIRN_OK) {
        worker_fail(worker, TOOL_FAILURE, "%s", cairn_client_error(NULL));
        return;
    }
    for (size_t i = 0; i < worker->thread->workload->clients && !atomic_load(&worker->run->stop); i++) {
        struct link *link = &worker->links[i];
        link->worker = worker;
        status = cairn_connect(worker->client, 0, &link->connection);
        if (status != CAIRN_OK) {
            worker_fail(worker, tool_exit_of(status),
                        "cannot open connection %zu (the daemon's connections_max, or its limit of open "
                        "files, may be too low): %s",
                        i + 1, cairn_client_error(worker->client));
            return;
        }
        worker->sockets[i] = (struct pollfd){
            .fd = cairn_connection_fd(link->connection),
            .events = cairn_connection_events(link->connection),
        };
    }
}

/* Waits until all threads are ready. Returns the common beginning; 0: the run was stopped before. */
static uint64_t await_others(struct bench_run *run)
{
    pthread_mutex_lock(&run->mutex);
    assert(run->ready < run->count);
    if (++run->ready == run->count) {
        atomic_store(&run->begin, bench_now_ns() + BEGIN_NS);
        pthread_cond_broadcast(&run->all_ready);
    }
    while (run->ready < run->count) {
        pthread_cond_wait(&run->all_ready, &run->mutex);
    }
    pthread_mutex_unlock(&run->mutex);
    return atomic_load(&run->stop) ? 0 : atomic_load(&run->begin);
}

static void worker_run(struct worker *worker, uint64_t begin_ns)
{
    const struct bench_workload *workload = worker->thread->workload;
    struct bench_result *result = &worker->thread->result;
    struct timespec begin = {.tv_sec = (time_t)(begin_ns / 1000000000),
                             .tv_nsec = (long)(begin_ns % 1000000000)};
    bool counted = workload->count > 0;
    worker->from_ns = begin_ns + (counted ? 0 : worker->run->warmup_ns);
    worker->span_ns = counted ? NEVER_NS - 1 : worker->run->duration_ns;
    if (worker->open) {
        double requests = (double)workload->rate / (double)bench_workload_operations(workload);
        bench_pace_init(&worker->pace, requests, begin_ns);
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &begin, NULL);
    work(worker);
    uint64_t span_ns = worker->span_ns;
    if (counted && span_ns == NEVER_NS - 1) {
        span_ns = worker->last_ns - worker->from_ns;
    }
    result->seconds = (double)span_ns / 1e9;
}

void *bench_thread(void *context)
{
    struct bench_thread *thread = context;
    struct bench_run *run = thread->run;
    struct worker worker;
    worker_init(&worker, thread);
    prctl(PR_SET_TIMERSLACK, 1UL);
    if (thread->workload->nice != 0 &&
        setpriority(PRIO_PROCESS, (id_t)gettid(), thread->workload->nice) != 0) {
        worker_fail(&worker, TOOL_FAILURE, "cannot set nice to %d: %s", thread->workload->nice,
                    strerror(errno));
    }
    if (!worker.failed) {
        connect_all(&worker);
    }
    uint64_t begin_ns = await_others(run);
    if (begin_ns > 0) {
        worker_run(&worker, begin_ns);
    }
    worker_close(&worker);
    pthread_mutex_lock(&run->mutex);
    assert(run->ended < run->count);
    bool last = ++run->ended == run->count;
    pthread_mutex_unlock(&run->mutex);
    if (last) {
        pthread_kill(run->waiter, SIGUSR1);
    }
    return NULL;
}
