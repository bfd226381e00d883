/* The two clients whose requests are all alike: of the echo server, and of a Redis. */
#include "tests/bench/side_echo.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/side_socket.h"

enum {
    REQUESTS_MIN = 16,         /* a few, so that a reply to another request would show */
    KEPT_BYTES_MAX = 64 << 10, /* of a request; larger ones are mostly filler */
    NAME_DIGITS = 8,
};

enum side_exit side_echo(const struct side_options *options)
{
    struct exchange exchange = {
        .count = options->depth < REQUESTS_MIN ? REQUESTS_MIN : options->depth,
        .request_bytes = options->request_bytes,
        .kept_bytes = options->request_bytes <= KEPT_BYTES_MAX ? options->request_bytes : ECHO_REQUEST_BYTES,
        .reply_bytes = options->reply_bytes,
        .head_bytes = ECHO_REPLY_HEAD_BYTES,
    };
    if (!exchange_init(&exchange, options->depth)) {
        return SIDE_FAILED;
    }
    for (size_t i = 0; i < exchange.count; i++) {
        struct echo_request request = {(uint32_t)options->request_bytes, (uint32_t)options->reply_bytes,
                                       (uint64_t)i << 32 | i};
        memcpy(exchange.requests + i * exchange.kept_bytes, &request, sizeof request);
        memcpy(exchange.heads + i * exchange.head_bytes, &request.id, 8);
        memcpy(exchange.heads + i * exchange.head_bytes + 8, &request.reply_bytes, 4);
    }
    exchange_repeat(&exchange, options->depth);
    struct measure measure;
    enum side_exit code = exchange_run(&exchange, options->words[1], options, &measure);
    exchange_close(&exchange);
    if (code == SIDE_OK) {
        char workload[128];
        snprintf(workload, sizeof workload, "echo,request=%" PRIu64 ",reply=%" PRIu64, options->request_bytes,
                 options->reply_bytes);
        measure_print(&measure, options, workload);
    }
    return code;
}

/* ---- Redis ---- */

/* The commands for all names, one after the other, and how their replies begin. */
static bool redis_exchange(struct exchange *exchange, const struct side_options *options, bool is_get)
{
    char value_head[64];
    int value_head_bytes = snprintf(value_head, sizeof value_head, "$%" PRIu64 "\r\n", options->size_bytes);
    char *command = side_memory(options->size_bytes + 256, 1);
    int bytes = 0;
    for (size_t i = 0; i < options->names; i++) {
        bytes = snprintf(command, 128, "*%d\r\n$3\r\n%s\r\n$%d\r\nbench-%0*zu\r\n", is_get ? 2 : 3,
                         is_get ? "GET" : "SET", 6 + NAME_DIGITS, NAME_DIGITS, i);
        if (!is_get) {
            memcpy(command + bytes, value_head, (size_t)value_head_bytes);
            bytes += value_head_bytes;
            memset(command + bytes, 'v', options->size_bytes);
            bytes += (int)options->size_bytes;
            memcpy(command + bytes, "\r\n", 2);
            bytes += 2;
        }
        if (i == 0) {
            size_t head = is_get ? (size_t)value_head_bytes : 5;
            *exchange = (struct exchange){
                .count = options->names,
                .request_bytes = (size_t)bytes,
                .kept_bytes = (size_t)bytes,
                .reply_bytes = is_get ? head + options->size_bytes + 2 : head,
                .head_bytes = head,
            };
            if (!exchange_init(exchange, options->depth)) {
                free(command);
                return false;
            }
        }
        memcpy(exchange->requests + i * exchange->request_bytes, command, exchange->request_bytes);
        memcpy(exchange->heads + i * exchange->head_bytes, is_get ? value_head : "+OK\r\n",
               exchange->head_bytes);
    }
    exchange_repeat(exchange, options->depth);
    free(command);
    return true;
}

static enum side_exit redis_run(const struct side_options *options, bool is_get, struct measure *measure)
{
    struct exchange exchange;
    if (!redis_exchange(&exchange, options, is_get)) {
        return SIDE_FAILED;
    }
    enum side_exit code = exchange_run(&exchange, options->words[1], options, measure);
    exchange_close(&exchange);
    return code;
}

/* Sets every name once, and some more than once. */
static enum side_exit redis_prepare(const struct side_options *options)
{
    struct side_options once = *options;
    struct measure measure;
    once.clients = once.depth = 1;
    once.warmup_ns = 0;
    once.duration_ns = 10000000;
    enum side_exit code;
    do {
        code = redis_run(&once, false, &measure);
        once.duration_ns *= 4;
    } while (code == SIDE_OK && measure.requests < options->names);
    return code;
}

enum side_exit side_redis(const struct side_options *given)
{
    struct side_options options = *given;
    bool is_get = strcmp(options.words[2], "get") == 0;
    options.size_bytes = options.size_bytes != 0 ? options.size_bytes : 64;
    struct measure measure;
    enum side_exit code = is_get ? redis_prepare(&options) : SIDE_OK;
    if (code == SIDE_OK) {
        code = redis_run(&options, is_get, &measure);
    }
    if (code == SIDE_OK) {
        char workload[128];
        snprintf(workload, sizeof workload, "redis,%s,size=%" PRIu64 ",names=%" PRIu64, options.words[2],
                 options.size_bytes, options.names);
        measure_print(&measure, &options, workload);
    }
    return code;
}
