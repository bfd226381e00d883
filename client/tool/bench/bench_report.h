/* The report that `cairn bench` prints at its end. */
#ifndef TOOL_BENCH_REPORT_H
#define TOOL_BENCH_REPORT_H

#include "client/tool/bench/bench_prepare.h"

enum bench_format { BENCH_TABLE, BENCH_CSV, BENCH_JSON };

/* Prints a line or object for each workload, in the order given. */
void bench_report_print(enum bench_format format, const struct bench_daemon *daemon,
                        const struct bench_thread *threads, unsigned count);

#endif
