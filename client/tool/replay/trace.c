/* A trace's life: trace_read() makes it; then it is only looked at, until it is closed. Its calls share one region of memory,
 * and point back to calls before them and never forward, so there is always one that can go out. */
#include "client/tool/replay/trace.h"

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
    return texts[part];
}

void trace_close(struct trace *trace)
{
    region_close(&trace->region);
    free(trace->calls);
    free(trace->callers.names);
    free(trace->chains.names);
    *trace = (struct trace){0};
}
