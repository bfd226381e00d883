/* Runs workloads at the same time, each in a thread and with a client of its own. */
#ifndef TOOL_BENCH_RUN_H
#define TOOL_BENCH_RUN_H

#include <pthread.h>

#include "client/tool/bench/bench_request.h"
#include "client/tool/tool.h"
#include "proto/histogram.h"

/* What was measured of a workload. */
struct bench_result {
    double seconds;
    uint64_t requests, operations, failed;
    struct histogram latency;
    char failure[256]; /* of the first that failed; "" if none did */
};

struct bench_run {
    /* fixed before the threads start */
    const struct tool *tool;
    const struct bench_workload *workloads;
    unsigned count;
    uint64_t warmup_ns, duration_ns, seed;
    struct bench_chain chain;
    pthread_t waiter; /* is told by SIGUSR1 when all have ended */

    _Atomic bool stop;      /* end early, and report */
    _Atomic uint64_t begin; /* the common instant, in nanoseconds; 0: not all are there yet */

    pthread_mutex_t mutex; /* over the rest */
    pthread_cond_t all_ready;
    unsigned ready, ended;
    enum tool_exit end; /* the first failure that ended a thread: why is in error */
    char error[BENCH_ERROR_BYTES];
};

struct bench_thread {
    struct bench_run *run;
    const struct bench_workload *workload;
    unsigned number;
    pthread_t id;
    struct bench_result result; /* the thread's until it has ended */
    _Atomic uint64_t answered;  /* operations so far, for who shows the progress */
};

/* A thread's whole life. */
void *bench_thread(void *context);

uint64_t bench_now_ns(void);

#endif
