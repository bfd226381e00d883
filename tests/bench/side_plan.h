/* A recording as bytes on the echo's socket: each call's frame, how long its reply is, and which parts of that are to be
 * hashed. All is made before a clock starts. */
#ifndef BENCH_SIDE_PLAN_H
#define BENCH_SIDE_PLAN_H

#include "client/tool/region.h"
#include "client/tool/replay/trace.h"
#include "tests/bench/side_echo.h"

enum { PLAN_VALUES_MAX = TRACE_PARTS };

struct plan_call {
    const uint8_t *frame; /* its id is the call's place in the trace */
    uint32_t frame_bytes, reply_bytes;
    uint32_t value_bytes[PLAN_VALUES_MAX]; /* of the reply, to be hashed; 0: none more */
};

struct plan {
    struct plan_call *calls; /* as in the trace */
    uint32_t reply_bytes_max;
    struct region region;
};

/* False: a call that no frame can carry; it has been told. */
bool plan_init(struct plan *plan, const struct trace *trace);
void plan_close(struct plan *plan);

#endif
