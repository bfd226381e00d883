/* The requests of a workload: made from values prepared before the clock runs, so that making one costs little more than
 * libcairn's copy of it. A maker belongs to one thread. */
#ifndef TOOL_BENCH_REQUEST_H
#define TOOL_BENCH_REQUEST_H

#include <stdatomic.h>

#include "client/tool/bench/bench_evnode.h"
#include "client/tool/bench/bench_workload.h"

/* The chain that all workloads of a run share. */
struct bench_chain {
    struct cairn_slice name;
    uint64_t first, last;   /* the blocks there were before the run; 0: none */
    _Atomic uint64_t taken; /* the highest height given to a commit */
};

/* What is to be remembered of a request under way. */
struct bench_request {
    uint64_t height; /* of evnode's commit; 0: none */
    uint32_t operations;
    bool absent_is_fine;
};

struct bench_maker {
    const struct bench_workload *workload;
    struct bench_chain *chain;
    uint64_t random;
    uint8_t *bytes; /* random; values and blocks are pieces of it */

    uint8_t *headers; /* of a commit's blocks */
    struct cairn_block *blocks;
    uint64_t first, heights; /* the blocks that are read */
    uint64_t stream_next;

    struct cairn_operation *operations; /* the names, and the first `batch` again behind them */
    char *names;
    uint64_t next_name;
    uint64_t new_names; /* made so far */

    struct bench_evnode evnode;
};

/* `number`: of the workload in the run; names new to the store and headers differ by it and the time. */
void bench_maker_init(struct bench_maker *maker, const struct bench_workload *workload,
                      struct bench_chain *chain, unsigned number, uint64_t seed);
void bench_maker_close(struct bench_maker *maker);

/* Submits the workload's next request. `context` is the completion's. */
enum cairn_status bench_submit(struct bench_maker *maker, struct cairn_connection *connection,
                               struct bench_request *ret_request, cairn_completion completion,
                               void *context) CAIRN_MUST_CHECK;

/* To be told of an answer that went well. */
void bench_answered(struct bench_maker *maker, const struct bench_request *request);

/* The name of a number, as metadata, get and preparation use it. Returns its length. */
enum { BENCH_NAME_BYTES = 32 };
size_t bench_name(char ret_name[static BENCH_NAME_BYTES], uint64_t number);

#endif
