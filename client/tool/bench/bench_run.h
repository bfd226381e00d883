/* Runs workloads at the same time, each in a thread of its own with a client of its own. */
#ifndef TOOL_BENCH_RUN_H
#define TOOL_BENCH_RUN_H

#include <pthread.h>

#include "client/tool/bench/bench_request.h"
#include "client/tool/tool.h"
#include "proto/histogram.h"

/* What was measured for a workload. */
struct bench_result {
    double seconds;
    uint64_t requests, operations, failed;
    struct histogram latency;
    char failure[256]; /* the text of the first that failed; "" if none did */
};

struct bench_run {
    /* Fixed before the threads start. */
    const struct tool *tool;
    const struct bench_workload *workloads;
    unsigned count;
    uint64_t warmup_ns, duration_ns, seed;
    struct bench_chain chain;
    pthread_t waiter; /* gets SIGUSR1 when all threads have ended */

    /* Any thread. */
    _Atomic bool stop;      /* asks to end early */
    _Atomic uint64_t begin; /* the common beginning, in nanoseconds; 0: not all threads are ready */

    /* Under the mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t all_ready;
    unsigned ready, ended; /* threads */
    enum tool_exit end;    /* the first failure that ended a thread; `error` says why */
    char error[BENCH_ERROR_BYTES];
};

struct bench_thread {
    struct bench_run *run;
    const struct bench_workload *workload;
    unsigned number;
    pthread_t id;
    struct bench_result result; /* owned by the thread until it has ended */
    _Atomic uint64_t answered;  /* operations so far, for the progress */
};

/* The main function of a thread; its context is a struct bench_thread. */
void *bench_thread(void *context);

uint64_t bench_now_ns(void);

#endif
