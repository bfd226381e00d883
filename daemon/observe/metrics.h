/* The catalogue of the daemon's numbers: name, kind, unit and a line of help of each, and its value. A page for monitoring walks
 * it. The names stay the same.
 *
 * - metrics_add counts what happens, where it happens.
 * - A number that its owner keeps anyway is set by metrics_set, at the latest when somebody looks.
 * - The engine's numbers are told by engine_metrics, which calls back in the same form.
 *
 * Any thread; there is one catalogue in a process, and nothing waits or fails. Two values that are read one after the other
 * need not be of one instant. */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include <stdint.h>

enum metric_kind {
    METRIC_COUNTER, /* only grows, from 0 at each start */
    METRIC_GAUGE,   /* may fall */
};

struct metric {
    const char *name; /* as the status page has it */
    enum metric_kind kind;
    const char *unit; /* "" for what is just counted */
    const char *help;
};

/* In the order of the status page: name, kind, unit, help. */
/* clang-format off */
#define METRIC_LIST(X) \
    X(RUN, "run", GAUGE, "", "the number of this run of the daemon, from 1 on") \
    X(UPTIME_US, "uptime_us", GAUGE, "microseconds", "time since the start") \
    X(CHAINS, "chains", GAUGE, "", "chains that exist") \
    X(LOG_DROPPED, "log.dropped", COUNTER, "", "lines of the log that were dropped") \
    X(STALLS, "stalls", COUNTER, "", "how often loop, writer, pool or memory for requests did not move for a second") \
    /* order */ \
    X(SEQUENCE_LAST, "sequence.last", GAUGE, "", "the last number that was given out") \
    X(SEQUENCE_WRITTEN, "sequence.written_through", GAUGE, "", "everything up to this number is written or refused") \
    X(SEQUENCE_DURABLE, "sequence.durable_through", GAUGE, "", "everything up to this number is durable or refused") \
    X(QUEUE_OPERATIONS, "queue.operations", GAUGE, "", "metadata operations that are queued") \
    X(QUEUE_BYTES, "queue.bytes", GAUGE, "bytes", "memory of queued metadata") \
    X(QUEUE_OPERATIONS_MAX, "queue.operations_max", GAUGE, "", "the setting queue_operations_max") \
    X(QUEUE_BYTES_MAX, "queue.bytes_max", GAUGE, "bytes", "the setting queue_bytes_max") \
    X(COMMITS, "commits", COUNTER, "", "commits that were applied") \
    X(COMMITS_REFUSED, "commits.refused", COUNTER, "", "commits, prunes and rollbacks refused at their place in the order") \
    X(COMMITS_REPEATED, "commits.repeated", COUNTER, "", "numbered commits, prunes and rollbacks that had been applied before") \
    X(CLAIMS, "claims", COUNTER, "", "claims of chains that nobody else held") \
    X(CLAIMS_TAKEN_OVER, "claims.taken_over", COUNTER, "", "claims of chains that another connection held") \
    X(CLAIMS_RELEASED, "claims.released", COUNTER, "", "claims that were released") \
    X(PRUNES, "prunes", COUNTER, "", "prunes that were applied") \
    X(CHAINS_DROPPED, "chains.dropped", COUNTER, "", "chains that were dropped") \
    X(ROLLBACKS, "rollbacks", COUNTER, "", "rollbacks that were applied") \
    X(SYNCS, "syncs", COUNTER, "", "syncs of the engine's log") \
    X(GROUPS, "groups", COUNTER, "", "metadata groups that were written") \
    X(METADATA_ACCEPTED, "metadata.accepted", COUNTER, "", "metadata operations that were queued") \
    X(METADATA_WRITTEN, "metadata.written", COUNTER, "", "metadata operations that were written, after coalescing") \
    /* damage */ \
    X(DAMAGE_FILES, "damage.files", GAUGE, "", "files that were found damaged, or on a device that did not read") \
    X(DAMAGE_READS, "damage.reads", COUNTER, "", "reads and streams that ended with it") \
    X(DAMAGE_WRITES, "damage.writes", COUNTER, "", "commits, prunes and rollbacks that were refused for it") \
    X(DAMAGE_RAISES, "damage.raises", COUNTER, "", "queued raises that were left out for it") \
    X(DAMAGE_BACKGROUND, "damage.background", COUNTER, "", "work in the background that was given up for it") \
    /* space: what the reserve holds counts as free to the marks */ \
    X(SPACE_FREE, "space.free_bytes", GAUGE, "bytes", "free on the file system of the data directory") \
    X(SPACE_RESERVE, "space.reserve_bytes", GAUGE, "bytes", "set aside for a full disk") \
    X(SPACE_RESERVE_MAX, "space.reserve_bytes_max", GAUGE, "bytes", "what is meant to be set aside") \
    X(SPACE_SOFT, "space.soft_bytes", GAUGE, "bytes", "with less than this, free or set aside, metadata is refused") \
    X(SPACE_HARD, "space.hard_bytes", GAUGE, "bytes", "with less than this, free or set aside, commits are refused") \
    X(SPACE_REFUSED, "space.refused", COUNTER, "", "writes that were refused for want of space") \
    X(SPACE_LACKING, "space.lacking", COUNTER, "", "flushes and compactions that were given up for want of space") \
    /* clients */ \
    X(CONNECTIONS, "connections", GAUGE, "", "open connections") \
    X(CONNECTIONS_REFUSED, "connections.refused", COUNTER, "", "connections refused because connections_max were open") \
    X(CONNECTIONS_TIMED_OUT, "connections.timed_out", COUNTER, "", "connections whose client was stuck") \
    X(FRAMES_BAD, "frames.bad", COUNTER, "", "frames and requests that do not follow the protocol") \
    X(STREAMS_OPEN, "streams.open", GAUGE, "", "open streams") \
    X(STREAMS_AT_WORK, "streams.at_work", GAUGE, "", "of them have a place: the others wait for credit, or for their client") \
    X(REQUESTS_BYTES, "requests.bytes", GAUGE, "bytes", "memory of requests in flight") \
    X(REPLIES_BYTES, "replies.bytes", GAUGE, "bytes", "replies that the kernel has not taken yet")
/* clang-format on */

#define METRIC_ENUM(id, name, kind, unit, help) METRIC_##id,
enum metric_id { METRIC_LIST(METRIC_ENUM) METRICS };
#undef METRIC_ENUM

/* Adds to a counter. */
void metrics_add(enum metric_id id, uint64_t n);

/* Sets a number to what its owner counted or measured. */
void metrics_set(enum metric_id id, uint64_t value);

/* The last value; 0 before the first. */
uint64_t metrics_get(enum metric_id id);

/* Calls back with each of them, in their order. All that the metric leads to is static. */
typedef void metrics_fn(void *context, const struct metric *metric, uint64_t value);
void metrics_each(metrics_fn *each, void *context);

#endif
