/* Makes what workloads need in the store before they run. */
#ifndef TOOL_BENCH_PREPARE_H
#define TOOL_BENCH_PREPARE_H

#include "client/tool/bench/bench_run.h"
#include "client/tool/own_chains.h"

struct bench_daemon {
    char version[64], engine[128];
};

/* Looks at the daemon and the chain, and makes what is missing: the chain, names and blocks that are read. Only a chain of bench's own
 * is written to: one that it made now, or with --keep before. Not TOOL_OK: stderr says why. */
enum tool_exit bench_prepare(struct own_chains *own, const struct bench_workload *workloads, unsigned count,
                             struct bench_chain *ret_chain, struct bench_daemon *ret_daemon) CAIRN_MUST_CHECK;

#endif
