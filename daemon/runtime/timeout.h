/* Time-outs of one length, for many that wait: what starts to wait joins the end of the list, so that the first is always due
 * first, and neither a timer nor a search is needed for each.
 *
 * Pure: no clock and no memory. What was started since the last turn counts from the next one, which has the time; turns come once an
 * iteration of the loop, before it sleeps. */
#ifndef DAEMON_TIMEOUT_H
#define DAEMON_TIMEOUT_H

#include <stdbool.h>
#include <stdint.h>

/* One who waits; part of its owner, zeroed at first, and stopped before the owner is freed. */
struct timeout {
    void *owner; /* fixed by its start */
    bool is_running;
    uint64_t since_us; /* 0: from the next turn on */
    struct timeout *previous;
    struct timeout *next;
};

struct timeout_list {
    uint64_t length_us;
    struct timeout *first; /* running for longest */
    struct timeout *last;
};

/* Starts it, or starts it anew if it runs. */
void timeout_start(struct timeout_list *list, struct timeout *timeout);

/* Does nothing if it does not run. */
void timeout_stop(struct timeout_list *list, struct timeout *timeout);

/* The first that has run for the whole length, NULL: none has. It runs until it is stopped or started anew. `now_us` is above 0 and
 * never goes back. */
struct timeout *timeout_turn(struct timeout_list *list, uint64_t now_us);

/* After a turn: in how many microseconds the next is due; UINT64_MAX: none runs. */
uint64_t timeout_in_us(const struct timeout_list *list, uint64_t now_us);

#endif
