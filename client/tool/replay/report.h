/* The result of a replay: differences, times, and what coalescing and group commit saved. */
#ifndef TOOL_REPORT_H
#define TOOL_REPORT_H

#include "client/tool/replay/trace.h"

enum {
    REPORT_SHOWN_MAX = 20, /* differences that are shown; the others are only counted */
};

struct report_mismatch {
    uint64_t number;
    enum trace_op op;
    char *recorded, *got;
};

/* The daemon's counters that the report is about. */
struct report_counters {
    uint64_t metadata_accepted, metadata_written, syncs, commits;
};

struct report {
    const char *file;
    size_t answered, mismatches, failed; /* a call that failed is also a mismatch */
    struct report_mismatch shown[REPORT_SHOWN_MAX];
    uint32_t *times_us[TRACE_OPS];
    size_t counts[TRACE_OPS];
    int64_t wall_us;
    struct report_counters before, after;
};

void report_init(struct report *report, const char *file, const struct trace *trace);
void report_close(struct report *report);

/* Notes an answer's time. */
void report_time(struct report *report, enum trace_op op, int64_t time_us);

/* Notes that an answer differs, or with `failed` that there is none. */
void report_mismatch(struct report *report, const struct trace_call *call, const char *got, bool failed);

/* The percentile, in thousandths, of at least one sorted value. */
uint32_t report_percentile(const uint32_t *sorted, size_t count, unsigned thousandths);

void report_print(struct report *report, bool json);

#endif
