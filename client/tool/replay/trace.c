/* A trace's life: trace_read() makes it; after that it does not change until it is closed. Its calls share one region of memory. A
 * call waits only for calls before it, so there is always one that can be sent. */
#include "client/tool/replay/trace.h"

#include <assert.h>
#include <stdlib.h>

const char *trace_op_text(enum trace_op op)
{
    switch (op) {
#define TRACE_OP_CASE(name, text)                                                                            \
    case TRACE_##name:                                                                                       \
        return text;
        TRACE_OP_LIST(TRACE_OP_CASE)
#undef TRACE_OP_CASE
    case TRACE_OPS:
        break;
    }
    return "unknown";
}

const char *trace_part_text(enum trace_part part)
{
    static const char *const texts[] = {"header", "data", "signature", "hash"};
    assert((unsigned)part < TRACE_PARTS);
    return texts[part];
}

void trace_close(struct trace *trace)
{
    region_close(&trace->region);
    free(trace->calls);
    free(trace->callers.names);
    free(trace->chains.names);
    free(trace->declared_chains.names);
    *trace = (struct trace){0};
}
