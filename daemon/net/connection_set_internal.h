/* All connections: what connection_set.c keeps, and the other files of connections go by. Nobody else includes this. Loop only. */
#ifndef DAEMON_CONNECTION_SET_INTERNAL_H
#define DAEMON_CONNECTION_SET_INTERNAL_H

#include "daemon/net/connection_internal.h"

struct connection_set {
    /* fixed after start */
    uv_loop_t *loop;
    struct service *service;
    uint64_t connections_max;
    /* all connections */
    struct connection *all;
    uint64_t count;
    uint64_t in_flight;
    uint64_t requests;  /* started, ever */
    bool is_reads_turn; /* a large read is the next to be given memory, and not a large write */
    uint64_t late_us;   /* when the first deadline of those that wait for room ends; UINT64_MAX: none does */
    uint64_t granted;   /* frames and requests that got memory for which they had waited, ever */
    uint64_t not_reading;   /* connections: paused, or at their beginning or end */
    uint64_t next_check_us; /* when to check paused connections for peers that are gone */
    struct timeout_list hello_timeouts;
    struct timeout_list frame_timeouts;
    struct timeout_list unread_timeouts;
    /* this iteration of the loop */
    uint64_t iteration;           /* counted from 1 */
    uint64_t now_us;              /* when it began, or of the last read */
    struct connection *touched;   /* what has something to do */
    struct connection *postponed; /* what has in the next iteration */
    uint64_t at_work;             /* connections that had something to do */
    bool is_committing;           /* commit pressure: commits are in flight, or were a moment ago */
    bool has_served;              /* a contender had its share */
    bool had_served;              /* a contender had its share in the last iteration */
    uint64_t contenders;          /* connections without commits that had something to read */
    uint64_t contenders_before;   /* in the last iteration */
    uint8_t read_buffer[SCHEDULE_SHARE_BYTES];
};

#endif
