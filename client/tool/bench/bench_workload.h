/* A workload of `cairn bench`, as the command line names it: NAME[,KEY=VALUE]... Pure. */
#ifndef TOOL_BENCH_WORKLOAD_H
#define TOOL_BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cairn.h"

enum {
    BENCH_WORKLOADS_MAX = 64, /* of a run; chosen */
    BENCH_ERROR_BYTES = 512,
    BENCH_HEADER_BYTES_MIN = 16, /* height and run number, so that no two headers are equal */
};

enum bench_kind {
    BENCH_COMMIT,
    BENCH_METADATA,
    BENCH_GET,
    BENCH_HEIGHT,
    BENCH_HEADER,
    BENCH_BLOCK,
    BENCH_STREAM,
    BENCH_EVNODE,
    BENCH_KINDS,
};

struct bench_workload {
    const char *word; /* as given; borrowed */
    enum bench_kind kind;
    enum cairn_level level;
    uint64_t clients, depth;
    uint64_t rate;    /* operations a second; 0: closed loop */
    uint64_t count;   /* operations after which it ends; 0: it runs for the run's duration */
    uint64_t size;    /* bytes of a block's data, or of a value */
    uint64_t header;  /* bytes of a header */
    uint64_t batch;   /* blocks or names in a request */
    uint64_t names;   /* how many names take turns; 0: every name is new */
    uint64_t heights; /* of a stream: in a request; of random reads: how many of the last, 0: all */
    int nice;
};

/* Parses a word, which the workload borrows. False: *ret_error says what is wrong. */
bool bench_workload_parse(const char *word, struct bench_workload *ret_workload,
                          char ret_error[static BENCH_ERROR_BYTES]) CAIRN_MUST_CHECK;

/* Whether it needs blocks, or names, in the chain. */
bool bench_workload_reads_blocks(const struct bench_workload *workload);
bool bench_workload_reads_names(const struct bench_workload *workload);

/* How many operations a request has at most. */
uint64_t bench_workload_operations(const struct bench_workload *workload);

#endif
