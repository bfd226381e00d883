/* The verb bench. It parses the workloads, makes what they need, starts a thread for each, and waits until they end or a signal asks
 * to end early. Then it prints what they measured.
 *
 * Ways to fail: a word that is not a workload (nothing was done yet), a chain that lacks what is to be read, and a failure that ends
 * a thread early. Nothing is reported then. */
#include "client/tool/bench/bench.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "client/tool/arguments.h"
#include "client/tool/bench/bench_report.h"
#include "client/tool/fatal.h"

enum {
    /* All chosen. */
    FILES_SPARE = 64, /* open files besides connections */
    WARMUP_US_DEFAULT = 1000000,
    DURATION_US_DEFAULT = 10000000,
    PROGRESS_NS = 200000000, /* between two lines of progress */
};

/* Raises the limit of open files, if the connections are more than it allows. */
static void files_allow(const struct bench_workload *workloads, unsigned count)
{
    assert(count <= BENCH_WORKLOADS_MAX);
    uint64_t files = FILES_SPARE;
    struct rlimit limit;
    for (unsigned i = 0; i < count; i++) {
        files += workloads[i].clients;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < files) {
        limit.rlim_cur = limit.rlim_max < files ? limit.rlim_max : files;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* if it is still too low, connecting fails */
    }
}

static enum tool_exit duration_option(const struct tool *tool, const char *name, uint64_t *ret_us)
{
    const struct tool_given *given = argument_given(tool, name);
    if (given == NULL) {
        return TOOL_OK;
    }
    assert(given->value != NULL); /* both durations take a value */
    if (strcmp(name, "warmup") == 0 && strspn(given->value, "0") == strlen(given->value)) {
        *ret_us = 0;
        return TOOL_OK;
    }
    char what[32];
    snprintf(what, sizeof what, "--%s", name);
    return argument_duration(what, given->value, ret_us);
}

static enum tool_exit options_read(const struct tool *tool, struct bench_run *run,
                                   enum bench_format *ret_format)
{
    uint64_t warmup_us = WARMUP_US_DEFAULT, duration_us = DURATION_US_DEFAULT;
    bool csv = argument_given(tool, "csv") != NULL;
    enum tool_exit result = duration_option(tool, "warmup", &warmup_us);
    if (result == TOOL_OK) {
        result = duration_option(tool, "duration", &duration_us);
    }
    if (result == TOOL_OK) {
        result = argument_option(tool, "seed", NULL, &run->seed);
    }
    if (result == TOOL_OK && csv && tool->json) {
        result = tool_fail(TOOL_USAGE, "--csv and -o json do not go together");
    }
    run->warmup_ns = warmup_us * 1000;
    run->duration_ns = duration_us * 1000;
    *ret_format = csv ? BENCH_CSV : tool->json ? BENCH_JSON : BENCH_TABLE;
    return result;
}

static enum tool_exit words_read(const struct tool *tool, struct bench_workload *workloads)
{
    for (int i = 0; i < tool->argument_count; i++) {
        char error[BENCH_ERROR_BYTES];
        if (!bench_workload_parse(tool->arguments[i], &workloads[i], error)) {
            return tool_fail(TOOL_USAGE, "%s", error);
        }
    }
    return TOOL_OK;
}

/* Shows, on a terminal, how much time has passed and how many operations are answered a second. */
static void progress_show(const struct bench_run *run, const struct bench_thread *threads, uint64_t *last)
{
    const uint64_t begin_ns = atomic_load(&run->begin), now_ns = bench_now_ns();
    uint64_t operations = 0;
    for (unsigned i = 0; i < run->count; i++) {
        operations += atomic_load_explicit(&threads[i].answered, memory_order_relaxed);
    }
    assert(operations >= *last); /* a thread only adds to what it answered */
    if (begin_ns == 0) {
        fprintf(stderr, "\r\033[Kconnecting");
    } else if (now_ns >= begin_ns) {
        fprintf(stderr, "\r\033[K%.1f s of %.1f, %.0f operations/s", (double)(now_ns - begin_ns) / 1e9,
                (double)(run->warmup_ns + run->duration_ns) / 1e9,
                (double)(operations - *last) * 1e9 / PROGRESS_NS);
    }
    *last = operations;
}

/* Waits until all threads have ended. A signal makes them end early, a second one ends the process. */
static void threads_await(struct bench_run *run, const struct bench_thread *threads, const sigset_t *signals)
{
    const struct timespec interval = {.tv_nsec = PROGRESS_NS};
    const bool progress = isatty(STDERR_FILENO);
    uint64_t last = 0;
    for (;;) {
        int got = progress ? sigtimedwait(signals, NULL, &interval) : sigwaitinfo(signals, NULL);
        if (got == SIGUSR1) {
            break;
        }
        if (got > 0 && atomic_exchange(&run->stop, true)) {
            _exit(128 + got);
        }
        if (progress) {
            progress_show(run, threads, &last);
        }
    }
    if (progress) {
        fprintf(stderr, "\r\033[K");
    }
}

static void threads_run(struct bench_run *run, struct bench_thread *threads)
{
    assert(run->count > 0 && run->ready == 0 && run->ended == 0);
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, &before); /* the threads inherit it */
    run->waiter = pthread_self();
    for (unsigned i = 0; i < run->count; i++) {
        threads[i].run = run;
        threads[i].workload = &run->workloads[i];
        threads[i].number = i;
        if (pthread_create(&threads[i].id, NULL, bench_thread, &threads[i]) != 0) {
            fatal("cannot start a thread for each workload: the limit of threads is too low");
        }
    }
    threads_await(run, threads, &signals);
    for (unsigned i = 0; i < run->count; i++) {
        pthread_join(threads[i].id, NULL);
    }
    assert(run->ended == run->count);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void failures_tell(const struct bench_thread *threads, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct bench_result *result = &threads[i].result;
        if (result->failed > 0) {
            tool_warn("%s: %" PRIu64 " requests failed, the first: %s", threads[i].workload->word,
                      result->failed, result->failure);
        }
    }
}

enum tool_exit verb_bench(struct tool *tool)
{
    assert(tool->argument_count > 0 && tool->argument_count <= BENCH_WORKLOADS_MAX); /* so says the table */
    struct bench_workload workloads[BENCH_WORKLOADS_MAX];
    struct bench_run run = {
        .tool = tool,
        .workloads = workloads,
        .count = (unsigned)tool->argument_count,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .all_ready = PTHREAD_COND_INITIALIZER,
    };
    struct bench_daemon daemon;
    enum bench_format format;
    enum tool_exit result = words_read(tool, workloads);
    if (result == TOOL_OK) {
        result = options_read(tool, &run, &format);
    }
    if (result == TOOL_OK) {
        files_allow(workloads, run.count);
        result = tool_connect(tool);
    }
    if (result == TOOL_OK) {
        result = bench_prepare(tool, workloads, run.count, &run.chain, &daemon);
    }
    if (result != TOOL_OK) {
        return result;
    }
    struct bench_thread *threads = region_allocate(&tool->region, run.count, sizeof *threads);
    threads_run(&run, threads);
    if (run.end != TOOL_OK) {
        return tool_fail(run.end, "%s", run.error);
    }
    failures_tell(threads, run.count);
    bench_report_print(format, &daemon, threads, run.count);
    return TOOL_OK;
}
