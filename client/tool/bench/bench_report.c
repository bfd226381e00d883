/* Tables are for people, CSV and JSON for programs; all show the same numbers. Nothing can fail but the writing to stdout, which the
 * tool checks at its end. */
#include "client/tool/bench/bench_report.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/tool/output.h"

enum { QUANTILES = 5, GROUPED_BYTES = 32 };

static const struct {
    const char *name;
    uint32_t parts_per_million;
} quantiles[QUANTILES] = {
    {"p50", 500000}, {"p90", 900000}, {"p99", 990000}, {"p999", 999000}, {"max", 1000000}};

static double rate(const struct bench_result *result)
{
    return result->seconds > 0 ? (double)result->operations / result->seconds : 0;
}

static double latency_us(const struct bench_result *result, size_t quantile)
{
    assert(quantile < QUANTILES);
    return (double)histogram_percentile_ns(&result->latency, quantiles[quantile].parts_per_million) / 1e3;
}

static void print_csv(const struct bench_workload *workload, const struct bench_result *result)
{
    for (const char *at = workload->word; *at != '\0'; at++) {
        putchar(*at == ',' ? ';' : *at);
    }
    printf(",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.6f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.3f",
           workload->clients, workload->depth, workload->rate, result->seconds, result->requests,
           result->operations, result->failed, rate(result));
    for (size_t i = 0; i < QUANTILES; i++) {
        printf(",%.3f", latency_us(result, i));
    }
    putchar('\n');
}

static void print_json(const struct bench_workload *workload, const struct bench_result *result)
{
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:f}", "workload", workload->word, "clients",
                  output_count(workload->clients), "depth", output_count(workload->depth), "rate_asked",
                  output_count(workload->rate), "seconds", result->seconds, "requests",
                  output_count(result->requests), "operations", output_count(result->operations), "failed",
                  output_count(result->failed), "rate", rate(result));
    for (size_t i = 0; i < QUANTILES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%s_us", quantiles[i].name);
        json_object_set_new(object, name, json_real(latency_us(result, i)));
    }
    output_json(object);
}

/* Writes a number with commas between thousands. */
static const char *grouped(char ret_text[static GROUPED_BYTES], uint64_t number)
{
    char digits[GROUPED_BYTES];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, number), at = 0;
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            ret_text[at++] = ',';
        }
        ret_text[at++] = digits[i];
    }
    assert(at < GROUPED_BYTES); /* 20 digits and 6 commas at most */
    ret_text[at] = '\0';
    return ret_text;
}

static void print_row(const struct bench_workload *workload, const struct bench_result *result, int width)
{
    char operations[GROUPED_BYTES], asked[GROUPED_BYTES];
    printf("%-*s %7" PRIu64 " %5" PRIu64 " %12s %8.2f %10" PRIu64 " %10" PRIu64 " %7" PRIu64 " %12s", width,
           workload->word, workload->clients, workload->depth,
           workload->rate > 0 ? grouped(asked, workload->rate) : "-", result->seconds, result->requests,
           result->operations, result->failed, grouped(operations, (uint64_t)(rate(result) + 0.5)));
    for (size_t i = 0; i < QUANTILES; i++) {
        printf(" %10.1f", latency_us(result, i));
    }
    putchar('\n');
}

static void print_heading(const struct bench_daemon *daemon, int width)
{
    printf("cairnd %s, engine %s\n\n", daemon->version, daemon->engine);
    printf("%-*s %7s %5s %12s %8s %10s %10s %7s %12s", width, "workload", "clients", "depth", "asked/s",
           "seconds", "requests", "operations", "failed", "rate/s");
    for (size_t i = 0; i < QUANTILES; i++) {
        printf(" %7s us", quantiles[i].name);
    }
    putchar('\n');
}

void bench_report_print(enum bench_format format, const struct bench_daemon *daemon,
                        const struct bench_thread *threads, unsigned count)
{
    int width = (int)strlen("workload");
    assert(count > 0 && (format == BENCH_TABLE || format == BENCH_CSV || format == BENCH_JSON));
    for (unsigned i = 0; i < count; i++) {
        int length = (int)strlen(threads[i].workload->word);
        width = length > width ? length : width;
    }
    if (format == BENCH_CSV) {
        puts("workload,clients,depth,rate_asked,seconds,requests,operations,failed,rate,p50_us,p90_us,p99_us,"
             "p999_us,max_us");
    } else if (format == BENCH_TABLE) {
        print_heading(daemon, width);
    }
    for (unsigned i = 0; i < count; i++) {
        switch (format) {
        case BENCH_CSV:
            print_csv(threads[i].workload, &threads[i].result);
            break;
        case BENCH_JSON:
            print_json(threads[i].workload, &threads[i].result);
            break;
        case BENCH_TABLE:
            print_row(threads[i].workload, &threads[i].result, width);
            break;
        }
    }
}
