/* Connections: bytes from a peer to requests, replies to bytes. Loop only. */
#ifndef DAEMON_CONNECTION_H
#define DAEMON_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct connection_set;
struct service;

struct connection_limits {
    uint64_t connections_max;
    uint64_t hello_timeout_us;  /* from its acceptance to a whole hello */
    uint64_t frame_timeout_us;  /* from when there is room for a body until it is whole */
    uint64_t stream_timeout_us; /* while the peer takes nothing of the replies that wait */
};

/* Loop and service are borrowed and outlive it. */
struct connection_set *connection_set_new(uv_loop_t *loop, struct service *service,
                                          const struct connection_limits *limits);

/* Other time-outs from now on, also for those who wait already; connections_max stays. */
void connection_set_limit(struct connection_set *set, const struct connection_limits *limits);

/* Accepts NULL. All connections are gone: connection_count is 0. */
void connection_set_free(struct connection_set *set);

/* Takes the connection that the listener holds. If there are more than connections_max, that one is told `busy` and closed. */
void connection_accept(struct connection_set *set, uv_stream_t *listener);

/* Once at the beginning of each iteration of the loop, after order_drain_completions. */
void connection_set_begin_iteration(struct connection_set *set, uint64_t now_us);

/* In each iteration of the loop, until connection_set_is_touched says no: requests that waited start again, replies go out,
 * reading goes on. Returns in how many microseconds it has something to do if nothing else happens; UINT64_MAX: nothing. */
uint64_t connection_set_serve(struct connection_set *set, uint64_t now_us);

/* Whether something has happened that connection_set_serve is to be called for in this iteration. */
bool connection_set_is_touched(const struct connection_set *set);

/* Whether some connection goes on in the next iteration, since its replies are held or it left requests that it had read: the
 * loop must not sleep. */
bool connection_set_has_postponed(const struct connection_set *set);

/* How many requests all connections have sent since the start. */
uint64_t connection_requests(const struct connection_set *set);

/* How many connections there are, those that are closing included. */
uint64_t connection_count(const struct connection_set *set);

/* Whether something waits for memory for requests, and a number that rises when that goes on. */
uint64_t connection_set_memory(const struct connection_set *set, bool *ret_waits);

/* Whether a write waits for room in the queue, or for a claim. */
bool connection_set_has_waiting(const struct connection_set *set);

/* Whether no request is in flight; whether no reply is still to go out. */
bool connection_set_is_idle(const struct connection_set *set);
bool connection_set_is_flushed(const struct connection_set *set);

/* Ends all streams with `shutting down`, since the daemon stops. */
void connection_end_streams(struct connection_set *set);

/* Closes all connections, in any state. They are gone some iterations later, when their last requests have ended. */
void connection_close_all(struct connection_set *set);

#endif
