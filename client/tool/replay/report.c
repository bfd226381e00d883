/* A report's life: while the replay runs it collects the time of every answer, so that percentiles are exact; then it is printed
 * once. Without memory the process ends. */
#include "client/tool/replay/report.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tool/encoding.h"
#include "client/tool/fatal.h"
#include "client/tool/output.h"
#include "client/tool/replay/trace_answer.h"

enum {
    SHOWN_BYTES_MAX = 400, /* of an answer that is shown to people; chosen */
};

void report_init(struct report *report, const char *file, const struct trace *trace)
{
    size_t counts[TRACE_OPS] = {0};
    *report = (struct report){.file = file};
    for (size_t i = 0; i < trace->count; i++) {
        assert(trace->calls[i].op < TRACE_OPS);
        counts[trace->calls[i].op]++;
    }
    for (int op = 0; op < TRACE_OPS; op++) {
        report->times_us[op] = calloc(counts[op] + 1, sizeof report->times_us[op][0]);
        if (report->times_us[op] == NULL) {
            fatal("not enough memory");
        }
    }
}

void report_close(struct report *report)
{
    for (int op = 0; op < TRACE_OPS; op++) {
        free(report->times_us[op]);
    }
    for (size_t i = 0; i < REPORT_SHOWN_MAX; i++) {
        free(report->shown[i].recorded);
        free(report->shown[i].got);
    }
    *report = (struct report){0};
}

void report_time(struct report *report, enum trace_op op, int64_t time_us)
{
    assert(time_us >= 0 && report->times_us[op] != NULL);
    report->times_us[op][report->counts[op]++] = time_us > UINT32_MAX ? UINT32_MAX : (uint32_t)time_us;
    report->answered++;
}

void report_mismatch(struct report *report, const struct trace_call *call, const char *got, bool failed)
{
    assert(call->op < TRACE_OPS);
    if (report->mismatches < REPORT_SHOWN_MAX) {
        report->shown[report->mismatches] =
            (struct report_mismatch){.number = call->number,
                                     .op = call->op,
                                     .recorded = trace_answer_text(&call->answer),
                                     .got = strdup(got)};
    }
    report->mismatches++;
    report->failed += failed;
}

static int compare_times(const void *a, const void *b)
{
    uint32_t first, second;
    memcpy(&first, a, sizeof first);
    memcpy(&second, b, sizeof second);
    return (first > second) - (first < second);
}

uint32_t report_percentile(const uint32_t *sorted, size_t count, unsigned thousandths)
{
    assert(count > 0 && thousandths <= 1000);
    size_t rank = (count * thousandths + 999) / 1000;
    return sorted[rank > 0 ? rank - 1 : 0];
}

static size_t shown_count(const struct report *report)
{
    assert(report->failed <= report->mismatches); /* a call that failed is a mismatch too */
    return report->mismatches < REPORT_SHOWN_MAX ? report->mismatches : REPORT_SHOWN_MAX;
}

static struct report_counters difference(const struct report *report)
{
    return (struct report_counters){
        .metadata_accepted = report->after.metadata_accepted - report->before.metadata_accepted,
        .metadata_written = report->after.metadata_written - report->before.metadata_written,
        .syncs = report->after.syncs - report->before.syncs,
        .commits = report->after.commits - report->before.commits,
    };
}

static json_t *kinds_json(const struct report *report)
{
    json_t *kinds = json_object();
    for (int op = 0; op < TRACE_OPS; op++) {
        const uint32_t *times = report->times_us[op];
        size_t count = report->counts[op];
        if (count == 0) {
            continue;
        }
        json_object_set_new(kinds, trace_op_text((enum trace_op)op),
                            json_pack("{s:I, s:I, s:I, s:I}", "calls", (json_int_t)count, "p50_us",
                                      (json_int_t)report_percentile(times, count, 500), "p99_us",
                                      (json_int_t)report_percentile(times, count, 990), "max_us",
                                      (json_int_t)times[count - 1]));
    }
    return kinds;
}

static void print_json(const struct report *report)
{
    struct report_counters counters = difference(report);
    json_t *shown = json_array();
    for (size_t i = 0; i < shown_count(report); i++) {
        const struct report_mismatch *mismatch = &report->shown[i];
        json_array_append_new(shown, json_pack("{s:I, s:s, s:o, s:o}", "call", (json_int_t)mismatch->number,
                                               "op", trace_op_text(mismatch->op), "recorded",
                                               output_text(cairn_text(mismatch->recorded)), "got",
                                               output_text(cairn_text(mismatch->got))));
    }
    output_json(json_pack("{s:o, s:I, s:I, s:I, s:o, s:I, s:o, s:{s:o, s:o}, s:o, s:o}", "file",
                          output_text(cairn_text(report->file)), "calls", (json_int_t)report->answered,
                          "mismatches", (json_int_t)report->mismatches, "failed", (json_int_t)report->failed,
                          "shown", shown, "wall_us", (json_int_t)report->wall_us, "kinds", kinds_json(report),
                          "metadata", "accepted", output_number(counters.metadata_accepted), "written",
                          output_number(counters.metadata_written), "syncs", output_number(counters.syncs),
                          "commits", output_number(counters.commits)));
}

/* By how many percent `less` is below `all`. */
static double saved(uint64_t all, uint64_t less)
{
    return all > less ? 100.0 * (double)(all - less) / (double)all : 0;
}

static void print_table(const struct report *report)
{
    char *file = text_escape(report->file);
    printf("%s\n", file);
    free(file);
    for (size_t i = 0; i < shown_count(report); i++) {
        const struct report_mismatch *mismatch = &report->shown[i];
        char *recorded = text_escape(mismatch->recorded), *got = text_escape(mismatch->got);
        printf("  mismatch: call %" PRIu64 " (%s): recorded %.*s, got %.*s\n", mismatch->number,
               trace_op_text(mismatch->op), SHOWN_BYTES_MAX, recorded, SHOWN_BYTES_MAX, got);
        free(recorded);
        free(got);
    }
    if (report->mismatches > REPORT_SHOWN_MAX) {
        printf("  ... and %zu more\n", report->mismatches - REPORT_SHOWN_MAX);
    }
    double seconds = (double)report->wall_us / 1e6;
    printf("  calls        %zu in %.2f s, %.0f calls/s\n", report->answered, seconds,
           seconds > 0 ? (double)report->answered / seconds : 0);
    printf("  mismatches   %zu", report->mismatches);
    if (report->failed > 0) {
        printf(" (%zu of them failed calls)", report->failed);
    }
    printf("\n\n  %-10s %9s %9s %9s %9s\n", "kind", "calls", "p50 us", "p99 us", "max us");
    for (int op = 0; op < TRACE_OPS; op++) {
        const uint32_t *times = report->times_us[op];
        size_t count = report->counts[op];
        if (count > 0) {
            printf("  %-10s %9zu %9" PRIu32 " %9" PRIu32 " %9" PRIu32 "\n", trace_op_text((enum trace_op)op),
                   count, report_percentile(times, count, 500), report_percentile(times, count, 990),
                   times[count - 1]);
        }
    }
    struct report_counters counters = difference(report);
    printf("\n  metadata     %" PRIu64 " operations accepted, %" PRIu64
           " written: coalescing saved %.1f %%\n",
           counters.metadata_accepted, counters.metadata_written,
           saved(counters.metadata_accepted, counters.metadata_written));
    printf("  commits      %" PRIu64 ", syncs %" PRIu64 ": grouping saved %.1f %%\n", counters.commits,
           counters.syncs, saved(counters.commits, counters.syncs));
}

static int compare_mismatches(const void *a, const void *b)
{
    struct report_mismatch first, second;
    memcpy(&first, a, sizeof first);
    memcpy(&second, b, sizeof second);
    return (first.number > second.number) - (first.number < second.number);
}

void report_print(struct report *report, bool json)
{
    qsort(report->shown, shown_count(report), sizeof report->shown[0], compare_mismatches);
    for (int op = 0; op < TRACE_OPS; op++) {
        qsort(report->times_us[op], report->counts[op], sizeof report->times_us[op][0], compare_times);
    }
    if (json) {
        print_json(report);
    } else {
        print_table(report);
    }
}
