/* The verb bench. It parses the workloads, makes a chain for them and what they need there, starts a thread for each, and waits until they
 * end or a signal asks to end early. Then it prints what they measured, and drops the chain.
 *
 * Ways to fail: a word that is not a workload (nothing was done yet), a chain that is not bench's own to write to or lacks what is to be
 * read, and a failure that ends a thread early. Nothing is reported then. */
#include "client/tool/bench/bench.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client/tool/arguments.h"
#include "client/tool/bench/bench_prepare.h"
#include "client/tool/bench/bench_report.h"
#include "client/tool/fatal.h"
#include "client/tool/own_chains.h"
#include "client/tool/progress.h"

enum {
    /* All chosen. */
    FILES_SPARE = 64, /* open files besides connections */
    WARMUP_US_DEFAULT = 1000000,
    DURATION_US_DEFAULT = 10000000,
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

/* Shows how far it is: by the time, or where each workload has a count by that. */
static void progress_tell(const struct bench_run *run, const struct bench_thread *threads,
                          struct progress *progress)
{
    const uint64_t begin_ns = atomic_load(&run->begin), now_ns = bench_now_ns();
    const uint64_t all_ns = run->warmup_ns + run->duration_ns;
    uint64_t operations = 0, wanted = 0;
    bool is_counted = true;
    for (unsigned i = 0; i < run->count; i++) {
        operations += atomic_load_explicit(&threads[i].answered, memory_order_relaxed);
        wanted += run->workloads[i].count;
        is_counted &= run->workloads[i].count > 0;
    }
    if (begin_ns == 0 || now_ns < begin_ns) {
        return;
    }
    const uint64_t passed_ns = now_ns - begin_ns;
    assert(all_ns > 0); /* a duration is not 0 */
    const struct progress_look look = {
        .count = operations,
        .part = is_counted ? (double)operations / (double)wanted : (double)passed_ns / (double)all_ns,
        .left_us = is_counted           ? -1
                   : passed_ns < all_ns ? (int64_t)((all_ns - passed_ns) / 1000)
                                        : 0,
        .passed_us = (int64_t)(passed_ns / 1000),
    };
    progress_show(progress, &look, tool_now_us());
}

/* Waits until all threads have ended. A signal makes them end early, a second one ends the process. */
static void threads_await(struct bench_run *run, const struct bench_thread *threads, const sigset_t *signals)
{
    struct progress progress;
    progress_begin(&progress, "bench", "operations");
    const int64_t wait_us = progress_wait_us(&progress);
    const struct timespec interval = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    for (;;) {
        int got = wait_us >= 0 ? sigtimedwait(signals, NULL, &interval) : sigwaitinfo(signals, NULL);
        if (got == SIGUSR1) {
            break;
        }
        if (got > 0) {
            atomic_store(&run->stop, true);
            own_chains_interrupt(got);
        }
        progress_tell(run, threads, &progress);
    }
    progress_clear(&progress);
}

static void threads_run(struct bench_run *run, struct bench_thread *threads)
{
    assert(run->count > 0 && run->ready == 0 && run->ended == 0);
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, &before); /* the threads inherit it */
    run->waiter = pthread_self();
    atomic_store(&run->stop, own_chains_interrupted()); /* by a signal that came before they were blocked */
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

/* Whether anything was measured: a signal may come before. */
static bool is_measured(const struct bench_thread *threads, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (threads[i].result.seconds > 0) {
            return true;
        }
    }
    return false;
}

static enum tool_exit measure(struct own_chains *own, struct bench_run *run, enum bench_format format)
{
    struct bench_daemon daemon;
    enum tool_exit result = bench_prepare(own, run->workloads, run->count, &run->chain, &daemon);
    if (result != TOOL_OK) {
        return result;
    }
    struct bench_thread *threads = region_allocate(&own->tool->region, run->count, sizeof *threads);
    threads_run(run, threads);
    if (run->end != TOOL_OK) {
        return tool_fail(run->end, "%s", run->error);
    }
    failures_tell(threads, run->count);
    if (!own_chains_interrupted() || is_measured(threads, run->count)) {
        bench_report_print(format, &daemon, threads, run->count);
    }
    return TOOL_OK;
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
    enum bench_format format;
    enum tool_exit result = words_read(tool, workloads);
    if (result == TOOL_OK) {
        result = options_read(tool, &run, &format);
    }
    if (result == TOOL_OK) {
        files_allow(workloads, run.count);
        result = tool_connect(tool);
    }
    if (result != TOOL_OK) {
        return result;
    }
    struct own_chains own;
    own_chains_begin(&own, tool, 1, argument_given(tool, "keep") != NULL);
    result = measure(&own, &run, format);
    fflush(stdout);
    return own_chains_end(&own, result);
}
