/* side: what cairn is compared with. Each mode is the least that could do one part of its work: an echo of as many bytes
 * over a socket, another server on it, the same engine in process. A mode runs, prints its CSV and ends. */
#ifndef BENCH_SIDE_H
#define BENCH_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "proto/histogram.h"

enum side_exit {
    SIDE_OK = 0,
    SIDE_FAILED = 1,
    SIDE_USAGE = 2,
};

/* ---- the command line, side_options.c ---- */

struct side_options {
    const char **words; /* that are no options, the mode first */
    size_t word_count;
    uint64_t request_bytes, reply_bytes;
    uint64_t clients, depth;
    uint64_t size_bytes, header_bytes;
    uint64_t names, batch, heights;
    uint64_t duration_ns, warmup_ns;
    uint64_t is_durable, is_cold; /* 0 or 1 */
};

/* Reads the command line. False: it has been told what is wrong with it. */
bool side_options_read(struct side_options *options, int count, char **arguments);

bool side_options_given(const char *name);

/* Whether only those options were given; `allowed` is their names with a blank between. False: it has been told. */
bool side_options_only(const char *mode, const char *allowed);

/* ---- what is measured, side_report.c ---- */

/* Requests count from the first instant at or after `from_ns` that the loop looked at, to the first at or after `to_ns`
 * by which there was one: a rate of nothing would say nothing. */
struct measure {
    uint64_t from_ns, to_ns;
    bool counts;
    uint64_t began_ns, ended_ns;
    uint64_t requests, operations;
    struct histogram latencies;
};

static inline uint64_t side_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The warm-up starts now. */
void measure_start(struct measure *measure, const struct side_options *options);

/* To be told the time after what happened until then was counted. False: the measurement has ended. */
static inline bool measure_goes_on(struct measure *measure, uint64_t now_ns)
{
    if (now_ns < measure->from_ns) {
        return true;
    }
    if (!measure->counts) {
        measure->counts = true;
        measure->began_ns = now_ns;
    }
    measure->ended_ns = now_ns;
    return now_ns < measure->to_ns || measure->requests == 0;
}

static inline void measure_add(struct measure *measure, uint64_t latency_ns, uint64_t operations)
{
    if (measure->counts) {
        measure->requests++;
        measure->operations += operations;
        histogram_add(&measure->latencies, latency_ns);
    }
}

/* Prints the CSV: its header before the first line. */
void measure_print(const struct measure *measure, const struct side_options *options, const char *workload);

/* Says on the standard error what went wrong; SIDE_FAILED. */
enum side_exit side_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Memory, zeroed; without it the process ends. */
void *side_memory(size_t count, size_t size);

/* Bytes that do not compress, the same in every run. */
void side_fill(void *bytes, size_t count);

/* SHA-256, with all that can be done once done once; a failure of the crypto library ends the process. */
enum { SIDE_SHA256_BYTES = 32 };
void side_sha256(const void *bytes, size_t count, uint8_t ret_digest[static SIDE_SHA256_BYTES]);

/* ---- the modes ---- */

enum side_exit side_echo_server(const struct side_options *options);
enum side_exit side_echo(const struct side_options *options);
enum side_exit side_redis(const struct side_options *options);
enum side_exit side_rocksdb_commit(const struct side_options *options);
enum side_exit side_rocksdb_stream(const struct side_options *options);
enum side_exit side_replay_server(const struct side_options *options);
enum side_exit side_replay(const struct side_options *options);

#endif
