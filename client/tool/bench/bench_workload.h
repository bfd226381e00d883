/* A workload of `cairn bench`, as the command line names it: NAME[,KEY=VALUE]... Pure. */
#ifndef TOOL_BENCH_WORKLOAD_H
#define TOOL_BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cairn.h"

enum {
    BENCH_WORKLOADS_MAX = 64, /* of a run */
    BENCH_ERROR_BYTES = 512,
    BENCH_HEADER_BYTES_MIN =
        16, /* a header holds its height and the run's number, so that no two are alike */
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
    uint64_t count;   /* operations; 0: as long as the run */
    uint64_t size;    /* of a block's data, of a value */
    uint64_t header;  /* bytes of a header */
    uint64_t batch;   /* blocks or names of a request */
    uint64_t names;   /* 0: every name new */
    uint64_t heights; /* of a stream; of random reads the last so many, 0: all */
    int nice;
};

/* False: *ret_error says what is wrong, naming the word. */
bool bench_workload_parse(const char *word, struct bench_workload *ret_workload,
                          char ret_error[static BENCH_ERROR_BYTES]) CAIRN_MUST_CHECK;

/* Whether it needs blocks in the chain; names in it. */
bool bench_workload_reads_blocks(const struct bench_workload *workload);
bool bench_workload_reads_names(const struct bench_workload *workload);

/* How many operations a request of it is, at most. */
uint64_t bench_workload_operations(const struct bench_workload *workload);

#endif
