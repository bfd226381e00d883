/* The client's end of a socket on which every request and every reply is known beforehand: requests go out as fast as
 * replies come, a fixed number in flight on each connection. */
#ifndef BENCH_SIDE_SOCKET_H
#define BENCH_SIDE_SOCKET_H

#include "tests/bench/side.h"

enum { EXCHANGE_HEAD_BYTES_MAX = 32 };

/* The requests go round; all connections send them from this one place. */
struct exchange {
    size_t count;         /* of requests until they begin again */
    size_t request_bytes; /* of each */
    size_t kept_bytes;    /* of each; behind these it is filler, the same bytes for all */
    size_t reply_bytes;   /* of each */
    size_t head_bytes;    /* of a reply: by these it is told from a wrong one */
    uint8_t *requests;    /* `count`, and behind them the first `depth` once more */
    uint8_t *heads;       /* `count` */
};

/* Room for the requests and heads of an exchange whose sizes and count are set. False: too large; it has been told. */
bool exchange_init(struct exchange *exchange, size_t depth);

/* Repeats the first `depth` requests behind the last; to be called once all are written. */
void exchange_repeat(struct exchange *exchange, size_t depth);

void exchange_close(struct exchange *exchange);

/* Connects and measures. SIDE_FAILED: it has been told why. */
enum side_exit exchange_run(const struct exchange *exchange, const char *socket,
                            const struct side_options *options, struct measure *measure);

/* A socket connected to a Unix path; -1: it has been told why. */
int side_connect(const char *path);

/* As many open files as may be. */
void side_raise_files(void);

/* Ends the process with a text once so much longer than what is to be measured has passed. */
void side_limit_time(uint64_t duration_ns);

#endif
