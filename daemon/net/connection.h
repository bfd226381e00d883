/* Connections: bytes from a peer to requests, replies to bytes. Loop only. */
#ifndef DAEMON_CONNECTION_H
#define DAEMON_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct connection_set;
struct service;

struct connection_set *connection_set_new(uv_loop_t *loop, struct service *service, uint64_t connections_max);

/* When all connections are gone. */
void connection_set_free(struct connection_set *set);

/* Takes the connection that waits at the listener; tells it `busy` and closes it if there are too many. */
void connection_accept(struct connection_set *set, uv_stream_t *listener);

/* Once at the beginning of each iteration of the loop, after order_drain_completions. */
void connection_set_begin_turn(struct connection_set *set, uint64_t now_us);

/* In each turn of the loop, as often as there is something to do: requests that waited start again, replies go out, reading
 * goes on. Returns in how many microseconds a deadline ends; UINT64_MAX: none. */
uint64_t connection_set_turn(struct connection_set *set, uint64_t now_us);

/* Whether something happened since that another turn is to look at. */
bool connection_set_is_touched(const struct connection_set *set);

/* Whether some connection goes on in the next iteration, for its replies are held, or it left what it had read: the loop is
 * not to sleep. */
bool connection_set_has_postponed(const struct connection_set *set);

/* How many requests all connections have sent. */
uint64_t connection_requests(const struct connection_set *set);

uint64_t connection_count(const struct connection_set *set);

/* Whether a write waits for room in the queue. */
bool connection_set_has_waiting(const struct connection_set *set);

/* Whether no request is in flight. */
bool connection_set_is_idle(const struct connection_set *set);

/* Ends all streams, since the daemon stops. */
void connection_end_streams(struct connection_set *set);

/* Whether replies have still to go out. */
bool connection_set_is_flushed(const struct connection_set *set);

/* Closes all, whatever they are at. */
void connection_close_all(struct connection_set *set);

#endif
