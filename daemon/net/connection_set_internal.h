/* All connections: the state that connection_set.c keeps and the other files read. Nobody else includes this. Loop only. */
#ifndef DAEMON_CONNECTION_SET_INTERNAL_H
#define DAEMON_CONNECTION_SET_INTERNAL_H

#include "daemon/net/connection_internal.h"

enum { CONNECTION_SLICE_US = 1000 }; /* chosen: a few of them are below the 5 ms that nobody is held up for */

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
    uint64_t held;      /* connections whose hello waits */
    uint64_t waiting_for_claims; /* connections, */
    uint64_t claims_decided;     /* and how many had been when they were asked last */
    uint64_t not_reading;        /* connections: paused, or at their beginning or end */
    uint64_t next_check_us;      /* when to check paused connections for peers that are gone */
    struct timeout_list hello_timeouts;
    struct timeout_list frame_timeouts;
    struct timeout_list unread_timeouts;
    /* this iteration of the loop */
    uint64_t iteration;           /* counted from 1 */
    uint64_t now_us;              /* when it began, or of the last read */
    struct connection *touched;   /* what has something to do */
    struct connection *postponed; /* what has in the next iteration */
    uint64_t at_work;             /* connections that had something to do */
    uint64_t slice_iteration;     /* the last in which connections that were cut had their slices */
    uint64_t fresh_iteration;     /* the last in which something was read, */
    uint64_t fresh_until_us;      /* and until when what is read in it is carried out at once */
    bool is_committing;           /* commit pressure: commits are in flight, or were a moment ago */
    bool has_served;              /* a contender had its share */
    bool had_served;              /* a contender had its share in the last iteration */
    uint64_t contenders;          /* connections without commits that had something to read */
    uint64_t contenders_before;   /* in the last iteration */
    uint8_t read_buffer[SCHEDULE_SHARE_BYTES];
};

static inline struct connection *connection_of(struct session *session)
{
    static_assert(offsetof(struct connection, session) == 0, "a session is cast back to its connection");
    return (struct connection *)session;
}

/* ---- connection_late.c ---- */

/* Watches whether the peer takes what waits for it, for as long as something does. */
void connection_watch_unread(struct connection *connection);

/* Whether the process of a connection that says hello has left another one of which writes are not carried out yet. */
bool connection_has_predecessor(const struct connection *connection);

/* Gives up the connections whose peers took too long, once an iteration; returns in how many microseconds the next may be late. */
uint64_t connection_end_late(struct connection_set *set, uint64_t now_us);

/* Checks paused connections for peers that are gone, every HANG_UP_CHECK_US. */
void connection_check_paused(struct connection_set *set, uint64_t now_us);

/* ---- connection_share.c ---- */

/* Whether the frame whose header is there may start. What is about a stream always may: requests that stay may wait for it. Where only
 * memory for requests is in the way, or others that wait for that, it waits for its turn from here on. */
bool connection_may_start(struct connection *connection);

/* Whether it goes on with what it has read, or reads. */
bool connection_may_go_on(struct connection *connection);

/* Whether the peer is gone and what it sent would have to wait. */
bool connection_waits_for_nobody(const struct connection *connection);

/* How long requests may be started. */
struct time_slice {
    uint64_t until_us;
    unsigned unclocked; /* requests since the clock was read */
    bool is_over;
};

struct time_slice time_slice_until(uint64_t until_us);

/* Asked after a request with a body of so many bytes, before the next. */
bool time_slice_is_over(struct time_slice *slice, uint64_t body_bytes);

/* For what was read in this iteration: what is left of its time, shared with the connections that were cut. */
struct time_slice connection_fresh_slice(struct connection_set *set);

/* Its slice is over: it goes on in its turn. */
void connection_cut(struct connection *connection);

/* How much commits press on everything else, now. It reads the clock while they come. */
enum schedule_pressure connection_pressure(const struct connection_set *set);

/* How many bytes a connection that has something to read may read now. It is asked once an iteration: 0 is its answer to every
 * later call in it. */
uint32_t connection_take_share(struct connection *connection);

/* The same for the body of a frame that is read to where it stays. */
uint32_t connection_take_body_share(struct connection *connection);

/* ---- connection_read.c ---- */

/* Goes on with the backlogs of connections that were cut, by turns, for a slice of time; once an iteration. */
void connection_serve_cut(struct connection_set *set);

#endif
