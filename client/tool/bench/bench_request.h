/* The requests of a workload. They are made from values prepared before the clock runs, so that one costs little more than libcairn's
 * copy of it. A maker belongs to one thread. */
#ifndef TOOL_BENCH_REQUEST_H
#define TOOL_BENCH_REQUEST_H

#include <stdatomic.h>

#include "client/tool/bench/bench_evnode.h"
#include "client/tool/bench/bench_workload.h"

/* The chain that all workloads of a run share. */
struct bench_chain {
    struct cairn_slice name;
    uint64_t first, last;   /* the blocks that there were before the run; 0: none */
    _Atomic uint64_t taken; /* the highest height that a commit was given */
};

/* What is remembered of a request that is not answered. */
struct bench_request {
    uint64_t height; /* that a commit of evnode writes; 0: another request */
    uint32_t operations;
    bool absent_is_fine;
};

struct bench_maker {
    const struct bench_workload *workload;
    struct bench_chain *chain;
    uint64_t random;
    uint8_t *bytes; /* random bytes; values and blocks are pieces of them */

    uint8_t *headers; /* of a commit's blocks */
    struct cairn_block *blocks;
    uint64_t first, heights; /* the blocks that are read */
    uint64_t stream_next;

    struct cairn_operation *operations; /* one for each name, and the first `batch` once more at the end */
    char *names;
    uint64_t next_name;
    uint64_t new_names; /* how many were made */

    struct bench_evnode evnode;
};

/* Prepares a maker. `number` is the workload's in the run; by it and the time new names and headers differ from those of any other
 * workload and run. */
void bench_maker_init(struct bench_maker *maker, const struct bench_workload *workload,
                      struct bench_chain *chain, unsigned number, uint64_t seed);
void bench_maker_close(struct bench_maker *maker);

/* Submits the workload's next request. `context` is the completion's. */
enum cairn_status bench_submit(struct bench_maker *maker, struct cairn_connection *connection,
                               struct bench_request *ret_request, cairn_completion completion,
                               void *context) CAIRN_MUST_CHECK;

/* Takes note of a request that was answered without failure. */
void bench_answered(struct bench_maker *maker, const struct bench_request *request);

/* Writes the name of a number, which the workloads metadata and get share. Returns its length. */
enum { BENCH_NAME_BYTES = 32 };
size_t bench_name(char ret_name[static BENCH_NAME_BYTES], uint64_t number);

#endif
