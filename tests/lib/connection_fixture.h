/* Connections in one process: a service_fixture, a connection set, and a listener on which the test's peers connect. Peers are plain
 * sockets that never block: an iteration of the loop stands between a peer's call and what comes of it. One a process. */
#ifndef TESTS_LIB_CONNECTION_FIXTURE_H
#define TESTS_LIB_CONNECTION_FIXTURE_H

#include "daemon/net/connection_set_internal.h"
#include "tests/lib/service_fixture.h"

/* Far above what any test takes: they are over when the test's clock says so. */
#define HELLO_TIMEOUT_US 1000000000
#define FRAME_TIMEOUT_US 2000000000

/* Opens the service too. service_open's limits go before. */
void connections_open(uint64_t connections_max);
/* Closes all connections, and checks that each was freed and all memory given back. */
void connections_close(void);

struct connection_set *connections(void);
/* The connection accepted last. */
struct connection *connection_last(void);

/* One iteration of the loop, as the daemon's; until the condition holds, or the test fails. */
void connections_iterate(void);
/* So much time passes at once, and an iteration comes behind it. */
void connections_pass(uint64_t elapsed_us);
#define CONNECTIONS_AWAIT(condition)                                                                         \
    for (uint64_t began_ms_ = clock_ms(); !(condition); connections_iterate()) {                             \
        ck_assert_msg(clock_ms() - began_ms_ < (uint64_t)patience_ms(10000), "never: %s", #condition);       \
    }

/* A peer that is connected and accepted; peer_greeted: and has said hello. */
int peer_new(void);
int peer_greeted(void);
/* Writes bytes, all of them, iterating while the kernel takes no more. */
void peer_write(int peer, const void *bytes, size_t count);
/* Sends a frame with that message; NULL: an empty body. */
void peer_send(int peer, uint8_t type, uint64_t id, const void *message);
/* The next frame, its body kept. Iterates until it is there. */
struct service_reply peer_receive(int peer);
/* Whether the daemon has closed the connection, nothing being left to receive. */
bool peer_is_closed(int peer);
void peer_close(int peer);

#endif
