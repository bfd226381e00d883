/* The echo server, alone or with something that takes the puts of requests that carry them. */
#ifndef BENCH_SIDE_SERVER_H
#define BENCH_SIDE_SERVER_H

#include "tests/bench/side.h"

/* Writes the puts that a request carried. False: the server is to end; it has been told why. */
typedef bool (*server_put)(void *context, const uint8_t *puts, size_t bytes, bool sync);

/* Listens and answers until SIGTERM or SIGINT. `put` may be NULL. */
enum side_exit server_run(const char *socket, server_put put, void *context);

#endif
